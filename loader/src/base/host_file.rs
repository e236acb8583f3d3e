//! Owns how files of the host that a user names are opened and read: regular files, without waiting for anyone, up to a limit.
//! Must not know what is in them.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The most bytes that are read from a file: more than a module or a script can have.
const MOST_BYTES: u64 = 4 << 30;

/// Opens a regular file for reading. Links are followed. Errs, naming the kind, for anything else that has the name: reading a
/// FIFO would wait for someone to write to it, and a device may have no end.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    // Without `NONBLOCK`, opening a FIFO would wait. The flag has no meaning for regular files.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let ty = file.metadata()?.file_type();
    if ty.is_file() { Ok(file) } else { Err(io::Error::other(format!("{}, not a regular file", name(ty)))) }
}

/// Reads a whole regular file. Errs as [`open_regular_file`] does, and when the file is larger than any file that is of use to a
/// guest.
pub(crate) fn read_regular_file(path: &Path) -> io::Result<Vec<u8>> {
    read_to_end(open_regular_file(path)?)
}

/// Reads the whole of a file that a user has named as a program. It may also be a pipe, as in `pydl run MAIN <(generate)`, and
/// ends where that does. Errs when it has more bytes than any file that is of use to a guest, as is the case for a device without
/// an end.
pub(crate) fn read_program(path: &Path) -> io::Result<Vec<u8>> {
    read_to_end(File::open(path)?)
}

fn read_to_end(file: File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= MOST_BYTES {
        bytes.try_reserve_exact(usize::try_from(size).unwrap_or(0))?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    }
    if size > MOST_BYTES || bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The name of a file type other than a regular file.
fn name(ty: FileType) -> &'static str {
    match () {
        () if ty.is_dir() => "a folder",
        () if ty.is_fifo() => "a FIFO",
        () if ty.is_socket() => "a socket",
        () if ty.is_char_device() || ty.is_block_device() => "a device",
        () => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        let no_device = 0;
        let fifo = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), fifo, mode, no_device).unwrap();
        assert_eq!(read_regular_file(&path("link")).unwrap(), b"text");
        for (name, kind) in [("zero", "a device"), ("fifo", "a FIFO"), (".", "a folder")] {
            let error = open_regular_file(&path(name)).unwrap_err().to_string();
            assert!(error.starts_with(kind), "{name}: {error}");
        }
        assert!(open_regular_file(&path("absent")).is_err());
    }
}
