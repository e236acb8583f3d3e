//! Runs the cases of `cases/plan`: WebAssembly text in, the linker's plan or error out. Each case is a file of parts that
//! begin with a line `--- NAME`: `--- main`, then `--- PATH` for each library file, then `--- load PATH` (or `load global
//! PATH`, `load lazy PATH`) with the expected text. No engine takes part; memory is handed out from 0x10000 on, slots from the end of the
//! main module's table on. `PYDL_BLESS=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use pydl_linker::{
    Address, ExportKind, FoundLibrary, LibraryNotFound, LibraryPlacement, LibraryRequest, LibrarySource,
    LoadOrder, MainModule, Namespace, OpenMode, Placement, Reservation, Start, TableSlot,
};
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
        let mut process = Process::new();
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

/// A process without an engine.
struct Process {
    namespace: Option<Namespace>,
    files: BTreeMap<String, Arc<[u8]>>,
    next_address: u32,
    next_slot: u32,
}

impl Process {
    fn new() -> Process {
        Process { namespace: None, files: BTreeMap::new(), next_address: 0x10000, next_slot: 0 }
    }

    fn define(&mut self, name: &str, text: &str) {
        let bytes = assemble(text);
        if name != "main" {
            self.files.insert(name.to_owned(), bytes.into());
            return;
        }
        let main = MainModule::parse("main.wasm", &bytes).unwrap();
        self.next_slot = match main.module().exports.get("__indirect_function_table").map(|e| e.kind) {
            Some(ExportKind::Table(table)) => u32::try_from(table.initial).unwrap(),
            _ => 1,
        };
        let host = Namespace::host_functions_of(&main).collect();
        self.namespace = Some(Namespace::new(Arc::new(main), Arc::new(host)));
    }

    fn load(&mut self, path: &str) -> String {
        let (word, path) = path.split_once(' ').unwrap_or(("", path));
        let mode = OpenMode { global: word == "global", lazy: word == "lazy", ..OpenMode::default() };
        let mut namespace = self.namespace.take().unwrap();
        let result = self.plan(&mut namespace, path, mode);
        self.namespace = Some(namespace);
        result.unwrap_or_else(|error| format!("error: {error}"))
    }

    fn plan(&mut self, namespace: &mut Namespace, path: &str, mode: OpenMode) -> Result<String, String> {
        let start = LoadOrder::discover(namespace, path, self).map_err(|e| e.to_string())?;
        let order = match start {
            Start::Loaded(id) => {
                namespace.open(id, mode.global);
                return Ok(format!("loaded already: {id}"));
            }
            Start::New(order) => order,
        };
        let resolved = order.resolve(namespace, mode).map_err(|e| e.to_string())?;
        let reservation = resolved.reservation().map_err(|e| e.to_string())?;
        let placement = self.allocate(&reservation);
        let plan = resolved.place(placement).map_err(|e| e.to_string())?.plan(namespace);
        plan.check()?;
        namespace.commit(&plan);
        namespace.open(plan.root, mode.global);
        Ok(plan.to_string())
    }

    fn allocate(&mut self, reservation: &Reservation) -> Placement {
        let mut placement = Placement { libraries: Vec::new(), function_slots: Vec::new() };
        for library in &reservation.libraries {
            let memory_base = self.next_address.next_multiple_of(library.memory_alignment.get());
            self.next_address = memory_base + library.memory_size;
            let table_base = self.next_slot.next_multiple_of(library.table_alignment.get());
            self.next_slot = table_base + library.table_size.get();
            placement.libraries.push(LibraryPlacement {
                memory_base: Address(memory_base),
                table_base: TableSlot(table_base),
            });
        }
        let first = self.next_slot;
        self.next_slot += reservation.function_slots.get();
        placement.function_slots = (first..self.next_slot).map(TableSlot).collect();
        placement
    }
}

impl LibrarySource for Process {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let path = if request.name.contains('/') {
            request.name.to_owned()
        } else {
            format!("/lib/{}", request.name)
        };
        match self.files.get(&path) {
            Some(bytes) => Ok(FoundLibrary { path, identity: None, bytes: bytes.clone() }),
            None => Err(LibraryNotFound {
                name: request.name.to_owned(),
                requester: request.requester.map(|r| r.path.clone()),
                tried: vec![(path, "No such file or directory".to_owned())],
            }),
        }
    }
}
