//! Owns what is loaded in a process and which definition a name has: the libraries, the global scope, and the one table slot of
//! each function. Changes only through [`Namespace::commit`] and the small updates named here. Must not know instances.

mod lifetime;

pub use lifetime::Unloaded;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use wasmparser::GlobalType;

use crate::base::abi;
use crate::base::ids::{Address, FuncIndex, ModuleId, TableSlot};
use crate::link::error::SymbolProblem;
use crate::link::host::{HostAddress, HostFunctions};
use crate::link::main_module::MainModule;
use crate::link::needed::{FileIdentity, FoundLibrary, LoadLimits};
use crate::link::plan::LoadPlan;
use crate::link::resolve::{Binding, FunctionRef};
use crate::parse::abi_family::AbiFamily;
use crate::parse::vague;
use crate::parse::{ElementSlot, ExportKind, ImportKind, ParsedModule, Signature};

/// A library of a process: a loaded side module.
#[derive(Clone, Debug)]
pub struct Library {
    /// Id of the library.
    pub id: ModuleId,
    /// Absolute path of the library's file in the guest.
    pub path: String,
    /// Identity of that file, where known.
    pub identity: Option<FileIdentity>,
    /// Hash of the file's contents: a file system may reuse the inode number of a deleted file.
    pub contents: u64,
    /// The parsed contents of the file.
    pub module: Arc<ParsedModule>,
    /// The libraries it needs, in NEEDED order.
    pub needed: Vec<ModuleId>,
    /// Start of the library's static data.
    pub memory_base: Address,
    /// The library's first own table slot.
    pub table_base: TableSlot,
    /// What each import was bound to, in import order.
    pub bindings: Arc<[Binding]>,
    /// The libraries that have to stay as long as this one does: those that it needs, and those that it is bound to.
    pub uses: BTreeSet<ModuleId>,
    /// The library whose load brought this one in: itself when it was requested directly. `RTLD_NEXT` searches in that load's
    /// order.
    pub loaded_for: ModuleId,
    /// Whether that load was made with `RTLD_DEEPBIND`.
    pub own_scope_first: bool,
    /// Number of `dlopen` calls without a matching `dlclose`.
    pub references: u32,
    /// Whether the library stays until the process ends: opened with `RTLD_NODELETE`, or used by one that stays.
    pub is_permanent: bool,
    /// The stage of its life that the library has reached.
    pub stage: Stage,
    /// How the initialization failed, set when it ended in a trap or an exception.
    pub failure: Option<String>,
}

/// The stages in the life of a library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// The constructors have yet to begin.
    Waiting,
    /// The constructors have begun, or there are none.
    Begun,
    /// The library is being unloaded: its destructors are running, and later loads cannot depend on it.
    Leaving,
    /// The destructors have run: nothing can access the library any more.
    Ended,
}

/// A symbol of a module or scope, as `dlsym` and the resolver see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// The module that defines it.
    pub definer: ModuleId,
    /// The kind of the symbol.
    pub kind: SymbolKind,
}

/// The kinds of symbols.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    /// A function, by its index in the definer.
    Function(FuncIndex, Signature),
    /// Data, by its offset in bytes from the definer's memory base.
    Data(u32),
    /// A global that is not a data symbol.
    Global(GlobalType),
    /// An exception tag.
    Tag(Signature),
}

impl SymbolKind {
    /// Description of the symbol in messages: `function (i32) -> i32`, `data` and so on.
    pub fn describe(&self) -> String {
        match self {
            SymbolKind::Function(_, signature) => SymbolProblem::function(signature),
            SymbolKind::Data(_) => "data".to_owned(),
            SymbolKind::Global(ty) => describe_global(ty),
            SymbolKind::Tag(signature) => format!("tag {signature}"),
        }
    }
}

/// Description of a global's type in messages.
pub(crate) fn describe_global(ty: &GlobalType) -> String {
    format!("{}global {}", if ty.mutable { "mutable " } else { "" }, ty.content_type)
}

/// What `dlsym` returns for a symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolValue {
    /// A data symbol's address.
    Address(Address),
    /// A function that has this table slot.
    Slot(TableSlot),
    /// A function without a table slot; the caller is to give it one and call [`Namespace::record_slot`].
    NoSlotYet(FunctionRef),
}

/// What a pointer points into: the result of `dladdr`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PointedTo {
    /// The module.
    pub module: ModuleId,
    /// Start of the module's static data.
    pub base: Address,
    /// The nearest symbol at or before the pointer, with the symbol's own address or slot.
    pub symbol: Option<(String, u32)>,
}

impl Library {
    /// Whether an address lies in the library's static data.
    pub fn holds_data(&self, address: Address) -> bool {
        let size = self.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.memory_size);
        address.0.checked_sub(self.memory_base.0).is_some_and(|offset| offset < size)
    }

    /// Whether a slot is one of the library's own.
    pub fn holds_slot(&self, slot: TableSlot) -> bool {
        slot.0.checked_sub(self.table_base.0).is_some_and(|offset| offset < self.table_size())
    }

    /// How many slots the library's element segments fill.
    fn table_size(&self) -> u32 {
        self.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.table_size.get())
    }
}

/// Where to search for a symbol.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The main module and every library opened with `RTLD_GLOBAL`, in load order: `RTLD_DEFAULT`.
    Global,
    /// A library and what it needs, breadth first: `dlsym` with a handle.
    Library(&'a Library),
    /// What the code of a module sees, which is what `RTLD_DEFAULT` means in that code: the global scope, then the load that
    /// brought the module in; the other way round after `RTLD_DEEPBIND`.
    From(ModuleId),
    /// What comes after a module in the search order of the load that brought it in, which is what `RTLD_NEXT` means in its code.
    /// The main module comes last, since the C library is in it; after the main module come the global libraries.
    After(ModuleId),
}

/// What is loaded in a process.
#[derive(Clone, Debug)]
pub struct Namespace {
    main: Arc<MainModule>,
    /// The libraries, by ascending id.
    libraries: Vec<Library>,
    /// The highest id that was ever assigned.
    last_id: ModuleId,
    /// The main module first, then the global libraries in the order in which they became global.
    global: Vec<ModuleId>,
    by_path: BTreeMap<String, ModuleId>,
    by_identity: BTreeMap<FileIdentity, ModuleId>,
    by_file_name: BTreeMap<String, ModuleId>,
    /// The slots given to functions that have no slot from an element segment.
    slots: BTreeMap<FunctionRef, TableSlot>,
    /// The range of the table in which libraries have ever had slots: a slot that is free there once held a function.
    slots_of_libraries: Range<u32>,
    /// The library whose definition serves all, by the identity of data that is to exist once per process
    /// ([`crate::parse::vague`]).
    shared_data: HashMap<Box<str>, ModuleId>,
    host_functions: Arc<BTreeMap<(String, String), Signature>>,
    /// The host functions whose addresses libraries may take, by name.
    host_addresses: Arc<BTreeMap<String, HostAddress>>,
    /// The slots that were given to some of the host functions. They stay: the host is never unloaded.
    host_slots: BTreeMap<String, TableSlot>,
    limits: LoadLimits,
}

impl Namespace {
    /// The namespace of a process in which only `main` is loaded. `host_functions` are those that the host offers to import
    /// directly, by import module and name: WASI's functions.
    pub fn new(
        main: Arc<MainModule>,
        host_functions: Arc<BTreeMap<(String, String), Signature>>,
    ) -> Namespace {
        Namespace {
            main,
            libraries: Vec::new(),
            last_id: ModuleId::MAIN,
            global: vec![ModuleId::MAIN],
            by_path: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            by_file_name: BTreeMap::new(),
            slots: BTreeMap::new(),
            slots_of_libraries: 0..0,
            shared_data: HashMap::new(),
            host_functions,
            host_addresses: Arc::default(),
            host_slots: BTreeMap::new(),
            limits: LoadLimits::default(),
        }
    }

    /// This namespace with other limits for one load than [`LoadLimits::default`].
    #[must_use]
    pub fn with_limits(self, limits: LoadLimits) -> Namespace {
        Namespace { limits, ..self }
    }

    /// What one load may bring in.
    pub(crate) fn limits(&self) -> LoadLimits {
        self.limits
    }

    /// The functions that `main` itself imports from a host: as it contains the whole C library, nearly all there are. A host
    /// that has more of them is queried by [`Namespace::ask_host`].
    pub fn host_functions_of(main: &MainModule) -> impl Iterator<Item = ((String, String), Signature)> + '_ {
        main.module().imports.iter().filter_map(|import| match &import.kind {
            ImportKind::Function(signature) => {
                Some(((import.module.clone(), import.name.clone()), signature.clone()))
            }
            _ => None,
        })
    }

    /// Whether a function that nothing defines fails when it is called rather than when its importer is loaded, as in Emscripten:
    /// libraries for Emscripten may import JavaScript functions that they hardly ever call.
    pub fn tolerates_undefined_functions(&self) -> bool {
        self.family() == AbiFamily::Emscripten
    }

    /// The ABI of the process.
    pub fn family(&self) -> AbiFamily {
        self.main.family()
    }

    /// Whether the main module was compiled to leave exceptions to the host, so that its host provides what libraries need for
    /// them ([`abi::is_of_exceptions`]).
    pub fn leaves_exceptions_to_host(&self) -> bool {
        self.main.module().imports.iter().any(|import| import.name.starts_with(abi::INVOKE))
    }

    /// The main module.
    pub fn main(&self) -> &Arc<MainModule> {
        &self.main
    }

    /// All libraries in load order, including those that are being unloaded.
    pub fn libraries(&self) -> &[Library] {
        &self.libraries
    }

    /// The library with this id; `None` for the main module, for ids that are not assigned yet, and when it was unloaded.
    pub fn library(&self, id: ModuleId) -> Option<&Library> {
        self.libraries.get(self.position(id)?)
    }

    fn library_mut(&mut self, id: ModuleId) -> Option<&mut Library> {
        let position = self.position(id)?;
        self.libraries.get_mut(position)
    }

    fn position(&self, id: ModuleId) -> Option<usize> {
        self.libraries.binary_search_by_key(&id, |library| library.id).ok()
    }

    /// The parsed contents of a module; `None` when it is not loaded.
    pub fn module(&self, id: ModuleId) -> Option<&Arc<ParsedModule>> {
        match id {
            ModuleId::MAIN => Some(self.main.module()),
            id => self.library(id).map(|library| &library.module),
        }
    }

    /// The name of a module in messages: its path, or the main module's name.
    pub fn name(&self, id: ModuleId) -> &str {
        match self.library(id) {
            Some(library) => &library.path,
            None if id == ModuleId::MAIN => self.main.name(),
            None => "a library that is gone",
        }
    }

    /// The main module followed by the libraries opened with `RTLD_GLOBAL`.
    pub fn global_scope(&self) -> &[ModuleId] {
        &self.global
    }

    /// The id of the next library after `more` further new libraries; `None` when the ids are used up.
    pub(crate) fn next_id(&self, more: usize) -> Option<ModuleId> {
        self.last_id.following(more.checked_add(1)?)
    }

    /// The library of a file, whatever path it was opened by.
    pub fn find(&self, file: &FoundLibrary) -> Option<ModuleId> {
        let same_file = || {
            let id = *self.by_identity.get(&file.identity?)?;
            (self.library(id)?.contents == file.contents()).then_some(id)
        };
        self.by_path.get(&file.path).copied().or_else(same_file)
    }

    /// The library of a file whose destructors are running.
    pub(crate) fn find_leaving(&self, file: &FoundLibrary) -> Option<ModuleId> {
        let is_it = |library: &&Library| {
            library.stage == Stage::Leaving
                && (library.path == file.path || file.identity.is_some() && library.identity == file.identity)
        };
        let library = self.libraries.iter().find(is_it)?;
        (library.contents == file.contents()).then_some(library.id)
    }

    /// The first library whose file has this name, for NEEDED entries that the search does not find, as ELF loaders match
    /// sonames.
    pub fn find_by_file_name(&self, name: &str) -> Option<ModuleId> {
        self.by_file_name.get(name).copied()
    }

    /// Adds to the functions that the host offers to import directly, and to those whose addresses libraries may take.
    pub fn add_host_functions(&mut self, functions: HostFunctions) {
        let HostFunctions { called, addresses } = functions;
        if !called.is_empty() {
            Arc::make_mut(&mut self.host_functions).extend(called);
        }
        if !addresses.is_empty() {
            Arc::make_mut(&mut self.host_addresses).extend(addresses);
        }
    }

    /// The host function whose address libraries may take under this name.
    pub fn host_address(&self, name: &str) -> Option<&HostAddress> {
        self.host_addresses.get(name)
    }

    /// The one slot of a host function, when it has one: from the main module's element segments, or given later.
    pub fn host_slot(&self, name: &str) -> Option<TableSlot> {
        if let Some(slot) = self.host_slots.get(name) {
            return Some(*slot);
        }
        let index = self.main.function_of_host(name)?;
        let element = self.main.module().element_slots.get(index)?;
        Some(element.resolve(self.bases(ModuleId::MAIN).1))
    }

    /// Records the slot that was given to a host function.
    pub fn record_host_slot(&mut self, name: &str, slot: TableSlot) {
        self.host_slots.entry(name.to_owned()).or_insert(slot);
    }

    /// The type of a function that the host offers to import directly.
    pub fn host_function(&self, module: &str, name: &str) -> Option<&Signature> {
        self.host_functions.get(&(module.to_owned(), name.to_owned()))
    }

    /// The definition of `name` that counts in a scope: the first one, unless it is data that is to exist once per process.
    pub fn lookup(&self, name: &str, scope: Scope<'_>) -> Option<Symbol> {
        if !abi::is_symbol(name) {
            return None;
        }
        let found = self.first(name, scope)?;
        let module = self.module(found.definer)?;
        Some(self.shared(name, found, module))
    }

    /// The definition that counts where `found`, a symbol of this module, is the first one in scope: the one that serves all
    /// libraries, if it is data that is to exist once per process ([`crate::parse::vague`]) and one serves already. Scopes have
    /// no influence on that, as they have none on `STB_GNU_UNIQUE` in glibc.
    pub(crate) fn shared(&self, name: &str, found: Symbol, module: &ParsedModule) -> Symbol {
        let is_data = |symbol: &Symbol| matches!(symbol.kind, SymbolKind::Data(_));
        if found.definer == ModuleId::MAIN || !is_data(&found) {
            return found;
        }
        let Some(identity) = vague::identity(module, name) else { return found };
        let of_main = || self.definition(ModuleId::MAIN, name).filter(is_data).filter(|_| identity == name);
        let of_first = || self.definition(*self.shared_data.get(&*identity)?, name);
        of_main().or_else(of_first).unwrap_or(found)
    }

    /// The first definition of `name` in a scope.
    fn first(&self, name: &str, scope: Scope<'_>) -> Option<Symbol> {
        match scope {
            Scope::Global => self.global.iter().find_map(|id| self.definition(*id, name)),
            Scope::Library(library) => {
                self.with_dependencies(library.id).iter().find_map(|id| self.definition(*id, name))
            }
            Scope::From(caller) => {
                let own = self.own_scope(caller);
                let own_first = self.library(caller).is_some_and(|library| library.own_scope_first);
                let (first, second) = if own_first { (&own, &self.global) } else { (&self.global, &own) };
                first.iter().chain(second).find_map(|id| self.definition(*id, name))
            }
            Scope::After(caller) => self.after(caller).iter().find_map(|id| self.definition(*id, name)),
        }
    }

    /// Where a program begins whose main module has no `main`: the first of the libraries in the global scope that has one, with
    /// the name of its export, which is that of a C function with two parameters or the plain one.
    pub fn program_of_libraries(&self) -> Option<(ModuleId, &'static str)> {
        let libraries = self.global.iter().filter_map(|id| self.library(*id));
        libraries.into_iter().find_map(|library| {
            let exports = &library.module.exports;
            let is_function = |name: &&str| {
                exports.get(name).is_some_and(|it| matches!(it.kind, ExportKind::Function { .. }))
            };
            abi::MAIN_FUNCTIONS.iter().copied().find(is_function).map(|name| (library.id, name))
        })
    }

    /// What C code gets when it takes the address of a symbol, and its export: most often the symbol itself
    /// ([`Exports::pointed_at`]).
    pub fn pointed_at<'n>(&self, symbol: Symbol, name: &'n str) -> (Symbol, Cow<'n, str>) {
        let module = self.module(symbol.definer).filter(|_| matches!(symbol.kind, SymbolKind::Function(..)));
        let export = module.map(|module| module.exports.pointed_at(name));
        match export {
            Some(export) if export != name => {
                (self.definition(symbol.definer, &export).unwrap_or(symbol), export)
            }
            _ => (symbol, Cow::Borrowed(name)),
        }
    }

    /// The value that `dlsym` returns for a symbol: its address or slot. `None` for symbols that C cannot point to.
    pub fn value(&self, symbol: &Symbol) -> Option<SymbolValue> {
        match &symbol.kind {
            SymbolKind::Data(offset) => {
                let (base, _) = self.bases(symbol.definer);
                Some(SymbolValue::Address(base.plus(*offset)))
            }
            SymbolKind::Function(index, _) => {
                let function = self.canonical(FunctionRef { definer: symbol.definer, index: *index });
                Some(match self.slot(function) {
                    Some(slot) => SymbolValue::Slot(slot),
                    None => SymbolValue::NoSlotYet(function),
                })
            }
            SymbolKind::Global(_) | SymbolKind::Tag(_) => None,
        }
    }

    /// The one slot of a function, when it has one: from its module's element segments, or given later.
    pub fn slot(&self, function: FunctionRef) -> Option<TableSlot> {
        if let Some(slot) = self.slots.get(&function) {
            return Some(*slot);
        }
        let element = self.module(function.definer)?.element_slots.get(function.index)?;
        Some(element.resolve(self.bases(function.definer).1))
    }

    /// Records the slot that was given to a function.
    pub fn record_slot(&mut self, function: FunctionRef, slot: TableSlot) {
        self.note_slots(slot, 1);
        self.slots.entry(function).or_insert(slot);
    }

    /// The function behind a re-exported import, in the module that actually defines it.
    pub fn canonical(&self, function: FunctionRef) -> FunctionRef {
        let mut current = function;
        // A module may re-export what another re-exports; a cycle among them defines nothing and ends the walk.
        for _ in 0..=self.libraries.len() {
            let Some(library) = self.library(current.definer) else { break };
            match reexported(&library.module, &library.bindings, current.index) {
                Some(behind) => current = behind,
                None => break,
            }
        }
        current
    }

    /// A name under which a function's module exports it; `None` when there is none or the module is not loaded.
    pub fn export_of(&self, function: FunctionRef) -> Option<&str> {
        let module = self.module(function.definer)?;
        let is_it = |kind: &ExportKind| matches!(kind, ExportKind::Function { index, .. } if *index == function.index);
        module.exports.iter().find(|(_, export)| is_it(&export.kind)).map(|(name, _)| name)
    }

    /// A module's own definition of a name.
    pub(crate) fn definition(&self, id: ModuleId, name: &str) -> Option<Symbol> {
        definition_in(self.module(id)?, id, name)
    }

    /// The libraries that a library needs, in NEEDED order; none for an id that is not loaded.
    pub(crate) fn needed(&self, id: ModuleId) -> &[ModuleId] {
        self.library(id).map_or(&[], |library| &library.needed)
    }

    /// A library and what it needs, breadth first.
    pub(crate) fn with_dependencies(&self, id: ModuleId) -> Vec<ModuleId> {
        let mut order = indexmap::IndexSet::from([id]);
        let mut next = 0;
        while let Some(id) = order.get_index(next).copied() {
            order.extend(self.needed(id).iter().copied());
            next += 1;
        }
        order.into_iter().collect()
    }

    /// Whether a library keeps another one loaded directly, because it needs it or is bound to it.
    pub fn holds(&self, id: ModuleId, other: ModuleId) -> bool {
        let uses = |library: &Library| library.uses.contains(&other);
        other == id
            || self.with_dependencies(id).iter().any(|id| *id == other || self.library(*id).is_some_and(uses))
    }

    /// The libraries of the load that brought a library in, in search order; none for the main module.
    fn own_scope(&self, id: ModuleId) -> Vec<ModuleId> {
        let Some(library) = self.library(id) else { return Vec::new() };
        // The library that the load was for may be gone while others keep this one, and the libraries of a program come as one
        // load.
        let of_root = self.library(library.loaded_for).map(|root| self.with_dependencies(root.id));
        of_root.filter(|order| order.contains(&id)).unwrap_or_else(|| self.with_dependencies(id))
    }

    fn after(&self, caller: ModuleId) -> Vec<ModuleId> {
        if self.library(caller).is_none() {
            return self.global.iter().skip(1).copied().collect();
        }
        let order = self.own_scope(caller).into_iter();
        order.skip_while(|id| *id != caller).skip(1).chain([ModuleId::MAIN]).collect()
    }

    /// What a pointer points into. A pointer does not show whether it is an address or a table slot: it is taken for data when it
    /// lies in a library's static data, then for a function when it is a slot in use, then for data of the main module. `None`
    /// when it is none of these.
    pub fn find_address(&self, pointer: u32) -> Option<PointedTo> {
        if pointer == 0 {
            // C's null pointer.
            return None;
        }
        let of_data = self.libraries.iter().find(|library| library.holds_data(Address(pointer)));
        if let Some(library) = of_data {
            return Some(self.data_symbol(library.id, library.memory_base, pointer));
        }
        if let Some(found) = self.function_at(TableSlot(pointer)) {
            return Some(found);
        }
        if !self.main.static_data().contains(&pointer) {
            return None;
        }
        let (base, _) = self.bases(ModuleId::MAIN);
        let found = self.data_symbol(ModuleId::MAIN, base, pointer);
        // The slot of a function that was unloaded is a number like the addresses of the main module's first data.
        let is_symbol = found.symbol.as_ref().is_some_and(|(_, address)| *address == pointer);
        (is_symbol || !self.slots_of_libraries.contains(&pointer)).then_some(found)
    }

    /// Records that libraries had these slots.
    fn note_slots(&mut self, first: TableSlot, count: u32) {
        if count == 0 {
            return;
        }
        let known = &mut self.slots_of_libraries;
        let end = first.0.saturating_add(count);
        let all = known.start.min(first.0)..known.end.max(end);
        *known = if Range::is_empty(known) { first.0..end } else { all };
    }

    /// The range of addresses of a module's static data; empty when it has none or is not loaded.
    pub fn data_of(&self, module: ModuleId) -> Range<Address> {
        if module == ModuleId::MAIN {
            let Range { start, end } = self.main.static_data();
            return Address(start)..Address(end);
        }
        let Some(library) = self.library(module) else { return Address(0)..Address(0) };
        let size = library.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.memory_size);
        library.memory_base..library.memory_base.plus(size)
    }

    /// The base of the addresses in the main module's file: 0 unless it is position-independent.
    pub fn main_base(&self) -> Address {
        self.bases(ModuleId::MAIN).0
    }

    /// How many modules were ever loaded, the main module included, and how many of them were unloaded.
    pub fn counts_of_loads_and_unloads(&self) -> (u32, u32) {
        let loaded = u32::try_from(self.last_id.index()).unwrap_or(u32::MAX);
        let left = loaded.saturating_sub(u32::try_from(self.libraries.len()).unwrap_or(u32::MAX));
        (loaded.saturating_add(1), left)
    }

    /// The last data symbol of a module at or before `pointer`.
    fn data_symbol(&self, module: ModuleId, base: Address, pointer: u32) -> PointedTo {
        let data = self.module(module).into_iter().flat_map(|module| module.exports.data());
        let mut last: Option<(&str, u32)> = None;
        for (name, offset) in data {
            let address = base.plus(offset).0;
            let is_later = address <= pointer && last.is_none_or(|(_, known)| address >= known);
            if is_later && abi::is_symbol(name) {
                last = Some((name, address));
            }
        }
        PointedTo { module, base, symbol: last.map(|(name, address)| (name.to_owned(), address)) }
    }

    /// The function behind a slot, when some module exports it.
    fn function_at(&self, slot: TableSlot) -> Option<PointedTo> {
        // Host functions count as part of the C library, which is the main module's.
        if let Some((name, _)) = self.host_slots.iter().find(|(_, given)| **given == slot) {
            let (base, _) = self.bases(ModuleId::MAIN);
            return Some(PointedTo { module: ModuleId::MAIN, base, symbol: Some((name.clone(), slot.0)) });
        }
        let owns = |library: &&Library| library.holds_slot(slot);
        let given = self.slots.iter().find(|(_, given)| **given == slot).map(|(f, _)| f.definer);
        let owner = given.or_else(|| self.libraries.iter().find(owns).map(|library| library.id));
        let module = owner.or_else(|| {
            let slots = &self.main.module().element_slots;
            let (_, table_base) = self.bases(ModuleId::MAIN);
            let own = || slot.0.checked_sub(table_base.0).map(ElementSlot::FromTableBase);
            let is_filled = slots.is_filled(ElementSlot::Absolute(slot.0))
                || own().is_some_and(|own| slots.is_filled(own));
            is_filled.then_some(ModuleId::MAIN)
        })?;
        let (base, _) = self.bases(module);
        let mut exports = self.module(module)?.exports.iter();
        let name = exports.find(|(_, export)| match export.kind {
            ExportKind::Function { index, .. } => {
                self.slot(FunctionRef { definer: module, index }) == Some(slot)
            }
            _ => false,
        });
        Some(PointedTo { module, base, symbol: name.map(|(name, _)| (name.to_owned(), slot.0)) })
    }

    /// Start of a module's static data and its first own table slot; 0 for a main module that is not position-independent.
    pub(crate) fn bases(&self, module: ModuleId) -> (Address, TableSlot) {
        let bases = match module {
            ModuleId::MAIN => self.main.placement().map(|main| (main.memory_base, main.table_base)),
            id => self.library(id).map(|library| (library.memory_base, library.table_base)),
        };
        bases.unwrap_or((Address(0), TableSlot(0)))
    }

    /// Makes a library's data serve all libraries where no library's does yet.
    fn share_data(&mut self, id: ModuleId, module: &ParsedModule) {
        for identity in module.exports.data_names().filter_map(|name| vague::identity(module, name)) {
            self.shared_data.entry(identity.into()).or_insert(id);
        }
    }

    /// Adds the libraries of an executed plan. Their initialization may have yet to run.
    pub(crate) fn commit(&mut self, plan: &LoadPlan) {
        for planned in plan.libraries() {
            let library = planned.library.clone();
            self.by_path.insert(library.path.clone(), library.id);
            if let Some(identity) = library.identity {
                self.by_identity.insert(identity, library.id);
            }
            self.by_file_name.entry(lifetime::file_name(&library.path).to_owned()).or_insert(library.id);
            self.last_id = library.id;
            self.share_data(library.id, &library.module);
            self.note_slots(library.table_base, library.table_size());
            self.libraries.push(library);
        }
        for (function, slot) in plan.new_slots() {
            self.record_slot(function, slot);
        }
        for (name, slot) in plan.new_host_slots() {
            self.record_host_slot(name, slot);
        }
    }
}

/// A module's definition of a name, which must not be part of the ABI ([`abi::is_symbol`]).
pub(crate) fn definition_in(module: &ParsedModule, id: ModuleId, name: &str) -> Option<Symbol> {
    let kind = match module.exports.get(name)?.kind {
        // An import re-exported under its own name is another module's definition.
        ExportKind::Function { index, .. }
            if imported_function(module, index).is_some_and(|(imported, _)| imported == name) =>
        {
            return None;
        }
        ExportKind::Function { index, signature } => SymbolKind::Function(index, signature),
        ExportKind::Data { offset } => SymbolKind::Data(offset),
        ExportKind::Global(ty) => SymbolKind::Global(ty),
        ExportKind::Tag(signature) => SymbolKind::Tag(signature),
        ExportKind::Memory(_) | ExportKind::Table(_) => return None,
    };
    Some(Symbol { definer: id, kind })
}

/// The name and type with which a module imports the function of this index from `env`; `None` for a function of its own.
pub(crate) fn imported_function(module: &ParsedModule, index: FuncIndex) -> Option<(&str, &Signature)> {
    let import = module.imports.get(*module.function_imports.get(index.0 as usize)?)?;
    match &import.kind {
        ImportKind::Function(signature) if import.module == abi::ENV => Some((&import.name, signature)),
        _ => None,
    }
}

/// The function that function index `index` of a module with these bindings refers to, when it is an import bound to another
/// module's function.
fn reexported(module: &ParsedModule, bindings: &[Binding], index: FuncIndex) -> Option<FunctionRef> {
    let import = *module.function_imports.get(index.0 as usize)?;
    match bindings.get(import)? {
        Binding::Function { function, .. } | Binding::SlotThunk { function, .. } => Some(*function),
        _ => None,
    }
}
