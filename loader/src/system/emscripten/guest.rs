//! Owns the view that a host function has of its guest: memory, checked at each access, and the state of the system. Must
//! not know what any function does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use wasmtime::{AsContextMut, Caller, Memory, StoreContextMut};

use super::Emscripten;
use crate::process::ProcessState;
use crate::system::kernel::errno::{Errno, Fault, Result};

/// The most bytes of a path, with its NUL (`PATH_MAX` of musl).
const PATH_LIMIT: usize = 4096;

/// The export that tells the address of `errno`, an `int`.
const ERRNO_LOCATION: &str = "__errno_location";

/// A guest that called the host.
pub(crate) struct Guest<'a> {
    caller: Caller<'a, ProcessState>,
    memory: Memory,
}

impl<'a> Guest<'a> {
    /// Errs when the process has no memory yet, as in a start function.
    pub(crate) fn new(mut caller: Caller<'a, ProcessState>) -> wasmtime::Result<Guest<'a>> {
        let memory = caller.data_mut().emscripten.as_ref().and_then(|system| system.memory);
        let memory =
            memory.ok_or_else(|| wasmtime::Error::msg("the system was called before it was ready"))?;
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

    /// The state of the system.
    pub(crate) fn system(&mut self) -> Result<&mut Emscripten> {
        Ok(self.split()?.1)
    }

    /// All memory, and the state of the system beside it.
    pub(crate) fn split(&mut self) -> Result<(&mut [u8], &mut Emscripten)> {
        let (memory, state) = self.memory.data_and_store_mut(&mut self.caller);
        match &mut state.emscripten {
            Some(system) => Ok((memory, system)),
            None => Err(Fault::Ended(wasmtime::Error::msg("not an Emscripten process"))),
        }
    }

    /// Sets the guest's `errno`, for what does not take it from a call's answer. Does nothing in a guest that does not export where it is.
    pub(crate) fn set_errno(&mut self, errno: Errno) -> Result<()> {
        let running = self.state().running.clone();
        let location = running.and_then(|running| running.main.get_func(&mut self.caller, ERRNO_LOCATION));
        let location = location.and_then(|function| function.typed::<(), u32>(&self.caller).ok());
        let Some(location) = location else { return Ok(()) };
        let address = location.call(&mut self.caller, ())?;
        self.write(address, &u32::from(errno.0).to_le_bytes())
    }

    /// Bytes of memory. Errs with `EFAULT` when they are not all there.
    pub(crate) fn bytes(&self, address: u32, length: u32) -> Result<&[u8]> {
        slice(self.memory.data(&self.caller), address, length)
    }

    /// Bytes of memory, to write to.
    pub(crate) fn bytes_mut(&mut self, address: u32, length: u32) -> Result<&mut [u8]> {
        slice_mut(self.memory.data_mut(&mut self.caller), address, length)
    }

    /// Writes bytes.
    pub(crate) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.bytes_mut(address, length)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Reads a little-endian 32-bit number.
    pub(crate) fn u32(&self, address: u32) -> Result<u32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.bytes(address, 4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads a little-endian 64-bit number.
    pub(crate) fn u64(&self, address: u32) -> Result<u64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.bytes(address, 8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A C string, without its NUL, of fewer than `limit` bytes. Errs with `ENAMETOOLONG` when it is longer.
    pub(crate) fn c_string(&self, address: u32, limit: usize) -> Result<&[u8]> {
        let memory = self.memory.data(&self.caller).get(address as usize..).unwrap_or_default();
        let window = memory.get(..limit).unwrap_or(memory);
        match window.iter().position(|byte| *byte == 0) {
            Some(length) => Ok(&window[..length]),
            None if window.len() < limit => Err(Errno::FAULT.into()),
            None => Err(Errno::NAMETOOLONG.into()),
        }
    }

    /// A path.
    pub(crate) fn path(&self, address: u32) -> Result<OsString> {
        if address == 0 {
            return Err(Errno::FAULT.into());
        }
        Ok(OsString::from_vec(self.c_string(address, PATH_LIMIT)?.to_vec()))
    }
}

/// Bytes of a memory.
pub(crate) fn slice(memory: &[u8], address: u32, length: u32) -> Result<&[u8]> {
    let start = address as usize;
    let end = start.checked_add(length as usize).ok_or(Errno::FAULT)?;
    memory.get(start..end).ok_or_else(|| Errno::FAULT.into())
}

/// Bytes of a memory, to write to.
pub(crate) fn slice_mut(memory: &mut [u8], address: u32, length: u32) -> Result<&mut [u8]> {
    let start = address as usize;
    let end = start.checked_add(length as usize).ok_or(Errno::FAULT)?;
    memory.get_mut(start..end).ok_or_else(|| Errno::FAULT.into())
}

/// The buffers of a `readv` or `writev`: pairs of address and length (`struct iovec`).
pub(crate) fn io_vectors(memory: &[u8], address: u32, count: u32) -> Result<Vec<(u32, u32)>> {
    /// `IOV_MAX` of musl.
    const MOST: u32 = 1024;
    if count > MOST {
        return Err(Errno::INVAL.into());
    }
    let pairs = slice(memory, address, count * 8)?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
    Ok(pairs.chunks_exact(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect())
}
