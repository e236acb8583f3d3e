//! Owns the lowering of exceptions: from the legacy instructions (`try`, `catch`, `catch_all`, `rethrow`, `delegate`), which LLVM
//! still writes by default, to those of the standard (`try_table`, `throw_ref`), which engines compile. Function, type and tag
//! indexes stay the same; new types and locals are added after the existing ones. Must not know symbols.
//!
//! Sources: the exception handling proposal, `proposals/exception-handling/legacy/Exceptions.md`, and the core
//! specification, version 3, section 3.4.

mod lower;
mod tree;

use wasm_encoder::ValType;

use super::Change;
use super::additions::Additions;
use super::layout::{Body, Layout};
use crate::base::types::encode_type;
use crate::parse::error::ParseError;

/// The opcode of `try` in the legacy encoding.
const TRY: u8 = 0x06;

/// The sources of the pass.
pub(super) const SOURCES: [&str; 3] =
    [include_str!("mod.rs"), include_str!("lower.rs"), include_str!("tree.rs")];

/// The lowering of a module.
pub(super) struct Lower<'a> {
    layout: &'a Layout<'a>,
    /// How many steps delegations may still take.
    steps: usize,
}

impl<'a> Lower<'a> {
    pub(super) fn of(layout: &'a Layout<'a>) -> Lower<'a> {
        Lower { layout, steps: tree::STEPS }
    }
}

impl Change for Lower<'_> {
    fn body(
        &mut self,
        function: u32,
        body: &Body<'_>,
        added: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        lower::function(function, body, self.layout, added, &mut self.steps)
    }
}

/// Converts types to the encoder's terms. Errs for reference types, which LLVM gives neither to tags nor to blocks with
/// parameters.
fn encode_types(types: &[wasmparser::ValType], offset: usize) -> Result<Vec<ValType>, ParseError> {
    let encoded: Option<Vec<ValType>> = types.iter().map(|ty| encode_type(*ty)).collect();
    encoded.ok_or_else(|| {
        ParseError::new(offset, "legacy exceptions with values of reference types are not supported")
    })
}
