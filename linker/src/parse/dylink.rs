//! Owns the parsing of the `dylink.0` custom section (tool-conventions, `DynamicLinking.md`). Subsections may come in any order
//! and may be repeated; unknown ones are skipped. Must not know other sections.

use std::collections::BTreeSet;

use indexmap::IndexSet;
use wasmparser::{BinaryReader, Dylink0SectionReader, Dylink0Subsection, MemInfo};

use crate::base::abi;
use crate::base::ids::{Alignment, SlotCount};
use crate::parse::error::ParseError;

/// What a library requires the loader to reserve (`WASM_DYLINK_MEM_INFO`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryInfo {
    /// Bytes of static data, `.bss` included; at least 1 when the module uses the address of its data.
    pub memory_size: u32,
    /// Alignment of the static data, in bytes.
    pub memory_alignment: Alignment,
    /// Number of table slots that the module's element segments fill.
    pub table_size: SlotCount,
    /// Alignment of those slots, in slots.
    pub table_alignment: Alignment,
}

impl Default for MemoryInfo {
    fn default() -> Self {
        MemoryInfo {
            memory_size: 0,
            memory_alignment: Alignment::ONE,
            table_size: SlotCount::default(),
            table_alignment: Alignment::ONE,
        }
    }
}

impl MemoryInfo {
    /// Requests memory even if there is no data. wasm-ld uses `__memory_base` as the module's `__dso_handle`, too, by which
    /// destructors are attributed to modules: it must differ from that of every other module.
    pub(super) fn reserve_place(&mut self) {
        self.memory_size = self.memory_size.max(1);
    }

    fn check(info: &MemInfo, offset: usize) -> Result<MemoryInfo, ParseError> {
        let at = |message: String| ParseError::new(offset, format!("dylink.0: {message}"));
        Ok(MemoryInfo {
            memory_size: info.memory_size,
            memory_alignment: Alignment::from_log2(info.memory_alignment)
                .map_err(|e| at(format!("memory alignment {e}")))?,
            table_size: SlotCount::new(info.table_size).map_err(|e| at(format!("table size: {e}")))?,
            table_alignment: Alignment::from_log2(info.table_alignment)
                .map_err(|e| at(format!("table alignment {e}")))?,
        })
    }
}

/// The contents of a `dylink.0` section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DylinkInfo {
    /// What the loader must reserve; all zero when the section has no `MEM_INFO`.
    pub memory: MemoryInfo,
    /// File names of the libraries this one depends on, in link order, without repetition.
    pub needed: IndexSet<String>,
    /// The NEEDED entries that repeat an earlier name, in order: they add nothing.
    pub repeated_needed: Vec<String>,
    /// Folders in which to search for the needed libraries, in order; may contain tokens such as `$ORIGIN`.
    pub runtime_path: IndexSet<String>,
    /// Names of imports that may stay undefined. `IMPORT_INFO` specifies a module with each name, but wasm-ld always writes `env`
    /// there, even for `GOT.mem` imports: only the name counts.
    pub weak_imports: BTreeSet<String>,
    /// Names of exports that are thread-local: their value is relative to `__tls_base`.
    pub tls_exports: BTreeSet<String>,
}

impl DylinkInfo {
    /// Parses the contents of a section; `offset` is their position in the file, in bytes. Errs when they are malformed.
    pub(super) fn parse(contents: &[u8], offset: usize) -> Result<DylinkInfo, ParseError> {
        let mut info = DylinkInfo::default();
        let mut memory = None;
        for subsection in Dylink0SectionReader::new(BinaryReader::new(contents, offset)) {
            match subsection? {
                Dylink0Subsection::MemInfo(raw) => {
                    let checked = MemoryInfo::check(&raw, offset)?;
                    if memory.replace(checked).is_some_and(|earlier| earlier != checked) {
                        return Err(ParseError::new(
                            offset,
                            "dylink.0: two MEM_INFO subsections contradict each other",
                        ));
                    }
                }
                Dylink0Subsection::Needed(names) => {
                    for name in names {
                        if !info.needed.insert(name.to_owned()) {
                            info.repeated_needed.push(name.to_owned());
                        }
                    }
                }
                Dylink0Subsection::RuntimePath(paths) => {
                    info.runtime_path.extend(paths.into_iter().map(str::to_owned));
                }
                Dylink0Subsection::ExportInfo(exports) => {
                    let tls = exports.iter().filter(|e| e.flags.bits() & abi::SYMBOL_TLS != 0);
                    info.tls_exports.extend(tls.map(|e| e.name.to_owned()));
                }
                Dylink0Subsection::ImportInfo(imports) => {
                    let weak = imports
                        .iter()
                        .filter(|i| i.flags.bits() & abi::SYMBOL_BINDING_MASK == abi::SYMBOL_BINDING_WEAK);
                    info.weak_imports.extend(weak.map(|i| i.field.to_owned()));
                }
                Dylink0Subsection::Unknown { .. } => {}
            }
        }
        info.memory = memory.unwrap_or_default();
        Ok(info)
    }
}
