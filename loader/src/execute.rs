//! Owns the interpretation of load plans: one match arm for each step, and no policy. Must not know why a step is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{
    BoundImport, LoadPlan, LoadStep, ModuleId, Provided, Signature, TableSlot, TagSource, ThunkImport,
    ThunkModule, abi,
};
use wasmtime::{
    AsContext, Extern, ExternType, Func, FuncType, Global, GlobalType, Instance, Module, Mutability, Ref,
    StoreContextMut, Tag, TagType, Val, ValType,
};

use crate::address_space::AddressSpace;
use crate::c_stack;
use crate::dlfcn::lazy;
use crate::dlfcn::provided::function;
use crate::image;
use crate::process::ProcessState;
use crate::system::emscripten::imports::function_of_type;

/// What a plan is executed with, and what comes of it.
pub(crate) struct Execution<'a, 'store> {
    pub store: &'a mut StoreContextMut<'store, ProcessState>,
    pub space: &'a AddressSpace,
    /// The instances of the modules that are loaded, by id.
    pub loaded: &'a [Instance],
    /// The compiled new libraries.
    pub modules: &'a BTreeMap<ModuleId, Module>,
    /// The compiled thunk module.
    pub thunk_module: Option<&'a Module>,
    /// The instances that the plan makes, by id.
    pub instances: BTreeMap<ModuleId, Instance>,
    pub thunks: Option<Instance>,
    /// The functions made for single libraries.
    pub provided: BTreeMap<(ModuleId, Provided), Func>,
}

impl Execution<'_, '_> {
    /// Executes the steps up to the first constructor. Until then nothing outside of the plan's own reservation has
    /// changed, so that a failure can be taken back by releasing that.
    pub(crate) fn prepare(&mut self, plan: &LoadPlan) -> wasmtime::Result<()> {
        plan.steps().iter().try_for_each(|step| self.step(plan, step))
    }

    fn step(&mut self, plan: &LoadPlan, step: &LoadStep) -> wasmtime::Result<()> {
        match step {
            LoadStep::Zero { address, size } => {
                let start = address.0 as usize;
                let memory = self.space.memory.data_mut(&mut *self.store);
                let range = start..start.saturating_add(*size as usize);
                memory.get_mut(range).ok_or_else(|| missing("memory of the reservation"))?.fill(0);
            }
            LoadStep::InstantiateThunks => {
                let (Some(thunks), Some(module)) = (plan.thunk_module(), self.thunk_module) else {
                    return Err(missing("the compiled thunk module"));
                };
                let imports = self.thunk_imports(thunks, module)?;
                self.thunks = Some(Instance::new(&mut *self.store, module, &imports)?);
            }
            LoadStep::Instantiate { library, imports } => {
                let module = self.modules.get(library).ok_or_else(|| missing("a compiled library"))?;
                let imports: Vec<Extern> =
                    imports.iter().map(|import| self.import(*library, import)).collect::<Result<_, _>>()?;
                let planned = plan.library(*library).ok_or_else(|| missing("a library of the plan"))?;
                let names = &mut self.store.data_mut().code;
                names.note(module, &planned.library.path, Arc::downgrade(&planned.library.module));
                // Its start function is guest code.
                let instance = self
                    .space
                    .keeping_stack(&mut *self.store, |store| Instance::new(store, module, &imports))?;
                self.instances.insert(*library, instance);
            }
            LoadStep::SetSlot { slot, from: (module, name), .. } => {
                let function = self.function(*module, name)?;
                set_slot(&mut *self.store, self.space, *slot, function)?;
            }
            LoadStep::LimitStack(library) => {
                let instance = self.instance(*library)?;
                c_stack::limit(self.store, &instance)?;
            }
            LoadStep::SetHostSlot { slot, name, signature } => {
                let function = host_function(self.store, name, signature)?;
                set_slot(&mut *self.store, self.space, *slot, function)?;
            }
            LoadStep::Relocate(library) => {
                self.store.data().trace.relocate(plan.path(*library));
                let function = self.instance(*library)?;
                let function = function.get_typed_func::<(), ()>(&mut *self.store, abi::APPLY_DATA_RELOCS)?;
                self.space.call(&mut *self.store, &function, ())?;
            }
            // The process may run them later, and others before (`dlfcn/load.rs`).
            LoadStep::Construct(_) => {}
        }
        Ok(())
    }

    fn instance(&self, id: ModuleId) -> wasmtime::Result<Instance> {
        let loaded = || self.loaded.get(id.index()).copied();
        self.instances.get(&id).copied().or_else(loaded).ok_or_else(|| missing("an instance"))
    }

    fn function(&mut self, module: ModuleId, name: &str) -> wasmtime::Result<Func> {
        let function = self.instance(module)?.get_func(&mut *self.store, name);
        function.ok_or_else(|| missing("an exported function"))
    }

    fn thunk_imports(&mut self, thunks: &ThunkModule, compiled: &Module) -> wasmtime::Result<Vec<Extern>> {
        let mut imports = Vec::with_capacity(thunks.imports.len());
        for (import, declared) in thunks.imports.iter().zip(compiled.imports()) {
            imports.push(match import {
                ThunkImport::Table => self.space.table.into(),
                ThunkImport::Memory => self.space.memory.into(),
                ThunkImport::Binder => lazy::binder(self.store, thunks.lazy.clone()).into(),
                ThunkImport::Slot(slot) => self.i32_global(slot.0, Mutability::Const)?,
                ThunkImport::Host { module, name } => {
                    let running = self.store.data().running.clone();
                    let image = running.ok_or_else(|| missing("the process"))?.image;
                    match (image.host_functions.get(&mut *self.store, module, name), declared.ty()) {
                        (Ok(function), _) => function,
                        (Err(_), ExternType::Func(ty)) => {
                            function_of_type(&mut *self.store, module, name, &ty)?
                        }
                        (Err(error), _) => return Err(error),
                    }
                }
            });
        }
        Ok(imports)
    }

    fn import(&mut self, importer: ModuleId, import: &BoundImport) -> wasmtime::Result<Extern> {
        Ok(match import {
            BoundImport::Memory => self.space.memory.into(),
            BoundImport::Table => self.space.table.into(),
            BoundImport::StackPointer => self.space.stack_pointer.into(),
            BoundImport::Constant(value) => self.i32_global(*value, Mutability::Const)?,
            BoundImport::GotCell(value) => self.i32_global(*value, Mutability::Var)?,
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
            BoundImport::Tag(TagSource::Main(name)) => {
                let tag = self.instance(ModuleId::MAIN)?.get_export(&mut *self.store, name);
                tag.ok_or_else(|| missing("a tag"))?
            }
            BoundImport::Tag(TagSource::Process(name)) => process_tag(self.store, name)?.into(),
        })
    }

    fn i32_global(&mut self, value: u32, mutability: Mutability) -> wasmtime::Result<Extern> {
        let ty = GlobalType::new(ValType::I32, mutability);
        Ok(Global::new(&mut *self.store, ty, Val::I32(value.cast_signed()))?.into())
    }
}

/// The process's one tag of a name, of type `(i32)`: made when first asked for.
pub(crate) fn process_tag(
    store: &mut StoreContextMut<'_, ProcessState>,
    name: &str,
) -> wasmtime::Result<Tag> {
    if let Some(tag) = store.data().tags.get(name) {
        return Ok(*tag);
    }
    let ty = TagType::new(FuncType::new(store.as_context().engine(), [ValType::I32], []));
    let tag = Tag::new(&mut *store, &ty)?;
    store.data_mut().tags.insert(name.to_owned(), tag);
    Ok(tag)
}

/// The function of the host's that libraries may have the address of, in the type that it has for them.
pub(crate) fn host_function(
    store: &mut StoreContextMut<'_, ProcessState>,
    name: &str,
    signature: &Signature,
) -> wasmtime::Result<Func> {
    let ty = image::function_type(store.as_context().engine(), signature);
    let ty = ty.ok_or_else(|| missing("a type of the engine's"))?;
    let function = function_of_type(&mut *store, abi::ENV, name, &ty)?;
    function.into_func().ok_or_else(|| missing("a function of the host's"))
}

/// Puts a function into a slot of the process's table.
pub(crate) fn set_slot(
    store: &mut StoreContextMut<'_, ProcessState>,
    space: &AddressSpace,
    slot: TableSlot,
    function: Func,
) -> wasmtime::Result<()> {
    space.table.set(store, u64::from(slot.0), Ref::Func(Some(function)))
}

/// A plan names something that is not there: a mistake of pydl, told instead of a panic.
fn missing(what: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("internal error in executing a load plan: {what} is missing"))
}
