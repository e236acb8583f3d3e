//! Owns the calls on sockets. Preview 1 has none that makes a socket: an embedder would have to hand a guest one, and pydl does not.
//! What a descriptor is open on is never one. Must not know networks.

use crate::system::guest::Guest;
use crate::system::kernel::errno::{Errno, Result};

/// What any call on sockets says of a descriptor.
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
