//! Gives arbitrary files to everything that reads or rewrites whole modules: nothing may panic, what is rewritten must be valid if the
//! module was, and an outline must say the same as its module. Seeds are made by `fuzz/seeds.sh`. Must not know how any of it works.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use pydl_linker::rewrite::{Pass, Recipe};
use pydl_linker::{
    AbiFamily, FoundLibrary, Host, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, LinkOptions,
    MainModule, ParseError, ParsedModule, Signature, StaticLinker, refused_features_in_words,
};
use wasmparser::{Validator, WasmFeatures};

/// What modules may use before they are rewritten.
const BEFORE: WasmFeatures = WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::WASM3);

/// A process without libraries to find.
struct Nothing;

impl LibrarySource for Nothing {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        Err(LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() })
    }

    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        ParsedModule::parse(&found.bytes).map(Arc::new)
    }
}

#[derive(Debug)]
struct NoHost;

impl Host for NoHost {
    fn function(&self, _: AbiFamily, _: &str, _: &str, _: &Signature) -> Option<Signature> {
        None
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = refused_features_in_words(bytes);
    rewrite(bytes);
    as_main(bytes);
    as_library(bytes);
    merge(bytes);
});

/// What comes between a file and the engine's compiler: all passes, in their order.
fn rewrite(bytes: &[u8]) {
    let was_valid = Validator::new_with_features(BEFORE).validate_all(bytes).is_ok();
    let recipe = Recipe::of([
        Pass::LowerExceptions,
        Pass::SleepInHost,
        Pass::AlwaysAskForTimeZone,
        Pass::AskHostForLibraries,
        Pass::WaitInHostOfWasi,
        Pass::CutLongInstructions,
        Pass::ExportState,
    ]);
    let Ok(rewritten) = recipe.apply(bytes) else { return };
    let current = rewritten.unwrap_or_else(|| bytes.to_vec());
    if was_valid && current != bytes {
        let after = BEFORE.difference(WasmFeatures::LEGACY_EXCEPTIONS);
        if let Err(error) = Validator::new_with_features(after).validate_all(&current) {
            panic!("rewriting spoilt a valid module: {error}");
        }
    }
}

/// The file as a main module, and as its outline.
fn as_main(bytes: &[u8]) {
    let Ok(main) = MainModule::parse("main.wasm", bytes) else { return };
    let Ok(outline) = main.module().outline(bytes) else { return };
    let remembered = MainModule::from_outline("main.wasm", outline).expect("an outline can be read");
    assert_eq!(main.defects(), remembered.defects());
    assert_eq!(main.needed().collect::<Vec<_>>(), remembered.needed().collect::<Vec<_>>());
}

/// The file as a library, on its own and in a process whose main module it is, too.
fn as_library(bytes: &[u8]) {
    let file = FoundLibrary { path: "lib.so".to_owned(), identity: None, bytes: bytes.into() };
    let main = MainModule::parse("main.wasm", bytes).ok().map(Arc::new);
    for main in [None, main] {
        let inspector = Inspector::new(main, &mut Nothing, Arc::new(NoHost));
        if let Ok(report) = inspector.inspect(&file, &mut Nothing) {
            let _ = report.reasons().count();
        }
        if let Ok(mut map) = inspector.map() {
            map.open(&file, &mut Nothing);
        }
    }
}

/// The least main module that can host libraries.
static MAIN: LazyLock<Arc<[u8]>> = LazyLock::new(|| {
    let text = r#"(module
        (import "pydl_dlfcn_v1" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2) (table (export "__indirect_function_table") 3 funcref)
        (global (export "__stack_pointer") (mut i32) (i32.const 65536))
        (global (export "__heap_base") i32 (i32.const 70000)) (global (export "errno") i32 (i32.const 66000))
        (elem (i32.const 1) $malloc $free)
        (data (i32.const 66000) "main")
        (func $malloc (export "malloc") (param i32) (result i32) (i32.const 80000))
        (func $free (export "free") (param i32))
        (func (export "aligned_alloc") (param i32 i32) (result i32) (i32.const 80000))
        (func (export "pydl_read_file") (param i32 i32) (result i32) (i32.const 1))
        (func (export "__wasm_call_ctors"))
        (func (export "_start") (drop (call $dlopen (i32.const 0) (i32.const 2)))))"#;
    wat::parse_str(text).expect("the text is well-formed").into()
});

/// A library for any main module.
static SIDE: LazyLock<Arc<[u8]>> = LazyLock::new(|| {
    let text = r#"(module (@dylink.0 (mem-info (memory 16 4) (table 1 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table 1 funcref)) (import "env" "__table_base" (global $slots i32))
        (elem (global.get $slots) func $f) (data (global.get $base) "side")
        (func $f (export "side") (result i32) (i32.load (global.get $base))))"#;
    wat::parse_str(text).expect("the text is well-formed").into()
});

/// The file as a library that is linked into a main module, and as a main module that a library is linked into: what was valid stays valid.
fn merge(bytes: &[u8]) {
    let was_valid = Validator::new_with_features(BEFORE).validate_all(bytes).is_ok();
    let file: Arc<[u8]> = bytes.into();
    for (main, side) in [(MAIN.clone(), file.clone()), (file, SIDE.clone())] {
        for drops_unreached in [false, true] {
            let Some(linked) = link(&main, &side, drops_unreached) else { continue };
            if was_valid && let Err(error) = Validator::new_with_features(BEFORE).validate_all(&linked) {
                panic!("merging spoilt valid modules: {error}");
            }
        }
    }
}

fn link(main: &Arc<[u8]>, side: &Arc<[u8]>, drops_unreached: bool) -> Option<Vec<u8>> {
    let module = Arc::new(MainModule::parse("main.wasm", main).ok()?);
    let host: Arc<dyn Host> = Arc::new(NoHost);
    let mut linker = StaticLinker::new(&module, main.clone(), &mut Nothing, &host).ok()?;
    let file = FoundLibrary { path: "side.so".to_owned(), identity: None, bytes: side.clone() };
    linker.add(&[(file, "side.so".to_owned())], &mut Nothing).ok()?;
    linker.link(&LinkOptions { drops_unreached, ..LinkOptions::default() }).ok()
}
