//! Gives the parser and the lowering of exceptions arbitrary files: neither may panic, and what is made of a valid module with legacy
//! exceptions must be a valid module without. Seeds are files such as those of `tests/cases` and `testdata`. Must not know how
//! modules are lowered.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pydl_linker::ParsedModule;
use pydl_linker::rewrite::{Pass, Recipe};
use wasmparser::{Validator, WasmFeatures};

/// What modules may use before they are lowered; afterwards, everything but the legacy instructions.
const BEFORE: WasmFeatures = WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::WASM3);

fuzz_target!(|bytes: &[u8]| {
    let parsed = ParsedModule::parse(bytes);
    let lowered = Recipe::of([Pass::LowerExceptions]).apply(bytes);
    if parsed.is_err() || Validator::new_with_features(BEFORE).validate_all(bytes).is_err() {
        return;
    }
    if let Ok(Some(lowered)) = lowered {
        let after = BEFORE.difference(WasmFeatures::LEGACY_EXCEPTIONS);
        if let Err(error) = Validator::new_with_features(after).validate_all(&lowered) {
            panic!("lowering spoilt a valid module: {error}");
        }
    }
});
