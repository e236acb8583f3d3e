//! Runs the cases of `cases/plan`: WebAssembly text in, the linker's plan or error out. Each case is a file of parts that
//! begin with a line `--- NAME`: `--- main`, then `--- PATH` for each library file, then `--- load PATH` (or `load global
//! PATH`, `load lazy PATH`) with the expected text. No engine takes part; memory is handed out from 0x10000 on, slots from the end of the
//! main module's table on. `PYDL_BLESS=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use pydl_linker::{
    ExportKind, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, MainModule, OpenMode,
};
use pydl_tests::room::{FakeProcess, Opened};
use pydl_tests::wasm::assemble;

#[test]
fn plans_are_as_recorded() {
    let mut failed = Vec::new();
    for path in pydl_tests::files(&pydl_tests::repository().join("tests/cases/plan"), ".txt") {
        let text = fs::read_to_string(&path).unwrap();
        let actual = Case::parse(&text).run();
        if pydl_tests::blessing() {
            fs::write(&path, actual).unwrap();
        } else if actual != text {
            failed.push(format!("{}:\n{}", path.display(), difference(&text, &actual)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn difference(expected: &str, actual: &str) -> String {
    let pairs = expected.lines().zip(actual.lines()).enumerate();
    let first = pairs
        .filter(|(_, (e, a))| e != a)
        .map(|(line, (e, a))| format!("line {}\n  expected {e}\n  actual   {a}", line + 1));
    first.take(8).collect::<Vec<_>>().join("\n")
}

/// The parts of a case, in order: comment or header, then name and text.
struct Case<'a> {
    preamble: &'a str,
    parts: Vec<(&'a str, &'a str)>,
}

impl<'a> Case<'a> {
    fn parse(text: &'a str) -> Case<'a> {
        let mut pieces = text.split("\n--- ");
        let preamble = pieces.next().unwrap_or_default();
        let parts = pieces.map(|piece| piece.split_once('\n').unwrap_or((piece, "")));
        Case { preamble, parts: parts.collect() }
    }

    fn run(&self) -> String {
        let mut process = Process::default();
        let mut out = self.preamble.to_owned();
        for (name, text) in &self.parts {
            let _ = writeln!(out, "\n--- {name}");
            let text = if let Some(path) = name.strip_prefix("load ") {
                process.load(path)
            } else {
                process.define(name, text);
                (*text).to_owned()
            };
            out.push_str(text.trim_end_matches('\n'));
        }
        out.push('\n');
        out
    }
}

/// A process without an engine, and the files that it may load.
#[derive(Default)]
struct Process {
    process: Option<FakeProcess>,
    files: Files,
}

impl Process {
    fn define(&mut self, name: &str, text: &str) {
        let bytes = assemble(text);
        if name != "main" {
            self.files.0.insert(name.to_owned(), bytes.into());
            return;
        }
        let main = MainModule::parse("main.wasm", &bytes).unwrap();
        let next_slot = match main.module().exports.get("__indirect_function_table").map(|e| e.kind) {
            Some(ExportKind::Table(table)) => u32::try_from(table.initial).unwrap(),
            _ => 1,
        };
        self.process = Some(FakeProcess { next_slot, ..FakeProcess::of(main) });
    }

    fn load(&mut self, path: &str) -> String {
        let (word, path) = path.split_once(' ').unwrap_or(("", path));
        let mode = OpenMode { global: word == "global", lazy: word == "lazy", ..OpenMode::default() };
        match self.process.as_mut().unwrap().open(path, mode, &mut self.files) {
            Ok(Opened::Already(id)) => format!("loaded already: {id}"),
            Ok(Opened::New(plan)) => {
                assert_eq!(plan.check(), Ok(()));
                plan.to_string()
            }
            Err(error) => format!("error: {error}"),
        }
    }
}

/// Files by path.
#[derive(Default)]
struct Files(BTreeMap<String, Arc<[u8]>>);

impl LibrarySource for Files {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let path = if request.name.contains('/') {
            request.name.to_owned()
        } else {
            format!("/lib/{}", request.name)
        };
        match self.0.get(&path) {
            Some(bytes) => Ok(FoundLibrary { path, identity: None, bytes: bytes.clone() }),
            None => Err(LibraryNotFound {
                name: request.name.to_owned(),
                requester: request.requester.map(|r| r.path.clone()),
                tried: vec![(path, "No such file or directory".to_owned())],
            }),
        }
    }
}
