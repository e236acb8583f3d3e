//! Owns which parts of WebAssembly beyond its first version the modules of a process may use: one list, for the engine and for
//! reports about files. Must not know how either inspects modules.
//!
//! Names are those of tool-conventions, `Linking.md` ("Target Features Section"), and Binaryen's where tool-conventions has none,
//! so that what a module uses can be compared with what its compiler was allowed to use.

use wasmparser::WasmFeatures;

/// The features that modules may use: the engine is set up for them, and refuses everything else.
///
/// No C program for 32-bit memory uses 64-bit memories or several memories, and each would take host memory beyond the limits of
/// a process. There are no threads. Garbage collection is for `ref.test` in generated code alone: modules that define types of
/// objects are refused when they are parsed.
pub const ACCEPTED: WasmFeatures = WasmFeatures::WASM3
    .difference(WasmFeatures::MEMORY64)
    .difference(WasmFeatures::MULTI_MEMORY)
    .difference(WasmFeatures::THREADS);

/// Each reported feature with its name, sorted by name. For a feature of two parts, one part stands for both.
const NAMES: [(WasmFeatures, &str); 22] = [
    (WasmFeatures::THREADS, "atomics"),
    (WasmFeatures::BULK_MEMORY, "bulk-memory"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom-descriptors"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
    (WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS), "exception-handling"),
    (WasmFeatures::EXTENDED_CONST, "extended-const"),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
    (WasmFeatures::GC, "gc"),
    (WasmFeatures::MEMORY_CONTROL, "memory-control"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::MULTI_MEMORY, "multimemory"),
    (WasmFeatures::MULTI_VALUE, "multivalue"),
    (WasmFeatures::MUTABLE_GLOBAL, "mutable-globals"),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, "nontrapping-fptoint"),
    (WasmFeatures::REFERENCE_TYPES, "reference-types"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything"),
    (WasmFeatures::SIGN_EXTENSION, "sign-ext"),
    (WasmFeatures::SIMD, "simd128"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching"),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
];

/// The names of features.
pub(crate) fn names(features: WasmFeatures) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(move |(feature, _)| feature.intersects(features)).map(|(_, name)| name)
}

/// Those of the features a module uses that no process accepts. Legacy exceptions are rewritten before an engine sees them
/// (`rewrite/exceptions`).
pub(crate) fn refused(used: WasmFeatures) -> WasmFeatures {
    used.difference(ACCEPTED).difference(WasmFeatures::LEGACY_EXCEPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_each_stands_for_something() {
        assert!(NAMES.is_sorted_by_key(|(_, name)| name));
        assert_eq!(names(WasmFeatures::empty()).next(), None);
        let two = WasmFeatures::SIMD | WasmFeatures::LEGACY_EXCEPTIONS;
        assert_eq!(names(two).collect::<Vec<_>>(), ["exception-handling", "simd128"]);
        assert_eq!(refused(two | WasmFeatures::THREADS), WasmFeatures::THREADS);
    }
}
