//! Owns `pydl deps`: reads the files, has the linker inspect each of them, and makes of the answers an exit status. Must
//! not know how reports look.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use pydl_linker::{FoundLibrary, MainModule, ModuleReport, inspect};

use crate::args::Deps;
use crate::render::{json, text};
use crate::report::NOT_LOADABLE;

/// Some file would not load.
const WOULD_NOT_LOAD: u8 = 1;

/// A file that there is no report on: it cannot be read, or is not a WebAssembly module.
#[derive(Debug)]
pub struct Unreadable {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", text::printable(&self.path), text::printable(&self.why))
    }
}

/// Reports on every file that can be read. A file that cannot is told on stderr and keeps no other from its report.
pub fn run(deps: &Deps) -> Result<ExitCode> {
    let main = deps.main.as_deref().map(read_main).transpose().map_err(|error| anyhow::anyhow!("{error}"))?;
    let (mut files, unreadable) = read_files(&deps.files);
    unreadable.iter().for_each(complain);
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && colour_is_welcome();
    let mut out = BufWriter::new(stdout.lock());
    let written = if deps.json {
        write_json(&mut out, &mut files, main.as_ref(), unreadable)
    } else {
        let status = if unreadable.is_empty() { 0 } else { NOT_LOADABLE };
        write_text(&mut out, &mut files, main.as_ref(), colour, status)
    };
    match written.and_then(|status| out.flush().map(|()| status)) {
        Ok(status) => Ok(ExitCode::from(status)),
        // Whoever reads has seen enough, as in `pydl deps x.so | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("standard output"),
    }
}

/// Prints each report as soon as it is there.
fn write_text(
    out: &mut impl Write,
    files: &mut [FoundLibrary],
    main: Option<&Arc<MainModule>>,
    colour: bool,
    mut status: u8,
) -> io::Result<u8> {
    let mut is_first = true;
    for position in 0..files.len() {
        match inspect_one(files, position, main) {
            Ok(report) => {
                if !std::mem::take(&mut is_first) {
                    writeln!(out)?;
                }
                text::write(out, &report, colour)?;
                out.flush()?;
                status = status.max(status_of(&report));
            }
            Err(error) => {
                complain(&error);
                status = NOT_LOADABLE;
            }
        }
    }
    Ok(status)
}

/// Prints all reports as one document.
fn write_json(
    out: &mut impl Write,
    files: &mut [FoundLibrary],
    main: Option<&Arc<MainModule>>,
    mut unreadable: Vec<Unreadable>,
) -> io::Result<u8> {
    let mut reports = Vec::with_capacity(files.len());
    for position in 0..files.len() {
        match inspect_one(files, position, main) {
            Ok(report) => reports.push(report),
            Err(error) => {
                complain(&error);
                unreadable.push(error);
            }
        }
    }
    json::write(out, main.map(AsRef::as_ref), &reports, &unreadable)?;
    let of_errors = if unreadable.is_empty() { 0 } else { NOT_LOADABLE };
    Ok(reports.iter().map(status_of).fold(of_errors, u8::max))
}

fn status_of(report: &ModuleReport) -> u8 {
    if report.would_load() == Some(false) { WOULD_NOT_LOAD } else { 0 }
}

/// Inspects one of `files`; the others may serve its NEEDED entries, in the order in which they were given.
fn inspect_one(
    files: &mut [FoundLibrary],
    position: usize,
    main: Option<&Arc<MainModule>>,
) -> std::result::Result<ModuleReport, Unreadable> {
    let path = files[position].path.clone();
    let up_to_it = &mut files[..=position];
    up_to_it.rotate_right(1);
    let report = inspect(files, main);
    files[..=position].rotate_left(1);
    match report {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err(Unreadable { path, why: "not inspected".to_owned() }),
        Err(error) => Err(Unreadable { path, why: error.to_string() }),
    }
}

fn read_main(path: &Path) -> std::result::Result<Arc<MainModule>, Unreadable> {
    let file = read(path)?;
    MainModule::parse(&file.path, &file.bytes)
        .map(Arc::new)
        .map_err(|error| Unreadable { path: file.path, why: error.to_string() })
}

fn read_files(paths: &[PathBuf]) -> (Vec<FoundLibrary>, Vec<Unreadable>) {
    let mut files = Vec::with_capacity(paths.len());
    let mut unreadable = Vec::new();
    for path in paths {
        match read(path) {
            Ok(file) => files.push(file),
            Err(error) => unreadable.push(error),
        }
    }
    (files, unreadable)
}

fn read(path: &Path) -> std::result::Result<FoundLibrary, Unreadable> {
    let name = path.display().to_string();
    match fs::read(path) {
        Ok(bytes) => Ok(FoundLibrary { path: name, identity: None, bytes: bytes.into() }),
        Err(error) => Err(Unreadable { path: name, why: error.to_string() }),
    }
}

/// Tells of a file on stderr; without a stderr to tell it on, the exit status must do.
fn complain(error: &Unreadable) {
    let _ = writeln!(io::stderr(), "pydl: {error}");
}

/// Whether a terminal should see colour (no-color.org; `TERM` as ncurses has it).
fn colour_is_welcome() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}
