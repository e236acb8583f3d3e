//! Owns files that a main module contains in its data (`--embed-file`): a constructor passes them to the host, which puts them into the
//! guest's tree. Facts: Emscripten, `tools/file_packager.py`. Must not know what is in them.

use std::path::Path;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::kernel::files::empty_file;

pub(super) const ENTRIES: &[Entry] =
    &[("_emscripten_fs_load_embedded_files", Handler::Plain(load_embedded_files))];

/// The bytes of an entry of the list: the address of a name, the size of the file, and the address of its contents.
const ENTRY: u32 = 12;
/// The permission bits that Emscripten gives to what it embeds.
const MODE: u32 = 0o777;

/// `(list)`: entries, up to one whose name is 0; the first is always there.
fn load_embedded_files(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let mut entry = arguments.word(0)?;
    loop {
        let word = |offset: u32| {
            let address = entry.checked_add(offset).ok_or(Fault::Refused(Errno::FAULT));
            address.and_then(|address| guest.u32(address)).map_err(ended)
        };
        let (name, size, contents) = (word(0)?, word(4)?, word(8)?);
        let name = guest.path(name).map_err(ended)?;
        let path = Path::new("/").join(name);
        embed(guest, &path, contents, size).map_err(|fault| match fault {
            Fault::Refused(errno) => refused(&path, errno),
            Fault::Ended(error) => error,
        })?;
        entry = entry.checked_add(ENTRY).ok_or_else(|| ended(Errno::FAULT.into()))?;
        if guest.u32(entry).map_err(ended)? == 0 {
            return Ok(Answer::Nothing);
        }
    }
}

/// Makes one file, from bytes in the guest's memory.
fn embed(guest: &mut Guest<'_>, path: &Path, contents: u32, size: u32) -> Result<()> {
    let (memory, system) = guest.split()?;
    let bytes = super::super::guest::slice(memory, contents, size)?;
    let files = &mut system.kernel.files;
    let file = files.place(path, empty_file(MODE))?;
    if files.tree.write(file, 0, bytes)? < bytes.len() {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

fn refused(path: &Path, errno: Errno) -> wasmtime::Error {
    let path = path.display();
    let why = match errno {
        Errno::EXIST => "there is a file of that name already",
        Errno::NOTDIR | Errno::ISDIR => {
            "its folder is a file, or one of the host's: show that at another place"
        }
        Errno::NOSPC => "the guest's files would be too large, or too many",
        _ => "its name or its bytes are not where the main module says",
    };
    wasmtime::Error::msg(format!(
        "{path}, which the main module carries (--embed-file), cannot be made: {why}"
    ))
}
