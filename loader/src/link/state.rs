//! Owns what a process keeps to link: the main module that libraries are linked to, the libraries, and what was said of them last. Must not
//! know how libraries are loaded.

use std::sync::Arc;

use pydl_linker::SearchPath;
use wasmtime::{Linker, Module};

use super::backtrace::CodeNames;
use super::dlfcn::{Linking, Refusal};
use super::libraries::RefusedLoad;
use crate::compile::main_file::MainFile;
use crate::system::state::ProcessState;

/// What libraries are linked to.
pub(crate) struct LinkedMain {
    /// The file of the main module, and its code.
    pub file: Arc<MainFile>,
    pub code: Module,
    /// The host's functions for it.
    pub host: Arc<Linker<ProcessState>>,
    /// Where libraries are looked for.
    pub search: Arc<SearchPath>,
    /// Whether `RTLD_LAZY` means `RTLD_NOW` (`LD_BIND_NOW` in ld.so(8)).
    pub binds_now: bool,
}

/// What a process keeps to link.
pub(crate) struct LinkState {
    pub main: Arc<LinkedMain>,
    /// The libraries, or why this process cannot have any; made when the guest first asks for one.
    pub linking: Option<Result<Linking, Refusal>>,
    /// The message that the next `dlerror` returns.
    pub dl_error: Option<String>,
    /// The load that was refused last.
    pub refused: Option<RefusedLoad>,
    /// The files that have code.
    pub code: CodeNames,
}

impl LinkState {
    /// That of a process that has not loaded anything.
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

/// What a process keeps to link, in the store: `None` in a store that runs nothing.
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
