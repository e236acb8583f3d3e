//! Owns the interface of line editors: what reads a line from the terminal for a guest whose Python has no editor of its own. Must not know
//! how a line is edited.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// What was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A line, without the character that ended it.
    Line(String),
    /// The end of all input.
    End,
    /// What interrupts a program.
    Interrupt,
}

/// Reads lines for guests ([`ProcessOptions::line_editor`](crate::ProcessOptions::line_editor)).
pub trait LineEditor: Send {
    /// Reads a line, which begins behind `prompt`; that is on the terminal already, as the guest has written it. `complete` tells what
    /// a Python expression that somebody begins to type may become: the guest's own names and attributes. An editor that cannot read
    /// tells the end of input. The guest's thread is in this call: an interrupt, and
    /// [`InterruptHandle::terminate`](crate::InterruptHandle::terminate), reach the guest when it returns, and end `complete` at once.
    fn read_line(&mut self, prompt: &str, complete: &mut dyn FnMut(&str) -> Vec<String>) -> Typed;
}

/// An editor that the options and the process share.
#[derive(Clone)]
pub(crate) struct SharedEditor(Arc<Mutex<dyn LineEditor>>);

impl SharedEditor {
    pub(crate) fn new(editor: impl LineEditor + 'static) -> SharedEditor {
        SharedEditor(Arc::new(Mutex::new(editor)))
    }

    /// The editor, to be used; `None` while it edits a line already: nobody may wait for it who may be what it waits for.
    pub(crate) fn lock(&self) -> Option<MutexGuard<'_, dyn LineEditor + 'static>> {
        match self.0.try_lock() {
            Ok(editor) => Some(editor),
            Err(TryLockError::Poisoned(editor)) => Some(editor.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl fmt::Debug for SharedEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line editor")
    }
}
