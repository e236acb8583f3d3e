//! Owns what the engine keeps for a process: its system, what it may use, its main module's instance; and a place for what the floors above
//! keep, which this floor does not know.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::Journal;
use pydl_linker::rewrite::dlfcn_of_main::DlfcnCall;
use wasmtime::{Instance, StoreContextMut, Tag};

use super::System;
use crate::base::budget::Budget;
use crate::base::interrupt::InterruptState;
use crate::base::limits::Limits;
use crate::base::trace::Trace;
use crate::compile::compiler::Compiler;
use crate::compile::engine::EngineLimits;
use crate::memory::address_space::AddressSpace;

/// What the engine keeps for a process.
pub(crate) struct ProcessState {
    pub system: System,
    pub compiler: Compiler,
    pub interrupt: Arc<InterruptState>,
    pub limits: EngineLimits,
    /// The memory that the host may use for the process.
    pub budget: Budget,
    /// How many instances of libraries the process may make in its life, and how many of them it has made.
    pub instances: (u32, u32),
    /// The main module that runs; `None` before it is instantiated.
    pub running: Option<Running>,
    /// What is reported about linking, and to whom.
    pub trace: Trace,
    /// The steps that the process has taken to link.
    pub journal: Journal,
    /// Exception tags that are not the main module's, one for each name.
    pub tags: BTreeMap<String, Tag>,
    /// What opens libraries for the C library.
    pub opener: &'static dyn Opener,
    /// What the floor above keeps.
    upper: Option<Box<dyn Any + Send>>,
}

/// What a running process was made of.
#[derive(Clone)]
pub(crate) struct Running {
    pub main: Instance,
    /// The shared resources; `None` when the main module does not export them.
    pub space: Option<Arc<AddressSpace>>,
}

/// The requests of Emscripten's C library that have to do with libraries.
pub(crate) trait Opener: Sync {
    /// `_dlopen_js(dso)`: returns 1, or 0 with a message for `dlerror`.
    fn open(&self, store: StoreContextMut<'_, ProcessState>, dso: u32) -> wasmtime::Result<u32>;

    /// `_dlsym_js(handle, name)`: returns an address or table slot, or 0 with a message for `dlerror`.
    fn symbol(
        &self,
        store: StoreContextMut<'_, ProcessState>,
        handle: u32,
        name: u32,
    ) -> wasmtime::Result<u32>;

    /// The name of the function in a table slot, and its file; `None` for a function that no module exports.
    fn function_name(&self, store: StoreContextMut<'_, ProcessState>, slot: u32) -> Option<String>;

    /// Serves a call of a rewritten function of the `dlopen` family.
    fn call(
        &self,
        store: StoreContextMut<'_, ProcessState>,
        call: DlfcnCall,
        first: u32,
        second: u32,
    ) -> wasmtime::Result<u32>;
}

impl ProcessState {
    /// The state of a store that runs nothing yet.
    pub(crate) fn idle(compiler: &Compiler, opener: &'static dyn Opener) -> ProcessState {
        let limits = Limits { host_memory: 0, ..Limits::default() };
        let budget = Budget::of(limits);
        ProcessState {
            system: System::Idle,
            compiler: compiler.clone(),
            interrupt: Arc::default(),
            limits: EngineLimits::new(limits.instances, limits.memory, None, budget.clone()),
            budget,
            instances: (limits.instances, 0),
            running: None,
            trace: Trace::default(),
            journal: Journal::default(),
            tags: BTreeMap::new(),
            opener,
            upper: None,
        }
    }

    /// Sets what the floor above keeps.
    pub(crate) fn set_upper<T: Any + Send>(&mut self, upper: T) {
        self.upper = Some(Box::new(upper));
    }

    /// What the floor above keeps; `None` when that is of another type, or nothing.
    pub(crate) fn upper<T: Any>(&self) -> Option<&T> {
        self.upper.as_deref().and_then(<dyn Any + Send>::downcast_ref)
    }

    /// What the floor above keeps, to be changed; `None` when that is of another type, or nothing.
    pub(crate) fn upper_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.upper.as_deref_mut().and_then(<dyn Any + Send>::downcast_mut)
    }
}
