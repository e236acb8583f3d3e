//! Owns the parsing of the export section, with the values of data symbols. Must not know what a name means.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use wasmparser::{
    ConstExpr, ExportSectionReader, ExternalKind, GlobalType, MemoryType, Operator, TableType, ValType,
};

use super::{IndexSpaces, ParsedModule, Signature};
use crate::base::abi;
use crate::base::ids::FuncIndex;
use crate::parse::error::ParseError;

/// One export of a module; its name is kept by [`Exports`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// What is exported, with its type.
    pub kind: ExportKind,
}

/// The exports of a module, by name. A main module has thousands of them, and most are never looked up: functions and data are
/// kept packed, and unpacked on demand.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    packed: PackedSymbols,
    /// The exports that are not packed, sorted by name.
    others: Vec<(String, Export)>,
    /// The module's types, which packed functions refer to.
    types: Types,
}

/// The function types of a module by type index; `None` for types that are not function types.
pub(super) type Types = Arc<[Option<Signature>]>;

impl Exports {
    /// The export with this name.
    pub fn get(&self, name: &str) -> Option<Export> {
        if let Some(symbol) = self.packed.find(name.as_bytes()) {
            return self.unpack(symbol);
        }
        let other = self.others.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.others.get(other).map(|(_, export)| export.clone())
    }

    /// Whether there is an export of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The export whose address C code gets when it takes the address of the function exported as `name`: most often that export
    /// itself ([`abi::ORIGINAL`]).
    pub fn pointed_at<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if !self.packed.has_originals() {
            return Cow::Borrowed(name);
        }
        let original = format!("{}{name}", abi::ORIGINAL);
        match self.get(&original).map(|export| export.kind) {
            Some(ExportKind::Function { .. }) => Cow::Owned(original),
            _ => Cow::Borrowed(name),
        }
    }

    /// All exports: functions and data, sorted by name, then the others.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Export)> {
        let symbols = (0..self.packed.count).filter_map(|position| {
            let symbol = self.packed.get(position)?;
            Some((str::from_utf8(self.packed.name(symbol)?).ok()?, self.unpack(symbol)?))
        });
        symbols.chain(self.others.iter().map(|(name, export)| (name.as_str(), export.clone())))
    }

    /// The names of all data exports, sorted.
    pub(crate) fn data_names(&self) -> impl Iterator<Item = &str> {
        self.data().map(|(name, _)| name)
    }

    /// All data exports, sorted by name, with their offsets from the memory base in bytes.
    pub(crate) fn data(&self) -> impl Iterator<Item = (&str, u32)> {
        let data = (0..self.packed.count).filter_map(|position| self.packed.get(position));
        let data = data.filter(|symbol| symbol.ty == PackedSymbol::DATA);
        data.filter_map(|symbol| Some((str::from_utf8(self.packed.name(symbol)?).ok()?, symbol.value)))
    }

    /// Whether functions are exported that pass 64-bit integers in halves ([`abi::ORIGINAL`]).
    pub(crate) fn has_originals(&self) -> bool {
        self.packed.has_originals()
    }

    /// Whether there are no exports.
    pub fn is_empty(&self) -> bool {
        self.packed.count == 0 && self.others.is_empty()
    }

    fn unpack(&self, symbol: PackedSymbol) -> Option<Export> {
        let kind = if symbol.ty == PackedSymbol::DATA {
            ExportKind::Data { offset: symbol.value }
        } else {
            let signature = self.types.get(symbol.ty as usize)?.clone()?;
            ExportKind::Function { index: FuncIndex(symbol.value), signature }
        };
        Some(Export { kind })
    }

    /// Sets the types that packed functions refer to.
    pub(super) fn set_types(&mut self, types: Types) {
        self.types = types;
    }

    /// The packed part as bytes, for [`Exports::set_packed`].
    pub(super) fn packed(&self) -> &[u8] {
        self.packed.bytes.get(self.packed.begin..).unwrap_or_default()
    }

    /// Sets the packed part, which extends from `begin` in `bytes` to their end. `None` when the bytes are not a packed part.
    pub(super) fn set_packed(&mut self, bytes: Vec<u8>, begin: usize) -> Option<()> {
        self.packed = PackedSymbols::open(bytes, begin)?;
        Some(())
    }
}

/// An exported function or data symbol.
#[derive(Clone, Copy, Debug)]
struct PackedSymbol {
    /// Offset of the symbol's name among the names; its length follows. Both are in bytes.
    name: u32,
    name_length: u32,
    /// The function's index, or the data's offset.
    value: u32,
    /// The function's type, or [`PackedSymbol::DATA`].
    ty: u32,
}

impl PackedSymbol {
    /// The value of `ty` for data. No module has that many types.
    const DATA: u32 = u32::MAX;
    const SIZE: usize = 16;
}

/// Symbols in a single piece of memory, which can be written to a file and read back: the number of symbols, the symbols sorted
/// by name (four little-endian 32-bit numbers each), and their names.
#[derive(Clone, Debug, Default)]
struct PackedSymbols {
    bytes: Vec<u8>,
    /// The offset in `bytes` at which the symbols begin.
    begin: usize,
    count: usize,
}

impl PackedSymbols {
    fn pack(symbols: &[PackedSymbol], names: &str) -> Option<PackedSymbols> {
        let mut bytes = Vec::with_capacity(4 + symbols.len() * PackedSymbol::SIZE + names.len());
        bytes.extend(u32::try_from(symbols.len()).ok()?.to_le_bytes());
        for symbol in symbols {
            let numbers = [symbol.name, symbol.name_length, symbol.value, symbol.ty];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes.extend(names.as_bytes());
        PackedSymbols::open(bytes, 0)
    }

    fn open(bytes: Vec<u8>, begin: usize) -> Option<PackedSymbols> {
        let (count, rest) = bytes.get(begin..)?.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        rest.get(..count.checked_mul(PackedSymbol::SIZE)?)?;
        Some(PackedSymbols { bytes, begin, count })
    }

    fn get(&self, position: usize) -> Option<PackedSymbol> {
        let at = self.begin + 4 + position * PackedSymbol::SIZE;
        let numbers = self.bytes.get(at..at + PackedSymbol::SIZE)?;
        match numbers.as_chunks::<4>().0 {
            [name, name_length, value, ty] => Some(PackedSymbol {
                name: u32::from_le_bytes(*name),
                name_length: u32::from_le_bytes(*name_length),
                value: u32::from_le_bytes(*value),
                ty: u32::from_le_bytes(*ty),
            }),
            _ => None,
        }
    }

    fn name(&self, symbol: PackedSymbol) -> Option<&[u8]> {
        let names = self.begin + 4 + self.count * PackedSymbol::SIZE;
        let start = names.checked_add(symbol.name as usize)?;
        self.bytes.get(start..start.checked_add(symbol.name_length as usize)?)
    }

    fn find(&self, name: &[u8]) -> Option<PackedSymbol> {
        self.search(name).ok()
    }

    /// Whether any name begins with [`abi::ORIGINAL`].
    fn has_originals(&self) -> bool {
        let prefix = abi::ORIGINAL.as_bytes();
        let first = match self.search(prefix) {
            Ok(symbol) => Some(symbol),
            Err(position) => self.get(position),
        };
        first.and_then(|symbol| self.name(symbol)).is_some_and(|name| name.starts_with(prefix))
    }

    /// Binary search. Errs with the position of the first name that is greater.
    fn search(&self, name: &[u8]) -> Result<PackedSymbol, usize> {
        let mut range = 0..self.count;
        while !range.is_empty() {
            let middle = usize::midpoint(range.start, range.end);
            let Some((symbol, other)) = self.get(middle).and_then(|it| Some((it, self.name(it)?))) else {
                return Err(self.count);
            };
            match other.cmp(name) {
                Ordering::Equal => return Ok(symbol),
                Ordering::Less => range.start = middle + 1,
                Ordering::Greater => range.end = middle,
            }
        }
        Err(range.start)
    }
}

/// The exports while they are read.
#[derive(Default)]
struct Builder {
    names: String,
    symbols: Vec<PackedSymbol>,
    others: Vec<(String, Export)>,
}

impl Builder {
    fn name(&self, symbol: PackedSymbol) -> &str {
        let start = symbol.name as usize;
        self.names.get(start..start.saturating_add(symbol.name_length as usize)).unwrap_or_default()
    }

    /// Adds a function or data symbol. `None` when the names are longer than 4 GiB in total.
    fn push_symbol(&mut self, name: &str, value: u32, ty: u32) -> Option<()> {
        let start = u32::try_from(self.names.len()).ok()?;
        let name_length = u32::try_from(name.len()).ok()?;
        self.names.push_str(name);
        self.symbols.push(PackedSymbol { name: start, name_length, value, ty });
        Some(())
    }

    /// Adds one export; `None` when it refers to something that does not exist.
    fn add(&mut self, export: &wasmparser::Export<'_>, spaces: &IndexSpaces) -> Option<()> {
        let index = export.index as usize;
        let kind = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = *spaces.functions.get(index)?;
                spaces.types.get(ty as usize)?.as_ref()?;
                return self.push_symbol(export.name, export.index, ty);
            }
            ExternalKind::Global => {
                let global = spaces.globals.get(index)?;
                match global.constant {
                    Some(offset) if is_immutable_i32(&global.ty) => {
                        return self.push_symbol(export.name, offset, PackedSymbol::DATA);
                    }
                    _ => ExportKind::Global(global.ty),
                }
            }
            ExternalKind::Table => ExportKind::Table(*spaces.tables.get(index)?),
            ExternalKind::Memory => ExportKind::Memory(*spaces.memories.get(index)?),
            ExternalKind::Tag => {
                let ty = *spaces.tags.get(index)?;
                ExportKind::Tag(spaces.types.get(ty as usize)?.clone()?)
            }
        };
        self.others.push((export.name.to_owned(), Export { kind }));
        Some(())
    }

    /// Sorts the added exports. Errs with a name that occurs twice.
    fn finish(mut self) -> Result<Exports, String> {
        let mut symbols = std::mem::take(&mut self.symbols);
        symbols.sort_unstable_by(|a, b| self.name(*a).cmp(self.name(*b)));
        self.others.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = symbols.windows(2).find(|pair| self.name(pair[0]) == self.name(pair[1])) {
            return Err(self.name(pair[0]).to_owned());
        }
        let packed = PackedSymbols::pack(&symbols, &self.names).unwrap_or_default();
        let others = self.others.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| &pair[0]);
        let in_both = || self.others.iter().find(|(name, _)| packed.find(name.as_bytes()).is_some());
        match others.or_else(in_both) {
            Some((name, _)) => Err(name.clone()),
            None => Ok(Exports { packed, others: self.others, types: Types::default() }),
        }
    }
}

/// The kind of an export, with its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportKind {
    /// A function.
    Function {
        /// The function's index in the module's function index space.
        index: FuncIndex,
        /// The function's type.
        signature: Signature,
    },
    /// A data symbol: an immutable `i32` global with a constant value. The address is the value plus the module's memory base
    /// (tool-conventions, `DynamicLinking.md`, "Exports").
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
    /// The kind as a word in messages.
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
    // Each export takes three bytes at least, so that a wrong count cannot reserve more memory than the size of the file
    // justifies.
    let plausible = section.range().len() / 3;
    let mut exports = Builder::default();
    exports.symbols.reserve(plausible.min(section.count() as usize));
    exports.names.reserve(section.range().len());
    for export in section.into_iter_with_offsets() {
        let (offset, export) = export?;
        exports.add(&export, spaces).ok_or_else(|| {
            let what = format!("export `{}`: index {} is out of bounds", export.name, export.index);
            ParseError::new(offset, what)
        })?;
    }
    let finished = exports.finish();
    module.exports =
        finished.map_err(|name| ParseError::new(section_offset, format!("`{name}` is exported twice")))?;
    Ok(())
}

fn is_immutable_i32(ty: &GlobalType) -> bool {
    ty.content_type == ValType::I32 && !ty.mutable
}

/// The value of an initializer expression that consists of a single `i32.const`.
pub(super) fn constant(expr: &ConstExpr<'_>) -> Result<Option<u32>, ParseError> {
    let mut operators = expr.get_operators_reader();
    Ok(match operators.read()? {
        Operator::I32Const { value } if matches!(operators.read()?, Operator::End) => {
            Some(value.cast_unsigned())
        }
        _ => None,
    })
}
