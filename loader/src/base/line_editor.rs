//! Owns the interface of line editors, which read a line from the terminal for a guest whose Python has no editor of its own.
//! Must not know how a line is edited.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// What the user typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A line, without the character that ended it.
    Line(String),
    /// The end of all input.
    End,
    /// The key that interrupts a program.
    Interrupt,
}

/// Reads lines for guests ([`ProcessOptions::line_editor`](crate::ProcessOptions::line_editor)).
pub trait LineEditor: Send {
    /// Reads a line, which begins after `prompt`; the prompt is on the terminal already, as the guest has written it. `complete`
    /// returns the possible completions of the beginning of a Python expression: the guest's own names and attributes. An editor
    /// that cannot read reports the end of input. The guest's thread is inside this call: an interrupt, and
    /// [`InterruptHandle::terminate`](crate::InterruptHandle::terminate), reach the guest when it returns, and end `complete` at
    /// once.
    fn read_line(&mut self, prompt: &str, complete: &mut dyn FnMut(&str) -> Vec<String>) -> Typed;
}

/// An editor that the options and the process share.
#[derive(Clone)]
pub(crate) struct SharedEditor(Arc<Mutex<dyn LineEditor>>);

impl SharedEditor {
    pub(crate) fn new(editor: impl LineEditor + 'static) -> SharedEditor {
        SharedEditor(Arc::new(Mutex::new(editor)))
    }

    /// Locks the editor for use; `None` while it is already editing a line: a thread that the editor may be waiting for must not
    /// wait for it.
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
