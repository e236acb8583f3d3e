//! Owns what a program asks about its own call stack: room on the C stack, and its position in the code (Emscripten, `libstack_trace.js`,
//! `emscripten.h`, and the part of `unwind.h` that only inspects). A program counter is an offset in the code of a module, as it is run: no
//! lines can be derived from it. Must not know what the answers are used for.

use pydl_linker::abi;
use wasmtime::{Global, Ref, TypedFunc, Val, WasmBacktrace};

use super::super::guest::{Guest, table};
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;

pub(super) const ENTRIES: &[Entry] = &[
    ("stackSave", Handler::Plain(save)),
    ("stackRestore", Handler::Plain(restore)),
    ("stackAlloc", Handler::Plain(allocate)),
    ("emscripten_get_callstack", Handler::Plain(get_callstack)),
    ("emscripten_return_address", Handler::Plain(return_address)),
    ("emscripten_stack_snapshot", Handler::Plain(snapshot)),
    ("emscripten_stack_unwind_buffer", Handler::Plain(unwind_buffer)),
    // There are no tables of what a counter belongs to: null for its function and its file, 0 for its line and column.
    ("emscripten_pc_get_function", Handler::Constant(Answer::Integer(0))),
    ("emscripten_pc_get_file", Handler::Constant(Answer::Integer(0))),
    ("emscripten_pc_get_line", Handler::Constant(Answer::Integer(0))),
    ("emscripten_pc_get_column", Handler::Constant(Answer::Integer(0))),
    ("_Unwind_Backtrace", Handler::Plain(backtrace)),
    ("_Unwind_GetIPInfo", Handler::Plain(get_ip_info)),
    ("_Unwind_FindEnclosingFunction", Handler::Constant(Answer::Integer(0))),
];

/// The most frames that are inspected: a text with more is of no use.
const DEEPEST: usize = 1000;
/// The alignment of the C stack, in bytes.
const ALIGNMENT: u32 = 16;

fn stack_pointer(guest: &mut Guest<'_>) -> wasmtime::Result<Global> {
    let running = guest.state().running.clone();
    let shared = running.as_ref().and_then(|running| running.space.as_ref()).map(|space| space.stack_pointer);
    let stack_pointer = shared.or_else(|| running?.main.get_global(guest.store(), abi::STACK_POINTER));
    stack_pointer.ok_or_else(|| wasmtime::Error::msg("the main module does not export its stack pointer"))
}

fn save(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let stack_pointer = stack_pointer(guest)?;
    match stack_pointer.get(guest.store()) {
        Val::I32(value) => Ok(Answer::from(value.cast_unsigned())),
        _ => Err(wasmtime::Error::msg("the stack pointer is no i32")),
    }
}

fn restore(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    stack_pointer(guest)?.set(guest.store(), Val::I32(arguments.int(0)?))?;
    Ok(Answer::Nothing)
}

/// Allocates room that lasts until the caller restores the stack pointer.
fn allocate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let Answer::Integer(top) = save(guest, arguments)? else { return Ok(Answer::from(0)) };
    let room = u32::try_from(top)?.checked_sub(arguments.word(0)?).map(|room| room & !(ALIGNMENT - 1));
    let room = room
        .ok_or_else(|| wasmtime::Error::msg("the C stack has no room for what `stackAlloc` is asked for"))?;
    stack_pointer(guest)?.set(guest.store(), Val::I32(room.cast_signed()))?;
    Ok(Answer::from(room))
}

/// The program counters of the active functions, the innermost first, with names.
fn frames(guest: &mut Guest<'_>) -> Vec<(u32, String)> {
    let backtrace = WasmBacktrace::force_capture(guest.store());
    let frames = backtrace.frames().iter().take(DEEPEST);
    let frames = frames.map(|frame| {
        let counter = frame.module_offset().and_then(|offset| u32::try_from(offset).ok()).unwrap_or(0);
        let index = || format!("function {}", frame.func_index());
        (counter, frame.func_name().map_or_else(index, str::to_owned))
    });
    frames.collect()
}

/// The call stack as text, one function per line.
pub(super) fn callstack(guest: &mut Guest<'_>) -> String {
    let lines = frames(guest).into_iter().map(|(counter, name)| format!("    at {name} (wasm:{counter:#x})"));
    lines.collect::<Vec<_>>().join("\n")
}

/// `(flags, buffer, size)`: writes as much as there is room for. Returns the number of bytes written with the NUL, or needed if there is no
/// buffer.
fn get_callstack(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = callstack(guest);
    let (buffer, size) = (arguments.word(1)?, arguments.int(2)?);
    let Some(room) = usize::try_from(size).ok().and_then(|size| size.checked_sub(1)).filter(|_| buffer != 0)
    else {
        return Ok(Answer::Integer(i64::try_from(text.len())?.saturating_add(1)));
    };
    let mut bytes = text.as_bytes().get(..room).unwrap_or(text.as_bytes()).to_vec();
    bytes.push(0);
    guest.write(buffer, &bytes).map_err(ended)?;
    Ok(Answer::Integer(i64::try_from(bytes.len())?))
}

/// `(level)`: the return address of the function that is this many levels above the caller; 0 when there is none.
fn return_address(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let level = usize::try_from(arguments.int(0)?).ok().and_then(|level| level.checked_add(1));
    let frames = frames(guest);
    let counter = level.and_then(|level| frames.get(level)).map_or(0, |(counter, _)| *counter);
    Ok(Answer::from(counter))
}

/// The position of the caller, to be passed to [`unwind_buffer`].
#[expect(clippy::unnecessary_wraps, reason = "the form of a handler")]
fn snapshot(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(Answer::from(frames(guest).first().map_or(0, |(counter, _)| *counter)))
}

/// `(counter, buffer, count)`: writes the program counters from the given one on, or all. Returns the number written.
fn unwind_buffer(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (from, buffer, count) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)? as usize);
    let counters: Vec<u32> = frames(guest).into_iter().map(|(counter, _)| counter).collect();
    let start = counters.iter().position(|counter| *counter == from).unwrap_or(0);
    let counters: Vec<u32> = counters.into_iter().skip(start).take(count).collect();
    let bytes: Vec<u8> = counters.iter().flat_map(|counter| counter.to_le_bytes()).collect();
    guest.write(buffer, &bytes).map_err(ended)?;
    Ok(Answer::Integer(i64::try_from(counters.len())?))
}

/// `_URC_*` of `unwind.h`.
const NO_REASON: u32 = 0;
const END_OF_STACK: u32 = 5;
const ERROR: u32 = 9;

/// `(function, argument)`: calls `function(context, argument)` for each frame until a call returns something other than 0. Only
/// [`get_ip_info`] knows what a context is: the program counter itself.
fn backtrace(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (slot, argument) = (arguments.word(0)?, arguments.word(1)?);
    let table = table(&mut guest.store())?;
    let Some(Ref::Func(Some(function))) = table.get(guest.store(), slot.into()) else {
        return Ok(Answer::from(ERROR));
    };
    let Ok(function) = function.typed::<(u32, u32), u32>(guest.store()) else {
        return Ok(Answer::from(ERROR));
    };
    let function: TypedFunc<(u32, u32), u32> = function;
    for (counter, _) in frames(guest) {
        if function.call(guest.store(), (counter, argument))? != NO_REASON {
            return Ok(Answer::from(ERROR));
        }
    }
    Ok(Answer::from(END_OF_STACK))
}

/// `(context, *is_before)`: the counter of a frame, which lies after the call.
fn get_ip_info(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let is_before = arguments.word(1)?;
    if is_before != 0 {
        guest.write(is_before, &0_u32.to_le_bytes()).map_err(ended)?;
    }
    arguments.word(0).map(Answer::from)
}
