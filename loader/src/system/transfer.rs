//! Owns reading and writing at the request of guests, whichever ABI they have: into and from buffers that lie scattered in their memory,
//! and waiting where the descriptor is a blocking one. Must not know what a descriptor is open on.

use std::time::Duration;

use super::guest::{Guest, slice, slice_mut};
use super::kernel::Kernel;
use super::kernel::descriptors::Object;
use super::kernel::errno::{Errno, Fault, Result};
use super::line_editor;
use super::wait::{Interest, patiently, wait};
use crate::base::interrupt::{InterruptState, Interrupted, PIECE};

/// The address and the count of an array of buffers, which are pairs of address and length (`struct iovec`).
pub(crate) type Vectors = (u32, u32);

/// Reads from a descriptor; returns the number of bytes, 0 at the end.
pub(crate) fn read(guest: &mut Guest<'_>, fd: u32, vectors: Vectors) -> Result<u32> {
    let interest = Interest { fd, read: true, write: false };
    line_editor::edit(guest, fd)?;
    if let Some(patience) = patience(guest, fd)? {
        let ready = wait(guest, &[interest], Some(patience))?;
        if !ready.first().copied().flatten().is_some_and(|ready| ready.readable || ready.hung_up) {
            return Ok(0);
        }
    }
    patiently(guest, interest, |guest| {
        read_into(guest, vectors, |kernel, buffer, _| {
            kernel.descriptors.read(&mut kernel.files, &mut kernel.streams, fd, buffer)
        })
    })
}

/// The longest time that a read of a terminal waits, if the guest has set one.
fn patience(guest: &mut Guest<'_>, fd: u32) -> Result<Option<Duration>> {
    let kernel = guest.kernel()?;
    let Object::Device(device) = &kernel.descriptors.get(fd)?.object else { return Ok(None) };
    let is_input = device.stream() == Some(0);
    Ok(if is_input { kernel.streams.settings.patience() } else { None })
}

/// Writes to a descriptor; returns the number of bytes: all, on a blocking descriptor, unless a signal comes or an error occurs after the
/// first byte.
pub(crate) fn write(guest: &mut Guest<'_>, fd: u32, vectors: Vectors) -> Result<u32> {
    let interest = Interest { fd, read: false, write: true };
    whole(guest, interest, |guest, done| {
        write_from(guest, vectors, done, |kernel, bytes, _| {
            kernel.descriptors.write(&mut kernel.files, &mut kernel.streams, fd, bytes)
        })
    })
}

/// How much was written.
pub(crate) struct Written {
    /// In bytes.
    pub count: u32,
    /// Whether there is more to write.
    pub is_part: bool,
}

/// Continues to write until nothing is left, as long as something is accepted. `write` is called with the number of bytes written so far,
/// and writes some of the others.
pub(crate) fn whole(
    guest: &mut Guest<'_>,
    interest: Interest,
    mut write: impl FnMut(&mut Guest<'_>, u32) -> Result<Written>,
) -> Result<u32> {
    let mut done = 0_u32;
    loop {
        let written = match patiently(guest, interest, |guest| write(guest, done)) {
            Ok(written) => written,
            Err(Fault::Refused(_)) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        };
        done = done.checked_add(written.count).ok_or(Errno::INVAL)?;
        if !written.is_part || written.count == 0 {
            return Ok(done);
        }
    }
}

/// Reads at an offset, without moving the descriptor's position; returns the number of bytes.
pub(crate) fn read_at(guest: &mut Guest<'_>, fd: u32, vectors: Vectors, start: u64) -> Result<u32> {
    read_into(guest, vectors, |kernel, buffer, done| {
        kernel.descriptors.read_at(&mut kernel.files, fd, buffer, start.saturating_add(done))
    })
}

/// Writes at an offset, without moving the descriptor's position; returns the number of bytes.
pub(crate) fn write_at(guest: &mut Guest<'_>, fd: u32, vectors: Vectors, start: u64) -> Result<u32> {
    let written = write_from(guest, vectors, 0, |kernel, bytes, done| {
        kernel.descriptors.write_at(&mut kernel.files, fd, bytes, start.saturating_add(done))
    });
    written.map(|written| written.count)
}

/// The buffers of an array, as pairs of address and length.
pub(crate) fn io_vectors(memory: &[u8], (address, count): Vectors) -> Result<Vec<(u32, u32)>> {
    /// `IOV_MAX` of musl.
    const MOST: u32 = 1024;
    if count > MOST {
        return Err(Errno::INVAL.into());
    }
    let pairs = slice(memory, address, count * 8)?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
    Ok(pairs.chunks_exact(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect())
}

/// The buffers of an array, large ones in pieces, between which a guest can be ended. Errs when one is not in memory.
fn pieces(memory: &[u8], vectors: Vectors) -> Result<impl Iterator<Item = (u32, u32)> + use<>> {
    let piece = u32::try_from(PIECE).unwrap_or(u32::MAX);
    let buffers = io_vectors(memory, vectors)?;
    for (address, length) in &buffers {
        slice(memory, *address, *length)?;
    }
    Ok(buffers.into_iter().flat_map(move |(address, length)| {
        // An empty buffer takes part, too.
        (0..length.div_ceil(piece).max(1)).map(move |number| {
            let start = number * piece;
            (address.saturating_add(start), piece.min(length - start))
        })
    }))
}

/// Fills memory with random bytes.
pub(crate) fn random(guest: &mut Guest<'_>, address: u32, length: u32) -> Result<()> {
    let interrupt = guest.state().interrupt.clone();
    for piece in guest.bytes_mut(address, length)?.chunks_mut(PIECE) {
        interrupt.check()?;
        super::kernel::random(piece)?;
    }
    Ok(())
}

/// Has a file written to disk, all of it or what is needed to read it again: a slow disk may have gigabytes to write.
pub(crate) fn synchronize(guest: &mut Guest<'_>, fd: u32, only_data: bool) -> Result<()> {
    let interrupt = guest.state().interrupt.clone();
    let kernel = guest.kernel()?;
    let Object::Host(host) = &kernel.descriptors.get(fd)?.object else {
        return kernel.descriptors.sync(fd, only_data);
    };
    let file = host.file.try_clone()?;
    let sync = move || if only_data { file.sync_data() } else { file.sync_all() };
    match interrupt.aside(InterruptState::is_terminated, sync)? {
        Some(synced) => Ok(synced?),
        None => Err(Fault::Ended(Interrupted.into())),
    }
}

/// Reads into buffers, until one is not filled. `read` is called with the number of bytes that came before.
pub(crate) fn read_into(
    guest: &mut Guest<'_>,
    vectors: Vectors,
    mut read: impl FnMut(&mut Kernel, &mut [u8], u64) -> Result<usize>,
) -> Result<u32> {
    let interrupt = guest.state().interrupt.clone();
    let (memory, kernel) = guest.memory_and_kernel()?;
    let mut total = 0_u32;
    for (address, length) in pieces(memory, vectors)? {
        interrupt.check()?;
        let buffer = slice_mut(memory, address, length)?;
        let count = match read(kernel, buffer, total.into()) {
            Ok(count) => count,
            Err(Fault::Refused(_)) if total > 0 => break,
            Err(error) => return Err(error),
        };
        total = total.checked_add(u32::try_from(count).map_err(|_| Errno::INVAL)?).ok_or(Errno::INVAL)?;
        if count < length as usize {
            break;
        }
    }
    Ok(total)
}

/// Writes buffers without their first bytes, until one is not written whole. `write` is called with the number of bytes that came before.
pub(crate) fn write_from(
    guest: &mut Guest<'_>,
    vectors: Vectors,
    skipped: u32,
    mut write: impl FnMut(&mut Kernel, &[u8], u64) -> Result<usize>,
) -> Result<Written> {
    let interrupt = guest.state().interrupt.clone();
    let (memory, kernel) = guest.memory_and_kernel()?;
    let (mut total, mut skipped) = (0_u32, skipped);
    for (address, length) in pieces(memory, vectors)? {
        let before = skipped.min(length);
        skipped -= before;
        let (address, length) = (address.saturating_add(before), length - before);
        if length == 0 {
            continue;
        }
        interrupt.check()?;
        let count = match write(kernel, slice(memory, address, length)?, total.into()) {
            Ok(count) => count,
            Err(Fault::Refused(_)) if total > 0 => return Ok(Written { count: total, is_part: true }),
            Err(error) => return Err(error),
        };
        total = total.checked_add(u32::try_from(count).map_err(|_| Errno::INVAL)?).ok_or(Errno::INVAL)?;
        if count < length as usize {
            return Ok(Written { count: total, is_part: true });
        }
    }
    Ok(Written { count: total, is_part: false })
}
