//! Owns the JSON of `pydl deps`, which docs/deps.md documents: names and meanings change only with `VERSION`. Must not
//! know where the reports come from.

use std::io::{self, Write};

use pydl_linker::{
    AbiEvidence, AbiFamily, ExportKind, ExportReport, ImportKind, ImportReport, MainModule, ModuleReport,
    Producer, Provider, SymbolDifference, SymbolProblem, SymbolReport,
};
use pydl_loader::demangled;
use serde::{Serialize, Serializer};

use crate::inputs::Unreadable;
use crate::render::parts::in_parts;
use crate::reports::{Report, WheelReport};

/// The version of the schema.
const VERSION: u32 = 1;

/// The document, on one line. Reports on files are written as they come: there may be thousands. The rest is short, and follows.
pub struct Document<'o, W> {
    out: &'o mut W,
    is_first: bool,
    wheels: Vec<WheelReport>,
    symbols: Vec<SymbolReport>,
    errors: Vec<Unreadable>,
}

impl<'o, W: Write> Document<'o, W> {
    /// Writes the beginning.
    pub fn begin(out: &'o mut W, main: Option<&MainModule>) -> io::Result<Document<'o, W>> {
        write!(out, r#"{{"version":{VERSION},"main":"#)?;
        serde_json::to_writer(&mut *out, &main.map(Main::of))?;
        write!(out, r#","files":["#)?;
        let (wheels, symbols, errors) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Document { out, is_first: true, wheels, symbols, errors })
    }

    /// Adds the report on one of the inputs.
    pub fn add(&mut self, report: Report) -> io::Result<()> {
        match report {
            Report::Module(report) => {
                if !std::mem::take(&mut self.is_first) {
                    write!(self.out, ",")?;
                }
                serde_json::to_writer(&mut *self.out, &File::of(&report))?;
            }
            Report::Wheel(report) => self.wheels.push(report),
            Report::Symbol(report) => self.symbols.push(report),
        }
        Ok(())
    }

    /// Adds a file that cannot be read.
    pub fn add_error(&mut self, error: Unreadable) {
        self.errors.push(error);
    }

    /// Writes the rest.
    pub fn end(self) -> io::Result<()> {
        let rest = Rest {
            wheels: self.wheels.iter().map(Wheel::of).collect(),
            symbols: self.symbols.iter().map(Story::of).collect(),
            errors: self.errors.iter().map(|file| Error { path: &file.path, message: &file.why }).collect(),
        };
        // The fields of one object continue where those of another ended.
        let rest = serde_json::to_string(&rest)?;
        writeln!(self.out, "],{}", rest.strip_prefix('{').unwrap_or_default())
    }
}

/// Writes what a rebuilt module adds, drops and changes, on one line.
pub fn write_difference(out: &mut impl Write, difference: &SymbolDifference) -> io::Result<()> {
    let one = |(name, kind): &(String, String), is_new: bool| {
        let (was, is) = if is_new { (None, Some(kind.clone())) } else { (Some(kind.clone()), None) };
        Changed { name: name.clone(), demangled: demangled(name), was, is }
    };
    let changed = difference.changed.iter().map(|(name, was, is)| Changed {
        name: name.clone(),
        demangled: demangled(name),
        was: Some(was.clone()),
        is: Some(is.clone()),
    });
    let document = Differences {
        version: VERSION,
        compatible: difference.is_compatible(),
        dropped: difference.dropped.iter().map(|symbol| one(symbol, false)).collect(),
        changed: changed.collect(),
        added: difference.added.iter().map(|symbol| one(symbol, true)).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Differences {
    version: u32,
    compatible: bool,
    dropped: Vec<Changed>,
    changed: Vec<Changed>,
    added: Vec<Changed>,
}

#[derive(Serialize)]
struct Changed {
    name: String,
    demangled: Option<String>,
    was: Option<String>,
    is: Option<String>,
}

#[derive(Serialize)]
struct Rest<'a> {
    wheels: Vec<Wheel<'a>>,
    symbols: Vec<Story<'a>>,
    errors: Vec<Error<'a>>,
}

#[derive(Serialize)]
struct Wheel<'a> {
    path: &'a str,
    tags: &'a [String],
    record_is_good: bool,
    modules: Vec<&'a str>,
    notes: &'a [String],
    would_load: Option<bool>,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct Story<'a> {
    name: &'a str,
    demangled: Option<String>,
    path: &'a str,
    uses: Vec<Use<'a>>,
    definitions: Vec<Definition<'a>>,
}

#[derive(Serialize)]
struct Use<'a> {
    path: &'a str,
    module: &'a str,
    wanted: &'a str,
    weak: bool,
    provider: Option<&'a str>,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct Definition<'a> {
    path: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
struct Main<'a> {
    path: &'a str,
    abi: Option<Abi<'a>>,
    defects: Vec<String>,
}

#[derive(Serialize)]
struct Error<'a> {
    path: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Abi<'a> {
    family: &'static str,
    evidence: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    side_module: bool,
    not_a_side_module: Option<&'a str>,
    abi: Option<Abi<'a>>,
    producers: Vec<Tool<'a>>,
    features: Option<&'a [String]>,
    features_used: Vec<&'static str>,
    exceptions: &'static str,
    memory: Option<Need>,
    table: Option<Need>,
    needed: &'a [String],
    needed_missing: Vec<NeededMissing<'a>>,
    runtime_path: &'a [String],
    python_modules: Vec<&'a str>,
    imports: Each<'a, ImportReport>,
    exports: Each<'a, ExportReport>,
    would_load: Option<bool>,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct Tool<'a> {
    role: &'a str,
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Need {
    size: u32,
    alignment: u32,
}

#[derive(Serialize)]
struct NeededMissing<'a> {
    name: &'a str,
    needed_by: Option<&'a str>,
}

/// A list whose elements are created one after the other as they are written: there may be a million.
struct Each<'a, T>(&'a [T]);

#[derive(Serialize)]
struct Import<'a> {
    module: &'a str,
    name: &'a str,
    demangled: Option<String>,
    kind: &'static str,
    r#type: Type,
    weak: bool,
    provider: Option<&'static str>,
    library: Option<&'a str>,
    problem: Option<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: String,
    wanted: Option<&'a str>,
    definer: Option<&'a str>,
    found: Option<&'a str>,
}

#[derive(Serialize)]
struct Export<'a> {
    name: &'a str,
    demangled: Option<String>,
    kind: &'static str,
    r#type: Option<Type>,
    offset: Option<u32>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Type {
    Function { params: Vec<String>, results: Vec<String> },
    Global { value: String, mutable: bool },
    Memory { minimum: u64, maximum: Option<u64>, shared: bool, memory64: bool },
    Table { element: String, minimum: u64, maximum: Option<u64>, shared: bool, table64: bool },
}

impl<'a> Main<'a> {
    fn of(main: &'a MainModule) -> Main<'a> {
        Main {
            path: main.name(),
            abi: main.abi().map(Abi::of),
            defects: main.defects().iter().map(ToString::to_string).collect(),
        }
    }
}

impl<'a> Abi<'a> {
    fn of(evidence: &'a AbiEvidence) -> Abi<'a> {
        let family = match evidence.family {
            AbiFamily::Wasi => "wasi",
            AbiFamily::Emscripten => "emscripten",
        };
        Abi { family, evidence: &evidence.because }
    }
}

impl<'a> Wheel<'a> {
    fn of(report: &'a WheelReport) -> Wheel<'a> {
        Wheel {
            path: &report.path,
            tags: &report.tags,
            record_is_good: report.record_is_good,
            modules: report.modules.iter().map(|(path, _)| path.as_str()).collect(),
            notes: &report.notes,
            would_load: report.would_load(),
            reasons: &report.reasons,
        }
    }
}

impl<'a> Story<'a> {
    fn of(report: &'a SymbolReport) -> Story<'a> {
        let uses = report.uses.iter().map(|used| Use {
            path: &used.path,
            module: &used.module,
            wanted: &used.wanted,
            weak: used.weak,
            provider: used.provider.as_deref(),
            problem: used.problem.as_deref(),
        });
        let definitions = report.definitions.iter();
        Story {
            name: &report.symbol,
            demangled: demangled(&report.symbol),
            path: &report.path,
            uses: uses.collect(),
            definitions: definitions
                .map(|found| Definition { path: &found.path, kind: &found.kind })
                .collect(),
        }
    }
}

impl<'a> Tool<'a> {
    fn of(producer: &'a Producer) -> Tool<'a> {
        Tool { role: &producer.role, name: &producer.name, version: &producer.version }
    }
}

impl<'a> File<'a> {
    fn of(report: &'a ModuleReport) -> File<'a> {
        let side_module = report.not_a_side_module.is_none();
        let need = |size, alignment| side_module.then_some(Need { size, alignment });
        let memory = &report.memory;
        let missing = report.needed_missing.iter();
        File {
            path: &report.path,
            side_module,
            not_a_side_module: report.not_a_side_module.as_deref(),
            abi: report.abi.as_ref().map(Abi::of),
            producers: report.facts.producers.iter().map(Tool::of).collect(),
            features: report.facts.allowed.as_deref(),
            features_used: report.facts.used().collect(),
            exceptions: report.facts.exceptions.word(),
            memory: need(memory.memory_size, memory.memory_alignment.get()),
            table: need(memory.table_size.get(), memory.table_alignment.get()),
            needed: &report.needed,
            needed_missing: missing
                .map(|missing| NeededMissing { name: &missing.name, needed_by: missing.requester.as_deref() })
                .collect(),
            runtime_path: &report.runtime_path,
            python_modules: report.python_modules().collect(),
            imports: Each(&report.imports),
            exports: Each(&report.exports),
            would_load: report.would_load(),
            reasons: report.reasons().collect(),
        }
    }
}

impl Serialize for Each<'_, ImportReport> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(in_parts(self.0, |part| part.iter().map(Import::of).collect::<Vec<_>>()).flatten())
    }
}

impl Serialize for Each<'_, ExportReport> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(in_parts(self.0, |part| part.iter().map(Export::of).collect::<Vec<_>>()).flatten())
    }
}

impl<'a> Import<'a> {
    fn of(report: &'a ImportReport) -> Import<'a> {
        let provider = report.provider.as_ref();
        Import {
            module: &report.import.module,
            name: &report.import.name,
            demangled: demangled(&report.import.name),
            kind: report.import.kind.word(),
            r#type: Type::of(&report.import.kind),
            weak: report.weak,
            provider: provider.map(provider_word),
            library: match provider {
                Some(Provider::Library(path)) => Some(path),
                _ => None,
            },
            problem: match provider {
                Some(Provider::Missing(problem)) => Some(Problem::of(problem)),
                _ => None,
            },
        }
    }
}

fn provider_word(provider: &Provider) -> &'static str {
    match provider {
        Provider::Main => "main",
        Provider::Itself => "itself",
        Provider::Library(_) => "library",
        Provider::Host => "host",
        Provider::JavaScript => "javascript",
        Provider::Loader => "loader",
        Provider::UndefinedUntilCalled => "undefined_until_called",
        Provider::WeakUndefined => "weak_undefined",
        Provider::Missing(problem) => match **problem {
            SymbolProblem::WrongType { .. } => "wrong_type",
            SymbolProblem::Unsupported { .. } => "unsupported",
            SymbolProblem::Undefined { .. } | SymbolProblem::UnknownImportModule { .. } => "missing",
        },
    }
}

impl<'a> Problem<'a> {
    fn of(problem: &'a SymbolProblem) -> Problem<'a> {
        let (wanted, definer, found) = match problem {
            SymbolProblem::Undefined { wanted, .. } => (Some(wanted.as_str()), None, None),
            SymbolProblem::WrongType { wanted, definer, found, .. } => {
                (Some(wanted.as_str()), Some(definer.as_str()), Some(found.as_str()))
            }
            SymbolProblem::UnknownImportModule { .. } | SymbolProblem::Unsupported { .. } => {
                (None, None, None)
            }
        };
        Problem { message: problem.to_string(), wanted, definer, found }
    }
}

impl<'a> Export<'a> {
    fn of(report: &'a ExportReport) -> Export<'a> {
        Export {
            name: &report.name,
            demangled: demangled(&report.name),
            kind: report.export.kind.word(),
            r#type: report.external_type().as_ref().map(Type::of),
            offset: match report.export.kind {
                ExportKind::Data { offset } => Some(offset),
                _ => None,
            },
        }
    }
}

impl Type {
    fn of(kind: &ImportKind) -> Type {
        match kind {
            ImportKind::Function(ty) | ImportKind::Tag(ty) => Type::Function {
                params: ty.params().iter().map(ToString::to_string).collect(),
                results: ty.results().iter().map(ToString::to_string).collect(),
            },
            ImportKind::Global(ty) => {
                Type::Global { value: ty.content_type.to_string(), mutable: ty.mutable }
            }
            ImportKind::Memory(ty) => Type::Memory {
                minimum: ty.initial,
                maximum: ty.maximum,
                shared: ty.shared,
                memory64: ty.memory64,
            },
            ImportKind::Table(ty) => Type::Table {
                element: ty.element_type.to_string(),
                minimum: ty.initial,
                maximum: ty.maximum,
                shared: ty.shared,
                table64: ty.table64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::reports::sample;

    fn document() -> Value {
        let (main, report) = sample::report();
        let unreadable = Unreadable { path: "x.so".to_owned(), why: "no such file".to_owned() };
        let mut out = Vec::new();
        let mut document = Document::begin(&mut out, Some(&main)).unwrap();
        document.add(Report::Module(report)).unwrap();
        document.add_error(unreadable);
        document.end().unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn the_document_can_be_read_back() {
        let document = document();
        assert_eq!(document["version"], 1);
        assert_eq!(document["main"]["path"], "main.wasm");
        assert_eq!(document["errors"], json!([{ "path": "x.so", "message": "no such file" }]));
        let file = &document["files"][0];
        assert_eq!(file["memory"], json!({ "size": 20, "alignment": 4 }));
        assert_eq!(file["table"], json!({ "size": 1, "alignment": 1 }));
        assert_eq!(file["python_modules"], json!(["sample"]));
        assert_eq!(file["needed_missing"], json!([{ "name": "libz.so", "needed_by": "dir/sample.so" }]));
        assert_eq!(file["would_load"], false);
    }

    #[test]
    fn imports_tell_provider_and_problem() {
        let document = document();
        let imports = &document["files"][0]["imports"];
        let providers: Vec<_> = imports.as_array().unwrap().iter().map(|i| &i["provider"]).collect();
        assert_eq!(providers, ["loader", "wrong_type", "weak_undefined", "missing", "main"]);
        assert_eq!(imports[1]["type"], json!({ "params": ["i32"], "results": ["i32"] }));
        assert_eq!(imports[1]["problem"]["wanted"], "function (i32) -> i32");
        assert_eq!(imports[1]["problem"]["found"], "function () -> i32");
        assert_eq!(imports[1]["problem"]["definer"], "main.wasm");
        assert_eq!(imports[3]["name"], "lost\u{1b}[2J");
    }

    #[test]
    fn every_field_is_always_there() {
        let document = document();
        let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let file = &document["files"][0];
        for import in file["imports"].as_array().unwrap() {
            let all =
                ["demangled", "kind", "library", "module", "name", "problem", "provider", "type", "weak"];
            assert_eq!(keys(import), all);
        }
        for export in file["exports"].as_array().unwrap() {
            assert_eq!(keys(export), ["demangled", "kind", "name", "offset", "type"]);
        }
    }
}
