//! Owns what the merger knows of one module: its sections in the order of their index spaces, read in one walk. Must not know
//! other modules.

use std::collections::HashMap;

use wasmparser::{
    BinaryReaderError, Data, Element, Export, ExternalKind, FunctionBody, Global, Import, MemoryType, Parser,
    Payload, RecGroup, Table, TagType, TypeRef,
};

use crate::parse::error::{ParseError, slice};

/// The contents of a module.
#[derive(Default)]
pub(super) struct Contents<'a> {
    pub groups: Vec<RecGroup>,
    pub imports: Vec<Import<'a>>,
    /// The type index of each function that the module defines.
    pub functions: Vec<u32>,
    pub tables: Vec<Table<'a>>,
    pub memories: Vec<MemoryType>,
    pub tags: Vec<TagType>,
    pub globals: Vec<Global<'a>>,
    pub exports: Vec<Export<'a>>,
    /// The exports by name, as positions in `exports`.
    by_name: HashMap<&'a str, usize>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    pub has_data_count: bool,
    pub bodies: Vec<FunctionBody<'a>>,
    pub data: Vec<Data<'a>>,
    /// Custom sections: name and contents, in file order.
    pub customs: Vec<(&'a str, &'a [u8])>,
    /// The positions of the imported functions.
    function_imports: Vec<usize>,
    /// How many of the imports are functions, tables, memories, globals and tags.
    pub imported: Counts,
}

/// A number of definitions of each kind.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub functions: u32,
    pub tables: u32,
    pub memories: u32,
    pub globals: u32,
    pub tags: u32,
}

impl Counts {
    /// The count of things of a kind.
    pub(super) fn get(mut self, kind: ExternalKind) -> u32 {
        *self.of(kind)
    }

    /// The count of things of a kind, to change.
    pub(super) fn of(&mut self, kind: ExternalKind) -> &mut u32 {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => &mut self.functions,
            ExternalKind::Table => &mut self.tables,
            ExternalKind::Memory => &mut self.memories,
            ExternalKind::Global => &mut self.globals,
            ExternalKind::Tag => &mut self.tags,
        }
    }
}

/// The kind of what an import asks for.
pub(super) fn kind_of(ty: TypeRef) -> ExternalKind {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => ExternalKind::Func,
        TypeRef::Table(_) => ExternalKind::Table,
        TypeRef::Memory(_) => ExternalKind::Memory,
        TypeRef::Global(_) => ExternalKind::Global,
        TypeRef::Tag(_) => ExternalKind::Tag,
    }
}

impl<'a> Contents<'a> {
    /// Reads a module. Errs when it is malformed.
    pub(super) fn read(wasm: &'a [u8]) -> Result<Contents<'a>, ParseError> {
        let mut contents = Contents::default();
        for payload in Parser::new(0).parse_all(wasm) {
            contents.take(wasm, payload?)?;
        }
        let mut imported = Counts::default();
        for (position, import) in contents.imports.iter().enumerate() {
            *imported.of(kind_of(import.ty)) += 1;
            contents.function_imports.extend((kind_of(import.ty) == ExternalKind::Func).then_some(position));
        }
        contents.imported = imported;
        contents.by_name =
            contents.exports.iter().enumerate().map(|(position, export)| (export.name, position)).collect();
        Ok(contents)
    }

    fn take(&mut self, wasm: &'a [u8], payload: Payload<'a>) -> Result<(), ParseError> {
        match payload {
            Payload::TypeSection(section) => collect(&mut self.groups, section)?,
            Payload::ImportSection(section) => collect(&mut self.imports, section.into_imports())?,
            Payload::FunctionSection(section) => collect(&mut self.functions, section)?,
            Payload::TableSection(section) => collect(&mut self.tables, section)?,
            Payload::MemorySection(section) => collect(&mut self.memories, section)?,
            Payload::TagSection(section) => collect(&mut self.tags, section)?,
            Payload::GlobalSection(section) => collect(&mut self.globals, section)?,
            Payload::ExportSection(section) => collect(&mut self.exports, section)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => collect(&mut self.elements, section)?,
            Payload::DataCountSection { .. } => self.has_data_count = true,
            Payload::CodeSectionEntry(body) => {
                slice(wasm, body.range())?;
                self.bodies.push(body);
            }
            Payload::DataSection(section) => collect(&mut self.data, section)?,
            Payload::CustomSection(custom) => self.customs.push((custom.name(), custom.data())),
            _ => {}
        }
        Ok(())
    }

    /// The export of this name: its kind, and the index of what is exported.
    pub(super) fn export(&self, name: &str) -> Option<(ExternalKind, u32)> {
        let export = self.exports.get(*self.by_name.get(name)?)?;
        Some((export.kind, export.index))
    }

    /// The position of the import that has this index; `None` when that index is a definition's.
    pub(super) fn import_at(&self, kind: ExternalKind, index: u32) -> Option<usize> {
        if let ExternalKind::Func | ExternalKind::FuncExact = kind {
            return self.function_imports.get(index as usize).copied();
        }
        let mut of_kind = self.imports.iter().enumerate().filter(|(_, it)| kind_of(it.ty) == kind);
        of_kind.nth(index as usize).map(|(position, _)| position)
    }

    /// The body of a function that the module defines, by function index.
    pub(super) fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get(function.checked_sub(self.imported.functions)? as usize)
    }
}

fn collect<T>(
    into: &mut Vec<T>,
    section: impl IntoIterator<Item = Result<T, BinaryReaderError>>,
) -> Result<(), ParseError> {
    section.into_iter().try_for_each(|item| item.map(|item| into.push(item)))?;
    Ok(())
}
