//! Owns outlines: what the linker reads of a main module, in a form that is read in a fraction of the time. An outline is a
//! WebAssembly module with those sections that are small, and a custom section with the exported functions and data, packed and
//! sorted. It is for caches, and trusted no further than that: a damaged outline yields an error or wrong contents, never a
//! panic.

use wasm_encoder::{CustomSection, ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

use super::elements::ElementSlots;
use super::{ExportKind as Kind, ParsedModule};
use crate::base::abi;
use crate::parse::error::ParseError;

/// Name of the custom section.
const PACKED: &str = "pydl.outline";

impl ParsedModule {
    /// Creates the outline of this module, whose bytes are `bytes`. Errs when they are not a WebAssembly module.
    pub fn outline(&self, bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
        let mut outline = Module::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            match &payload {
                Payload::ExportSection(section) => {
                    outline.section(&self.unpacked_exports(section.clone())?);
                }
                // The section comes first, as in the module itself.
                Payload::CustomSection(section) if section.name() == abi::DYLINK => {
                    outline.section(&CustomSection { name: abi::DYLINK.into(), data: section.data().into() });
                }
                Payload::FunctionSection(_)
                | Payload::ElementSection(_)
                | Payload::DataCountSection { .. }
                | Payload::CodeSectionStart { .. }
                | Payload::DataSection(_)
                | Payload::CustomSection(_) => {}
                small => {
                    if let Some((id, range)) = small.as_section() {
                        outline.section(&RawSection { id, data: bytes.get(range).unwrap_or_default() });
                    }
                }
            }
        }
        outline.section(&CustomSection { name: PACKED.into(), data: self.pack().into() });
        Ok(outline.finish())
    }

    /// Reads an outline. Errs when the bytes are not an outline.
    pub fn from_outline(outline: Vec<u8>) -> Result<ParsedModule, ParseError> {
        let (mut module, _) = ParsedModule::read(&outline)?;
        let mut packed = None;
        for payload in Parser::new(0).parse_all(&outline) {
            match payload? {
                Payload::CustomSection(section) if section.name() == PACKED => {
                    packed = Some(section.data_offset());
                }
                _ => {}
            }
        }
        let end = outline.len();
        let unpacked = packed.and_then(|begin| module.unpack(outline, begin));
        unpacked.ok_or_else(|| ParseError::new(end, "not the outline of a module"))?;
        Ok(module)
    }

    /// The exports that are not packed.
    fn unpacked_exports(
        &self,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<ExportSection, ParseError> {
        let mut exports = ExportSection::new();
        for export in section {
            let export = export?;
            let kind = match (export.kind, self.exports.get(export.name).map(|export| export.kind)) {
                (_, None | Some(Kind::Function { .. } | Kind::Data { .. })) => continue,
                (ExternalKind::Table, _) => ExportKind::Table,
                (ExternalKind::Memory, _) => ExportKind::Memory,
                (ExternalKind::Tag, _) => ExportKind::Tag,
                (ExternalKind::Global | ExternalKind::Func | ExternalKind::FuncExact, _) => {
                    ExportKind::Global
                }
            };
            exports.export(export.name, kind, export.index);
        }
        Ok(exports)
    }

    fn pack(&self) -> Vec<u8> {
        let ElementSlots { absolute, from_table_base } = &self.element_slots;
        let mut packed = vec![u8::from(self.python_minor.is_some()), self.python_minor.unwrap_or(0)];
        for numbers in [absolute, from_table_base] {
            packed.extend(u32::try_from(numbers.len()).unwrap_or(u32::MAX).to_le_bytes());
            packed.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        packed.extend(self.exports.packed());
        packed
    }

    /// Takes over what extends from `begin` to the end: the custom section is the last one.
    fn unpack(&mut self, outline: Vec<u8>, begin: usize) -> Option<()> {
        let (version, rest) = outline.get(begin..)?.split_first_chunk::<2>()?;
        self.python_minor = (version[0] != 0).then_some(version[1]);
        let (absolute, rest) = numbers(rest)?;
        let (from_table_base, rest) = numbers(rest)?;
        self.element_slots = ElementSlots { absolute, from_table_base };
        let symbols = outline.len() - rest.len();
        self.exports.set_packed(outline, symbols)
    }
}

/// A count followed by that many numbers, and the rest.
fn numbers(packed: &[u8]) -> Option<(Vec<u32>, &[u8])> {
    let (count, rest) = packed.split_first_chunk::<4>()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(4)?;
    let (numbers, rest) = rest.split_at_checked(length)?;
    Some((numbers.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(), rest))
}
