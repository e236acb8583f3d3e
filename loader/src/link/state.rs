//! Owns the state that a process keeps for linking: the main module that libraries are linked to, the libraries, and the latest
//! messages about them. Must not know how libraries are loaded.

use std::sync::Arc;

use pydl_linker::SearchPath;
use wasmtime::{Linker, Module};

use super::backtrace::CodeNames;
use super::dlfcn::{Linking, Refusal};
use super::libraries::RefusedLoad;
use crate::compile::main_file::MainFile;
use crate::system::state::ProcessState;

/// The main module that libraries are linked to.
pub(crate) struct LinkedMain {
    /// The file of the main module, and its compiled code.
    pub file: Arc<MainFile>,
    pub code: Module,
    /// The host functions for the main module.
    pub host: Arc<Linker<ProcessState>>,
    /// Where libraries are searched for.
    pub search: Arc<SearchPath>,
    /// Whether `RTLD_LAZY` means `RTLD_NOW` (`LD_BIND_NOW` in ld.so(8)).
    pub binds_now: bool,
}

/// The state that a process keeps for linking.
pub(crate) struct LinkState {
    pub main: Arc<LinkedMain>,
    /// The libraries, or why this process cannot have any; created when the guest first uses one.
    pub linking: Option<Result<Linking, Refusal>>,
    /// The message that the next `dlerror` returns.
    pub dl_error: Option<String>,
    /// The load that was refused most recently.
    pub refused: Option<RefusedLoad>,
    /// The files whose code is in the process.
    pub code: CodeNames,
}

impl LinkState {
    /// The state of a process that has not loaded anything.
    pub(crate) fn of(main: LinkedMain) -> LinkState {
        LinkState {
            main: Arc::new(main),
            linking: None,
            dl_error: None,
            refused: None,
            code: CodeNames::default(),
        }
    }
}

/// Access to the linking state in the store: `None` in a store that runs nothing.
pub(crate) trait Links {
    fn link(&self) -> Option<&LinkState>;
    fn link_mut(&mut self) -> Option<&mut LinkState>;
}

impl Links for ProcessState {
    fn link(&self) -> Option<&LinkState> {
        self.upper()
    }

    fn link_mut(&mut self) -> Option<&mut LinkState> {
        self.upper_mut()
    }
}
