//! Owns generated WebAssembly through which CPython calls C functions that take fewer arguments than it passes: extensions cast
//! them, which is harmless natively, but an indirect call in WebAssembly checks the type. Two generations of CPython request it
//! in two ways (CPython, `Python/emscripten_trampoline*.c`; Pyodide, `cpython/patches`). Must not know which main module wants
//! which.

use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, HeapType,
    ImportSection, MemArg, MemoryType, Module, RefType, TableType, TypeSection, ValType,
};

use crate::base::abi;

/// The name of the function that both modules export.
pub const FUNCTION: &str = "trampoline";
/// The most arguments that are passed on.
const MOST: u32 = 3;
/// The index of a module's own function type; the types of functions with 0 to 3 parameters come before it, by number of
/// parameters.
const OWN_TYPE: u32 = MOST + 1;

/// The exports that hold the address of the offset of a trampoline's table slot in CPython's runtime state, by trampoline number:
/// that of CPython 3.14, and that of 3.12 and 3.13 (Pyodide, `cpython/patches`).
pub const OFFSETS: [&str; 2] = ["_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET", "_PyEM_EMSCRIPTEN_COUNT_ARGS_OFFSET"];

/// Generates the module of the trampoline with this number; `None` when there is none.
pub fn generate(number: usize) -> Option<Vec<u8>> {
    match number {
        0 => Some(call()),
        1 => Some(count_arguments()),
        _ => None,
    }
}

/// A module that exports `(success: i32, function: i32, a: i32, b: i32, c: i32) -> i32`. It calls the function in a table slot
/// with as many of the three arguments as that function takes, after writing 1 to the address `success`; when the function takes
/// other parameters, it writes 0 there and returns 0. Imports the memory and the table from `env`.
fn call() -> Vec<u8> {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    let word = MemArg { offset: 0, align: 2, memory_index: 0 };
    for parameters in (0..=MOST).rev() {
        sink.local_get(1)
            .table_get(0)
            .ref_test_non_null(HeapType::Concrete(parameters))
            .if_(BlockType::Empty);
        sink.local_get(0).i32_const(1).i32_store(word);
        for argument in 0..parameters {
            sink.local_get(2 + argument);
        }
        sink.local_get(1).call_indirect(0, parameters).return_().end();
    }
    sink.local_get(0).i32_const(0).i32_store(word).i32_const(0).end();
    module(&[ValType::I32; 5], true, &function)
}

/// A module that exports `(function: i32) -> i32`: the number of `i32` parameters, at most 3, that the function in a table slot
/// takes, if it returns an `i32`; otherwise -1. Imports the table from `env`.
fn count_arguments() -> Vec<u8> {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    for parameters in (0..=MOST).rev() {
        sink.local_get(0)
            .table_get(0)
            .ref_test_non_null(HeapType::Concrete(parameters))
            .if_(BlockType::Empty);
        sink.i32_const(parameters.cast_signed()).return_().end();
    }
    sink.i32_const(-1).end();
    module(&[ValType::I32], false, &function)
}

fn module(parameters: &[ValType], needs_memory: bool, function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    for count in 0..=MOST as usize {
        types.ty().function(vec![ValType::I32; count], [ValType::I32]);
    }
    types.ty().function(parameters.to_vec(), [ValType::I32]);
    let mut imports = ImportSection::new();
    if needs_memory {
        let memory =
            MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
        imports.import(abi::ENV, abi::MEMORY, EntityType::Memory(memory));
    }
    let table = TableType {
        element_type: RefType::FUNCREF,
        minimum: 0,
        maximum: None,
        table64: false,
        shared: false,
    };
    imports.import(abi::ENV, abi::TABLE, table);
    let mut functions = FunctionSection::new();
    functions.function(OWN_TYPE);
    let mut exports = ExportSection::new();
    exports.export(FUNCTION, ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(function);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_valid() {
        for module in [call(), count_arguments()] {
            wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&module)
                .unwrap();
        }
    }
}
