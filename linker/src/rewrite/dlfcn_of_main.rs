//! Owns a change to Emscripten main modules: the `dlopen` family of their C library keeps its own list of libraries, in which
//! nothing is ever closed, promoted or checked twice. After the change, its functions ask the host, through an import that the
//! module has anyway. Must not know what the host does.

use std::collections::BTreeMap;

use wasm_encoder::Function;

use super::Change;
use super::additions::Additions;
use super::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// The import through which all calls go: `(i32, i32, i32) -> i32` (Emscripten, `system/lib/libc/dynlink.c`). The third argument
/// is an address there; here it is one of the numbers of [`DlfcnCall`], below every address in C.
const IMPORT: &str = "_dlsym_js";

/// The function that is called: the third argument of the import.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DlfcnCall {
    /// `dlopen(file, mode)`.
    Open = 1,
    /// `dlsym(handle, name)`.
    Symbol = 2,
    /// `dlclose(handle)`.
    Close = 3,
    /// `dladdr(address, info)`.
    Address = 4,
}

impl DlfcnCall {
    const ALL: [(DlfcnCall, &str, usize); 4] = [
        (DlfcnCall::Open, "dlopen", 2),
        (DlfcnCall::Symbol, "dlsym", 2),
        (DlfcnCall::Close, "dlclose", 1),
        (DlfcnCall::Address, "dladdr", 2),
    ];

    /// The call with this number; `None` for an address, which the C library itself passes.
    pub fn from_number(number: u32) -> Option<DlfcnCall> {
        DlfcnCall::ALL.into_iter().map(|(call, _, _)| call).find(|call| *call as u32 == number)
    }
}

/// The function with which the host sets the message of `dlerror`, which remains the C library's.
pub const SET_ERROR: &str = "__dl_seterr";
/// `dlinfo` would share with `dlclose` the function behind them.
const DLINFO: &str = "dlinfo";

/// The pass, with the functions that get new bodies.
struct AskHost {
    bodies: BTreeMap<u32, Vec<u8>>,
}

impl Change for AskHost {
    fn body(
        &mut self,
        function: u32,
        _: &Body<'_>,
        _: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        Ok(self.bodies.remove(&function))
    }
}

/// Creates the pass; `None` when the module lacks the import or does not export the whole family, `dladdr` excepted, with C's
/// types. Its C library then behaves as Emscripten's does. Errs when the module is malformed.
pub(super) fn ask_host(layout: &Layout<'_>) -> Result<Option<Box<dyn Change>>, ParseError> {
    let import = layout.imported(IMPORT).filter(|import| layout.takes_words(*import, 3));
    let Some(import) = import else { return Ok(None) };
    if layout.defined(SET_ERROR).is_none() || layout.defined(DLINFO).is_some() {
        return Ok(None);
    }
    let mut bodies = BTreeMap::new();
    for (call, name, parameters) in DlfcnCall::ALL {
        let defined = layout.defined(name).filter(|function| layout.takes_words(*function, parameters));
        let Some(function) = defined else {
            if call == DlfcnCall::Address {
                continue;
            }
            return Ok(None);
        };
        bodies.insert(function, body(import, call, parameters));
        // In the C library each of them is a wrapper, which optimizers inline into its callers.
        let takes = |inner: &u32, count| layout.takes_words(*inner, count);
        let inner = layout.wrapped(function)?;
        if let Some(inner) = inner.filter(|inner| takes(inner, parameters) || takes(inner, parameters + 1)) {
            bodies.insert(inner, body(import, call, parameters));
        }
    }
    Ok(Some(Box::new(AskHost { bodies })))
}

/// A body that asks the host, passing the first one or two parameters.
fn body(import: u32, call: DlfcnCall, parameters: usize) -> Vec<u8> {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    sink.local_get(0);
    if parameters > 1 {
        sink.local_get(1);
    } else {
        sink.i32_const(0);
    }
    sink.i32_const(call as i32).call(import).end();
    function.into_raw_body()
}
