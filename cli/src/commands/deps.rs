//! Owns `pydl deps`: reads the files, has the linker inspect each of them, and makes of the answers an exit status.
//! Must not know how reports look.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use pydl_linker::{FoundLibrary, MainModule, ModuleReport, inspect};

use crate::args::Deps;
use crate::mains;
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
    let main = deps.main.as_deref().map(mains::resolve).transpose()?;
    let main = main.as_deref().map(read_main).transpose().map_err(|error| anyhow::anyhow!("{error}"))?;
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

/// A report with something of everything, for the tests of how reports look.
#[cfg(test)]
pub mod sample {
    use super::*;

    const FUNCTION: u8 = 0;
    const MEMORY: u8 = 2;
    const GLOBAL: u8 = 3;

    fn name(text: &str) -> Vec<u8> {
        [&[text.len().try_into().unwrap()], text.as_bytes()].concat()
    }

    /// A section, or anything else that is a number, the length of what follows, and that.
    fn section(id: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let contents = parts.concat();
        [&[id, contents.len().try_into().unwrap()], contents.as_slice()].concat()
    }

    fn import(module: &str, field: &str, ty: &[u8]) -> Vec<u8> {
        [name(module), name(field), ty.to_vec()].concat()
    }

    fn export(field: &str, kind: u8, index: u8) -> Vec<u8> {
        [name(field), vec![kind, index]].concat()
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    /// The types 0: `() -> i32` and 1: `(i32) -> i32`.
    fn types() -> Vec<u8> {
        section(1, &[b"\x02\x60\x00\x01\x7f\x60\x01\x7f\x01\x7f".to_vec()])
    }

    /// One function that is `() -> i32` and returns 0.
    fn functions() -> Vec<u8> {
        section(3, &[vec![1, 0]])
    }

    fn code() -> Vec<u8> {
        section(10, &[b"\x01\x04\x00\x41\x00\x0b".to_vec()])
    }

    fn library() -> Vec<u8> {
        let memory_info = section(1, &[vec![20, 2, 1, 0]]);
        let needed = section(2, &[vec![1], name("libz.so")]);
        let weak_imports = section(4, &[vec![1], name("env"), name("hook"), vec![1]]);
        let imports = [
            vec![5],
            import("env", "memory", &[MEMORY, 0, 1]),
            import("env", "changed", &[FUNCTION, 1]),
            import("env", "hook", &[FUNCTION, 1]),
            import("env", "lost\x1b[2J", &[FUNCTION, 0]),
            import("GOT.mem", "errno", &[GLOBAL, 0x7f, 1]),
        ];
        let global = section(6, &[b"\x01\x7f\x00\x41\x08\x0b".to_vec()]);
        let exports =
            section(7, &[vec![2], export("PyInit_sample", FUNCTION, 3), export("digits", GLOBAL, 1)]);
        let dylink = section(0, &[name("dylink.0"), memory_info, needed, weak_imports]);
        module(&[dylink, types(), section(2, &imports), functions(), global, exports, code()])
    }

    fn main() -> Vec<u8> {
        let global = section(6, &[b"\x01\x7f\x00\x41\x08\x0b".to_vec()]);
        let exports = section(7, &[vec![2], export("changed", FUNCTION, 0), export("errno", GLOBAL, 0)]);
        module(&[types(), functions(), global, exports, code()])
    }

    /// A side module that would not load, for all the reasons there are, into a main module that cannot load any.
    pub fn report() -> (MainModule, ModuleReport) {
        let file = FoundLibrary { path: "dir/sample.so".to_owned(), identity: None, bytes: library().into() };
        let main = Arc::new(MainModule::parse("main.wasm", &main()).unwrap());
        let report = inspect(&[file], Some(&main)).unwrap().unwrap();
        (MainModule::clone(&main), report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inspection_leaves_the_order_of_the_files() {
        let file = |path: &str| FoundLibrary {
            path: path.to_owned(),
            identity: None,
            bytes: Arc::from(b"\0asm\x01\0\0\0".as_slice()),
        };
        let mut files = vec![file("a"), file("b"), file("c")];
        assert_eq!(inspect_one(&mut files, 2, None).unwrap().path, "c");
        assert_eq!(inspect_one(&mut files, 0, None).unwrap().path, "a");
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "c"]);
    }
}
