//! Owns byte code of archives: Pyodide's standard library and wheels carry none, and compiling sources takes most of the time of an
//! import. The guest's own compiler makes it, once, in a process that sees the archive and nothing else; the cache keeps it. Must
//! not know what a module is for.
//!
//! Byte code is as trusted as its source is: it runs in the guest that imports the archive, and is made from that archive alone, so
//! that no archive can change another's.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::archive::Archive;
use crate::image::Image;
use crate::options::{Captured, ProcessOptions};
use crate::process::{ExitStatus, Process};
use crate::system::kernel::Kernel;

/// What is run to compile an archive.
const PROGRAM: &str = include_str!("compile_all.py");

/// What the cache calls it.
const BYTE_CODE: &str = "byte code";

/// Where in the guest an archive's files are, and what below that is not its own.
pub(crate) struct Place<'a> {
    pub root: &'a str,
    pub excluded: &'a str,
}

/// The byte code of an archive whose files are shown by `show`, from the cache or made now: an archive of `.pyc` files under the
/// paths of their sources. `None` without a cache, and when it cannot be made: then Python compiles as it goes.
pub(crate) fn of(
    image: &Image,
    archive: &Archive,
    place: &Place<'_>,
    show: impl Fn(&mut Kernel) -> Result<(), crate::error::LoadError>,
) -> Option<Arc<Archive>> {
    let cache = image.compiler.cache()?;
    let main = image.main.stamp();
    if archive.stamp().is_fresh() || main.is_fresh() {
        return None;
    }
    let files = [(archive.path(), archive.stamp()), (image.path(), main)];
    if let Some(kept) = cache.derived(&files, BYTE_CODE) {
        return Archive::open(&kept).ok().map(Arc::new);
    }
    let options =
        ProcessOptions::python(image.path()).args(["-I", "-c", PROGRAM, place.root, place.excluded]);
    let stdout = Captured::new();
    let options = options.stdout(&stdout);
    let mut process = Process::new(image, &options).ok()?;
    show(process.kernel_mut()?).ok()?;
    if process.run().ok()? != ExitStatus::Exited(0) {
        return None;
    }
    let bytes = pack(&stdout.contents())?;
    let kept = cache.keep_derived(&files, BYTE_CODE, &bytes).ok()?;
    Archive::open(&kept).ok().map(Arc::new)
}

/// Makes an archive of what the program wrote; `None` when that is not in its form.
fn pack(written: &[u8]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut rest = written;
    while !rest.is_empty() {
        let path = std::str::from_utf8(take(&mut rest)?).ok()?;
        let code = take(&mut rest)?;
        zip.start_file(path, options).ok()?;
        zip.write_all(code).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

/// Bytes after their length.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(bytes)
}

/// Where Python of a version looks for the byte code of a source (PEP 3147).
pub(crate) fn path_of(source: &Path, minor: &str) -> Option<std::path::PathBuf> {
    let name = source.file_stem()?.to_str()?;
    Some(source.parent()?.join("__pycache__").join(format!("{name}.cpython-3{minor}.pyc")))
}
