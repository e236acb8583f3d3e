//! Owns the messages that programs write to a console (Emscripten, `emscripten/console.h`, `emscripten.h`): they go to standard output and
//! standard error, at once and each on a line of its own, as under Node. Must not know what is in them.

use wasmtime::{AsContextMut, TypedFunc};

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::stack::callstack;
use crate::system::kernel::errno::Fault;
use crate::system::wait::{Interest, patiently};

pub(super) const ENTRIES: &[Entry] = &[
    ("emscripten_console_log", Handler::Plain(to_output)),
    ("emscripten_console_warn", Handler::Plain(to_error)),
    ("emscripten_console_error", Handler::Plain(to_error)),
    ("emscripten_console_trace", Handler::Plain(trace)),
    ("emscripten_out", Handler::Plain(to_output)),
    ("emscripten_err", Handler::Plain(to_error)),
    ("emscripten_dbg", Handler::Plain(to_error)),
    ("emscripten_dbg_backtrace", Handler::Plain(with_stack)),
    ("emscripten_outn", Handler::Plain(part_to_output)),
    ("emscripten_errn", Handler::Plain(part_to_error)),
    ("emscripten_dbgn", Handler::Plain(part_to_error)),
    ("_emscripten_log_formatted", Handler::Plain(log_formatted)),
    ("emscripten_log", Handler::Plain(log)),
];

/// Standard output and standard error.
const OUTPUT: u32 = 1;
const ERROR: u32 = 2;
/// The most bytes of a message; the rest is left out.
const LONGEST: usize = 1 << 20;

/// Flags of `emscripten_log` (`emscripten.h`, `EM_LOG_*`).
mod flag {
    pub const WARN: u32 = 2;
    pub const ERROR: u32 = 4;
    pub const STACK: u32 = 8 | 16;
}

/// Prints a line. It is no error when a stream does not accept it: a console cannot report one.
fn print(guest: &mut Guest<'_>, stream: u32, text: &[u8]) -> wasmtime::Result<Answer> {
    let line = [text, b"\n"].concat();
    let mut rest = line.as_slice();
    let interest = Interest { fd: stream, read: false, write: true };
    while !rest.is_empty() {
        let written = patiently(guest, interest, |guest| {
            let kernel = &mut guest.system()?.kernel;
            kernel.descriptors.write(&mut kernel.files, &mut kernel.streams, stream, rest)
        });
        match written {
            Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
            Err(Fault::Ended(error)) => return Err(error),
            Ok(_) | Err(Fault::Refused(_)) => break,
        }
    }
    Ok(Answer::Nothing)
}

/// A text of the guest, cut off at the greatest length of a message; empty at a null address.
fn text(guest: &Guest<'_>, address: u32) -> wasmtime::Result<Vec<u8>> {
    if address == 0 {
        return Ok(Vec::new());
    }
    guest.c_string_within(address, LONGEST).map(<[u8]>::to_vec).map_err(ended)
}

fn to_output(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = text(guest, arguments.word(0)?)?;
    print(guest, OUTPUT, &text)
}

fn to_error(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = text(guest, arguments.word(0)?)?;
    print(guest, ERROR, &text)
}

/// `(text, bytes)`: a text of the guest that is given with its length.
fn part(guest: &Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Vec<u8>> {
    let length = arguments.word(1)?.min(u32::try_from(LONGEST).unwrap_or(u32::MAX));
    guest.bytes(arguments.word(0)?, length).map(<[u8]>::to_vec).map_err(ended)
}

fn part_to_output(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = part(guest, arguments)?;
    print(guest, OUTPUT, &text)
}

fn part_to_error(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = part(guest, arguments)?;
    print(guest, ERROR, &text)
}

/// Prints a message, and the call stack where it comes from.
fn trace(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let message = [b"Trace: ".to_vec(), text(guest, arguments.word(0)?)?].concat();
    let text = followed_by_stack(guest, &message);
    print(guest, ERROR, &text)
}

fn with_stack(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let message = text(guest, arguments.word(0)?)?;
    let text = followed_by_stack(guest, &message);
    print(guest, ERROR, &text)
}

fn followed_by_stack(guest: &mut Guest<'_>, message: &[u8]) -> Vec<u8> {
    let stack = callstack(guest);
    let end = if message.is_empty() || stack.is_empty() { "" } else { "\n" };
    [message.trim_ascii_end(), end.as_bytes(), stack.as_bytes()].concat()
}

/// `(flags, text)`: the part of `emscripten_log` that is left to the host.
fn log_formatted(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = text(guest, arguments.word(1)?)?;
    print_log(guest, arguments.word(0)?, text)
}

fn print_log(guest: &mut Guest<'_>, flags: u32, text: Vec<u8>) -> wasmtime::Result<Answer> {
    let text = if flags & flag::STACK == 0 { text } else { followed_by_stack(guest, &text) };
    let is_error = flags & (flag::ERROR | flag::WARN) != 0;
    // Of the console's levels, Node writes those two to standard error; without the console it is the same.
    print(guest, if is_error { ERROR } else { OUTPUT }, &text)
}

/// `(flags, format, arguments)`, the last two as for `vprintf`: in Emscripten before 4.0.10 the host formats the message, which here the
/// main module's `vsnprintf` does.
fn log(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (format, values) = (arguments.word(1)?, arguments.word(2)?);
    let running = guest.state().running.clone();
    let main = running.ok_or_else(|| wasmtime::Error::msg("the process has not started"))?.main;
    let format_into: TypedFunc<(u32, u32, u32, u32), i32> =
        main.get_typed_func(guest.store().as_context_mut(), "vsnprintf")?;
    let length = format_into.call(guest.store(), (0, 0, format, values))?;
    let Ok(length) = u32::try_from(length) else { return Ok(Answer::Nothing) };
    let size = length.saturating_add(1);
    let malloc: TypedFunc<u32, u32> = main.get_typed_func(guest.store(), "malloc")?;
    let free: TypedFunc<u32, ()> = main.get_typed_func(guest.store(), "free")?;
    let buffer = malloc.call(guest.store(), size)?;
    if buffer == 0 {
        return Ok(Answer::Nothing);
    }
    format_into.call(guest.store(), (buffer, size, format, values))?;
    let text = text(guest, buffer)?;
    free.call(guest.store(), buffer)?;
    print_log(guest, arguments.word(0)?, text)
}
