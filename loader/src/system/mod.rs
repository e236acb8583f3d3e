//! Owns the system interfaces of guests, one module for each ABI, over one kernel. Must not know linking.

pub(crate) mod archive;
pub(crate) mod c_stack;
mod completion;
pub(crate) mod emscripten;
pub(crate) mod fifo;
pub(crate) mod guest;
pub(crate) mod kernel;
pub(crate) mod line_editor;
pub(crate) mod signals;
pub(crate) mod sleep;
pub(crate) mod slots;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod transfer;
pub(crate) mod wait;
pub(crate) mod wasi;

use wasmtime::Memory;

use self::emscripten::Emscripten;
use self::kernel::Kernel;
use self::kernel::errno::{Fault, Result};
use self::wasi::Wasi;

/// The guest ended itself with this status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("exited with status {0}")]
pub(crate) struct Exit(pub i32);

/// The system of one process.
pub(crate) enum System {
    /// The system of a store that runs nothing.
    Idle,
    Wasi(Box<Wasi>),
    Emscripten(Box<Emscripten>),
}

impl System {
    /// The state of Emscripten's system, if this is one.
    pub(crate) fn emscripten(&self) -> Option<&Emscripten> {
        match self {
            System::Emscripten(system) => Some(system),
            _ => None,
        }
    }

    /// The state of Emscripten's system, to be changed, if this is one.
    pub(crate) fn emscripten_mut(&mut self) -> Option<&mut Emscripten> {
        match self {
            System::Emscripten(system) => Some(system),
            _ => None,
        }
    }

    /// What the kernel keeps for the process; `None` in a store that runs nothing.
    pub(crate) fn kernel(&self) -> Option<&Kernel> {
        match self {
            System::Idle => None,
            System::Wasi(system) => Some(&system.kernel),
            System::Emscripten(system) => Some(&system.kernel),
        }
    }

    /// What the kernel keeps for the process, to be changed. Errs, to end the guest, in a store that runs nothing.
    pub(crate) fn kernel_mut(&mut self) -> Result<&mut Kernel> {
        match self {
            System::Idle => Err(Fault::Ended(wasmtime::Error::msg("the store has no system"))),
            System::Wasi(system) => Ok(&mut system.kernel),
            System::Emscripten(system) => Ok(&mut system.kernel),
        }
    }

    /// The guest's memory, once it is known.
    pub(crate) fn memory(&self) -> Option<Memory> {
        match self {
            System::Idle => None,
            System::Wasi(system) => system.memory,
            System::Emscripten(system) => system.memory,
        }
    }

    /// Forgets what belongs to the store that the process was in, because the process continues in another one.
    pub(crate) fn leave_store(&mut self) {
        match self {
            System::Idle => {}
            System::Wasi(system) => system.memory = None,
            System::Emscripten(system) => system.leave_store(),
        }
    }

    /// Records the guest's memory.
    pub(crate) fn set_memory(&mut self, memory: Memory) {
        match self {
            System::Idle => {}
            System::Wasi(system) => system.memory = Some(memory),
            System::Emscripten(system) => system.memory = Some(memory),
        }
    }
}
