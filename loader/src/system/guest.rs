//! Owns the view that a host function has of its guest, whichever ABI it has: memory, which is checked at each access, and the kernel. Must
//! not know what any function does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use pydl_linker::abi;
use wasmtime::{AsContextMut, Caller, Extern, Memory, StoreContextMut};

use super::System;
use super::kernel::Kernel;
use super::kernel::errno::{Errno, Result};
use crate::memory::view::{self, View};
use crate::system::state::ProcessState;

/// The most bytes of a path, with its NUL (`PATH_MAX` of musl).
const PATH_LIMIT: usize = 4096;

/// A guest that called the host.
pub(crate) struct Guest<'a> {
    caller: Caller<'a, ProcessState>,
    memory: Memory,
}

impl<'a> Guest<'a> {
    /// The guest behind a call. Errs when the process has no memory yet, as in a start function; a WASI process then takes the memory that
    /// the caller exports.
    pub(crate) fn new(mut caller: Caller<'a, ProcessState>) -> wasmtime::Result<Guest<'a>> {
        let memory = match (caller.data().system.memory(), &caller.data().system) {
            (Some(memory), _) => memory,
            (None, System::Wasi(_)) => first_memory(&mut caller)?,
            (None, System::Emscripten(_) | System::Idle) => {
                return Err(wasmtime::Error::msg("the system was called before it was ready"));
            }
        };
        Ok(Guest { caller, memory })
    }

    /// The process's state.
    pub(crate) fn state(&mut self) -> &mut ProcessState {
        self.caller.data_mut()
    }

    /// The store, to let the guest run.
    pub(crate) fn store(&mut self) -> StoreContextMut<'_, ProcessState> {
        self.caller.as_context_mut()
    }

    /// The process's memory.
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// What the kernel keeps for the process. Errs in a store that runs nothing.
    pub(crate) fn kernel(&mut self) -> Result<&mut Kernel> {
        Ok(self.memory_and_kernel()?.1)
    }

    /// All memory, and the kernel beside it. Errs in a store that runs nothing.
    pub(crate) fn memory_and_kernel(&mut self) -> Result<(&mut [u8], &mut Kernel)> {
        let (memory, state) = self.memory_and_state();
        Ok((memory, state.system.kernel_mut()?))
    }

    /// All memory, and the process's state beside it.
    pub(crate) fn memory_and_state(&mut self) -> (&mut [u8], &mut ProcessState) {
        self.memory.data_and_store_mut(&mut self.caller)
    }

    /// A read-only view of the process's memory.
    fn view(&self) -> View<'_> {
        View::of(self.memory, &self.caller)
    }

    /// Bytes of memory. Errs with `EFAULT` when they are not all there.
    pub(crate) fn bytes(&self, address: u32, length: u32) -> Result<&[u8]> {
        Ok(self.view().bytes(address, length)?)
    }

    /// Bytes of memory, to write to. Errs with `EFAULT` when they are not all there.
    pub(crate) fn bytes_mut(&mut self, address: u32, length: u32) -> Result<&mut [u8]> {
        Ok(view::bytes_mut(self.memory.data_mut(&mut self.caller), address, length)?)
    }

    /// Writes bytes to memory. Errs with `EFAULT` when they do not all fit.
    pub(crate) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        Ok(view::write(self.memory, &mut self.caller, address, bytes)?)
    }

    /// Reads a little-endian 32-bit number. Errs with `EFAULT` outside memory.
    pub(crate) fn u32(&self, address: u32) -> Result<u32> {
        Ok(self.view().word(address)?)
    }

    /// Reads a little-endian 64-bit number. Errs with `EFAULT` outside memory.
    pub(crate) fn u64(&self, address: u32) -> Result<u64> {
        Ok(self.view().long(address)?)
    }

    /// A C string of fewer than `limit` bytes, without its NUL. Errs with `ENAMETOOLONG` when it is longer.
    pub(crate) fn c_string(&self, address: u32, limit: usize) -> Result<&[u8]> {
        Ok(self.view().c_string(address, limit)?)
    }

    /// A C string without its NUL, or its first `limit` bytes when it is longer, for callers that need no more.
    pub(crate) fn c_string_within(&self, address: u32, limit: usize) -> Result<&[u8]> {
        Ok(self.view().c_string_within(address, limit)?)
    }

    /// A path.
    pub(crate) fn path(&self, address: u32) -> Result<OsString> {
        if address == 0 {
            return Err(Errno::FAULT.into());
        }
        Ok(OsString::from_vec(self.c_string(address, PATH_LIMIT)?.to_vec()))
    }
}

/// The memory of the first call: the one that the main module exports, or, in its place, the module that calls. A process has no other.
fn first_memory(caller: &mut Caller<'_, ProcessState>) -> wasmtime::Result<Memory> {
    let memory = caller.get_export(abi::MEMORY).and_then(Extern::into_memory);
    let memory =
        memory.ok_or_else(|| wasmtime::Error::msg("the system was called by a module without a memory"))?;
    caller.data_mut().system.set_memory(memory);
    Ok(memory)
}

/// Bytes of a memory. Errs with `EFAULT` when they are not all there.
pub(crate) fn slice(memory: &[u8], address: u32, length: u32) -> Result<&[u8]> {
    Ok(View(memory).bytes(address, length)?)
}

/// Bytes of a memory, to write to. Errs with `EFAULT` when they are not all there.
pub(crate) fn slice_mut(memory: &mut [u8], address: u32, length: u32) -> Result<&mut [u8]> {
    Ok(view::bytes_mut(memory, address, length)?)
}
