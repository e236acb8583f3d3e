//! Owns the reading of the export section, with the value of data symbols. Must not know what a name means.

use wasmparser::{
    ConstExpr, ExportSectionReader, ExternalKind, GlobalType, MemoryType, Operator, TableType, ValType,
};

use super::{IndexSpaces, ParsedModule, Signature};
use crate::error::ParseError;
use crate::ids::FuncIndex;

/// One export of a module; its name is the key in [`ParsedModule::exports`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// What is exported, with its type.
    pub kind: ExportKind,
}

/// The kind of an export, with its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportKind {
    /// A function; `index` is its place in the module's function index space.
    Function {
        /// Which function.
        index: FuncIndex,
        /// Its type.
        signature: Signature,
    },
    /// A data symbol: an immutable `i32` global with a constant value. The address is the value plus the
    /// module's memory base (tool-conventions, `DynamicLinking.md`, "Exports").
    Data {
        /// The value of the global, in bytes.
        offset: u32,
    },
    /// Any other global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// An exception tag.
    Tag(Signature),
}

impl ExportKind {
    /// The word for the kind in messages.
    pub fn word(&self) -> &'static str {
        match self {
            ExportKind::Function { .. } => "function",
            ExportKind::Data { .. } => "data",
            ExportKind::Global(_) => "global",
            ExportKind::Table(_) => "table",
            ExportKind::Memory(_) => "memory",
            ExportKind::Tag(_) => "tag",
        }
    }
}

pub(super) fn read(
    module: &mut ParsedModule,
    section: ExportSectionReader<'_>,
    spaces: &IndexSpaces,
) -> Result<(), ParseError> {
    for export in section.into_iter_with_offsets() {
        let (offset, export) = export?;
        let missing = || {
            ParseError::new(
                offset,
                format!("export `{}`: index {} is out of bounds", export.name, export.index),
            )
        };
        let index = export.index as usize;
        let kind = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = *spaces.functions.get(index).ok_or_else(missing)?;
                let signature = spaces.function_type(ty, offset)?;
                ExportKind::Function { index: FuncIndex(export.index), signature }
            }
            ExternalKind::Global => {
                let global = spaces.globals.get(index).ok_or_else(missing)?;
                match global.constant {
                    Some(offset) if is_immutable_i32(&global.ty) => ExportKind::Data { offset },
                    _ => ExportKind::Global(global.ty),
                }
            }
            ExternalKind::Table => ExportKind::Table(*spaces.tables.get(index).ok_or_else(missing)?),
            ExternalKind::Memory => ExportKind::Memory(*spaces.memories.get(index).ok_or_else(missing)?),
            ExternalKind::Tag => {
                let ty = *spaces.tags.get(index).ok_or_else(missing)?;
                ExportKind::Tag(spaces.function_type(ty, offset)?)
            }
        };
        if module.exports.insert(export.name.to_owned(), Export { kind }).is_some() {
            return Err(ParseError::new(offset, format!("`{}` is exported twice", export.name)));
        }
    }
    Ok(())
}

fn is_immutable_i32(ty: &GlobalType) -> bool {
    ty.content_type == ValType::I32 && !ty.mutable
}

/// The value of an initial expression that is a single `i32.const`.
pub(super) fn constant(expr: &ConstExpr<'_>) -> Result<Option<u32>, ParseError> {
    let mut operators = expr.get_operators_reader();
    Ok(match operators.read()? {
        Operator::I32Const { value } if matches!(operators.read()?, Operator::End) => {
            Some(value.cast_unsigned())
        }
        _ => None,
    })
}
