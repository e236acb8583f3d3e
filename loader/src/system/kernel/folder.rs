//! Owns folders of the host that are mounted in a guest: one step of a path at a time, never through a link, and the operations on a name
//! in a folder that was reached in this way. Must not know paths, nor where in the guest a folder is mounted.
//!
//! Every folder is a descriptor of the host, and every call takes one name beneath it and follows nothing: whatever others do to
//! the folder meanwhile, a name leads to something in it or to nothing. Links are read here and walked by `walk.rs`
//! (`docs/decisions/0017-paths-of-host-folders.md`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps,
};
use rustix::io::Errno as HostErrno;

use super::errno::{Errno, Result};
use super::files::{Status, Time, kind};

/// The folder that is mounted.
pub(crate) struct HostFolder {
    root: Arc<OwnedFd>,
    identity: Identity,
    read_only: bool,
}

/// Device and inode number: what distinguishes a file from every other while it is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    /// The identity of what a descriptor is open on.
    pub(crate) fn of(host: impl AsFd) -> Result<Identity> {
        let stat = rustix::fs::fstat(host)?;
        Ok(Identity(stat.st_dev, stat.st_ino))
    }
}

/// A folder beneath a mounted folder, or the mounted folder itself.
#[derive(Clone)]
pub(crate) struct HostPlace {
    mount: Arc<HostFolder>,
    folder: Arc<OwnedFd>,
}

/// The outcome of opening a name.
pub(crate) enum Opened {
    Folder(HostPlace),
    File(HostFile),
    /// The name is a symbolic link with this target.
    Link(OsString),
}

/// An open file of the host that is not a folder.
pub(crate) struct HostFile {
    pub file: File,
    /// Whether the guest must not change it, through any descriptor.
    pub read_only: bool,
    /// Whether it is a regular file: reading and writing those never waits.
    pub is_plain: bool,
}

/// An entry of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DirectoryEntry {
    pub name: OsString,
    /// The entry's `d_type`; 0 when it is not known (readdir(3)).
    pub kind: u8,
    pub inode: u64,
    /// The position after the entry, for `seek`.
    pub next: u64,
}

impl DirectoryEntry {
    /// The size in bytes of an entry's record in Linux's `getdents64`.
    pub(crate) fn record_size(name: &OsStr) -> usize {
        (19 + name.len() + 1).next_multiple_of(8)
    }
}

/// The greatest depth of a folder that a walk goes up from: each step is a system call on the host.
const DEEPEST: usize = 10_000;

/// The flags for descriptors that are not read or written through.
const REACH: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl HostFolder {
    /// Opens a folder with the host's authority: the embedder named it.
    pub(crate) fn open(path: &Path, read_only: bool) -> std::io::Result<HostFolder> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&root)?;
        Ok(HostFolder { root: Arc::new(root), identity: Identity(stat.st_dev, stat.st_ino), read_only })
    }

    /// The folder itself, as a place.
    pub(crate) fn place(self: &Arc<HostFolder>) -> HostPlace {
        HostPlace { mount: self.clone(), folder: self.root.clone() }
    }
}

/// How one step of a path ended.
pub(crate) enum Step {
    Folder(HostPlace),
    Link(OsString),
}

/// Steps from folder to folder.
impl HostPlace {
    fn at(&self, folder: OwnedFd) -> HostPlace {
        HostPlace { mount: self.mount.clone(), folder: Arc::new(folder) }
    }

    /// A folder in this one, as one that is mounted on its own; `None` when there is none of this name.
    pub(crate) fn below(&self, name: &OsStr) -> Option<HostFolder> {
        let Ok(Step::Folder(place)) = self.step(name) else { return None };
        let identity = place.identity().ok()?;
        Some(HostFolder { root: place.folder, identity, read_only: self.mount.read_only })
    }

    /// The host's descriptor of the folder.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Whether both belong to the same mount.
    pub(crate) fn is_mounted_with(&self, other: &HostPlace) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount)
    }

    /// The folder's device and inode number.
    pub(crate) fn identity(&self) -> Result<Identity> {
        Identity::of(&self.folder)
    }

    /// Whether this is the mounted folder itself.
    pub(crate) fn is_root(&self) -> Result<bool> {
        Ok(Arc::ptr_eq(&self.folder, &self.mount.root) || self.identity()? == self.mount.identity)
    }

    /// What a name inside a path leads to. Errs with `ENOTDIR` for what is neither a folder nor a link.
    pub(crate) fn step(&self, name: &OsStr) -> Result<Step> {
        match rustix::fs::openat(&self.folder, name, REACH | OFlags::DIRECTORY, Mode::empty()) {
            Ok(folder) => Ok(Step::Folder(self.at(folder))),
            Err(HostErrno::NOTDIR | HostErrno::LOOP) => match self.read_link(name) {
                Ok(target) => Ok(Step::Link(target)),
                Err(_) => Err(Errno::NOTDIR.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The folder that several names without `..` lead to, if no link is among them; `None` when they have to be walked one by one.
    pub(crate) fn stride(&self, names: &OsStr) -> Option<HostPlace> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = REACH | OFlags::DIRECTORY;
        let folder = rustix::fs::openat2(&self.folder, names, flags, Mode::empty(), resolve);
        folder.ok().map(|folder| self.at(folder))
    }

    /// This folder, opened again; errs when it must not be searched.
    pub(crate) fn searched(&self) -> Result<HostPlace> {
        Ok(self.at(rustix::fs::openat(&self.folder, ".", REACH | OFlags::DIRECTORY, Mode::empty())?))
    }

    /// The folder that contains this one. Only for a folder that is not the mounted one: see [`HostPlace::trail`].
    pub(crate) fn up(&self) -> Result<HostPlace> {
        Ok(self.at(rustix::fs::openat(&self.folder, "..", REACH | OFlags::DIRECTORY, Mode::empty())?))
    }

    /// The folders from the mounted one to the one that contains this one. Errs with `ENOENT` when this one is not beneath the mounted
    /// folder any more: another program moved it away, and going up would lead out (as in Linux's `path_connected`).
    pub(crate) fn trail(&self) -> Result<Vec<Identity>> {
        let mut trail = Vec::new();
        let mut current = self.clone();
        let mut identity = self.identity()?;
        while identity != self.mount.identity {
            current = current.up()?;
            let above = current.identity()?;
            if above == identity {
                return Err(Errno::NOENT.into());
            }
            if trail.len() >= DEEPEST {
                return Err(Errno::NAMETOOLONG.into());
            }
            identity = above;
            trail.push(identity);
        }
        trail.reverse();
        Ok(trail)
    }

    /// The folder's path beneath the mounted folder, as the host's kernel knows it. Errs with `ENOENT` when it has none.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        if self.is_root()? {
            return Ok(PathBuf::new());
        }
        // A removed folder has no links; its path would only have a note appended.
        if rustix::fs::fstat(&self.folder)?.st_nlink == 0 {
            return Err(Errno::NOENT.into());
        }
        let path = |host: BorrowedFd<'_>| std::fs::read_link(process_path(host));
        let (own, root) = (path(self.folder.as_fd())?, path(self.mount.root.as_fd())?);
        own.strip_prefix(root).map(Path::to_path_buf).map_err(|_| Errno::NOENT.into())
    }
}

/// The path by which a descriptor of this program can be named, whatever it is open on.
fn process_path(host: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", host.as_raw_fd())
}

/// A name with the `/` that followed it, which the host's kernel is to judge.
fn with_slash(name: &OsStr, slash: bool) -> OsString {
    let mut name = name.to_owned();
    if slash {
        name.push("/");
    }
    name
}

/// Operations on a name in a folder. No call follows a link at the name.
impl HostPlace {
    /// What `lstat` returns for a name.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Stat> {
        Ok(rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// What `stat` returns for the folder.
    pub(crate) fn status(&self) -> Result<Status> {
        Ok(status_of(&rustix::fs::fstat(&self.folder)?))
    }

    /// Errs when nothing may be changed here: with `EEXIST` or `ENOENT` where that would have been the error anyway.
    fn may_change(&self, name: &OsStr, creates: bool) -> Result<()> {
        if !self.mount.read_only {
            return Ok(());
        }
        match self.look(name) {
            Ok(_) if creates => Err(Errno::EXIST.into()),
            Err(error) if !creates => Err(error),
            _ => Err(Errno::ROFS.into()),
        }
    }

    /// Opens a name. `flags` are those of open(2), to which those are added that keep the guest in its folder and this program from
    /// waiting.
    pub(crate) fn open(&self, name: &OsStr, flags: OFlags, mode: u32) -> Result<Opened> {
        let flags = self.permitted(name, flags)?;
        // Opening a FIFO without a partner must not block the guest where no interrupt reaches it.
        let own = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.folder, name, flags | own, Mode::from_raw_mode(mode & 0o777));
        let host = match opened {
            Err(error @ (HostErrno::LOOP | HostErrno::NOTDIR)) => {
                return self.read_link(name).map(Opened::Link).map_err(|_| error.into());
            }
            other => other?,
        };
        let stat = rustix::fs::fstat(&host)?;
        Ok(match stat.st_mode & kind::MASK {
            kind::FOLDER => Opened::Folder(self.at(host)),
            kind::LINK => Opened::Link(read_link_at(&host, c"")?),
            file => {
                let is_plain = file == kind::FILE;
                Opened::File(HostFile { file: host.into(), read_only: self.mount.read_only, is_plain })
            }
        })
    }

    /// Opens the link itself, as a descriptor through which nothing can be read (`O_PATH`).
    pub(crate) fn open_link(&self, name: &OsStr) -> Result<HostFile> {
        let host = rustix::fs::openat(&self.folder, name, REACH, Mode::empty())?;
        Ok(HostFile { file: host.into(), read_only: self.mount.read_only, is_plain: false })
    }

    /// The flags to open a name with: in a folder that must not be changed, only what exists is opened.
    fn permitted(&self, name: &OsStr, flags: OFlags) -> Result<OFlags> {
        let changes = OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC | OFlags::CREATE;
        if !self.mount.read_only || flags.contains(OFlags::PATH) || !flags.intersects(changes) {
            return Ok(flags);
        }
        let writes = flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC);
        let stat = match self.look(name) {
            Err(_) if flags.contains(OFlags::CREATE) => return Err(Errno::ROFS.into()),
            other => other?,
        };
        match stat.st_mode & kind::MASK {
            _ if flags.contains(OFlags::CREATE | OFlags::EXCL) => Err(Errno::EXIST.into()),
            // For these, the host's kernel returns the right error.
            kind::LINK | kind::FOLDER => Ok(flags & !OFlags::TRUNC),
            _ if writes => Err(Errno::ROFS.into()),
            _ => Ok(flags & !OFlags::CREATE),
        }
    }

    /// Opens a file without a name, in the folder's file system (`O_TMPFILE`).
    pub(crate) fn open_unnamed(&self, flags: OFlags, mode: u32) -> Result<HostFile> {
        if self.mount.read_only {
            return Err(Errno::ROFS.into());
        }
        let flags = flags | OFlags::TMPFILE | OFlags::CLOEXEC;
        let host = rustix::fs::openat(&self.folder, ".", flags, Mode::from_raw_mode(mode & 0o777))?;
        Ok(HostFile { file: host.into(), read_only: false, is_plain: true })
    }

    /// Opens the folder itself, either to be listed or only to be reached.
    pub(crate) fn reopen(&self, flags: OFlags) -> Result<HostPlace> {
        let own = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(self.at(rustix::fs::openat(&self.folder, ".", flags | own, Mode::empty())?))
    }

    pub(crate) fn make_folder(&self, name: &OsStr, mode: u32) -> Result<()> {
        self.may_change(name, true)?;
        Ok(rustix::fs::mkdirat(&self.folder, name, Mode::from_raw_mode(mode & 0o1777))?)
    }

    /// Makes a FIFO or an empty file.
    pub(crate) fn make_node(&self, name: &OsStr, mode: u32) -> Result<()> {
        self.may_change(name, true)?;
        let file_type = rustix::fs::FileType::from_raw_mode(mode);
        let bits = Mode::from_raw_mode(mode & 0o777);
        Ok(rustix::fs::mknodat(&self.folder, name, file_type, bits, 0)?)
    }

    pub(crate) fn make_link(&self, target: &OsStr, name: &OsStr) -> Result<()> {
        self.may_change(name, true)?;
        Ok(rustix::fs::symlinkat(target, &self.folder, name)?)
    }

    /// Gives a file a further name.
    pub(crate) fn link(&self, name: &OsStr, other: &HostPlace, new: &OsStr) -> Result<()> {
        other.may_change(new, true)?;
        Ok(rustix::fs::linkat(&self.folder, name, &other.folder, new, AtFlags::empty())?)
    }

    /// Removes a file or link, or a folder if `is_folder`.
    pub(crate) fn remove(&self, name: &OsStr, slash: bool, is_folder: bool) -> Result<()> {
        self.may_change(name, false)?;
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(rustix::fs::unlinkat(&self.folder, with_slash(name, slash), flags)?)
    }

    pub(crate) fn rename(&self, from: (&OsStr, bool), other: &HostPlace, to: (&OsStr, bool)) -> Result<()> {
        self.may_change(from.0, false)?;
        let (from, to) = (with_slash(from.0, from.1), with_slash(to.0, to.1));
        Ok(rustix::fs::renameat(&self.folder, from, &other.folder, to)?)
    }

    pub(crate) fn read_link(&self, name: &OsStr) -> Result<OsString> {
        read_link_at(&self.folder, name)
    }

    /// What a name leads to, as a descriptor that serves to change its mode and times, or the folder itself without a name.
    fn reach(&self, name: Option<&OsStr>) -> Result<Arc<OwnedFd>> {
        if self.mount.read_only {
            return Err(Errno::ROFS.into());
        }
        match name {
            None => Ok(self.folder.clone()),
            Some(name) => Ok(Arc::new(rustix::fs::openat(&self.folder, name, REACH, Mode::empty())?)),
        }
    }

    /// Sets permission bits, those of the folder itself when there is no name. They give no program of the host another user's rights.
    pub(crate) fn set_mode(&self, name: Option<&OsStr>, mode: u32) -> Result<()> {
        let host = self.reach(name)?;
        let path = process_path(host.as_fd());
        Ok(rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode & 0o1777), AtFlags::empty())?)
    }

    /// Sets the times of access and modification, where given; those of the folder itself when there is no name.
    pub(crate) fn set_times(&self, name: Option<&OsStr>, times: [Time; 2]) -> Result<()> {
        let host = self.reach(name)?;
        Ok(rustix::fs::utimensat(&host, c"", &timestamps(times), AtFlags::EMPTY_PATH)?)
    }

    /// Errs unless this program may read, write, execute a name (4, 2, 1), or the folder itself when there is none.
    pub(crate) fn access(&self, name: Option<&OsStr>, mode: u32) -> Result<()> {
        let mut access = Access::EXISTS;
        access.set(Access::READ_OK, mode & 4 != 0);
        access.set(Access::WRITE_OK, mode & 2 != 0);
        access.set(Access::EXEC_OK, mode & 1 != 0);
        if let Some(name) = name {
            let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::accessat(&self.folder, name, access, flags)?;
        } else {
            let path = process_path(self.folder.as_fd());
            rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS)?;
        }
        if mode & 2 != 0 && self.mount.read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
    }

    /// The next entries of the folder, which must be open for reading: as many as fit into `size` bytes of records. Errs with `EINVAL` when
    /// not even the first fits.
    pub(crate) fn entries(&self, size: usize) -> Result<Vec<DirectoryEntry>> {
        /// The most bytes that one call reads: what an entry takes besides its record is the host's memory.
        const MOST: usize = 64 << 10;
        let mut buffer: Vec<u8> = Vec::with_capacity(size.min(MOST));
        let mut records = RawDir::new(&self.folder, buffer.spare_capacity_mut());
        let mut entries = Vec::new();
        while let Some(entry) = records.next() {
            let entry = entry?;
            entries.push(DirectoryEntry {
                name: OsStr::from_bytes(entry.file_name().to_bytes()).to_owned(),
                kind: match entry.file_type() {
                    rustix::fs::FileType::Unknown => 0,
                    known => entry_type(known.as_raw_mode()),
                },
                inode: entry.ino(),
                next: entry.next_entry_cookie(),
            });
            if records.is_buffer_empty() {
                break;
            }
        }
        Ok(entries)
    }

    /// Moves the position in the listing of the folder; returns the new one.
    pub(crate) fn seek(&self, to: SeekFrom) -> Result<u64> {
        Ok(rustix::fs::seek(&self.folder, to)?)
    }

    /// Writes the folder's names to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(rustix::fs::fsync(&self.folder)?)
    }
}

/// Operations on an open file, through whichever descriptor the guest has.
impl HostFile {
    /// What `fstat` returns.
    pub(crate) fn status(&self) -> Result<Status> {
        Ok(status_of(&rustix::fs::fstat(&self.file)?))
    }

    fn changeable(&self) -> Result<&File> {
        if self.read_only { Err(Errno::ROFS.into()) } else { Ok(&self.file) }
    }

    /// Sets permission bits.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        Ok(rustix::fs::fchmod(self.changeable()?, Mode::from_raw_mode(mode & 0o1777))?)
    }

    /// Sets the times of access and modification, where given.
    pub(crate) fn set_times(&self, times: [Time; 2]) -> Result<()> {
        Ok(rustix::fs::futimens(self.changeable()?, &timestamps(times))?)
    }

    /// Another open file description of the same file, to read and, if permitted, to write.
    pub(crate) fn opened_again(&self) -> Result<File> {
        let path = process_path(self.file.as_fd());
        let own = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = |access: OFlags| rustix::fs::openat(CWD, &path, access | own, Mode::empty());
        let both = if self.read_only { Err(HostErrno::ROFS) } else { open(OFlags::RDWR) };
        Ok(both.or_else(|_| open(OFlags::RDONLY)).or_else(|_| open(OFlags::WRONLY))?.into())
    }
}

fn read_link_at(folder: impl AsFd, name: impl rustix::path::Arg) -> Result<OsString> {
    let target: std::ffi::CString = rustix::fs::readlinkat(folder, name, Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()))
}

fn timestamps([accessed, modified]: [Time; 2]) -> Timestamps {
    let spec = |time: Time| match time {
        Time::At(nanoseconds) => Timespec {
            tv_sec: i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0),
        },
        Time::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        Time::Kept => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    };
    Timestamps { last_access: spec(accessed), last_modification: spec(modified) }
}

/// What `stat` returns for a file of the host. Owners are not shown to the guest.
pub(crate) fn status_of(stat: &Stat) -> Status {
    let time = |seconds: i64, nanoseconds: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Status {
        // This keeps the device numbers apart from the tree's.
        device: stat.st_dev.wrapping_add(2),
        inode: stat.st_ino,
        mode: stat.st_mode,
        links: stat.st_nlink,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        accessed: time(stat.st_atime, stat.st_atime_nsec),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// The `d_type` of a file's mode (readdir(3)).
pub(crate) fn entry_type(mode: u32) -> u8 {
    u8::try_from((mode & kind::MASK) >> 12).unwrap_or(0)
}
