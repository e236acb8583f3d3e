//! Owns the system interface of Emscripten main modules: what their C library asks the host for. It stands where Emscripten has
//! JavaScript. Must not know libraries.
//!
//! `imports.rs` gives a main module's imports their functions, which are in `calls/`, by topic; files, descriptors and sockets are the
//! kernel's.

mod calls;
mod guest;
pub(crate) mod imports;

use std::time::Instant;

use jiff::tz::TimeZone;
use wasmtime::{ExternRef, Memory, OwnedRooted};

use self::calls::exceptions::Exceptions;
use self::calls::ffi::Closures;
use self::calls::memory::Mappings;
use crate::error::LoadError;
use crate::options::ProcessOptions;
use crate::system::kernel::{HOME, Kernel};

/// The state of the system of one process.
pub(crate) struct Emscripten {
    /// Known as soon as the main module is instantiated.
    pub memory: Option<Memory>,
    /// The table slot of CPython's trampoline; 0 when there is none.
    pub trampoline: u32,
    pub kernel: Kernel,
    mappings: Mappings,
    closures: Closures,
    /// What stands for an error where values of JavaScript are expected, once it was asked for.
    sentinel: Option<OwnedRooted<ExternRef>>,
    exceptions: Exceptions,
    /// `NAME=VALUE`.
    environment: Vec<String>,
    program: String,
    started: Instant,
    /// The time zone that the guest's `TZ` named last.
    zone: TimeZone,
}

/// Whether the system has a function of this name, in whatever type it is wanted; the others fail when they are called: only
/// JavaScript has them.
pub(crate) fn serves(module: &str, name: &str) -> bool {
    name.starts_with(calls::exceptions::INVOKE) || calls::handler(module, name).is_some()
}

impl Emscripten {
    /// For an exception that the guest left to the host, which an error of the engine stands for: where the address of its type is, and
    /// its object.
    pub(crate) fn uncaught_object(&self, error: &wasmtime::Error) -> Option<(u32, u32)> {
        self.exceptions.uncaught_object(error)
    }

    /// The system of a process, with the folders and streams that the options name and nothing else of the host.
    pub(crate) fn new(options: &ProcessOptions) -> Result<Emscripten, LoadError> {
        let environment = options.environment.iter().map(|(name, value)| format!("{name}={value}"));
        // There are no users: without it `os.path.expanduser` and `Path.home` have nothing to go by.
        let home = options.variable("HOME").is_none().then(|| format!("HOME={HOME}"));
        Ok(Emscripten {
            memory: None,
            trampoline: 0,
            kernel: Kernel::new(options)?,
            mappings: Mappings::default(),
            closures: Closures::default(),
            sentinel: None,
            exceptions: Exceptions::default(),
            environment: environment.chain(home).collect(),
            program: options.arguments.first().cloned().unwrap_or_default(),
            started: Instant::now(),
            zone: calls::zone(options.variable("TZ").unwrap_or_default()),
        })
    }
}
