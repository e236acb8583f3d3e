//! Owns what host functions of Emscripten's system see of their guest beyond what any system's do: the state of the system, and the C
//! library's `errno`. Must not know what any function does.

use super::Emscripten;
pub(crate) use crate::system::guest::{Guest, slice};
use crate::system::kernel::errno::{Errno, Fault, Result};

/// The export that tells the address of `errno`, an `int`.
const ERRNO_LOCATION: &str = "__errno_location";

impl Guest<'_> {
    /// The state of the system.
    pub(crate) fn system(&mut self) -> Result<&mut Emscripten> {
        Ok(self.split()?.1)
    }

    /// All memory, and the state of the system beside it.
    pub(crate) fn split(&mut self) -> Result<(&mut [u8], &mut Emscripten)> {
        let (memory, state) = self.memory_and_state();
        match state.system.emscripten_mut() {
            Some(system) => Ok((memory, system)),
            None => Err(Fault::Ended(wasmtime::Error::msg("not an Emscripten process"))),
        }
    }

    /// Sets the guest's `errno`, for what does not take it from a call's answer. Does nothing in a guest that does not export where it is.
    pub(crate) fn set_errno(&mut self, errno: Errno) -> Result<()> {
        let running = self.state().running.clone();
        let location = running.and_then(|running| running.main.get_func(self.store(), ERRNO_LOCATION));
        let location = location.and_then(|function| function.typed::<(), u32>(self.store()).ok());
        let Some(location) = location else { return Ok(()) };
        let address = location.call(self.store(), ())?;
        self.write(address, &u32::from(errno.0).to_le_bytes())
    }
}
