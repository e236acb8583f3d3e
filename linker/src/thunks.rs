//! Owns generated WebAssembly: the module of small functions that a load needs where an import cannot be bound to an
//! export directly. Generated code calls without a transition to the host and lets exceptions and traps pass. Must
//! not know why a thunk is needed.

use indexmap::IndexMap;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalType, ImportSection,
    MemoryType, Module, NameMap, NameSection, RefType, TableType, TypeSection, ValType,
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
    signature.params().iter().chain(signature.results()).all(|ty| encode_type(*ty).is_some())
}

/// A type in the encoder's terms; `None` for reference types other than `funcref` and `externref`.
pub(crate) fn encode_type(ty: wasmparser::ValType) -> Option<ValType> {
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

/// An import of a thunk module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThunkImport {
    /// A host function.
    Host {
        /// Its import module.
        module: String,
        /// Its name.
        name: String,
    },
    /// An immutable `i32` global that holds a table slot.
    Slot(TableSlot),
    /// The process's function table.
    Table,
    /// The process's memory.
    Memory,
}

/// A generated module, with what to instantiate it with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThunkModule {
    /// The module. It depends on the thunks' types and names alone, not on slots, so that compiled code can be cached.
    pub bytes: Vec<u8>,
    /// Its imports, in import order.
    pub imports: Vec<ThunkImport>,
}

/// Generates the module of `thunks`; `slot` tells the slot of a function.
pub(crate) fn generate(thunks: &[Thunk], slot: impl Fn(FunctionRef) -> TableSlot) -> ThunkModule {
    let mut types = Types::default();
    let mut imports = ImportSection::new();
    let mut bound = Vec::new();
    let mut hosts = 0;
    for thunk in thunks {
        if let ThunkKind::Host { module, name } = &thunk.kind {
            imports.import(module, name, EntityType::Function(types.index(&thunk.signature)));
            bound.push(ThunkImport::Host { module: module.clone(), name: name.clone() });
            hosts += 1;
        }
    }
    for thunk in thunks {
        if let ThunkKind::Slot(function) = thunk.kind {
            let ty = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
            imports.import("slot", &thunk.symbol, ty);
            bound.push(ThunkImport::Slot(slot(function)));
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
    bound.extend([ThunkImport::Table, ThunkImport::Memory]);

    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    let mut names = NameMap::new();
    let mut next_import = Counters::default();
    for (position, thunk) in thunks.iter().enumerate() {
        let ty = types.index(&thunk.signature);
        let index = hosts + count(position);
        functions.function(ty);
        exports.export(&export_name(position), ExportKind::Func, index);
        names.append(index, &format!("thunk of {}", thunk.symbol));
        code.function(&body(thunk, ty, &mut next_import));
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
    ThunkModule { bytes: module.finish(), imports: bound }
}

/// How many imports of each kind the bodies have used; bodies use them in import order.
#[derive(Default)]
struct Counters {
    host: u32,
    slot: u32,
}

fn next(counter: &mut u32) -> u32 {
    let this = *counter;
    *counter += 1;
    this
}

fn body(thunk: &Thunk, ty: u32, next_import: &mut Counters) -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    for parameter in 0..count(thunk.signature.params().len()) {
        sink.local_get(parameter);
    }
    match thunk.kind {
        ThunkKind::Slot(_) => sink.global_get(next(&mut next_import.slot)).call_indirect(0, ty),
        ThunkKind::Host { .. } => sink.call(next(&mut next_import.host)),
        ThunkKind::Undefined => sink.unreachable(),
    };
    sink.end();
    function
}

/// The type section, each type once.
#[derive(Default)]
pub(crate) struct Types {
    pub(crate) section: TypeSection,
    known: IndexMap<Signature, u32>,
}

impl Types {
    /// The index of a type that [`is_encodable`].
    pub(crate) fn index(&mut self, signature: &Signature) -> u32 {
        let next = count(self.known.len());
        *self.known.entry(signature.clone()).or_insert_with(|| {
            let encode = |types: &[wasmparser::ValType]| -> Vec<ValType> {
                types.iter().filter_map(|ty| encode_type(*ty)).collect()
            };
            self.section.ty().function(encode(signature.params()), encode(signature.results()));
            next
        })
    }
}

/// A length as an index; the number of thunks is bounded by the number of imports in 32-bit modules.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
