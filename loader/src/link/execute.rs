//! Owns the interpretation of load plans: one match arm for each step, and no policy. Must not know the reason for a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::rewrite::state::START;
use pydl_linker::{
    Address, BoundImport, ForwarderModule, LoadPlan, LoadStep, ModuleId, Namespace, Provided, Signature,
    TARGETS, TagSource, ThunkImport, ThunkModule, abi, forwarder_export,
};
use wasmtime::{
    AsContext, Extern, ExternType, Func, Global, GlobalType, ImportType, Instance, Linker, Memory, Module,
    Mutability, Ref, StoreContextMut, Table, Val, ValType,
};

use crate::compile::types::function_type;
use crate::link::dlfcn::lazy;
use crate::link::dlfcn::provided::function;
use crate::link::state::Links as _;
use crate::memory::address_space::{AddressSpace, Shared, keeping_stack};
use crate::system::c_stack;
use crate::system::emscripten::imports::function_of_type;
use crate::system::slots::set_slot;
use crate::system::state::ProcessState;
use crate::system::tags::process_tag;

/// What a plan is executed with, and the results.
pub(crate) struct Execution<'a, 'store> {
    pub store: &'a mut StoreContextMut<'store, ProcessState>,
    pub resources: Resources,
    /// The host functions for the main module.
    pub host: &'a Linker<ProcessState>,
    /// The instances of the loaded modules, by id.
    pub loaded: &'a [Option<Instance>],
    /// The compiled new modules.
    pub modules: &'a BTreeMap<ModuleId, Module>,
    /// The compiled modules that the linker has generated.
    pub generated: Generated,
    /// The instances that the plan makes, by id.
    pub instances: BTreeMap<ModuleId, Instance>,
    pub thunks: Option<Instance>,
    /// The functions that were made for single libraries.
    pub provided: BTreeMap<(ModuleId, Provided), Func>,
    pub main: MainParts,
}

/// Compiled modules that the linker has generated for a plan.
#[derive(Default)]
pub(crate) struct Generated {
    pub thunks: Option<Module>,
    pub forwarders: Option<Module>,
}

/// The resources that modules share, as far as they exist.
#[derive(Clone, Copy, Default)]
pub(crate) struct Resources {
    pub memory: Option<Memory>,
    pub table: Option<Table>,
    pub stack_pointer: Option<Global>,
}

impl Resources {
    /// The resources of a process whose main module exists.
    pub(crate) fn of(space: &AddressSpace) -> Resources {
        Resources {
            memory: Some(space.memory),
            table: Some(space.table),
            stack_pointer: Some(space.stack_pointer),
        }
    }

    /// All resources, if they all exist.
    pub(crate) fn shared(self, main_base: Address) -> Option<Shared> {
        let Resources { memory, table, stack_pointer } = self;
        Some(Shared { memory: memory?, table: table?, stack_pointer: stack_pointer?, main_base })
    }

    fn memory(&self) -> wasmtime::Result<Memory> {
        self.memory.ok_or_else(|| missing("the memory"))
    }

    fn table(&self) -> wasmtime::Result<Table> {
        self.table.ok_or_else(|| missing("the table"))
    }

    fn stack_pointer(&self) -> wasmtime::Result<Global> {
        self.stack_pointer.ok_or_else(|| missing("the stack pointer"))
    }
}

/// What a main module was instantiated with, and what the plan of the libraries it needs completes.
#[derive(Default)]
pub(crate) struct MainParts {
    /// The main module's GOT cells, by the positions of their imports.
    cells: BTreeMap<usize, Global>,
    forwarders: Option<Instance>,
}

impl Execution<'_, '_> {
    /// Executes the steps, all of which come before the first constructor. Until then, nothing outside the plan's own reservation
    /// has changed, so that a failure can be undone by releasing the reservation.
    pub(crate) fn prepare(&mut self, plan: &LoadPlan) -> wasmtime::Result<()> {
        plan.steps().iter().try_for_each(|step| self.step(plan, step))
    }

    /// Makes the instances again of a plan that was executed in another process: those of the libraries that are still loaded in
    /// this namespace, if there is one. No guest code runs.
    pub(crate) fn replay(&mut self, plan: &LoadPlan, namespace: Option<&Namespace>) -> wasmtime::Result<()> {
        let library = |id| namespace.and_then(|namespace| namespace.library(id));
        let is_there = |id: ModuleId| id == ModuleId::MAIN || library(id).is_some();
        for step in plan.steps_to_replay(is_there) {
            match step {
                // The module that re-exported the function was unloaded; the one that defines it was not.
                LoadStep::SetSlot { slot, function, from: (passed_on, _) } if !is_there(*passed_on) => {
                    let name = namespace.and_then(|namespace| namespace.export_of(*function));
                    let name = name.ok_or_else(|| missing("an export"))?;
                    let function = self.function(function.definer, name)?;
                    set_slot(self.store, self.resources.table()?, *slot, function)?;
                }
                step => self.step(plan, step)?,
            }
        }
        Ok(())
    }

    fn step(&mut self, plan: &LoadPlan, step: &LoadStep) -> wasmtime::Result<()> {
        match step {
            LoadStep::MakeMemory { size } => self.make_memory(*size)?,
            LoadStep::MakeTable { slots } => self.make_table(*slots)?,
            LoadStep::MakeStackPointer(address) => {
                self.resources.stack_pointer = Some(self.i32_global(address.0, Mutability::Var)?);
            }
            LoadStep::Zero { address, size } => self.zero(*address, *size)?,
            LoadStep::InstantiateForwarders => {
                let module = self.generated.forwarders.as_ref();
                let module = module.ok_or_else(|| missing("the compiled module of forwarders"))?;
                self.main.forwarders = Some(Instance::new(&mut *self.store, module, &[])?);
            }
            LoadStep::InstantiateThunks => {
                let (Some(thunks), Some(module)) = (plan.thunk_module(), self.generated.thunks.clone())
                else {
                    return Err(missing("the compiled thunk module"));
                };
                let imports = self.thunk_imports(plan.root(), thunks, &module)?;
                self.thunks = Some(Instance::new(&mut *self.store, &module, &imports)?);
            }
            LoadStep::Instantiate { module, imports } => self.instantiate(plan, *module, imports)?,
            LoadStep::Start(module) => self.start(*module)?,
            LoadStep::SetSlot { slot, from: (module, name), .. } => {
                let function = self.function(*module, name)?;
                set_slot(self.store, self.resources.table()?, *slot, function)?;
            }
            LoadStep::SetHostSlot { slot, name, signature } => {
                let function = host_function(self.store, name, signature)?;
                set_slot(self.store, self.resources.table()?, *slot, function)?;
            }
            LoadStep::SetForwarder { forwarder, definer } => {
                let forwarders = plan.forwarders().ok_or_else(|| missing("the module of forwarders"))?;
                self.set_forwarder(forwarders, *forwarder, *definer)?;
            }
            LoadStep::SetCell { import, value } => {
                let cell = self.main.cells.get(import).ok_or_else(|| missing("a cell"))?;
                cell.set(&mut *self.store, Val::I32(value.cast_signed()))?;
            }
            LoadStep::LimitStack(library) => {
                let (main, library) = (self.instance(ModuleId::MAIN)?, self.instance(*library)?);
                c_stack::limit(self.store, &main, &library)?;
            }
            LoadStep::BeginStack => {
                let main = self.instance(ModuleId::MAIN)?;
                c_stack::begin(self.store, &main)?;
            }
            LoadStep::Relocate(module) => {
                self.store.data().trace.relocate(plan.path(*module));
                let function = self.instance(*module)?;
                let function = function.get_typed_func::<(), ()>(&mut *self.store, abi::APPLY_DATA_RELOCS)?;
                let stack_pointer = self.resources.stack_pointer()?;
                keeping_stack(self.store, stack_pointer, |store| function.call(store, ()))?;
            }
        }
        Ok(())
    }

    /// The type with which the main module imports a shared resource of the process.
    fn wanted_by_main(&self, name: &str) -> wasmtime::Result<ExternType> {
        let main = self.modules.get(&ModuleId::MAIN).ok_or_else(|| missing("the compiled main module"))?;
        let import = main.imports().find(|import| import.module() == abi::ENV && import.name() == name);
        import.map(|import| import.ty()).ok_or_else(|| missing("an import of the main module"))
    }

    fn make_memory(&mut self, size: u32) -> wasmtime::Result<()> {
        let ExternType::Memory(ty) = self.wanted_by_main(abi::MEMORY)? else {
            return Err(missing("the type of the memory"));
        };
        let memory = Memory::new(&mut *self.store, ty)?;
        let pages = u64::from(size).div_ceil(memory.page_size(&*self.store));
        let more = pages.saturating_sub(memory.size(&*self.store));
        memory.grow(&mut *self.store, more)?;
        self.resources.memory = Some(memory);
        self.store.data_mut().system.set_memory(memory);
        Ok(())
    }

    fn make_table(&mut self, slots: u32) -> wasmtime::Result<()> {
        let ExternType::Table(ty) = self.wanted_by_main(abi::TABLE)? else {
            return Err(missing("the type of the table"));
        };
        let table = Table::new(&mut *self.store, ty, Ref::Func(None))?;
        let more = u64::from(slots).saturating_sub(table.size(&*self.store));
        table.grow(&mut *self.store, more, Ref::Func(None))?;
        self.resources.table = Some(table);
        Ok(())
    }

    fn zero(&mut self, address: Address, size: u32) -> wasmtime::Result<()> {
        let start = address.0 as usize;
        let memory = self.resources.memory()?.data_mut(&mut *self.store);
        let range = start..start.saturating_add(size as usize);
        memory.get_mut(range).ok_or_else(|| missing("memory of the reservation"))?.fill(0);
        Ok(())
    }

    fn instantiate(&mut self, plan: &LoadPlan, id: ModuleId, bound: &[BoundImport]) -> wasmtime::Result<()> {
        let module = self.modules.get(&id).ok_or_else(|| missing("a compiled module"))?;
        let mut imports: Vec<Extern> = Vec::with_capacity(bound.len());
        for (position, (declared, bound)) in module.imports().zip(bound).enumerate() {
            imports.push(self.import(id, position, &declared, bound)?);
        }
        if let (Some(planned), Some(link)) = (plan.library(id), self.store.data_mut().link_mut()) {
            link.code.note(module, &planned.library.path, Arc::downgrade(&planned.library.module));
        }
        let instance = Instance::new(&mut *self.store, module, &imports)?;
        self.instances.insert(id, instance);
        Ok(())
    }

    /// Runs the start function of a module, which rewriting has turned into an export.
    fn start(&mut self, module: ModuleId) -> wasmtime::Result<()> {
        let instance = self.instance(module)?;
        let start = instance.get_typed_func::<(), ()>(&mut *self.store, START)?;
        match self.resources.stack_pointer {
            Some(stack_pointer) => keeping_stack(self.store, stack_pointer, |store| start.call(store, ())),
            None => start.call(&mut *self.store, ()),
        }
    }

    fn set_forwarder(
        &mut self,
        forwarders: &ForwarderModule,
        position: usize,
        definer: Option<ModuleId>,
    ) -> wasmtime::Result<()> {
        let (name, _) = forwarders.wanted.get(position).ok_or_else(|| missing("a forwarder"))?;
        let function = if let Some(definer) = definer {
            self.function(definer, name)?
        } else {
            let function = self.host.get(&mut *self.store, abi::ENV, name)?.into_func();
            function.ok_or_else(|| missing("a function of the host's"))?
        };
        let forwarders = self.main.forwarders.ok_or_else(|| missing("the forwarders"))?;
        let targets = forwarders.get_table(&mut *self.store, TARGETS);
        let targets = targets.ok_or_else(|| missing("the table of forwarders"))?;
        targets.set(&mut *self.store, position as u64, Ref::Func(Some(function)))
    }

    fn instance(&self, id: ModuleId) -> wasmtime::Result<Instance> {
        let loaded = || self.loaded.get(id.index()).copied().flatten();
        self.instances.get(&id).copied().or_else(loaded).ok_or_else(|| missing("an instance"))
    }

    fn function(&mut self, module: ModuleId, name: &str) -> wasmtime::Result<Func> {
        let function = self.instance(module)?.get_func(&mut *self.store, name);
        function.ok_or_else(|| missing("an exported function"))
    }

    fn thunk_imports(
        &mut self,
        load: ModuleId,
        thunks: &ThunkModule,
        compiled: &Module,
    ) -> wasmtime::Result<Vec<Extern>> {
        let mut imports = Vec::with_capacity(thunks.imports.len());
        for (import, declared) in thunks.imports.iter().zip(compiled.imports()) {
            imports.push(match import {
                ThunkImport::Table => self.resources.table()?.into(),
                ThunkImport::Memory => self.resources.memory()?.into(),
                ThunkImport::Binder => lazy::binder(self.store, load, thunks.lazy.clone()).into(),
                ThunkImport::Slot(slot) => self.i32_global(slot.0, Mutability::Const)?.into(),
                ThunkImport::Host { module, name } => {
                    match (self.host.get(&mut *self.store, module, name), declared.ty()) {
                        (Ok(function), _) => function,
                        (Err(_), ExternType::Func(ty)) => {
                            function_of_type(&mut *self.store, module, name, &ty).into()
                        }
                        (Err(error), _) => return Err(error),
                    }
                }
            });
        }
        Ok(imports)
    }

    fn import(
        &mut self,
        importer: ModuleId,
        position: usize,
        declared: &ImportType<'_>,
        bound: &BoundImport,
    ) -> wasmtime::Result<Extern> {
        Ok(match bound {
            BoundImport::Memory => self.resources.memory()?.into(),
            BoundImport::Table => self.resources.table()?.into(),
            BoundImport::StackPointer => self.resources.stack_pointer()?.into(),
            BoundImport::Constant(value) => self.i32_global(*value, Mutability::Const)?.into(),
            BoundImport::GotCell(value) => {
                let cell = self.i32_global(*value, Mutability::Var)?;
                if importer == ModuleId::MAIN {
                    self.main.cells.insert(position, cell);
                }
                cell.into()
            }
            BoundImport::Host => self.host.get(&mut *self.store, declared.module(), declared.name())?,
            BoundImport::Export { module, name } => {
                let export = self.instance(*module)?.get_export(&mut *self.store, name);
                export.ok_or_else(|| missing("an export"))?
            }
            BoundImport::Provided(provided) => {
                let made = self.provided.entry((importer, *provided));
                (*made.or_insert_with(|| function(self.store, importer, *provided))).into()
            }
            BoundImport::Thunk(index) => {
                let thunks = self.thunks.ok_or_else(|| missing("the thunks"))?;
                let thunk = thunks.get_export(&mut *self.store, &LoadPlan::thunk_export(*index));
                thunk.ok_or_else(|| missing("a thunk"))?
            }
            BoundImport::Forwarder(index) => {
                let forwarders = self.main.forwarders.ok_or_else(|| missing("the forwarders"))?;
                let forwarder = forwarders.get_export(&mut *self.store, &forwarder_export(*index));
                forwarder.ok_or_else(|| missing("a forwarder"))?
            }
            BoundImport::Tag(TagSource::Main(name)) => {
                let tag = self.instance(ModuleId::MAIN)?.get_export(&mut *self.store, name);
                tag.ok_or_else(|| missing("a tag"))?
            }
            BoundImport::Tag(TagSource::Process(name)) => process_tag(self.store, name)?.into(),
        })
    }

    fn i32_global(&mut self, value: u32, mutability: Mutability) -> wasmtime::Result<Global> {
        let ty = GlobalType::new(ValType::I32, mutability);
        Global::new(&mut *self.store, ty, Val::I32(value.cast_signed()))
    }
}

/// The host function whose address libraries may take, with the type that it has for them.
pub(crate) fn host_function(
    store: &mut StoreContextMut<'_, ProcessState>,
    name: &str,
    signature: &Signature,
) -> wasmtime::Result<Func> {
    let ty = function_type(store.as_context().engine(), signature);
    let ty = ty.ok_or_else(|| missing("a type of the engine's"))?;
    Ok(function_of_type(&mut *store, abi::ENV, name, &ty))
}

/// A plan names something that does not exist: a bug in pydl, reported instead of causing a panic.
fn missing(what: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("internal error in executing a load plan: {what} is missing"))
}
