//! Owns a process's view of itself: arguments, environment, users, signals, its end. Must not know libraries.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt as _;

use wasmtime::{Ref, TypedFunc};

use super::super::guest::{Guest, table};
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::memory::allocate;
use crate::system::Exit;
use crate::system::kernel::errno::{Errno, Result};

pub(super) const ENTRIES: &[Entry] = &[
    ("environ_sizes_get", Handler::Wasi(environ_sizes_get)),
    ("environ_get", Handler::Wasi(environ_get)),
    ("random_get", Handler::Wasi(random_get)),
    ("getentropy", Handler::Syscall(getentropy)),
    ("proc_exit", Handler::Plain(proc_exit)),
    ("exit", Handler::Plain(exit)),
    ("emscripten_exit_with_live_runtime", Handler::Plain(end)),
    ("emscripten_force_exit", Handler::Plain(exit)),
    ("abort", Handler::Plain(abort)),
    ("_abort_js", Handler::Plain(abort)),
    ("__assert_fail", Handler::Plain(assert_fail)),
    ("__call_sighandler", Handler::Plain(call_signal_handler)),
    ("_setitimer_js", Handler::Plain(setitimer)),
    ("_emscripten_get_progname", Handler::Plain(get_program_name)),
    ("_emscripten_system", Handler::Plain(system)),
    ("__syscall_getuid32_js", Handler::Constant(Answer::Integer(0))),
    ("__syscall_getuid32", Handler::Constant(Answer::Integer(0))),
    ("__syscall_geteuid32", Handler::Constant(Answer::Integer(0))),
    ("__syscall_getgid32", Handler::Constant(Answer::Integer(0))),
    ("__syscall_getegid32", Handler::Constant(Answer::Integer(0))),
    ("emscripten_runtime_keepalive_push", Handler::Constant(Answer::Nothing)),
    ("emscripten_runtime_keepalive_pop", Handler::Constant(Answer::Nothing)),
    ("_emscripten_runtime_keepalive_clear", Handler::Constant(Answer::Nothing)),
];

/// All variables as C strings, one after the other.
fn environment(guest: &mut Guest<'_>) -> Result<Vec<Vec<u8>>> {
    let variables = guest.system()?.environment.iter();
    let text = |variable: &Vec<u8>| variable.iter().copied().filter(|byte| *byte != 0).chain([0]).collect();
    Ok(variables.map(text).collect())
}

fn environ_sizes_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let variables = environment(guest)?;
    let count = u32::try_from(variables.len()).map_err(|_| Errno::OVERFLOW)?;
    let bytes = u32::try_from(variables.iter().map(Vec::len).sum::<usize>()).map_err(|_| Errno::OVERFLOW)?;
    guest.write(arguments.word(0)?, &count.to_le_bytes())?;
    guest.write(arguments.word(1)?, &bytes.to_le_bytes())
}

fn environ_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let (mut pointer, mut text) = (arguments.word(0)?, arguments.word(1)?);
    for variable in environment(guest)? {
        guest.write(pointer, &text.to_le_bytes())?;
        guest.write(text, &variable)?;
        pointer = pointer.checked_add(4).ok_or(Errno::FAULT)?;
        let length = u32::try_from(variable.len()).map_err(|_| Errno::FAULT)?;
        text = text.checked_add(length).ok_or(Errno::FAULT)?;
    }
    Ok(())
}

/// The value of the environment variable `TZ` as the guest has it now; `None` when it is not set.
pub(super) fn time_zone(guest: &mut Guest<'_>) -> wasmtime::Result<Option<String>> {
    const NAME: &CStr = c"TZ";
    let own = |guest: &mut Guest<'_>| {
        let variables = guest.system().map(|system| system.environment.clone()).unwrap_or_default();
        let value = variables.iter().find_map(|variable| variable.strip_prefix(b"TZ="));
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let Some(running) = guest.state().running.clone() else { return Ok(own(guest)) };
    let getenv: Option<TypedFunc<u32, u32>> = running.main.get_typed_func(guest.store(), "getenv").ok();
    let Some(getenv) = getenv else { return Ok(own(guest)) };
    let known = guest.system().map_err(ended)?.zone_name;
    // The name stays in the guest's memory, since it is needed often.
    let name = match known {
        Some(name) => name,
        None => match allocate(guest, NAME.to_bytes_with_nul())? {
            Some(name) => name,
            None => return Ok(own(guest)),
        },
    };
    guest.system().map_err(ended)?.zone_name = Some(name);
    let value = getenv.call(guest.store(), name)?;
    if value == 0 {
        return Ok(None);
    }
    let value = guest.c_string(value, 4096).map_err(ended)?;
    Ok(Some(String::from_utf8_lossy(value).into_owned()))
}

fn random_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    crate::system::transfer::random(guest, arguments.word(0)?, arguments.word(1)?)
}

fn getentropy(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    random_get(guest, arguments).map(|()| 0)
}

fn proc_exit(_: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Err(Exit(arguments.int(0)?).into())
}

/// `exit`: first, what is registered for the end runs and buffers are written out, as in Emscripten's `exitRuntime`.
fn exit(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    finish(guest)?;
    Err(Exit(arguments.int(0)?).into())
}

/// Runs what the guest has registered with `atexit` and writes its buffers out.
fn finish(guest: &mut Guest<'_>) -> wasmtime::Result<()> {
    let Some(running) = guest.state().running.clone() else { return Ok(()) };
    crate::system::emscripten::exit::finish(&mut guest.store(), &running.main)
}

/// Ends `main` and keeps the runtime for events: timers.
fn end(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    super::super::run_timers(&mut guest.store())?;
    finish(guest)?;
    Err(Exit(0).into())
}

fn abort(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Err(wasmtime::Error::msg("the guest called `abort`"))
}

/// `__assert_fail(condition, file, line, function)`.
fn assert_fail(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let text = |guest: &Guest<'_>, index: usize| -> wasmtime::Result<String> {
        let address = arguments.word(index)?;
        let text = if address == 0 { b"?" } else { guest.c_string(address, 512).unwrap_or(b"?") };
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    let (condition, file, function) = (text(guest, 0)?, text(guest, 1)?, text(guest, 3)?);
    let line = arguments.int(2)?;
    Err(wasmtime::Error::msg(format!("assertion failed: {condition}, at {file}:{line} in {function}")))
}

/// Calls a signal handler of the guest, for `raise`.
fn call_signal_handler(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (slot, signal) = (arguments.word(0)?, arguments.int(1)?);
    let table = table(&mut guest.store())?;
    let Some(Ref::Func(Some(handler))) = table.get(guest.store(), slot.into()) else {
        return Err(wasmtime::Error::msg(format!("slot {slot} has no signal handler")));
    };
    handler.typed::<i32, ()>(guest.store())?.call(guest.store(), signal)?;
    Ok(Answer::Nothing)
}

/// Timers that send signals are not supported; turning one off succeeds.
fn setitimer(_: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let is_off = arguments.number(1)? == 0.0;
    Ok(Answer::Integer(if is_off { 0 } else { -i64::from(Errno::NOTSUP.0) }))
}

fn get_program_name(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let size = arguments.word(1)? as usize;
    let program = guest.system().map_err(ended)?.program.clone();
    let mut name: Vec<u8> = program.as_bytes().iter().copied().take(size.saturating_sub(1)).collect();
    if size > 0 {
        name.push(0);
    }
    guest.write(arguments.word(0)?, &name).map_err(ended)?;
    Ok(Answer::Nothing)
}

/// `system`: there is no shell, which is the question of `system(NULL)`.
fn system(_: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let is_question = arguments.word(0)? == 0;
    Ok(Answer::Integer(if is_question { 0 } else { -i64::from(Errno::NOSYS.0) }))
}
