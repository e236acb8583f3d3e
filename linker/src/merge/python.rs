//! Owns how extension modules become known to a CPython: its table of built-in modules (`PyImport_Inittab`), which the program begins with.
//! Must not know what modules do.

use super::MergeError;
use super::image::Image;
use super::tables::Arena;
use crate::parse::{ExportKind, Exports};

/// CPython's variable that points to the table (`Python/import.c`): pairs of a name and a function, up to a null name.
const TABLE: &str = "PyImport_Inittab";
/// The prefix of the functions that make modules.
const INIT: &str = "PyInit_";
/// The most entries that a table is read for.
const MOST: u32 = 100_000;

/// The extension modules of a library that is opened by `path`: the names of their functions, and of the modules. A library in a folder is
/// a module of the package that the folder is.
pub(super) fn modules_of(exports: &Exports, path: &str) -> Vec<(String, String)> {
    let package = path.rsplit_once('/').map(|(folder, _)| folder.replace('/', "."));
    let named = |name: &str| match &package {
        Some(package) => format!("{package}.{name}"),
        None => name.to_owned(),
    };
    let inits = exports.iter().filter(|(_, export)| matches!(export.kind, ExportKind::Function { .. }));
    inits.filter_map(|(init, _)| Some((init.to_owned(), named(init.strip_prefix(INIT)?)))).collect()
}

/// Adds modules to the table: names, and slots of their functions; `base` is where the main module's data lies. Returns what to write; nothing for a main module that has no such
/// table, and when there are no modules.
pub(super) fn announce(
    exports: &Exports,
    base: u32,
    image: &Image<'_>,
    arena: &mut Arena,
    modules: &[(String, u32)],
) -> Result<Option<(u32, Vec<u8>)>, MergeError> {
    let pointer = match exports.get(TABLE).map(|export| export.kind) {
        Some(ExportKind::Data { offset }) if !modules.is_empty() => base.wrapping_add(offset),
        _ => return Ok(None),
    };
    let first = image.word(pointer);
    let mut words = Vec::new();
    for (name, slot) in modules {
        words.extend([arena.text(name)?, *slot]);
    }
    for entry in 0..MOST {
        let at = first.wrapping_add(entry * 8);
        match image.word(at) {
            0 => break,
            name => words.extend([name, image.word(at.wrapping_add(4))]),
        }
    }
    words.extend([0, 0]);
    let table = arena.words(&words)?;
    Ok(Some((pointer, table.to_le_bytes().to_vec())))
}
