//! Owns the calls on paths. Must not know what lies behind a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::super::layout::{FOLLOW, descriptor_flag, open_flag, right, time_flag, write_status};
use crate::system::fifo;
use crate::system::guest::Guest;
use crate::system::kernel::descriptors::flag;
use crate::system::kernel::errno::{Errno, Result};
use crate::system::kernel::files::{At, Time};

/// The longest path (`PATH_MAX`, with C's NUL).
const LONGEST: u32 = 4095;
/// The permission bits of new files and folders, from which the process's mask removes its own: no call passes any.
const FILE_MODE: u32 = 0o666;
const FOLDER_MODE: u32 = 0o777;

/// The bytes of a path as the guest passes it. Errs when there is a NUL in it, which no name can contain.
fn text(guest: &Guest<'_>, address: u32, length: u32) -> Result<Vec<u8>> {
    if length > LONGEST {
        return Err(Errno::NAMETOOLONG.into());
    }
    let bytes = guest.bytes(address, length)?;
    if bytes.contains(&0) { Err(Errno::ILSEQ.into()) } else { Ok(bytes.to_vec()) }
}

/// The path that a folder's descriptor and a path mean together. There are no absolute paths in preview 1.
fn path(guest: &mut Guest<'_>, fd: u32, address: u32, length: u32) -> Result<At> {
    let relative = text(guest, address, length)?;
    let folder = guest.kernel()?.descriptors.folder(fd)?;
    match relative.first() {
        None => Err(Errno::NOENT.into()),
        Some(b'/') => Err(Errno::PERM.into()),
        Some(_) => Ok(At { from: Some(folder), path: PathBuf::from(OsStr::from_bytes(&relative)) }),
    }
}

pub(crate) fn path_create_directory(guest: &mut Guest<'_>, fd: u32, address: u32, length: u32) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    let kernel = guest.kernel()?;
    kernel.files.make_folder(&path, FOLDER_MODE & !kernel.umask)
}

pub(crate) fn path_filestat_get(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    address: u32,
    length: u32,
    result: u32,
) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    let status = guest.kernel()?.files.status(&path, lookup & FOLLOW != 0)?;
    write_status(guest, result, &status)
}

#[expect(clippy::too_many_arguments, reason = "those of preview 1")]
pub(crate) fn path_filestat_set_times(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    address: u32,
    length: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    let times = times(accessed, modified, flags)?;
    guest.kernel()?.files.set_times(&path, times, lookup & FOLLOW != 0)
}

/// How flags say the times of access and modification are to be set.
pub(super) fn times(accessed: u64, modified: u64, flags: u32) -> Result<[Time; 2]> {
    let time = |value: u64, flags: u32| match (flags & time_flag::SET != 0, flags & time_flag::NOW != 0) {
        (true, true) => Err(Errno::INVAL),
        (true, false) => Ok(Time::At(i128::from(value))),
        (false, true) => Ok(Time::Now),
        (false, false) => Ok(Time::Kept),
    };
    Ok([time(accessed, flags)?, time(modified, flags >> 2)?])
}

#[expect(clippy::too_many_arguments, reason = "those of preview 1")]
pub(crate) fn path_link(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    address: u32,
    length: u32,
    new_fd: u32,
    new_address: u32,
    new_length: u32,
) -> Result<()> {
    let from = path(guest, fd, address, length)?;
    let to = path(guest, new_fd, new_address, new_length)?;
    guest.kernel()?.files.link(&from, &to, lookup & FOLLOW != 0)
}

/// The rights say whether a file is to be read, written or both: wasi-libc derives them from C's access modes.
#[expect(clippy::too_many_arguments, reason = "those of preview 1")]
pub(crate) fn path_open(
    guest: &mut Guest<'_>,
    fd: u32,
    lookup: u32,
    address: u32,
    length: u32,
    open: u32,
    rights: u64,
    _inheriting: u64,
    flags: u32,
    result: u32,
) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    // All or nothing: nothing is opened unless the guest can receive the descriptor.
    guest.bytes(result, 4)?;
    let access = match (rights & right::READING != 0, rights & right::WRITING != 0) {
        (true, true) => flag::READ_WRITE,
        (false, true) => flag::WRITE_ONLY,
        (_, false) => 0,
    };
    let mine = |set: bool, mine: u32| if set { mine } else { 0 };
    let flags = access
        | mine(open & open_flag::CREATE != 0, flag::CREATE)
        | mine(open & open_flag::DIRECTORY != 0, flag::DIRECTORY)
        | mine(open & open_flag::EXCLUSIVE != 0, flag::EXCLUSIVE)
        | mine(open & open_flag::TRUNCATE != 0, flag::TRUNCATE)
        | mine(lookup & FOLLOW == 0, flag::NO_FOLLOW)
        | mine(flags & u32::from(descriptor_flag::APPEND) != 0, flag::APPEND)
        | mine(flags & u32::from(descriptor_flag::NONBLOCK) != 0, flag::NONBLOCK);
    let opened = fifo::open(guest, &path, flags, FILE_MODE)?;
    guest.write(result, &opened.to_le_bytes())
}

pub(crate) fn path_readlink(
    guest: &mut Guest<'_>,
    fd: u32,
    address: u32,
    length: u32,
    buffer: u32,
    size: u32,
    result: u32,
) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    let target = guest.kernel()?.files.read_link(&path)?;
    let target = target.as_bytes();
    let target = target.get(..size as usize).unwrap_or(target);
    guest.write(buffer, target)?;
    guest.write(result, &u32::try_from(target.len()).unwrap_or(size).to_le_bytes())
}

pub(crate) fn path_remove_directory(guest: &mut Guest<'_>, fd: u32, address: u32, length: u32) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    guest.kernel()?.files.remove(&path, true)
}

pub(crate) fn path_rename(
    guest: &mut Guest<'_>,
    fd: u32,
    address: u32,
    length: u32,
    new_fd: u32,
    new_address: u32,
    new_length: u32,
) -> Result<()> {
    let from = path(guest, fd, address, length)?;
    let to = path(guest, new_fd, new_address, new_length)?;
    guest.kernel()?.files.rename(&from, &to)
}

pub(crate) fn path_symlink(
    guest: &mut Guest<'_>,
    target: u32,
    target_length: u32,
    fd: u32,
    address: u32,
    length: u32,
) -> Result<()> {
    let target = text(guest, target, target_length)?;
    let path = path(guest, fd, address, length)?;
    guest.kernel()?.files.make_link(OsStr::from_bytes(&target), &path)
}

pub(crate) fn path_unlink_file(guest: &mut Guest<'_>, fd: u32, address: u32, length: u32) -> Result<()> {
    let path = path(guest, fd, address, length)?;
    guest.kernel()?.files.remove(&path, false)
}
