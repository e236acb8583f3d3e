//! Owns the calls on open descriptors. Must not know paths.

use std::os::unix::ffi::OsStrExt;

use super::super::layout::{descriptor_flag, file_type, push_entry, right, type_of_entry, type_of_mode};
use super::super::layout::{write_descriptor, write_status};
use super::super::{ROOT, ROOT_DESCRIPTOR};
use super::paths::times;
use crate::system::guest::Guest;
use crate::system::kernel::descriptors::{Object, flag};
use crate::system::kernel::errno::{Errno, Result};
use crate::system::transfer;

/// Accepts advice of every kind that preview 1 has; advice has no effect.
pub(crate) fn fd_advise(guest: &mut Guest<'_>, fd: u32, offset: u64, length: u64, advice: u32) -> Result<()> {
    /// `noreuse`, the last value of `advice`.
    const LAST: u32 = 5;
    guest.kernel()?.descriptors.get(fd)?;
    let is_range = [offset, length].into_iter().all(|number| i64::try_from(number).is_ok());
    if advice > LAST || !is_range {
        return Err(Errno::INVAL.into());
    }
    Ok(())
}

pub(crate) fn fd_allocate(guest: &mut Guest<'_>, fd: u32, offset: u64, length: u64) -> Result<()> {
    let kernel = guest.kernel()?;
    kernel.descriptors.allocate(&mut kernel.files, fd, (offset, length), 0)
}

pub(crate) fn fd_close(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    kernel.descriptors.close(&mut kernel.files, fd)
}

pub(crate) fn fd_datasync(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    transfer::synchronize(guest, fd, true)
}

pub(crate) fn fd_sync(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    transfer::synchronize(guest, fd, false)
}

/// By the rights, wasi-libc determines how a file was opened, and tells a terminal from other character devices: a terminal has no right to
/// seek.
pub(crate) fn fd_fdstat_get(guest: &mut Guest<'_>, fd: u32, result: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let open = kernel.descriptors.get(fd)?;
    let is_terminal = kernel.is_terminal(&open.object);
    let is_folder = matches!(open.object, Object::Folder { .. });
    let mut flags = 0;
    for (mine, theirs) in
        [(flag::APPEND, descriptor_flag::APPEND), (flag::NONBLOCK, descriptor_flag::NONBLOCK)]
    {
        flags |= if open.flags & mine != 0 { theirs } else { 0 };
    }
    let mut rights = right::ALL;
    if !is_folder {
        rights &= match open.flags & flag::ACCESS {
            flag::WRITE_ONLY => !right::READING,
            flag::READ_WRITE => !right::READ_FOLDER,
            _ => !(right::WRITING | right::READ_FOLDER),
        };
    }
    if is_terminal {
        rights &= !(right::SEEK | right::TELL);
    }
    let kind = if is_terminal {
        file_type::CHARACTER_DEVICE
    } else {
        let status = kernel.descriptors.status(&kernel.files, &kernel.streams, fd)?;
        type_of_mode(status.mode)
    };
    write_descriptor(guest, result, kind, flags, (rights, if is_folder { right::ALL } else { rights }))
}

pub(crate) fn fd_fdstat_set_flags(guest: &mut Guest<'_>, fd: u32, flags: u32) -> Result<()> {
    let has = |theirs: u16, mine: u32| if flags & u32::from(theirs) != 0 { mine } else { 0 };
    let flags = has(descriptor_flag::APPEND, flag::APPEND) | has(descriptor_flag::NONBLOCK, flag::NONBLOCK);
    guest.kernel()?.descriptors.set_flags(fd, flags)
}

/// Rights are what a file was opened for, and cannot be given up individually.
pub(crate) fn fd_fdstat_set_rights(
    guest: &mut Guest<'_>,
    fd: u32,
    _base: u64,
    _inheriting: u64,
) -> Result<()> {
    guest.kernel()?.descriptors.get(fd)?;
    Err(Errno::NOTSUP.into())
}

pub(crate) fn fd_filestat_get(guest: &mut Guest<'_>, fd: u32, result: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let status = kernel.descriptors.status(&kernel.files, &kernel.streams, fd)?;
    write_status(guest, result, &status)
}

pub(crate) fn fd_filestat_set_size(guest: &mut Guest<'_>, fd: u32, size: u64) -> Result<()> {
    if i64::try_from(size).is_err() {
        return Err(Errno::INVAL.into());
    }
    let kernel = guest.kernel()?;
    kernel.descriptors.resize(&mut kernel.files, fd, size)
}

pub(crate) fn fd_filestat_set_times(
    guest: &mut Guest<'_>,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    let times = times(accessed, modified, flags)?;
    let kernel = guest.kernel()?;
    kernel.descriptors.set_times(&mut kernel.files, fd, times)
}

pub(crate) fn fd_pread(
    guest: &mut Guest<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    result: u32,
) -> Result<()> {
    let offset = place(offset)?;
    let size = transfer::read_at(guest, fd, (vectors, count), offset)?;
    guest.write(result, &size.to_le_bytes())
}

pub(crate) fn fd_pwrite(
    guest: &mut Guest<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    result: u32,
) -> Result<()> {
    let offset = place(offset)?;
    let size = transfer::write_at(guest, fd, (vectors, count), offset)?;
    guest.write(result, &size.to_le_bytes())
}

/// A position in a file, which must fit C's signed type.
fn place(offset: u64) -> Result<u64> {
    i64::try_from(offset).map(|_| offset).map_err(|_| Errno::INVAL.into())
}

pub(crate) fn fd_read(guest: &mut Guest<'_>, fd: u32, vectors: u32, count: u32, result: u32) -> Result<()> {
    let size = transfer::read(guest, fd, (vectors, count))?;
    guest.write(result, &size.to_le_bytes())
}

pub(crate) fn fd_write(guest: &mut Guest<'_>, fd: u32, vectors: u32, count: u32, result: u32) -> Result<()> {
    let size = transfer::write(guest, fd, (vectors, count))?;
    guest.write(result, &size.to_le_bytes())
}

/// The only preopened folder is the root: wasi-libc looks for more until a call fails because there is no such descriptor.
pub(crate) fn fd_prestat_get(guest: &mut Guest<'_>, fd: u32, result: u32) -> Result<()> {
    is_root(guest, fd)?;
    // The tag of a folder, and the number of bytes of its name.
    let record = [0, u32::try_from(ROOT.len()).unwrap_or(0)].map(u32::to_le_bytes);
    guest.write(result, record.as_flattened())
}

pub(crate) fn fd_prestat_dir_name(guest: &mut Guest<'_>, fd: u32, buffer: u32, size: u32) -> Result<()> {
    is_root(guest, fd)?;
    if (size as usize) < ROOT.len() {
        return Err(Errno::NAMETOOLONG.into());
    }
    guest.write(buffer, ROOT.as_bytes())
}

/// Errs unless a descriptor is still that of the preopened folder.
fn is_root(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let is_root = fd == ROOT_DESCRIPTOR && kernel.descriptors.folder(fd).is_ok_and(|place| place.is_root());
    if is_root { Ok(()) } else { Err(Errno::BADF.into()) }
}

/// Writes as many entries as there is room for, the last one cut off. A cookie is a position in the folder.
pub(crate) fn fd_readdir(
    guest: &mut Guest<'_>,
    fd: u32,
    buffer: u32,
    size: u32,
    cookie: u64,
    result: u32,
) -> Result<()> {
    /// A number of bytes that is enough for any entry.
    const ENOUGH: usize = 1024;
    guest.bytes(buffer, size)?;
    let cookie = i64::try_from(cookie).map_err(|_| Errno::INVAL)?;
    let kernel = guest.kernel()?;
    kernel.descriptors.folder(fd)?;
    kernel.descriptors.seek(&kernel.files, fd, cookie, 0)?;
    let mut records = Vec::new();
    // A buffer that is not filled means that the folder is at its end.
    while records.len() < size as usize {
        let entries = kernel.descriptors.entries(&kernel.files, fd, ENOUGH.max(size as usize))?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            push_entry(
                &mut records,
                entry.next,
                entry.inode,
                type_of_entry(entry.kind),
                entry.name.as_bytes(),
            );
        }
    }
    records.truncate(size as usize);
    guest.write(buffer, &records)?;
    guest.write(result, &u32::try_from(records.len()).unwrap_or(size).to_le_bytes())
}

/// Gives a descriptor another number; the descriptor that had this number is closed.
pub(crate) fn fd_renumber(guest: &mut Guest<'_>, fd: u32, to: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    kernel.descriptors.get(fd)?;
    kernel.descriptors.get(to)?;
    if fd == to {
        return Ok(());
    }
    kernel.descriptors.duplicate_to(&mut kernel.files, fd, to)?;
    kernel.descriptors.close(&mut kernel.files, fd)
}

pub(crate) fn fd_seek(guest: &mut Guest<'_>, fd: u32, offset: i64, whence: u32, result: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let position = kernel.descriptors.seek(&kernel.files, fd, offset, whence)?;
    guest.write(result, &position.to_le_bytes())
}

pub(crate) fn fd_tell(guest: &mut Guest<'_>, fd: u32, result: u32) -> Result<()> {
    /// `whence`: from the current position.
    const CURRENT: u32 = 1;
    fd_seek(guest, fd, 0, CURRENT, result)
}
