//! Owns what a program asks of the runtime that is not a matter of the system: its capabilities, and small services. Must not know the C
//! library.

use std::os::unix::ffi::OsStrExt as _;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;

pub(super) const ENTRIES: &[Entry] = &[
    // There is one thread, not in a browser, that nothing suspends.
    ("emscripten_has_asyncify", Handler::Constant(Answer::Integer(0))),
    ("emscripten_has_threading_support", Handler::Constant(Answer::Integer(0))),
    ("emscripten_num_logical_cores", Handler::Constant(Answer::Integer(1))),
    ("emscripten_is_main_browser_thread", Handler::Constant(Answer::Integer(1))),
    ("emscripten_atomics_is_lock_free", Handler::Plain(is_lock_free)),
    // Nothing keeps the runtime alive after `main` has returned.
    ("emscripten_runtime_keepalive_check", Handler::Constant(Answer::Integer(0))),
    ("emscripten_debugger", Handler::Constant(Answer::Nothing)),
    ("emscripten_notify_memory_growth", Handler::Constant(Answer::Nothing)),
    ("emscripten_get_module_name", Handler::Plain(get_module_name)),
    ("emscripten_print_double", Handler::Plain(print_double)),
    ("_emscripten_memcpy_js", Handler::Plain(copy)),
    ("sched_yield", Handler::Constant(Answer::Integer(0))),
    ("args_sizes_get", Handler::Plain(args_sizes_get)),
    ("args_get", Handler::Plain(args_get)),
];

/// `(bytes)`: whether atomic operations of that size are lock-free.
fn is_lock_free(_: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(Answer::Integer(matches!(arguments.word(0)?, 1 | 2 | 4 | 8).into()))
}

/// Writes a text and a NUL, cut off where there is no room for more. Returns the number of bytes without the NUL.
fn put(guest: &mut Guest<'_>, text: &[u8], buffer: u32, size: u32) -> wasmtime::Result<Answer> {
    let Some(room) = (size as usize).checked_sub(1) else { return Ok(Answer::from(0)) };
    let mut bytes = text.get(..room).unwrap_or(text).to_vec();
    let length = bytes.len();
    bytes.push(0);
    guest.write(buffer, &bytes).map_err(ended)?;
    Ok(Answer::Integer(i64::try_from(length)?))
}

/// `(buffer, size)`: writes the program's name instead of its file name, which is not disclosed.
fn get_module_name(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let name = guest.system().map_err(ended)?.program.clone();
    put(guest, name.as_bytes(), arguments.word(0)?, arguments.word(1)?)
}

/// `(number, buffer, size)`: writes the number in JavaScript's form. Without a buffer, only returns the length.
fn print_double(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = number_text(arguments.number(0)?);
    match arguments.word(1)? {
        0 => Ok(Answer::Integer(i64::try_from(text.len())?)),
        buffer => put(guest, text.as_bytes(), buffer, arguments.word(2)?),
    }
}

/// The shortest digits that read back as the same number (ECMAScript, `Number::toString`).
fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if !number.is_finite() {
        let infinity = if number < 0.0 { "-Infinity" } else { "Infinity" };
        return if number.is_nan() { "NaN" } else { infinity }.to_owned();
    }
    if (1e-6..1e21).contains(&number.abs()) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// `(to, from, bytes)`: copies memory.
fn copy(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (to, from, length) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    guest.bytes(from, length).map_err(ended)?;
    guest.bytes(to, length).map_err(ended)?;
    let (memory, _) = guest.split().map_err(ended)?;
    let from = from as usize;
    memory.copy_within(from..from + length as usize, to as usize);
    Ok(Answer::Nothing)
}

/// The program's own arguments, which are its name alone: the others are passed to `main`, and no `_start` asks for them.
fn program(guest: &mut Guest<'_>) -> wasmtime::Result<Vec<u8>> {
    let name = guest.system().map_err(ended)?.program.clone();
    Ok(name.as_bytes().iter().copied().filter(|byte| *byte != 0).chain([0]).collect())
}

/// `(*count, *bytes)`: the sizes of the arguments.
fn args_sizes_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let size = u32::try_from(program(guest)?.len())?;
    guest.write(arguments.word(0)?, &1_u32.to_le_bytes()).map_err(ended)?;
    guest.write(arguments.word(1)?, &size.to_le_bytes()).map_err(ended)?;
    Ok(Answer::from(0))
}

/// `(pointers, texts)`: the arguments.
fn args_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let name = program(guest)?;
    let text = arguments.word(1)?;
    guest.write(arguments.word(0)?, &text.to_le_bytes()).map_err(ended)?;
    guest.write(text, &name).map_err(ended)?;
    Ok(Answer::from(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_javascript() {
        for (number, text) in [
            (0.1, "0.1"),
            (-0.0, "0"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-7, "1e-7"),
            (-1.5e-10, "-1.5e-10"),
            (0.000_001, "0.000001"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }
}
