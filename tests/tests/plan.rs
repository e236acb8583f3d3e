//! Runs the cases of `cases/plan`: WebAssembly text in, the linker's plan or error out. Each case is a file of parts that begin with a line
//! `--- NAME`: `--- main`, then `--- PATH` for each library file, then `--- load PATH` (or `load global PATH`, `load lazy PATH`) with the
//! expected text, or `--- start FUNCTION...` with that of the main module itself, for a host that has these functions. No engine takes
//! part; memory is handed out from 0x10000 on, slots from the end of the main module's table on. `PYDL_BLESS=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use pydl_linker::{
    ExportKind, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, MainModule, OpenMode,
};
use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::room::{FakeProcess, Functions, Opened};
use pydl_tests::wasm::assemble;
use pydl_tests::{assert_golden, pydl, python_wasm, repository, skip, testdata};

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

/// The plans that main modules begin with, as processes print them: for WASI, with absolute addresses, position-independent, and one that
/// needs a library.
#[test]
fn plans_of_main_modules_are_as_recorded() {
    let pyodide = |version| main_module(version).map(|main| (main, vec!["-c", "pass"]));
    let levels = testdata("emscripten/programs/levels/O1");
    let mains = [
        ("wasi", Ok((python_wasm(), vec!["-c", "pass"]))),
        ("pyodide_314", pyodide(CURRENT)),
        ("pyodide_0_29", pyodide("0.29.3")),
        ("needs_library", Ok((levels.join("main.wasm"), vec![]))),
    ];
    for (name, main) in mains {
        let (main, arguments) = match main {
            Ok(main) => main,
            Err(why) => return skip(&why),
        };
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("plan.txt");
        let mut command = pydl();
        command.env("PYDL_DEBUG", "plan").env("PYDL_DEBUG_OUTPUT", &plan).arg("run").arg(&main);
        if name == "needs_library" {
            command.arg("--side").arg(levels.join("side.so"));
        }
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let plan = fs::read_to_string(plan).unwrap();
        let lines = plan.lines().map(|line| line.split_once('\t').map_or(line, |(_, line)| line));
        let text = lines.fold(String::new(), |text, line| text + line + "\n");
        assert_golden(&repository().join(format!("tests/cases/plan_of_main/{name}.txt")), &text);
    }
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
            } else if let Some(functions) = name.strip_prefix("start") {
                process.start(functions)
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
            _ => main.placement().map_or(1, |placement| placement.table_end.0),
        };
        self.process = Some(FakeProcess { next_slot, ..FakeProcess::of(main) });
    }

    fn start(&mut self, functions: &str) -> String {
        let host = Functions(functions.split_whitespace().map(str::to_owned).collect());
        match self.process.as_mut().unwrap().start(host, &mut self.files) {
            Ok((plan, completed)) => {
                assert_eq!(plan.check(), Ok(()));
                let completed = completed.inspect(|plan| assert_eq!(plan.check(), Ok(())));
                format!("{plan}{}", completed.map_or_else(String::new, |plan| format!("then\n{plan}")))
            }
            Err(error) => format!("error: {error}"),
        }
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
