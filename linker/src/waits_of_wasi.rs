//! Owns two changes to WASI main modules, through an import that they have anyway: `clock_nanosleep` of wasi-libc knows no `EINTR`, so
//! that a sleep that is interrupted could not go on, and CPython does not tell whether it has noticed a signal, which ends a program
//! that never does. Everything else stays as it is. Must not know what the host does.

use std::collections::BTreeMap;

use wasm_encoder::Function;
use wasmparser::ValType;

use crate::bodies::{Functions, prefixed};
use crate::error::ParseError;

/// The import through which both go: `(subscriptions, events, count, result) -> errno`, all `i32`. The third argument counts
/// subscriptions; here it is one of [`Call`]'s numbers, beyond any count that fits a memory.
const IMPORT: &str = "poll_oneoff";
/// `(clock, flags, request, remaining) -> errno`, all `i32` (wasi-libc, `clock_nanosleep.c`).
pub const SLEEP: &str = "clock_nanosleep";
/// Where CPython looks whether there are signals to handle: `(thread) -> i32` (CPython, `Modules/signalmodule.c`).
pub const LOOK_FOR_SIGNALS: &str = "_PyErr_CheckSignalsTstate";

/// What is called: the third argument of the import.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// `clock_nanosleep`: the first argument is the address of the time to sleep, the second that of the clock, the fourth that of
    /// the time that is left afterwards, or 0; with this flag it is a point in time.
    Sleep {
        /// Whether the time is a point in time.
        is_absolute: bool,
    },
    /// CPython looks for signals.
    LooksForSignals,
}

/// The numbers of calls. A flag of `clock_nanosleep` is added to the first.
const NUMBER_OF_SLEEP: u32 = 0xc000_0000;
const NUMBER_OF_LOOK: u32 = 0xd000_0000;
/// `TIMER_ABSTIME`.
const ABSOLUTE: u32 = 1;

impl Call {
    /// The call of this number; `None` for a count of subscriptions.
    pub fn from_number(number: u32) -> Option<Call> {
        match number {
            NUMBER_OF_LOOK => Some(Call::LooksForSignals),
            NUMBER_OF_SLEEP => Some(Call::Sleep { is_absolute: false }),
            number if number == NUMBER_OF_SLEEP + ABSOLUTE => Some(Call::Sleep { is_absolute: true }),
            _ => None,
        }
    }
}

/// Rewrites a module; `None` when it has neither function, with C's types, or not the import. Errs when it is malformed.
pub fn ask_host(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let functions = Functions::of(wasm, &[IMPORT, SLEEP, LOOK_FOR_SIGNALS])?;
    let of_type = |function: &u32, parameters: usize| is_of_type(&functions, *function, parameters);
    let Some(import) = functions.imported(IMPORT).filter(|import| of_type(import, 4)) else {
        return Ok(None);
    };
    let sleep = functions.defined(SLEEP).filter(|function| of_type(function, 4));
    let look = functions.defined(LOOK_FOR_SIGNALS).filter(|function| of_type(function, 1));
    if sleep.is_none() && look.is_none() {
        return Ok(None);
    }
    let mut bodies = BTreeMap::new();
    bodies.extend(sleep.map(|function| (function, sleeping(import))));
    let replaced = functions.replace(wasm, |function, body| {
        if Some(function) == look {
            let number = NUMBER_OF_LOOK.cast_signed();
            let told = prefixed(wasm, body, |sink| {
                sink.i32_const(0).i32_const(0).i32_const(number).i32_const(0).call(import).drop();
            });
            return told.map(Some);
        }
        Ok(bodies.get(&function).cloned())
    });
    replaced.map(Some)
}

/// Asks the host to sleep; flags that there are none of are `EINVAL`.
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

fn is_of_type(functions: &Functions, function: u32, parameters: usize) -> bool {
    functions.type_of(function).is_some_and(|ty| {
        ty.params().len() == parameters
            && ty.params().iter().all(|ty| *ty == ValType::I32)
            && ty.results() == [ValType::I32]
    })
}
