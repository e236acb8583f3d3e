//! Owns the reports of code that was built to check itself: its C stack (`-sSTACK_OVERFLOW_CHECK=2`) and each access to memory
//! (`-sSAFE_HEAP`). Facts: Emscripten, `src/lib/libcore.js`, `src/runtime_safe_heap.js`. Must not know what is checked, and how.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use crate::system::c_stack;

pub(super) const ENTRIES: &[Entry] = &[
    ("__handle_stack_overflow", Handler::Plain(stack_overflow)),
    ("segfault", Handler::Plain(segmentation_fault)),
    ("alignfault", Handler::Plain(alignment_fault)),
];

/// `(address)`: the value that the stack pointer was about to be set to.
fn stack_overflow(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let wanted = arguments.word(0)?;
    let place = match c_stack::bounds(&mut guest.store())? {
        Some(bounds) => format!(", which is from {:#x} to {:#x}", bounds.end, bounds.base),
        None => String::new(),
    };
    Err(wasmtime::Error::msg(format!(
        "stack overflow: the guest wants its C stack to reach to {wanted:#x}{place}; link the main module with a larger \
         -sSTACK_SIZE"
    )))
}

fn segmentation_fault(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Err(wasmtime::Error::msg(
        "segmentation fault: the guest was built with -sSAFE_HEAP, and used memory that it does not have",
    ))
}

fn alignment_fault(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Err(wasmtime::Error::msg(
        "alignment fault: the guest was built with -sSAFE_HEAP, and used memory at an address that its type does not have",
    ))
}
