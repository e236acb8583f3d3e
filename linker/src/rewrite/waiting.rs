//! Owns a change to Emscripten main modules: how their C library sleeps. It spins until the time has come, since JavaScript has
//! no way to wait on a main thread, and cannot report that a signal came. After the change, `clock_nanosleep`, on which all other
//! ways of sleeping rest, asks the host, through an import that the module has anyway. Everything else stays as it is. Must not
//! know what else is done to a module.

use wasm_encoder::{Function, InstructionSink};

use super::Change;
use super::additions::Additions;
use super::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// `(clock, flags, request: *timespec, remaining: *timespec) -> i32`, an error number (POSIX).
const SLEEP: &str = "clock_nanosleep";
/// Emscripten's `(descriptors, count, milliseconds) -> i32`, a negative error number.
const POLL: &str = "__syscall_poll";

/// The bit of a count by which the host recognizes a request to sleep: no memory holds that many descriptors. The first argument
/// is then the address of the request, the third that of the remaining time, and the lower bits of the count are the clock (8
/// bits) and, above them, whether the request is a point in time.
pub const ASKS_TO_SLEEP: u32 = 1 << 31;
/// The bit that marks a request as a point in time (`TIMER_ABSTIME`).
pub const IS_POINT_IN_TIME: u32 = 1 << 8;

/// The pass, with two functions: the one that sleeps, and the one through which it asks.
struct SleepInHost {
    sleep: u32,
    poll: u32,
}

impl Change for SleepInHost {
    fn body(
        &mut self,
        function: u32,
        _: &Body<'_>,
        _: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        Ok((function == self.sleep).then(|| sleeping(self.poll)))
    }
}

/// Creates the pass; `None` when the module has no such function, or none through which it could ask.
pub(super) fn sleep_in_host(layout: &Layout<'_>) -> Option<Box<dyn Change>> {
    let sleep = layout.defined(SLEEP).filter(|sleep| layout.takes_words(*sleep, 4))?;
    let poll = layout.imported(POLL).filter(|poll| layout.takes_words(*poll, 3))?;
    Some(Box::new(SleepInHost { sleep, poll }))
}

/// The number of the `clock` parameter of `clock_nanosleep`; the other parameters follow.
const CLOCK: u32 = 0;
const FLAGS: u32 = 1;
const REQUEST: u32 = 2;
const REMAINING: u32 = 3;

/// A `clock_nanosleep` that asks the host.
fn sleeping(poll: u32) -> Vec<u8> {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    sink.i32_const(0).local_get(REQUEST).local_get(CLOCK);
    count(&mut sink);
    sink.local_get(REMAINING).call(poll).i32_sub().end();
    function.into_raw_body()
}

/// Computes the count from the clock's number, which is on the stack.
fn count(sink: &mut InstructionSink<'_>) {
    sink.i32_const(0xff).i32_and();
    sink.local_get(FLAGS).i32_const(1).i32_and().i32_const(8).i32_shl().i32_or();
    sink.i32_const(ASKS_TO_SLEEP.cast_signed()).i32_or();
}
