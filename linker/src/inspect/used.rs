//! Owns the one complete examination of a module, functions included: which features of WebAssembly it uses, instruction by
//! instruction. Must not know whether any of them is accepted.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, Element, ElementItems, ElementKind, ExternalKind, FunctionBody,
    GlobalType, MemoryType, Operator, OperatorsReader, OperatorsReaderAllocations, Payload, TableType,
    TypeRef, ValType, VisitOperator, VisitSimdOperator, WasmFeatures,
};

/// Code of fewer bytes than this is read by one thread.
const WORTH_A_THREAD: usize = 256 << 10;
/// The most threads that read code.
const MOST_THREADS: usize = 8;

/// The features that a module uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub features: WasmFeatures,
    /// Whether the module has a `try_table`: `throw` belongs to both encodings of exceptions.
    pub has_try_table: bool,
}

impl Used {
    const NOTHING: Used = Used { features: WasmFeatures::empty(), has_try_table: false };

    fn and(self, other: Used) -> Used {
        Used {
            features: self.features | other.features,
            has_try_table: self.has_try_table || other.has_try_table,
        }
    }
}

/// An examination of a module, part by part.
pub(super) struct Reading<'a> {
    used: Used,
    memories: u32,
    tables: u32,
    is_mutable: Vec<bool>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new() -> Reading<'a> {
        Reading { used: Used::NOTHING, memories: 0, tables: 0, is_mutable: Vec::new(), bodies: Vec::new() }
    }

    /// Takes the next part. If it is malformed, what precedes the error counts.
    pub(super) fn take(&mut self, part: Payload<'a>) {
        match part {
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            section => drop(self.section(section)),
        }
    }

    /// What the whole module uses.
    pub(super) fn end(self) -> Used {
        in_code(&self.bodies).and(self.used)
    }

    fn section(&mut self, section: Payload<'_>) -> wasmparser::Result<()> {
        match section {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else { continue };
                        self.note(ty.results().len() > 1, WasmFeatures::MULTI_VALUE);
                        ty.params().iter().chain(ty.results()).for_each(|ty| self.value(*ty));
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import?.ty {
                        TypeRef::Memory(ty) => self.memory(&ty),
                        TypeRef::Table(ty) => self.table(&ty),
                        TypeRef::Global(ty) => {
                            self.note(ty.mutable, WasmFeatures::MUTABLE_GLOBAL);
                            self.global(&ty);
                        }
                        TypeRef::Tag(_) => self.note(true, WasmFeatures::EXCEPTIONS),
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => {}
                    }
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.table(&table?.ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memory(&memory?);
                }
            }
            Payload::TagSection(section) => self.note(section.count() > 0, WasmFeatures::EXCEPTIONS),
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    self.global(&global.ty);
                    self.constant(&global.init_expr)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let is_mutable = export.kind == ExternalKind::Global
                        && self.is_mutable.get(export.index as usize).is_some_and(|mutable| *mutable);
                    self.note(is_mutable, WasmFeatures::MUTABLE_GLOBAL);
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    self.element(&element?)?;
                }
            }
            Payload::DataCountSection { .. } => self.note(true, WasmFeatures::BULK_MEMORY),
            Payload::DataSection(section) => {
                for data in section {
                    match data?.kind {
                        DataKind::Passive => self.note(true, WasmFeatures::BULK_MEMORY),
                        DataKind::Active { offset_expr, .. } => self.constant(&offset_expr)?,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, is_used: bool, features: WasmFeatures) {
        if is_used {
            self.used.features |= features;
        }
    }

    fn value(&mut self, ty: ValType) {
        self.note(ty == ValType::V128, WasmFeatures::SIMD);
        self.note(ty.is_reference_type(), WasmFeatures::REFERENCE_TYPES);
    }

    fn memory(&mut self, ty: &MemoryType) {
        self.memories = self.memories.saturating_add(1);
        self.note(self.memories > 1, WasmFeatures::MULTI_MEMORY);
        self.note(ty.memory64, WasmFeatures::MEMORY64);
        self.note(ty.shared, WasmFeatures::THREADS);
        self.note(ty.page_size_log2.is_some(), WasmFeatures::CUSTOM_PAGE_SIZES);
    }

    fn table(&mut self, ty: &TableType) {
        self.tables = self.tables.saturating_add(1);
        let is_new = self.tables > 1 || !ty.element_type.is_func_ref();
        self.note(is_new, WasmFeatures::REFERENCE_TYPES);
        self.note(ty.table64, WasmFeatures::MEMORY64);
        self.note(ty.shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
    }

    fn global(&mut self, ty: &GlobalType) {
        self.is_mutable.push(ty.mutable);
        self.value(ty.content_type);
        self.note(ty.shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
    }

    fn element(&mut self, element: &Element<'_>) -> wasmparser::Result<()> {
        let has_expressions = matches!(element.items, ElementItems::Expressions(..));
        self.note(has_expressions, WasmFeatures::REFERENCE_TYPES);
        match &element.kind {
            ElementKind::Passive => self.note(true, WasmFeatures::BULK_MEMORY),
            ElementKind::Declared => self.note(true, WasmFeatures::REFERENCE_TYPES),
            ElementKind::Active { offset_expr, .. } => self.constant(offset_expr)?,
        }
        Ok(())
    }

    fn constant(&mut self, expression: &ConstExpr<'_>) -> wasmparser::Result<()> {
        let mut reader = expression.get_operators_reader();
        while !reader.eof() {
            let operator = reader.read()?;
            let is_calculation = matches!(
                operator,
                Operator::I32Add
                    | Operator::I32Sub
                    | Operator::I32Mul
                    | Operator::I64Add
                    | Operator::I64Sub
                    | Operator::I64Mul
            );
            self.note(is_calculation, WasmFeatures::EXTENDED_CONST);
            self.used.visit_operator(&operator);
        }
        Ok(())
    }
}

/// Reads functions; several threads share long code.
fn in_code(bodies: &[FunctionBody<'_>]) -> Used {
    let begin = bodies.first().map_or(0, |body| body.range().start);
    let size = bodies.last().map_or(0, |body| body.range().end) - begin;
    let share = size.div_ceil(threads(size)).max(1);
    let number = |body: &FunctionBody<'_>| (body.range().start - begin) / share;
    let mut shares = bodies.chunk_by(|one, next| number(one) == number(next));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| {
                let other = thread::Builder::new().spawn_scoped(scope, || in_bodies(share));
                other.map_err(|_| share)
            })
            .collect();
        let own = in_bodies(own);
        let others = others.into_iter().map(|other| match other {
            Ok(other) => other.join().unwrap_or_else(|fault| resume_unwind(fault)),
            // No thread could be created.
            Err(share) => in_bodies(share),
        });
        others.fold(own, Used::and)
    })
}

/// How many threads read this many bytes. Asking the system takes longer than reading short code.
fn threads(size: usize) -> usize {
    match (size / WORTH_A_THREAD).min(MOST_THREADS) {
        0 | 1 => 1,
        wanted => thread::available_parallelism().map_or(1, NonZero::get).min(wanted),
    }
}

fn in_bodies(bodies: &[FunctionBody<'_>]) -> Used {
    let mut used = Used::NOTHING;
    let mut allocations = OperatorsReaderAllocations::default();
    for body in bodies {
        let Ok(reader) = body.get_binary_reader_for_operators() else { continue };
        let mut reader = OperatorsReader::new_with_allocs(reader, allocations);
        while !reader.eof() && reader.visit_operator(&mut used).is_ok() {}
        allocations = reader.into_allocations();
    }
    used
}

/// The features of an instruction, by the proposal that introduced it.
macro_rules! features_of {
    (mvp) => {
        WasmFeatures::empty()
    };
    (sign_extension) => {
        WasmFeatures::SIGN_EXTENSION
    };
    (gc) => {
        WasmFeatures::GC
    };
    (custom_descriptors) => {
        WasmFeatures::CUSTOM_DESCRIPTORS
    };
    (saturating_float_to_int) => {
        WasmFeatures::SATURATING_FLOAT_TO_INT
    };
    (bulk_memory) => {
        WasmFeatures::BULK_MEMORY
    };
    (reference_types) => {
        WasmFeatures::REFERENCE_TYPES
    };
    (tail_call) => {
        WasmFeatures::TAIL_CALL
    };
    (memory_control) => {
        WasmFeatures::MEMORY_CONTROL
    };
    (threads) => {
        WasmFeatures::THREADS
    };
    (simd) => {
        WasmFeatures::SIMD
    };
    (relaxed_simd) => {
        WasmFeatures::RELAXED_SIMD
    };
    (exceptions) => {
        WasmFeatures::EXCEPTIONS
    };
    (legacy_exceptions) => {
        WasmFeatures::LEGACY_EXCEPTIONS
    };
    (shared_everything_threads) => {
        WasmFeatures::SHARED_EVERYTHING_THREADS
    };
    (function_references) => {
        WasmFeatures::FUNCTION_REFERENCES
    };
    (stack_switching) => {
        WasmFeatures::STACK_SWITCHING
    };
    (wide_arithmetic) => {
        WasmFeatures::WIDE_ARITHMETIC
    };
}

macro_rules! is_try_table {
    (TryTable) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! note_each {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(
            fn $visit(&mut self $($(, _: $argty)*)?) {
                self.features |= features_of!($proposal);
                self.has_try_table |= is_try_table!($op);
            }
        )*
    };
}

impl<'a> VisitOperator<'a> for Used {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(note_each);
}

impl VisitSimdOperator<'_> for Used {
    wasmparser::for_each_visit_simd_operator!(note_each);
}
