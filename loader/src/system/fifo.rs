//! Owns the opening of files for guests of every ABI: opening a FIFO waits until its other end is opened, in a way that an interrupt can
//! end. Must not know what else is opened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno as HostErrno;
use nix::fcntl::{OFlag, SpliceFFlags, tee};
use nix::unistd::pipe2;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::guest::Guest;
use super::kernel::descriptors::{Object, flag};
use super::kernel::errno::{Errno, Fault, Result};
use super::kernel::files::{At, kind};
use super::wait::pause;

/// How often to look for a partner, whose arrival nothing announces.
const OFTEN: Duration = Duration::from_millis(10);

/// Opens a path; returns the descriptor.
pub(crate) fn open(guest: &mut Guest<'_>, path: &At, flags: u32, mode: u32) -> Result<u32> {
    let waits = flags & (flag::NONBLOCK | flag::PATH) == 0;
    let opened = loop {
        let kernel = guest.kernel()?;
        match kernel.descriptors.open(&mut kernel.files, path, flags, mode & !kernel.umask) {
            Err(Fault::Refused(Errno::NXIO)) if waits && is_fifo(guest, path)? => pause(guest, OFTEN)?,
            opened => break opened?,
        }
    };
    if !waits || flags & flag::ACCESS != 0 {
        return Ok(opened);
    }
    if let Err(fault) = wait_for_writer(guest, opened) {
        // An open that failed leaves no descriptor behind.
        let kernel = guest.kernel()?;
        kernel.descriptors.close(&mut kernel.files, opened)?;
        return Err(fault);
    }
    Ok(opened)
}

fn wait_for_writer(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    while lacks_writer(guest, fd)? {
        pause(guest, OFTEN)?;
    }
    Ok(())
}

fn is_fifo(guest: &mut Guest<'_>, path: &At) -> Result<bool> {
    let status = guest.kernel()?.files.status(path, true);
    Ok(status.is_ok_and(|status| status.mode & kind::MASK == kind::PIPE))
}

/// Whether a descriptor is open on a FIFO of the host that nobody has opened for writing since the descriptor was opened.
fn lacks_writer(guest: &mut Guest<'_>, fd: u32) -> Result<bool> {
    let Object::Host(host) = &guest.kernel()?.descriptors.get(fd)?.object else { return Ok(false) };
    let is_fifo = !host.is_plain && rustix::fs::fstat(&host.file)?.st_mode & kind::MASK == kind::PIPE;
    Ok(is_fifo && !has_or_had_writer(host.file.as_fd())?)
}

fn has_or_had_writer(fifo: BorrowedFd<'_>) -> Result<bool> {
    let (_taken, scratch) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(io::Error::from)?;
    match tee(fifo, &scratch, 1, SpliceFFlags::SPLICE_F_NONBLOCK) {
        // There is no writer, unless there was one that has gone.
        Ok(0) => {
            let mut polled = [PollFd::from_borrowed_fd(fifo, PollFlags::IN)];
            poll(&mut polled, Some(&Timespec::default()))?;
            Ok(polled[0].revents().intersects(PollFlags::HUP | PollFlags::IN))
        }
        // There is something to read, or there will be.
        Ok(_) | Err(HostErrno::EAGAIN) => Ok(true),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
