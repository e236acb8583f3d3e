//! Owns generated WebAssembly: the module of small functions that a load needs where an import cannot be bound to an
//! export directly. Generated code calls without a transition to the host and lets exceptions and traps pass. Must
//! not know why a thunk is needed.

use indexmap::IndexMap;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemoryType,
    Module, NameMap, NameSection, RefType, TableType, TypeSection, ValType,
};

use crate::abi;
use crate::ids::TableSlot;
use crate::parse::Signature;
use crate::resolve::FunctionRef;

/// A function to generate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thunk {
    /// The symbol it stands for, which names it in backtraces.
    pub symbol: String,
    /// Its type.
    pub signature: Signature,
    /// What it does.
    pub kind: ThunkKind,
}

/// What a thunk does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThunkKind {
    /// Calls a function of the load through its table slot.
    Slot(FunctionRef),
    /// Calls a host function, with the process's memory among its own exports, where WASI implementations look for it.
    Host {
        /// Import module of the host function.
        module: String,
        /// Its name.
        name: String,
    },
    /// Traps: a weak function that nothing defines was called.
    Undefined,
}

/// The name under which the thunk module exports thunk number `index`.
pub(crate) fn export_name(index: usize) -> String {
    format!("thunk{index}")
}

/// Whether a thunk of this type can be generated: its types are numbers, vectors, `funcref` and `externref`.
pub(crate) fn is_encodable(signature: &Signature) -> bool {
    signature.0.params().iter().chain(signature.0.results()).all(|ty| encode_type(*ty).is_some())
}

fn encode_type(ty: wasmparser::ValType) -> Option<ValType> {
    Some(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(wasmparser::RefType::FUNCREF) => ValType::FUNCREF,
        wasmparser::ValType::Ref(wasmparser::RefType::EXTERNREF) => ValType::EXTERNREF,
        wasmparser::ValType::Ref(_) => return None,
    })
}

/// What a thunk's body calls.
pub(crate) enum Target<'a> {
    Slot(TableSlot),
    Host { module: &'a str, name: &'a str },
    Trap,
}

/// Generates the thunk module. Its imports are, in this order, the host functions in the order in which `targets`
/// first names them, then the table, then the memory.
pub(crate) fn generate(thunks: &[(&Thunk, Target<'_>)]) -> Vec<u8> {
    let mut types = Types::default();
    let mut imports = ImportSection::new();
    let mut hosts: IndexMap<(&str, &str), u32> = IndexMap::new();
    for (thunk, target) in thunks {
        if let Target::Host { module, name } = target {
            let next = count(hosts.len());
            hosts.entry((module, name)).or_insert_with(|| {
                imports.import(module, name, EntityType::Function(types.index(&thunk.signature)));
                next
            });
        }
    }
    let table = TableType {
        element_type: RefType::FUNCREF,
        minimum: 0,
        maximum: None,
        table64: false,
        shared: false,
    };
    let memory =
        MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import(abi::ENV, abi::TABLE, table);
    imports.import(abi::ENV, abi::MEMORY, memory);

    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    let mut names = NameMap::new();
    for (position, (thunk, target)) in thunks.iter().enumerate() {
        let ty = types.index(&thunk.signature);
        let index = count(hosts.len()) + count(position);
        functions.function(ty);
        exports.export(&export_name(position), ExportKind::Func, index);
        names.append(index, &format!("thunk of {}", thunk.symbol));
        code.function(&body(thunk, target, ty, &hosts));
    }
    exports.export(abi::MEMORY, ExportKind::Memory, 0);

    let mut name_section = NameSection::new();
    name_section.module("pydl thunks");
    name_section.functions(&names);
    let mut module = Module::new();
    module
        .section(&types.section)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&code)
        .section(&name_section);
    module.finish()
}

fn body(thunk: &Thunk, target: &Target<'_>, ty: u32, hosts: &IndexMap<(&str, &str), u32>) -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    if !matches!(target, Target::Trap) {
        for parameter in 0..count(thunk.signature.0.params().len()) {
            sink.local_get(parameter);
        }
    }
    match target {
        Target::Slot(slot) => sink.i32_const(slot.0.cast_signed()).call_indirect(0, ty),
        Target::Host { module, name } => {
            // Every host target was entered by `generate`.
            sink.call(hosts.get(&(*module, *name)).copied().unwrap_or_default())
        }
        Target::Trap => sink.unreachable(),
    };
    sink.end();
    function
}

/// The type section, each type once.
#[derive(Default)]
struct Types {
    section: TypeSection,
    known: IndexMap<Signature, u32>,
}

impl Types {
    fn index(&mut self, signature: &Signature) -> u32 {
        let next = count(self.known.len());
        *self.known.entry(signature.clone()).or_insert_with(|| {
            let encode = |types: &[wasmparser::ValType]| -> Vec<ValType> {
                types.iter().filter_map(|ty| encode_type(*ty)).collect()
            };
            self.section.ty().function(encode(signature.0.params()), encode(signature.0.results()));
            next
        })
    }
}

/// A length as an index; the number of thunks is bounded by the number of imports in 32-bit modules.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
