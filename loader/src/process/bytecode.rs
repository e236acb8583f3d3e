//! Owns how the byte code of archives is made: Pyodide's standard library and wheels contain none, and compiling their sources takes most
//! of the time of an import. The guest's own compiler makes it, once, in a process that sees the archive and nothing else. Must not know
//! what a module is for.
//!
//! Byte code is as trusted as its source: it runs in the guest that imports the archive, and is made from that archive alone, so that no
//! archive can change another's. Nothing of the archive runs while it is made: its sources are data to a Python that looks for modules in
//! its own standard library only, and that has limited memory and time.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Process;
use super::image::Image;
use crate::base::error::LoadError;
use crate::base::interrupt::InterruptHandle;
use crate::base::limits::{ByteCodeLimits, Limits};
use crate::base::options::{Captured, ProcessOptions};
use crate::link::ends::ExitStatus;
use crate::python::bytecode;
use crate::python::setup::Uncompiled;
use crate::system::archive::Archive;

/// The program that is run to compile an archive.
const PROGRAM: &str = include_str!("compile_all.py");
/// Python's options for that program: without the environment and without `site`, which would run what `.pth` files and a `sitecustomize`
/// of the archive contain.
const ISOLATED: [&str; 3] = ["-I", "-S", "-c"];

/// Makes the byte code of an archive, and keeps it in the cache. Returns `None` when it cannot be made, in which case Python compiles
/// modules as they are imported; and when an interrupt came for `outer`, whose guest has to receive it.
pub(super) fn make(
    image: &Image,
    uncompiled: &Uncompiled,
    limits: &ByteCodeLimits,
    outer: &InterruptHandle,
) -> Option<Arc<Archive>> {
    let cache = image.compiler.cache()?;
    let Uncompiled { archive, root, excluded, files, .. } = uncompiled;
    let stdout = Captured::new();
    let options = ProcessOptions::python(image)
        .args(ISOLATED)
        .args([PROGRAM, root, excluded])
        .stdout(&stdout)
        .limits(Limits { memory: limits.memory, host_memory: limits.host_memory, ..Limits::default() });
    let mut process = Process::new(image, &options).ok()?;
    process.uncompiled.clear();
    let kernel = process.kernel_mut()?;
    let mut show = files.iter();
    show.try_for_each(|(path, index)| kernel.show_archived(&Path::new(root).join(path), archive, *index))
        .ok()?;
    let status = run(process, limits.time, outer).ok()?;
    if outer.is_pending() {
        return None;
    }
    let written = if status == ExitStatus::Exited(0) { stdout.contents() } else { Vec::new() };
    // What could not be made is not tried again: the archive that is kept is then empty.
    let bytes = pack(&written).or_else(|| pack(&[]))?;
    bytecode::keep(cache, &image.main, archive, &bytes)
}

/// Runs a process until it ends, its time is over, or the process it works for is interrupted or ended.
fn run(process: Process, time: Duration, outer: &InterruptHandle) -> Result<ExitStatus, LoadError> {
    /// How often to check whether the process has ended.
    const STEP: Duration = Duration::from_millis(10);
    let (inner, is_over) = (process.interrupt_handle(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                let is_interrupted = outer.state().sleep(STEP);
                if is_interrupted || started.elapsed() > time {
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

/// Makes an archive of what the program wrote; `None` when that is not in the expected form.
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

/// Takes a length and the bytes that follow it.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(bytes)
}
