//! Owns byte code of archives: Pyodide's standard library and wheels carry none, and compiling sources takes most of the time of an
//! import. The guest's own compiler makes it, once, in a process that sees the archive and nothing else; the cache keeps it. Must
//! not know what a module is for.
//!
//! Byte code is as trusted as its source is: it runs in the guest that imports the archive, and is made from that archive alone, so
//! that no archive can change another's. Nothing of the archive runs while it is made: its sources are data to a Python that looks for
//! modules in its own standard library only, and that has so much memory and time.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::archive::Archive;
use crate::error::LoadError;
use crate::image::Image;
use crate::interrupt::InterruptHandle;
use crate::options::{Captured, ProcessOptions};
use crate::process::{ExitStatus, Process};
use crate::system::kernel::Kernel;

/// What is run to compile an archive.
const PROGRAM: &str = include_str!("compile_all.py");
/// Python's options for it: without the environment and without `site`, which would run what `.pth` files and a `sitecustomize` of the
/// archive say.
const ISOLATED: [&str; 3] = ["-I", "-S", "-c"];

/// What the cache calls it.
const BYTE_CODE: &str = "byte code";

/// How long it may take to compile an archive, and how much memory: of the guest and of the host. What takes more is left to
/// Python, which compiles what is imported.
const MOST_TIME: Duration = Duration::from_mins(2);
const MOST_MEMORY: usize = 1 << 30;
const MOST_HOST_MEMORY: u64 = 512 << 20;

/// Where in the guest an archive's files are, and what below that is not its own.
pub(crate) struct Place<'a> {
    pub root: &'a str,
    pub excluded: &'a str,
}

/// What there is of the byte code of an archive.
pub(crate) enum Kept {
    /// An archive of `.pyc` files under the paths of their sources.
    Whole(Arc<Archive>),
    /// It was not made yet.
    Absent,
    /// There is no cache that could keep it.
    Nowhere,
}

/// The byte code of an archive, if the cache has it.
pub(crate) fn kept(image: &Image, archive: &Archive) -> Kept {
    let main = image.main.stamp();
    let cache = image.compiler.cache().filter(|_| !archive.stamp().is_fresh() && !main.is_fresh());
    let Some(cache) = cache else { return Kept::Nowhere };
    let files = [(archive.path(), archive.stamp()), (image.path(), main)];
    match cache.derived(&files, BYTE_CODE) {
        Some(kept) => Archive::open(&kept).map_or(Kept::Nowhere, |archive| Kept::Whole(Arc::new(archive))),
        None => Kept::Absent,
    }
}

/// Makes the byte code of an archive whose files are shown by `show`, and keeps it. `None` when it cannot be made, then Python compiles as
/// it goes; and when an interrupt came to `outer`, whose guest is to be told of it.
pub(crate) fn make(
    image: &Image,
    archive: &Archive,
    place: &Place<'_>,
    show: impl Fn(&mut Kernel) -> Result<(), LoadError>,
    outer: Option<&InterruptHandle>,
) -> Option<Arc<Archive>> {
    let cache = image.compiler.cache()?;
    let stdout = Captured::new();
    let options = ProcessOptions::python(image.path())
        .args(ISOLATED)
        .args([PROGRAM, place.root, place.excluded])
        .stdout(&stdout)
        .most_memory(MOST_MEMORY)
        .host_memory(MOST_HOST_MEMORY);
    let mut process = Process::new(image, &options).ok()?;
    show(process.kernel_mut()?).ok()?;
    let status = run(process, outer).ok()?;
    if outer.is_some_and(InterruptHandle::is_pending) {
        return None;
    }
    let written = if status == ExitStatus::Exited(0) { stdout.contents() } else { Vec::new() };
    // What cannot be made is not tried again: then it is empty.
    let bytes = pack(&written).or_else(|| pack(&[]))?;
    let files = [(archive.path(), archive.stamp()), (image.path(), image.main.stamp())];
    let kept = cache.keep_derived(&files, BYTE_CODE, &bytes).ok()?;
    Archive::open(&kept).ok().map(Arc::new)
}

/// Runs a process until it ends, its time is over, or somebody interrupts or ends the one it works for.
fn run(process: Process, outer: Option<&InterruptHandle>) -> Result<ExitStatus, LoadError> {
    /// How often it is looked whether the process has ended.
    const STEP: Duration = Duration::from_millis(10);
    let (inner, is_over) = (process.interrupt_handle(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                let is_interrupted = outer.is_some_and(|outer| outer.state().sleep(STEP));
                if outer.is_none() {
                    thread::sleep(STEP);
                }
                if is_interrupted || started.elapsed() > MOST_TIME {
                    inner.terminate();
                    return;
                }
            }
        });
        let status = process.run();
        is_over.store(true, Ordering::Relaxed);
        status
    })
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
