//! Owns the functions that CPython and Pyodide import besides the C library's, and that work without JavaScript: hooks that have nothing to
//! hook into. Facts: Pyodide, `src/core/*.c`. Must not know how Python is started.

use wasmtime::{ExternRef, Ref, Rooted, StoreContextMut, Val};

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use crate::system::signals;
use crate::system::state::ProcessState;

pub(super) const ENTRIES: &[Entry] = &[
    ("_Py_emscripten_runtime", Handler::Constant(Answer::Integer(0))),
    ("_Py_CheckEmscriptenSignals_Helper", Handler::Plain(pending_signal)),
    ("_PyEM_TrampolineCall_JS", Handler::Plain(trampoline_call)),
    ("_PyEM_InitTrampoline_js", Handler::Constant(Answer::Nothing)),
    ("_PyEM_GetCountArgsPtr", Handler::Plain(trampoline)),
    ("_PyImport_InitFunc_TrampolineCall", Handler::Plain(init_call)),
    // 0: not handled here, so that the C library continues.
    ("_try_fcntl64", Handler::Constant(Answer::Integer(0))),
    ("_try_shutdown", Handler::Plain(super::network::try_shutdown)),
    // A null reference: not asynchronous.
    ("_maybe_poll_async", Handler::Constant(Answer::Nothing)),
    ("_maybe_connect_async", Handler::Constant(Answer::Nothing)),
    ("_maybe_recvfrom_async", Handler::Constant(Answer::Nothing)),
    ("_maybe_sendto_async", Handler::Constant(Answer::Nothing)),
    ("__hiwire_deduplicate_new", Handler::Constant(Answer::Nothing)),
    ("create_sentinel", Handler::Plain(create_sentinel)),
    ("is_sentinel", Handler::Plain(is_sentinel)),
];

/// The signal that the guest is to handle now: always 0, since signals have been handled when this returns.
fn pending_signal(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    signals::deliver_pending(&mut guest.store())?;
    guest.state().interrupt.noticed();
    Ok(Answer::Integer(0))
}

/// The table slot of the function that counts arguments.
#[expect(clippy::unnecessary_wraps, reason = "the form of a handler")]
fn trampoline(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let system = guest.state().system.emscripten();
    Ok(Answer::from(system.map_or(0, |system| system.trampoline)))
}

/// The reference that stands for an error where JavaScript values are expected; it differs from every JavaScript value. Pyodide makes it in
/// a module of its own, since it must be recognisable without JavaScript (Pyodide, `src/core/sentinel.wat`).
struct Sentinel;

/// Returns the one sentinel of the process: the engine keeps every reference that it makes until the process ends.
fn create_sentinel(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    sentinel(&mut guest.store()).map(Answer::Reference)
}

/// The sentinel of a process.
pub(crate) fn sentinel(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<Rooted<ExternRef>> {
    let system = store.data().system.emscripten();
    if let Some(known) = system.and_then(|system| system.sentinel.clone()) {
        return Ok(known.to_rooted(store));
    }
    let sentinel = ExternRef::new(&mut *store, Sentinel)?;
    let kept = sentinel.to_owned_rooted(&mut *store)?;
    if let Some(system) = store.data_mut().system.emscripten_mut() {
        system.sentinel = Some(kept);
    }
    Ok(sentinel)
}

/// Whether a reference is a sentinel.
pub(crate) fn is_a_sentinel(
    store: &StoreContextMut<'_, ProcessState>,
    reference: Rooted<ExternRef>,
) -> wasmtime::Result<bool> {
    Ok(reference.data(store)?.is_some_and(<dyn std::any::Any + Send + Sync>::is::<Sentinel>))
}

/// Whether the argument is a sentinel.
fn is_sentinel(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let Some(reference) = arguments.reference(0)? else { return Ok(Answer::Integer(0)) };
    let is_one = is_a_sentinel(&guest.store(), reference)?;
    Ok(Answer::Integer(is_one.into()))
}

/// `(function, self, arguments, keywords)`: calls a function of the table with as many of the arguments as it takes. A main module that
/// installs a trampoline in WebAssembly uses this only until then.
fn trampoline_call(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    call(guest, arguments.word(0)?, &[arguments.int(1)?, arguments.int(2)?, arguments.int(3)?])
}

/// `(function)`: calls a module's initialisation function.
fn init_call(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    call(guest, arguments.word(0)?, &[])
}

fn call(guest: &mut Guest<'_>, slot: u32, given: &[i32]) -> wasmtime::Result<Answer> {
    let running = guest.state().running.clone();
    let table = running.and_then(|running| running.space).map(|space| space.table);
    let table = table.ok_or_else(|| wasmtime::Error::msg("no function table"))?;
    let Some(Ref::Func(Some(function))) = table.get(guest.store(), slot.into()) else {
        return Err(wasmtime::Error::msg(format!(
            "null function or function signature mismatch: slot {slot}"
        )));
    };
    let ty = function.ty(guest.store());
    let given = given.iter().copied().chain(std::iter::repeat(0));
    let parameters: Vec<Val> = ty.params().zip(given).map(|(_, value)| Val::I32(value)).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    function.call(guest.store(), &parameters, &mut results)?;
    Ok(match results.first() {
        Some(Val::I32(value)) => Answer::Integer((*value).into()),
        _ => Answer::Integer(0),
    })
}
