//! Owns what host functions of Emscripten's system see of their guest, beyond what those of every system see: the state of the system, the
//! function table, and the C library's `errno`. Must not know what any function does.

use pydl_linker::abi;
use wasmtime::{StoreContextMut, Table};

use super::Emscripten;
pub(crate) use crate::system::guest::{Guest, slice};
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::state::ProcessState;

/// The export that returns the address of `errno`, an `int`.
const ERRNO_LOCATION: &str = "__errno_location";

impl Guest<'_> {
    /// The state of the system. Errs when it is another system.
    pub(crate) fn system(&mut self) -> Result<&mut Emscripten> {
        Ok(self.split()?.1)
    }

    /// All memory, and the state of the system beside it. Errs when it is another system.
    pub(crate) fn split(&mut self) -> Result<(&mut [u8], &mut Emscripten)> {
        let (memory, state) = self.memory_and_state();
        match state.system.emscripten_mut() {
            Some(system) => Ok((memory, system)),
            None => Err(Fault::Ended(wasmtime::Error::msg("not an Emscripten process"))),
        }
    }

    /// Sets the guest's `errno`, for callers that do not take it from a call's answer. Does nothing in a guest that does not export its
    /// address.
    pub(crate) fn set_errno(&mut self, errno: Errno) -> Result<()> {
        let running = self.state().running.clone();
        let location = running.and_then(|running| running.main.get_func(self.store(), ERRNO_LOCATION));
        let location = location.and_then(|function| function.typed::<(), u32>(self.store()).ok());
        let Some(location) = location else { return Ok(()) };
        let address = location.call(self.store(), ())?;
        self.write(address, &u32::from(errno.0).to_le_bytes())
    }
}

/// The process's function table, or the table that the main module exports as one when it lacks what libraries need.
pub(crate) fn table(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<Table> {
    let running = store.data().running.clone();
    let shared = running.as_ref().and_then(|running| running.space.as_ref()).map(|space| space.table);
    let table = shared.or_else(|| running?.main.get_table(&mut *store, abi::TABLE));
    table.ok_or_else(|| wasmtime::Error::msg("the main module exports no function table"))
}
