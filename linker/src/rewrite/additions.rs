//! Owns what passes add to a module: types, functions and exports, after those that exist. Must not know why anything is added.

use std::collections::HashMap;

use indexmap::IndexSet;
use wasm_encoder::{Encode as _, ExportKind, Function, Module, RawSection, SectionId, ValType};
use wasmparser::BinaryReader;

use super::layout::Layout;
use crate::parse::error::{ParseError, slice};

/// The byte that a function type begins with in the type section.
const FUNCTION_TYPE: u8 = 0x60;
/// The order of sections (core specification, version 3, section 5.5.2).
const ORDER: [SectionId; 13] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Tag,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

/// The parameters and results of a function type.
type FunctionType = (Vec<ValType>, Vec<ValType>);

/// What is added to a module.
pub(super) struct Additions<'a> {
    layout: &'a Layout<'a>,
    /// The types that the module has, collected when first needed.
    known: Option<HashMap<FunctionType, u32>>,
    types: IndexSet<FunctionType>,
    /// The type index and the body of each function.
    functions: Vec<(u32, Vec<u8>)>,
    /// The encoded entries for the export section.
    exports: Vec<u8>,
    export_count: u32,
    takes_start: bool,
}

impl<'a> Additions<'a> {
    /// Creates an empty set of additions to a module.
    pub(super) fn to(layout: &'a Layout<'a>) -> Additions<'a> {
        Additions {
            layout,
            known: None,
            types: IndexSet::new(),
            functions: Vec::new(),
            exports: Vec::new(),
            export_count: 0,
            takes_start: false,
        }
    }

    /// The index of a function type: that of an existing type of the module, or of a new one.
    pub(super) fn type_index(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let layout = self.layout;
        let known = self.known.get_or_insert_with(|| layout.types_by_content());
        let ty = (params, results);
        if let Some(index) = known.get(&ty) {
            return *index;
        }
        let (position, _) = self.types.insert_full(ty);
        count(layout.types.len().saturating_add(position))
    }

    /// Adds a function and returns its index.
    pub(super) fn function(&mut self, params: Vec<ValType>, results: Vec<ValType>, body: Function) -> u32 {
        let index = self.layout.functions.len().saturating_add(self.functions.len());
        let ty = self.type_index(params, results);
        self.functions.push((ty, body.into_raw_body()));
        count(index)
    }

    /// Adds an export of something that the module has. Errs when the module already has an export of that name.
    pub(super) fn export(&mut self, name: &str, kind: ExportKind, index: u32) -> Result<(), ParseError> {
        if self.layout.exports_name(name) {
            let message = format!("it exports `{name}`, a name that the linker needs");
            return Err(ParseError::new(0, message));
        }
        name.encode(&mut self.exports);
        kind.encode(&mut self.exports);
        index.encode(&mut self.exports);
        self.export_count = self.export_count.saturating_add(1);
        Ok(())
    }

    /// Removes the start section.
    pub(super) fn take_start(&mut self) {
        self.takes_start = true;
    }

    /// Whether the start section is removed.
    pub(super) fn takes_start(&self) -> bool {
        self.takes_start
    }

    /// Whether nothing is added or removed.
    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty() && self.functions.is_empty() && self.export_count == 0 && !self.takes_start
    }

    /// The bodies of new functions.
    pub(super) fn functions(&self) -> impl Iterator<Item = &[u8]> {
        self.functions.iter().map(|(_, body)| body.as_slice())
    }

    /// A section with the additions to it; `None` for a section that stays unchanged. Errs when the section is malformed.
    pub(super) fn longer(&self, id: u8, data: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
        let (more, entries) = self.entries(id);
        (more > 0).then(|| appended(data, more, &entries)).transpose()
    }

    /// Writes the new sections that come between two of the module's sections.
    pub(super) fn sections_between(&self, before: u8, after: Option<u8>, module: &mut Module) {
        let rank = |id: u8| ORDER.iter().position(|known| *known as u8 == id);
        let first = rank(before).map_or(0, |rank| rank + 1);
        let end = after.map_or(ORDER.len(), |id| rank(id).unwrap_or(0));
        for id in ORDER.get(first..end).unwrap_or_default() {
            let (more, entries) = self.entries(*id as u8);
            if more > 0 {
                let mut data = Vec::new();
                more.encode(&mut data);
                data.extend(entries);
                module.section(&RawSection { id: *id as u8, data: &data });
            }
        }
    }

    /// The number of entries that a section gains, and their bytes.
    fn entries(&self, id: u8) -> (u32, Vec<u8>) {
        let mut entries = Vec::new();
        if id == SectionId::Type as u8 {
            for (params, results) in &self.types {
                entries.push(FUNCTION_TYPE);
                params.encode(&mut entries);
                results.encode(&mut entries);
            }
            (count(self.types.len()), entries)
        } else if id == SectionId::Function as u8 {
            self.functions.iter().for_each(|(ty, _)| ty.encode(&mut entries));
            (count(self.functions.len()), entries)
        } else if id == SectionId::Export as u8 {
            (self.export_count, self.exports.clone())
        } else {
            (0, entries)
        }
    }
}

/// A vector, such as a section's contents, with this many more entries.
pub(super) fn appended(data: &[u8], more: u32, entries: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut reader = BinaryReader::new(data, 0);
    let count = reader.read_var_u32()?;
    let mut longer = Vec::with_capacity(data.len() + entries.len() + 5);
    count.saturating_add(more).encode(&mut longer);
    longer.extend_from_slice(slice(data, reader.original_position()..data.len())?);
    longer.extend_from_slice(entries);
    Ok(longer)
}

/// Converts a length to an index: all lengths here come from 32-bit modules.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
