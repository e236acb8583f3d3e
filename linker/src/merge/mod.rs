//! Owns static linking: a main module and side modules become one module, bound as the dynamic linker binds them. Must not know files
//! or terminals.

mod assemble;
mod bodies;
mod contents;
mod entries;
mod glue;
mod image;
mod live;
mod numbering;
mod program;
mod python;
mod relocations;
mod room;
mod static_linker;
mod tables;
mod tree;

use numbering::{BadIndex, Part};
use wasm_encoder::reencode;

use crate::parse::error::ParseError;

pub use static_linker::{StaticLinkError, StaticLinker};
pub use tree::EmbeddedFolder;

/// How to link.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkOptions {
    /// Whether the program asks the host for libraries that are not linked in, as it did before; a host that has no dynamic linker cannot
    /// run it then. Programs of Emscripten always do, since their hosts have one.
    pub asks_host: bool,
    /// Whether functions are left out that nothing reaches. The symbols of the main module, which `dlsym` finds otherwise, reach nothing
    /// then.
    pub drops_unreached: bool,
    /// A folder that the program finds inside itself, for programs of WASI.
    pub folder: Option<EmbeddedFolder>,
}

/// Why modules cannot be merged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{module}: cannot be linked statically: {why}")]
pub struct MergeError {
    /// The module that stands in the way.
    pub module: String,
    /// What is wrong with it.
    pub why: String,
}

impl MergeError {
    fn new(module: &str, why: &str) -> MergeError {
        MergeError { module: module.to_owned(), why: why.to_owned() }
    }

    fn malformed(module: &str, error: &ParseError) -> MergeError {
        MergeError { module: module.to_owned(), why: error.to_string() }
    }

    /// What is to be placed does not fit.
    fn full(why: &str) -> MergeError {
        MergeError::new("the program", why)
    }

    fn memory_full() -> MergeError {
        MergeError::full("the static data of the libraries does not fit a 32-bit memory")
    }

    fn in_part(parts: &[Part<'_>], part: usize, why: String) -> MergeError {
        let module = parts.get(part).map(|part| part.name.clone()).unwrap_or_default();
        MergeError { module, why }
    }

    /// The error for an instruction, type or segment that cannot be written with new indices.
    fn of(parts: &[Part<'_>], part: usize, error: reencode::Error<BadIndex>) -> MergeError {
        let why = match error {
            reencode::Error::UserError(bad) => bad.to_string(),
            other => other.to_string(),
        };
        MergeError::in_part(parts, part, why)
    }
}

#[cfg(test)]
mod tests {
    use super::assemble::{Extras, assemble};
    use super::contents::Contents;
    use super::numbering::{Numbering, Part, Redirect, Supply};
    use super::*;

    fn part<'a>(name: &str, wasm: &'a [u8], supplies: Vec<Supply>) -> Part<'a> {
        let contents = Contents::read(wasm).unwrap();
        Part { name: name.to_owned(), contents, supplies, rebase: 0, is_pruned: false, sees_originals: false }
    }

    fn merge(parts: &[Part<'_>], redirects: &[Redirect], extras: &Extras) -> Result<Vec<u8>, MergeError> {
        let merged = assemble(parts, &Numbering::of(parts, redirects)?, extras)?;
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
            .validate_all(&merged)
            .unwrap();
        Ok(merged)
    }

    fn export(part: usize, name: &str) -> Supply {
        Supply::Export { part, name: name.to_owned() }
    }

    const MAIN: &str = r#"(module
        (import "host" "f" (func $f (param i32)))
        (memory (export "memory") 1) (table (export "table") 2 funcref)
        (global $sp (export "sp") (mut i32) (i32.const 64))
        (elem (i32.const 1) $go)
        (data (i32.const 8) "main")
        (func $go (export "go") (param i32) (result i32) local.get 0)
        (func (export "run") i32.const 1 call $f))"#;
    const SIDE: &str = r#"(module
        (import "env" "memory" (memory 0)) (import "env" "table" (table 0 funcref))
        (import "env" "sp" (global $sp (mut i32))) (import "env" "base" (global $base i32))
        (import "env" "go" (func $go (param i32) (result i32))) (import "host" "f" (func $f (param i32)))
        (import "host" "g" (func $g))
        (elem (offset global.get $base) $side) (data (offset global.get $base) "side")
        (func $side (export "side") (result i32) (global.set $sp (global.get $base)) (call $f (i32.const 2)) call $g (call $go (global.get $sp))))"#;

    #[test]
    fn parts_share_what_their_imports_are_supplied_with() {
        let (main, side) = (wat::parse_str(MAIN).unwrap(), wat::parse_str(SIDE).unwrap());
        let supplies = vec![
            export(0, "memory"),
            export(0, "table"),
            export(0, "sp"),
            Supply::Constant(100),
            export(0, "go"),
            Supply::Import,
            Supply::Import,
        ];
        let parts = [part("main", &main, vec![Supply::Import]), part("side", &side, supplies)];
        let extras = Extras {
            memory_bytes: 0x1_0001,
            table_slots: 101,
            writes: vec![(101, b"IDE".to_vec()), (300, b"new".to_vec())],
            slots: vec![(50, 1, "side".to_owned()), (51, 0, "go".to_owned())],
            exports: vec![
                ("run".to_owned(), 0, "run".to_owned()),
                ("memory".to_owned(), 0, "memory".to_owned()),
            ],
            ..Extras::default()
        };
        let merged = merge(&parts, &[], &extras).unwrap();
        let contents = Contents::read(&merged).unwrap();
        let imports: Vec<_> = contents.imports.iter().map(|it| (it.module, it.name)).collect();
        assert_eq!(imports, [("host", "f"), ("host", "g")]);
        assert_eq!((contents.memories[0].initial, contents.tables[0].ty.initial), (2, 101));
        let data: Vec<_> = contents.data.iter().map(|data| data.data).collect();
        assert_eq!(data, [&b"main"[..], b"sIDE", b"new"]);
        assert_eq!((contents.globals.len(), contents.elements.len(), contents.exports.len()), (1, 3, 2));
    }

    #[test]
    fn an_import_that_nothing_supplies_is_refused() {
        let main = wat::parse_str(r#"(module (import "a" "b" (func)) (export "again" (func 0)))"#).unwrap();
        let with = |supply| {
            let parts = [part("main", &main, vec![supply])];
            merge(&parts, &[], &Extras::default()).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(with(Supply::Import), Ok(()));
        let error = with(Supply::Constant(1)).unwrap_err();
        assert_eq!(error, "main: cannot be linked statically: its import a.b is supplied with a number");
        assert!(with(export(0, "none")).unwrap_err().contains("`none`, which is not there"));
        assert!(with(export(0, "again")).unwrap_err().contains("leads back to itself"));
    }
}
