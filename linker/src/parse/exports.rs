//! Owns the reading of the export section, with the value of data symbols. Must not know what a name means.

use wasmparser::{
    ConstExpr, ExportSectionReader, ExternalKind, GlobalType, MemoryType, Operator, TableType, ValType,
};

use super::{IndexSpaces, ParsedModule, Signature};
use crate::error::ParseError;
use crate::ids::FuncIndex;

/// One export of a module; [`Exports`] has its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// What is exported, with its type.
    pub kind: ExportKind,
}

/// The exports of a module by name, sorted by name. A main module has thousands of them and most are never asked for, so
/// the names lie in one piece and nothing is hashed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exports {
    names: String,
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    start: usize,
    end: usize,
    export: Export,
}

impl Exports {
    /// The export of a name.
    pub fn get(&self, name: &str) -> Option<&Export> {
        let position = self.entries.binary_search_by(|entry| self.name(entry).cmp(name)).ok()?;
        self.entries.get(position).map(|entry| &entry.export)
    }

    /// Whether there is an export of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All exports, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Export)> {
        self.entries.iter().map(|entry| (self.name(entry), &entry.export))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn name(&self, entry: &Entry) -> &str {
        self.names.get(entry.start..entry.end).unwrap_or_default()
    }

    fn push(&mut self, name: &str, export: Export) {
        let start = self.names.len();
        self.names.push_str(name);
        self.entries.push(Entry { start, end: self.names.len(), export });
    }

    /// Sorts what was pushed. Errs with a name that is there twice.
    fn sort(&mut self) -> Result<(), &str> {
        let Exports { names, entries } = self;
        let name = |entry: &Entry| names.get(entry.start..entry.end).unwrap_or_default();
        if !entries.is_sorted_by_key(name) {
            entries.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        }
        let twice = entries.windows(2).find(|pair| name(&pair[0]) == name(&pair[1]));
        twice.map_or(Ok(()), |pair| Err(name(&pair[0])))
    }
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
    let section_offset = section.range().start;
    // Each export takes three bytes at least, so a wrong count cannot reserve more than the file is worth.
    let plausible = section.range().len() / 3;
    let mut exports = Exports::default();
    exports.entries.reserve(plausible.min(section.count() as usize));
    exports.names.reserve(section.range().len());
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
        exports.push(export.name, Export { kind });
    }
    exports.sort().map_err(|name| ParseError::new(section_offset, format!("`{name}` is exported twice")))?;
    module.exports = exports;
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
