//! Checks rules that hold for all inputs on random ones: no file makes the linker panic, every plan is well-formed, and every library of a
//! random graph is loaded once, after what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use pydl_linker::rewrite::{Pass, Recipe};
use pydl_linker::{
    FoundLibrary, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, LoadPlan, MainModule, OpenMode,
    ParsedModule,
};
use pydl_loader::SystemInterface;
use pydl_tests::room::FakeProcess;
use pydl_tests::wasm::assemble;

/// Serves libraries from memory, by name.
struct Files(BTreeMap<String, Arc<[u8]>>);

impl LibrarySource for Files {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let not_found =
            || LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() };
        let bytes = self.0.get(request.name).cloned().ok_or_else(not_found)?;
        Ok(FoundLibrary { path: request.name.to_owned(), identity: None, bytes })
    }
}

fn process() -> FakeProcess {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
        (memory (export "memory") 1)
        (table (export "__indirect_function_table") 2 funcref)
        (global (export "__stack_pointer") (mut i32) (i32.const 4096))
        (func (export "puts") (param i32) (result i32) local.get 0))"#;
    FakeProcess::of(MainModule::parse("main", &assemble(text)).unwrap())
}

/// Runs the whole pipeline; `None` when some stage refuses.
fn plan(files: &mut Files, root: &str) -> Option<LoadPlan> {
    process().plan(root, OpenMode::default(), files).ok()?
}

#[test]
fn an_outline_of_a_main_module_reads_as_the_module_does() {
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    for path in [pydl_tests::python_wasm(), driver] {
        let bytes = fs::read(path).unwrap();
        let module = ParsedModule::parse(&bytes).unwrap();
        let outline = module.outline(&bytes).unwrap();
        assert!(outline.len() < bytes.len() / 10, "{} bytes", outline.len());
        let outlined = ParsedModule::from_outline(outline.clone()).unwrap();
        assert!(module.exports.iter().count() > 1000);
        assert!(module.exports.iter().eq(outlined.exports.iter()));
        assert_eq!(module.imports, outlined.imports);
        assert_eq!(module.element_slots, outlined.element_slots);
        for cut in (0..outline.len()).step_by(997) {
            assert!(ParsedModule::from_outline(outline[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }
}

/// A file system in which every library needs the next one.
struct Endless;

impl LibrarySource for Endless {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let number: usize = request.name[1..].parse().unwrap();
        let text = format!(r#"(module (@dylink.0 (needed "l{}")) (func (export "f")))"#, number + 1);
        let bytes = assemble(&text).into();
        Ok(FoundLibrary { path: request.name.to_owned(), identity: None, bytes })
    }
}

// row: search | a_chain_without_an_end_is_refused | A chain of needed libraries without an end is refused | gap.absurd_sizes
#[test]
fn a_chain_without_an_end_is_refused() {
    let error = process().plan("l0", OpenMode::default(), &mut Endless).unwrap_err().to_string();
    assert!(error.contains("library 5001 of one load"), "{error}");
}

#[test]
fn a_message_lists_a_hundred_problems_at_most() {
    let imports: String = (0..1000).fold(String::new(), |mut text, number| {
        let _ = write!(text, r#"(import "env" "missing{number}" (func))"#);
        text
    });
    let library = assemble(&format!(r#"(module (@dylink.0) {imports} (func (export "f")))"#));
    let mut files = Files(BTreeMap::from([("x".to_owned(), library.into())]));
    let message = process().plan("x", OpenMode::default(), &mut files).unwrap_err().to_string();
    assert!(message.starts_with("x: 1000 symbols cannot be bound"), "{message}");
    assert_eq!(message.lines().count(), 102);
    assert!(message.ends_with("and 900 more"));
}

fn real_libraries() -> Vec<Vec<u8>> {
    let folder = pydl_tests::repository().join("tests/cases/program");
    let cases = ["weak_self_import", "needed_cycle", "static_data_relocs", "wasi_import"];
    let cases = cases.map(|case| folder.join(case).join("case.so"));
    let fputs = pydl_tests::testdata("fputs/fputs.so");
    let eh = pydl_tests::testdata("emscripten/cases/eh/case.so");
    cases.into_iter().chain([fputs, eh]).map(|path| fs::read(path).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_libraries_never_panic(
        which in 0..6_usize,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.3),
    ) {
        let mut bytes = real_libraries().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = ParsedModule::parse(&bytes);
        let _ = MainModule::parse("main", &bytes);
        let _ = Recipe::of([Pass::LowerExceptions]).apply(&bytes);
        let file = FoundLibrary { path: "x.so".to_owned(), identity: None, bytes: bytes.into() };
        let main = process().namespace.main().clone();
        let mut files = Files(BTreeMap::from([("x.so".to_owned(), file.bytes.clone())]));
        let inspector = Inspector::new(Some(main), &mut files, Arc::new(SystemInterface::default()));
        let _ = inspector.inspect(&file, &mut files);
        if let Some(plan) = plan(&mut files, "x.so") {
            prop_assert_eq!(plan.check(), Ok(()));
        }
    }

    #[test]
    fn every_library_of_a_graph_is_loaded_once_after_what_it_needs(
        edges in vec((0..8_usize, 0..8_usize), 0..20),
        exports in vec((0..8_usize, 0..5_usize), 0..20),
        imports in vec((0..8_usize, 0..5_usize), 0..20),
    ) {
        let library = |number: usize| library_text(number, &edges, &exports, &imports);
        let files = (0..8).map(|n| (format!("l{n}"), assemble(&library(n)).into())).collect();
        let mut files = Files(files);
        let reachable = reachable(&edges);
        let Some(plan) = plan(&mut files, "l0") else {
            let defined = |f: &usize| exports.iter().any(|(n, e)| e == f && reachable.contains(n));
            let missing = imports.iter().any(|(n, f)| reachable.contains(n) && !defined(f));
            prop_assert!(missing, "refused, though every symbol is defined");
            return Ok(());
        };
        prop_assert_eq!(plan.check(), Ok(()));
        let number = |path: &str| path[1..].parse::<usize>().unwrap();
        let names: BTreeMap<_, _> =
            plan.libraries().iter().map(|l| (l.library.id, number(&l.library.path))).collect();
        let constructed: Vec<usize> = plan.constructors().iter().filter_map(|id| names.get(id).copied()).collect();
        let once: BTreeSet<usize> = constructed.iter().copied().collect();
        prop_assert_eq!(&once, &reachable);
        prop_assert_eq!(constructed.len(), once.len());
        let place = |n: usize| constructed.iter().position(|c| *c == n).unwrap();
        for (user, needed) in edges.iter().filter(|(user, _)| reachable.contains(user)) {
            let is_cycle = reaches(&edges, *needed, *user);
            prop_assert!(is_cycle || place(*needed) < place(*user), "{} before {}", user, needed);
        }
    }
}

fn library_text(
    number: usize,
    edges: &[(usize, usize)],
    exports: &[(usize, usize)],
    imports: &[(usize, usize)],
) -> String {
    let of = |pairs: &[(usize, usize)]| -> BTreeSet<usize> {
        pairs.iter().filter(|(n, _)| *n == number).map(|(_, other)| *other).collect()
    };
    let mut text = "(module (@dylink.0 (mem-info (memory 4 2)) (needed".to_owned();
    for needed in of(edges) {
        let _ = write!(text, " \"l{needed}\"");
    }
    text.push_str("))");
    for function in of(imports) {
        let _ = write!(text, r#"(import "env" "f{function}" (func (param i32) (result i64)))"#);
        let _ = write!(text, r#"(import "GOT.func" "f{function}" (global (mut i32)))"#);
    }
    for function in of(exports) {
        let _ = write!(text, r#"(func (export "f{function}") (param i32) (result i64) i64.const {number})"#);
    }
    text + r#"(func (export "__wasm_call_ctors")))"#
}

fn reachable(edges: &[(usize, usize)]) -> BTreeSet<usize> {
    (0..8).filter(|n| *n == 0 || reaches(edges, 0, *n)).collect()
}

fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        for (_, needed) in edges.iter().filter(|(user, _)| *user == at) {
            if *needed == to {
                return true;
            }
            if seen.insert(*needed) {
                next.push(*needed);
            }
        }
    }
    false
}
