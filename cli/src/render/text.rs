//! Owns how a report of `pydl deps` reads on a terminal and in a pipe: aligned columns, made for a width of 100. Must
//! not know where the report comes from.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use pydl_linker::{
    ExportKind, ExportReport, ImportKind, ImportReport, ModuleReport, Provider, SymbolProblem, abi,
};

/// Columns to make do with.
const WIDTH: usize = 100;
/// Columns for the names of facts.
const FACT_WIDTH: usize = 16;
/// Names that are longer than this don't move the column behind them.
const WIDEST_NAME: usize = 44;

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Writes a report.
pub fn write(out: &mut impl Write, report: &ModuleReport, colour: bool) -> io::Result<()> {
    let mut page = Page { out, colour };
    page.facts(report)?;
    page.imports(report)?;
    page.exports(report)?;
    page.verdict(report)
}

struct Page<'a, W> {
    out: &'a mut W,
    colour: bool,
}

/// One line of a table.
struct Row<'a> {
    /// Who provides it.
    mark: Option<Mark<'a>>,
    name: Cow<'a, str>,
    ty: Cow<'a, str>,
    /// A second line, below the type.
    note: Option<String>,
}

struct Mark<'a> {
    text: Cow<'a, str>,
    style: Style,
}

impl<W: Write> Page<'_, W> {
    fn facts(&mut self, report: &ModuleReport) -> io::Result<()> {
        let path = printable(&report.path);
        let path = self.paint(HEADING, &path);
        writeln!(self.out, "{path}")?;
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
        self.fact("Python modules", report.python_modules().map(printable))
    }

    /// A fact with its values, one a line.
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
            let members = report.imports.iter().filter(|i| ImportGroup::of(i) == group).collect();
            self.table(group.heading(), members, |import| import_row(import, group))?;
        }
        Ok(())
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
        self.table("Exported functions", functions, export_row)?;
        self.table("Exported data", data, export_row)?;
        self.table("Other exports", others, export_row)
    }

    /// A heading with the number of items, and a line for each, by name. Nothing when there is none.
    fn table<'r, T>(
        &mut self,
        heading: &str,
        mut items: Vec<&'r T>,
        row: impl Fn(&'r T) -> Row<'r>,
    ) -> io::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        items.sort_by_cached_key(|item| row(item).name);
        let mut mark_width = 0;
        let mut name_width = 0;
        for item in &items {
            let Row { mark, name, .. } = row(item);
            mark_width = mark_width.max(mark.map_or(0, |mark| columns(&mark.text) + 2));
            let width = columns(&name);
            if width <= WIDEST_NAME {
                name_width = name_width.max(width);
            }
        }
        let heading = self.paint(HEADING, heading);
        writeln!(self.out, "\n  {heading} ({})", items.len())?;
        for item in items {
            self.row(&row(item), mark_width, name_width)?;
        }
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>, mark_width: usize, name_width: usize) -> io::Result<()> {
        let Row { mark, name, ty, note } = row;
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
        match note {
            Some(note) => self.folded(note, behind),
            None => Ok(()),
        }
    }

    /// Lines of their own, from column `indent` on.
    fn folded(&mut self, text: &str, indent: usize) -> io::Result<()> {
        for part in fold(text, WIDTH.saturating_sub(indent)) {
            writeln!(self.out, "{:indent$}{part}", "")?;
        }
        Ok(())
    }

    /// The reasons against a load, and last the verdict.
    fn verdict(&mut self, report: &ModuleReport) -> io::Result<()> {
        let reasons = report.reasons().count();
        if reasons > 0 {
            let heading = self.paint(HEADING, "Reasons against loading it");
            writeln!(self.out, "\n  {heading} ({reasons})")?;
        }
        for reason in report.reasons() {
            for line in reason.lines() {
                self.reason(line)?;
            }
        }
        let main = report.checked_against.as_deref().map(printable);
        let (style, verdict) = match (report.would_load(), main) {
            (Some(true), Some(main)) => (GOOD, format!("would load into {main}")),
            (Some(false), Some(main)) => {
                (BAD, format!("would not load into {main}: {}", count(reasons, "reason")))
            }
            (Some(false), None) => (BAD, format!("would not load: {}", count(reasons, "reason"))),
            _ => (HEADING, "nothing was checked against a main module (see --main)".to_owned()),
        };
        let verdict = self.paint(style, &verdict);
        writeln!(self.out, "\n  {verdict}")
    }

    /// A line of a reason, folded, with the indent it has in the reason.
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

/// What imports are grouped by.
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
        Some(Provider::Missing(problem)) => Some(problem),
        _ => None,
    };
    let (ty, note) = match problem {
        Some(SymbolProblem::WrongType { wanted, definer, found, .. }) => (
            format!("needs {}", printable(wanted)),
            Some(format!("{} has {}", printable(definer), printable(found))),
        ),
        _ => (ty, None),
    };
    Row { mark: report.provider.as_ref().map(mark), name, ty: ty.into(), note }
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
        Provider::Loader => plain("loader"),
        Provider::UndefinedUntilCalled => {
            Mark { text: Cow::Borrowed("nobody, until called"), style: DOUBTFUL }
        }
        Provider::WeakUndefined => Mark { text: Cow::Borrowed("weak, undefined"), style: DOUBTFUL },
        Provider::Missing(SymbolProblem::WrongType { .. }) => bad("WRONG TYPE"),
        Provider::Missing(SymbolProblem::Unsupported { .. }) => bad("UNSUPPORTED"),
        Provider::Missing(_) => bad("MISSING"),
    }
}

fn export_row(report: &ExportReport) -> Row<'_> {
    let ty = match (&report.export.kind, report.external_type()) {
        (ExportKind::Data { offset }, _) => format!("offset {offset}"),
        (_, Some(kind)) => external_type(&kind),
        (_, None) => String::new(),
    };
    Row { mark: None, name: printable(&report.name), ty: ty.into(), note: None }
}

fn external_type(kind: &ImportKind) -> String {
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

/// The NEEDED entries, with what is to be said of each.
fn needed(report: &ModuleReport) -> impl Iterator<Item = String> {
    let missing = report.needed_missing.iter().filter(|m| m.requester.as_deref() == Some(&report.path));
    let missing: BTreeSet<&str> = missing.map(|missing| missing.name.as_str()).collect();
    report.needed.iter().map(move |name| {
        let remark = match () {
            () if missing.contains(name.as_str()) => " (MISSING: not among the files)",
            () if abi::is_in_main(name) => " (part of every main module)",
            () => "",
        };
        format!("{}{remark}", printable(name))
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

/// Text of a file as a terminal may see it: characters that act on the terminal, or on the order of what is read, are
/// shown as escapes.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
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
    use crate::commands::deps::sample;

    fn text(colour: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, &sample::report().1, colour).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_tells_everything_and_ends_in_the_verdict() {
        assert_eq!(
            text(false),
            r"dir/sample.so
  kind            side module
  memory          20 bytes, alignment 4
  table           1 slot, alignment 1
  needed          libz.so (MISSING: not among the files)
  runtime path    none
  ABI             WASI: it imports `GOT.mem.errno`
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

  would not load into main.wasm: 4 reasons
"
        );
    }

    #[test]
    fn colour_changes_no_text() {
        let mut plain = String::new();
        let coloured = text(true);
        for (number, part) in coloured.split("\x1b[").enumerate() {
            plain.push_str(if number == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_ne!(coloured, plain);
        assert_eq!(text(false), plain);
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
