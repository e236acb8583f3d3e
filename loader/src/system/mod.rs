//! Owns the system interfaces of guests, one module for each ABI, over one kernel. Must not know linking.

pub(crate) mod emscripten;
pub(crate) mod kernel;
pub(crate) mod wasi;

use wasmtime::StoreContextMut;

use crate::interrupt::Interrupted;
use crate::process::ProcessState;
use crate::python;

/// Tells the guest of an interrupt, wherever it is: Python's flags are set. Errs, to end the guest, when it has no way to
/// be told.
pub(crate) fn deliver_interrupt(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<()> {
    let Some(running) = store.data().running.clone() else { return Err(Interrupted.into()) };
    let Ok(set) = running.main.get_typed_func::<(), ()>(&mut *store, python::SET_INTERRUPT) else {
        return Err(Interrupted.into());
    };
    let Some(space) = running.space else { return set.call(store, ()) };
    let before = space.skip_red_zone(&mut *store)?;
    let told = set.call(&mut *store, ());
    space.stack_pointer.set(store, before)?;
    told
}
