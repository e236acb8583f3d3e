//! Owns the calls on sockets. Preview 1 has no call that makes a socket: an embedder would have to pass a socket to the guest, and pydl
//! does not. A descriptor is never open on one. Must not know networks.

use crate::system::guest::Guest;
use crate::system::kernel::errno::{Errno, Result};

/// The result of any call on sockets for a descriptor.
fn no_socket(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    guest.kernel()?.descriptors.get(fd)?;
    Err(Errno::NOTSOCK.into())
}

pub(crate) fn sock_accept(guest: &mut Guest<'_>, fd: u32, _flags: u32, _result: u32) -> Result<()> {
    no_socket(guest, fd)
}

pub(crate) fn sock_recv(
    guest: &mut Guest<'_>,
    fd: u32,
    _vectors: u32,
    _count: u32,
    _flags: u32,
    _size: u32,
    _result: u32,
) -> Result<()> {
    no_socket(guest, fd)
}

pub(crate) fn sock_send(
    guest: &mut Guest<'_>,
    fd: u32,
    _vectors: u32,
    _count: u32,
    _flags: u32,
    _result: u32,
) -> Result<()> {
    no_socket(guest, fd)
}

pub(crate) fn sock_shutdown(guest: &mut Guest<'_>, fd: u32, _how: u32) -> Result<()> {
    no_socket(guest, fd)
}
