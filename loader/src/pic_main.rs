//! Owns what a position-independent main module is given: the memory, the table and the stack pointer of its process, and the values
//! of its GOT cells, which others that need libraries have, too. Must not know system calls.

use pydl_linker::{Address, ExportKind, MainModule, MainPlacement, TableSlot, abi};
use wasmtime::{
    AsContextMut, Extern, ExternType, Global, GlobalType, Instance, Memory, Module, Mutability, Ref, Store,
    Table, Val, ValType,
};

use crate::address_space::{AddressSpace, Shared};
use crate::dlfcn::{self, Failure};
use crate::execute::set_slot;
use crate::image::Image;
use crate::process::ProcessState;

/// A global of `GOT.mem` or `GOT.func` that a main module imports.
pub(crate) struct Cell {
    name: String,
    is_function: bool,
    global: Global,
}

impl Cell {
    /// A cell that is 0, as those of what nothing defines stay.
    pub(crate) fn new(
        store: &mut Store<ProcessState>,
        module: &str,
        name: &str,
        ty: &GlobalType,
    ) -> wasmtime::Result<Option<Cell>> {
        let is_cell = matches!(ty.content(), ValType::I32) && ty.mutability() == Mutability::Var;
        if !is_cell || !matches!(module, abi::GOT_FUNC | abi::GOT_MEM) {
            return Ok(None);
        }
        let global = Global::new(&mut *store, ty.clone(), Val::I32(0))?;
        Ok(Some(Cell { name: name.to_owned(), is_function: module == abi::GOT_FUNC, global }))
    }

    /// What to pass for the import.
    pub(crate) fn global(&self) -> Global {
        self.global
    }
}

/// Makes what the module imports, as large as it wants it and as its place needs.
pub(crate) fn make_shared(
    store: &mut Store<ProcessState>,
    module: &Module,
    placement: &MainPlacement,
) -> wasmtime::Result<Shared> {
    let wanted = |name: &str| {
        let import = module.imports().find(|import| import.module() == abi::ENV && import.name() == name);
        import.map(|import| import.ty())
    };
    let (Some(ExternType::Memory(memory)), Some(ExternType::Table(table))) =
        (wanted(abi::MEMORY), wanted(abi::TABLE))
    else {
        return Err(wasmtime::Error::msg("the module imports no memory and table"));
    };
    let memory = Memory::new(&mut *store, memory)?;
    let page = memory.page_size(&store);
    let pages = u64::from(placement.stack_high.0).div_ceil(page);
    let missing = pages.saturating_sub(memory.size(&store));
    memory.grow(&mut *store, missing)?;
    let table = Table::new(&mut *store, table, Ref::Func(None))?;
    let missing = u64::from(placement.table_end.0).saturating_sub(table.size(&store));
    table.grow(&mut *store, missing, Ref::Func(None))?;
    let stack_pointer = GlobalType::new(ValType::I32, Mutability::Var);
    let start = Val::I32(placement.stack_high.0.cast_signed());
    let stack_pointer = Global::new(store, stack_pointer, start)?;
    Ok(Shared { memory, table, stack_pointer, main_base: placement.memory_base })
}

/// A new global that holds one of the module's bases.
pub(crate) fn base(store: &mut Store<ProcessState>, value: u32) -> wasmtime::Result<Global> {
    let ty = GlobalType::new(ValType::I32, Mutability::Const);
    Global::new(store, ty, Val::I32(value.cast_signed()))
}

/// Gives the cells their values: from the module's own exports, from the loader, and for functions of the host a slot.
pub(crate) fn fill(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &MainModule,
    instance: &Instance,
    space: &AddressSpace,
    cells: &[Cell],
) -> wasmtime::Result<()> {
    for cell in cells {
        let value = match value_in_process(store, image, &cell.name)? {
            Some(value) => Some(value),
            None if cell.is_function => {
                slot_of(store, image, module, instance, space, &cell.name)?.map(|slot| slot.0)
            }
            None => address_of(module, &cell.name),
        };
        if let Some(value) = value {
            cell.global.set(&mut *store, Val::I32(value.cast_signed()))?;
        }
    }
    Ok(())
}

/// What the main module or one of the libraries that it needs defines under a name; `None` when it needs none.
fn value_in_process(
    store: &mut Store<ProcessState>,
    image: &Image,
    name: &str,
) -> wasmtime::Result<Option<u32>> {
    if !image.needs_libraries {
        return Ok(None);
    }
    match dlfcn::symbol(&mut store.as_context_mut(), dlfcn::RTLD_DEFAULT, name) {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused(_)) => Ok(None),
        Err(Failure::Ended(error)) => Err(error),
    }
}

fn address_of(module: &MainModule, name: &str) -> Option<u32> {
    let placement = module.placement();
    let base = placement.map_or(Address(0), |placement| placement.memory_base);
    match module.module().exports.get(name).map(|export| export.kind) {
        Some(ExportKind::Data { offset }) => Some(base.plus(offset).0),
        _ => placement?.bound(name).map(|address| address.0),
    }
}

/// The slot of a function that the module exports, or that the host serves; `None` when there is no such function.
fn slot_of(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &MainModule,
    instance: &Instance,
    space: &AddressSpace,
    name: &str,
) -> wasmtime::Result<Option<TableSlot>> {
    let table_base = module.placement().map_or(TableSlot(0), |placement| placement.table_base);
    let name = &*module.module().exports.pointed_at(name);
    let own = match module.module().exports.get(name).map(|export| export.kind) {
        Some(ExportKind::Function { index, .. }) => module.module().element_slots.get(index),
        _ => None,
    };
    if let Some(slot) = own {
        return Ok(Some(slot.resolve(table_base)));
    }
    let exported = instance.get_func(&mut *store, name);
    let function = match exported {
        Some(function) => function,
        None => match image.host_functions.get(&mut *store, abi::ENV, name).map(Extern::into_func) {
            Ok(Some(function)) => function,
            _ => return Ok(None),
        },
    };
    let slot = space.take_slot(&mut *store);
    let slot = slot.ok_or_else(|| wasmtime::Error::msg("the function table is full"))?;
    set_slot(&mut store.as_context_mut(), space, slot, function)?;
    if exported.is_none() {
        dlfcn::record_host_slot(&mut store.as_context_mut(), name, slot);
    }
    Ok(Some(slot))
}
