//! Owns what makes a main module able to host libraries, and the wording of what it lacks. Must not know libraries.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use wasmparser::{MemoryType, Operator, Parser, Payload};

use crate::base::abi;
use crate::base::ids::{Address, FuncIndex};
use crate::link::error::LinkError;
use crate::link::main_placement::MainPlacement;
use crate::parse::abi_family::{AbiEvidence, AbiFamily};
use crate::parse::error::ParseError;
use crate::parse::{ExportKind, ImportKind, ParsedModule};

/// Something that a main module lacks for hosting libraries; it is displayed along with the linker flag that supplies it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MainDefect {
    /// No exported linear memory.
    NoMemory,
    /// The linear memory is shared or 64-bit.
    MemoryNotSupported,
    /// No exported function table.
    NoTable,
    /// The function table has a maximum size, so that no library's functions fit in.
    TableNotGrowable,
    /// The C stack pointer is not exported as a mutable global.
    NoStackPointer,
    /// No allocator that could place a library's static data.
    NoAllocator,
    /// Exports are wrapped so that each call runs the constructors and destructors of the whole program.
    CommandWrappers,
    /// Nothing in the module ever calls `dlopen`.
    NoDlfcn,
    /// The helper through which libraries are read with the guest's permissions is missing.
    NoReadFile,
}

impl fmt::Display for MainDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MainDefect::NoMemory => {
                "it exports no memory `memory`: link it without --import-memory, or with --export-memory"
            }
            MainDefect::MemoryNotSupported => {
                "its memory is shared or 64-bit, and processes have neither: build it without threads, for wasm32"
            }
            MainDefect::NoTable => {
                "it exports no function table `__indirect_function_table`: link with -Wl,--export-table"
            }
            MainDefect::TableNotGrowable => {
                "its function table cannot grow: link with -Wl,--growable-table"
            }
            MainDefect::NoStackPointer => {
                "it exports no mutable global `__stack_pointer` (--export-all does not either): link with \
                 -Wl,--export=__stack_pointer"
            }
            MainDefect::NoAllocator => {
                "it exports no allocator (`aligned_alloc`, `malloc` and `free`): link with -Wl,--export-all and \
                 -Wl,--whole-archive -lc -Wl,--no-whole-archive; Emscripten programs with -sMAIN_MODULE"
            }
            MainDefect::CommandWrappers => {
                "its exports are command_export wrappers, which run all constructors and destructors at each call: \
                 link with -Wl,--export-all or -Wl,--export=__wasm_call_ctors"
            }
            MainDefect::NoDlfcn => {
                "it imports nothing from `pydl_dlfcn_v1`, so it has no working dlopen: compile and link pydl's \
                 libdl.c (loader/guest/wasi) into it"
            }
            MainDefect::NoReadFile => {
                "it does not export `pydl_read_file`: link pydl's libdl.c (loader/guest/wasi) with -Wl,--export-all \
                 or -Wl,--export=pydl_read_file"
            }
        })
    }
}

/// The main module of a process, parsed once.
#[derive(Clone, Debug)]
pub struct MainModule {
    name: String,
    module: Arc<ParsedModule>,
    abi: Option<AbiEvidence>,
    placement: Option<MainPlacement>,
    defects: Vec<MainDefect>,
    /// The functions that it imports from a host, indexed at the first lookup by name: there may be a million of them, and as
    /// many lookups.
    functions_of_host: OnceLock<HashMap<String, FuncIndex>>,
    /// The range of addresses of its static data, determined at the first request: that takes a walk over all exports.
    static_data: OnceLock<Range<u32>>,
}

impl MainModule {
    /// Parses a main module; `name` is its name in messages. Errs when the bytes are not a WebAssembly module. What it lacks for
    /// hosting libraries is not an error here: see [`MainModule::require_hosting`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<MainModule, ParseError> {
        let module = ParsedModule::parse(bytes)?;
        let has_wrappers = has_command_wrappers(&module, bytes)?;
        Ok(MainModule::new(name, module, has_wrappers))
    }

    /// Parses the outline of a main module whose exports are not wrapped. Errs when the bytes are not an outline.
    pub fn from_outline(name: &str, outline: Vec<u8>) -> Result<MainModule, ParseError> {
        Ok(MainModule::new(name, ParsedModule::from_outline(outline)?, false))
    }

    fn new(name: &str, module: ParsedModule, has_wrappers: bool) -> MainModule {
        let abi = AbiEvidence::find(&module, name);
        // The loader gives a WASI main module nothing but functions.
        let is_emscripten = abi.as_ref().is_some_and(|abi| abi.family == AbiFamily::Emscripten);
        let placement = if is_emscripten { MainPlacement::of(&module) } else { None };
        let is_placed = placement.is_some();
        let mut defects = Vec::new();
        let mut require = |present: bool, defect| {
            if !present {
                defects.push(defect);
            }
        };
        let export = |name: &str| module.exports.get(name).map(|e| e.kind);
        let function = |name: &str| matches!(export(name), Some(ExportKind::Function { .. }));
        let has_memory = matches!(export(abi::MEMORY), Some(ExportKind::Memory(_)));
        require(is_placed || has_memory, MainDefect::NoMemory);
        require(!memories(&module).any(|ty| ty.shared || ty.memory64), MainDefect::MemoryNotSupported);
        match export(abi::TABLE) {
            _ if is_placed => {}
            Some(ExportKind::Table(table)) => {
                require(table.maximum.is_none(), MainDefect::TableNotGrowable);
            }
            _ => require(false, MainDefect::NoTable),
        }
        let stack = matches!(export(abi::STACK_POINTER), Some(ExportKind::Global(g)) if g.mutable);
        require(is_placed || stack, MainDefect::NoStackPointer);
        let allocator = [abi::ALIGNED_ALLOC, abi::MALLOC, abi::FREE].into_iter().all(function);
        // This is all that Emscripten's own loader requires (`libdylink.js`, `getMemory`).
        let least = is_emscripten && function(abi::CALLOC);
        require(allocator || least, MainDefect::NoAllocator);
        require(!has_wrappers, MainDefect::CommandWrappers);
        if !is_emscripten {
            require(module.imports_from(abi::DLFCN), MainDefect::NoDlfcn);
            require(function(abi::READ_FILE), MainDefect::NoReadFile);
        }
        MainModule {
            name: name.to_owned(),
            module: Arc::new(module),
            abi,
            placement,
            defects,
            functions_of_host: OnceLock::new(),
            static_data: OnceLock::new(),
        }
    }

    /// The range of addresses of the module's static data; empty when it is not known to have any.
    pub(crate) fn static_data(&self) -> Range<u32> {
        self.static_data.get_or_init(|| self.find_static_data()).clone()
    }

    fn find_static_data(&self) -> Range<u32> {
        if let Some(placement) = self.placement() {
            return placement.memory_base.0..placement.stack_low.0;
        }
        let exports = &self.module.exports;
        let bound = |name: &str| match exports.get(name).map(|export| export.kind) {
            Some(ExportKind::Data { offset }) => Some(offset),
            _ => None,
        };
        if let (Some(begin), Some(end)) = (bound(abi::GLOBAL_BASE), bound(abi::DATA_END)) {
            return begin..end;
        }
        // Emscripten's main modules export neither: the data is the range that the symbols lie in, up to what follows; it begins
        // where linkers begin it, or after the stack.
        let symbols = exports.data().filter(|(name, _)| abi::is_symbol(name) && !abi::is_bound(name));
        let Some(first) = symbols.map(|(_, offset)| offset).filter(|address| *address > 0).min() else {
            return 0..0;
        };
        let begin = match (bound(abi::GLOBAL_BASE), bound(abi::STACK_LOW), bound(abi::STACK_HIGH)) {
            (Some(begin), ..) => begin,
            (None, Some(stack), _) if stack > first => abi::FIRST_DATA.min(first),
            (None, _, Some(stack)) if stack <= first => stack,
            _ => first,
        };
        let behind = [abi::DATA_END, abi::STACK_LOW, abi::HEAP_BASE].into_iter().filter_map(bound);
        begin..behind.filter(|end| *end > begin).min().unwrap_or(begin)
    }

    /// The first function that the module imports from a host under this name.
    pub(crate) fn function_of_host(&self, name: &str) -> Option<FuncIndex> {
        let functions = self.functions_of_host.get_or_init(|| {
            let imports = self.module.function_imports.iter().zip(0..);
            let functions = imports.filter_map(|(position, index)| {
                let import = self.module.imports.get(*position)?;
                let is_of_host = [abi::ENV, abi::WASI_PREVIEW1].contains(&import.module.as_str());
                is_of_host.then(|| (import.name.clone(), FuncIndex(index)))
            });
            let mut first = HashMap::new();
            for (name, index) in functions {
                first.entry(name).or_insert(index);
            }
            first
        });
        functions.get(name).copied()
    }

    /// The name of the module in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module's contents.
    pub fn module(&self) -> &Arc<ParsedModule> {
        &self.module
    }

    /// Which C library the module contains, when there is evidence of it.
    pub fn abi(&self) -> Option<&AbiEvidence> {
        self.abi.as_ref()
    }

    /// The ABI of the processes that run this module.
    pub fn family(&self) -> AbiFamily {
        self.abi.as_ref().map_or(AbiFamily::Wasi, |abi| abi.family)
    }

    /// Where the module is placed, if it is position-independent. `None` for a module whose addresses and slots are absolute.
    pub fn placement(&self) -> Option<&MainPlacement> {
        self.placement.as_ref()
    }

    /// The libraries that must be loaded along with the module, in NEEDED order, without those that it contains.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        let dylink = self.module.dylink.iter();
        let names = dylink.flat_map(|dylink| &dylink.needed).map(String::as_str);
        names.filter(|name| !self.serves(name))
    }

    /// The address of one of the bounds of the module's memory ([`abi::is_bound`]); `None` when the module does not export it.
    pub(crate) fn bound(&self, name: &str) -> Option<Address> {
        match (&self.placement, self.module.exports.get(name).map(|export| export.kind)) {
            (Some(placement), _) => placement.bound(name),
            (None, Some(ExportKind::Data { offset })) => Some(Address(offset)),
            (None, _) => None,
        }
    }

    /// Whether a library of this name is contained in the main module: a part of the C library, or the library of its own Python.
    pub fn serves(&self, name: &str) -> bool {
        match abi::python_of(name) {
            Some(None) => self.module.python_minor.is_some(),
            Some(minor) => minor == self.module.python_minor,
            None => abi::is_in_main(name),
        }
    }

    /// Why the main module does not stand in for a library that it might contain: the library's name and the reason. `None` for
    /// every other library.
    pub(crate) fn why_not(&self, name: &str) -> Option<(String, String)> {
        let wanted = abi::python_of(name)?;
        let why = match (wanted, self.module.python_minor) {
            (_, None) => "it does not tell which Python it is, if any".to_owned(),
            (_, Some(minor)) => format!("it is Python 3.{minor}: rebuild the library for that"),
        };
        Some((self.name.clone(), why))
    }

    /// Everything that keeps the module from hosting libraries; empty for a module that can host them.
    pub fn defects(&self) -> &[MainDefect] {
        &self.defects
    }

    /// Errs with the list of what is missing when the module cannot host libraries.
    pub fn require_hosting(&self) -> Result<(), LinkError> {
        if self.defects.is_empty() {
            return Ok(());
        }
        Err(LinkError::MainCannotHost { main: self.name.clone(), defects: self.defects.clone() })
    }
}

/// The memories that a module imports, and the one that it exports for libraries.
fn memories(module: &ParsedModule) -> impl Iterator<Item = MemoryType> + '_ {
    let imported = module.imports.iter().filter_map(|import| match import.kind {
        ImportKind::Memory(ty) => Some(ty),
        _ => None,
    });
    let exported = module.exports.get(abi::MEMORY).and_then(|export| match export.kind {
        ExportKind::Memory(ty) => Some(ty),
        _ => None,
    });
    imported.chain(exported)
}

/// Whether wasm-ld wrapped the exports of a command (lld, `createCommandExportWrappers`): each wrapper begins with a call of the
/// constructors and ends with a call of the destructors, the same two functions in every wrapper. There are no wrappers when the
/// constructors are exported themselves.
fn has_command_wrappers(module: &ParsedModule, bytes: &[u8]) -> Result<bool, ParseError> {
    if module.exports.contains(abi::CALL_CTORS) {
        return Ok(false);
    }
    let index = |name: &str| match module.exports.get(name).map(|e| e.kind) {
        Some(ExportKind::Function { index, .. }) => Some(index),
        _ => None,
    };
    let (Some(malloc), Some(free)) = (index(abi::MALLOC), index(abi::FREE)) else { return Ok(false) };
    let malloc = outer_calls(module, bytes, malloc)?;
    Ok(malloc.is_some() && malloc == outer_calls(module, bytes, free)?)
}

/// The functions that the body of `function` calls first and last, when it begins and ends with a call.
fn outer_calls(
    module: &ParsedModule,
    bytes: &[u8],
    function: FuncIndex,
) -> Result<Option<(u32, u32)>, ParseError> {
    let Some(wanted) =
        function.0.checked_sub(u32::try_from(module.function_imports.len()).unwrap_or(u32::MAX))
    else {
        return Ok(None);
    };
    let mut position = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::CodeSectionEntry(body) = payload? else { continue };
        if position != wanted {
            position += 1;
            continue;
        }
        let operators: Vec<_> =
            body.get_operators_reader()?.into_iter().take(64).collect::<Result<_, _>>()?;
        return Ok(match operators.as_slice() {
            [
                Operator::Call { function_index: first },
                ..,
                Operator::Call { function_index: last },
                Operator::End,
            ] => Some((*first, *last)),
            _ => None,
        });
    }
    Ok(None)
}
