//! Owns the load plan: the list of steps that brings libraries to life, with every number decided. It can be printed,
//! compared and checked. Must not know how steps are executed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::abi;
use crate::ids::{Address, ModuleId, TableSlot};
use crate::layout::{LibraryPlacement, PlacedModules};
use crate::namespace::{Library, Namespace, Stage};
use crate::needed::NewLibrary;
use crate::parse::{ExportKind, ImportKind, Signature};
use crate::provided::Provided;
use crate::resolve::{Binding, FunctionRef, ResolvedLibrary, ResolvedModules, TagSource};
use crate::thunks::{self, ThunkModule};

/// What to pass for one import of a library.
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
    /// A new mutable `i32` global with this value: a GOT cell of this library alone.
    GotCell(u32),
    /// An exported function or global of a module that has an instance.
    Export {
        /// The module.
        module: ModuleId,
        /// The export.
        name: String,
    },
    /// A thunk of this load, by number.
    Thunk(usize),
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
        /// From here on.
        address: Address,
        /// So many bytes.
        size: u32,
    },
    /// Instantiate the load's thunk module with [`ThunkModule::imports`].
    InstantiateThunks,
    /// Instantiate a library with these imports, in import order. Its start function runs.
    Instantiate {
        /// Which library.
        library: ModuleId,
        /// One entry for each import.
        imports: Vec<BoundImport>,
    },
    /// Put a function into a table slot.
    SetSlot {
        /// The slot.
        slot: TableSlot,
        /// The function that the slot is from now on the one slot of.
        function: FunctionRef,
        /// The module to take it from, and the export.
        from: (ModuleId, String),
    },
    /// Call `__set_stack_limits` of a library, with where the C stack begins and ends.
    LimitStack(ModuleId),
    /// Put a function of the host's into a table slot.
    SetHostSlot {
        /// The slot.
        slot: TableSlot,
        /// Its name.
        name: String,
        /// Its type.
        signature: Signature,
    },
    /// Call `__wasm_apply_data_relocs` of a library.
    Relocate(ModuleId),
    /// Call `__wasm_call_ctors` of a library, which may be one of a load under way. From the first such step on, a load cannot be taken
    /// back.
    Construct(ModuleId),
}

/// A library as the plan leaves it.
#[derive(Clone, Debug)]
pub struct PlannedLibrary {
    /// The entry for the namespace.
    pub library: Library,
    /// The file, to compile.
    pub bytes: Arc<[u8]>,
    /// Bytes of static data.
    pub memory_size: u32,
    /// Own table slots.
    pub table_size: u32,
}

/// How to bring the libraries of one load to life.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    root: ModuleId,
    libraries: Vec<PlannedLibrary>,
    thunk_module: Option<ThunkModule>,
    steps: Vec<LoadStep>,
}

impl PlacedModules {
    /// Decides the steps. The order is that of tool-conventions and of ELF: everything is instantiated and has its
    /// final GOT values before the first relocation, everything is relocated before the first constructor, and
    /// constructors run dependencies first.
    pub(crate) fn plan(&self, namespace: &Namespace) -> LoadPlan {
        let planner = Planner::new(self, namespace);
        let libraries = &self.resolved.libraries;
        let places = || libraries.iter().zip(self.placement.libraries.iter().copied());
        let thunk_module = planner.thunk_module();
        let mut steps = Vec::new();
        steps.extend(places().filter_map(|(library, place)| zero(library, place)));
        if thunk_module.is_some() {
            steps.push(LoadStep::InstantiateThunks);
        }
        steps.extend(places().map(|(library, place)| planner.instantiate(library, place)));
        steps.extend(planner.set_slots());
        steps.extend(planner.set_host_slots());
        let limited = libraries.iter().filter(|new| has_function(&new.library, abi::SET_STACK_LIMITS));
        steps.extend(limited.map(|new| LoadStep::LimitStack(new.library.id)));
        let relocated = libraries.iter().filter(|new| has_function(&new.library, abi::APPLY_DATA_RELOCS));
        steps.extend(relocated.map(|new| LoadStep::Relocate(new.library.id)));
        let construct = |id: &&ModuleId| match planner.new.get(id) {
            Some((new, _)) => has_function(&new.library, abi::CALL_CTORS),
            None => true,
        };
        steps.extend(self.resolved.construction.iter().filter(construct).map(|id| LoadStep::Construct(*id)));
        let mut entries: Vec<_> = places()
            .map(|(library, place)| entry(library, place, self.resolved.root, self.resolved.scope.own_first))
            .collect();
        entries.sort_by_key(|entry| entry.library.id);
        LoadPlan { root: self.resolved.root, libraries: entries, thunk_module, steps }
    }
}

struct Planner<'a> {
    placed: &'a PlacedModules,
    namespace: &'a Namespace,
    /// The new libraries, with their places.
    new: BTreeMap<ModuleId, (&'a ResolvedLibrary, LibraryPlacement)>,
    /// The slots that this load gives to functions.
    new_slots: BTreeMap<FunctionRef, TableSlot>,
    /// The slots that this load gives to functions of the host's.
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

    /// Where a module's data offsets count from.
    fn memory_base(&self, id: ModuleId) -> Address {
        match self.new.get(&id) {
            Some((_, place)) => place.memory_base,
            None => self.namespace.bases(id).0,
        }
    }

    fn slot(&self, function: FunctionRef) -> TableSlot {
        let of_new = || {
            let (resolved, place) = self.new.get(&function.definer)?;
            let element = resolved.library.module.element_slots.get(function.index)?;
            Some(element.resolve(place.table_base))
        };
        let given = self.new_slots.get(&function).copied();
        // `resolve` listed every function that has no slot yet, so one of the three is there.
        given.or_else(of_new).or_else(|| self.namespace.slot(function)).unwrap_or(TableSlot(0))
    }

    fn host_slot(&self, name: &str) -> TableSlot {
        let given = self.new_host_slots.get(name).copied();
        // `resolve` listed every function that has no slot yet, so one of the two is there.
        given.or_else(|| self.namespace.host_slot(name)).unwrap_or(TableSlot(0))
    }

    fn bind(&self, place: LibraryPlacement, import: &ImportKind, binding: &Binding) -> BoundImport {
        let cell = |value: u32| match import {
            ImportKind::Global(ty) if !ty.mutable => BoundImport::Constant(value),
            _ => BoundImport::GotCell(value),
        };
        match binding {
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
            Binding::FunctionSlot(function) => cell(self.slot(*function).0),
            Binding::HostSlot(name) => cell(self.host_slot(name).0),
            Binding::Provided(provided) => BoundImport::Provided(*provided),
            Binding::Null => cell(0),
            Binding::Global { definer, export } => {
                BoundImport::Export { module: *definer, name: export.clone() }
            }
        }
    }

    fn instantiate(&self, resolved: &ResolvedLibrary, place: LibraryPlacement) -> LoadStep {
        let imports = resolved.library.module.imports.iter().zip(resolved.bindings.iter());
        LoadStep::Instantiate {
            library: resolved.library.id,
            imports: imports.map(|(i, binding)| self.bind(place, &i.kind, binding)).collect(),
        }
    }

    fn thunk_module(&self) -> Option<ThunkModule> {
        let ResolvedModules { thunks, scope, .. } = &self.placed.resolved;
        (!thunks.is_empty()).then(|| thunks::generate(thunks, scope.clone(), |function| self.slot(function)))
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

    fn set_host_slots(&self) -> impl Iterator<Item = LoadStep> {
        let functions = self.placed.resolved.slotless_of_host.iter();
        functions.map(|(name, signature)| LoadStep::SetHostSlot {
            slot: self.host_slot(name),
            name: name.clone(),
            signature: signature.clone(),
        })
    }
}

fn has_function(library: &NewLibrary, name: &str) -> bool {
    let export = library.module.exports.get(name);
    export.is_some_and(|export| matches!(export.kind, ExportKind::Function { .. }))
}

fn zero(resolved: &ResolvedLibrary, place: LibraryPlacement) -> Option<LoadStep> {
    let size = resolved.library.module.dylink.as_ref()?.memory.memory_size;
    (size > 0).then_some(LoadStep::Zero { address: place.memory_base, size })
}

/// The namespace's entry for a library of this load.
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
            stage: if has_function(new, abi::CALL_CTORS) { Stage::Waiting } else { Stage::Begun },
            failure: None,
        },
        bytes: new.file.bytes.clone(),
        memory_size: memory.memory_size,
        table_size: memory.table_size.get(),
    }
}

impl LoadPlan {
    /// The library that was asked for, or the first of those that the main module needs.
    pub fn root(&self) -> ModuleId {
        self.root
    }

    /// All new libraries, by ascending id.
    pub fn libraries(&self) -> &[PlannedLibrary] {
        &self.libraries
    }

    /// The thunk module, if the load needs one: to be compiled and instantiated by [`LoadStep::InstantiateThunks`].
    pub fn thunk_module(&self) -> Option<&ThunkModule> {
        self.thunk_module.as_ref()
    }

    /// What to do, in this order.
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

    /// The slots that the plan gives to functions of the host's, by name.
    pub fn new_host_slots(&self) -> impl Iterator<Item = (&str, TableSlot)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            LoadStep::SetHostSlot { slot, name, .. } => Some((name.as_str(), *slot)),
            _ => None,
        })
    }

    /// The path of a library of the load.
    pub fn path(&self, id: ModuleId) -> &str {
        self.library(id).map_or("", |planned| planned.library.path.as_str())
    }

    /// A library of the load.
    pub fn library(&self, id: ModuleId) -> Option<&PlannedLibrary> {
        let position = self.libraries.binary_search_by_key(&id, |planned| planned.library.id);
        position.ok().and_then(|position| self.libraries.get(position))
    }

    /// The name under which the thunk module exports a thunk.
    pub fn thunk_export(index: usize) -> String {
        thunks::export_name(index)
    }

    /// Checks what must hold of every plan: each import is bound, nothing is used before it is made, and no
    /// constructor runs before the last relocation. Errs with the first violation, in words.
    pub fn check(&self) -> Result<(), String> {
        let new: BTreeSet<ModuleId> = self.libraries.iter().map(|l| l.library.id).collect();
        let mut live = BTreeSet::new();
        let mut thunks_live = false;
        let mut constructed = false;
        let usable = |id: &ModuleId, live: &BTreeSet<ModuleId>| !new.contains(id) || live.contains(id);
        for step in &self.steps {
            match step {
                LoadStep::Zero { .. } if live.is_empty() => {}
                LoadStep::Zero { .. } => return Err("memory is zeroed after its use".to_owned()),
                LoadStep::InstantiateThunks => thunks_live = true,
                LoadStep::Instantiate { library, imports } => {
                    let planned = self.library(*library);
                    let wanted = planned.map_or(0, |l| l.library.module.imports.len());
                    if imports.len() != wanted {
                        return Err(format!("{library}: {} of {wanted} imports", imports.len()));
                    }
                    for import in imports {
                        match import {
                            BoundImport::Export { module, name } if !usable(module, &live) => {
                                return Err(format!("{library} uses `{name}` of {module} too early"));
                            }
                            BoundImport::Thunk(_) if !thunks_live => {
                                return Err(format!("{library} uses a thunk too early"));
                            }
                            _ => {}
                        }
                    }
                    live.insert(*library);
                }
                LoadStep::SetSlot { from: (module, name), .. } if !usable(module, &live) => {
                    return Err(format!("the slot of `{name}` is set before {module} is there"));
                }
                LoadStep::LimitStack(id) | LoadStep::Relocate(id) if constructed || !usable(id, &live) => {
                    return Err(format!("{id} is prepared out of order"));
                }
                LoadStep::SetHostSlot { .. } if constructed => {
                    return Err("a slot of the host's is set after a constructor".to_owned());
                }
                LoadStep::SetSlot { .. }
                | LoadStep::SetHostSlot { .. }
                | LoadStep::LimitStack(_)
                | LoadStep::Relocate(_) => {}
                LoadStep::Construct(id) if !usable(id, &live) => {
                    return Err(format!("{id} is constructed before it is there"));
                }
                LoadStep::Construct(_) => constructed = true,
            }
        }
        if live == new { Ok(()) } else { Err("a library is never instantiated".to_owned()) }
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
        self.steps.iter().try_for_each(|step| self.fmt_step(step, f))
    }
}

impl LoadPlan {
    fn fmt_step(&self, step: &LoadStep, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match step {
            LoadStep::Zero { address, size } => writeln!(f, "zero {size} bytes at {address}"),
            LoadStep::InstantiateThunks => writeln!(f, "instantiate thunks"),
            LoadStep::Instantiate { library, imports } => {
                writeln!(f, "instantiate {library}")?;
                let planned = self.library(*library);
                let names = planned.map_or(&[][..], |l| l.library.module.imports.as_slice());
                for (import, bound) in names.iter().zip(imports) {
                    writeln!(f, "  {}.{} = {bound}", import.module, import.name)?;
                }
                Ok(())
            }
            LoadStep::SetSlot { slot, from: (module, name), .. } => {
                writeln!(f, "set {slot} = `{name}` of {module}")
            }
            LoadStep::LimitStack(library) => writeln!(f, "limit the stack of {library}"),
            LoadStep::SetHostSlot { slot, name, .. } => writeln!(f, "set {slot} = `{name}` of the host"),
            LoadStep::Relocate(library) => writeln!(f, "relocate {library}"),
            LoadStep::Construct(library) => writeln!(f, "construct {library}"),
        }
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
            BoundImport::Tag(TagSource::Main(name)) => write!(f, "tag `{name}` of main"),
            BoundImport::Tag(TagSource::Process(name)) => write!(f, "tag `{name}` of the process"),
        }
    }
}
