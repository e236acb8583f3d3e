//! Owns what happens at the first call of a function that a load left unbound: the host function that generated code calls to
//! obtain a slot. Must not know which functions are left unbound, or why.

use std::sync::Arc;

use pydl_linker::{AbiFamily, LateBinding, LazySymbols, LookupError, ModuleId, SymbolProblem};
use wasmtime::{AsContextMut, Caller, Func};

use super::lookup::{depend, give_slot};
use super::{Failure, ProcessStore, linking, refuse};
use crate::link::libraries::RefusedLoad;
use crate::link::state::Links as _;
use crate::system::emscripten::topic_of_javascript;
use crate::system::state::ProcessState;

/// The function that binds function `number` of `symbols`, which a load has deferred, and returns its slot. When there is no
/// definition, the guest ends with a [`pydl_linker::LookupError`].
pub(crate) fn binder(store: &mut ProcessStore<'_>, load: ModuleId, symbols: LazySymbols) -> Func {
    let symbols = Arc::new(symbols);
    Func::wrap(store, move |mut guest: Caller<'_, ProcessState>, number: u32| {
        bind(&mut guest.as_context_mut(), load, &symbols, number).map_err(|failure| match failure {
            Failure::Refused(why) => wasmtime::Error::msg(why.to_string()),
            Failure::Ended(error) => error,
        })
    })
}

fn bind(
    store: &mut ProcessStore<'_>,
    load: ModuleId,
    symbols: &LazySymbols,
    number: u32,
) -> Result<u32, Failure> {
    // The call may have been bound in another process, in which the function was first called.
    if let Some(slot) = store.data().journal.bound_late(load, number) {
        return Ok(slot.0);
    }
    let namespace = linking(store)?.namespace.clone();
    let bound = symbols.bind(&namespace, number as usize);
    let bound = bound.ok_or_else(|| refuse(format!("no function {number} is left to bind")))?;
    let bound = bound.map_err(|mut error| {
        error.note = note(&error.problem, namespace.family());
        if let Some(link) = store.data_mut().link_mut() {
            link.refused = refused(&error);
        }
        Failure::Ended(error.into())
    })?;
    store.data().trace.bound_late(&namespace, &bound);
    let LateBinding { importer, function, from: (definer, name) } = bound;
    let known = namespace.slot(function);
    drop(namespace);
    let slot = match known {
        Some(slot) => slot,
        None => give_slot(store, function, definer, &name)?,
    };
    // The module that defines the function has to stay, and so does the one that re-exports it.
    depend(store, importer, function.definer)?;
    depend(store, importer, definer)?;
    store.data_mut().journal.bind_late(load, number, slot);
    Ok(slot.0)
}

/// The note in a failed call's error about a function that programs for Emscripten have from JavaScript.
fn note(problem: &SymbolProblem, family: AbiFamily) -> Option<String> {
    let SymbolProblem::Undefined { symbol, .. } = problem else { return None };
    let topic = (family == AbiFamily::Emscripten).then(|| topic_of_javascript(symbol)).flatten()?;
    Some(format!("Emscripten has it in JavaScript ({topic}), and there is no JavaScript here"))
}

/// The record of a failed call.
fn refused(error: &LookupError) -> Option<RefusedLoad> {
    let (SymbolProblem::Undefined { importer, symbol, .. }
    | SymbolProblem::WrongType { importer, symbol, .. }) = &error.problem
    else {
        return None;
    };
    Some(RefusedLoad {
        path: importer.to_string(),
        symbol: Some(symbol.clone()),
        why: error.to_string(),
        cause: None,
    })
}
