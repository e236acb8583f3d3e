//! Owns how failures leave the program: one message on stderr, one exit status for each kind. Must not know commands.

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;

use pydl_loader::{ExitStatus, LoadError};

use crate::render::text::printable;

/// A file cannot be read, or is not what it should be.
pub const NOT_LOADABLE: u8 = 126;
/// A file cannot be linked, or a function that was left to be bound when called cannot be.
pub const NOT_LINKED: u8 = 127;
/// The guest ended in a trap; what a shell shows for `SIGABRT`.
pub const TRAPPED: u8 = 134;
/// The guest was interrupted; what a shell shows for `SIGINT`.
pub const INTERRUPTED: u8 = 130;
/// The command line is wrong.
pub const USAGE: u8 = 2;

/// A command line that parses but cannot be meant.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n\nFor more information, try '--help'.", self.0)
    }
}

impl std::error::Error for Usage {}

/// Prints a line or some to stderr, with what files and guests may have put into it made harmless to a terminal. That nobody can
/// read it changes nothing else.
pub fn say(text: &str) {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(printable).collect();
    let _ = writeln!(std::io::stderr(), "pydl: {}", lines.join("\n"));
}

/// Tells of something that goes another way than was asked for.
pub fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// Prints why a command failed and returns its exit status.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    // A `LoadError` tells its cause itself.
    match error.downcast_ref::<LoadError>() {
        Some(error) => say(&error.to_string()),
        None => say(&format!("{error:#}")),
    }
    ExitCode::from(match (error.downcast_ref::<LoadError>(), error.is::<Usage>()) {
        (Some(LoadError::Link(_) | LoadError::MissingImports { .. }), _) => NOT_LINKED,
        (Some(LoadError::Option(_)), _) | (_, true) => USAGE,
        _ => NOT_LOADABLE,
    })
}

/// The exit status of pydl for that of a guest; a trap is told on stderr.
pub fn guest_status(status: &ExitStatus) -> ExitCode {
    match status {
        // As the system does: a process has eight bits to say how it ended.
        ExitStatus::Exited(status) => ExitCode::from(status.to_le_bytes()[0]),
        ExitStatus::Interrupted => ExitCode::from(INTERRUPTED),
        // As a shell tells it.
        ExitStatus::Killed(signal) => ExitCode::from(128 + signal.number()),
        // With what ld.so ends a process in this case.
        ExitStatus::LookupFailed(trap) => {
            say(&trap.to_string());
            ExitCode::from(NOT_LINKED)
        }
        ExitStatus::Trapped(trap) => {
            say(&format!("the guest ended in a trap: {trap}"));
            ExitCode::from(TRAPPED)
        }
    }
}
