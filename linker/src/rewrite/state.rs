//! Owns the pass that lets the host get at what a module keeps to itself: its mutable globals, whoever made them, and its tables are
//! exported under names of the linker's, and its start function is exported in place of being run when the module is instantiated. So a
//! module can be instantiated without anything of it running, and what it has become can be put back. Must not know who wants that.

use wasm_encoder::ExportKind;

use super::additions::Additions;
use super::layout::Layout;
use crate::parse::error::ParseError;

/// The export that is the start function of a module that has one.
pub const START: &str = "pydl:start";
/// What the names of exported globals and tables begin with; their indices follow.
const GLOBAL: &str = "pydl:global:";
const TABLE: &str = "pydl:table:";

/// Adds the exports that are missing. Errs when the module exports something else under one of the names.
pub(super) fn export(layout: &Layout<'_>, added: &mut Additions<'_>) -> Result<(), ParseError> {
    for index in layout.private_globals() {
        added.export(&format!("{GLOBAL}{index}"), ExportKind::Global, index)?;
    }
    for index in layout.private_tables() {
        added.export(&format!("{TABLE}{index}"), ExportKind::Table, index)?;
    }
    if let Some(start) = layout.start {
        added.export(START, ExportKind::Func, start)?;
        added.take_start();
    }
    Ok(())
}
