//! Owns `pydl deps`: makes the linker inspect each file, adds what Python and its wheels require, and turns the results into an
//! exit status. Must not know how reports look.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use pydl_linker::{AbiFamily, Inspector, LinkError, MainModule, ModuleReport, ProcessMap};
use pydl_loader::{LoadError, PythonTarget, SystemInterface, WheelFile};

use crate::args::{Deps, GraphFormat, MapFormat};
use crate::inputs::{Inputs, Item, Libraries, Place, Unreadable, open, read};
use crate::mains;
use crate::render::graph::{self, Graph};
use crate::render::text::Detail;
use crate::render::{json, map, text};
use crate::report::{NOT_LOADABLE, say};
use crate::reports::{Report, WOULD_NOT_LOAD, WheelReport};

/// The name, without suffix, of the file that contains a package's own module.
const PACKAGE_STEM: &str = "__init__";
/// The result of reading something, or the report that it cannot be read.
type Outcome<T> = std::result::Result<T, Unreadable>;

/// Reports on every file that can be read. A file that cannot be read is reported on stderr, and does not keep the others from
/// being reported on.
pub fn run(deps: &Deps) -> Result<ExitCode> {
    let status = check(deps, |check| {
        check.inputs.unreadable.iter().for_each(complain);
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let colour = is_terminal && colour_is_welcome();
        let mut out = BufWriter::new(stdout.lock());
        let written = if deps.json {
            write_json(&mut out, check)
        } else if let Some(format) = deps.graph {
            write_graph(&mut out, check, format)
        } else if let Some(format) = deps.map {
            match format {
                MapFormat::Text => {
                    write_map(check, |process| map::text::write(&mut out, process, is_terminal, colour))
                }
                MapFormat::Svg => write_map(check, |process| map::svg::write(&mut out, process)),
            }
        } else if deps.quiet {
            check.each(|report| {
                report.err().iter().for_each(complain);
                Ok(())
            })
        } else {
            write_text(&mut out, check, deps.all, colour)
        };
        let written = written.map(|status| status.max(check.unheard()));
        let status = written.and_then(|status| out.flush().map(|()| status));
        status.map(|status| if check.inputs.unreadable.is_empty() { status } else { NOT_LOADABLE })
    });
    match status? {
        Ok(status) => Ok(ExitCode::from(status)),
        // The reader has seen enough, as in `pydl deps x.so | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("standard output"),
    }
}

/// Whether the report on these files would say that something is wrong, or report on the one symbol; nothing is printed.
pub fn has_something_to_say(deps: &Deps) -> bool {
    let status = check(deps, |check| check.each(|_| Ok(())).map(|status| (status, check.is_needed)));
    match status {
        Ok(Ok((status, is_needed))) => status == WOULD_NOT_LOAD || (status == 0 && is_needed),
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Runs `work` on the files. Errs when there is no main module of the given name.
fn check<T>(deps: &Deps, work: impl FnOnce(&mut Check<'_>) -> T) -> Result<T> {
    let main_path = deps.main.as_deref().map(mains::resolve).transpose()?;
    let main = main_path.as_deref().map(read_main).transpose().map_err(|error| anyhow!("{error}"))?;
    let inputs = Inputs::of(&deps.files);
    let mut libraries = Libraries::new(&inputs, &deps.library_path);
    let inspector = Inspector::new(main, &mut libraries, Arc::new(SystemInterface::default()));
    Ok(work(&mut Check {
        inputs: &inputs,
        libraries,
        inspector: &inspector,
        target: main_path.as_deref().map(PythonTarget::of_main),
        wheels: inputs.wheels.iter().map(|_| Vec::new()).collect(),
        why: deps.why.as_deref(),
        is_needed: false,
    }))
}

/// Prints each report as soon as it is complete.
fn write_text(out: &mut impl Write, check: &mut Check<'_>, all: bool, colour: bool) -> io::Result<u8> {
    let detail = match check.inputs.candidates.len() {
        _ if all => Detail::All,
        0 | 1 => Detail::Summary,
        _ => Detail::Verdict,
    };
    let mut is_first = true;
    check.each(|report| {
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                complain(&error);
                return Ok(());
            }
        };
        // The wheel's own report covers those that are good.
        let is_line = detail == Detail::Verdict && report.is_good_module();
        if is_line && report.is_in_wheel() {
            return Ok(());
        }
        if !std::mem::take(&mut is_first) && !is_line {
            writeln!(out)?;
        }
        text::write(out, &report, detail, colour)?;
        out.flush()
    })
}

/// Prints which modules take symbols from which.
fn write_graph(out: &mut impl Write, check: &mut Check<'_>, format: GraphFormat) -> io::Result<u8> {
    let shows_imports = matches!(format, GraphFormat::Html);
    let (mut files, mut wheels) = (Vec::new(), Vec::new());
    let status = check.each(|report| {
        match report {
            Ok(Report::Module(report)) => files.push(graph::File::of(report, shows_imports)),
            Ok(Report::Wheel(report)) => wheels.push(report),
            Ok(Report::Symbol(_)) => {}
            Err(error) => complain(&error),
        }
        Ok(())
    })?;
    let graph = Graph::of(&files, &wheels);
    match format {
        GraphFormat::Dot => graph::dot::write(out, &graph)?,
        GraphFormat::Svg => graph::svg::write(out, &graph)?,
        GraphFormat::Html => graph::html::write(out, &graph)?,
    }
    Ok(status)
}

/// Shows the layout of a process that loads one file after the other.
fn write_map(check: &mut Check<'_>, write: impl FnOnce(&ProcessMap) -> io::Result<()>) -> io::Result<u8> {
    let mut process = match check.inspector.map() {
        Ok(process) => process,
        Err(why) => {
            say(&why);
            return Ok(WOULD_NOT_LOAD);
        }
    };
    let mut status = 0;
    for position in 0..check.inputs.candidates.len() {
        match check.inputs.read(position) {
            Ok(file) => process.open(&file, &mut check.libraries),
            Err(error) => {
                complain(&error);
                status = NOT_LOADABLE;
            }
        }
    }
    write(&process)?;
    Ok(if process.refused.is_empty() { status } else { status.max(WOULD_NOT_LOAD) })
}

/// Prints all reports as one document.
fn write_json(out: &mut impl Write, check: &mut Check<'_>) -> io::Result<u8> {
    let mut document = json::Document::begin(out, check.inspector.main())?;
    let status = check.each(|report| match report {
        Ok(report) => document.add(report),
        Err(error) => {
            complain(&error);
            document.add_error(error);
            Ok(())
        }
    })?;
    for Unreadable { path, why } in &check.inputs.unreadable {
        document.add_error(Unreadable { path: path.clone(), why: why.clone() });
    }
    document.end()?;
    Ok(status)
}

/// A run of `pydl deps`.
struct Check<'a> {
    inputs: &'a Inputs,
    libraries: Libraries<'a>,
    inspector: &'a Inspector,
    /// What the main module's Python accepts; `None` without a main module.
    target: Option<std::result::Result<PythonTarget, LoadError>>,
    /// The side modules of each wheel that were inspected, with the ABI that each was compiled for.
    wheels: Vec<Vec<Inspected>>,
    /// The one symbol to report on.
    why: Option<&'a str>,
    /// Whether a load needs that symbol.
    is_needed: bool,
}

/// What a wheel's report needs to know about a side module in it.
struct Inspected {
    path: String,
    would_load: Option<bool>,
    family: Option<AbiFamily>,
}

impl Check<'_> {
    /// Creates each report and passes it on. Returns the exit status.
    fn each(&mut self, mut tell: impl FnMut(Outcome<Report>) -> io::Result<()>) -> io::Result<u8> {
        let mut status = 0;
        for item in &self.inputs.items {
            let report = match *item {
                Item::Candidate(position) if self.why.is_some() => self.symbol(position).transpose(),
                Item::Candidate(position) => Some(self.module(position).map(Report::Module)),
                Item::Wheel(_) if self.why.is_some() => None,
                Item::Wheel(wheel) => self.wheel(wheel).map(|report| Ok(Report::Wheel(report))),
            };
            let Some(report) = report else { continue };
            status = status.max(match &report {
                Ok(report) => report.status(),
                Err(_) => NOT_LOADABLE,
            });
            tell(report)?;
        }
        Ok(status)
    }

    fn module(&mut self, position: usize) -> Outcome<ModuleReport> {
        let report = self.inspect(position);
        let candidate = self.inputs.candidates.get(position);
        if let Some(Place::Wheel { wheel, .. }) = candidate.map(|candidate| &candidate.place)
            && let Some(inspected) = self.wheels.get_mut(*wheel)
        {
            inspected.push(Inspected {
                path: candidate.map(|candidate| candidate.path.clone()).unwrap_or_default(),
                would_load: report.as_ref().map_or(Some(false), ModuleReport::would_load),
                family: report.as_ref().ok().and_then(|report| Some(report.abi.as_ref()?.family)),
            });
        }
        report
    }

    fn inspect(&mut self, position: usize) -> Outcome<ModuleReport> {
        let file = self.inputs.read(position)?;
        let mut report = self
            .inspector
            .inspect(&file, &mut self.libraries)
            .map_err(|error| Unreadable { path: file.path.clone(), why: error.to_string() })?;
        if let Some(Place::Wheel { inner, .. }) =
            self.inputs.candidates.get(position).map(|candidate| &candidate.place)
            && let Some(Ok(target)) = &self.target
        {
            let why = not_imported(&report, inner, target);
            report.outside_reasons.extend(why);
        }
        Ok(report)
    }

    /// The report on the symbol, if it plays a part in the load of this file.
    fn symbol(&mut self, position: usize) -> Outcome<Option<Report>> {
        let file = self.inputs.read(position)?;
        let symbol = self.why.unwrap_or_default();
        let report = self.inspector.why(&file, symbol, &mut self.libraries);
        let told = |why: &LinkError| match why.library() {
            Some(path) if path == file.path => why.reason(),
            _ => why.to_string(),
        };
        let report = report.map_err(|why| {
            let why = why.iter().map(told).collect::<Vec<_>>().join("\n");
            Unreadable { path: file.path.clone(), why }
        })?;
        self.is_needed |= !report.uses.is_empty();
        Ok((!report.uses.is_empty()).then_some(Report::Symbol(report)))
    }

    /// Reports when no load needs the requested symbol. Returns the exit status.
    fn unheard(&self) -> u8 {
        match self.why {
            Some(symbol) if !self.is_needed => {
                say(&format!("no load of these files needs `{}`", text::printable(symbol)));
                WOULD_NOT_LOAD
            }
            _ => 0,
        }
    }

    fn wheel(&mut self, wheel: usize) -> Option<WheelReport> {
        let given = self.inputs.wheels.get(wheel)?;
        let mut report = WheelReport {
            path: given.path.clone(),
            checked_against: self.inspector.main().map(|main| main.name().to_owned()),
            ..WheelReport::default()
        };
        let file = match &given.file {
            Ok(file) => file,
            Err(why) => {
                report.reasons.push(why.reason());
                return Some(report);
            }
        };
        report.tags = file.tags().collect();
        match &self.target {
            None => {}
            Some(Ok(target)) => report.reasons.extend(file.fits(target).err()),
            Some(Err(why)) => report.reasons.push(why.to_string()),
        }
        match file.verify() {
            Ok(()) => report.record_is_good = true,
            Err(why) => report.reasons.push(why.reason()),
        }
        let modules = std::mem::take(self.wheels.get_mut(wheel)?);
        report.notes = oddities(file, &modules);
        report.modules = modules.into_iter().map(|module| (module.path, module.would_load)).collect();
        Some(report)
    }
}

/// Why Python does not find an extension module under the name of its file; `None` for modules that it finds, and for other
/// libraries. A module is found in a file of its own name, and a package in a file `__init__` in a folder of its name
/// (`FileFinder.find_spec` of CPython's `importlib._bootstrap_external`).
fn not_imported(report: &ModuleReport, path: &str, target: &PythonTarget) -> Option<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let package = folder.rsplit('/').next().unwrap_or(folder);
    let mut modules = report.python_modules().peekable();
    let first = (*modules.peek()?).to_owned();
    let is_named = |stem: &str| {
        let suffix = file.strip_prefix(stem);
        suffix.is_some_and(|suffix| target.extension_suffixes().any(|known| known == suffix))
    };
    let is_found = |module: &str| is_named(module) || module == package && is_named(PACKAGE_STEM);
    if modules.any(is_found) {
        return None;
    }
    let names: Vec<String> = target.extension_suffixes().map(|suffix| format!("{first}{suffix}")).collect();
    Some(format!(
        "{}: Python does not find module `{first}` in a file of this name; it looks for {}",
        report.path,
        names.join(", ")
    ))
}

/// What in a wheel does not match its tags, though it is not a reason to refuse the wheel.
fn oddities(file: &WheelFile, modules: &[Inspected]) -> Vec<String> {
    let mut notes = Vec::new();
    let tags: Vec<String> = file.tags().collect();
    if let Some(inner) = file.differing_tags() {
        let inner = if inner.is_empty() { "none".to_owned() } else { inner.join(", ") };
        notes.push(format!("its WHEEL file has other tags than its name, which installers go by: {inner}"));
    }
    let is_generic = tags.iter().all(|tag| tag.ends_with("-any"));
    if is_generic && !modules.is_empty() {
        notes.push("it has side modules, and its tags say that it is for any platform".to_owned());
    }
    if !is_generic && modules.is_empty() {
        notes.push("its tags name a platform, and there is no side module in it".to_owned());
    }
    let is_emscripten =
        !is_generic && tags.iter().all(|tag| tag.ends_with("_wasm32") && !tag.contains("wasi"));
    for module in modules.iter().filter(|module| is_emscripten && module.family == Some(AbiFamily::Wasi)) {
        notes.push(format!("{} is compiled for WASI, and the tags say Emscripten", module.path));
    }
    notes
}

fn read_main(path: &Path) -> Outcome<Arc<MainModule>> {
    let name = path.display().to_string();
    let (_, bytes) = open(path, true)
        .and_then(read)
        .map_err(|error| Unreadable { path: name.clone(), why: error.to_string() })?;
    MainModule::parse(&name, &bytes)
        .map(Arc::new)
        .map_err(|error| Unreadable { path: name.clone(), why: error.to_string() })
}

/// Reports on stderr that a file cannot be read.
fn complain(error: &Unreadable) {
    say(&error.to_string());
}

/// Whether a terminal should be sent colour (no-color.org; `TERM` as in ncurses).
fn colour_is_welcome() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}
