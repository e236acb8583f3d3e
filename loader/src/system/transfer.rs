//! Owns reading and writing as guests ask for it, whichever ABI they have: into and from buffers that lie scattered in their memory,
//! and patiently where a descriptor makes one wait. Must not know what a descriptor is open on.

use super::guest::{Guest, slice, slice_mut};
use super::kernel::Kernel;
use super::kernel::errno::{Errno, Result};
use super::wait::{Interest, patiently};

/// Address and count of an array of buffers: pairs of address and length (`struct iovec`).
pub(crate) type Vectors = (u32, u32);

/// Reads from a descriptor; returns how many bytes, 0 at the end.
pub(crate) fn read(guest: &mut Guest<'_>, fd: u32, vectors: Vectors) -> Result<u32> {
    patiently(guest, Interest { fd, read: true, write: false }, |guest| {
        read_into(guest, vectors, |kernel, buffer, _| {
            kernel.descriptors.read(&mut kernel.files, &mut kernel.streams, fd, buffer)
        })
    })
}

/// Writes to a descriptor; returns how many bytes.
pub(crate) fn write(guest: &mut Guest<'_>, fd: u32, vectors: Vectors) -> Result<u32> {
    patiently(guest, Interest { fd, read: false, write: true }, |guest| {
        write_from(guest, vectors, |kernel, bytes, _| {
            kernel.descriptors.write(&mut kernel.files, &mut kernel.streams, fd, bytes)
        })
    })
}

/// Reads at a place, without moving.
pub(crate) fn read_at(guest: &mut Guest<'_>, fd: u32, vectors: Vectors, start: u64) -> Result<u32> {
    read_into(guest, vectors, |kernel, buffer, done| {
        kernel.descriptors.read_at(&mut kernel.files, fd, buffer, start.saturating_add(done))
    })
}

/// Writes at a place, without moving.
pub(crate) fn write_at(guest: &mut Guest<'_>, fd: u32, vectors: Vectors, start: u64) -> Result<u32> {
    write_from(guest, vectors, |kernel, bytes, done| {
        kernel.descriptors.write_at(&mut kernel.files, fd, bytes, start.saturating_add(done))
    })
}

/// The buffers of an array.
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

/// Reads into buffers, until one is not filled. `read` is told how many bytes came before.
pub(crate) fn read_into(
    guest: &mut Guest<'_>,
    vectors: Vectors,
    mut read: impl FnMut(&mut Kernel, &mut [u8], u64) -> Result<usize>,
) -> Result<u32> {
    let (memory, kernel) = guest.memory_and_kernel()?;
    let mut total = 0_u32;
    for (address, length) in io_vectors(memory, vectors)? {
        let buffer = slice_mut(memory, address, length)?;
        let count = match read(kernel, buffer, total.into()) {
            Ok(count) => count,
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        };
        total = total.checked_add(u32::try_from(count).map_err(|_| Errno::INVAL)?).ok_or(Errno::INVAL)?;
        if count < length as usize {
            break;
        }
    }
    Ok(total)
}

/// Writes buffers, until one is not taken whole. `write` is told how many bytes came before.
pub(crate) fn write_from(
    guest: &mut Guest<'_>,
    vectors: Vectors,
    mut write: impl FnMut(&mut Kernel, &[u8], u64) -> Result<usize>,
) -> Result<u32> {
    let (memory, kernel) = guest.memory_and_kernel()?;
    let mut total = 0_u32;
    for (address, length) in io_vectors(memory, vectors)? {
        if length == 0 {
            continue;
        }
        let count = match write(kernel, slice(memory, address, length)?, total.into()) {
            Ok(count) => count,
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        };
        total = total.checked_add(u32::try_from(count).map_err(|_| Errno::INVAL)?).ok_or(Errno::INVAL)?;
        if count < length as usize {
            break;
        }
    }
    Ok(total)
}
