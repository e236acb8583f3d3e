//! Owns the system interface of Emscripten main modules: what their C library requests from the host. It takes the place of Emscripten's
//! JavaScript. Must not know libraries.
//!
//! `imports.rs` gives a main module's imports their functions, which are in `calls/`, by topic; files, descriptors and sockets belong to
//! the kernel.

mod calls;
pub(crate) mod exit;
mod guest;
mod halves;
pub(crate) mod imports;
mod library;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use jiff::tz::TimeZone;
use pydl_linker::{HostAddress, abi};
use wasmtime::{ExternRef, Func, Memory, OwnedRooted, StoreContextMut};

pub(crate) use self::calls::python::{is_a_sentinel, sentinel};

use self::calls::exceptions::Exceptions;
use self::calls::ffi::Closures;
use self::calls::memory::Mappings;
use self::calls::protocols::Protocols;
use self::calls::timers::Timers;
use crate::base::error::LoadError;
use crate::base::options::ProcessOptions;
use crate::system::kernel::{HOME, Kernel};
use crate::system::state::ProcessState;

/// The state of the system of one process.
pub(crate) struct Emscripten {
    /// Known as soon as the main module is instantiated.
    pub memory: Option<Memory>,
    /// The table slot of CPython's trampoline; 0 when there is none.
    pub trampoline: u32,
    pub kernel: Kernel,
    mappings: Mappings,
    closures: Closures,
    /// The reference that stands for an error where JavaScript values are expected, once it was requested.
    sentinel: Option<OwnedRooted<ExternRef>>,
    exceptions: Exceptions,
    protocols: Protocols,
    timers: Timers,
    /// The environment, as `NAME=VALUE`.
    environment: Vec<Vec<u8>>,
    program: OsString,
    started: Instant,
    /// The time zone that the guest's `TZ` named last, and the value of `TZ` that the guest's C library knows.
    zone: TimeZone,
    zone_variable: Option<String>,
    /// The address of the name `TZ` in the guest's memory.
    zone_name: Option<u32>,
}

/// Whether the system has a function of this name, whatever its type; the others fail when they are called: only JavaScript has them.
pub(crate) fn serves(module: &str, name: &str) -> bool {
    name.starts_with(calls::exceptions::INVOKE) || calls::handler(module, name).is_some()
}

/// The function behind the address of a name, in Emscripten's type; `None` when its library has no such function.
pub(crate) fn address(name: &str) -> Option<HostAddress> {
    let signature = library::signature(name)?;
    Some(HostAddress { signature, is_served: serves(abi::ENV, name) })
}

/// What a function that only JavaScript has is part of, for messages; `None` for names that Emscripten's library does not have, and for
/// functions that are served.
pub(crate) fn topic_of_javascript(name: &str) -> Option<&'static str> {
    library::topic(name).filter(|_| !serves(abi::ENV, name))
}

/// The function of the closure with this number; `None` when there is none.
pub(crate) fn closure_function(store: &mut StoreContextMut<'_, ProcessState>, number: usize) -> Option<Func> {
    calls::ffi::closure_function(store, number)
}

/// Calls the functions that a program has set timers for, until none is left: this happens when its `main` has returned.
pub(crate) fn run_timers(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<()> {
    calls::timers::run(store)
}

impl Emscripten {
    /// For an error of the engine that represents an exception left to the host: where the address of the exception's type is, and its
    /// object.
    pub(crate) fn uncaught_object(&self, error: &wasmtime::Error) -> Option<(u32, u32)> {
        self.exceptions.uncaught_object(error)
    }

    /// Forgets what belongs to the store that the process was in, because the process continues in another one.
    pub(crate) fn leave_store(&mut self) {
        self.memory = None;
        self.closures.leave_store();
        self.sentinel = None;
    }

    /// Makes the system of a process, with the folders and streams that the options name and nothing else of the host.
    pub(crate) fn new(options: &ProcessOptions) -> Result<Emscripten, LoadError> {
        let assignment =
            |(name, value): &(OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        let environment = options.environment.iter().map(assignment);
        // There are no users: without `HOME`, `os.path.expanduser` and `Path.home` would have nothing to rely on.
        let home = options.variable("HOME").is_none().then(|| format!("HOME={HOME}").into_bytes());
        Ok(Emscripten {
            memory: None,
            trampoline: 0,
            kernel: Kernel::new(options)?,
            mappings: Mappings::default(),
            closures: Closures::default(),
            sentinel: None,
            exceptions: Exceptions::default(),
            protocols: Protocols::default(),
            timers: Timers::default(),
            environment: environment.chain(home).collect(),
            program: options.arguments.first().cloned().unwrap_or_default(),
            started: Instant::now(),
            zone: calls::zone(options.variable("TZ").unwrap_or_default()),
            zone_variable: None,
            zone_name: None,
        })
    }
}
