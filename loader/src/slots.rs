//! Owns what single slots of a process's function table are given beside the steps of plans: each is noted in the journal as what it is, and
//! made by that note. Must not know why a slot is given.

use pydl_linker::{SlotContent, TableSlot, trampolines};
use wasmtime::{Func, StoreContextMut};

use crate::address_space::AddressSpace;
use crate::dlfcn::{self, Failure, exits};
use crate::execute::{host_function, set_slot};
use crate::process::ProcessState;
use crate::python;
use crate::system::emscripten;

type Store<'a> = StoreContextMut<'a, ProcessState>;

/// Fills a slot that was taken for it, and notes that.
pub(crate) fn fill(
    store: &mut Store<'_>,
    space: &AddressSpace,
    slot: TableSlot,
    content: SlotContent,
) -> wasmtime::Result<()> {
    put(store, space, slot, &content)?;
    store.data_mut().journal.fill(slot, content);
    Ok(())
}

/// Empties a slot and gives it back.
pub(crate) fn empty(store: &mut Store<'_>, space: &AddressSpace, slot: TableSlot) {
    store.data_mut().journal.empty(slot);
    space.give_slot(store, slot);
}

/// Puts into a slot what a note says.
pub(crate) fn put(
    store: &mut Store<'_>,
    space: &AddressSpace,
    slot: TableSlot,
    content: &SlotContent,
) -> wasmtime::Result<()> {
    let function = function(store, space, content)?;
    set_slot(store, space.table, slot, function)
}

fn function(store: &mut Store<'_>, space: &AddressSpace, content: &SlotContent) -> wasmtime::Result<Func> {
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
            python::emscripten::trampoline_function(store, space, &bytes)
        }
        SlotContent::Closure(number) => emscripten::closure_function(store, *number).ok_or_else(lost),
    }
}
