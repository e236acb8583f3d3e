//! Owns what is read from one module: a single walk over its sections, without the function bodies and the data. The result has
//! the same form for side modules and main modules. Must not know other modules.

pub(crate) mod abi_family;
mod data;
mod dylink;
mod elements;
pub(crate) mod error;
mod exports;
mod imports;
mod outline;
pub(crate) mod vague;
mod vtables;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use wasmparser::{
    BinaryReader, Chunk, CompositeInnerType, FuncType, GlobalType, MemoryType, Parser, Payload, TableType,
    TypeRef, TypeSectionReader, ValType, WasmFeatures,
};

use crate::base::abi;
use crate::parse::error::ParseError;

pub use dylink::{DylinkInfo, MemoryInfo};
use elements::Elements;
pub use elements::{ElementSlot, ElementSlots};
use exports::Types;
pub use exports::{Export, ExportKind, Exports};
pub use imports::{Import, ImportKind};
pub(crate) use vtables::VTABLE;

/// Why a type that is not a function type is refused. The engine knows these types for the sake of generated code, and objects of
/// these types would take host memory that no limit of a process accounts for.
const NOT_A_FUNCTION_TYPE: &str = "a type of garbage-collected objects is defined, which C has no use for: \
    modules may define function types only";

/// A function type, printed as `(i32, i64) -> i32`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Signature(Arc<FuncType>);

impl Signature {
    /// The signature of a function type.
    pub fn new(ty: FuncType) -> Signature {
        Signature(Arc::new(ty))
    }

    /// The types of the parameters.
    pub fn params(&self) -> &[ValType] {
        self.0.params()
    }

    /// The types of the results.
    pub fn results(&self) -> &[ValType] {
        self.0.results()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "({}) -> ", list(self.params()))?;
        match self.results() {
            [] => f.write_str("()"),
            [one] => write!(f, "{one}"),
            several => write!(f, "({})", list(several)),
        }
    }
}

/// What a linker needs to know of a module.
#[derive(Clone, Debug)]
pub struct ParsedModule {
    /// The `dylink.0` section; `None` for a module that is not dynamic.
    pub dylink: Option<DylinkInfo>,
    /// Imports in the order of the file, which is the order in which an engine expects them.
    pub imports: Vec<Import>,
    /// Exports by name.
    pub exports: Exports,
    /// The table slots that element segments give to functions.
    pub element_slots: ElementSlots,
    /// Whether the module has a start function, which runs when it is instantiated.
    pub has_start: bool,
    /// The positions in `imports` of the imported functions, which have the first function indexes.
    pub function_imports: Vec<usize>,
    /// The minor version of Python 3 that the module contains: 13 for one that exports the version of CPython 3.13.
    pub python_minor: Option<u8>,
    /// What is wrong with the segments of a side module.
    segments_problem: Option<ParseError>,
    has_data: bool,
    has_own_memory: bool,
    /// A number for each vtable that a side module exports, equal for vtables of the same class in other modules.
    pub(crate) vtables: BTreeMap<String, u64>,
    first_section: FirstSection,
    /// The WebAssembly features that the module uses, functions included; computed on demand, since it takes longer than all the
    /// rest.
    pub(crate) used_features: OnceLock<WasmFeatures>,
}

/// The kind of a module's first section, which must be `dylink.0` in a side module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FirstSection {
    Dylink,
    LegacyDylink,
    Other,
}

/// How many functions a module defines, according to its function section and to its code section.
struct Functions {
    declared: usize,
    bodies: u32,
    /// The range of the code section's contents in the file, in bytes.
    code: Range<usize>,
}

/// The index spaces collected on the walk, to which later sections refer.
#[derive(Default)]
struct IndexSpaces {
    types: Types,
    functions: Vec<u32>,
    tables: Vec<TableType>,
    memories: Vec<MemoryType>,
    globals: Vec<GlobalDef>,
    tags: Vec<u32>,
    table_base: Option<u32>,
    memory_base: Option<u32>,
}

/// A global and, for a defined one with a constant initial value, that value.
struct GlobalDef {
    ty: GlobalType,
    constant: Option<u32>,
}

impl IndexSpaces {
    fn function_type(&self, ty: u32, offset: usize) -> Result<Signature, ParseError> {
        match self.types.get(ty as usize) {
            Some(Some(signature)) => Ok(signature.clone()),
            Some(None) => Err(ParseError::new(offset, format!("type {ty} is not a function type"))),
            None => Err(ParseError::new(offset, format!("type {ty} is out of bounds"))),
        }
    }
}

impl ParsedModule {
    /// Parses a module. Errs when the bytes are not a WebAssembly module, when a section it needs is malformed, and when the file
    /// ends early. What it does not look at (function bodies, data) is left to the engine's validator.
    pub fn parse(bytes: &[u8]) -> Result<ParsedModule, ParseError> {
        let (mut module, functions) = ParsedModule::read(bytes)?;
        module.check_complete(&functions, bytes.len())?;
        if module.dylink.is_some() {
            module.vtables = vtables::read(&module, bytes, functions.code);
        }
        let asks_for_a_place =
            module.imports.iter().any(|import| import.module == abi::ENV && import.name == abi::MEMORY_BASE);
        if let (Some(dylink), true) = (&mut module.dylink, asks_for_a_place) {
            dylink.memory.reserve_place();
        }
        Ok(module)
    }

    /// Parses what is there, and counts the functions that the module defines.
    fn read(bytes: &[u8]) -> Result<(ParsedModule, Functions), ParseError> {
        check_magic(bytes)?;
        let mut module = ParsedModule {
            dylink: None,
            imports: Vec::new(),
            exports: Exports::default(),
            element_slots: ElementSlots::default(),
            has_start: false,
            function_imports: Vec::new(),
            python_minor: None,
            segments_problem: None,
            has_data: false,
            has_own_memory: false,
            vtables: BTreeMap::new(),
            first_section: FirstSection::Other,
            used_features: OnceLock::new(),
        };
        let mut spaces = IndexSpaces::default();
        let mut sections = 0_usize;
        let mut code_bodies = None;
        let mut parser = Parser::new(0);
        let mut rest = bytes;
        loop {
            let (payload, consumed) = match parser.parse(rest, true)? {
                Chunk::Parsed { payload, consumed } => (payload, consumed),
                Chunk::NeedMoreData(_) => {
                    return Err(ParseError::new(bytes.len(), "the file ends inside a section"));
                }
            };
            let mut skip = consumed;
            if let Payload::CodeSectionStart { count, ref range, size } = payload {
                code_bodies = Some((count, range.clone()));
                parser.skip_section();
                skip = consumed.saturating_add(size as usize);
                if skip > rest.len() {
                    return Err(ParseError::new(range.start, "the file ends inside the code section"));
                }
            }
            if let Payload::End(_) = payload {
                break;
            }
            if !matches!(payload, Payload::Version { .. }) {
                module.note_section(&payload, sections)?;
                sections += 1;
                module.read_section(payload, &mut spaces)?;
            }
            rest = rest.get(skip..).unwrap_or_default();
        }
        module.exports.set_types(spaces.types.clone());
        let defined = spaces.functions.len().saturating_sub(module.function_imports.len());
        let (bodies, code) = code_bodies.unwrap_or_default();
        Ok((module, Functions { declared: defined, bodies, code }))
    }

    /// The `dylink.0` contents of a side module. Errs with a description of why this is not a side module.
    pub fn require_side_module(&self) -> Result<&DylinkInfo, String> {
        match (&self.dylink, self.first_section) {
            (Some(dylink), FirstSection::Dylink) => self.check_side_module(dylink).map(|()| dylink),
            (Some(_), _) => Err(format!(
                "its `{}` section is not the first section, as the dynamic linking convention requires",
                abi::DYLINK
            )),
            (None, FirstSection::LegacyDylink) => Err(format!(
                "it has the legacy section `{}` of LLVM before 13; rebuild it with a current compiler",
                abi::DYLINK_LEGACY
            )),
            (None, _) => Err(format!(
                "it has no `{}` section; link it with `wasm-ld -shared --experimental-pic`",
                abi::DYLINK
            )),
        }
    }

    /// Errs when the module has something that a side module may not have.
    fn check_side_module(&self, dylink: &DylinkInfo) -> Result<(), String> {
        if let Some(problem) = &self.segments_problem {
            return Err(problem.to_string());
        }
        if self.has_own_memory {
            return Err("it has a memory of its own, in which nobody could see its data; link it with \
                        `wasm-ld -shared --experimental-pic`"
                .to_owned());
        }
        if let Some(name) = dylink.tls_exports.first() {
            return Err(format!("`{name}` is thread-local in a build for threads, which are not supported"));
        }
        for name in [abi::APPLY_DATA_RELOCS, abi::CALL_CTORS] {
            match self.exports.get(name).map(|export| export.kind) {
                Some(ExportKind::Function { signature, .. })
                    if !signature.params().is_empty() || !signature.results().is_empty() =>
                {
                    return Err(format!("`{name}` has type {signature}, and not () -> ()"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the module imports anything from this import module.
    pub fn imports_from(&self, module: &str) -> bool {
        self.imports.iter().any(|import| import.module == module)
    }

    fn note_section(&mut self, payload: &Payload<'_>, position: usize) -> Result<(), ParseError> {
        let Payload::CustomSection(custom) = payload else { return Ok(()) };
        if custom.name() == abi::DYLINK_LEGACY && position == 0 {
            self.first_section = FirstSection::LegacyDylink;
        }
        if custom.name() != abi::DYLINK {
            return Ok(());
        }
        if position == 0 {
            self.first_section = FirstSection::Dylink;
        }
        if self.dylink.is_some() {
            return Err(ParseError::new(custom.data_offset(), "there are two `dylink.0` sections"));
        }
        self.dylink = Some(DylinkInfo::parse(custom.data(), custom.data_offset())?);
        Ok(())
    }

    fn read_section(&mut self, payload: Payload<'_>, spaces: &mut IndexSpaces) -> Result<(), ParseError> {
        match payload {
            Payload::TypeSection(section) => read_types(section, spaces)?,
            Payload::ImportSection(section) => imports::read(self, section, spaces)?,
            Payload::FunctionSection(section) => {
                for ty in section {
                    spaces.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    spaces.tables.push(table?.ty);
                }
            }
            Payload::MemorySection(section) => {
                self.has_own_memory = section.count() > 0;
                for memory in section {
                    spaces.memories.push(memory?);
                }
            }
            Payload::TagSection(section) => {
                for tag in section {
                    spaces.tags.push(tag?.func_type_idx);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    let constant = exports::constant(&global.init_expr)?;
                    spaces.globals.push(GlobalDef { ty: global.ty, constant });
                }
            }
            Payload::ExportSection(section) => exports::read(self, section, spaces)?,
            Payload::StartSection { .. } => self.has_start = true,
            Payload::ElementSection(section) => {
                let offset = section.range().start;
                let elements = elements::read(section, spaces.table_base, spaces.functions.len())?;
                self.note_problem(self.check_elements(&elements, offset));
                self.element_slots = elements.slots;
            }
            Payload::DataSection(section) => {
                self.has_data = section.count() > 0;
                if let Some(ExportKind::Data { offset }) =
                    self.exports.get(abi::PYTHON_VERSION).map(|it| it.kind)
                {
                    let version = data::word_at(section.clone(), spaces.memory_base, offset)?;
                    self.python_minor = version.filter(|hex| hex >> 24 == 3).map(|hex| hex.to_be_bytes()[1]);
                }
                if let Some(dylink) = &self.dylink {
                    let size = dylink.memory.memory_size;
                    self.note_problem(data::check(section, spaces.memory_base, size)?);
                }
            }
            Payload::UnknownSection { id, range, .. } => {
                return Err(ParseError::new(range.start, format!("section id {id} is unknown")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks that a side module fills only its own slots. A main module may have a `dylink.0` section too, and may fill any
    /// slots.
    fn check_elements(&self, elements: &Elements, offset: usize) -> Option<ParseError> {
        let slots = self.dylink.as_ref()?.memory.table_size.get();
        let problem = match (elements.absolute, elements.last_own) {
            _ if elements.unknown => {
                "an element segment goes to a place that cannot be told beforehand".to_owned()
            }
            (Some(slot), _) => {
                format!("an element segment fills slot {slot} of the process's table, not one of its own")
            }
            (None, Some(last)) if last >= slots => {
                format!("an element segment fills slot {last} of the {slots} that dylink.0 asks for")
            }
            _ => return None,
        };
        Some(ParseError::new(offset, problem))
    }

    fn note_problem(&mut self, problem: Option<ParseError>) {
        if self.segments_problem.is_none() {
            self.segments_problem = problem;
        }
    }

    /// Errs for a file that was truncated between two sections, where that is evident from what is left.
    fn check_complete(&self, functions: &Functions, end: usize) -> Result<(), ParseError> {
        let truncated =
            |what: String| Err(ParseError::new(end, format!("{what}: the file seems to be truncated")));
        let Functions { declared, bodies, .. } = *functions;
        if declared != bodies as usize {
            return truncated(format!(
                "{declared} functions are declared, and the code section has {bodies}"
            ));
        }
        let Some(dylink) = &self.dylink else { return Ok(()) };
        if self.exports.is_empty() && !self.has_start {
            return truncated("the module exports nothing and has no start function".to_owned());
        }
        // Linkers write the relocation function only for static data that is in the file.
        let relocates = self.exports.contains(abi::APPLY_DATA_RELOCS);
        if relocates && dylink.memory.memory_size > 0 && !self.has_data && !self.has_start {
            return truncated(format!(
                "`{}` is there, and the data it relocates is not",
                abi::APPLY_DATA_RELOCS
            ));
        }
        Ok(())
    }
}

/// Checks the magic number, and says what a file that is not a WebAssembly module is, judging by its first bytes.
fn check_magic(bytes: &[u8]) -> Result<(), ParseError> {
    let refuse = |what: &str| Err(ParseError::new(0, what.to_owned()));
    match bytes {
        [] => refuse("the file is empty"),
        [0x7f, b'E', b'L', b'F', ..] => refuse(
            "not a WebAssembly module but a native ELF file (Linux); a build for WebAssembly is needed",
        ),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => refuse(
            "not a WebAssembly module but a native Mach-O file (macOS); a build for WebAssembly is needed",
        ),
        [b'M', b'Z', ..] => refuse(
            "not a WebAssembly module but a native PE file (Windows); a build for WebAssembly is needed",
        ),
        [0, b'a', b's', b'm', 0x0d, _, 1, 0, ..] => refuse(
            "a WebAssembly component, not a module; the dynamic linking convention is for core modules",
        ),
        [0, b'a', b's', b'm', rest @ ..] => {
            let header = BinaryReader::new(rest, 4);
            if header.bytes_remaining() < 4 { refuse("the file ends inside its header") } else { Ok(()) }
        }
        _ => refuse("not a WebAssembly module: it does not begin with the bytes 00 61 73 6d"),
    }
}

fn read_types(section: TypeSectionReader<'_>, spaces: &mut IndexSpaces) -> Result<(), ParseError> {
    let mut types = Vec::new();
    for group in section {
        for (offset, ty) in group?.into_types_and_offsets() {
            let CompositeInnerType::Func(func) = ty.composite_type.inner else {
                return Err(ParseError::new(offset, NOT_A_FUNCTION_TYPE));
            };
            types.push(Some(Signature::new(func)));
        }
    }
    spaces.types = types.into();
    Ok(())
}
