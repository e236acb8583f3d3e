//! Owns a report that contains something of everything, for the tests of how reports look.

use std::sync::Arc;

use pydl_linker::{FoundLibrary, Inspector, MainModule, ModuleReport};
use pydl_loader::SystemInterface;

use crate::inputs::{Inputs, Libraries};

const FUNCTION: u8 = 0;
const MEMORY: u8 = 2;
const GLOBAL: u8 = 3;

fn name(text: &str) -> Vec<u8> {
    [&[text.len().try_into().unwrap()], text.as_bytes()].concat()
}

/// A section, or anything else that consists of a number, the length of what follows, and the contents.
fn section(id: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let contents = parts.concat();
    [&[id, contents.len().try_into().unwrap()], contents.as_slice()].concat()
}

fn import(module: &str, field: &str, ty: &[u8]) -> Vec<u8> {
    [name(module), name(field), ty.to_vec()].concat()
}

fn export(field: &str, kind: u8, index: u8) -> Vec<u8> {
    [name(field), vec![kind, index]].concat()
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// Type 0, `() -> i32`, and type 1, `(i32) -> i32`.
fn types() -> Vec<u8> {
    section(1, &[b"\x02\x60\x00\x01\x7f\x60\x01\x7f\x01\x7f".to_vec()])
}

/// One function of type `() -> i32` that returns 0.
fn functions() -> Vec<u8> {
    section(3, &[vec![1, 0]])
}

fn code() -> Vec<u8> {
    section(10, &[b"\x01\x04\x00\x41\x00\x0b".to_vec()])
}

fn library() -> Vec<u8> {
    let memory_info = section(1, &[vec![20, 2, 1, 0]]);
    let needed = section(2, &[vec![1], name("libz.so")]);
    let weak_imports = section(4, &[vec![1], name("env"), name("hook"), vec![1]]);
    let imports = [
        vec![5],
        import("env", "memory", &[MEMORY, 0, 1]),
        import("env", "changed", &[FUNCTION, 1]),
        import("env", "hook", &[FUNCTION, 1]),
        import("env", "lost\x1b[2J", &[FUNCTION, 0]),
        import("GOT.mem", "errno", &[GLOBAL, 0x7f, 1]),
    ];
    let global = section(6, &[b"\x01\x7f\x00\x41\x08\x0b".to_vec()]);
    let exports = section(7, &[vec![2], export("PyInit_sample", FUNCTION, 3), export("digits", GLOBAL, 1)]);
    let dylink = section(0, &[name("dylink.0"), memory_info, needed, weak_imports]);
    module(&[dylink, types(), section(2, &imports), functions(), global, exports, code()])
}

fn main() -> Vec<u8> {
    let global = section(6, &[b"\x01\x7f\x00\x41\x08\x0b".to_vec()]);
    let exports = section(7, &[vec![2], export("changed", FUNCTION, 0), export("errno", GLOBAL, 0)]);
    module(&[types(), functions(), global, exports, code()])
}

/// A side module that would not load, for every possible reason, into a main module that cannot load any.
pub fn report() -> (MainModule, ModuleReport) {
    let file = FoundLibrary { path: "dir/sample.so".to_owned(), identity: None, bytes: library().into() };
    let main = Arc::new(MainModule::parse("main.wasm", &main()).unwrap());
    let inputs = Inputs::default();
    let mut libraries = Libraries::new(&inputs, &[]);
    let inspector = Inspector::new(Some(main.clone()), &mut libraries, Arc::new(SystemInterface::default()));
    let report = inspector.inspect(&file, &mut libraries).unwrap();
    (MainModule::clone(&main), report)
}
