//! Owns `dlsym`: which scope a handle stands for, and the value by which C refers to a symbol. Must not know how libraries are
//! loaded.

use std::sync::Arc;

use pydl_linker::{FunctionRef, ModuleId, Namespace, Scope, SlotContent, Symbol, SymbolValue, TableSlot};

use super::{
    Failure, ProcessStore, RTLD_DEFAULT, RTLD_NEXT, handle_of, invalid_handle, library_of, linking, refuse,
};
use crate::link::host::SystemInterface;
use crate::link::slots;

/// `dlsym`: the address or table slot of a symbol, `handle` being `RTLD_DEFAULT` or from `dlopen`. A library whose symbol is
/// found by a search that does not name the library stays loaded as long as the caller does; one whose symbol is found through a
/// handle, as long as the library of the handle.
pub(crate) fn symbol(store: &mut ProcessStore<'_>, handle: u32, name: &str) -> Result<u32, Failure> {
    let caller = linking(store)?.take_caller();
    let is_anybodys = handle == RTLD_DEFAULT || handle == RTLD_NEXT || handle == handle_of(ModuleId::MAIN);
    let (symbol, value) = match find(store, caller, handle, name) {
        // Host functions that the C library uses count as part of the C library, which is the main module's.
        Err(Failure::Refused(why)) if is_anybodys => match symbol_of_host(store, name)? {
            Some(value) => return Ok(value),
            None => return Err(Failure::Refused(why)),
        },
        found => found?,
    };
    if symbol.definer == ModuleId::MAIN {
        return Ok(value);
    }
    if is_anybodys {
        depend(store, caller, symbol.definer)?;
    } else {
        // Data that is to exist once per process may belong to a library other than that of the handle and those that it needs.
        let namespace = &linking(store)?.namespace;
        let library = library_of(namespace, handle)?;
        if !namespace.holds(library, symbol.definer) {
            depend(store, library, symbol.definer)?;
        }
    }
    Ok(value)
}

/// The table slot of a function that only the host has and that the host implements; the function is given a slot now if it has
/// none. `None` when there is no such function.
fn symbol_of_host(store: &mut ProcessStore<'_>, name: &str) -> Result<Option<u32>, Failure> {
    let namespace = linking(store)?.namespace.clone();
    let known = namespace.host_address(name).cloned();
    let address = known.or_else(|| namespace.ask_for_address(name, &SystemInterface::default()));
    let Some(address) = address.filter(|address| address.is_served) else { return Ok(None) };
    if let Some(slot) = namespace.host_slot(name) {
        return Ok(Some(slot.0));
    }
    drop(namespace);
    let space = linking(store)?.space.clone();
    let slot = space.take_slot(&mut *store);
    let slot =
        slot.ok_or_else(|| refuse(format!("no table slot for `{name}`: the function table is full")))?;
    let content = SlotContent::Host { name: name.to_owned(), signature: address.signature };
    slots::fill(store, &space, slot, content).map_err(Failure::Ended)?;
    linking(store)?.namespace_mut().record_host_slot(name, slot);
    Ok(Some(slot.0))
}

/// Finds a symbol with its address or table slot, as `caller` sees it.
pub(crate) fn find(
    store: &mut ProcessStore<'_>,
    caller: ModuleId,
    handle: u32,
    name: &str,
) -> Result<(Symbol, u32), Failure> {
    let namespace = linking(store)?.namespace.clone();
    let (scope, place) = match handle {
        RTLD_DEFAULT => (Scope::From(caller), "the global scope".to_owned()),
        RTLD_NEXT => (Scope::After(caller), format!("what comes after {}", namespace.name(caller))),
        handle => match library_of(&namespace, handle)? {
            ModuleId::MAIN => (Scope::Global, namespace.main().name().to_owned()),
            id => match namespace.library(id) {
                Some(library) => (Scope::Library(library), library.path.clone()),
                None => return Err(invalid_handle(handle)),
            },
        },
    };
    store.data().trace.symbol(name, &place);
    let undefined = || refuse(format!("undefined symbol `{name}` in {place}"));
    let symbol = namespace.lookup(name, scope).ok_or_else(undefined)?;
    let (symbol, export) = namespace.pointed_at(symbol, name);
    let value = value(store, namespace, &symbol, &export, &place)?;
    Ok((symbol, value))
}

/// Records that a library obtained a symbol of another one by a search that does not name that library.
pub(super) fn depend(store: &mut ProcessStore<'_>, caller: ModuleId, on: ModuleId) -> Result<(), Failure> {
    let linking = linking(store)?;
    let namespace = &linking.namespace;
    let is_known = match namespace.library(caller) {
        Some(library) => library.uses.contains(&on),
        None => namespace.library(on).is_none_or(|library| library.is_permanent),
    };
    if !is_known {
        linking.namespace_mut().depend(caller, on);
    }
    Ok(())
}

/// The value by which C refers to a symbol: its address, or its table slot, which it is given now if it has none.
fn value(
    store: &mut ProcessStore<'_>,
    namespace: Arc<Namespace>,
    symbol: &Symbol,
    name: &str,
    place: &str,
) -> Result<u32, Failure> {
    match namespace.value(symbol) {
        Some(SymbolValue::Address(address)) => Ok(address.0),
        Some(SymbolValue::Slot(slot)) => Ok(slot.0),
        Some(SymbolValue::NoSlotYet(function)) => {
            drop(namespace);
            Ok(give_slot(store, function, symbol.definer, name)?.0)
        }
        None => Err(refuse(format!(
            "symbol `{name}` in {place} is a {}, to which C has no pointers",
            symbol.kind.describe()
        ))),
    }
}

/// Gives a function its one slot; `definer` exports the function as `name`.
pub(super) fn give_slot(
    store: &mut ProcessStore<'_>,
    function: FunctionRef,
    definer: ModuleId,
    name: &str,
) -> Result<TableSlot, Failure> {
    let linking = linking(store)?;
    let space = linking.space.clone();
    let slot = space.take_slot(&mut *store);
    let slot =
        slot.ok_or_else(|| refuse(format!("no table slot for `{name}`: the function table is full")))?;
    let content = SlotContent::Export { module: definer, name: name.to_owned() };
    slots::fill(store, &space, slot, content).map_err(Failure::Ended)?;
    self::linking(store)?.namespace_mut().record_slot(function, slot);
    Ok(slot)
}
