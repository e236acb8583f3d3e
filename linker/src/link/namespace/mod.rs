//! Owns what is loaded in a process and which definition a name has: the libraries, the global scope, and the one
//! table slot of each function. Changes only by [`Namespace::commit`] and the small updates named here. Must not
//! know instances.

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
use crate::parse::{ElementSlot, ExportKind, Exports, ImportKind, ParsedModule, Signature};

/// A library of a process: a loaded side module.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its id.
    pub id: ModuleId,
    /// Absolute path of its file in the guest.
    pub path: String,
    /// Identity of that file, where known.
    pub identity: Option<FileIdentity>,
    /// Hash of its contents: a file system gives the inode number of a deleted file to the next one.
    pub contents: u64,
    /// Its contents.
    pub module: Arc<ParsedModule>,
    /// The libraries it needs, in NEEDED order.
    pub needed: Vec<ModuleId>,
    /// Where its static data begins.
    pub memory_base: Address,
    /// Where its own table slots begin.
    pub table_base: TableSlot,
    /// What each import was bound to, in import order.
    pub bindings: Arc<[Binding]>,
    /// The libraries that have to stay as long as it does: those that it needs, and those that it is bound to.
    pub uses: BTreeSet<ModuleId>,
    /// The library whose load brought it in: itself when it was asked for. `RTLD_NEXT` searches in that load's order.
    pub loaded_for: ModuleId,
    /// Whether that load was with `RTLD_DEEPBIND`.
    pub own_scope_first: bool,
    /// How many `dlopen` calls without `dlclose` there are.
    pub references: u32,
    /// Whether it stays until the process ends: opened with `RTLD_NODELETE`, or used by what stays.
    pub is_permanent: bool,
    /// How far it has come.
    pub stage: Stage,
    /// Set when its initialization ended in a trap or exception: how.
    pub failure: Option<String>,
}

/// How far a library has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Its constructors have still to begin.
    Waiting,
    /// They have begun, or there are none.
    Begun,
    /// It is on its way out: its destructors run, and later loads do not need it.
    Leaving,
    /// Its destructors have run: nobody gets at it any more.
    Ended,
}

/// The symbols that a module or scope is asked for, as `dlsym` and the resolver see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// The module that defines it.
    pub definer: ModuleId,
    /// What it is.
    pub kind: SymbolKind,
}

/// What a symbol is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    /// A function of this index in the definer.
    Function(FuncIndex, Signature),
    /// Data at this offset, in bytes, from the definer's memory base.
    Data(u32),
    /// A global that is not a data symbol.
    Global(GlobalType),
    /// An exception tag.
    Tag(Signature),
}

impl SymbolKind {
    /// What messages call it: `function (i32) -> i32`, `data` and so on.
    pub fn describe(&self) -> String {
        match self {
            SymbolKind::Function(_, signature) => SymbolProblem::function(signature),
            SymbolKind::Data(_) => "data".to_owned(),
            SymbolKind::Global(ty) => describe_global(ty),
            SymbolKind::Tag(signature) => format!("tag {signature}"),
        }
    }
}

/// What messages call a global's type.
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
    /// A function without a table slot; give it one and tell [`Namespace::record_slot`].
    NoSlotYet(FunctionRef),
}

/// What a pointer points into: the answer of `dladdr`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PointedTo {
    /// The module.
    pub module: ModuleId,
    /// Begin of its static data.
    pub base: Address,
    /// The nearest symbol at or before the pointer, with its own address or slot.
    pub symbol: Option<(String, u32)>,
}

impl Library {
    /// Whether an address lies in its static data.
    pub fn holds_data(&self, address: Address) -> bool {
        let size = self.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.memory_size);
        address.0.checked_sub(self.memory_base.0).is_some_and(|offset| offset < size)
    }

    /// Whether a slot is one of its own.
    pub fn holds_slot(&self, slot: TableSlot) -> bool {
        slot.0.checked_sub(self.table_base.0).is_some_and(|offset| offset < self.table_size())
    }

    /// How many slots its element segments fill.
    fn table_size(&self) -> u32 {
        self.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.table_size.get())
    }
}

/// Where a search for a symbol looks.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The main module and every library opened with `RTLD_GLOBAL`, in load order: `RTLD_DEFAULT`.
    Global,
    /// A library and what it needs, breadth first: `dlsym` with a handle.
    Library(&'a Library),
    /// What code of a module sees: the global scope, then the load that brought the module in; the other way round after
    /// `RTLD_DEEPBIND`. `RTLD_DEFAULT` of its code.
    From(ModuleId),
    /// What comes after a module in the search order of the load that brought it in: `RTLD_NEXT` of its code. The main module
    /// comes last, since the C library is in it; after the main module come the global libraries.
    After(ModuleId),
}

/// What is loaded in a process.
#[derive(Clone, Debug)]
pub struct Namespace {
    main: Arc<MainModule>,
    /// By ascending id.
    libraries: Vec<Library>,
    /// The highest id that was ever given.
    last_id: ModuleId,
    /// Main first, then the global libraries in the order in which they became global.
    global: Vec<ModuleId>,
    by_path: BTreeMap<String, ModuleId>,
    by_identity: BTreeMap<FileIdentity, ModuleId>,
    by_file_name: BTreeMap<String, ModuleId>,
    /// Slots given to functions that no element segment has a slot for.
    slots: BTreeMap<FunctionRef, TableSlot>,
    /// The part of the table that libraries ever had slots in: what is free of it was a function's once.
    slots_of_libraries: Range<u32>,
    /// The library whose definition serves all, for data that is to be one in the process, by its identity ([`crate::parse::vague`]).
    shared_data: HashMap<Box<str>, ModuleId>,
    host_functions: Arc<BTreeMap<(String, String), Signature>>,
    /// The functions of the host's that libraries may have the address of, by name.
    host_addresses: Arc<BTreeMap<String, HostAddress>>,
    /// The slots that were given to some of them. They stay: the host does not leave.
    host_slots: BTreeMap<String, TableSlot>,
    limits: LoadLimits,
}

impl Namespace {
    /// The namespace of a process in which only `main` is loaded. `host_functions` are what the host offers to
    /// import directly, by import module and name: WASI's functions.
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

    /// The same, with other limits for one load than [`LoadLimits::default`].
    #[must_use]
    pub fn with_limits(self, limits: LoadLimits) -> Namespace {
        Namespace { limits, ..self }
    }

    /// What one load may bring in.
    pub(crate) fn limits(&self) -> LoadLimits {
        self.limits
    }

    /// The functions that `main` itself imports from a host: with the whole C library in it, nearly all there are. A host
    /// that has more is asked by [`Namespace::ask_host`].
    pub fn host_functions_of(main: &MainModule) -> impl Iterator<Item = ((String, String), Signature)> + '_ {
        main.module().imports.iter().filter_map(|import| match &import.kind {
            ImportKind::Function(signature) => {
                Some(((import.module.clone(), import.name.clone()), signature.clone()))
            }
            _ => None,
        })
    }

    /// Whether a function that nobody defines fails when it is called rather than when its importer is loaded, as Emscripten
    /// has it: libraries for Emscripten may import functions of JavaScript that they hardly ever call.
    pub fn tolerates_undefined_functions(&self) -> bool {
        self.family() == AbiFamily::Emscripten
    }

    /// The ABI of the process.
    pub fn family(&self) -> AbiFamily {
        self.main.family()
    }

    /// Whether the main module was compiled to leave exceptions to the host, so that its host has what libraries need for that
    /// ([`abi::is_of_exceptions`]).
    pub fn leaves_exceptions_to_host(&self) -> bool {
        self.main.module().imports.iter().any(|import| import.name.starts_with(abi::INVOKE))
    }

    /// The main module.
    pub fn main(&self) -> &Arc<MainModule> {
        &self.main
    }

    /// All libraries in load order, those that are leaving included.
    pub fn libraries(&self) -> &[Library] {
        &self.libraries
    }

    /// The library of an id; `None` for the main module, for ids that are not given yet, and when it was unloaded.
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

    /// The contents of a module.
    pub fn module(&self, id: ModuleId) -> Option<&Arc<ParsedModule>> {
        match id {
            ModuleId::MAIN => Some(self.main.module()),
            id => self.library(id).map(|library| &library.module),
        }
    }

    /// What messages call a module: its path, or the main module's name.
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

    /// The id that the library after `more` further new libraries gets; `None` when they are used up.
    pub(crate) fn next_id(&self, more: usize) -> Option<ModuleId> {
        self.last_id.following(more.checked_add(1)?)
    }

    /// The library of a file, under whatever path it was opened.
    pub fn find(&self, file: &FoundLibrary) -> Option<ModuleId> {
        let same_file = || {
            let id = *self.by_identity.get(&file.identity?)?;
            (self.library(id)?.contents == file.contents()).then_some(id)
        };
        self.by_path.get(&file.path).copied().or_else(same_file)
    }

    /// The library of a file whose destructors run.
    pub(crate) fn find_leaving(&self, file: &FoundLibrary) -> Option<ModuleId> {
        let is_it = |library: &&Library| {
            library.stage == Stage::Leaving
                && (library.path == file.path || file.identity.is_some() && library.identity == file.identity)
        };
        let library = self.libraries.iter().find(is_it)?;
        (library.contents == file.contents()).then_some(library.id)
    }

    /// The first library whose file has this name, for NEEDED entries that a search does not find, as ELF loaders
    /// match sonames.
    pub fn find_by_file_name(&self, name: &str) -> Option<ModuleId> {
        self.by_file_name.get(name).copied()
    }

    /// Adds to what the host offers to import directly.
    pub fn add_host_functions(&mut self, functions: HostFunctions) {
        let HostFunctions { called, addresses } = functions;
        if !called.is_empty() {
            Arc::make_mut(&mut self.host_functions).extend(called);
        }
        if !addresses.is_empty() {
            Arc::make_mut(&mut self.host_addresses).extend(addresses);
        }
    }

    /// The function of the host's that libraries may have the address of under this name.
    pub fn host_address(&self, name: &str) -> Option<&HostAddress> {
        self.host_addresses.get(name)
    }

    /// The one slot of a function of the host's, when it has one: from the main module's element segments, or given later.
    pub fn host_slot(&self, name: &str) -> Option<TableSlot> {
        if let Some(slot) = self.host_slots.get(name) {
            return Some(*slot);
        }
        let index = self.main.function_of_host(name)?;
        let element = self.main.module().element_slots.get(index)?;
        Some(element.resolve(self.bases(ModuleId::MAIN).1))
    }

    /// Remembers the slot that was given to a function of the host's.
    pub fn record_host_slot(&mut self, name: &str, slot: TableSlot) {
        self.host_slots.entry(name.to_owned()).or_insert(slot);
    }

    /// The type of a function that the host offers to import directly.
    pub fn host_function(&self, module: &str, name: &str) -> Option<&Signature> {
        self.host_functions.get(&(module.to_owned(), name.to_owned()))
    }

    /// The definition of `name` that counts in a scope: the first one, unless that is of data that is one in the process.
    pub fn lookup(&self, name: &str, scope: Scope<'_>) -> Option<Symbol> {
        if !abi::is_symbol(name) {
            return None;
        }
        let found = self.first(name, scope)?;
        let module = self.module(found.definer)?;
        Some(self.shared(name, found, module))
    }

    /// The definition that counts where `found`, of this module, is the first one in scope: the one that serves all libraries, if
    /// it is of data that is to be one in the process ([`crate::parse::vague`]) and there is one yet. Scopes have no part in that, as they
    /// have none for `STB_GNU_UNIQUE` in glibc.
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

    /// Where a program begins whose main module has no `main`: the first of the libraries in the global scope that has one, with the
    /// name of its export, which is that of a C function of two parameters or the plain one.
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

    /// What C has the address of under the name of a symbol, and its export there: most often the symbol itself
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

    /// What `dlsym` answers for a symbol: its address or slot. `None` for symbols that C cannot point to.
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

    /// Remembers the slot that was given to a function.
    pub fn record_slot(&mut self, function: FunctionRef, slot: TableSlot) {
        self.note_slots(slot, 1);
        self.slots.entry(function).or_insert(slot);
    }

    /// The function behind a re-exported import: the module that really defines it.
    pub fn canonical(&self, function: FunctionRef) -> FunctionRef {
        let mut current = function;
        // A module may re-export what another re-exports; a circle among them defines nothing and ends the walk.
        for _ in 0..=self.libraries.len() {
            let Some(library) = self.library(current.definer) else { break };
            match reexported(&library.module, &library.bindings, current.index) {
                Some(behind) => current = behind,
                None => break,
            }
        }
        current
    }

    /// A name under which its module exports a function; `None` when that is not there.
    pub fn export_of(&self, function: FunctionRef) -> Option<&str> {
        let module = self.module(function.definer)?;
        let is_it = |kind: &ExportKind| matches!(kind, ExportKind::Function { index, .. } if *index == function.index);
        module.exports.iter().find(|(_, export)| is_it(&export.kind)).map(|(name, _)| name)
    }

    /// The definition that a module itself has of a name.
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

    /// Whether a library stays as long as another does, because it needs it or is bound to it itself.
    pub fn holds(&self, id: ModuleId, other: ModuleId) -> bool {
        let uses = |library: &Library| library.uses.contains(&other);
        other == id
            || self.with_dependencies(id).iter().any(|id| *id == other || self.library(*id).is_some_and(uses))
    }

    /// The libraries of the load that brought a library in, in search order; none for the main module.
    fn own_scope(&self, id: ModuleId) -> Vec<ModuleId> {
        let Some(library) = self.library(id) else { return Vec::new() };
        // The library that the load was for may be gone while others keep this one, and those of a program come as one load.
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

    /// What a pointer points into. A pointer does not tell whether it is an address or a table slot: it is taken for
    /// data when it lies in a library's static data, then for a function when it is a slot in use, then for data of the
    /// main module. `None` when it is none of them.
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
        if !self.data_of_main().contains(&pointer) {
            return None;
        }
        let (base, _) = self.bases(ModuleId::MAIN);
        let found = self.data_symbol(ModuleId::MAIN, base, pointer);
        // The slot of a function that has left is a number like the addresses of main's first data.
        let is_symbol = found.symbol.as_ref().is_some_and(|(_, address)| *address == pointer);
        (is_symbol || !self.slots_of_libraries.contains(&pointer)).then_some(found)
    }

    /// Notes that libraries had these slots.
    fn note_slots(&mut self, first: TableSlot, count: u32) {
        if count == 0 {
            return;
        }
        let known = &mut self.slots_of_libraries;
        let end = first.0.saturating_add(count);
        let all = known.start.min(first.0)..known.end.max(end);
        *known = if Range::is_empty(known) { first.0..end } else { all };
    }

    /// Addresses of a module's static data; empty when it has none, or is not there.
    pub fn data_of(&self, module: ModuleId) -> Range<Address> {
        if module == ModuleId::MAIN {
            let Range { start, end } = self.data_of_main();
            return Address(start)..Address(end);
        }
        let Some(library) = self.library(module) else { return Address(0)..Address(0) };
        let size = library.module.dylink.as_ref().map_or(0, |dylink| dylink.memory.memory_size);
        library.memory_base..library.memory_base.plus(size)
    }

    /// What the addresses in the main module's file count from: 0 unless it is position-independent.
    pub fn main_base(&self) -> Address {
        self.bases(ModuleId::MAIN).0
    }

    /// How many modules were ever loaded, the main module included, and how many of them are there no more.
    pub fn comings_and_goings(&self) -> (u32, u32) {
        let loaded = u32::try_from(self.last_id.index()).unwrap_or(u32::MAX);
        let left = loaded.saturating_sub(u32::try_from(self.libraries.len()).unwrap_or(u32::MAX));
        (loaded.saturating_add(1), left)
    }

    /// Addresses of the main module's static data.
    fn data_of_main(&self) -> Range<u32> {
        if let Some(placement) = self.main.placement() {
            return placement.memory_base.0..placement.stack_low.0;
        }
        let exports = &self.main.module().exports;
        let bound = |name: &str| match exports.get(name).map(|e| e.kind) {
            Some(ExportKind::Data { offset }) => Some(offset),
            _ => None,
        };
        if let (Some(begin), Some(end)) = (bound(abi::GLOBAL_BASE), bound(abi::DATA_END)) {
            return begin..end;
        }
        // Emscripten's export neither: it is what the symbols are in, up to what follows, from where linkers begin or from the stack on.
        let symbols = exports.data_names().filter(|name| abi::is_symbol(name) && !abi::is_bound(name));
        let Some(first) = symbols.filter_map(bound).filter(|address| *address > 0).min() else { return 0..0 };
        let begin = match (bound(abi::GLOBAL_BASE), bound(abi::STACK_LOW), bound(abi::STACK_HIGH)) {
            (Some(begin), ..) => begin,
            (None, Some(stack), _) if stack > first => abi::FIRST_DATA.min(first),
            (None, _, Some(stack)) if stack <= first => stack,
            _ => first,
        };
        let behind = [abi::DATA_END, abi::STACK_LOW, abi::HEAP_BASE].into_iter().filter_map(bound);
        begin..behind.filter(|end| *end > begin).min().unwrap_or(begin)
    }

    /// The last data symbol of a module at or before `pointer`.
    fn data_symbol(&self, module: ModuleId, base: Address, pointer: u32) -> PointedTo {
        let exports = self.module(module).map(|module| &module.exports);
        let symbols =
            exports.into_iter().flat_map(Exports::iter).filter_map(|(name, export)| match export.kind {
                ExportKind::Data { offset } if abi::is_symbol(name) => {
                    let address = base.plus(offset).0;
                    (address <= pointer).then(|| (name.to_owned(), address))
                }
                _ => None,
            });
        PointedTo { module, base, symbol: symbols.max_by_key(|(_, address)| *address) }
    }

    /// The function behind a slot, when some module exports it.
    fn function_at(&self, slot: TableSlot) -> Option<PointedTo> {
        // The host's functions are a part of the C library, which is the main module's.
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

    /// Where a module's static data and its own table slots begin; 0 for a main module that is not position-independent.
    pub(crate) fn bases(&self, module: ModuleId) -> (Address, TableSlot) {
        let bases = match module {
            ModuleId::MAIN => self.main.placement().map(|main| (main.memory_base, main.table_base)),
            id => self.library(id).map(|library| (library.memory_base, library.table_base)),
        };
        bases.unwrap_or((Address(0), TableSlot(0)))
    }

    /// Lets a library's data serve all libraries where none serves yet.
    fn share_data(&mut self, id: ModuleId, module: &ParsedModule) {
        for identity in module.exports.data_names().filter_map(|name| vague::identity(module, name)) {
            self.shared_data.entry(identity.into()).or_insert(id);
        }
    }

    /// Enters the libraries of an executed plan. Their initialization may still have to run.
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

/// The definition that a module has of a name, which must not be a part of the ABI ([`abi::is_symbol`]).
pub(crate) fn definition_in(module: &ParsedModule, id: ModuleId, name: &str) -> Option<Symbol> {
    let kind = match module.exports.get(name)?.kind {
        // An import passed on under its own name is somebody else's definition.
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

/// The name and type under which a module imports the function of an index from `env`; `None` for a function of its own.
pub(crate) fn imported_function(module: &ParsedModule, index: FuncIndex) -> Option<(&str, &Signature)> {
    let import = module.imports.get(*module.function_imports.get(index.0 as usize)?)?;
    match &import.kind {
        ImportKind::Function(signature) if import.module == abi::ENV => Some((&import.name, signature)),
        _ => None,
    }
}

/// What function index `index` of a module with these bindings really is, when it is an import bound to another
/// module's function.
fn reexported(module: &ParsedModule, bindings: &[Binding], index: FuncIndex) -> Option<FunctionRef> {
    let import = *module.function_imports.get(index.0 as usize)?;
    match bindings.get(import)? {
        Binding::Function { function, .. } | Binding::SlotThunk { function, .. } => Some(*function),
        _ => None,
    }
}
