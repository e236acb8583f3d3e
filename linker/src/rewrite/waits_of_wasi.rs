//! Owns two changes to WASI main modules, through an import that they have anyway: `clock_nanosleep` of wasi-libc does not know
//! `EINTR`, so that an interrupted sleep could not go on, and CPython does not report whether it has noticed a signal; a program
//! that never notices one is ended by it. Everything else stays as it is. Must not know what the host does.

use wasm_encoder::Function;

use super::Change;
use super::additions::Additions;
use super::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// The import through which both calls go: `(subscriptions, events, count, result) -> errno`, all `i32`. The third argument
/// counts subscriptions; here it is one of the numbers of [`WaitCall`], beyond any count that fits in a memory.
const IMPORT: &str = "poll_oneoff";
/// `(clock, flags, request, remaining) -> errno`, all `i32` (wasi-libc, `clock_nanosleep.c`).
pub const SLEEP: &str = "clock_nanosleep";
/// The function in which CPython checks for signals to handle: `(thread) -> i32` (CPython, `Modules/signalmodule.c`).
pub const LOOK_FOR_SIGNALS: &str = "_PyErr_CheckSignalsTstate";

/// The function that is called: the third argument of the import.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitCall {
    /// `clock_nanosleep`: the first argument is the address of the time to sleep, the second that of the clock, the fourth that
    /// of the time that is left afterwards, or 0; with this flag, the time is a point in time.
    Sleep {
        /// Whether the time is a point in time.
        is_absolute: bool,
    },
    /// CPython looks for signals to handle.
    LooksForSignals,
}

/// The number of [`WaitCall::Sleep`], to which a flag of `clock_nanosleep` is added.
const NUMBER_OF_SLEEP: u32 = 0xc000_0000;
const NUMBER_OF_LOOK: u32 = 0xd000_0000;
/// The value of `TIMER_ABSTIME`.
const ABSOLUTE: u32 = 1;

impl WaitCall {
    /// The call with this number; `None` for a count of subscriptions.
    pub fn from_number(number: u32) -> Option<WaitCall> {
        match number {
            NUMBER_OF_LOOK => Some(WaitCall::LooksForSignals),
            NUMBER_OF_SLEEP => Some(WaitCall::Sleep { is_absolute: false }),
            number if number == NUMBER_OF_SLEEP + ABSOLUTE => Some(WaitCall::Sleep { is_absolute: true }),
            _ => None,
        }
    }
}

/// The pass, with the functions that get new bodies, and the import.
struct AskHost {
    sleep: Option<u32>,
    look: Option<u32>,
    import: u32,
}

impl Change for AskHost {
    fn body(
        &mut self,
        function: u32,
        body: &Body<'_>,
        _: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        if Some(function) == self.look {
            let number = NUMBER_OF_LOOK.cast_signed();
            let told = body.prefixed(|sink| {
                sink.i32_const(0).i32_const(0).i32_const(number).i32_const(0).call(self.import).drop();
            });
            return told.map(Some);
        }
        Ok((Some(function) == self.sleep).then(|| sleeping(self.import)))
    }
}

/// Creates the pass; `None` when the module has neither function with C's types, or lacks the import.
pub(super) fn ask_host(layout: &Layout<'_>) -> Option<Box<dyn Change>> {
    let import = layout.imported(IMPORT).filter(|import| layout.takes_words(*import, 4))?;
    let sleep = layout.defined(SLEEP).filter(|function| layout.takes_words(*function, 4));
    let look = layout.defined(LOOK_FOR_SIGNALS).filter(|function| layout.takes_words(*function, 1));
    (sleep.is_some() || look.is_some()).then(|| Box::new(AskHost { sleep, look, import }) as Box<dyn Change>)
}

/// A body that asks the host to sleep; unknown flags yield `EINVAL`.
fn sleeping(import: u32) -> Vec<u8> {
    /// `EINVAL` (`wasi_snapshot_preview1.witx`).
    const INVALID: i32 = 28;
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    sink.local_get(1).i32_const(!ABSOLUTE.cast_signed()).i32_and();
    sink.if_(wasm_encoder::BlockType::Empty).i32_const(INVALID).return_().end();
    sink.local_get(2).local_get(0);
    sink.local_get(1).i32_const(NUMBER_OF_SLEEP.cast_signed()).i32_or();
    sink.local_get(3).call(import).end();
    function.into_raw_body()
}
