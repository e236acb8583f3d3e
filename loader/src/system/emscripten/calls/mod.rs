//! Owns the list of all functions of the system interface, with one file for each topic. Must not know how they get their arguments.

mod calendar;
mod checks;
mod clock;
mod console;
mod descriptors;
mod embedded;
pub(super) mod exceptions;
pub(super) mod ffi;
mod files;
mod linking;
mod math;
pub(crate) mod memory;
mod network;
mod process;
pub(super) mod protocols;
pub(super) mod python;
mod runtime;
mod stack;
mod strftime;
mod strptime;
pub(super) mod timers;
mod uuid;

use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) use self::clock::zone;
use super::imports::{Entry, Handler};

const TOPICS: [&[Entry]; 21] = [
    checks::ENTRIES,
    clock::ENTRIES,
    console::ENTRIES,
    descriptors::ENTRIES,
    embedded::ENTRIES,
    exceptions::ENTRIES,
    ffi::ENTRIES,
    files::ENTRIES,
    linking::ENTRIES,
    math::ENTRIES,
    memory::ENTRIES,
    network::ENTRIES,
    process::ENTRIES,
    protocols::ENTRIES,
    python::ENTRIES,
    runtime::ENTRIES,
    stack::ENTRIES,
    strftime::ENTRIES,
    strptime::ENTRIES,
    timers::ENTRIES,
    uuid::ENTRIES,
];

/// The import modules that functions come from; no name occurs in two of them. The last one is Pyodide's.
const MODULES: [&str; 3] = [pydl_linker::abi::ENV, pydl_linker::abi::WASI_PREVIEW1, "sentinel"];

/// The handler of an import; `None` when nothing serves it.
pub(super) fn handler(module: &str, name: &str) -> Option<Handler> {
    static BY_NAME: OnceLock<HashMap<&'static str, Handler>> = OnceLock::new();
    if !MODULES.contains(&module) {
        return None;
    }
    let by_name = BY_NAME.get_or_init(|| TOPICS.iter().copied().flatten().copied().collect());
    by_name.get(name).copied().or_else(|| exceptions::of_pattern(name))
}

/// The message for a call that nothing serves.
pub(super) fn unavailable(name: &str) -> String {
    let what = match super::library::topic(name) {
        Some(topic) => format!("Emscripten has it in JavaScript ({topic})"),
        None => "it is a part of Emscripten's or Pyodide's bridge to JavaScript".to_owned(),
    };
    format!("the guest called `{name}`, which pydl does not have: {what}, and there is no JavaScript here")
}
