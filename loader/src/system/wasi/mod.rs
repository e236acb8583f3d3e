//! Owns the system interface of WASI main modules: preview 1 (`wasi_snapshot_preview1.witx`), over the kernel. Must not know
//! libraries.
//!
//! A guest has one preopened folder, which is the root of the kernel's tree: whatever path wasi-libc is given, it asks for the rest of the
//! path beneath that folder, so that devices, temporary files and mounted folders are all in one place. `functions.rs` has the list of all
//! functions, `calls/` has what they do, and `layout.rs` how their structures lie in memory.

mod calls;
mod functions;
mod layout;

use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use wasmtime::Memory;

pub(crate) use self::functions::{define, functions};
use crate::base::error::LoadError;
use crate::base::options::ProcessOptions;
use crate::system::kernel::Kernel;
use crate::system::kernel::descriptors::flag;

/// The state of the system of one process.
pub(crate) struct Wasi {
    /// Known from the guest's first call on.
    pub memory: Option<Memory>,
    pub kernel: Kernel,
    /// The arguments and the environment (`NAME=VALUE`) that the guest sees, each as C strings.
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    /// The time at which the monotonic clock begins.
    started: Instant,
}

/// The path of the preopened folder.
const ROOT: &str = "/";
/// The descriptor of the preopened folder: the first after the standard streams, where the application ABI has guests look for it.
const ROOT_DESCRIPTOR: u32 = 3;

impl Wasi {
    /// Makes the system of a process, with the streams that the options name and nothing else of the host.
    pub(crate) fn new(options: &ProcessOptions) -> Result<Wasi, LoadError> {
        let mut kernel = Kernel::new(options)?;
        let root = kernel.descriptors.open(&mut kernel.files, &ROOT.into(), flag::DIRECTORY, 0);
        if !root.is_ok_and(|root| root == ROOT_DESCRIPTOR) {
            return Err(LoadError::Option("the guest's root folder cannot be opened".to_owned()));
        }
        let environment = options
            .environment
            .iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        Ok(Wasi {
            memory: None,
            kernel,
            arguments: options.arguments.iter().map(|argument| c_string(argument.as_bytes())).collect(),
            environment: environment.map(|variable| c_string(&variable)).collect(),
            started: Instant::now(),
        })
    }
}

/// A text with a NUL at its end and nowhere else.
fn c_string(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| *byte != 0).chain([0]).collect()
}
