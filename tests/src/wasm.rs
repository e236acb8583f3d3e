//! Owns small WebAssembly modules for tests: made from text, or from real ones that are cut or changed. Must not know what is expected of
//! them.

use wasm_encoder::{CustomSection, Encode, Module, RawSection, Section};

/// Assembles WebAssembly text; `(@dylink.0 ...)` makes a side module.
///
/// # Panics
///
/// Panics when the text is malformed.
pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"))
}

/// The offset of each section of a module, preceded by that of the header and followed by the end of the file.
///
/// # Panics
///
/// Panics when the module is malformed.
pub fn section_boundaries(module: &[u8]) -> Vec<usize> {
    let mut boundaries = Vec::new();
    let mut at = 8;
    while at < module.len() {
        boundaries.push(at);
        at += 1;
        at += read_leb(module, &mut at) as usize;
    }
    boundaries.push(module.len());
    boundaries
}

/// The id and the contents of each section.
///
/// # Panics
///
/// Panics when the module is malformed.
pub fn sections(module: &[u8]) -> Vec<(u8, &[u8])> {
    let boundaries = section_boundaries(module);
    boundaries
        .windows(2)
        .map(|ends| {
            let mut at = ends[0] + 1;
            read_leb(module, &mut at);
            (module[ends[0]], &module[at..ends[1]])
        })
        .collect()
}

/// A module made of sections.
pub fn join(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut module = Module::new();
    for (id, data) in sections {
        module.section(&RawSection { id: *id, data });
    }
    module.finish()
}

/// This module with another `dylink.0` section, given by its subsections.
pub fn with_dylink(module: &[u8], subsections: &[u8]) -> Vec<u8> {
    let mut contents = Vec::new();
    let custom = CustomSection { name: "dylink.0".into(), data: subsections.into() };
    // Without the id and the size, which `join` writes.
    custom.append_to(&mut contents);
    let whole = [&b"\0asm\x01\0\0\0"[..], &contents].concat();
    let parts = sections(&whole);
    let rest = sections(module).into_iter().skip(1);
    join(&parts.into_iter().chain(rest).collect::<Vec<_>>())
}

/// A `MEM_INFO` subsection.
pub fn mem_info(size: u32, alignment: u32, table_size: u32, table_alignment: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    for number in [size, alignment, table_size, table_alignment] {
        number.encode(&mut payload);
    }
    subsection(1, &payload)
}

/// A `NEEDED` subsection.
pub fn needed(names: &[&str]) -> Vec<u8> {
    let mut payload = Vec::new();
    names.len().encode(&mut payload);
    for name in names {
        name.encode(&mut payload);
    }
    subsection(2, &payload)
}

/// Any subsection.
pub fn subsection(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    payload.len().encode(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

fn read_leb(bytes: &[u8], at: &mut usize) -> u32 {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
