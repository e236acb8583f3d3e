//! Owns completion: what a partly typed Python expression may become, according to the guest's own `rlcompleter`, in the names of its
//! `__main__`. Must not know who types.

use pydl_linker::Address;
use wasmtime::{Instance, StoreContextMut, WasmParams, WasmResults};

use crate::system::state::ProcessState;

/// The most bytes of the answer.
const LONGEST: usize = 1 << 20;
/// `Py_eval_input` (CPython, `Include/compile.h`).
const EXPRESSION: i32 = 258;

/// A result, or `None` when the guest's Python cannot be asked or has no answer. Errs when the guest ended meanwhile.
type Answer<T> = wasmtime::Result<Option<T>>;

/// The possible completions of `text`. The guest's Python is waiting for input, and does not hold its lock meanwhile.
pub(crate) fn of(store: &mut StoreContextMut<'_, ProcessState>, text: &str) -> Answer<Vec<String>> {
    // Only names with attributes are looked up: anything else would be executed.
    if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
        return Ok(None);
    }
    let code = format!(
        "'\\n'.join(__import__('itertools').takewhile(bool, map(__import__('rlcompleter').Completer(globals()).complete, \
         __import__('itertools').repeat('{text}'), __import__('itertools').count())))\0"
    );
    let Some(main) = store.data().running.as_ref().map(|running| running.main) else { return Ok(None) };
    let Some(lock) = call::<_, u32>(store, main, "PyGILState_Ensure", ())? else { return Ok(None) };
    let answer = evaluate(store, main, code.as_bytes())?;
    call::<_, ()>(store, main, "PyErr_Clear", ())?;
    call::<_, ()>(store, main, "PyGILState_Release", lock)?;
    Ok(answer.map(|answer| answer.lines().map(str::to_owned).collect()))
}

/// The text that an expression evaluates to.
fn evaluate(store: &mut StoreContextMut<'_, ProcessState>, main: Instance, code: &[u8]) -> Answer<String> {
    let module =
        with_text(store, b"__main__\0", |store, name| object(store, main, "PyImport_AddModule", name))?;
    let Some(module) = module else { return Ok(None) };
    let Some(names) = object(store, main, "PyModule_GetDict", module)? else { return Ok(None) };
    let answer = with_text(store, code, |store, code| {
        object(store, main, "PyRun_StringFlags", (code, EXPRESSION, names, names, 0_u32))
    })?;
    let Some(answer) = answer else { return Ok(None) };
    let text = object(store, main, "PyUnicode_AsUTF8", answer)?.and_then(|text| read(store, text));
    call::<_, ()>(store, main, "Py_DecRef", answer)?;
    Ok(text)
}

/// Reads a C string of the guest, cut off at a maximum length.
fn read(store: &StoreContextMut<'_, ProcessState>, address: u32) -> Option<String> {
    let space = store.data().running.as_ref()?.space.clone()?;
    let text = space.view(store).c_string_within(address, LONGEST).ok()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Calls a CPython function that returns an address, or 0.
fn object<P: WasmParams>(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: Instance,
    name: &str,
    parameters: P,
) -> Answer<u32> {
    Ok(call::<P, u32>(store, main, name, parameters)?.filter(|address| *address != 0))
}

/// Calls a CPython function, if there is one of that type.
fn call<P: WasmParams, R: WasmResults>(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: Instance,
    name: &str,
    parameters: P,
) -> Answer<R> {
    let Ok(function) = main.get_typed_func::<P, R>(&mut *store, name) else { return Ok(None) };
    function.call(&mut *store, parameters).map(Some)
}

/// Calls `work` with the address of a text in the guest's memory.
fn with_text(
    store: &mut StoreContextMut<'_, ProcessState>,
    text: &[u8],
    work: impl FnOnce(&mut StoreContextMut<'_, ProcessState>, u32) -> Answer<u32>,
) -> Answer<u32> {
    let space = store.data().running.as_ref().and_then(|running| running.space.clone());
    let Some(space) = space else { return Ok(None) };
    let Some(Address(address)) = space.copy_in(&mut *store, text)? else { return Ok(None) };
    let result = work(store, address)?;
    space.give_back(&mut *store, Address(address))?;
    Ok(result)
}
