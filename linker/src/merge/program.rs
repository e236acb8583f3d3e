//! Owns the way from plans to a merged module: the load plans of a main module and its libraries say what each import is bound to, and
//! here that becomes what each part is supplied with. Must not know how parts are numbered or written.

use std::collections::HashMap;

use wasm_encoder::reencode::Reencode as _;

use super::assemble::{Extras, assemble};
use super::contents::Contents;
use super::glue::{Glue, Shared};
use super::numbering::{Numbering, Part, Redirect, Renumber, Supply, count};
use super::static_linker::{LINKED_NAME, StaticLinker, TREE_NAME};
use super::tables::Slots;
use super::{LinkOptions, MergeError, live, relocations};
use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::plan::{BoundImport, LoadPlan, LoadStep, has_function};
use crate::link::provided::Provided;
use crate::link::resolve::{Binding, FunctionRef, TagSource};
use crate::parse::abi_family::AbiFamily;
use crate::parse::{ExportKind, Import, ImportKind};

/// The position of the main module among the parts.
pub(super) const MAIN: usize = 0;

/// A program whose libraries are all known.
pub(super) struct Program<'a> {
    pub(super) linker: &'a StaticLinker,
    pub(super) options: &'a LinkOptions,
    /// The parts of modules, by id: the main module first.
    pub(super) positions: HashMap<ModuleId, usize>,
    /// The libraries, in the order of the table; the linker's own are not among them.
    pub(super) libraries: Vec<ModuleId>,
    pub(super) tree: Option<ModuleId>,
    pub(super) linked: ModuleId,
    pub(super) glue: Glue,
    pub(super) slots: Slots,
    pub(super) extras: Extras,
    /// The function that runs constructors in place of the main module's own, by its export in the generated code.
    pub(super) constructors: Option<String>,
}

impl<'a> Program<'a> {
    pub(super) fn of(
        linker: &'a StaticLinker,
        libraries: Vec<ModuleId>,
        options: &'a LinkOptions,
    ) -> Program<'a> {
        let all = linker.process.namespace.libraries();
        let own = |name: &str| all.iter().find(|library| library.path == name).map(|library| library.id);
        let ids = [ModuleId::MAIN].into_iter().chain(all.iter().map(|library| library.id));
        let positions: HashMap<ModuleId, usize> = ids.zip(0..).collect();
        Program {
            linker,
            options,
            glue: Glue::at(positions.len()),
            positions,
            libraries,
            tree: own(TREE_NAME),
            linked: own(LINKED_NAME).unwrap_or(ModuleId::MAIN),
            slots: Slots::from(linker.process.stand_in.table_size),
            extras: Extras::default(),
            constructors: None,
        }
    }

    pub(super) fn link(mut self) -> Result<Vec<u8>, MergeError> {
        let mut parts = self.parts()?;
        self.fill_slots();
        self.call_family(&mut parts[MAIN]);
        self.call_tree(&mut parts);
        let glue_wasm = self.make_tables(&mut parts)?;
        let contents =
            Contents::read(&glue_wasm).map_err(|error| MergeError::malformed("generated code", &error))?;
        parts.push(Part {
            name: "generated code".to_owned(),
            contents,
            supplies: self.glue.supplies(),
            rebase: 0,
            is_pruned: true,
            sees_originals: true,
        });
        let mut numbering = Numbering::of(&parts, &self.redirects())?;
        self.relocate(&parts);
        self.export(&parts);
        let live = live::find(&parts, &numbering, &self.extras)?;
        numbering.drop_functions(&live.functions);
        self.extras.has_no_tags = !live.uses_tags;
        assemble(&parts, &numbering, &self.extras)
    }

    pub(super) fn position(&self, id: ModuleId) -> usize {
        self.positions.get(&id).copied().unwrap_or(MAIN)
    }

    /// Where the data of a module lies, if its exports hold offsets that hosts read: those of a position-independent main module.
    fn rebase(&self, id: ModuleId) -> u32 {
        let placement = self.linker.main.placement().filter(|_| id == ModuleId::MAIN);
        placement.map_or(0, |placement| placement.memory_base.0)
    }

    /// Whether a module is one of the linker's own.
    fn is_own(&self, id: ModuleId) -> bool {
        id == self.linked || Some(id) == self.tree
    }

    pub(super) fn name(&self, id: ModuleId) -> &str {
        self.linker.process.namespace.name(id)
    }

    /// The parts of the main module and of all libraries.
    fn parts(&mut self) -> Result<Vec<Part<'a>>, MergeError> {
        let linker = self.linker;
        let all = linker.process.namespace.libraries().iter().map(|library| library.id);
        let ids: Vec<ModuleId> = [ModuleId::MAIN].into_iter().chain(all).collect();
        let mut parts = Vec::with_capacity(ids.len());
        for id in ids {
            let name = self.name(id).to_owned();
            let wasm = match linker.files.get(&name) {
                Some(bytes) if id != ModuleId::MAIN => bytes,
                _ => &linker.wasm,
            };
            let contents = Contents::read(wasm).map_err(|error| MergeError::malformed(&name, &error))?;
            let supplies = self.supplies(id)?;
            parts.push(Part {
                name,
                contents,
                supplies,
                rebase: self.rebase(id),
                is_pruned: self.is_own(id) || self.options.drops_unreached,
                sees_originals: id == self.linked,
            });
        }
        Ok(parts)
    }

    /// Puts the functions into the table that plans give slots to.
    fn fill_slots(&mut self) {
        for plan in &self.linker.plans {
            for step in plan.steps() {
                match step {
                    LoadStep::SetSlot { slot, from: (module, export), .. } => {
                        self.extras.slots.push((slot.0, self.position(*module), export.clone()));
                    }
                    LoadStep::SetHostSlot { slot, name, signature } => {
                        let export = self.glue.host_function(name, signature);
                        self.extras.slots.push((slot.0, self.glue.part, export));
                    }
                    _ => {}
                }
            }
        }
    }

    /// What supplies the imports of a module: its plan says.
    fn supplies(&mut self, id: ModuleId) -> Result<Vec<Supply>, MergeError> {
        let mut supplies = Vec::new();
        for plan in self.linker.plans.iter().filter(|plan| plan.library(id).is_some() || id == ModuleId::MAIN)
        {
            for step in plan.steps() {
                self.take_step(id, plan, step, &mut supplies)?;
            }
        }
        Ok(supplies)
    }

    /// Takes from a step of a plan what it means for one module.
    fn take_step(
        &mut self,
        id: ModuleId,
        plan: &LoadPlan,
        step: &LoadStep,
        supplies: &mut Vec<Supply>,
    ) -> Result<(), MergeError> {
        match step {
            LoadStep::Instantiate { module, imports } if *module == id => {
                for (position, bound) in imports.iter().enumerate() {
                    let import = plan.imports_of(id).get(position);
                    let import = import
                        .ok_or_else(|| MergeError::new(self.name(id), "internal error: an import is lost"))?;
                    supplies.push(self.supply(id, position, import, bound)?);
                }
            }
            LoadStep::SetCell { import, value } if id == ModuleId::MAIN => {
                if let Some(supply) = supplies.get_mut(*import) {
                    *supply = Supply::Constant(*value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What supplies one import.
    fn supply(
        &mut self,
        importer: ModuleId,
        position: usize,
        import: &Import,
        bound: &BoundImport,
    ) -> Result<Supply, MergeError> {
        let of = |part: usize, name: &str| Supply::Export { part, name: name.to_owned() };
        Ok(match bound {
            BoundImport::Constant(value) | BoundImport::GotCell(value) => Supply::Constant(*value),
            BoundImport::Memory => of(self.shared_part(), abi::MEMORY),
            BoundImport::Table => of(self.shared_part(), abi::TABLE),
            BoundImport::StackPointer => of(self.shared_part(), abi::STACK_POINTER),
            BoundImport::Export { module, name } => of(self.position(*module), name),
            BoundImport::Host => Supply::Import,
            BoundImport::Forwarder(number) => self.forwarded(*number, import),
            BoundImport::Provided(provided) => self.provided(importer, *provided)?,
            BoundImport::Tag(TagSource::Main(name)) => of(MAIN, name),
            BoundImport::Tag(TagSource::Process(name)) => {
                if let ImportKind::Tag(signature) = &import.kind {
                    self.glue.tag(name, signature);
                }
                of(self.glue.part, name)
            }
            BoundImport::Thunk(_) => self.thunk(importer, position, import)?,
        })
    }

    /// The part that has the memory, the table and the stack pointer.
    fn shared_part(&self) -> usize {
        if self.linker.main.placement().is_some() { self.glue.part } else { MAIN }
    }

    /// What the main module gets for a function of a library that it needs.
    fn forwarded(&self, number: usize, import: &Import) -> Supply {
        let steps = self.linker.plans.iter().flat_map(|plan| plan.steps());
        let mut definer = steps.filter_map(|step| match step {
            LoadStep::SetForwarder { forwarder, definer } if *forwarder == number => *definer,
            _ => None,
        });
        match definer.next_back() {
            Some(module) => Supply::Export { part: self.position(module), name: import.name.clone() },
            None => Supply::Import,
        }
    }

    /// What a library gets for a function of the `dlopen` family, or one that runs something at exit.
    fn provided(&mut self, importer: ModuleId, provided: Provided) -> Result<Supply, MergeError> {
        let linked = self.position(self.linked);
        let of_library = self.libraries.iter().position(|id| *id == importer).map(count);
        let name = provided.name();
        Ok(match (provided, of_library) {
            (Provided::Dlopen | Provided::Dlsym, Some(number)) => {
                Supply::Export { part: self.glue.part, name: self.glue.call_from(linked, name, number) }
            }
            (Provided::Dladdr, _) => Supply::Export { part: linked, name: format!("pydl_{name}") },
            // Nothing leaves before the program ends, so that the main module's list of handlers is all there is.
            (Provided::CxaAtexit | Provided::Atexit, _) if has_function(self.linker.main.module(), name) => {
                Supply::Export { part: MAIN, name: name.to_owned() }
            }
            _ => {
                let why = format!("it calls `{name}`, which only a dynamic linker can answer");
                return Err(MergeError::new(self.name(importer), &why));
            }
        })
    }

    /// What takes the place of a thunk: the function itself, which is part of the same module.
    fn thunk(&mut self, importer: ModuleId, position: usize, import: &Import) -> Result<Supply, MergeError> {
        let namespace = self.linker.process.namespace.clone();
        let binding = namespace.library(importer).and_then(|library| library.bindings.get(position));
        Ok(match (binding, &import.kind) {
            (Some(Binding::SlotThunk { function, .. }), _) => self.function(*function)?,
            _ if namespace.host_function(&import.module, &import.name).is_some() => Supply::Import,
            (Some(Binding::Thunk(_)), ImportKind::Function(signature)) => {
                Supply::Export { part: self.glue.part, name: self.glue.undefined(&import.name, signature) }
            }
            _ => return Err(MergeError::new(self.name(importer), "internal error: a thunk is lost")),
        })
    }

    /// A function of a library of the program, by one of the names that it exports it under.
    fn function(&self, function: FunctionRef) -> Result<Supply, MergeError> {
        let module = self.linker.process.namespace.library(function.definer);
        let mut exports = module.into_iter().flat_map(|library| library.module.exports.iter());
        let found = exports.find(|(_, export)| {
            matches!(export.kind, ExportKind::Function { index, .. } if index == function.index)
        });
        match found {
            Some((name, _)) => {
                Ok(Supply::Export { part: self.position(function.definer), name: name.to_owned() })
            }
            None => Err(MergeError::new(self.name(function.definer), "internal error: a function is lost")),
        }
    }

    /// Lets the main module's `dlopen` family ask the tables.
    fn call_family(&mut self, main: &mut Part<'_>) {
        let linked = self.position(self.linked);
        for (import, supply) in main.contents.imports.iter().zip(&mut main.supplies) {
            if import.module == abi::DLFCN {
                *supply = Supply::Export { part: linked, name: format!("pydl_{}", import.name) };
            }
        }
    }

    /// Lets all parts find the embedded folder among their files.
    fn call_tree(&self, parts: &mut [Part<'_>]) {
        let Some(tree) = self.tree.map(|tree| self.position(tree)) else { return };
        for position in (0..parts.len()).filter(|position| *position != tree) {
            for number in 0..parts[position].contents.imports.len() {
                let import = parts[position].contents.imports[number];
                let name = format!("tree_{}", import.name);
                if import.module == abi::WASI_PREVIEW1 && parts[tree].contents.export(&name).is_some() {
                    parts[position].supplies[number] = Supply::Export { part: tree, name };
                }
            }
        }
    }

    /// The functions of the main module in whose place others are called.
    fn redirects(&self) -> Vec<Redirect> {
        let to = |part: usize, name: &str, by: &str| Redirect {
            from: (MAIN, name.to_owned()),
            to: (part, by.to_owned()),
        };
        let constructors = self.constructors.as_deref();
        let mut redirects: Vec<Redirect> =
            constructors.map(|by| to(self.glue.part, abi::CALL_CTORS, by)).into_iter().collect();
        if self.linker.main.family() == AbiFamily::Emscripten {
            let linked = self.position(self.linked);
            let replaced = [
                (abi::DLOPEN, "pydl_dlopen"),
                (abi::DLSYM, "pydl_dlsym"),
                ("dlclose", "pydl_dlclose"),
                (abi::DLADDR, "pydl_dladdr"),
                ("dlerror", "pydl_dlerror_text"),
            ];
            let has = |name: &str| has_function(self.linker.main.module(), name);
            let replaced = replaced.into_iter().filter(|(name, _)| has(name));
            redirects.extend(replaced.map(|(name, by)| to(linked, name, by)));
        }
        redirects
    }

    /// Defines what a position-independent main module shares with its libraries, and tells it where its heap begins.
    pub(super) fn share(&mut self, main: &mut Part<'_>, heap: u32) {
        let (mut memory, mut table) = (None, None);
        let spaces = Numbering::of_constants(main);
        let mut renumber = Renumber { spaces: &spaces };
        for (import, supply) in main.contents.imports.iter().zip(&mut main.supplies) {
            match import.ty {
                wasmparser::TypeRef::Memory(ty) => memory = renumber.memory_type(ty).ok(),
                wasmparser::TypeRef::Table(ty) if import.name == abi::TABLE => {
                    table = renumber.table_type(ty).ok();
                }
                wasmparser::TypeRef::Global(_) if import.name == abi::HEAP_BASE => {
                    *supply = Supply::Constant(heap);
                }
                _ => {}
            }
        }
        let placement = self.linker.main.placement();
        if let (Some(memory), Some(table), Some(placement)) = (memory, table, placement) {
            self.glue.share(Shared { memory, table, stack_pointer: placement.stack_high.0 });
        }
    }

    /// Lets the constructors of the libraries that the main module needs itself run after its own.
    pub(super) fn construct_needed(&mut self) {
        let completed =
            self.linker.plans.iter().filter(|plan| plan.constructors().first() == Some(&ModuleId::MAIN));
        let needed = completed.flat_map(|plan| plan.constructors().iter().skip(1));
        let numbers: HashMap<ModuleId, u32> = self.libraries.iter().copied().zip(0..).collect();
        let numbers: Vec<u32> = needed.filter_map(|id| numbers.get(id).copied()).collect();
        if !numbers.is_empty() {
            let linked = self.position(self.linked);
            self.constructors = Some(self.glue.constructors(MAIN, linked, numbers));
        }
    }

    /// Lets static data begin with what relocations write; those that cannot be computed run at the start.
    fn relocate(&mut self, parts: &[Part<'_>]) {
        let mut writes = Vec::new();
        for (position, part) in parts.iter().enumerate() {
            match relocations_of(part) {
                Some(of_part) => writes.extend(of_part),
                None => self.extras.starts.push((position, abi::APPLY_DATA_RELOCS.to_owned())),
            }
        }
        // What the linker writes itself comes later, and counts.
        writes.append(&mut self.extras.writes);
        self.extras.writes = writes;
    }

    /// Exports what the program's hosts need: a command's entry and memory, or everything that the main module exports, except its
    /// relocations, which are done.
    fn export(&mut self, parts: &[Part<'_>]) {
        let keeps_all = self.options.asks_host || self.linker.main.family() == AbiFamily::Emscripten;
        let exports = &mut self.extras.exports;
        for export in &parts[MAIN].contents.exports {
            let is_kept = keeps_all || export.name == "_start" || export.name == abi::MEMORY;
            let (part, name) = match &self.constructors {
                Some(constructors) if export.name == abi::CALL_CTORS => {
                    (self.glue.part, constructors.as_str())
                }
                _ => (MAIN, export.name),
            };
            if is_kept && export.name != abi::APPLY_DATA_RELOCS {
                exports.push((export.name.to_owned(), part, name.to_owned()));
            }
        }
        let has_main = abi::MAIN_FUNCTIONS.iter().any(|name| has_function(self.linker.main.module(), name));
        if let Some((library, name)) =
            self.linker.process.namespace.program_of_libraries().filter(|_| !has_main)
        {
            exports.push((
                name.to_owned(),
                self.positions.get(&library).copied().unwrap_or(MAIN),
                name.to_owned(),
            ));
        }
        if self.linker.main.placement().is_some() {
            for name in [abi::MEMORY, abi::TABLE, abi::STACK_POINTER] {
                exports.push((name.to_owned(), self.glue.part, name.to_owned()));
            }
        }
    }
}

/// What the relocations of a part write, if it can be computed; nothing for a part that has none.
pub(super) fn relocations_of(part: &Part<'_>) -> Option<Vec<(u32, Vec<u8>)>> {
    let Some((wasmparser::ExternalKind::Func, function)) = part.contents.export(abi::APPLY_DATA_RELOCS)
    else {
        return Some(Vec::new());
    };
    relocations::evaluate(part.contents.body(function)?, &Numbering::of_constants(part))
}
