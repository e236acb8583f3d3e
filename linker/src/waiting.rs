//! Owns a change to Emscripten main modules: how their C library sleeps. It spins until its time has come, since JavaScript has no way to
//! wait on a main thread, and cannot say that a signal came. Here `clock_nanosleep`, by which everything else sleeps, asks the host, by an
//! import that the module has anyway. Everything else stays as it is. Must not know what else is done to a module.

use wasm_encoder::{Function, InstructionSink};
use wasmparser::ValType;

use crate::bodies::Functions;
use crate::error::ParseError;

/// `(clock, flags, request: *timespec, remaining: *timespec) -> i32`, an error number (POSIX).
const SLEEP: &str = "clock_nanosleep";
/// Emscripten's `(descriptors, count, milliseconds) -> i32`, a negative error number.
const POLL: &str = "__syscall_poll";

/// The bit of a count by which the host knows that it is asked to sleep: no memory holds so many descriptors. The first argument is then
/// the request, the third the remaining time, and the lower bits of the count are the clock (8 bits) and, above them, whether the request is
/// a point in time.
pub const ASKS_TO_SLEEP: u32 = 1 << 31;
/// The bit that tells that a request is a point in time (`TIMER_ABSTIME`).
pub const IS_POINT_IN_TIME: u32 = 1 << 8;

/// Rewrites a module; `None` when it has no such function, or nothing to ask by. Errs when it is malformed.
pub fn sleep_in_host(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let functions = Functions::of(wasm, &[SLEEP, POLL])?;
    let sleep = functions.defined(SLEEP).filter(|sleep| takes_words(&functions, *sleep, 4));
    let poll = functions.imported(POLL).filter(|poll| takes_words(&functions, *poll, 3));
    let (Some(sleep), Some(poll)) = (sleep, poll) else { return Ok(None) };
    functions.replace(wasm, |function, _| Ok((function == sleep).then(|| sleeping(poll)))).map(Some)
}

/// Whether a function takes so many words and returns one.
fn takes_words(functions: &Functions, function: u32, count: usize) -> bool {
    functions.type_of(function).is_some_and(|ty| {
        ty.results() == [ValType::I32]
            && ty.params().len() == count
            && ty.params().iter().all(|ty| *ty == ValType::I32)
    })
}

/// The local variables of `clock_nanosleep`.
const CLOCK: u32 = 0;
const FLAGS: u32 = 1;
const REQUEST: u32 = 2;
const REMAINING: u32 = 3;

/// A `clock_nanosleep` that asks.
fn sleeping(poll: u32) -> Vec<u8> {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    sink.i32_const(0).local_get(REQUEST).local_get(CLOCK);
    count(&mut sink);
    sink.local_get(REMAINING).call(poll).i32_sub().end();
    function.into_raw_body()
}

/// Makes the count of the clock's number, which is on the stack.
fn count(sink: &mut InstructionSink<'_>) {
    sink.i32_const(0xff).i32_and();
    sink.local_get(FLAGS).i32_const(1).i32_and().i32_const(8).i32_shl().i32_or();
    sink.i32_const(ASKS_TO_SLEEP.cast_signed()).i32_or();
}
