//! Owns the load plan: the list of steps that instantiates libraries, with every number decided. It can be printed, compared and
//! checked. Must not know how steps are executed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::base::abi;
use crate::base::ids::{Address, ModuleId, TableSlot};
use crate::link::error::LinkError;
use crate::link::forwarders::ForwarderModule;
use crate::link::layout::{LibraryPlacement, PlacedModules};
use crate::link::main_module::MainModule;
use crate::link::namespace::{Library, Namespace, Stage};
use crate::link::provided::Provided;
use crate::link::resolve::{Binding, FunctionRef, ResolvedLibrary, ResolvedModules, TagSource};
use crate::link::thunks::{self, ThunkModule};
use crate::parse::{ExportKind, Import, ImportKind, ParsedModule, Signature};

/// The value to pass for one import of a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BoundImport {
    /// The process's memory.
    Memory,
    /// The process's function table.
    Table,
    /// The process's stack pointer.
    StackPointer,
    /// A new immutable `i32` global with this value.
    Constant(u32),
    /// A new mutable `i32` global with this initial value: a GOT cell of this library alone.
    GotCell(u32),
    /// An exported function or global of a module that has an instance.
    Export {
        /// The module.
        module: ModuleId,
        /// Name of the export.
        name: String,
    },
    /// The thunk of this load with this number.
    Thunk(usize),
    /// The forwarder of this load with this number.
    Forwarder(usize),
    /// The host function of the import's name; if there is none, a function that fails when called.
    Host,
    /// A function that the loader makes for this library.
    Provided(Provided),
    /// An exception tag.
    Tag(TagSource),
}

/// One step of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadStep {
    /// Fill memory with zeros.
    Zero {
        /// Where to begin.
        address: Address,
        /// Number of bytes.
        size: u32,
    },
    /// Create the process's memory, as its main module imports it, with at least this many bytes.
    MakeMemory {
        /// Number of bytes.
        size: u32,
    },
    /// Create the process's function table, as its main module imports it, with at least this many slots.
    MakeTable {
        /// Number of slots.
        slots: u32,
    },
    /// Create the process's stack pointer, with this value.
    MakeStackPointer(Address),
    /// Instantiate the load's module of forwarders.
    InstantiateForwarders,
    /// Instantiate the load's thunk module, with [`ThunkModule::imports`].
    InstantiateThunks,
    /// Instantiate a module with these imports, in import order. Running its start function is a separate step.
    Instantiate {
        /// The module to instantiate.
        module: ModuleId,
        /// One entry for each import.
        imports: Vec<BoundImport>,
    },
    /// Run the start function of a module, before anything else has access to the module.
    Start(ModuleId),
    /// Put a function into a table slot.
    SetSlot {
        /// The slot.
        slot: TableSlot,
        /// The function; from now on, this is its one slot.
        function: FunctionRef,
        /// The module to take the function from, and the name of its export there.
        from: (ModuleId, String),
    },
    /// Call a library's `__set_stack_limits` with the bounds of the C stack.
    LimitStack(ModuleId),
    /// Put a host function into a table slot.
    SetHostSlot {
        /// The slot.
        slot: TableSlot,
        /// Name of the function.
        name: String,
        /// Type of the function.
        signature: Signature,
    },
    /// Make a forwarder call the function of its name in this module, or in the host where none of the libraries defines it.
    SetForwarder {
        /// Number of the forwarder.
        forwarder: usize,
        /// The module that defines the function; `None` for the host.
        definer: Option<ModuleId>,
    },
    /// Set the GOT cell that the main module has as this import.
    SetCell {
        /// The position of the import.
        import: usize,
        /// The value of the cell: an address or a slot.
        value: u32,
    },
    /// Call `__wasm_apply_data_relocs` of a module.
    Relocate(ModuleId),
    /// Let the main module find out where its C stack is, and set its stack limits if it checks them.
    BeginStack,
}

/// A library in the state that the plan leaves it in.
#[derive(Clone, Debug)]
pub struct PlannedLibrary {
    /// The entry of the library in the namespace.
    pub library: Library,
    /// Size of the static data, in bytes.
    pub memory_size: u32,
    /// Number of the library's own table slots.
    pub table_size: u32,
}

/// How to instantiate and initialize the libraries of one load.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    pub(crate) root: ModuleId,
    /// The main module, in the plans that instantiate it.
    pub(crate) main: Option<Arc<MainModule>>,
    pub(crate) libraries: Vec<PlannedLibrary>,
    pub(crate) forwarders: Option<Arc<ForwarderModule>>,
    pub(crate) thunk_module: Option<ThunkModule>,
    pub(crate) steps: Vec<LoadStep>,
    pub(crate) constructors: Vec<ModuleId>,
}

impl PlacedModules {
    /// Decides the steps. The order is that of tool-conventions and of ELF: everything is instantiated and has its final GOT
    /// values before the first relocation, everything is relocated before the first constructor, and constructors run
    /// dependencies first. Errs when an expected slot is missing, which is a bug in the linker.
    pub(crate) fn plan(&self, namespace: &Namespace) -> Result<LoadPlan, LinkError> {
        let planner = Planner::new(self, namespace);
        let libraries = &self.resolved.libraries;
        let places = || libraries.iter().zip(self.placement.libraries.iter().copied());
        let thunk_module = planner.thunk_module()?;
        let mut steps = Vec::new();
        steps.extend(places().filter_map(|(library, place)| zero(library, place)));
        if thunk_module.is_some() {
            steps.push(LoadStep::InstantiateThunks);
        }
        for (library, place) in places() {
            steps.push(planner.instantiate(library, place)?);
            let library = &library.library;
            steps.extend(library.module.has_start.then_some(LoadStep::Start(library.id)));
        }
        steps.extend(planner.set_slots());
        steps.extend(planner.set_host_slots()?);
        steps.extend(planner.complete_main()?);
        let has = |new: &&ResolvedLibrary, name: &str| has_function(&new.library.module, name);
        let limited = libraries.iter().filter(|new| has(new, abi::SET_STACK_LIMITS));
        steps.extend(limited.map(|new| LoadStep::LimitStack(new.library.id)));
        let relocated = libraries.iter().filter(|new| has(new, abi::APPLY_DATA_RELOCS));
        steps.extend(relocated.map(|new| LoadStep::Relocate(new.library.id)));
        let mut entries: Vec<_> = places()
            .map(|(library, place)| entry(library, place, self.resolved.root, self.resolved.scope.own_first))
            .collect();
        entries.sort_by_key(|entry| entry.library.id);
        let first = self.resolved.main.as_ref().map(|main| &main.first);
        Ok(LoadPlan {
            root: self.resolved.root,
            main: first.and_then(|first| first.main.clone()),
            libraries: entries,
            forwarders: first.and_then(|first| first.forwarders.clone()),
            thunk_module,
            steps,
            constructors: planner.constructors(),
        })
    }
}

struct Planner<'a> {
    placed: &'a PlacedModules,
    namespace: &'a Namespace,
    /// The new libraries, with their placements.
    new: BTreeMap<ModuleId, (&'a ResolvedLibrary, LibraryPlacement)>,
    /// The slots that this load gives to functions.
    new_slots: BTreeMap<FunctionRef, TableSlot>,
    /// The slots that this load gives to host functions.
    new_host_slots: BTreeMap<&'a str, TableSlot>,
}

impl<'a> Planner<'a> {
    fn new(placed: &'a PlacedModules, namespace: &'a Namespace) -> Planner<'a> {
        let PlacedModules { resolved, placement } = placed;
        let libraries = resolved.libraries.iter().zip(&placement.libraries);
        let slotless = resolved.slotless.iter().zip(&placement.function_slots);
        let slots_of_host = placement.function_slots.iter().skip(resolved.slotless.len());
        let of_host = resolved.slotless_of_host.iter().zip(slots_of_host);
        Planner {
            placed,
            namespace,
            new: libraries.map(|(library, at)| (library.library.id, (library, *at))).collect(),
            new_slots: slotless.map(|((function, _), slot)| (*function, *slot)).collect(),
            new_host_slots: of_host.map(|((name, _), slot)| (name.as_str(), *slot)).collect(),
        }
    }

    /// The base of a module's data offsets.
    fn memory_base(&self, id: ModuleId) -> Address {
        match self.new.get(&id) {
            Some((_, place)) => place.memory_base,
            None => self.namespace.bases(id).0,
        }
    }

    /// The error for a missing slot, though `resolve` lists every function that has none yet.
    fn missing_slot(&self) -> LinkError {
        let library = self.placed.resolved.root_name.clone();
        LinkError::Internal { library, what: "the table slot of a function" }
    }

    fn slot(&self, function: FunctionRef) -> Result<TableSlot, LinkError> {
        let of_new = || {
            let (resolved, place) = self.new.get(&function.definer)?;
            let element = resolved.library.module.element_slots.get(function.index)?;
            Some(element.resolve(place.table_base))
        };
        let given = self.new_slots.get(&function).copied();
        let slot = given.or_else(of_new).or_else(|| self.namespace.slot(function));
        slot.ok_or_else(|| self.missing_slot())
    }

    fn host_slot(&self, name: &str) -> Result<TableSlot, LinkError> {
        let given = self.new_host_slots.get(name).copied();
        given.or_else(|| self.namespace.host_slot(name)).ok_or_else(|| self.missing_slot())
    }

    fn bind(
        &self,
        place: LibraryPlacement,
        import: &ImportKind,
        binding: &Binding,
    ) -> Result<BoundImport, LinkError> {
        let cell = |value: u32| match import {
            ImportKind::Global(ty) if !ty.mutable => BoundImport::Constant(value),
            _ => BoundImport::GotCell(value),
        };
        Ok(match binding {
            Binding::Memory => BoundImport::Memory,
            Binding::Table => BoundImport::Table,
            Binding::StackPointer => BoundImport::StackPointer,
            Binding::MemoryBase => cell(place.memory_base.0),
            Binding::TableBase => cell(place.table_base.0),
            Binding::Tag(source) => BoundImport::Tag(source.clone()),
            Binding::Function { from: (module, name), .. } => {
                BoundImport::Export { module: *module, name: name.clone() }
            }
            Binding::SlotThunk { thunk, .. } | Binding::Thunk(thunk) => BoundImport::Thunk(*thunk),
            Binding::DataAddress { definer, offset } => cell(self.memory_base(*definer).plus(*offset).0),
            Binding::FunctionSlot(function) => cell(self.slot(*function)?.0),
            Binding::HostSlot(name) => cell(self.host_slot(name)?.0),
            Binding::Provided(provided) => BoundImport::Provided(*provided),
            Binding::Null => cell(0),
            Binding::Global { definer, export } => {
                BoundImport::Export { module: *definer, name: export.clone() }
            }
        })
    }

    fn instantiate(
        &self,
        resolved: &ResolvedLibrary,
        place: LibraryPlacement,
    ) -> Result<LoadStep, LinkError> {
        let imports = resolved.library.module.imports.iter().zip(resolved.bindings.iter());
        let imports = imports.map(|(import, binding)| self.bind(place, &import.kind, binding));
        Ok(LoadStep::Instantiate { module: resolved.library.id, imports: imports.collect::<Result<_, _>>()? })
    }

    fn thunk_module(&self) -> Result<Option<ThunkModule>, LinkError> {
        let ResolvedModules { thunks, scope, .. } = &self.placed.resolved;
        let slot = |function| self.slot(function);
        (!thunks.is_empty()).then(|| thunks::generate(thunks, scope.clone(), slot)).transpose()
    }

    fn set_slots(&self) -> impl Iterator<Item = LoadStep> {
        let slots = &self.placed.placement.function_slots;
        let slotless = self.placed.resolved.slotless.iter();
        slotless.zip(slots).map(|((function, from), slot)| LoadStep::SetSlot {
            slot: *slot,
            function: *function,
            from: from.clone(),
        })
    }

    fn set_host_slots(&self) -> Result<Vec<LoadStep>, LinkError> {
        let functions = self.placed.resolved.slotless_of_host.iter();
        let step = |(name, signature): &(String, Signature)| {
            let slot = self.host_slot(name)?;
            Ok(LoadStep::SetHostSlot { slot, name: name.clone(), signature: signature.clone() })
        };
        functions.map(step).collect()
    }

    /// The steps for what the main module was instantiated without: the targets of its forwarders and the values of its cells,
    /// which its relocations copy, and with them the bounds of its stack if it is position-independent.
    fn complete_main(&self) -> Result<Vec<LoadStep>, LinkError> {
        let Some(main) = &self.placed.resolved.main else { return Ok(Vec::new()) };
        let (memory_base, table_base) = self.namespace.bases(ModuleId::MAIN);
        let place = LibraryPlacement { memory_base, table_base };
        let mut steps = Vec::new();
        let forwarders = main.forwarders.iter().enumerate();
        steps.extend(
            forwarders.map(|(forwarder, definer)| LoadStep::SetForwarder { forwarder, definer: *definer }),
        );
        let module = self.namespace.main().module();
        for (position, binding) in &main.cells {
            let Some(import) = module.imports.get(*position) else { continue };
            // The cells are 0 from the beginning.
            if let BoundImport::GotCell(value @ 1..) = self.bind(place, &import.kind, binding)? {
                steps.push(LoadStep::SetCell { import: *position, value });
            }
        }
        if has_function(module, abi::APPLY_DATA_RELOCS) {
            steps.push(LoadStep::Relocate(ModuleId::MAIN));
        }
        if self.namespace.main().placement().is_some() {
            steps.push(LoadStep::BeginStack);
        }
        Ok(steps)
    }

    /// The modules that have constructors to run, in that order. The main module's run before those of its libraries, the reverse
    /// of the order in ELF: as in Emscripten, the main module contains the C and C++ libraries that all of them use.
    fn constructors(&self) -> Vec<ModuleId> {
        let resolved = &self.placed.resolved;
        let main = resolved.main.as_ref().map(|_| ModuleId::MAIN);
        let has_any = |id: &ModuleId| match (self.new.get(id), *id) {
            (Some((new, _)), _) => has_function(&new.library.module, abi::CALL_CTORS),
            (None, ModuleId::MAIN) => has_function(self.namespace.main().module(), abi::CALL_CTORS),
            (None, _) => true,
        };
        main.into_iter().chain(resolved.construction.iter().copied()).filter(has_any).collect()
    }
}

/// Whether a module exports a function of this name.
pub(crate) fn has_function(module: &ParsedModule, name: &str) -> bool {
    let export = module.exports.get(name);
    export.is_some_and(|export| matches!(export.kind, ExportKind::Function { .. }))
}

fn zero(resolved: &ResolvedLibrary, place: LibraryPlacement) -> Option<LoadStep> {
    let size = resolved.library.module.dylink.as_ref()?.memory.memory_size;
    (size > 0).then_some(LoadStep::Zero { address: place.memory_base, size })
}

/// The namespace entry of a library of this load.
fn entry(
    resolved: &ResolvedLibrary,
    place: LibraryPlacement,
    root: ModuleId,
    own_scope_first: bool,
) -> PlannedLibrary {
    let new = &resolved.library;
    let memory = new.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
    let mut uses: BTreeSet<ModuleId> = resolved.bindings.iter().flat_map(Binding::uses).collect();
    uses.extend(&new.needed);
    uses.retain(|used| *used != ModuleId::MAIN && *used != new.id);
    PlannedLibrary {
        library: Library {
            id: new.id,
            path: new.file.path.clone(),
            identity: new.file.identity,
            contents: new.file.contents(),
            module: new.module.clone(),
            needed: new.needed.clone(),
            memory_base: place.memory_base,
            table_base: place.table_base,
            bindings: resolved.bindings.clone(),
            uses,
            loaded_for: root,
            own_scope_first,
            references: 0,
            is_permanent: new.module.imports.iter().any(|import| import.name == abi::CXA_THREAD_ATEXIT),
            stage: if has_function(&new.module, abi::CALL_CTORS) { Stage::Waiting } else { Stage::Begun },
            failure: None,
        },
        memory_size: memory.memory_size,
        table_size: memory.table_size.get(),
    }
}

impl LoadPlan {
    /// The requested library, or the first of those that the main module needs, or the main module.
    pub fn root(&self) -> ModuleId {
        self.root
    }

    /// All new libraries, by ascending id.
    pub fn libraries(&self) -> &[PlannedLibrary] {
        &self.libraries
    }

    /// The thunk module, if the load needs one; to be compiled, and instantiated by [`LoadStep::InstantiateThunks`].
    pub fn thunk_module(&self) -> Option<&ThunkModule> {
        self.thunk_module.as_ref()
    }

    /// The module of forwarders that the main module is instantiated with, if this plan has one; to be compiled, and instantiated
    /// by [`LoadStep::InstantiateForwarders`].
    pub fn forwarders(&self) -> Option<&ForwarderModule> {
        self.forwarders.as_deref()
    }

    /// The modules whose constructors (`__wasm_call_ctors`) are to be called when all steps are done, in this order; libraries of
    /// loads under way may be among them. From the first constructor on, a load cannot be undone.
    pub fn constructors(&self) -> &[ModuleId] {
        &self.constructors
    }

    /// The steps up to the first constructor, in this order.
    pub fn steps(&self) -> &[LoadStep] {
        &self.steps
    }

    /// The slots that the plan gives to functions.
    pub fn new_slots(&self) -> impl Iterator<Item = (FunctionRef, TableSlot)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            LoadStep::SetSlot { slot, function, .. } => Some((*function, *slot)),
            _ => None,
        })
    }

    /// The slots that the plan gives to host functions, by name.
    pub fn new_host_slots(&self) -> impl Iterator<Item = (&str, TableSlot)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            LoadStep::SetHostSlot { slot, name, .. } => Some((name.as_str(), *slot)),
            _ => None,
        })
    }

    /// The path of a module of the load.
    pub fn path(&self, id: ModuleId) -> &str {
        match (self.library(id), &self.main) {
            (Some(planned), _) => planned.library.path.as_str(),
            (None, Some(main)) if id == ModuleId::MAIN => main.name(),
            (None, _) => "",
        }
    }

    /// The imports of a module of the load.
    pub(crate) fn imports_of(&self, id: ModuleId) -> &[Import] {
        match (self.library(id), &self.main) {
            (Some(planned), _) => &planned.library.module.imports,
            (None, Some(main)) if id == ModuleId::MAIN => &main.module().imports,
            (None, _) => &[],
        }
    }

    /// Whether this is the plan that instantiates the main module.
    pub fn instantiates_main(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, LoadStep::Instantiate { module: ModuleId::MAIN, .. }))
    }

    /// The library of the load that has this id.
    pub fn library(&self, id: ModuleId) -> Option<&PlannedLibrary> {
        let position = self.libraries.binary_search_by_key(&id, |planned| planned.library.id);
        position.ok().and_then(|position| self.libraries.get(position))
    }

    /// The name under which the thunk module exports a thunk.
    pub fn thunk_export(index: usize) -> String {
        thunks::export_name(index)
    }

    /// Checks the invariants of every plan: each import is bound, and nothing is used before it exists. Errs with a description
    /// of the first violation.
    pub fn check(&self) -> Result<(), String> {
        let mut state = Check::of(self);
        self.steps.iter().try_for_each(|step| state.step(step))?;
        if state.live != state.new {
            return Err("a module is never instantiated".to_owned());
        }
        let is_unusable = |id: &&ModuleId| !state.is_usable(**id);
        match self.constructors.iter().find(is_unusable) {
            Some(id) => Err(format!("{id} is constructed, and is not there")),
            None => Ok(()),
        }
    }
}

/// The state of a plan after some of its steps.
struct Check<'a> {
    plan: &'a LoadPlan,
    /// The modules that the plan instantiates.
    new: BTreeSet<ModuleId>,
    /// Those of the new modules that have an instance.
    live: BTreeSet<ModuleId>,
    has_thunks: bool,
    has_forwarders: bool,
}

impl Check<'_> {
    fn of(plan: &LoadPlan) -> Check<'_> {
        let libraries = plan.libraries.iter().map(|planned| planned.library.id);
        let main = (plan.libraries.is_empty() && plan.instantiates_main()).then_some(ModuleId::MAIN);
        Check {
            plan,
            new: libraries.chain(main).collect(),
            live: BTreeSet::new(),
            has_thunks: false,
            has_forwarders: false,
        }
    }

    fn is_usable(&self, id: ModuleId) -> bool {
        !self.new.contains(&id) || self.live.contains(&id)
    }

    fn step(&mut self, step: &LoadStep) -> Result<(), String> {
        match step {
            LoadStep::MakeMemory { .. }
            | LoadStep::MakeTable { .. }
            | LoadStep::MakeStackPointer(_)
            | LoadStep::Zero { .. }
                if !self.live.is_empty() =>
            {
                return Err("what modules share is made after its use".to_owned());
            }
            LoadStep::InstantiateThunks => self.has_thunks = true,
            LoadStep::InstantiateForwarders => self.has_forwarders = true,
            LoadStep::Instantiate { module, imports } => {
                let wanted = self.plan.imports_of(*module).len();
                if imports.len() != wanted {
                    return Err(format!("{module}: {} of {wanted} imports", imports.len()));
                }
                imports.iter().try_for_each(|import| self.import(*module, import))?;
                self.live.insert(*module);
            }
            LoadStep::SetSlot { from: (module, name), .. } if !self.is_usable(*module) => {
                return Err(format!("the slot of `{name}` is set before {module} is there"));
            }
            LoadStep::SetForwarder { definer: Some(module), .. } if !self.is_usable(*module) => {
                return Err(format!("a forwarder is set before {module} is there"));
            }
            LoadStep::Start(id) | LoadStep::LimitStack(id) | LoadStep::Relocate(id)
                if !self.is_usable(*id) =>
            {
                return Err(format!("{id} is prepared before it is there"));
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&self, importer: ModuleId, import: &BoundImport) -> Result<(), String> {
        match import {
            BoundImport::Export { module, name } if !self.is_usable(*module) => {
                Err(format!("{importer} uses `{name}` of {module} too early"))
            }
            BoundImport::Thunk(_) if !self.has_thunks => Err(format!("{importer} uses a thunk too early")),
            BoundImport::Forwarder(_) if !self.has_forwarders => {
                Err(format!("{importer} uses a forwarder too early"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LoadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for planned in &self.libraries {
            let library = &planned.library;
            write!(f, "{}: {}", library.id, library.path)?;
            if planned.memory_size > 0 {
                write!(f, ", {} bytes at {}", planned.memory_size, library.memory_base)?;
            }
            if planned.table_size > 0 {
                write!(f, ", {} slots from {}", planned.table_size, library.table_base)?;
            }
            writeln!(f)?;
        }
        self.steps.iter().try_for_each(|step| self.fmt_step(step, f))?;
        self.constructors.iter().try_for_each(|module| writeln!(f, "construct {module}"))
    }
}

impl LoadPlan {
    fn fmt_step(&self, step: &LoadStep, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match step {
            LoadStep::Zero { address, size } => writeln!(f, "zero {size} bytes at {address}"),
            LoadStep::MakeMemory { size } => writeln!(f, "make the memory, of {size} bytes at least"),
            LoadStep::MakeTable { slots } => writeln!(f, "make the table, of {slots} slots at least"),
            LoadStep::MakeStackPointer(address) => writeln!(f, "make the stack pointer, at {address}"),
            LoadStep::InstantiateForwarders => writeln!(f, "instantiate forwarders"),
            LoadStep::InstantiateThunks => writeln!(f, "instantiate thunks"),
            LoadStep::Instantiate { module, imports } => {
                writeln!(f, "instantiate {module}")?;
                self.fmt_imports(*module, imports, f)
            }
            LoadStep::Start(module) => writeln!(f, "start {module}"),
            LoadStep::SetSlot { slot, from: (module, name), .. } => {
                writeln!(f, "set {slot} = `{name}` of {module}")
            }
            LoadStep::LimitStack(library) => writeln!(f, "limit the stack of {library}"),
            LoadStep::SetHostSlot { slot, name, .. } => writeln!(f, "set {slot} = `{name}` of the host"),
            LoadStep::SetForwarder { forwarder, definer } => {
                let wanted = self.forwarders.as_ref().and_then(|module| module.wanted.get(*forwarder));
                let name = wanted.map_or("", |(name, _)| name);
                let definer = definer.map_or_else(|| "the host".to_owned(), |definer| definer.to_string());
                writeln!(f, "set forwarder {forwarder} = `{name}` of {definer}")
            }
            LoadStep::SetCell { import, value } => {
                let import = self.imports_of(ModuleId::MAIN).get(*import);
                let name =
                    import.map_or_else(String::new, |import| format!("{}.{}", import.module, import.name));
                writeln!(f, "set {name} of main = {value:#x}")
            }
            LoadStep::Relocate(module) => writeln!(f, "relocate {module}"),
            LoadStep::BeginStack => writeln!(f, "begin the stack"),
        }
    }

    /// Writes one line for each import. Consecutive host functions, of which main modules have hundreds, are counted.
    fn fmt_imports(
        &self,
        module: ModuleId,
        bound: &[BoundImport],
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let mut of_host = 0;
        for (import, bound) in self.imports_of(module).iter().zip(bound) {
            if *bound == BoundImport::Host {
                of_host += 1;
                continue;
            }
            count_of_host(&mut of_host, f)?;
            writeln!(f, "  {}.{} = {bound}", import.module, import.name)?;
        }
        count_of_host(&mut of_host, f)
    }
}

fn count_of_host(count: &mut usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match std::mem::take(count) {
        0 => Ok(()),
        1 => writeln!(f, "  a function of the host"),
        count => writeln!(f, "  {count} functions of the host"),
    }
}

impl fmt::Display for BoundImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundImport::Memory => f.write_str("memory"),
            BoundImport::Table => f.write_str("table"),
            BoundImport::StackPointer => f.write_str("stack pointer"),
            BoundImport::Constant(value) => write!(f, "{value:#x}"),
            BoundImport::GotCell(value) => write!(f, "cell {value:#x}"),
            BoundImport::Export { module, name } => write!(f, "`{name}` of {module}"),
            BoundImport::Provided(provided) => write!(f, "its own `{}`", provided.name()),
            BoundImport::Thunk(index) => write!(f, "thunk {index}"),
            BoundImport::Forwarder(index) => write!(f, "forwarder {index}"),
            BoundImport::Host => f.write_str("the host's"),
            BoundImport::Tag(TagSource::Main(name)) => write!(f, "tag `{name}` of main"),
            BoundImport::Tag(TagSource::Process(name)) => write!(f, "tag `{name}` of the process"),
        }
    }
}
