//! Owns what happens at a program's end. Must not know what ends it.

use wasmtime::{Instance, StoreContextMut};

use crate::system::state::ProcessState;

/// The export that runs what was registered for the end (Emscripten, `exitRuntime`).
const FUNCTIONS_ON_EXIT: &str = "__funcs_on_exit";
const FLUSH: &str = "fflush";
/// Does what happens at a program's end: functions that were registered for it run, and buffers are written out.
pub(crate) fn finish(store: &mut StoreContextMut<'_, ProcessState>, main: &Instance) -> wasmtime::Result<()> {
    if let Ok(functions) = main.get_typed_func::<(), ()>(&mut *store, FUNCTIONS_ON_EXIT) {
        functions.call(&mut *store, ())?;
    }
    if let Ok(flush) = main.get_typed_func::<u32, u32>(&mut *store, FLUSH) {
        flush.call(&mut *store, 0)?;
    }
    Ok(())
}
