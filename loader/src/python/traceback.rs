//! Owns what a Python that ended in a trap reports itself: which Python code was running, on the guest's standard error, as
//! CPython itself reports it when it is killed by a signal (`faulthandler`). Must not know traps.

use wasmtime::{Instance, StoreContextMut, Val};

use crate::system::state::ProcessState;

/// The function that returns whether there is an interpreter.
const IS_INITIALIZED: &str = "Py_IsInitialized";
/// Pyodide's function that dumps the traceback; it takes no arguments.
const DUMP_OF_PYODIDE: &str = "dump_traceback";
/// CPython's function that dumps the traceback; it takes a descriptor and the state of the thread, which the next function
/// returns.
const DUMP: &str = "_Py_DumpTraceback";
const THREAD_STATE: &str = "PyGILState_GetThisThreadState";
/// The guest's descriptor of standard output; the next constant is that of standard error.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Makes CPython report the Python frames of the guest. CPython reads them with care, since the function is made for interpreters
/// that have just crashed; if it traps, nothing more is done. `None` when there is nothing to report.
pub(crate) fn dump(store: &mut StoreContextMut<'_, ProcessState>) -> Option<()> {
    let main = store.data().running.as_ref()?.main;
    let is_initialized = main.get_typed_func::<(), i32>(&mut *store, IS_INITIALIZED).ok()?;
    if is_initialized.call(&mut *store, ()).ok()? == 0 {
        return None;
    }
    let of_pyodide =
        main.get_func(&mut *store, DUMP_OF_PYODIDE).filter(|dump| dump.ty(&*store).params().len() == 0);
    match of_pyodide {
        Some(dump) => {
            write_to_standard_error(store);
            let mut results = vec![Val::I32(0); dump.ty(&*store).results().len()];
            dump.call(&mut *store, &[], &mut results).ok()
        }
        None => dump_of_thread(store, main),
    }
}

/// Redirects standard output to standard error from now on, which is where Pyodide's function is to write: the traceback does not
/// belong in a program's output, and the program is over.
fn write_to_standard_error(store: &mut StoreContextMut<'_, ProcessState>) {
    if let Some(system) = store.data_mut().system.emscripten_mut() {
        let kernel = &mut system.kernel;
        let _ = kernel.descriptors.duplicate_to(&mut kernel.files, STDERR, STDOUT);
    }
}

fn dump_of_thread(store: &mut StoreContextMut<'_, ProcessState>, main: Instance) -> Option<()> {
    let dump = main.get_typed_func::<(u32, i32), ()>(&mut *store, DUMP).ok()?;
    let thread =
        main.get_typed_func::<(), i32>(&mut *store, THREAD_STATE).ok()?.call(&mut *store, ()).ok()?;
    if thread == 0 {
        return None;
    }
    dump.call(&mut *store, (STDERR, thread)).ok()
}
