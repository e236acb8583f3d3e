//! Owns how failures leave the program: one message on stderr, one exit status for each kind. Must not know commands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use pydl_loader::{DeniedHost, ExitStatus, GuestTrap, LoadError, demangled};

use crate::render::text::printable;

/// A file cannot be read, or is not what it should be.
pub const NOT_LOADABLE: u8 = 126;
/// A file cannot be linked, or a function that was to be bound at its first call cannot be.
pub const NOT_LINKED: u8 = 127;
/// The guest ended in a trap; the status that a shell shows for `SIGABRT`.
pub const TRAPPED: u8 = 134;
/// The guest was interrupted; the status that a shell shows for `SIGINT`.
pub const INTERRUPTED: u8 = 130;
/// The command line is wrong.
pub const USAGE: u8 = 2;

/// A command line that parses but makes no sense.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n\nFor more information, try '--help'.", self.0)
    }
}

impl std::error::Error for Usage {}

/// Prints one or more lines to stderr, with text from files and guests made harmless to a terminal. It has no further effect if
/// stderr cannot be written.
pub fn say(text: &str) {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(printable).collect();
    let _ = writeln!(std::io::stderr(), "pydl: {}", lines.join("\n"));
}

/// Warns about something that does not go as requested.
pub fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// Prints why a command failed and returns its exit status.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref().and_then(remedy) {
        Some(remedy) => say(&format!("{error:#}; {remedy}")),
        None => say(&format!("{error:#}")),
    }
    ExitCode::from(match (error.downcast_ref::<LoadError>(), error.is::<Usage>()) {
        (Some(LoadError::Link(_) | LoadError::MissingImports { .. }), _) => NOT_LINKED,
        (Some(LoadError::Option(_) | LoadError::NoSuchFolder { .. } | LoadError::HostMemory { .. }), _)
        | (_, true) => USAGE,
        _ => NOT_LOADABLE,
    })
}

/// What to do about an error, in terms of command-line flags.
fn remedy(error: &LoadError) -> Option<&'static str> {
    match error {
        LoadError::IsSideModule { .. } => Some("give it with --side to a main module"),
        LoadError::NoSuchFolder { .. } => Some("give it with --dir"),
        LoadError::HostMemory { .. } => Some("raise --host-memory"),
        _ => None,
    }
}

/// The exit status of pydl for that of a guest; a trap is reported on stderr. `wheel_of` returns the wheel that contains a file
/// of the guest.
pub fn guest_status(status: &ExitStatus, wheel_of: impl Fn(&str) -> Option<PathBuf>) -> ExitCode {
    match status {
        // The system does the same: a process has eight bits to report how it ended.
        ExitStatus::Exited(status) => ExitCode::from(status.to_le_bytes()[0]),
        ExitStatus::Interrupted => ExitCode::from(INTERRUPTED),
        // This is the status that a shell reports.
        ExitStatus::Killed(signal) => ExitCode::from(128 + signal.number()),
        // This is the status with which ld.so ends a process in this case.
        ExitStatus::LookupFailed(trap) => {
            say(&trap_text(trap, wheel_of));
            ExitCode::from(NOT_LINKED)
        }
        ExitStatus::Trapped(trap) => {
            say(&format!("the guest ended in a trap: {}", trap_text(trap, wheel_of)));
            ExitCode::from(TRAPPED)
        }
    }
}

/// A trap as text: what happened, and where, innermost first; C++ and Rust names are shown as they were written.
fn trap_text(trap: &GuestTrap, wheel_of: impl Fn(&str) -> Option<PathBuf>) -> String {
    let mut text = trap.reason.clone();
    if let Some(exception) = &trap.exception {
        let _ = write!(text, ": {exception}");
    }
    let mut wheels = BTreeMap::new();
    for frame in &trap.frames {
        let wheel = wheels.entry(&frame.module).or_insert_with(|| {
            let wheel = wheel_of(&frame.module)?;
            Some(format!(" of {}", wheel.file_name()?.to_string_lossy()))
        });
        let function = demangled(&frame.function);
        let function = function.as_deref().unwrap_or(&frame.function);
        let _ = write!(text, "\n  at {}{}: {function}", frame.module, wheel.as_deref().unwrap_or_default());
    }
    text
}

/// Reports what would permit a guest what it was denied on the network.
pub fn tell_denied(denied: &[DeniedHost]) {
    // A text that is not a host name is not offered for permission, nor to be copied to a shell.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let denied: Vec<_> = denied.iter().filter(|denied| denied.host.bytes().all(is_plain)).collect();
    if denied.is_empty() {
        return;
    }
    let options = denied.iter().map(|DeniedHost { host, port }| match port {
        Some(port) if host.contains(':') => format!("--allow-net=[{host}]:{port}"),
        Some(port) => format!("--allow-net={host}:{port}"),
        None => format!("--allow-net={host}"),
    });
    let options = options.collect::<Vec<_>>().join(" ");
    say(&format!(
        "the network is closed to the guest where it was not permitted; this would permit what it tried:\n  {options}"
    ));
}
