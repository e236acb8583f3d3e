//! Owns generated WebAssembly: the module of small functions that a load needs where an import cannot be bound to an export
//! directly. Generated code makes calls without a transition to the host and lets exceptions and traps pass. It looks up the
//! contents of a table slot only once: a call through a kept reference costs neither a type check nor a check of the table's
//! bounds. Must not know why a thunk is needed.

use std::sync::Arc;

use indexmap::IndexMap;
use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, HeapType, ImportSection, MemoryType, Module, NameMap, NameSection, RefType, TableType,
    TypeSection, ValType,
};

use crate::base::abi;
use crate::base::ids::{ModuleId, TableSlot};
use crate::base::types::encode_type;
use crate::link::lazy::{LazySymbol, LazySymbols};
use crate::link::resolve::{FunctionRef, LoadScope};
use crate::parse::Signature;

/// A function to generate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thunk {
    /// The symbol that the thunk stands for, which names it in backtraces.
    pub symbol: String,
    /// Type of the function.
    pub signature: Signature,
    /// What the thunk does.
    pub kind: ThunkKind,
}

/// What a thunk does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThunkKind {
    /// Calls a function of the load, which it takes from its table slot at the first call.
    Slot(FunctionRef),
    /// Calls a host function, with the process's memory among its own exports, where WASI implementations look for it.
    Host {
        /// Import module of the host function.
        module: String,
        /// Name of the host function.
        name: String,
    },
    /// Traps: a weak function that nothing defines was called.
    Undefined,
    /// Has its function bound at the first call, and takes it from the table slot that the binder returns.
    Lazy {
        /// The library that imports the function.
        importer: ModuleId,
        /// Path of that library's file, for messages.
        path: Arc<str>,
    },
}

/// The name under which the thunk module exports thunk number `index`.
pub(crate) fn export_name(index: usize) -> String {
    format!("thunk{index}")
}

/// Whether a thunk of this type can be generated: parameters and results are numbers, vectors, `funcref` and `externref`.
pub(crate) fn is_encodable(signature: &Signature) -> bool {
    signature.params().iter().chain(signature.results()).all(|ty| encode_type(*ty).is_some())
}

/// An import of a thunk module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ThunkImport {
    /// A host function.
    Host {
        /// Its import module.
        module: String,
        /// Name of the function.
        name: String,
    },
    /// An immutable `i32` global that holds a table slot.
    Slot(TableSlot),
    /// The process's function table.
    Table,
    /// The process's memory.
    Memory,
    /// The host function that binds a function of [`ThunkModule::lazy`], given its number, and returns its slot.
    Binder,
}

/// A generated module, along with its imports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThunkModule {
    /// The bytes of the module. They depend only on the thunks' types and names, not on slots, so that compiled code can be
    /// cached.
    pub bytes: Vec<u8>,
    /// What to instantiate the module with, in import order.
    pub imports: Vec<ThunkImport>,
    /// The functions that are bound at their first call, indexed by the number that is passed to [`ThunkImport::Binder`].
    pub lazy: LazySymbols,
}

/// Generates the module of `thunks`; `slot` returns the slot of a function, `scope` is where functions are looked up at a first
/// call. Errs as `slot` does.
pub(crate) fn generate<E>(
    thunks: &[Thunk],
    scope: LoadScope,
    slot: impl Fn(FunctionRef) -> Result<TableSlot, E>,
) -> Result<ThunkModule, E> {
    let mut types = Types::default();
    let mut imports = ImportSection::new();
    let mut bound = Vec::new();
    let mut hosts = 0;
    let lazy = lazy_symbols(thunks);
    if !lazy.is_empty() {
        let (binder, i32) = ("binder", wasmparser::ValType::I32);
        let ty = types.index(&Signature::new(wasmparser::FuncType::new([i32], [i32])));
        imports.import("pydl", binder, EntityType::Function(ty));
        bound.push(ThunkImport::Binder);
        hosts += 1;
    }
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
            bound.push(ThunkImport::Slot(slot(function)?));
        }
    }
    let slots = count(bound.len()) - hosts;
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
    // For each function that is called through its slot: the function, once it is known, and until then the code that finds it.
    let mut cells = GlobalSection::new();
    let mut first_calls = Vec::new();
    let mut names = NameMap::new();
    let mut next_import = Counters { host: u32::from(!lazy.is_empty()), slot: 0, lazy: 0 };
    for (position, thunk) in thunks.iter().enumerate() {
        let ty = types.index(&thunk.signature);
        let index = hosts + count(position);
        functions.function(ty);
        exports.export(&export_name(position), ExportKind::Func, index);
        names.append(index, &format!("thunk of {}", thunk.symbol));
        let cell = slots + cells.len();
        code.function(&body(thunk, ty, cell, &mut next_import));
        if matches!(thunk.kind, ThunkKind::Slot(_) | ThunkKind::Lazy { .. }) {
            let first = hosts + count(thunks.len() + first_calls.len());
            first_calls.push((thunk, ty, cell));
            let val_type = ValType::Ref(reference(ty, false));
            let ty_of_cell = GlobalType { val_type, mutable: true, shared: false };
            cells.global(ty_of_cell, &ConstExpr::ref_func(first));
        }
    }
    for (position, (thunk, ty, cell)) in first_calls.into_iter().enumerate() {
        functions.function(ty);
        names.append(hosts + count(thunks.len() + position), &format!("first call of {}", thunk.symbol));
        code.function(&first_call(thunk, ty, cell, &mut next_import));
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
        .section(&cells)
        .section(&exports)
        .section(&code)
        .section(&name_section);
    Ok(ThunkModule { bytes: module.finish(), imports: bound, lazy: LazySymbols { symbols: lazy, scope } })
}

/// The functions that are bound at their first call, in the order of their thunks.
fn lazy_symbols(thunks: &[Thunk]) -> Vec<LazySymbol> {
    let of = |thunk: &Thunk| match &thunk.kind {
        ThunkKind::Lazy { importer, path } => Some(LazySymbol {
            importer: *importer,
            path: path.clone(),
            name: thunk.symbol.clone(),
            signature: thunk.signature.clone(),
        }),
        _ => None,
    };
    thunks.iter().filter_map(of).collect()
}

/// The type of a reference to a function of type `ty`, nullable or not.
fn reference(ty: u32, nullable: bool) -> RefType {
    RefType { nullable, heap_type: HeapType::Concrete(ty) }
}

/// How many imports and cells of each kind the bodies have used; bodies use them in order.
struct Counters {
    host: u32,
    slot: u32,
    lazy: u32,
}

fn next(counter: &mut u32) -> u32 {
    let this = *counter;
    *counter += 1;
    this
}

/// The body of a thunk; `cell` is its global, if it calls through a slot: it then calls the function that the cell holds.
fn body(thunk: &Thunk, ty: u32, cell: u32, next_import: &mut Counters) -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    for parameter in 0..count(thunk.signature.params().len()) {
        sink.local_get(parameter);
    }
    match thunk.kind {
        ThunkKind::Slot(_) | ThunkKind::Lazy { .. } => sink.global_get(cell).return_call_ref(ty),
        ThunkKind::Host { .. } => sink.call(next(&mut next_import.host)),
        ThunkKind::Undefined => sink.unreachable(),
    };
    sink.end();
    function
}

/// The function that a cell holds at first: it finds the thunk's function by its slot, stores it in the cell, and calls it, so
/// that later calls need not check whether it is there.
fn first_call(thunk: &Thunk, ty: u32, cell: u32, next_import: &mut Counters) -> Function {
    let parameters = count(thunk.signature.params().len());
    let mut function = Function::new([(1, ValType::Ref(reference(ty, true)))]);
    let mut sink = function.instructions();
    for parameter in 0..parameters {
        sink.local_get(parameter);
    }
    match thunk.kind {
        ThunkKind::Lazy { .. } => sink.i32_const(next(&mut next_import.lazy).cast_signed()).call(0),
        _ => sink.global_get(next(&mut next_import.slot)),
    };
    sink.table_get(0).ref_cast_non_null(HeapType::Concrete(ty));
    sink.local_tee(parameters).ref_as_non_null().global_set(cell);
    sink.local_get(parameters).return_call_ref(ty).end();
    function
}

/// The entries of a type section, each type once.
#[derive(Default)]
pub(crate) struct Types {
    pub(crate) section: TypeSection,
    known: IndexMap<Signature, u32>,
}

impl Types {
    /// The index of a type, for which [`is_encodable`] must hold.
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

/// Converts a length to an index; the number of thunks is bounded by the number of imports in 32-bit modules.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
