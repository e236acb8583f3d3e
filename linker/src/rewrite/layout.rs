//! Owns what passes know of a module: its sections, types, functions, globals, tables and exports, read in one walk. Must not
//! know what the module is turned into.

use std::collections::{HashMap, HashSet};

use wasm_encoder::{Function, InstructionSink, ValType};
use wasmparser::{
    BinaryReader, CompositeInnerType, ExternalKind, FuncType, FunctionBody, GlobalType, Operator, Parser,
    Payload, TypeRef, TypeSectionReader,
};

use crate::base::abi;
use crate::base::types::encode_type;
use crate::parse::error::{ParseError, slice};

/// A section, as it lies in the file.
pub(super) struct Section<'a> {
    pub id: u8,
    pub data: &'a [u8],
    /// Whether it is a custom section that refers to positions in the code.
    pub is_of_code: bool,
}

/// The body of a function.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub bytes: &'a [u8],
    /// The origin of positions in the body: for a body as it lies in the file, the beginning of the file.
    pub offset: usize,
}

impl<'a> Body<'a> {
    /// A reader of the body's locals and operators.
    pub(super) fn reader(&self) -> FunctionBody<'a> {
        FunctionBody::new(BinaryReader::new(self.bytes, self.offset))
    }

    /// The part of the body between two positions that its reader reports.
    pub(super) fn part(&self, start: usize, end: usize) -> Result<&'a [u8], ParseError> {
        slice(self.bytes, start.saturating_sub(self.offset)..end.saturating_sub(self.offset))
    }

    /// The end of the body.
    pub(super) fn end(&self) -> usize {
        self.offset.saturating_add(self.bytes.len())
    }

    /// The body, preceded by instructions that `write` appends and that leave nothing on the stack.
    pub(super) fn prefixed(
        &self,
        write: impl FnOnce(&mut InstructionSink<'_>),
    ) -> Result<Vec<u8>, ParseError> {
        let mut locals = Vec::new();
        for local in self.reader().get_locals_reader()? {
            let (count, ty) = local?;
            let ty =
                encode_type(ty).ok_or_else(|| ParseError::new(self.offset, "a local of an unusual type"))?;
            locals.push((count, ty));
        }
        let mut function = Function::new(locals);
        write(&mut function.instructions());
        let start = self.reader().get_operators_reader()?.original_position();
        function.raw(self.part(start, self.end())?.iter().copied());
        Ok(function.into_raw_body())
    }
}

/// The contents of a module, except what is inside its bodies.
#[derive(Default)]
pub(super) struct Layout<'a> {
    pub sections: Vec<Section<'a>>,
    /// The types; `None` for a type that is not a function type.
    pub types: Vec<Option<FuncType>>,
    /// The indices of the types that stand alone: a type that is part of a larger group or has subtypes is a different type.
    alone: Vec<u32>,
    /// The type index of each function, imported ones first.
    pub functions: Vec<u32>,
    imports: u32,
    /// The type index of each tag, imported ones first.
    tags: Vec<u32>,
    /// The globals, imported ones first.
    globals: Vec<GlobalType>,
    /// The number of tables, and the number of imported ones, which come first.
    tables: u32,
    imported_tables: u32,
    /// The function index of the start function.
    pub start: Option<u32>,
    /// The functions imported from `env` and from WASI, by name.
    imported: HashMap<&'a str, u32>,
    /// The exports: functions by name, globals and tables by index, and all names.
    exported_functions: HashMap<&'a str, u32>,
    exported_globals: HashSet<u32>,
    exported_tables: HashSet<u32>,
    export_names: HashSet<&'a str>,
    bodies: Vec<Body<'a>>,
}

impl<'a> Layout<'a> {
    /// Reads a module. Errs when it is malformed.
    pub(super) fn read(wasm: &'a [u8]) -> Result<Layout<'a>, ParseError> {
        let mut layout = Layout::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                let is_of_code = matches!(&payload, Payload::CustomSection(custom) if custom.name().starts_with("metadata.code."));
                layout.sections.push(Section { id, data: slice(wasm, range)?, is_of_code });
            }
            layout.take(wasm, payload)?;
        }
        Ok(layout)
    }

    fn take(&mut self, wasm: &'a [u8], payload: Payload<'a>) -> Result<(), ParseError> {
        match payload {
            Payload::TypeSection(section) => self.take_types(section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.take_import(import.module, import.name, import.ty);
                }
            }
            Payload::FunctionSection(section) => {
                section.into_iter().try_for_each(|ty| ty.map(|ty| self.functions.push(ty)))?;
            }
            Payload::TableSection(section) => {
                // Counted one by one: the number at the section's begin may be any.
                section.into_iter().try_for_each(|table| table.map(|_| self.tables += 1))?;
            }
            Payload::TagSection(section) => {
                section.into_iter().try_for_each(|tag| tag.map(|tag| self.tags.push(tag.func_type_idx)))?;
            }
            Payload::GlobalSection(section) => {
                section
                    .into_iter()
                    .try_for_each(|global| global.map(|global| self.globals.push(global.ty)))?;
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.take_export(export.kind, export.name, export.index);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                self.bodies.push(Body { offset: range.start, bytes: slice(wasm, range)? });
            }
            _ => {}
        }
        Ok(())
    }

    fn take_types(&mut self, section: TypeSectionReader<'a>) -> Result<(), ParseError> {
        for group in section {
            let group = group?;
            let stands_alone = group.types().len() == 1;
            for ty in group.into_types() {
                let is_alone = stands_alone && ty.is_final && ty.supertype_idx.is_none();
                let index = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
                self.types.push(match ty.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(function),
                    _ => None,
                });
                self.alone.extend(is_alone.then_some(index));
            }
        }
        Ok(())
    }

    fn take_import(&mut self, module: &'a str, name: &'a str, ty: TypeRef) {
        match ty {
            TypeRef::Func(ty) => {
                if [abi::ENV, abi::WASI_PREVIEW1].contains(&module) {
                    self.imported.insert(name, self.imports);
                }
                self.imports += 1;
                self.functions.push(ty);
            }
            TypeRef::Tag(tag) => self.tags.push(tag.func_type_idx),
            TypeRef::Global(global) => self.globals.push(global),
            TypeRef::Table(_) => {
                self.tables += 1;
                self.imported_tables += 1;
            }
            _ => {}
        }
    }

    fn take_export(&mut self, kind: ExternalKind, name: &'a str, index: u32) {
        self.export_names.insert(name);
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                self.exported_functions.insert(name, index);
            }
            ExternalKind::Global => {
                self.exported_globals.insert(index);
            }
            ExternalKind::Table => {
                self.exported_tables.insert(index);
            }
            ExternalKind::Memory | ExternalKind::Tag => {}
        }
    }

    /// The mutable globals that are not exported, defined or imported.
    pub(super) fn private_globals(&self) -> impl Iterator<Item = u32> {
        let mutable = (0..).zip(&self.globals).filter(|(_, ty)| ty.mutable).map(|(index, _)| index);
        mutable.filter(|index| !self.exported_globals.contains(index))
    }

    /// The tables that the module defines and does not export.
    pub(super) fn private_tables(&self) -> impl Iterator<Item = u32> {
        (self.imported_tables..self.tables).filter(|index| !self.exported_tables.contains(index))
    }

    /// The functions that the module defines, by index, with their bodies.
    pub(super) fn defined_functions(&self) -> impl Iterator<Item = (u32, &Body<'a>)> {
        (self.imports..).zip(&self.bodies)
    }

    /// The function index of an import from `env` or from WASI.
    pub(super) fn imported(&self, name: &str) -> Option<u32> {
        self.imported.get(name).copied()
    }

    /// The function index of an export that is not a re-exported import.
    pub(super) fn defined(&self, name: &str) -> Option<u32> {
        self.exported_functions.get(name).copied().filter(|index| *index >= self.imports)
    }

    /// Whether something is exported under this name.
    pub(super) fn exports_name(&self, name: &str) -> bool {
        self.export_names.contains(name)
    }

    /// The function type with this index.
    pub(super) fn ty(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)?.as_ref()
    }

    /// The type of a function.
    pub(super) fn type_of(&self, function: u32) -> Option<&FuncType> {
        self.ty(*self.functions.get(function as usize)?)
    }

    /// Whether a function takes this many words and returns one.
    pub(super) fn takes_words(&self, function: u32, count: usize) -> bool {
        self.type_of(function).is_some_and(|ty| {
            let is_word = |ty: &wasmparser::ValType| *ty == wasmparser::ValType::I32;
            ty.params().len() == count
                && ty.params().iter().all(is_word)
                && matches!(ty.results(), [one] if is_word(one))
        })
    }

    /// The values that a tag carries.
    pub(super) fn tag_values(&self, tag: u32) -> Option<&[wasmparser::ValType]> {
        Some(self.ty(*self.tags.get(tag as usize)?)?.params())
    }

    /// The indices of the function types that stand alone, by their parameters and results.
    pub(super) fn types_by_content(&self) -> HashMap<(Vec<ValType>, Vec<ValType>), u32> {
        let mut known = HashMap::new();
        for index in self.alone.iter().rev() {
            let Some(ty) = self.ty(*index) else { continue };
            let encode = |types: &[wasmparser::ValType]| types.iter().map(|ty| encode_type(*ty)).collect();
            if let (Some(params), Some(results)) = (encode(ty.params()), encode(ty.results())) {
                known.insert((params, results), *index);
            }
        }
        known
    }

    /// The function that a function does nothing but call, passing its own parameters as the first arguments: the remainder of a
    /// short C function which compilers may have inlined into its callers, so that these call the other function themselves.
    /// `None` when it does anything else.
    pub(super) fn wrapped(&self, function: u32) -> Result<Option<u32>, ParseError> {
        let position = function.checked_sub(self.imports).and_then(|at| usize::try_from(at).ok());
        let Some(body) = position.and_then(|at| self.bodies.get(at)) else { return Ok(None) };
        let operators: Vec<Operator<'_>> =
            body.reader().get_operators_reader()?.into_iter().take(8).collect::<Result<_, _>>()?;
        let parameters = self.type_of(function).map_or(0, |ty| ty.params().len());
        let passed = operators.iter().zip(0_u32..).take(parameters);
        let passes_all = passed.clone().count() == parameters
            && passed.into_iter().all(|(operator, position)| {
                matches!(operator, Operator::LocalGet { local_index } if *local_index == position)
            });
        let called = match operators.get(parameters..) {
            Some(
                [Operator::Call { function_index }, Operator::End]
                | [Operator::I32Const { .. }, Operator::Call { function_index }, Operator::End],
            ) => Some(*function_index),
            _ => None,
        };
        Ok(called.filter(|called| passes_all && *called >= self.imports))
    }
}
