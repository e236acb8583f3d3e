//! Owns the choice of a definition for every import of the libraries of a load. All failures are collected, sorted and reported
//! at once. Must not know addresses: a definition's address is determined by the layout.
//!
//! The scope of a library's imports is the global scope (the main module, then the libraries opened with `RTLD_GLOBAL`), then the
//! libraries of the load, breadth first from the requested one, as in ELF (System V ABI, chapter 5, "Shared Object
//! Dependencies"). The first definition that can satisfy the import wins, weak or not: definitions of another kind or type are
//! passed over, since main modules export thousands of names that no library refers to. With `RTLD_DEEPBIND` the libraries of the
//! load come first. C++ data that is to exist once per process is an exception: the definition of the first library that has one
//! serves all, whatever the scopes of the others ([`crate::parse::vague`]).

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexSet;
use wasmparser::{GlobalType, RefType, ValType};

use crate::base::abi;
use crate::base::ids::{FuncIndex, ModuleId};
use crate::link::error::{LinkError, SymbolProblem};
use crate::link::namespace::{
    Namespace, Symbol, SymbolKind, definition_in, describe_global, imported_function,
};
use crate::link::needed::{LoadOrder, NewLibrary, OpenMode};
use crate::link::plan::LoadPlan;
use crate::link::provided::Provided;
use crate::link::thunks::{Thunk, ThunkKind, is_encodable};
use crate::parse::{ExportKind, Import, ImportKind, ParsedModule, Signature};

/// A function of the process: the module that defines it and its index there. Two references are equal exactly when
/// they are the same function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FunctionRef {
    /// The defining module.
    pub definer: ModuleId,
    /// Index of the function in the defining module.
    pub index: FuncIndex,
}

/// Where a tag comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TagSource {
    /// The main module's export of this name.
    Main(String),
    /// The one tag of this name that the process creates when it is first requested.
    Process(String),
}

/// What an import is bound to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Binding {
    /// The process's memory.
    Memory,
    /// The process's function table.
    Table,
    /// The process's stack pointer.
    StackPointer,
    /// The importing library's memory base.
    MemoryBase,
    /// The importing library's table base.
    TableBase,
    /// An exception tag.
    Tag(TagSource),
    /// A function of a module that has an instance by then, by one of its export names.
    Function {
        /// The function.
        function: FunctionRef,
        /// The module to take the function from, and the name of its export there.
        from: (ModuleId, String),
    },
    /// A thunk that calls the function through its table slot, since its module has no instance yet.
    SlotThunk {
        /// The function.
        function: FunctionRef,
        /// Number of the thunk in the load.
        thunk: usize,
    },
    /// The thunk of this number: around a host function, in place of a weak undefined function, or binding at the first call.
    Thunk(usize),
    /// The address of data (`GOT.mem`, or an immutable global of `env`).
    DataAddress {
        /// The defining module.
        definer: ModuleId,
        /// Offset from the defining module's memory base, in bytes.
        offset: u32,
    },
    /// The table slot of a function (`GOT.func`).
    FunctionSlot(FunctionRef),
    /// The table slot of a host function, by name.
    HostSlot(String),
    /// A function that the loader makes for this library.
    Provided(Provided),
    /// 0, for a weak undefined symbol in the GOT.
    Null,
    /// A global that is not a data symbol, passed unchanged.
    Global {
        /// The defining module.
        definer: ModuleId,
        /// Name of the export.
        export: String,
    },
}

/// A new library with all its imports bound.
#[derive(Clone, Debug)]
pub struct ResolvedLibrary {
    /// The library.
    pub library: NewLibrary,
    /// One binding for each import, in import order.
    pub bindings: Arc<[Binding]>,
}

/// The libraries of a load with all imports bound.
#[derive(Clone, Debug)]
pub struct ResolvedModules {
    /// In initialization order.
    pub(crate) libraries: Vec<ResolvedLibrary>,
    /// The requested library.
    pub(crate) root: ModuleId,
    /// Name of the root in messages.
    pub(crate) root_name: String,
    /// What remains to be bound of the main module, in the load that completes it.
    pub(crate) main: Option<ResolvedMain>,
    /// The libraries whose constructors are to run, in that order; loaded ones may be among them.
    pub(crate) construction: Vec<ModuleId>,
    /// Where symbols are looked up.
    pub(crate) scope: LoadScope,
    /// The thunks the load needs.
    pub(crate) thunks: Vec<Thunk>,
    /// The functions that need a slot and have none, in order of first use, each with an export to take it from.
    pub(crate) slotless: Vec<(FunctionRef, (ModuleId, String))>,
    /// The host functions that need a slot and have none, by name, in order of first use.
    pub(crate) slotless_of_host: Vec<(String, Signature)>,
}

/// What a main module needs to know about the libraries that it needs, and about itself.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedMain {
    /// The plan that the main module was instantiated by.
    pub(crate) first: Arc<LoadPlan>,
    /// The bindings of the GOT cells, by the positions of their imports.
    pub(crate) cells: Vec<(usize, Binding)>,
    /// The module behind each forwarder; `None` for the host.
    pub(crate) forwarders: Vec<Option<ModuleId>>,
}

impl ResolvedModules {
    /// Where imports are looked up.
    pub fn scope(&self) -> &LoadScope {
        &self.scope
    }
}

/// What a load adds to the global scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadScope {
    /// The libraries of the load, in the order in which they are searched.
    pub search: Arc<[ModuleId]>,
    /// Whether the libraries of the load are searched before the global scope.
    pub own_first: bool,
}

impl LoadScope {
    /// The modules in which the load's imports are looked up, in order; some may occur twice.
    pub fn modules<'a>(&'a self, namespace: &'a Namespace) -> impl Iterator<Item = ModuleId> + 'a {
        let (global, own) = (namespace.global_scope(), &*self.search);
        let (first, second) = if self.own_first { (own, global) } else { (global, own) };
        first.iter().chain(second).copied()
    }
}

impl LoadOrder {
    /// Binds every import of the new libraries. Errs with the full list of symbols that cannot be bound. With `mode.lazy`, the
    /// list does not include calls of functions that nothing defines or that are defined with another type: they are bound when
    /// they are first called.
    pub fn resolve(self, namespace: &Namespace, mode: OpenMode) -> Result<ResolvedModules, LinkError> {
        let mut resolver = Resolver::new(namespace, &self, mode);
        let mut libraries = Vec::with_capacity(self.libraries.len());
        let mut problems = Vec::new();
        for library in self.in_initialization_order() {
            let bindings = resolver.library(library, &mut problems);
            libraries.push(ResolvedLibrary { library: library.clone(), bindings });
        }
        let main = self.main.as_ref().map(|first| resolver.main(first, &mut problems));
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(LinkError::Symbols { library: self.root_name(namespace).to_owned(), problems });
        }
        let slotless = resolver.slotless();
        let slotless_of_host = resolver.slotless_of_host();
        let thunks = resolver.thunks;
        let scope = resolver.scope;
        let root_name = self.root_name(namespace).to_owned();
        let (root, construction) = (self.root(), self.construction);
        Ok(ResolvedModules {
            libraries,
            root,
            root_name,
            main,
            construction,
            scope,
            thunks,
            slotless,
            slotless_of_host,
        })
    }

    /// What each import of each new library is bound to, or why it cannot be bound: the data behind `pydl deps`.
    pub(crate) fn explain(&self, namespace: &Namespace) -> Explanation {
        let mut resolver = Resolver::new(namespace, self, OpenMode::default());
        let results = self
            .in_initialization_order()
            .map(|library| {
                let importer = Importer::of(library);
                let imports = library.module.imports.iter();
                (library.id, imports.map(|import| resolver.import(&importer, import)).collect())
            })
            .collect();
        let slotless = resolver.slotless().len().saturating_add(resolver.slotless_of_host().len());
        Explanation { results, thunks: resolver.thunks, slotless }
    }
}

/// The result of [`LoadOrder::explain`].
pub(crate) struct Explanation {
    /// One result for each import, for each new library.
    pub(crate) results: Vec<(ModuleId, Vec<Result<Binding, SymbolProblem>>)>,
    /// The thunks that bindings refer to.
    pub(crate) thunks: Vec<Thunk>,
    /// How many functions need a slot and have none.
    pub(crate) slotless: usize,
}

impl Binding {
    /// The module whose definition the import is bound to; `None` for what the loader provides and for null.
    pub fn definer(&self) -> Option<ModuleId> {
        match self {
            Binding::Function { from: (definer, _), .. }
            | Binding::DataAddress { definer, .. }
            | Binding::Global { definer, .. } => Some(*definer),
            Binding::SlotThunk { function, .. } | Binding::FunctionSlot(function) => Some(function.definer),
            Binding::Tag(TagSource::Main(_)) => Some(ModuleId::MAIN),
            Binding::Tag(TagSource::Process(_))
            | Binding::Memory
            | Binding::Table
            | Binding::StackPointer
            | Binding::MemoryBase
            | Binding::TableBase
            | Binding::Thunk(_)
            | Binding::Provided(_)
            | Binding::HostSlot(_)
            | Binding::Null => None,
        }
    }

    /// The modules that have to stay loaded as long as the importer does.
    pub(crate) fn uses(&self) -> impl Iterator<Item = ModuleId> {
        let behind = match self {
            Binding::Function { function, .. } => Some(function.definer),
            _ => None,
        };
        self.definer().into_iter().chain(behind)
    }
}

struct Resolver<'a> {
    namespace: &'a Namespace,
    order: &'a LoadOrder,
    mode: OpenMode,
    /// Position of each new library in the instantiation order.
    position: BTreeMap<ModuleId, usize>,
    scope: LoadScope,
    /// The modules that define each name, in a long scope.
    definers: Option<HashMap<&'a str, Definers>>,
    /// The definitions taken where the first one does not fit: a file may request one name a million times.
    fitting: RefCell<HashMap<(String, WantedKind), Option<Symbol>>>,
    thunks: Vec<Thunk>,
    thunk_of: BTreeMap<ThunkKey, usize>,
    /// Every function whose slot something needs, with an export to take it from.
    slots_used: indexmap::IndexMap<FunctionRef, (ModuleId, String)>,
    /// Every host function whose slot something needs, with its type.
    host_slots_used: indexmap::IndexMap<String, Signature>,
}

/// The number of modules from which on a scope gets an index, since each lookup would go through all of them. For fewer modules
/// an index costs more than it saves.
const LONG_SCOPE: usize = 16;

/// The modules of a scope, without the main module, that define a name, in order.
struct Definers {
    first: Definer,
    others: Vec<Definer>,
}

/// One of the modules that define a name.
#[derive(Clone, Copy)]
struct Definer {
    id: ModuleId,
    /// Whether the main module comes later in the scope.
    is_before_main: bool,
}

/// What identifies a thunk: thunks with equal keys are the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ThunkKey {
    Slot(FunctionRef),
    Host(String, String, String),
    Undefined(String, String),
    Lazy(ModuleId, String, String),
}

impl<'a> Resolver<'a> {
    fn new(namespace: &'a Namespace, order: &'a LoadOrder, mode: OpenMode) -> Resolver<'a> {
        let position = order.initialization.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let scope = LoadScope { search: order.search.as_slice().into(), own_first: order.own_scope_first };
        let is_long = scope.modules(namespace).count() >= LONG_SCOPE;
        let mut resolver = Resolver {
            scope,
            definers: None,
            fitting: RefCell::default(),
            namespace,
            order,
            mode,
            position,
            thunks: Vec::new(),
            thunk_of: BTreeMap::new(),
            slots_used: indexmap::IndexMap::new(),
            host_slots_used: indexmap::IndexMap::new(),
        };
        if is_long {
            resolver.definers = Some(resolver.index());
        }
        resolver
    }

    fn library(&mut self, library: &NewLibrary, problems: &mut Vec<SymbolProblem>) -> Arc<[Binding]> {
        let importer = Importer::of(library);
        let mut bindings = Vec::with_capacity(library.module.imports.len());
        for import in &library.module.imports {
            match self.import(&importer, import) {
                Ok(binding) => bindings.push(binding),
                Err(problem) => problems.push(problem),
            }
        }
        bindings.into()
    }

    /// Binds what completes the main module. What nothing defines stays 0 in the main module's cells, and fails when called
    /// through a forwarder.
    fn main(&mut self, first: &Arc<LoadPlan>, problems: &mut Vec<SymbolProblem>) -> ResolvedMain {
        let module = &**self.namespace.main().module();
        let path: Arc<str> = self.namespace.main().name().into();
        let importer = Importer { id: ModuleId::MAIN, module, path: path.clone(), calls: OnceCell::new() };
        let mut cells = Vec::new();
        for position in first.cells_of_main() {
            let Some(import) = module.imports.get(position) else { continue };
            match self.cell_of_main(&Wanted { importer: &importer, import }) {
                Ok(binding) => cells.push((position, binding)),
                Err(SymbolProblem::Undefined { .. }) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let mut forwarders = Vec::new();
        for (name, signature) in first.forwarders().into_iter().flat_map(|module| &module.wanted) {
            let found = self.find(name, Want::Function(signature));
            forwarders.push(found.as_ref().map(|found| found.definer));
            if let Some(found) = found.filter(|found| !Want::Function(signature).fits(&found.kind)) {
                problems.push(SymbolProblem::WrongType {
                    importer: path.clone(),
                    symbol: name.clone(),
                    wanted: SymbolProblem::function(signature),
                    definer: self.name(found.definer).to_owned(),
                    found: found.kind.describe(),
                    own: None,
                });
            }
        }
        ResolvedMain { first: first.clone(), cells, forwarders }
    }

    fn cell_of_main(&mut self, wanted: &Wanted<'_, '_>) -> Result<Binding, SymbolProblem> {
        match (&wanted.import.kind, wanted.import.module.as_str()) {
            (ImportKind::Global(ty), abi::GOT_MEM) => self.got(wanted, ty, Got::Data),
            (ImportKind::Global(ty), _) => self.got(wanted, ty, Got::Function),
            _ => Err(wanted.undefined()),
        }
    }

    fn import(&mut self, importer: &Importer<'_>, import: &Import) -> Result<Binding, SymbolProblem> {
        let wanted = Wanted { importer, import };
        match (import.module.as_str(), &import.kind) {
            (abi::ENV, ImportKind::Memory(ty)) if import.name == abi::MEMORY => {
                if ty.memory64 || ty.shared {
                    return Err(wanted.unsupported(
                        "the library is built for shared or 64-bit memory, and the process has neither",
                    ));
                }
                Ok(Binding::Memory)
            }
            (abi::ENV, ImportKind::Table(ty)) if import.name == abi::TABLE => {
                if ty.table64 || ty.shared || ty.element_type != RefType::FUNCREF {
                    return Err(wanted.unsupported("the process's table is a 32-bit table of funcref"));
                }
                Ok(Binding::Table)
            }
            (abi::ENV, ImportKind::Global(ty)) => self.env_global(&wanted, ty),
            (abi::ENV, ImportKind::Tag(signature)) => self.tag(&wanted, signature),
            (abi::ENV, ImportKind::Function(signature)) => self.function(&wanted, signature),
            (abi::GOT_MEM, ImportKind::Global(ty)) => self.got(&wanted, ty, Got::Data),
            (abi::GOT_FUNC, ImportKind::Global(ty)) => self.got(&wanted, ty, Got::Function),
            (_, ImportKind::Function(signature)) => self.host_function(&wanted, signature),
            (abi::ENV | abi::GOT_MEM | abi::GOT_FUNC, kind) => {
                let why = format!("a {} cannot be imported under this name", kind.word());
                Err(wanted.unsupported(&why))
            }
            _ => Err(wanted.unknown_module()),
        }
    }

    fn env_global(&self, wanted: &Wanted<'_, '_>, ty: &GlobalType) -> Result<Binding, SymbolProblem> {
        let is = |name: &str, mutable| wanted.import.name == name && is_i32(ty, mutable);
        if is(abi::STACK_POINTER, true) {
            return Ok(Binding::StackPointer);
        }
        if is(abi::MEMORY_BASE, false) {
            return Ok(Binding::MemoryBase);
        }
        if is(abi::TABLE_BASE, false) {
            return Ok(Binding::TableBase);
        }
        if let Some(bound) = self.bound_of_main(&wanted.import.name).filter(|_| is_i32(ty, false)) {
            return Ok(bound);
        }
        let found = self.find(&wanted.import.name, Want::Global(ty)).ok_or_else(|| wanted.undefined())?;
        match found.kind {
            SymbolKind::Data(offset) if is_i32(ty, false) => {
                Ok(Binding::DataAddress { definer: found.definer, offset })
            }
            SymbolKind::Global(defined) if defined == *ty && self.has_instance(wanted, &found) => {
                Ok(Binding::Global { definer: found.definer, export: wanted.import.name.clone() })
            }
            _ => Err(self.wrong_type(wanted, &found)),
        }
    }

    fn tag(&self, wanted: &Wanted<'_, '_>, signature: &Signature) -> Result<Binding, SymbolProblem> {
        let name = &wanted.import.name;
        match self.namespace.main().module().exports.get(name).map(|e| e.kind) {
            Some(ExportKind::Tag(defined)) if defined == *signature => {
                Ok(Binding::Tag(TagSource::Main(name.clone())))
            }
            Some(other) => {
                let found = match other {
                    ExportKind::Tag(defined) => format!("tag {defined}"),
                    other => other.word().to_owned(),
                };
                Err(wanted.wrong_type(self.namespace.main().name(), found))
            }
            None if (name == abi::CPP_EXCEPTION || name == abi::C_LONGJMP)
                && signature.params() == [ValType::I32]
                && signature.results().is_empty() =>
            {
                Ok(Binding::Tag(TagSource::Process(name.clone())))
            }
            None => Err(wanted.undefined()),
        }
    }

    fn function(&mut self, wanted: &Wanted<'_, '_>, signature: &Signature) -> Result<Binding, SymbolProblem> {
        let name = &wanted.import.name;
        let found = self.find(name, Want::Function(signature));
        if let Some(provided) = Provided::instead_of(found.as_ref(), name, signature, self.namespace) {
            return Ok(Binding::Provided(provided));
        }
        let Some(found) = found else {
            if self.namespace.host_function(abi::ENV, name).is_some() {
                return self.host_function(wanted, signature);
            }
            if abi::is_of_exceptions(name) && self.namespace.leaves_exceptions_to_host() {
                let kind = ThunkKind::Host { module: abi::ENV.to_owned(), name: name.clone() };
                let key = ThunkKey::Host(abi::ENV.to_owned(), name.clone(), signature.to_string());
                return self.thunk(wanted, key, signature, kind).map(Binding::Thunk);
            }
            return self.undefined_function(wanted, signature);
        };
        match &found.kind {
            SymbolKind::Function(index, defined) if defined == signature => {
                let from = (found.definer, name.clone());
                let function = self.canonical(FunctionRef { definer: found.definer, index: *index });
                if self.has_instance(wanted, &found) {
                    return Ok(Binding::Function { function, from });
                }
                self.slots_used.entry(function).or_insert(from);
                let kind = ThunkKind::Slot(function);
                let thunk = self.thunk(wanted, ThunkKey::Slot(function), signature, kind)?;
                Ok(Binding::SlotThunk { function, thunk })
            }
            _ if self.mode.lazy => self.lazy(wanted, signature),
            _ => Err(self.wrong_type(wanted, &found)),
        }
    }

    /// Binds a function that nothing defines yet.
    fn undefined_function(
        &mut self,
        wanted: &Wanted<'_, '_>,
        signature: &Signature,
    ) -> Result<Binding, SymbolProblem> {
        if self.mode.lazy || (self.namespace.tolerates_undefined_functions() && !wanted.is_weak()) {
            return self.lazy(wanted, signature);
        }
        if !wanted.is_weak() {
            return Err(wanted.undefined());
        }
        let key = ThunkKey::Undefined(wanted.import.name.clone(), signature.to_string());
        self.thunk(wanted, key, signature, ThunkKind::Undefined).map(Binding::Thunk)
    }

    /// Binds a function at its first call. Each library has its own thunk, so that a failing thunk names the library.
    fn lazy(&mut self, wanted: &Wanted<'_, '_>, signature: &Signature) -> Result<Binding, SymbolProblem> {
        let importer = wanted.importer.id;
        let key = ThunkKey::Lazy(importer, wanted.import.name.clone(), signature.to_string());
        let kind = ThunkKind::Lazy { importer, path: wanted.importer() };
        self.thunk(wanted, key, signature, kind).map(Binding::Thunk)
    }

    fn got(&mut self, wanted: &Wanted<'_, '_>, ty: &GlobalType, got: Got) -> Result<Binding, SymbolProblem> {
        if !is_i32(ty, true) {
            let why = format!("a GOT cell is a mutable i32 global, not a {}", describe_global(ty));
            return Err(wanted.unsupported(&why));
        }
        if wanted.import.name == abi::DSO_HANDLE {
            return Ok(Binding::MemoryBase);
        }
        if let (Got::Data, Some(bound)) = (got, self.bound_of_main(&wanted.import.name)) {
            return Ok(bound);
        }
        let expected = match got {
            Got::Data => None,
            Got::Function => wanted.function_type(),
        };
        let want = match (got, &expected) {
            (Got::Data, _) => Want::Data,
            (Got::Function, Some(signature)) => Want::Function(signature),
            (Got::Function, None) => Want::AnyFunction,
        };
        let Some(found) = self.find(&wanted.import.name, want) else {
            let of_host = matches!(got, Got::Function).then(|| self.host_slot(wanted)).flatten();
            return match of_host {
                Some(binding) => Ok(binding),
                None if wanted.is_weak() => Ok(Binding::Null),
                None => Err(wanted.undefined()),
            };
        };
        match (&found.kind, got) {
            (SymbolKind::Data(offset), Got::Data) => {
                Ok(Binding::DataAddress { definer: found.definer, offset: *offset })
            }
            (SymbolKind::Function(index, _), Got::Function) => {
                let (index, export) = self.pointed_at(found.definer, &wanted.import.name, *index);
                let function = self.canonical(FunctionRef { definer: found.definer, index });
                self.slots_used.entry(function).or_insert((found.definer, export));
                Ok(Binding::FunctionSlot(function))
            }
            _ => Err(self.wrong_type(wanted, &found)),
        }
    }

    /// The function that C code gets when it takes the address of the function of this name, with its export.
    fn pointed_at(&self, definer: ModuleId, name: &str, index: FuncIndex) -> (FuncIndex, String) {
        let exports = self.module(definer).map(|module| &module.exports);
        match exports.map(|exports| (exports, exports.pointed_at(name))) {
            Some((exports, Cow::Owned(export))) => match exports.get(&export).map(|it| it.kind) {
                Some(ExportKind::Function { index, .. }) => (index, export),
                _ => (index, name.to_owned()),
            },
            _ => (index, name.to_owned()),
        }
    }

    /// The address of a bound of the main module's memory, for which libraries also have a name.
    fn bound_of_main(&self, name: &str) -> Option<Binding> {
        let main = self.namespace.main();
        let address = abi::is_bound(name).then(|| main.bound(name)).flatten()?;
        let base = self.namespace.main_base();
        Some(Binding::DataAddress { definer: ModuleId::MAIN, offset: address.0.checked_sub(base.0)? })
    }

    /// The slot of a function that only the host has. The address of a function that fails when called is null for importers that
    /// can do without it.
    fn host_slot(&mut self, wanted: &Wanted<'_, '_>) -> Option<Binding> {
        let name = &wanted.import.name;
        let address = self.namespace.host_address(name)?;
        if wanted.is_weak() && !address.is_served {
            return None;
        }
        self.host_slots_used.entry(name.clone()).or_insert_with(|| address.signature.clone());
        Some(Binding::HostSlot(name.clone()))
    }

    /// Binds a function that the host offers under its own import module, such as WASI's. The host finds the memory in the
    /// caller's exports, and a side module exports none: the function is called by a thunk whose module does.
    fn host_function(
        &mut self,
        wanted: &Wanted<'_, '_>,
        signature: &Signature,
    ) -> Result<Binding, SymbolProblem> {
        let Import { module, name, .. } = wanted.import;
        match self.namespace.host_function(module, name) {
            Some(offered) if offered == signature => {
                let kind = ThunkKind::Host { module: module.clone(), name: name.clone() };
                let key = ThunkKey::Host(module.clone(), name.clone(), signature.to_string());
                self.thunk(wanted, key, signature, kind).map(Binding::Thunk)
            }
            Some(offered) => Err(wanted.wrong_type("the host", SymbolProblem::function(offered))),
            None if module == abi::WASI_PREVIEW1 => Err(wanted.undefined()),
            None => Err(wanted.unknown_module()),
        }
    }

    fn thunk(
        &mut self,
        wanted: &Wanted<'_, '_>,
        key: ThunkKey,
        signature: &Signature,
        kind: ThunkKind,
    ) -> Result<usize, SymbolProblem> {
        if !is_encodable(signature) {
            return Err(
                wanted.unsupported("its type has reference types, for which no thunk can be generated")
            );
        }
        let thunks = &mut self.thunks;
        Ok(*self.thunk_of.entry(key).or_insert_with(|| {
            let symbol = wanted.import.name.clone();
            thunks.push(Thunk { symbol, signature: signature.clone(), kind });
            thunks.len() - 1
        }))
    }

    /// The definition that counts: the first one in scope that can satisfy the import, unless it is data that is to exist once
    /// per process.
    fn find(&self, name: &str, want: Want<'_>) -> Option<Symbol> {
        let found = self.first(name, want)?;
        let module = self.module(found.definer)?;
        Some(self.namespace.shared(name, found, module))
    }

    /// The first definition in scope that can satisfy the import; when there is none, the first one of any kind, which shows what
    /// is wrong.
    fn first(&self, name: &str, want: Want<'_>) -> Option<Symbol> {
        let first = self.lookup(name)?;
        if want.fits(&first.kind) {
            return Some(first);
        }
        let mut known = self.fitting.borrow_mut();
        let fitting = known.entry((name.to_owned(), want.kind()));
        fitting
            .or_insert_with(|| self.definitions(name).find(|other| want.fits(&other.kind)))
            .clone()
            .or(Some(first))
    }

    /// All definitions in scope, in order.
    fn definitions<'n>(&'n self, name: &'n str) -> Box<dyn Iterator<Item = Symbol> + 'n> {
        let definition = move |id: ModuleId| definition_in(self.module(id)?, id, name);
        let Some(definers) = &self.definers else {
            return Box::new(self.scope.modules(self.namespace).filter_map(definition));
        };
        let others = definers.get(name).into_iter();
        let others = others.flat_map(|definers| std::iter::once(&definers.first).chain(&definers.others));
        let before = others.clone().filter(|other| other.is_before_main).map(|other| other.id);
        let after = others.filter(|other| !other.is_before_main).map(|other| other.id);
        Box::new(before.chain([ModuleId::MAIN]).chain(after).filter_map(definition))
    }

    /// The first definition in scope.
    fn lookup(&self, name: &str) -> Option<Symbol> {
        if !abi::is_symbol(name) {
            return None;
        }
        let definition = |id: ModuleId| definition_in(self.module(id)?, id, name);
        match &self.definers {
            Some(definers) => {
                let other = definers.get(name).map(|definers| definers.first);
                let before = other.filter(|other| other.is_before_main);
                let of_main = || definition(ModuleId::MAIN);
                let after = || definition(other?.id);
                before.and_then(|before| definition(before.id)).or_else(of_main).or_else(after)
            }
            None => self.scope.modules(self.namespace).find_map(definition),
        }
    }

    /// Builds the index of which modules of the scope define each name. The main module, which defines thousands, has an index of
    /// its own.
    fn index(&self) -> HashMap<&'a str, Definers> {
        let mut definers: HashMap<&'a str, Definers> = HashMap::new();
        let mut is_before_main = true;
        let modules: IndexSet<ModuleId> = self.scope.modules(self.namespace).collect();
        for id in modules {
            if id == ModuleId::MAIN {
                is_before_main = false;
                continue;
            }
            let Some(module) = self.module(id) else { continue };
            for (name, _) in module.exports.iter() {
                if definition_in(module, id, name).is_none() {
                    continue;
                }
                let definer = Definer { id, is_before_main };
                match definers.entry(name) {
                    Entry::Vacant(new) => drop(new.insert(Definers { first: definer, others: Vec::new() })),
                    Entry::Occupied(mut known) => known.get_mut().others.push(definer),
                }
            }
        }
        definers
    }

    fn module(&self, id: ModuleId) -> Option<&'a Arc<ParsedModule>> {
        match self.order.new_library(id) {
            Some(new) => Some(&new.module),
            None => self.namespace.module(id),
        }
    }

    /// Whether the definer will have an instance when the importer is instantiated.
    fn has_instance(&self, wanted: &Wanted<'_, '_>, found: &Symbol) -> bool {
        match (self.position.get(&found.definer), self.position.get(&wanted.importer.id)) {
            (Some(definer), Some(importer)) => definer < importer,
            _ => true,
        }
    }

    /// The function behind re-exported imports. The imported name is looked up in the same way as the re-exporting library's
    /// import, so that the result does not depend on which libraries are bound already.
    fn canonical(&self, function: FunctionRef) -> FunctionRef {
        let mut current = function;
        for _ in 0..=self.order.libraries.len() {
            let new = self.order.new_library(current.definer);
            let Some((name, signature)) = new.and_then(|new| imported_function(&new.module, current.index))
            else {
                break;
            };
            let found = self.find(name, Want::Function(signature));
            match found.map(|found| (found.definer, found.kind)) {
                Some((definer, SymbolKind::Function(index, _))) => current = FunctionRef { definer, index },
                _ => break,
            }
        }
        self.namespace.canonical(current)
    }

    /// Of the functions whose slot something needs, those that neither have one nor get one from an element segment.
    fn slotless(&mut self) -> Vec<(FunctionRef, (ModuleId, String))> {
        let has_slot = |function: &FunctionRef| match self.order.new_library(function.definer) {
            Some(new) => new.module.element_slots.get(function.index).is_some(),
            None => self.namespace.slot(*function).is_some(),
        };
        let used = std::mem::take(&mut self.slots_used);
        used.into_iter().filter(|(function, _)| !has_slot(function)).collect()
    }

    /// Of the host functions whose slot something needs, those that have none.
    fn slotless_of_host(&mut self) -> Vec<(String, Signature)> {
        let used = std::mem::take(&mut self.host_slots_used);
        used.into_iter().filter(|(name, _)| self.namespace.host_slot(name).is_none()).collect()
    }

    fn wrong_type(&self, wanted: &Wanted<'_, '_>, found: &Symbol) -> SymbolProblem {
        wanted.wrong_type(self.name(found.definer), found.kind.describe())
    }

    /// The name of a module in messages.
    fn name(&self, id: ModuleId) -> &str {
        self.order.new_library(id).map_or_else(|| self.namespace.name(id), |new| &new.file.path)
    }
}

/// What a definition has to be.
#[derive(Clone, Copy)]
pub(crate) enum Want<'a> {
    /// A function of this type.
    Function(&'a Signature),
    /// A function, for an importer that does not specify its type.
    AnyFunction,
    /// Data.
    Data,
    /// A global of this type, or data whose address it holds.
    Global(&'a GlobalType),
}

/// The same as [`Want`], without borrowing.
#[derive(PartialEq, Eq, Hash)]
enum WantedKind {
    Function(Signature),
    AnyFunction,
    Data,
    Global(GlobalType),
}

impl Want<'_> {
    fn kind(self) -> WantedKind {
        match self {
            Want::Function(signature) => WantedKind::Function(signature.clone()),
            Want::AnyFunction => WantedKind::AnyFunction,
            Want::Data => WantedKind::Data,
            Want::Global(ty) => WantedKind::Global(*ty),
        }
    }

    /// Whether a definition satisfies this.
    pub(crate) fn fits(self, kind: &SymbolKind) -> bool {
        match (self, kind) {
            (Want::Function(signature), SymbolKind::Function(_, defined)) => defined == signature,
            (Want::AnyFunction, SymbolKind::Function(..)) | (Want::Data, SymbolKind::Data(_)) => true,
            (Want::Global(ty), SymbolKind::Data(_)) => is_i32(ty, false),
            (Want::Global(ty), SymbolKind::Global(defined)) => defined == ty,
            _ => false,
        }
    }
}

#[derive(Clone, Copy)]
enum Got {
    Data,
    Function,
}

/// A module whose imports are being bound.
struct Importer<'a> {
    id: ModuleId,
    /// The parsed module.
    module: &'a ParsedModule,
    /// Path of the importer, for messages, of which there may be one for each import.
    path: Arc<str>,
    /// The type with which the importer first imports each function that it calls; computed on demand.
    calls: OnceCell<HashMap<&'a str, &'a Signature>>,
}

impl<'a> Importer<'a> {
    fn of(library: &'a NewLibrary) -> Importer<'a> {
        let path = library.file.path.as_str().into();
        Importer { id: library.id, module: &library.module, path, calls: OnceCell::new() }
    }

    /// The type with which the importer calls a function of this name; `None` when it does not call it.
    fn type_of_calls(&self, name: &str) -> Option<&'a Signature> {
        let calls = self.calls.get_or_init(|| {
            let calls = self.module.imports.iter().filter_map(|import| match &import.kind {
                ImportKind::Function(signature) if import.module == abi::ENV => {
                    Some((import.name.as_str(), signature))
                }
                _ => None,
            });
            // If there are several, the first one counts.
            calls.rev().collect()
        });
        calls.get(name).copied()
    }
}

/// An import that is being bound, along with its importer: the material for messages.
struct Wanted<'a, 'm> {
    importer: &'a Importer<'m>,
    import: &'a Import,
}

impl Wanted<'_, '_> {
    fn is_weak(&self) -> bool {
        let dylink = self.importer.module.dylink.as_ref();
        dylink.is_some_and(|dylink| dylink.weak_imports.contains(&self.import.name))
    }

    fn importer(&self) -> Arc<str> {
        self.importer.path.clone()
    }

    /// The type that the importer knows for a function whose address it takes: that of its own definition, or the one with which
    /// it calls the function. `None` when it does neither, as in C's `&function` alone.
    fn function_type(&self) -> Option<Signature> {
        let name = &self.import.name;
        match definition_in(self.importer.module, self.importer.id, name).map(|own| own.kind) {
            Some(SymbolKind::Function(_, signature)) => return Some(signature),
            Some(_) => return None,
            None => {}
        }
        self.importer.type_of_calls(name).cloned()
    }

    /// What the importer itself defines under the name, when that is not what it imports.
    fn own(&self) -> Option<String> {
        let own = definition_in(self.importer.module, self.importer.id, &self.import.name)?;
        Some(own.kind.describe())
    }

    fn describe(&self) -> String {
        match (self.import.module.as_str(), &self.import.kind) {
            (abi::GOT_MEM, _) => "data".to_owned(),
            (abi::GOT_FUNC, _) => "function, by address".to_owned(),
            (_, ImportKind::Function(signature)) => SymbolProblem::function(signature),
            (_, ImportKind::Tag(signature)) => format!("tag {signature}"),
            (_, ImportKind::Global(ty)) => describe_global(ty),
            (_, other) => other.word().to_owned(),
        }
    }

    fn undefined(&self) -> SymbolProblem {
        SymbolProblem::Undefined {
            importer: self.importer(),
            symbol: self.import.name.clone(),
            wanted: self.describe(),
        }
    }

    fn wrong_type(&self, definer: &str, found: String) -> SymbolProblem {
        SymbolProblem::WrongType {
            importer: self.importer(),
            symbol: self.import.name.clone(),
            wanted: self.describe(),
            definer: definer.to_owned(),
            found,
            own: self.own(),
        }
    }

    fn unknown_module(&self) -> SymbolProblem {
        SymbolProblem::UnknownImportModule {
            importer: self.importer(),
            module: self.import.module.clone(),
            name: self.import.name.clone(),
        }
    }

    fn unsupported(&self, why: &str) -> SymbolProblem {
        SymbolProblem::Unsupported {
            importer: self.importer(),
            import: format!("{}.{}", self.import.module, self.import.name),
            why: why.to_owned(),
        }
    }
}

fn is_i32(ty: &GlobalType, mutable: bool) -> bool {
    ty.content_type == ValType::I32 && ty.mutable == mutable && !ty.shared
}
