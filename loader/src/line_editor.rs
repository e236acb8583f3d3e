//! Owns the interface of line editors: what reads a line from the terminal for a guest whose Python has no editor of its own. Must not know
//! how a line is edited.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// tells the end of input.
    fn read_line(&mut self, prompt: &str, complete: &mut dyn FnMut(&str) -> Vec<String>) -> Typed;
}

/// An editor that the options and the process share.
#[derive(Clone)]
pub(crate) struct SharedEditor(Arc<Mutex<dyn LineEditor>>);

impl SharedEditor {
    pub(crate) fn new(editor: impl LineEditor + 'static) -> SharedEditor {
        SharedEditor(Arc::new(Mutex::new(editor)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, dyn LineEditor + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line editor")
    }
}
