//! Owns the filling and emptying of single slots of a process's function table, and the journal's notes of what they hold. Must not know
//! what that is.

use pydl_linker::{SlotContent, TableSlot};
use wasmtime::{Func, Ref, StoreContextMut, Table};

use super::state::ProcessState;
use crate::memory::address_space::AddressSpace;

type ProcessStore<'a> = StoreContextMut<'a, ProcessState>;

/// Fills a slot that was allocated for it with the function that a note stands for, and records the note in the journal.
pub(crate) fn fill(
    store: &mut ProcessStore<'_>,
    space: &AddressSpace,
    slot: TableSlot,
    content: SlotContent,
    function: Func,
) -> wasmtime::Result<()> {
    set_slot(store, space.table, slot, function)?;
    store.data_mut().journal.fill(slot, content);
    Ok(())
}

/// Empties a slot and gives it back.
pub(crate) fn empty(store: &mut ProcessStore<'_>, space: &AddressSpace, slot: TableSlot) {
    store.data_mut().journal.empty(slot);
    space.give_slot(store, slot);
}

/// Puts a function into a slot of the process's table.
pub(crate) fn set_slot(
    store: &mut StoreContextMut<'_, ProcessState>,
    table: Table,
    slot: TableSlot,
    function: Func,
) -> wasmtime::Result<()> {
    table.set(store, u64::from(slot.0), Ref::Func(Some(function)))
}
