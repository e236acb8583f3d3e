//! Owns the parsing of the import section. Must not know what an import means.

use wasmparser::{GlobalType, ImportSectionReader, MemoryType, TableType};

use super::{GlobalDef, IndexSpaces, ParsedModule, Signature, TypeRef};
use crate::base::abi;
use crate::parse::error::ParseError;

/// One import of a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The import module, such as `env` or `GOT.mem`.
    pub module: String,
    /// The name within the import module; for most import modules, this is the name of a symbol.
    pub name: String,
    /// What is imported, with its type.
    pub kind: ImportKind,
}

/// The kind of an import, with its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImportKind {
    /// A function.
    Function(Signature),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// An exception tag.
    Tag(Signature),
}

impl ImportKind {
    /// The word for the kind in messages: `function`, `table`, `memory`, `global` or `tag`.
    pub fn word(&self) -> &'static str {
        match self {
            ImportKind::Function(_) => "function",
            ImportKind::Table(_) => "table",
            ImportKind::Memory(_) => "memory",
            ImportKind::Global(_) => "global",
            ImportKind::Tag(_) => "tag",
        }
    }
}

pub(super) fn read(
    module: &mut ParsedModule,
    section: ImportSectionReader<'_>,
    spaces: &mut IndexSpaces,
) -> Result<(), ParseError> {
    for import in section.into_imports_with_offsets() {
        let (offset, import) = import?;
        let kind = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                spaces.functions.push(ty);
                module.function_imports.push(module.imports.len());
                ImportKind::Function(spaces.function_type(ty, offset)?)
            }
            TypeRef::Table(ty) => {
                spaces.tables.push(ty);
                ImportKind::Table(ty)
            }
            TypeRef::Memory(ty) => {
                spaces.memories.push(ty);
                ImportKind::Memory(ty)
            }
            TypeRef::Global(ty) => {
                let index = u32::try_from(spaces.globals.len()).ok();
                match (import.module, import.name) {
                    (abi::ENV, abi::TABLE_BASE) => spaces.table_base = index,
                    (abi::ENV, abi::MEMORY_BASE) => spaces.memory_base = index,
                    _ => {}
                }
                spaces.globals.push(GlobalDef { ty, constant: None });
                ImportKind::Global(ty)
            }
            TypeRef::Tag(ty) => {
                spaces.tags.push(ty.func_type_idx);
                ImportKind::Tag(spaces.function_type(ty.func_type_idx, offset)?)
            }
        };
        module.imports.push(Import { module: import.module.to_owned(), name: import.name.to_owned(), kind });
    }
    Ok(())
}
