//! Owns the calls of Emscripten's `dlopen` family to the host, which are passed on to what opens libraries
//! ([`crate::system::state::Opener`]). Must not know what loading a library takes.

use std::time::Duration;

use pydl_linker::rewrite::dlfcn_of_main::DlfcnCall;
use wasmtime::{AsContextMut as _, StoreContextMut};

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::timers::{self, Task};
use crate::system::state::ProcessState;

pub(super) const ENTRIES: &[Entry] = &[
    ("_dlopen_js", Handler::Plain(dlopen)),
    ("_dlsym_js", Handler::Plain(dlsym)),
    ("_emscripten_dlopen_js", Handler::Plain(dlopen_later)),
];

/// A library that is opened after `main` has returned, as `emscripten_dlopen` requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaterOpen {
    /// The C library's record of the library.
    dso: u32,
    /// The slots of the functions that are called with the record and the data: one when the library is open, the other when it is refused.
    opened: u32,
    refused: u32,
    data: u32,
}

impl LaterOpen {
    /// Opens the library, and calls the one function or the other.
    pub(super) fn open(self, store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<()> {
        let opener = store.data().opener;
        let is_open = opener.open(store.as_context_mut(), self.dso)? != 0;
        let slot = if is_open { self.opened } else { self.refused };
        let function = timers::function(store, slot)?.typed::<(u32, u32), ()>(&store)?;
        function.call(store, (self.dso, self.data))
    }
}

/// `(dso, opened, refused, data)`: opens a library later.
fn dlopen_later(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let library = LaterOpen {
        dso: arguments.word(0)?,
        opened: arguments.word(1)?,
        refused: arguments.word(2)?,
        data: arguments.word(3)?,
    };
    timers::set(guest, Task::Open(library), Duration::ZERO)?;
    Ok(Answer::Nothing)
}

fn dlopen(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let opener = guest.state().opener;
    opener.open(guest.store(), arguments.word(0)?).map(Answer::from)
}

fn dlsym(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (first, second) = (arguments.word(0)?, arguments.word(1)?);
    let opener = guest.state().opener;
    let answer = match DlfcnCall::from_number(arguments.word(2)?) {
        Some(call) => opener.call(guest.store(), call, first, second),
        None => opener.symbol(guest.store(), first, second),
    };
    answer.map(Answer::from)
}
