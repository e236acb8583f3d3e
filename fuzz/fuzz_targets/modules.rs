//! Gives arbitrary files to everything that reads or rewrites whole modules: nothing may panic, what is rewritten must be valid if the
//! module was, and an outline must say the same as its module. Seeds are made by `fuzz/seeds.sh`. Must not know how any of it works.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pydl_linker::rewrite::{Pass, Recipe};
use pydl_linker::{
    AbiFamily, FoundLibrary, Host, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, MainModule,
    ParseError, ParsedModule, Signature, refused_features_in_words,
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
