//! Owns what a Python expression may become that somebody begins to type: the guest's own `rlcompleter` tells, in the names of its
//! `__main__`. Must not know who types.

use wasmtime::{Instance, StoreContextMut};

use crate::process::ProcessState;
use pydl_linker::Address;

/// The most bytes of the answer.
const LONGEST: u32 = 1 << 20;
/// `Py_eval_input` (CPython, `Include/compile.h`).
const EXPRESSION: i32 = 258;

/// What `text` may become. `None` when the guest's Python cannot be asked, or has no answer. It waits for input, and does not hold its
/// lock meanwhile.
pub(crate) fn of(store: &mut StoreContextMut<'_, ProcessState>, text: &str) -> Option<Vec<String>> {
    // Nothing but a name with attributes is looked up; whatever else would be run.
    if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
        return None;
    }
    let code = format!(
        "'\\n'.join(__import__('itertools').takewhile(bool, map(__import__('rlcompleter').Completer(globals()).complete, \
         __import__('itertools').repeat('{text}'), __import__('itertools').count())))\0"
    );
    let main = store.data().running.as_ref()?.main;
    let lock: u32 = call(store, main, "PyGILState_Ensure", ())?;
    let answer = evaluate(store, main, code.as_bytes());
    let _: Option<()> = call(store, main, "PyErr_Clear", ());
    let _: Option<()> = call(store, main, "PyGILState_Release", lock);
    Some(answer?.lines().map(str::to_owned).collect())
}

/// The text that an expression is.
fn evaluate(store: &mut StoreContextMut<'_, ProcessState>, main: Instance, code: &[u8]) -> Option<String> {
    let module =
        with_text(store, b"__main__\0", |store, name| call(store, main, "PyImport_AddModule", name))?;
    let names: u32 = call(store, main, "PyModule_GetDict", non_null(module)?)?;
    let answer: u32 = with_text(store, code, |store, code| {
        call(store, main, "PyRun_StringFlags", (code, EXPRESSION, names, names, 0_u32))
    })?;
    let text: u32 = call(store, main, "PyUnicode_AsUTF8", non_null(answer)?)?;
    let memory = store.data().running.as_ref()?.space.clone()?.memory;
    let text = non_null(text).and_then(|text| {
        let rest = memory.data(&*store).get(text as usize..)?;
        let rest = rest.get(..LONGEST as usize).unwrap_or(rest);
        Some(String::from_utf8_lossy(rest.split(|byte| *byte == 0).next()?).into_owned())
    });
    let _: Option<()> = call(store, main, "Py_DecRef", answer);
    text
}

fn non_null(address: u32) -> Option<u32> {
    (address != 0).then_some(address)
}

/// Calls a function of CPython's; `None` when there is none of that type, or it ends badly.
fn call<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: Instance,
    name: &str,
    parameters: P,
) -> Option<R> {
    main.get_typed_func::<P, R>(&mut *store, name).ok()?.call(&mut *store, parameters).ok()
}

/// Does something with a text in the guest's memory.
fn with_text(
    store: &mut StoreContextMut<'_, ProcessState>,
    text: &[u8],
    work: impl FnOnce(&mut StoreContextMut<'_, ProcessState>, u32) -> Option<u32>,
) -> Option<u32> {
    let space = store.data().running.as_ref()?.space.clone()?;
    let Address(address) = space.copy_in(&mut *store, text).ok()??;
    let result = work(store, address);
    space.give_back(&mut *store, Address(address)).ok()?;
    result
}
