//! Owns folders of the host that are mounted in a guest: every access goes through cap-std, which keeps it beneath the
//! folder. Must not know where in the guest they are.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use rustix::fs::{AtFlags, Timespec, Timestamps};

use super::errno::{Errno, Result};

/// A folder of the host.
pub(crate) struct HostFolder {
    dir: Dir,
    read_only: bool,
}

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of open(2)")]
pub(crate) struct OpenHow {
    pub read: bool,
    pub write: bool,
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub append: bool,
    pub no_follow: bool,
    pub mode: u32,
}

impl HostFolder {
    /// Opens a folder with the host's authority: it is what the embedder names.
    pub(crate) fn open(path: &Path, read_only: bool) -> std::io::Result<HostFolder> {
        Ok(HostFolder { dir: Dir::open_ambient_dir(path, cap_std::ambient_authority())?, read_only })
    }

    /// A folder in it, on its own; `None` when there is none of the name.
    pub(crate) fn below(&self, name: &Path) -> Option<HostFolder> {
        Some(HostFolder { dir: self.dir.open_dir(name).ok()?, read_only: self.read_only })
    }

    fn writable(&self) -> Result<&Dir> {
        if self.read_only { Err(Errno::ROFS.into()) } else { Ok(&self.dir) }
    }

    pub(crate) fn open_file(&self, path: &Path, how: OpenHow) -> Result<File> {
        let dir = if how.write || how.create || how.truncate { self.writable()? } else { &self.dir };
        let mut options = OpenOptions::new();
        options.read(how.read).write(how.write || how.truncate).append(how.append && how.write);
        options.truncate(how.truncate).mode(how.mode);
        if how.create && how.exclusive {
            options.create_new(true);
        } else {
            options.create(how.create);
        }
        // A FIFO without a partner must not stop the guest where no interrupt reaches it.
        let mut flags = rustix::fs::OFlags::NONBLOCK;
        if how.no_follow {
            flags |= rustix::fs::OFlags::NOFOLLOW;
        }
        options.custom_flags(flags.bits().cast_signed());
        Ok(dir.open_with(path, &options)?.into_std())
    }

    pub(crate) fn metadata(&self, path: &Path, follow: bool) -> Result<Metadata> {
        Ok(if follow { self.dir.metadata(path)? } else { self.dir.symlink_metadata(path)? })
    }

    /// Names with the type and inode number of each entry.
    pub(crate) fn entries(&self, path: &Path) -> Result<Vec<(OsString, u8, u64)>> {
        let mut entries = Vec::new();
        for entry in self.dir.read_dir(path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries.push((entry.file_name(), entry_type(metadata.mode()), metadata.ino()));
        }
        Ok(entries)
    }

    pub(crate) fn make_folder(&self, path: &Path) -> Result<()> {
        Ok(self.writable()?.create_dir(path)?)
    }

    pub(crate) fn remove_folder(&self, path: &Path) -> Result<()> {
        Ok(self.writable()?.remove_dir(path)?)
    }

    pub(crate) fn remove_file(&self, path: &Path) -> Result<()> {
        Ok(self.writable()?.remove_file(path)?)
    }

    pub(crate) fn rename(&self, from: &Path, to_folder: &HostFolder, to: &Path) -> Result<()> {
        Ok(self.writable()?.rename(from, to_folder.writable()?, to)?)
    }

    pub(crate) fn link(&self, target: &Path, path: &Path) -> Result<()> {
        Ok(self.writable()?.symlink(target, path)?)
    }

    /// Gives a file another name.
    pub(crate) fn make_name(&self, from: &Path, to: &Path) -> Result<()> {
        let dir = self.writable()?;
        Ok(dir.hard_link(from, dir, to)?)
    }

    pub(crate) fn read_link(&self, path: &Path) -> Result<OsString> {
        Ok(self.dir.read_link_contents(path)?.into_os_string())
    }

    pub(crate) fn set_mode(&self, path: &Path, mode: u32) -> Result<()> {
        Ok(self.writable()?.set_permissions(path, Permissions::from_mode(mode & 0o777))?)
    }

    /// Sets the times of access and modification, where given.
    pub(crate) fn set_times(&self, path: &Path, times: [Option<i128>; 2]) -> Result<()> {
        let dir = self.writable()?;
        // Through a descriptor of the file itself, so that no link leads elsewhere.
        let file = dir.open(path)?;
        Ok(rustix::fs::utimensat(file.as_fd(), "", &timestamps(times), AtFlags::EMPTY_PATH)?)
    }

    /// Whether the guest may write here.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }
}

fn timestamps([accessed, modified]: [Option<i128>; 2]) -> Timestamps {
    let spec = |time: Option<i128>| match time {
        Some(nanoseconds) => Timespec {
            tv_sec: i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0),
        },
        None => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    };
    Timestamps { last_access: spec(accessed), last_modification: spec(modified) }
}

/// The `d_type` of a file's mode (readdir(3)).
pub(crate) fn entry_type(mode: u32) -> u8 {
    u8::try_from((mode & 0o170_000) >> 12).unwrap_or(0)
}
