//! Owns the calls through which Emscripten's `dlopen` family asks the host; they are served by `dlfcn/rewritten.rs`, and by
//! `dlfcn/emscripten.rs` for main modules that cannot be rewritten. Must not know what loading a library takes.

use pydl_linker::dlfcn_of_main::Call;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use crate::dlfcn::{emscripten as dlfcn, rewritten};

pub(super) const ENTRIES: &[Entry] =
    &[("_dlopen_js", Handler::Plain(dlopen)), ("_dlsym_js", Handler::Plain(dlsym))];

fn dlopen(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    dlfcn::dlopen(guest.store(), arguments.word(0)?).map(Answer::from)
}

fn dlsym(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (first, second) = (arguments.word(0)?, arguments.word(1)?);
    let answer = match Call::from_number(arguments.word(2)?) {
        Some(call) => rewritten::call(guest.store(), call, first, second),
        None => dlfcn::dlsym(guest.store(), first, second),
    };
    answer.map(Answer::from)
}
