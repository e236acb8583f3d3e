//! Owns the pass that gives the host access to what a module keeps private: its mutable globals, defined or imported, and its
//! tables are exported under names of the linker's own, and its start function is exported instead of being run at instantiation.
//! In this way a module can be instantiated without running any of its code, and its state can be restored. Must not know who
//! wants that.

use wasm_encoder::ExportKind;

use super::additions::Additions;
use super::layout::Layout;
use crate::parse::error::ParseError;

/// The export of the start function, in a module that has one.
pub const START: &str = "pydl:start";
/// The prefix of the names of exported globals; the index follows.
const GLOBAL: &str = "pydl:global:";
const TABLE: &str = "pydl:table:";

/// Adds the missing exports. Errs when the module exports something else under one of the names.
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
