//! Owns what libraries have registered to run at exit: to which library each handler belongs, and in which order all of them run.
//! The main module's own list has the order ([decisions/0011]); it holds one entry for each handler here. Must not know when
//! libraries are unloaded.
//!
//! [decisions/0011]: ../../../docs/decisions/0011-libraries-leave.md

use std::collections::BTreeMap;

use pydl_linker::{ModuleId, SlotContent, TableSlot, abi};
use wasmtime::{AsContextMut, Caller, Func, Ref, Trap, WasmParams};

use super::{Failure, ProcessStore, linking, refuse};
use crate::base::budget::{Budget, Charge, Exhausted};
use crate::link::slots;
use crate::system::state::ProcessState;

/// The function to call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExitCall {
    /// A function of type `(i32) -> ()` with this argument: `__cxa_atexit`.
    WithArgument(TableSlot, u32),
    /// A function of type `() -> ()`: `atexit`.
    Plain(TableSlot),
    /// The library's own finalizer, [`abi::CALL_DTORS`].
    Fini,
}

/// A handler to run at exit, or when its library is unloaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ExitHandler {
    library: ModuleId,
    call: ExitCall,
}

/// The handlers that libraries have registered. No operation searches all of them: a guest registers a million as easily as one.
#[derive(Default)]
pub(crate) struct Exits {
    /// The slot of the function that the main module's list calls, with the number of an entry.
    slot: Option<TableSlot>,
    /// The handler behind each entry of the main module's list, oldest first; `None` when it has run.
    entries: Vec<Option<ExitHandler>>,
    /// The number of entries up to the last one that has not run.
    used: usize,
    /// The numbers of the entries of each library that have not run, oldest first.
    of_library: BTreeMap<ModuleId, Vec<usize>>,
    charge: Option<Charge>,
}

/// What an entry and its number take, in bytes.
const ENTRY: u64 = 64;

impl Exits {
    /// Charges the room for one more entry.
    fn charge(&mut self, budget: &Budget) -> Result<(), Exhausted> {
        let bytes = ENTRY.saturating_mul(self.entries.len() as u64 + 1);
        match &mut self.charge {
            Some(charge) => charge.resize(bytes),
            charge => {
                *charge = Some(budget.charge(bytes)?);
                Ok(())
            }
        }
    }

    /// Adds a handler at the end of the order. Returns the number of the new entry that the main module's list has to get; `None`
    /// when the list already has an entry of that number whose handler has run: programs that open and close a library again and
    /// again do not fill the list.
    fn add(&mut self, handler: ExitHandler) -> Option<usize> {
        let entry = self.used;
        self.used += 1;
        self.of_library.entry(handler.library).or_default().push(entry);
        if let Some(free) = self.entries.get_mut(entry) {
            *free = Some(handler);
            return None;
        }
        self.entries.push(Some(handler));
        Some(entry)
    }

    /// The handler of an entry, when the main module's list has reached that entry; the entries after it are gone from the list.
    fn reach(&mut self, entry: usize) -> Option<ExitHandler> {
        let handler = self.entries.get_mut(entry).and_then(Option::take);
        for gone in self.entries.drain(entry.min(self.entries.len())..).flatten().chain(handler) {
            if let Some(numbers) = self.of_library.get_mut(&gone.library) {
                numbers.truncate(numbers.partition_point(|number| *number < entry));
            }
        }
        self.shrink();
        handler
    }

    /// Takes the last handler of a library, which is then removed from the order.
    fn take_last(&mut self, library: ModuleId) -> Option<ExitHandler> {
        let entry = self.of_library.get_mut(&library)?.pop();
        let handler = entry.and_then(|entry| self.entries.get_mut(entry)?.take());
        if handler.is_none() {
            self.of_library.remove(&library);
        }
        self.shrink();
        handler
    }

    fn shrink(&mut self) {
        self.used = self.used.min(self.entries.len());
        while self.used > 0 && self.entries.get(self.used - 1).is_some_and(Option::is_none) {
            self.used -= 1;
        }
    }
}

/// Registers a call for a library. Returns 0, or whatever else the main module's `__cxa_atexit` returns when it has no room.
pub(crate) fn register(
    store: &mut ProcessStore<'_>,
    library: ModuleId,
    call: ExitCall,
) -> Result<u32, Failure> {
    let slot = runner(store)?;
    let budget = store.data().budget.clone();
    let linking = linking(store)?;
    if linking.exits.charge(&budget).is_err() {
        return Err(refuse(Exhausted.to_string()));
    }
    // A guest's list may take less of its memory than the notes take of the host's.
    let most = budget.limits().exit_handlers;
    if linking.exits.used >= most {
        return Err(refuse(format!("libraries have registered {most} exit handlers, which is the most")));
    }
    let Some(entry) = linking.exits.add(ExitHandler { library, call }) else { return Ok(0) };
    let (main, space) = (linking.main(), linking.space.clone());
    let ended = Failure::Ended;
    let number = u32::try_from(entry).map_err(|error| ended(error.into()))?;
    let register =
        main.get_typed_func::<(u32, u32, u32), u32>(&mut *store, abi::CXA_ATEXIT).map_err(ended)?;
    let status = space.call(&mut *store, &register, (slot.0, number, 0)).map_err(ended)?;
    if status != 0 {
        self::linking(store)?.exits.reach(entry);
    }
    Ok(status)
}

/// The slot of the function that runs an entry; created on demand.
fn runner(store: &mut ProcessStore<'_>) -> Result<TableSlot, Failure> {
    let linking = linking(store)?;
    if let Some(slot) = linking.exits.slot {
        return Ok(slot);
    }
    let space = linking.space.clone();
    let slot = space.take_slot(&mut *store);
    let slot = slot.ok_or_else(|| refuse("the function table is full"))?;
    slots::fill(store, &space, slot, SlotContent::ExitRunner).map_err(Failure::Ended)?;
    self::linking(store)?.exits.slot = Some(slot);
    Ok(slot)
}

/// The function that runs an entry.
pub(crate) fn runner_function(store: &mut ProcessStore<'_>) -> Func {
    Func::wrap(store, |mut guest: Caller<'_, ProcessState>, entry: u32| {
        run_entry(&mut guest.as_context_mut(), entry)
    })
}

/// Runs the handler of an entry, unless its library was unloaded.
fn run_entry(store: &mut ProcessStore<'_>, entry: u32) -> wasmtime::Result<()> {
    let handler = match linking(store) {
        Ok(linking) => linking.exits.reach(usize::try_from(entry)?),
        Err(_) => None,
    };
    handler.map_or(Ok(()), |handler| run(store, handler))
}

/// Runs the handlers of a library, the last first, and those that it registers meanwhile. An error stops the run; the remaining
/// handlers stay registered.
pub(crate) fn run_all_of(store: &mut ProcessStore<'_>, library: ModuleId) -> wasmtime::Result<()> {
    loop {
        let handler = linking(store).ok().and_then(|linking| linking.exits.take_last(library));
        match handler {
            Some(handler) => run(store, handler)?,
            None => return Ok(()),
        }
    }
}

/// Forgets the handlers of a library.
pub(crate) fn forget(store: &mut ProcessStore<'_>, library: ModuleId) {
    if let Ok(linking) = linking(store) {
        while linking.exits.take_last(library).is_some() {}
    }
}

fn run(store: &mut ProcessStore<'_>, handler: ExitHandler) -> wasmtime::Result<()> {
    match handler.call {
        ExitCall::WithArgument(slot, argument) => call_slot(store, slot, argument),
        ExitCall::Plain(slot) => call_slot(store, slot, ()),
        ExitCall::Fini => {
            let Ok(linking) = linking(store) else { return Ok(()) };
            let (space, instance) = (linking.space.clone(), linking.instance(handler.library));
            let Some(instance) = instance else { return Ok(()) };
            let fini = instance.get_typed_func::<(), ()>(&mut *store, abi::CALL_DTORS)?;
            space.call(&mut *store, &fini, ())
        }
    }
}

/// Calls a function as guest code does through a pointer, with the same traps.
pub(crate) fn call_slot<P: WasmParams, R: wasmtime::WasmResults>(
    store: &mut ProcessStore<'_>,
    slot: TableSlot,
    parameters: P,
) -> wasmtime::Result<R> {
    let Ok(linking) = linking(store) else { return Err(Trap::TableOutOfBounds.into()) };
    let space = linking.space.clone();
    let function = match space.table.get(&mut *store, u64::from(slot.0)) {
        Some(Ref::Func(Some(function))) => function,
        Some(_) => return Err(Trap::IndirectCallToNull.into()),
        None => return Err(Trap::TableOutOfBounds.into()),
    };
    let function = function.typed::<P, R>(&mut *store).map_err(|_| Trap::BadSignature)?;
    space.call(&mut *store, &function, parameters)
}

/// `__cxa_atexit` and `atexit` of a library. If the DSO handle is that of another library, the handler belongs to that one.
pub(crate) fn atexit(
    store: &mut ProcessStore<'_>,
    caller: ModuleId,
    call: ExitCall,
    dso: Option<u32>,
) -> wasmtime::Result<u32> {
    let owner = linking(store).ok().and_then(|linking| {
        let of_dso = |library: &&pydl_linker::Library| {
            dso == Some(library.memory_base.0) && library.holds_data(library.memory_base)
        };
        linking.namespace.libraries().iter().find(of_dso).map(|library| library.id)
    });
    match register(store, owner.unwrap_or(caller), call) {
        Ok(status) => Ok(status),
        Err(Failure::Refused(_)) => Ok(u32::MAX),
        Err(Failure::Ended(error)) => Err(error),
    }
}

/// Registers the finalizer of a library that exports one, before any code of the library runs: it runs after all other handlers
/// of the library.
pub(crate) fn register_fini(store: &mut ProcessStore<'_>, library: ModuleId) -> Result<(), Failure> {
    let linking = linking(store)?;
    let (instance, main) = (linking.instance(library), linking.main());
    let Some(instance) = instance else { return Ok(()) };
    // Most libraries have none, and an error of the engine may come with a trace of the host's stack, which takes long.
    if instance.get_func(&mut *store, abi::CALL_DTORS).is_none() {
        return Ok(());
    }
    if instance.get_typed_func::<(), ()>(&mut *store, abi::CALL_DTORS).is_err()
        || main.get_typed_func::<(u32, u32, u32), u32>(&mut *store, abi::CXA_ATEXIT).is_err()
    {
        return Ok(());
    }
    match register(store, library, ExitCall::Fini)? {
        0 => Ok(()),
        _ => Err(refuse("the program's list of exit handlers is full")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(library: ModuleId, number: u32) -> ExitHandler {
        ExitHandler { library, call: ExitCall::Plain(TableSlot(number)) }
    }

    #[test]
    fn entries_that_have_run_are_used_again_from_the_first_at_the_end() {
        let id = ModuleId::MAIN;
        let mut exits = Exits::default();
        assert_eq!(exits.add(handler(id, 1)), Some(0));
        assert_eq!(exits.add(handler(id, 2)), Some(1));
        assert_eq!(exits.take_last(id), Some(handler(id, 2)));
        assert_eq!(exits.take_last(id), Some(handler(id, 1)));
        assert_eq!(exits.take_last(id), None);
        assert_eq!(exits.add(handler(id, 3)), None);
        assert_eq!(exits.add(handler(id, 4)), None);
        assert_eq!(exits.add(handler(id, 5)), Some(2));
        assert_eq!(exits.reach(2), Some(handler(id, 5)));
        assert_eq!(exits.reach(1), Some(handler(id, 4)));
        // The list no longer has an entry 1.
        assert_eq!(exits.add(handler(id, 6)), Some(1));
        assert_eq!(exits.reach(0), Some(handler(id, 3)));
    }
}
