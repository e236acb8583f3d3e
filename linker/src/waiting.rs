//! Owns a change to Emscripten main modules: `emscripten_thread_sleep` spins until its time has come, since JavaScript has no way to
//! wait on a main thread. Here it waits in the host, by the `poll` that the module imports, and spins for less than a millisecond.
//! Everything else stays as it is. Must not know what else is done to a module.

use wasmparser::FunctionBody;

use crate::bodies::{Functions, prefixed};
use crate::error::ParseError;

/// `(milliseconds: f64) -> ()` (Emscripten, `system/lib/pthread/library_pthread_stub.c`).
const SLEEP: &str = "emscripten_thread_sleep";
/// `(descriptors: i32, count: i32, milliseconds: i32) -> i32`.
const POLL: &str = "__syscall_poll";
/// The longest that one `poll` waits.
const MOST: f64 = i32::MAX as f64;

/// Rewrites a module; `None` when it has no such function, or no `poll` to wait by. Errs when it is malformed.
pub fn wait_in_host(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let functions = Functions::of(wasm, &[SLEEP, POLL])?;
    let (Some(sleep), Some(poll)) = (functions.defined(SLEEP), functions.imported(POLL)) else {
        return Ok(None);
    };
    let replaced = functions.replace(wasm, |function, body| {
        if function == sleep { waiting(wasm, body, poll).map(Some) } else { Ok(None) }
    });
    replaced.map(Some)
}

/// The body with a wait before it, of the whole milliseconds; what is left is for the body.
fn waiting(wasm: &[u8], body: &FunctionBody<'_>, poll: u32) -> Result<Vec<u8>, ParseError> {
    prefixed(wasm, body, |sink| {
        sink.i32_const(0).i32_const(0);
        sink.local_get(0).f64_floor().f64_const(0.0.into()).f64_max().f64_const(MOST.into()).f64_min();
        sink.i32_trunc_sat_f64_s().call(poll).drop();
        sink.local_get(0);
        sink.local_get(0).f64_floor().f64_const(0.0.into()).f64_max().f64_const(MOST.into()).f64_min();
        sink.f64_sub().local_set(0);
    })
}
