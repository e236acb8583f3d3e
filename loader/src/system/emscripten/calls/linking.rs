//! Owns the calls through which Emscripten's `dlopen` family asks the host; they are served by `dlfcn/emscripten.rs`. Must not
//! know what loading a library takes.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use crate::dlfcn::emscripten as dlfcn;

pub(super) const ENTRIES: &[Entry] =
    &[("_dlopen_js", Handler::Plain(dlopen)), ("_dlsym_js", Handler::Plain(dlsym))];

fn dlopen(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    dlfcn::dlopen(guest.store(), arguments.word(0)?).map(Answer::from)
}

fn dlsym(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    dlfcn::dlsym(guest.store(), arguments.word(0)?, arguments.word(1)?).map(Answer::from)
}
