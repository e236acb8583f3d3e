//! Owns outlines: modules without what the linker does not look at. Must not know who keeps them.

use wasm_encoder::{CodeSection, ExportKind, ExportSection, Function, Module, RawSection};
use wasmparser::{Export, ExportSectionReader, ExternalKind, Parser, Payload};

use crate::abi;
use crate::error::ParseError;

/// A module that [`super::ParsedModule::parse`] reads the same from, but for names of functions: without data, custom
/// sections other than `dylink.0`, and function bodies, for which there are empty ones; its exports are
/// sorted. It is a small part of the size.
/// Errs when `bytes` is no WebAssembly module.
pub fn outline(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut outline = Module::new();
    let mut code = CodeSection::new();
    let mut empty = Function::new([]);
    empty.instructions().end();
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::CodeSectionStart { count, .. } => bodies = *count,
            Payload::CodeSectionEntry(_) => {
                code.function(&empty);
                if code.len() == bodies {
                    outline.section(&code);
                }
            }
            Payload::ExportSection(section) => {
                outline.section(&sorted(section)?);
            }
            Payload::DataSection(_) | Payload::DataCountSection { .. } => {}
            Payload::CustomSection(custom) if custom.name() != abi::DYLINK => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    let data = bytes.get(range).unwrap_or_default();
                    outline.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(outline.finish())
}

/// The exports sorted by name, as [`super::Exports`] wants them.
fn sorted(section: &ExportSectionReader<'_>) -> Result<ExportSection, ParseError> {
    let mut exports: Vec<Export<'_>> = section.clone().into_iter().collect::<Result<_, _>>()?;
    exports.sort_unstable_by_key(|export| export.name);
    let mut sorted = ExportSection::new();
    for export in exports {
        let kind = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
            ExternalKind::Table => ExportKind::Table,
            ExternalKind::Memory => ExportKind::Memory,
            ExternalKind::Global => ExportKind::Global,
            ExternalKind::Tag => ExportKind::Tag,
        };
        sorted.export(export.name, kind, export.index);
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::ParsedModule;

    #[test]
    fn an_outline_reads_the_same() {
        let mut module = Module::new();
        module.section(&RawSection { id: 1, data: &[1, 0x60, 0, 0] });
        module.section(&RawSection { id: 3, data: &[1, 0] });
        module.section(&RawSection { id: 7, data: &[1, 1, b'f', 0, 0] });
        module.section(&RawSection { id: 10, data: &[1, 5, 0, 0x41, 0, 0x1a, 0x0b] });
        let module = module.finish();
        let outlined = outline(&module).unwrap();
        assert_eq!(
            ParsedModule::parse(&outlined).unwrap().exports,
            ParsedModule::parse(&module).unwrap().exports
        );
        assert!(!outlined.contains(&0x1a), "the body is gone");
    }
}
