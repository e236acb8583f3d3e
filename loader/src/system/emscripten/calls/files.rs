//! Owns the calls on paths. Must not know what lies behind a path.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::super::Emscripten;
use super::super::guest::Guest;
use super::super::imports::{Arguments, Entry, Handler};
use crate::system::fifo;
use crate::system::kernel::descriptors::flag;
use crate::system::kernel::errno::{Errno, Result};
use crate::system::kernel::files::{At, FileSystem, Status, Time};
use crate::system::kernel::folder::DirectoryEntry;

pub(super) const ENTRIES: &[Entry] = &[
    ("__syscall_openat", Handler::Syscall(openat)),
    ("__syscall_stat64", Handler::Syscall(stat)),
    ("__syscall_lstat64", Handler::Syscall(lstat)),
    ("__syscall_newfstatat", Handler::Syscall(newfstatat)),
    ("__syscall_faccessat", Handler::Syscall(faccessat)),
    ("__syscall_readlinkat", Handler::Syscall(readlinkat)),
    ("__syscall_getdents64", Handler::Syscall(getdents)),
    ("__syscall_getcwd", Handler::Syscall(getcwd)),
    ("__syscall_chdir", Handler::Syscall(chdir)),
    ("__syscall_fchdir", Handler::Syscall(fchdir)),
    ("__syscall_mkdirat", Handler::Syscall(mkdirat)),
    ("__syscall_mknodat", Handler::Syscall(mknodat)),
    ("__syscall_rmdir", Handler::Syscall(rmdir)),
    ("__syscall_unlinkat", Handler::Syscall(unlinkat)),
    ("__syscall_renameat", Handler::Syscall(renameat)),
    ("__syscall_symlinkat", Handler::Syscall(symlinkat)),
    ("__syscall_symlink", Handler::Syscall(symlink)),
    ("__syscall_linkat", Handler::Syscall(linkat)),
    ("__syscall_truncate64", Handler::Syscall(truncate)),
    ("__syscall_chmod", Handler::Syscall(chmod)),
    ("__syscall_fchmod", Handler::Syscall(fchmod)),
    ("__syscall_fchmodat", Handler::Syscall(fchmodat)),
    ("__syscall_fchmodat2", Handler::Syscall(fchmodat)),
    ("__syscall_fchownat", Handler::Syscall(fchownat)),
    ("__syscall_fchown32", Handler::Syscall(fchown)),
    ("__syscall_utimensat", Handler::Syscall(utimensat)),
    ("__syscall_statfs64", Handler::Syscall(statfs)),
    ("__syscall_fstatfs64", Handler::Syscall(fstatfs)),
    ("__syscall_umask_js", Handler::Syscall(umask)),
    ("__syscall_umask", Handler::Syscall(umask)),
    ("__syscall_linkat", Handler::Syscall(linkat)),
];

/// Flags of the `*at` calls (`fcntl.h`).
const NO_FOLLOW: u32 = 0x100;
const REMOVE_FOLDER: u32 = 0x200;
const FOLLOW: u32 = 0x400;
const EMPTY_PATH: u32 = 0x1000;

/// The path at an address, relative to the working directory.
fn path(guest: &mut Guest<'_>, address: u32) -> Result<At> {
    Ok(PathBuf::from(guest.path(address)?).into())
}

/// The path that a folder's descriptor and a path mean together. Errs with `ENOENT` for an empty path, before any other check.
fn path_at(guest: &mut Guest<'_>, folder: u32, address: u32) -> Result<At> {
    if guest.path(address)?.is_empty() { Err(Errno::NOENT.into()) } else { path_from(guest, folder, address) }
}

/// The path that a folder's descriptor and a path mean together; an empty path is passed on.
fn path_from(guest: &mut Guest<'_>, folder: u32, address: u32) -> Result<At> {
    /// `AT_FDCWD`.
    const WORKING_DIRECTORY: u32 = (-100_i32).cast_unsigned();
    let path = PathBuf::from(guest.path(address)?);
    if folder == WORKING_DIRECTORY || path.is_absolute() || path.as_os_str().is_empty() {
        return Ok(path.into());
    }
    Ok(At { from: Some(guest.system()?.kernel.descriptors.folder(folder)?), path })
}

/// The mode of a new file without the bits that the process masks.
fn masked(system: &Emscripten, mode: u32) -> u32 {
    mode & !system.kernel.umask
}

fn openat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    // Invalid flags are reported first.
    let path = path_from(guest, arguments.word(0)?, arguments.word(1)?)?;
    let (flags, further) = (arguments.word(2)?, arguments.word(3)?);
    let mode = if further == 0 { 0 } else { guest.u32(further)? };
    Ok(fifo::open(guest, &path, flags, mode)?.into())
}

/// Writes a `struct stat` of 96 bytes (Emscripten, `bits/stat.h`).
pub(super) fn write_status(guest: &mut Guest<'_>, address: u32, status: &Status) -> Result<i64> {
    let mut record = [0_u8; 96];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the guest's fields are smaller; device numbers may wrap"
    )]
    let word = |value: u64| (value as u32).to_le_bytes();
    put(0, &word(status.device));
    put(4, &status.mode.to_le_bytes());
    put(8, &word(status.links));
    put(24, &status.size.to_le_bytes());
    put(32, &4096_u32.to_le_bytes());
    put(36, &word(status.blocks));
    for (at, time) in [(40, status.accessed), (56, status.modified), (72, status.changed)] {
        let seconds = i64::try_from(time.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let nanoseconds = u32::try_from(time.rem_euclid(1_000_000_000)).unwrap_or(0);
        put(at, &seconds.to_le_bytes());
        put(at + 8, &nanoseconds.to_le_bytes());
    }
    put(88, &status.inode.to_le_bytes());
    guest.write(address, &record)?;
    Ok(0)
}

fn stat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    let status = guest.system()?.kernel.files.status(&path, true)?;
    write_status(guest, arguments.word(1)?, &status)
}

fn lstat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    let status = guest.system()?.kernel.files.status(&path, false)?;
    write_status(guest, arguments.word(1)?, &status)
}

fn newfstatat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (folder, address, flags) = (arguments.word(0)?, arguments.word(1)?, arguments.word(3)?);
    let is_empty = guest.path(address)?.is_empty();
    let status = if is_empty && flags & EMPTY_PATH != 0 {
        let system = guest.system()?;
        system.kernel.descriptors.status(&system.kernel.files, &system.kernel.streams, folder)?
    } else {
        let path = path_at(guest, folder, address)?;
        guest.system()?.kernel.files.status(&path, flags & NO_FOLLOW == 0)?
    };
    write_status(guest, arguments.word(2)?, &status)
}

fn faccessat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let (mode, flags) = (arguments.word(2)?, arguments.word(3)?);
    if mode & !7 != 0 {
        return Err(Errno::INVAL.into());
    }
    guest.system()?.kernel.files.access(&path, mode, flags & NO_FOLLOW == 0)?;
    Ok(0)
}

fn readlinkat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let (buffer, size) = (arguments.word(2)?, arguments.word(3)?);
    if size == 0 {
        return Err(Errno::INVAL.into());
    }
    let target = guest.system()?.kernel.files.read_link(&path)?;
    let bytes = target.as_bytes();
    let bytes = bytes.get(..size as usize).unwrap_or(bytes);
    guest.write(buffer, bytes)?;
    Ok(bytes.len().try_into().unwrap_or(0))
}

/// `getdents64`: records in the form of Linux, which are inode (offset 0), position after the entry (8), size of the record (16), type (18)
/// and name with its NUL (19).
fn getdents(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, buffer, size) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    guest.bytes(buffer, size)?;
    let system = guest.system()?;
    let mut records = Vec::new();
    for entry in system.kernel.descriptors.entries(&system.kernel.files, fd, size as usize)? {
        let start = records.len();
        let length = DirectoryEntry::record_size(&entry.name);
        records.extend(entry.inode.to_le_bytes());
        records.extend(entry.next.to_le_bytes());
        records.extend(u16::try_from(length).map_err(|_| Errno::NAMETOOLONG)?.to_le_bytes());
        records.push(entry.kind);
        records.extend(entry.name.as_bytes());
        records.resize(start + length, 0);
    }
    guest.write(buffer, &records)?;
    Ok(records.len().try_into().unwrap_or(0))
}

fn getcwd(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (buffer, size) = (arguments.word(0)?, arguments.word(1)?);
    let directory = guest.system()?.kernel.files.directory()?;
    let bytes: Vec<u8> = directory.as_os_str().as_bytes().iter().copied().chain([0]).collect();
    if size == 0 {
        return Err(Errno::INVAL.into());
    }
    if bytes.len() > size as usize {
        return Err(Errno::RANGE.into());
    }
    guest.write(buffer, &bytes)?;
    Ok(bytes.len().try_into().unwrap_or(0))
}

fn chdir(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    guest.system()?.kernel.files.change_directory(&path).map(|()| 0)
}

fn fchdir(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let system = guest.system()?;
    let folder = system.kernel.descriptors.folder(arguments.word(0)?)?;
    system.kernel.files.work_in(folder).map(|()| 0)
}

fn mkdirat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let mode = arguments.word(2)?;
    let system = guest.system()?;
    let mode = masked(system, mode);
    system.kernel.files.make_folder(&path, mode).map(|()| 0)
}

fn mknodat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let mode = arguments.word(2)?;
    let system = guest.system()?;
    let mode = masked(system, mode);
    system.kernel.files.make_node(&path, mode).map(|()| 0)
}

fn rmdir(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    guest.system()?.kernel.files.remove(&path, true).map(|()| 0)
}

fn unlinkat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let is_folder = arguments.word(2)? & REMOVE_FOLDER != 0;
    guest.system()?.kernel.files.remove(&path, is_folder).map(|()| 0)
}

fn renameat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let from = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let to = path_at(guest, arguments.word(2)?, arguments.word(3)?)?;
    guest.system()?.kernel.files.rename(&from, &to).map(|()| 0)
}

fn symlinkat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let target = guest.path(arguments.word(0)?)?;
    let path = path_at(guest, arguments.word(1)?, arguments.word(2)?)?;
    guest.system()?.kernel.files.make_link(&target, &path).map(|()| 0)
}

fn symlink(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let target = guest.path(arguments.word(0)?)?;
    let path = path(guest, arguments.word(1)?)?;
    guest.system()?.kernel.files.make_link(&target, &path).map(|()| 0)
}

fn linkat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let from = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let to = path_at(guest, arguments.word(2)?, arguments.word(3)?)?;
    let follow = arguments.word(4)? & FOLLOW != 0;
    guest.system()?.kernel.files.link(&from, &to, follow).map(|()| 0)
}

fn truncate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    let size = u64::try_from(arguments.long(1)?).map_err(|_| Errno::INVAL)?;
    let system = guest.system()?;
    let fd = system.kernel.descriptors.open(&mut system.kernel.files, &path, flag::WRITE_ONLY, 0)?;
    let resized = system.kernel.descriptors.resize(&mut system.kernel.files, fd, size);
    system.kernel.descriptors.close(&mut system.kernel.files, fd)?;
    resized.map(|()| 0)
}

fn chmod(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    guest.system()?.kernel.files.set_mode(&path, arguments.word(1)?, true).map(|()| 0)
}

fn fchmodat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    let follow = arguments.word(3)? & NO_FOLLOW == 0;
    guest.system()?.kernel.files.set_mode(&path, arguments.word(2)?, follow).map(|()| 0)
}

fn fchmod(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, mode) = (arguments.word(0)?, arguments.word(1)?);
    let system = guest.system()?;
    system.kernel.descriptors.set_mode(&mut system.kernel.files, fd, mode).map(|()| 0)
}

/// Everything belongs to the guest's only user; changing the owner to that user succeeds.
fn fchownat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path_at(guest, arguments.word(0)?, arguments.word(1)?)?;
    guest.system()?.kernel.files.status(&path, arguments.word(4)? & NO_FOLLOW == 0)?;
    own(arguments.int(2)?, arguments.int(3)?)
}

fn fchown(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    guest.system()?.kernel.descriptors.get(arguments.word(0)?)?;
    own(arguments.int(1)?, arguments.int(2)?)
}

fn own(user: i32, group: i32) -> Result<i64> {
    if [user, group].into_iter().all(|id| id == 0 || id == -1) { Ok(0) } else { Err(Errno::PERM.into()) }
}

/// `utimensat`: two `struct timespec` of 16 bytes each; a null pointer means now.
fn utimensat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    const NOW: u32 = 0x3fff_ffff;
    const OMIT: u32 = 0x3fff_fffe;
    let (folder, address, at) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let mut times = [Time::Now; 2];
    if at != 0 {
        for (place, time) in times.iter_mut().enumerate() {
            let at = at.saturating_add(if place == 0 { 0 } else { 16 });
            let seconds = i128::from(guest.u64(at)?.cast_signed());
            let nanoseconds = guest.u32(at.saturating_add(8))?;
            *time = match nanoseconds {
                NOW => Time::Now,
                OMIT => Time::Kept,
                0..1_000_000_000 => Time::At(seconds * 1_000_000_000 + i128::from(nanoseconds)),
                _ => return Err(Errno::INVAL.into()),
            };
        }
    }
    if address == 0 {
        let system = guest.system()?;
        return system.kernel.descriptors.set_times(&mut system.kernel.files, folder, times).map(|()| 0);
    }
    let path = path_at(guest, folder, address)?;
    let follow = arguments.word(3)? & NO_FOLLOW == 0;
    guest.system()?.kernel.files.set_times(&path, times, follow).map(|()| 0)
}

/// Writes a `struct statfs`. It has 88 bytes and counts of 64 bits since Emscripten 5; before, it had 64 bytes and counts of 32 bits
/// (`bits/statfs.h`, `bits/alltypes.h`), in which counts that do not fit become the greatest that do. The guest passes the size.
fn write_statfs(guest: &mut Guest<'_>, size: u32, address: u32, told: FileSystem) -> Result<i64> {
    const LONGEST_NAME: u32 = 255;
    let is_narrow = size < 88;
    let (width, names) = if is_narrow { (4, 36) } else { (8, 56) };
    let mut record = vec![0_u8; if is_narrow { 64 } else { 88 }];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    put(4, &narrow(told.block_size));
    let [all, free, available] = told.blocks;
    for (index, count) in [all, free, available, told.files[0], told.files[1]].into_iter().enumerate() {
        let at = 8 + index * width;
        if is_narrow { put(at, &narrow(count)) } else { put(at, &count.to_le_bytes()) }
    }
    put(names, &LONGEST_NAME.to_le_bytes());
    put(names + 4, &narrow(told.block_size));
    guest.write(address, &record)?;
    Ok(0)
}

fn statfs(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let path = path(guest, arguments.word(0)?)?;
    let told = guest.system()?.kernel.files.file_system(&path)?;
    write_statfs(guest, arguments.word(1)?, arguments.word(2)?, told)
}

fn fstatfs(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let system = guest.system()?;
    let told = system.kernel.descriptors.file_system(&system.kernel.files, arguments.word(0)?)?;
    write_statfs(guest, arguments.word(1)?, arguments.word(2)?, told)
}

fn umask(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let system = guest.system()?;
    let before = system.kernel.umask;
    system.kernel.umask = arguments.word(0)? & 0o777;
    Ok(before.into())
}
