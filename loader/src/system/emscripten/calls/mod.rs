//! Owns the list of all functions that the system interface has: one file for each topic. Must not know how they get their
//! arguments.

mod checks;
mod clock;
mod descriptors;
mod embedded;
pub(super) mod exceptions;
pub(super) mod ffi;
mod files;
mod linking;
pub(crate) mod memory;
mod network;
mod process;
mod python;
mod strftime;

pub(super) use self::clock::zone;
use super::imports::{Entry, Handler};

const TOPICS: [&[Entry]; 13] = [
    checks::ENTRIES,
    clock::ENTRIES,
    descriptors::ENTRIES,
    embedded::ENTRIES,
    exceptions::ENTRIES,
    ffi::ENTRIES,
    files::ENTRIES,
    linking::ENTRIES,
    memory::ENTRIES,
    network::ENTRIES,
    process::ENTRIES,
    python::ENTRIES,
    strftime::ENTRIES,
];

/// The import modules that functions come from; names do not repeat among them. The last one is Pyodide's.
const MODULES: [&str; 3] = [pydl_linker::abi::ENV, pydl_linker::abi::WASI_PREVIEW1, "sentinel"];

/// What serves an import; `None` when nothing does.
pub(super) fn handler(module: &str, name: &str) -> Option<Handler> {
    if !MODULES.contains(&module) {
        return None;
    }
    let mut entries = TOPICS.iter().copied().flatten();
    let found = entries.find(|(known, _)| *known == name).map(|(_, handler)| *handler);
    found.or_else(|| exceptions::of_pattern(name))
}

/// The message of a call that nothing serves.
pub(super) fn unavailable(name: &str) -> String {
    format!(
        "the guest called `{name}`, which pydl does not have: it is a part of Emscripten's or Pyodide's bridge to JavaScript, and \
         there is no JavaScript here"
    )
}
