//! Owns how guests end: what an error of the engine means for the guest. Must not know what is done about it.

use std::fmt;
use std::sync::Arc;

use pydl_linker::LookupError;
use wasmtime::{StoreContextMut, Trap, WasmBacktrace};

use super::backtrace::{CodeNames, GuestTrap};
use super::cpp_exception;
use super::state::Links as _;
use crate::base::interrupt::{Interrupted, Killed, Signal};
use crate::system::Exit;
use crate::system::state::ProcessState;

/// How a guest ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// The guest exited by itself, with this status.
    Exited(i32),
    /// The guest trapped: the WebAssembly counterpart of a crash.
    Trapped(GuestTrap),
    /// The guest called a function that was to be bound at its first call and that nothing defines with that type: what ld.so
    /// calls a symbol lookup error.
    LookupFailed(GuestTrap),
    /// The guest was ended by [`InterruptHandle::terminate`], or by [`InterruptHandle::interrupt`] when it had no way to handle
    /// that.
    Interrupted,
    /// The guest was ended by another signal that it does not handle.
    Killed(Signal),
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Exited(status) => write!(f, "exited with status {status}"),
            ExitStatus::Trapped(trap) => write!(f, "ended in a trap: {trap}"),
            ExitStatus::LookupFailed(trap) => write!(f, "ended in a {trap}"),
            ExitStatus::Interrupted => f.write_str("was interrupted"),
            ExitStatus::Killed(signal) => write!(f, "was killed by signal {}", signal.number()),
        }
    }
}

/// Whether an error is the end of the guest rather than a failure of the host.
pub(crate) fn is_of_guest(error: &wasmtime::Error) -> bool {
    // Every error that occurred while the guest was running has a backtrace.
    error.is::<Exit>() || is_end_by_signal(error) || error.is::<Trap>() || error.is::<WasmBacktrace>()
}

/// Whether the guest was ended from outside.
pub(crate) fn is_end_by_signal(error: &wasmtime::Error) -> bool {
    error.is::<Interrupted>() || error.is::<Killed>()
}

/// How a guest ended, according to the engine's error.
pub(crate) fn exit_status(
    store: &mut StoreContextMut<'_, ProcessState>,
    error: &wasmtime::Error,
) -> ExitStatus {
    status_of(error, || trap_of(store, error))
}

/// How a guest ended that exited or was interrupted, where there is nothing to name in a backtrace.
pub(crate) fn end_of_guest(error: &wasmtime::Error) -> ExitStatus {
    status_of(error, || GuestTrap::of(error, None, &CodeNames::default()))
}

fn status_of(error: &wasmtime::Error, trap: impl FnOnce() -> GuestTrap) -> ExitStatus {
    if let Some(Killed(signal)) = error.downcast_ref() {
        return ExitStatus::Killed(*signal);
    }
    match error.downcast_ref::<Exit>() {
        Some(Exit(status)) => ExitStatus::Exited(*status),
        None if error.is::<Interrupted>() => ExitStatus::Interrupted,
        None if error.is::<LookupError>() => ExitStatus::LookupFailed(trap()),
        None => ExitStatus::Trapped(trap()),
    }
}

/// The report of a trap with names, from an error of the engine.
pub(crate) fn trap_of(store: &mut StoreContextMut<'_, ProcessState>, error: &wasmtime::Error) -> GuestTrap {
    let exception = cpp_exception::uncaught(store, error);
    let Some(link) = store.data_mut().link_mut() else {
        return GuestTrap::of(error, exception, &CodeNames::default());
    };
    // A main module that was accepted earlier is parsed only when it is needed, as it is now.
    let main = link.main.clone();
    if let Ok(module) = main.file.module() {
        link.code.note(&main.code, &main.file.file_name(), Arc::downgrade(module.module()));
    }
    GuestTrap::of(error, exception, &link.code)
}
