//! Random graphs of libraries give the same results merged into one module as loaded: they call each other directly, through pointers in their
//! static data and through themselves, read each other's data, keep state of their own, and are constructed in an order that shows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, OnceLock};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use pydl_linker::{
    FoundLibrary, Host, LibraryNotFound, LibraryRequest, LibrarySource, LinkOptions, MainModule, StaticLinker,
};
use pydl_loader::{Captured, Compiler, ExitStatus, Image, Process, ProcessOptions, SystemInterface};
use pydl_tests::repository;
use pydl_tests::wasm::assemble;

const LIBRARIES: usize = 6;

/// What one library is made of; numbers are those of libraries.
#[derive(Clone, Debug)]
struct Source {
    needed: BTreeSet<usize>,
    calls: Vec<usize>,
    reads: BTreeSet<usize>,
    /// Whose function and whose data its own static data points to.
    pointers: (usize, usize),
    has_element: bool,
    has_start: bool,
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    let any_library = || 0..LIBRARIES;
    let source = (
        btree_set(any_library(), 0..3),
        vec(any_library(), 0..3),
        btree_set(any_library(), 0..3),
        (any_library(), any_library()),
        any::<bool>(),
        any::<bool>(),
    );
    let source = source.prop_map(|(needed, calls, reads, pointers, has_element, has_start)| Source {
        needed,
        calls,
        reads,
        pointers,
        has_element,
        has_start,
    });
    vec(source, LIBRARIES)
}

/// The text of library `number`. Its data: a number, an unused word, a function, the address of another library's number, and of its own.
fn text(number: usize, source: &Source) -> String {
    let Source { needed, calls, reads, pointers: (function, data), has_element, has_start } = source;
    let mut text = "(module (@dylink.0 (mem-info (memory 40 4) (table 1 0)) (needed".to_owned();
    for needed in needed {
        write!(text, r#" "l{needed}.so""#).unwrap();
    }
    text.push_str(
        r#")) (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__table_base" (global $slots i32)) (import "env" "__indirect_function_table" (table 1 funcref))
        (type $f (func (param i32) (result i32)))"#,
    );
    let called: BTreeSet<usize> = calls.iter().copied().collect();
    for other in &called {
        write!(text, r#"(import "env" "f{other}" (func $f{other} (param i32) (result i32)))"#).unwrap();
    }
    write!(text, r#"(import "GOT.func" "f{function}" (global $function (mut i32)))"#).unwrap();
    let all_data: BTreeSet<usize> = reads.iter().copied().chain([*data]).collect();
    for other in &all_data {
        write!(text, r#"(import "GOT.mem" "d{other}" (global $d{other} (mut i32)))"#).unwrap();
    }
    write!(
        text,
        r#"(global $count (mut i32) (i32.const {number})) (global (export "d{number}") i32 (i32.const 0))
        (data (global.get $base) "\{:02x}\01")"#,
        number + 1
    )
    .unwrap();
    if *has_element {
        text.push_str("(elem (global.get $slots) func $own)");
    }
    if *has_start {
        text.push_str("(start $begin)");
    }
    write!(
        text,
        r#"(func $begin (global.set $count (i32.add (global.get $count) (i32.const 5))))
        (func (export "__wasm_apply_data_relocs")
            (i32.store (i32.add (global.get $base) (i32.const 8)) (global.get $function))
            (i32.store offset=4 (i32.add (i32.const 8) (global.get $base)) (global.get $d{data}))
            (i32.store (i32.add (global.get $base) (i32.const 16)) (i32.add (global.get $base) (i32.const 0))))
        (func (export "__wasm_call_ctors")
            (i32.store (global.get $base) (i32.add (i32.mul (i32.load (global.get $base)) (i32.const 7))
                (i32.load (i32.load offset=12 (global.get $base))))))
        (func $own (export "f{number}") (param $n i32) (result i32) (local $sum i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (local.set $sum (i32.add (global.get $count) (i32.load (i32.load offset=16 (global.get $base)))))"#
    )
    .unwrap();
    let add = |text: &mut String, value: &str| {
        write!(text, "(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) {value}))").unwrap();
    };
    for other in reads {
        add(&mut text, &format!("(i32.load (global.get $d{other}))"));
    }
    text.push_str("(if (local.get $n) (then ");
    for other in calls {
        add(&mut text, &format!("(call $f{other} (i32.sub (local.get $n) (i32.const 1)))"));
    }
    add(
        &mut text,
        "(call_indirect (type $f) (i32.sub (local.get $n) (i32.const 1)) (i32.load offset=8 (global.get $base)))",
    );
    text.push_str(")) (local.get $sum)))");
    text
}

/// The library that is opened: it needs all others, and prints the sum of what their functions return.
fn case() -> String {
    let mut text = "(module (@dylink.0 (needed".to_owned();
    for other in 0..LIBRARIES {
        write!(text, r#" "l{other}.so""#).unwrap();
    }
    text.push_str(r#")) (import "env" "putchar" (func $put (param i32) (result i32)))"#);
    for other in 0..LIBRARIES {
        write!(text, r#"(import "env" "f{other}" (func $f{other} (param i32) (result i32)))"#).unwrap();
    }
    text.push_str(r#"(func (export "run_case") (result i32) (local $sum i32) (local $shift i32)"#);
    for other in 0..LIBRARIES {
        write!(text, "(local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 13)) (call $f{other} (i32.const 3))))").unwrap();
    }
    text.push_str(
        "(local.set $shift (i32.const 28))
        (loop $next
            (drop (call $put (i32.add (i32.const 65) (i32.and (i32.const 15) (i32.shr_u (local.get $sum) (local.get $shift))))))
            (local.tee $shift (i32.sub (local.get $shift) (i32.const 4))) (i32.const 0) i32.ge_s br_if $next)
        (i32.const 0)))",
    );
    text
}

struct Files<'a>(&'a [(String, Arc<[u8]>)]);

impl LibrarySource for Files<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let found = self.0.iter().find(|(name, _)| name == request.name);
        let not_found =
            || LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() };
        let (name, bytes) = found.ok_or_else(not_found)?;
        Ok(FoundLibrary { path: name.clone(), identity: None, bytes: bytes.clone() })
    }
}

fn driver() -> (&'static Arc<[u8]>, &'static Compiler) {
    static DRIVER: OnceLock<(Arc<[u8]>, Compiler)> = OnceLock::new();
    let (bytes, compiler) = DRIVER.get_or_init(|| {
        let path = repository().join("tests/cases/program/driver/driver.wasm");
        (fs::read(path).unwrap().into(), Compiler::new().unwrap())
    });
    (bytes, compiler)
}

fn run(image: &Image, options: ProcessOptions) -> (ExitStatus, String) {
    let stdout = Captured::new();
    let status = Process::new(image, &options.stdout(&stdout)).unwrap().run().unwrap();
    (status, String::from_utf8_lossy(&stdout.contents()).into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graphs_give_the_same_merged_as_loaded(sources in sources(), gc in any::<bool>()) {
        let (main, compiler) = driver();
        let texts = sources.iter().enumerate().map(|(number, source)| (format!("l{number}.so"), text(number, source)));
        let texts = texts.chain([("case.so".to_owned(), case())]);
        let files: Vec<(String, Arc<[u8]>)> = texts.map(|(name, text)| (name, assemble(&text).into())).collect();

        let folder = tempfile::tempdir().unwrap();
        let mut options = ProcessOptions::new("driver").args(["case.so"]);
        for (name, bytes) in &files {
            fs::write(folder.path().join(name), bytes).unwrap();
            options = options.side_module(folder.path().join(name));
        }
        let loaded = run(&Image::from_bytes(compiler, "driver", main).unwrap(), options);
        prop_assert_eq!(&loaded.0, &ExitStatus::Exited(0), "{}", loaded.1);

        let module = Arc::new(MainModule::parse("driver", main).unwrap());
        let host: Arc<dyn Host> = Arc::new(SystemInterface::default());
        let mut linker = StaticLinker::new(&module, main.clone(), &mut Files(&files), &host).unwrap();
        let given: Vec<(FoundLibrary, String)> = files
            .iter()
            .map(|(name, bytes)| {
                (FoundLibrary { path: name.clone(), identity: None, bytes: bytes.clone() }, name.clone())
            })
            .collect();
        linker.add(&given, &mut Files(&files)).unwrap();
        let linked = linker.link(&LinkOptions { drops_unreached: gc, ..LinkOptions::default() }).unwrap();
        let valid = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(&linked);
        prop_assert!(valid.is_ok(), "{:?}", valid.err());
        let image = Image::from_bytes(compiler, "linked", &linked).unwrap();
        prop_assert_eq!(run(&image, ProcessOptions::new("driver").args(["case.so"])), loaded);
    }
}
