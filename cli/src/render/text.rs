//! Owns how a report of `pydl deps` reads on a terminal and in a pipe: aligned columns, made for a width of 100. Must not know
//! where the report comes from.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use pydl_linker::{
    ExceptionStyle, ExportKind, ExportReport, ImportKind, ImportReport, ModuleReport, Provider,
    SymbolDefinition, SymbolDifference, SymbolProblem, SymbolReport, abi,
};
use pydl_loader::demangled;

use crate::render::parts::in_parts;
use crate::reports::{Report, WheelReport};

/// The number of columns that a report is made for.
const WIDTH: usize = 100;
/// Columns for the names of facts.
const FACT_WIDTH: usize = 16;
/// Names that are longer than this do not move the column after them.
const WIDEST_NAME: usize = 44;

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// How much of a report is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Everything: a line for each import and export.
    All,
    /// What a file is, how many imports each provider has, and what is wrong.
    Summary,
    /// What is wrong, and one line for the verdict.
    Verdict,
}

impl Detail {
    /// How many lines of a list, or reasons, are written before the rest are only counted.
    fn most(self) -> usize {
        match self {
            Detail::All => usize::MAX,
            Detail::Summary => 20,
            Detail::Verdict => 5,
        }
    }
}

/// Writes a report.
pub fn write(out: &mut impl Write, report: &Report, detail: Detail, colour: bool) -> io::Result<()> {
    let mut page = Page { out, colour, detail };
    match report {
        Report::Module(report) => page.module(report),
        Report::Wheel(report) => page.wheel(report),
        Report::Symbol(report) => page.symbol(report),
    }
}

/// Writes what a rebuilt module adds, drops and changes: a line for each symbol.
pub fn write_difference(out: &mut impl Write, difference: &SymbolDifference) -> io::Result<()> {
    let shown = |name: &str| match demangled(name) {
        Some(readable) => format!("{} ({})", printable(name), printable(&readable)),
        None => printable(name).into_owned(),
    };
    for (name, was) in &difference.dropped {
        writeln!(out, "- {}: {was}", shown(name))?;
    }
    for (name, was, is) in &difference.changed {
        writeln!(out, "! {}: {was}, now {is}", shown(name))?;
    }
    for (name, is) in &difference.added {
        writeln!(out, "+ {}: {is}", shown(name))?;
    }
    let SymbolDifference { added, dropped, changed } = difference;
    writeln!(out, "{} dropped, {} changed, {} added", dropped.len(), changed.len(), added.len())
}

struct Page<'a, W> {
    out: &'a mut W,
    colour: bool,
    detail: Detail,
}

/// One line of a table.
struct Row<'a> {
    /// The provider of the import.
    mark: Option<Mark<'a>>,
    name: Cow<'a, str>,
    ty: Cow<'a, str>,
    /// The name as it is in the file; its readable form is shown below.
    raw: &'a str,
    /// A second line, below the type.
    note: Option<String>,
}

struct Mark<'a> {
    text: Cow<'a, str>,
    style: Style,
}

impl<W: Write> Page<'_, W> {
    fn module(&mut self, report: &ModuleReport) -> io::Result<()> {
        let reasons: Vec<String> = report.reasons().collect();
        match self.detail {
            Detail::All | Detail::Summary => {
                self.facts(report)?;
                self.imports(report)?;
                self.exports(report)?;
            }
            Detail::Verdict if reasons.is_empty() => {}
            Detail::Verdict => self.heading(&report.path)?,
        }
        self.reasons(&reasons)?;
        if self.detail != Detail::Verdict || !reasons.is_empty() {
            writeln!(self.out)?;
        }
        self.verdict(&report.path, report.would_load(), report.checked_against.as_deref(), &reasons)
    }

    fn wheel(&mut self, report: &WheelReport) -> io::Result<()> {
        self.heading(&report.path)?;
        self.fact("kind", ["wheel"])?;
        self.fact("tags", report.tags.iter().map(|tag| printable(tag)))?;
        self.fact("RECORD", [if report.record_is_good { "good" } else { "not good" }])?;
        let failing: Vec<&str> = report.failing().collect();
        let modules = count(report.modules.len(), "side module");
        match failing.len() {
            0 if report.checked_against.is_some() && !report.modules.is_empty() => {
                let all = if report.modules.len() == 1 { "which loads" } else { "all of which load" };
                self.fact("contents", [format!("{modules}, {all}")])?;
            }
            0 => self.fact("contents", [modules])?,
            bad => self.fact("contents", [format!("{modules}, {bad} of which do not load")])?,
        }
        for note in &report.notes {
            self.fact("note", [printable(note)])?;
        }
        self.reasons(&report.reasons)?;
        let of_modules = match failing.as_slice() {
            [] => None,
            [one] => Some(format!("{one} does not")),
            several => Some(format!("{} do not", count(several.len(), "side module"))),
        };
        let reasons: Vec<String> = report.reasons.iter().cloned().chain(of_modules).collect();
        writeln!(self.out)?;
        self.verdict(&report.path, report.would_load(), report.checked_against.as_deref(), &reasons)
    }

    /// Writes which modules need a symbol, and which have it.
    fn symbol(&mut self, report: &SymbolReport) -> io::Result<()> {
        let name = printable(&report.symbol);
        let readable = demangled(&report.symbol).map(|name| format!(" ({})", printable(&name)));
        let heading =
            format!("{name}{} in the load of {}", readable.unwrap_or_default(), printable(&report.path));
        let heading = self.paint(HEADING, &heading);
        writeln!(self.out, "{heading}")?;
        let uses = report.uses.iter().map(|used| {
            let weak = if used.weak { ", weak" } else { "" };
            let end = match (&used.provider, &used.problem) {
                (Some(provider), _) => format!("gets that of {provider}"),
                (None, Some(problem)) => problem.clone(),
                (None, None) if report.definitions.is_empty() && report.of_javascript => {
                    "only JavaScript has it: a call fails".to_owned()
                }
                (None, None) if report.definitions.is_empty() && report.of_host => {
                    "gets that of the host".to_owned()
                }
                (None, None) if report.definitions.is_empty() && used.weak => {
                    "gets none, as it may".to_owned()
                }
                (None, None) if report.definitions.is_empty() => {
                    "gets none now: a call looks for it, and fails without".to_owned()
                }
                (None, None) => "gets one that the loader makes".to_owned(),
            };
            format!("{} ({}{weak}): {end}", used.path, used.wanted)
        });
        self.fact("needed by", uses.map(|line| printable(&line).into_owned()))?;
        let is_taken = |found: &SymbolDefinition| {
            report.uses.iter().any(|used| used.provider.as_ref() == Some(&found.path))
        };
        let definitions = report.definitions.iter().enumerate().map(|(position, found)| {
            let shadowed = match position {
                _ if is_taken(found) => "",
                0 if report.definitions.iter().any(is_taken) => ", which is not what is needed",
                0 => "",
                _ => ", shadowed by the first",
            };
            format!("{} ({}){shadowed}", printable(&found.path), printable(&found.kind))
        });
        self.fact("defined by", definitions)
    }

    fn heading(&mut self, path: &str) -> io::Result<()> {
        let path = printable(path);
        let path = self.paint(HEADING, &path);
        writeln!(self.out, "{path}")
    }

    fn facts(&mut self, report: &ModuleReport) -> io::Result<()> {
        self.heading(&report.path)?;
        match &report.not_a_side_module {
            None => self.fact("kind", ["side module"])?,
            Some(why) => self.fact("kind", [format!("not a side module: {}", printable(why))])?,
        }
        if report.not_a_side_module.is_none() {
            let memory = &report.memory;
            let need = |size, alignment, unit: &str| match size {
                0 => "none".to_owned(),
                _ => format!("{}, alignment {alignment}", count(size, unit)),
            };
            self.fact("memory", [need(memory.memory_size, memory.memory_alignment.get(), "byte")])?;
            self.fact("table", [need(memory.table_size.get(), memory.table_alignment.get(), "slot")])?;
            self.fact("needed", needed(report))?;
            self.fact("runtime path", report.runtime_path.iter().map(|folder| printable(folder)))?;
        }
        let evidence = report.abi.as_ref().map(|abi| format!("{}: {}", abi.family, printable(&abi.because)));
        self.fact("ABI", [evidence.as_deref().unwrap_or("nothing shows it")])?;
        let exceptions = match report.facts.exceptions {
            ExceptionStyle::None => "none",
            ExceptionStyle::JavaScript => "left to JavaScript (invoke_*)",
            ExceptionStyle::Legacy => "legacy instructions (try, catch)",
            ExceptionStyle::Standard => "instructions of the standard (try_table, exnref)",
            ExceptionStyle::OnlyThrows => "thrown, never caught",
        };
        self.fact("exceptions", [exceptions])?;
        let used = report.facts.used().collect::<Vec<_>>().join(", ");
        let used = if used.is_empty() { "none".to_owned() } else { used };
        let allowed = match &report.facts.allowed {
            Some(allowed) => printable(&allowed.join(", ")).into_owned(),
            None => "not recorded".to_owned(),
        };
        self.fact("features", [format!("used: {used}"), format!("allowed to the compiler: {allowed}")])?;
        let tools = report.facts.producers.iter().filter(|tool| tool.role != "language");
        let tools = tools.map(|tool| format!("{} {}", tool.name, tool.version));
        self.fact("toolchain", tools.map(|tool| printable(tool.trim_end()).into_owned()))?;
        self.fact("Python modules", report.python_modules().map(printable))
    }

    /// Writes a fact with its values, one per line.
    fn fact<V: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = V>) -> io::Result<()> {
        let mut label = name;
        for value in values {
            for line in fold(value.as_ref(), WIDTH - 2 - FACT_WIDTH) {
                writeln!(self.out, "  {label:FACT_WIDTH$}{line}")?;
                label = "";
            }
        }
        if label.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  {label:FACT_WIDTH$}none")
    }

    fn imports(&mut self, report: &ModuleReport) -> io::Result<()> {
        for group in ImportGroup::ALL {
            let members: Vec<_> = report.imports.iter().filter(|i| ImportGroup::of(i) == group).collect();
            let row = |import| import_row(import, group);
            if self.detail == Detail::All {
                self.table(group.heading(), members, row)?;
            } else {
                self.doubtful_imports(group.heading(), &members, row)?;
            }
        }
        Ok(())
    }

    /// Writes how many imports each provider has, and a line for each import without a provider.
    fn doubtful_imports<'r>(
        &mut self,
        heading: &str,
        imports: &[&'r ImportReport],
        row: impl Fn(&'r ImportReport) -> Row<'r>,
    ) -> io::Result<()> {
        if imports.is_empty() {
            return Ok(());
        }
        let mut counts: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
        for provider in imports.iter().filter_map(|import| import.provider.as_ref()) {
            *counts.entry(mark(provider).text).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let counts = counts.iter().map(|(provider, count)| format!("{count} {provider}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let counts = if counts.is_empty() { counts } else { format!(": {counts}") };
        let painted = self.paint(HEADING, heading);
        let line = format!("{heading} ({}){counts}", imports.len());
        for (number, part) in fold(&line, WIDTH - 4).into_iter().enumerate() {
            match number {
                0 => writeln!(self.out, "\n  {painted}{}", part.strip_prefix(heading).unwrap_or(part))?,
                _ => writeln!(self.out, "    {part}")?,
            }
        }
        let is_doubtful = |import: &&&ImportReport| {
            import.provider.as_ref().is_some_and(|it| mark(it).style != Style::new())
        };
        self.rows(imports.iter().filter(is_doubtful).map(|import| row(import)).collect())
    }

    fn exports(&mut self, report: &ModuleReport) -> io::Result<()> {
        let mut functions = Vec::new();
        let mut data = Vec::new();
        let mut others = Vec::new();
        for export in &report.exports {
            match export.export.kind {
                ExportKind::Function { .. } => functions.push(export),
                ExportKind::Data { .. } => data.push(export),
                _ => others.push(export),
            }
        }
        if self.detail != Detail::All {
            let counts =
                [(functions.len(), "function"), (data.len(), "data symbol"), (others.len(), "other")];
            let counts = counts.iter().filter(|(number, _)| *number > 0);
            let counts = counts.map(|(number, unit)| count(*number, unit)).collect::<Vec<_>>().join(", ");
            let heading = self.paint(HEADING, "Exports");
            let counts = if counts.is_empty() { "none".to_owned() } else { counts };
            return writeln!(self.out, "\n  {heading}: {counts}");
        }
        self.table("Exported functions", functions, export_row)?;
        self.table("Exported data", data, export_row)?;
        self.table("Other exports", others, export_row)
    }

    /// Writes a heading with the number of items, and a line for each, sorted by name; nothing when there are none.
    fn table<'r, T>(
        &mut self,
        heading: &str,
        items: Vec<&'r T>,
        row: impl Fn(&'r T) -> Row<'r>,
    ) -> io::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let heading = self.paint(HEADING, heading);
        writeln!(self.out, "\n  {heading} ({})", items.len())?;
        self.rows(items.into_iter().map(row).collect())
    }

    /// Writes a line for each row, sorted by name; after the maximum, how many are left out.
    fn rows(&mut self, mut rows: Vec<Row<'_>>) -> io::Result<()> {
        let most = self.detail.most();
        let left_out = rows.len().saturating_sub(most);
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        rows.truncate(most);
        let mut mark_width = 0;
        let mut name_width = 0;
        for Row { mark, name, .. } in &rows {
            mark_width = mark_width.max(mark.as_ref().map_or(0, |mark| columns(&mark.text) + 2));
            let width = columns(name);
            if width <= WIDEST_NAME {
                name_width = name_width.max(width);
            }
        }
        let (colour, detail) = (self.colour, self.detail);
        let mut texts = in_parts(&rows, |rows| {
            let mut out = Vec::new();
            let mut page = Page { out: &mut out, colour, detail };
            rows.iter().try_for_each(|row| page.row(row, mark_width, name_width)).map(|()| out)
        });
        texts.try_for_each(|text| self.out.write_all(&text?))?;
        self.left_out(left_out)
    }

    /// Writes how many more there are.
    fn left_out(&mut self, number: usize) -> io::Result<()> {
        match number {
            0 => Ok(()),
            _ => writeln!(self.out, "    and {number} more (--all lists them)"),
        }
    }

    fn row(&mut self, row: &Row<'_>, mark_width: usize, name_width: usize) -> io::Result<()> {
        let Row { mark, name, ty, raw, note } = row;
        write!(self.out, "    ")?;
        if let Some(Mark { text, style }) = mark {
            let padding = mark_width.saturating_sub(columns(text));
            let text = self.paint(*style, text);
            write!(self.out, "{text}{:padding$}", "")?;
        }
        let mut behind = mark_width + 4 + name_width + 2;
        if ty.is_empty() {
            writeln!(self.out, "{name}")?;
        } else if columns(name) <= name_width && behind + columns(ty) <= WIDTH {
            writeln!(self.out, "{name:name_width$}  {ty}")?;
        } else if mark_width + 4 + columns(name) + 2 + columns(ty) <= WIDTH {
            writeln!(self.out, "{name}  {ty}")?;
        } else {
            writeln!(self.out, "{name}")?;
            behind = mark_width + 4 + 2;
            self.folded(ty, behind)?;
        }
        if let Some(note) = note {
            self.folded(note, behind)?;
        }
        match readable(raw) {
            Some(readable) => self.folded(&format!("= {readable}"), mark_width + 4 + 2),
            None => Ok(()),
        }
    }

    /// Writes text on lines of its own, starting at column `indent`.
    fn folded(&mut self, text: &str, indent: usize) -> io::Result<()> {
        for part in fold(text, WIDTH.saturating_sub(indent)) {
            writeln!(self.out, "{:indent$}{part}", "")?;
        }
        Ok(())
    }

    /// Writes the reasons against a load.
    fn reasons(&mut self, reasons: &[String]) -> io::Result<()> {
        if reasons.is_empty() {
            return Ok(());
        }
        let heading = self.paint(HEADING, "Reasons against loading it");
        writeln!(self.out, "\n  {heading} ({})", reasons.len())?;
        let most = self.detail.most();
        for reason in reasons.iter().take(most) {
            for line in reason.lines() {
                self.reason(line)?;
            }
            self.readable_names(reason)?;
        }
        self.left_out(reasons.len().saturating_sub(most))
    }

    /// Writes the readable forms of the C++ and Rust names in a reason.
    fn readable_names(&mut self, reason: &str) -> io::Result<()> {
        for name in reason.split('`').skip(1).step_by(2) {
            if let Some(readable) = demangled(name) {
                self.reason(&format!("  = {readable}"))?;
            }
        }
        Ok(())
    }

    /// Writes one line that says everything, not folded: `PATH: loads into MAIN`.
    fn verdict(
        &mut self,
        path: &str,
        would_load: Option<bool>,
        main: Option<&str>,
        reasons: &[String],
    ) -> io::Result<()> {
        let main = main.map(|main| format!(" into {}", printable(main))).unwrap_or_default();
        let why = match reasons {
            [one] => one.lines().next().unwrap_or_default().trim_end_matches(':').to_owned(),
            several => count(several.len(), "reason"),
        };
        // The path is on the line already.
        let why = why.strip_prefix(path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&why);
        let (style, verdict) = match would_load {
            Some(true) => (GOOD, format!("loads{main}")),
            Some(false) => (BAD, format!("does not load{main}: {}", printable(why))),
            None => (HEADING, "nothing was checked against a main module (see --main)".to_owned()),
        };
        let verdict = self.paint(style, &verdict);
        writeln!(self.out, "  {}: {verdict}", printable(path))
    }

    /// Writes a line of a reason, folded, with the indent that it has in the reason.
    fn reason(&mut self, line: &str) -> io::Result<()> {
        let text = line.trim_start_matches(' ');
        let mut indent = 4 + (line.len() - text.len()).min(4);
        for (number, part) in fold(text, WIDTH - 2 - indent).into_iter().enumerate() {
            if number == 1 {
                indent += 2;
            }
            writeln!(self.out, "{:indent$}{}", "", printable(part))?;
        }
        Ok(())
    }

    fn paint<'t>(&self, style: Style, text: &'t str) -> Cow<'t, str> {
        if self.colour { Cow::Owned(format!("{style}{text}{style:#}")) } else { Cow::Borrowed(text) }
    }
}

/// The groups of imports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ImportGroup {
    Functions,
    Data,
    FunctionAddresses,
    HostFunctions,
    Others,
}

impl ImportGroup {
    const ALL: [ImportGroup; 5] = [
        ImportGroup::Functions,
        ImportGroup::Data,
        ImportGroup::FunctionAddresses,
        ImportGroup::HostFunctions,
        ImportGroup::Others,
    ];

    fn of(report: &ImportReport) -> ImportGroup {
        match (report.import.module.as_str(), &report.import.kind) {
            (abi::ENV, ImportKind::Function(_)) => ImportGroup::Functions,
            (abi::GOT_MEM, ImportKind::Global(_)) => ImportGroup::Data,
            (abi::GOT_FUNC, ImportKind::Global(_)) => ImportGroup::FunctionAddresses,
            (_, ImportKind::Function(_)) => ImportGroup::HostFunctions,
            _ => ImportGroup::Others,
        }
    }

    fn heading(self) -> &'static str {
        match self {
            ImportGroup::Functions => "Imported functions, env",
            ImportGroup::Data => "Imported data, GOT.mem",
            ImportGroup::FunctionAddresses => "Imported functions by address, GOT.func",
            ImportGroup::HostFunctions => "Imported host functions",
            ImportGroup::Others => "Other imports: memory, table, globals, tags",
        }
    }
}

fn import_row(report: &ImportReport, group: ImportGroup) -> Row<'_> {
    let import = &report.import;
    let name = printable(&import.name);
    let name = match group {
        ImportGroup::HostFunctions | ImportGroup::Others => {
            Cow::Owned(format!("{}.{name}", printable(&import.module)))
        }
        _ => name,
    };
    // A GOT cell has the same type for every symbol.
    let ty = match group {
        ImportGroup::Data | ImportGroup::FunctionAddresses => String::new(),
        _ => external_type(&import.kind),
    };
    let weak = report.weak && report.provider != Some(Provider::WeakUndefined);
    let ty = match (weak, ty.is_empty()) {
        (false, _) => ty,
        (true, true) => "weak".to_owned(),
        (true, false) => format!("{ty}, weak"),
    };
    let problem = match &report.provider {
        Some(Provider::Missing(problem)) => Some(&**problem),
        _ => None,
    };
    let (ty, note) = match problem {
        Some(SymbolProblem::WrongType { wanted, definer, found, .. }) => (
            format!("needs {}", printable(wanted)),
            Some(format!("{} has {}", printable(definer), printable(found))),
        ),
        _ => (ty, None),
    };
    Row { mark: report.provider.as_ref().map(mark), name, ty: ty.into(), raw: &import.name, note }
}

fn mark(provider: &Provider) -> Mark<'_> {
    let plain = |text| Mark { text: Cow::Borrowed(text), style: Style::new() };
    let bad = |text| Mark { text: Cow::Borrowed(text), style: BAD };
    match provider {
        Provider::Main => plain("main"),
        Provider::Itself => plain("itself"),
        Provider::Library(path) => {
            Mark { text: printable(path.rsplit('/').next().unwrap_or(path)), style: Style::new() }
        }
        Provider::Host => plain("host"),
        Provider::JavaScript => Mark { text: Cow::Borrowed("JavaScript"), style: DOUBTFUL },
        Provider::Loader => plain("loader"),
        Provider::UndefinedUntilCalled => {
            Mark { text: Cow::Borrowed("nobody, until called"), style: DOUBTFUL }
        }
        Provider::WeakUndefined => Mark { text: Cow::Borrowed("weak, undefined"), style: DOUBTFUL },
        Provider::Missing(problem) => match **problem {
            SymbolProblem::WrongType { .. } => bad("WRONG TYPE"),
            SymbolProblem::Unsupported { .. } => bad("UNSUPPORTED"),
            SymbolProblem::Undefined { .. } | SymbolProblem::UnknownImportModule { .. } => bad("MISSING"),
        },
    }
}

fn export_row(report: &ExportReport) -> Row<'_> {
    let ty = match (&report.export.kind, report.external_type()) {
        (ExportKind::Data { offset }, _) => format!("offset {offset}"),
        (_, Some(kind)) => external_type(&kind),
        (_, None) => String::new(),
    };
    Row { mark: None, name: printable(&report.name), ty: ty.into(), raw: &report.name, note: None }
}

/// The readable form of a name, if it is a C++ or Rust name.
fn readable(name: &str) -> Option<String> {
    demangled(name).map(|name| printable(&name).into_owned())
}

/// A type, as `(i32) -> i32` or `mutable global i32`.
pub fn external_type(kind: &ImportKind) -> String {
    match kind {
        ImportKind::Function(signature) => signature.to_string(),
        ImportKind::Tag(signature) => format!("tag {signature}"),
        ImportKind::Global(ty) => {
            format!("{}global {}", if ty.mutable { "mutable " } else { "" }, ty.content_type)
        }
        ImportKind::Memory(ty) => format!(
            "{}{}memory, {}",
            if ty.shared { "shared " } else { "" },
            if ty.memory64 { "64-bit " } else { "" },
            limits(ty.initial, ty.maximum, "page"),
        ),
        ImportKind::Table(ty) => format!(
            "{}{}table of {}, {}",
            if ty.shared { "shared " } else { "" },
            if ty.table64 { "64-bit " } else { "" },
            ty.element_type,
            limits(ty.initial, ty.maximum, "slot"),
        ),
    }
}

fn limits(minimum: u64, maximum: Option<u64>, unit: &str) -> String {
    match maximum {
        None => format!("{} or more", count(minimum, unit)),
        Some(maximum) if maximum == minimum => count(minimum, unit),
        Some(maximum) => format!("{minimum} to {}", count(maximum, unit)),
    }
}

/// The NEEDED entries, each with remarks.
fn needed(report: &ModuleReport) -> impl Iterator<Item = String> {
    let missing = report.needed_missing.iter().filter(|m| m.requester.as_deref() == Some(&report.path));
    let missing: BTreeSet<&str> = missing.map(|missing| missing.name.as_str()).collect();
    report.needed.iter().map(move |name| {
        let remark = match () {
            () if missing.contains(name.as_str()) => " (MISSING: not found)",
            () if abi::is_in_main(name) => " (part of every main module)",
            () if abi::python_of(name).is_some() => " (part of main modules that are this Python)",
            () => "",
        };
        let entries = 1 + report.repeated_needed.iter().filter(|other| *other == name).count();
        let entries = if entries > 1 { format!(" ({entries} entries)") } else { String::new() };
        format!("{}{entries}{remark}", printable(name))
    })
}

fn count(number: impl TryInto<u64>, unit: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a line at spaces into lines of at most `width` columns; longer words stay whole.
fn fold(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut begin, mut end, mut used) = (0, 0, 0);
    let mut next = 0;
    for word in text.split(' ') {
        let this = next;
        next += word.len() + 1;
        let more = columns(word);
        if end > begin && used + 1 + more > width {
            lines.push(&text[begin..end]);
            begin = this;
            used = more;
        } else {
            used += usize::from(this > 0) + more;
        }
        end = this + word.len();
    }
    lines.push(&text[begin..end]);
    lines
}

/// Text from a file, made safe for a terminal: characters that affect the terminal or the order of what is read, and those that
/// XML does not have, are shown as escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    // This covers most names, and is quicker to check.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::sample;

    fn text(detail: Detail, colour: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, &Report::Module(sample::report().1), detail, colour).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_tells_everything_and_ends_in_the_verdict() {
        assert_eq!(
            text(Detail::All, false),
            r"dir/sample.so
  kind            side module
  memory          20 bytes, alignment 4
  table           1 slot, alignment 1
  needed          libz.so (MISSING: not found)
  runtime path    none
  ABI             WASI: it imports `GOT.mem.errno`
  exceptions      none
  features        used: mutable-globals
                  allowed to the compiler: not recorded
  toolchain       none
  Python modules  sample

  Imported functions, env (3)
    WRONG TYPE       changed        needs function (i32) -> i32
                                    main.wasm has function () -> i32
    weak, undefined  hook           (i32) -> i32
    MISSING          lost\u{1b}[2J  () -> i32

  Imported data, GOT.mem (1)
    main  errno

  Other imports: memory, table, globals, tags (1)
    loader  env.memory  memory, 1 page or more

  Exported functions (1)
    PyInit_sample  () -> i32

  Exported data (1)
    digits  offset 8

  Reasons against loading it (4)
    main.wasm cannot load libraries:
      it exports no memory `memory`: link it without --import-memory, or with --export-memory
      it exports no function table `__indirect_function_table`: link with -Wl,--export-table
      it exports no mutable global `__stack_pointer` (--export-all does not either): link with
        -Wl,--export=__stack_pointer
      it exports no allocator (`aligned_alloc`, `malloc` and `free`): link with -Wl,--export-all
        and -Wl,--whole-archive -lc -Wl,--no-whole-archive; Emscripten programs with -sMAIN_MODULE
      it imports nothing from `pydl_dlfcn_v1`, so it has no working dlopen: compile and link
        pydl's libdl.c (loader/guest/wasi) into it
      it does not export `pydl_read_file`: link pydl's libdl.c (loader/guest/wasi) with
        -Wl,--export-all or -Wl,--export=pydl_read_file
    dir/sample.so: needs libz.so, which is not among the given files
    undefined symbol `lost\u{1b}[2J` (function () -> i32), needed by dir/sample.so: neither the main
      module nor a library in scope exports it
    symbol `changed` has another type: dir/sample.so needs function (i32) -> i32, and main.wasm
      has function () -> i32

  dir/sample.so: does not load into main.wasm: 4 reasons
"
        );
    }

    #[test]
    fn a_summary_counts_what_is_good() {
        let text = text(Detail::Summary, false);
        let (_, imports) = text.split_once("Python modules  sample\n").unwrap();
        let (imports, _) = imports.split_once("\n  Reasons").unwrap();
        assert_eq!(
            imports,
            r"
  Imported functions, env (3): 1 MISSING, 1 WRONG TYPE, 1 weak, undefined
    WRONG TYPE       changed        needs function (i32) -> i32
                                    main.wasm has function () -> i32
    weak, undefined  hook           (i32) -> i32
    MISSING          lost\u{1b}[2J  () -> i32

  Imported data, GOT.mem (1): 1 main

  Other imports: memory, table, globals, tags (1): 1 loader

  Exports: 1 function, 1 data symbol
"
        );
    }

    #[test]
    fn a_verdict_has_its_reasons() {
        let text = text(Detail::Verdict, false);
        assert!(text.starts_with("dir/sample.so\n\n  Reasons against loading it (4)\n"), "{text}");
        assert!(text.ends_with("\n\n  dir/sample.so: does not load into main.wasm: 4 reasons\n"), "{text}");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let (_, mut report) = sample::report();
        report.outside_reasons = (0..30).map(|number| format!("reason {number}")).collect();
        for (detail, more) in [(Detail::Summary, 14), (Detail::Verdict, 29)] {
            let mut out = Vec::new();
            write(&mut out, &Report::Module(report.clone()), detail, false).unwrap();
            let text = String::from_utf8(out).unwrap();
            let more = format!("    and {more} more (--all lists them)\n");
            assert!(text.contains(&more), "{text}");
        }
    }

    #[test]
    fn colour_changes_no_text() {
        let mut plain = String::new();
        let coloured = text(Detail::All, true);
        for (number, part) in coloured.split("\x1b[").enumerate() {
            plain.push_str(if number == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_ne!(coloured, plain);
        assert_eq!(text(Detail::All, false), plain);
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("one two three", 6), ["one", "two", "three"]);
        assert_eq!(fold("unbreakable is long", 5), ["unbreakable", "is", "long"]);
        assert_eq!(fold("", 5), [""]);
    }

    #[test]
    fn nothing_from_a_file_acts_on_the_terminal() {
        assert_eq!(printable("caf\u{e9} \u{1b}[2J\n"), "caf\u{e9} \\u{1b}[2J\\u{a}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }
}
