//! Owns what single slots of a process's function table are filled with, apart from the steps of plans: the function that an
//! entry in the journal stands for. Must not know why a slot is given.

use std::sync::Weak;

use pydl_linker::{SlotContent, TableSlot, trampolines};
use wasmtime::{Func, Instance, StoreContextMut};

use super::dlfcn::{self, Failure, exits};
use super::execute::host_function;
use super::state::Links as _;
use crate::compile::recipes;
use crate::memory::address_space::AddressSpace;
use crate::system::emscripten;
use crate::system::slots::{self, set_slot};
use crate::system::state::ProcessState;

type ProcessStore<'a> = StoreContextMut<'a, ProcessState>;

/// Fills a slot that was allocated for this content, and records that in the journal.
pub(crate) fn fill(
    store: &mut ProcessStore<'_>,
    space: &AddressSpace,
    slot: TableSlot,
    content: SlotContent,
) -> wasmtime::Result<()> {
    let function = function(store, space, &content)?;
    slots::fill(store, space, slot, content, function)
}

/// Puts the function that a journal entry stands for into a slot.
pub(crate) fn put(
    store: &mut ProcessStore<'_>,
    space: &AddressSpace,
    slot: TableSlot,
    content: &SlotContent,
) -> wasmtime::Result<()> {
    let function = function(store, space, content)?;
    set_slot(store, space.table, slot, function)
}

fn function(
    store: &mut ProcessStore<'_>,
    space: &AddressSpace,
    content: &SlotContent,
) -> wasmtime::Result<Func> {
    let lost = || {
        wasmtime::Error::msg(format!("internal error: there is no function for a table slot: {content:?}"))
    };
    match content {
        SlotContent::Export { module, name } => {
            let instance = match dlfcn::linking(store) {
                Ok(linking) => linking.instance(*module),
                Err(Failure::Ended(error)) => return Err(error),
                Err(Failure::Refused(_)) => None,
            };
            instance.and_then(|instance| instance.get_func(store, name)).ok_or_else(lost)
        }
        SlotContent::Host { name, signature } => host_function(store, name, signature),
        SlotContent::ExitRunner => Ok(exits::runner_function(store)),
        SlotContent::Trampoline(number) => {
            let bytes = trampolines::generate(*number).ok_or_else(lost)?;
            trampoline(store, space, &bytes)
        }
        SlotContent::Closure(number) => emscripten::closure_function(store, *number).ok_or_else(lost),
    }
}

/// The name of generated modules in backtraces.
const GENERATED: &str = "pydl trampolines";

/// The function of a generated trampoline module.
fn trampoline(store: &mut ProcessStore<'_>, space: &AddressSpace, bytes: &[u8]) -> wasmtime::Result<Func> {
    let compiler = store.data().compiler.clone();
    let module = compiler.compile("generated trampoline", bytes, &recipes::of_generated(), || {});
    let module = module.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let imports: Vec<_> = module
        .imports()
        .map(|import| if import.ty().memory().is_some() { space.memory.into() } else { space.table.into() })
        .collect();
    if let Some(link) = store.data_mut().link_mut() {
        link.code.note(&module, GENERATED, Weak::new());
    }
    let instance = Instance::new(&mut *store, &module, &imports)?;
    let function = instance.get_func(&mut *store, trampolines::FUNCTION);
    function.ok_or_else(|| wasmtime::Error::msg("internal error: a generated trampoline exports no function"))
}
