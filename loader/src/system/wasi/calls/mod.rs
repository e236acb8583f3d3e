//! Owns what the functions of preview 1 do, one file for each topic. Must not know how a guest calls them.

pub(super) mod clock;
pub(super) mod descriptors;
pub(super) mod paths;
pub(super) mod poll;
pub(super) mod process;
pub(super) mod sockets;

use super::Wasi;
use crate::system::System;
use crate::system::guest::Guest;
use crate::system::kernel::errno::{Fault, Result};

/// The state of the caller's system. Errs when it is another system.
fn system<'a>(guest: &'a mut Guest<'_>) -> Result<&'a mut Wasi> {
    match &mut guest.state().system {
        System::Wasi(system) => Ok(system),
        _ => Err(Fault::Ended(wasmtime::Error::msg("not a WASI process"))),
    }
}
