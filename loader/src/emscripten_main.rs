//! Owns how an Emscripten main module gets from compiled to running, which there JavaScript does: its imports, its constructors, its
//! arguments, its end. Must not know system calls.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use pydl_linker::{MainPlacement, abi};
use wasmtime::{
    AsContextMut, Extern, ExternType, Func, ImportType, Instance, Module, Store, StoreContextMut, Val,
    ValType,
};

use crate::address_space::{AddressSpace, Shared};
use crate::c_stack;
use crate::error::LoadError;
use crate::execute::process_tag;
use crate::image::Image;
use crate::pic_main::{self, Cell};
use crate::process::{ProcessState, Stop, is_of_guest};
use crate::python;
use crate::startup::{self, Forwarders};
use crate::system;

/// Runs what was registered for the end, and writes buffers out (Emscripten, `exitRuntime`).
const FUNCTIONS_ON_EXIT: &str = "__funcs_on_exit";
const FLUSH: &str = "fflush";
/// Takes room on the C stack: for the arguments of a program that exports no `malloc`.
const STACK_ALLOC: &str = "_emscripten_stack_alloc";

/// The name of the function that a main module begins with: a program's `main`, or CPython's own, which takes the arguments as they
/// are. `None` when it exports neither.
pub(crate) fn entry(exports: impl FnMut(&str) -> bool) -> Option<&'static str> {
    let mut exports = exports;
    [python::MAIN].into_iter().chain(abi::MAIN_FUNCTIONS).find(|name| exports(name))
}

/// An instantiated main module whose constructors have not run.
pub(crate) struct Instantiated {
    pub main: Instance,
    pub shared: Option<Shared>,
    cells: Vec<Cell>,
    forwarders: Option<Forwarders>,
}

/// Instantiates a main module, and the functions that its imports are served by.
pub(crate) fn instantiate(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &Module,
) -> Result<Instantiated, Stop> {
    // What a main module of its own addresses is like is seen without a look into its file.
    let takes_memory = module.imports().any(|import| import.ty().memory().is_some());
    let placement =
        if takes_memory { image.main_module().map_err(Stop::Refused)?.placement().copied() } else { None };
    let given = placement.map(|placement| pic_main::make_shared(store, module, &placement));
    let engine = |error| Stop::Refused(LoadError::engine(error));
    let given = given.transpose().map_err(engine)?;
    if let Some(given) = given {
        store.data_mut().system.set_memory(given.memory);
    }
    let forwarders = Forwarders::of(store, image).map_err(Stop::Refused)?;
    let given_to_main = given.zip(placement);
    let mut imports =
        Imports { image, given: given_to_main, forwarders: forwarders.as_ref(), cells: Vec::new() };
    let externs: Result<Vec<Extern>, LoadError> =
        module.imports().map(|import| imports.bind(store, &import)).collect();
    let externs = externs.map_err(Stop::Refused)?;
    let main = Instance::new(&mut *store, module, &externs);
    // Its start function is guest code.
    let main = main.map_err(|error| if is_of_guest(&error) { Stop::Guest(error) } else { engine(error) })?;
    let shared = given.or_else(|| Shared::exported(&mut *store, &main));
    let memory = shared.map(|shared| shared.memory).or_else(|| main.get_memory(&mut *store, abi::MEMORY));
    if let Some(memory) = memory {
        store.data_mut().system.set_memory(memory);
    }
    let cells = imports.cells;
    Ok(Instantiated { main, shared, cells, forwarders })
}

/// What a main module's imports are bound to.
struct Imports<'a> {
    image: &'a Image,
    /// What a position-independent one is given.
    given: Option<(Shared, MainPlacement)>,
    forwarders: Option<&'a Forwarders>,
    cells: Vec<Cell>,
}

impl Imports<'_> {
    fn bind(
        &mut self,
        store: &mut Store<ProcessState>,
        import: &ImportType<'_>,
    ) -> Result<Extern, LoadError> {
        let not_runnable =
            |why: String| LoadError::NotRunnable { name: self.image.path().display().to_string(), why };
        if let ExternType::Func(_) = import.ty() {
            let forwarder = self.forwarders.and_then(|them| them.get(store, import.module(), import.name()));
            if let Some(forwarder) = forwarder {
                return Ok(forwarder);
            }
            let function = self.image.host_functions.get(&mut *store, import.module(), import.name());
            return function.map_err(|error| not_runnable(error.to_string()));
        }
        if let Some(given) = self.given(store, import).map_err(LoadError::engine)? {
            return Ok(given);
        }
        if let ExternType::Global(ty) = import.ty()
            && let Some(cell) =
                Cell::new(store, import.module(), import.name(), &ty).map_err(LoadError::engine)?
        {
            let global = cell.global();
            self.cells.push(cell);
            return Ok(global.into());
        }
        let name = format!("{}.{}", import.module(), import.name());
        Err(not_runnable(format!("it imports `{name}`, which nothing provides")))
    }

    /// What the loader itself has under a name of `env`.
    fn given(
        &self,
        store: &mut Store<ProcessState>,
        import: &ImportType<'_>,
    ) -> wasmtime::Result<Option<Extern>> {
        let Some((shared, placement)) = self.given.filter(|_| import.module() == abi::ENV) else {
            return Ok(None);
        };
        Ok(Some(match import.name() {
            abi::MEMORY => shared.memory.into(),
            abi::TABLE => shared.table.into(),
            abi::STACK_POINTER => shared.stack_pointer.into(),
            abi::MEMORY_BASE => pic_main::base(store, placement.memory_base.0)?.into(),
            abi::TABLE_BASE => pic_main::base(store, placement.table_base.0)?.into(),
            // The same that libraries get.
            name @ (abi::CPP_EXCEPTION | abi::C_LONGJMP) => {
                process_tag(&mut store.as_context_mut(), name)?.into()
            }
            _ => return Ok(None),
        }))
    }
}

/// Loads what a main module needs, relocates it, and gives Python what it needs before it starts. The main module's constructors
/// run before its libraries', which ELF has the other way round: as in Emscripten, it holds the C and C++ library that all of
/// them use.
pub(crate) fn initialize(
    store: &mut Store<ProcessState>,
    image: &Image,
    instantiated: &Instantiated,
    space: Option<&AddressSpace>,
) -> Result<(), Stop> {
    let Instantiated { main, cells, forwarders, .. } = instantiated;
    // One that is position-independent knows its stack by GOT cells, which are filled below.
    let knows_its_stack = space.is_none_or(|space| space.main_base.0 == 0);
    if knows_its_stack {
        c_stack::begin(&mut store.as_context_mut(), main).map_err(Stop::Guest)?;
    }
    let plan = startup::load(store, image, forwarders.as_ref())?;
    if let Some(space) = space.filter(|space| space.main_base.0 > 0 || !cells.is_empty()) {
        let module = image.main_module().map_err(Stop::Refused)?;
        pic_main::fill(store, image, &module, main, space, cells).map_err(Stop::Guest)?;
        if let Ok(relocate) = main.get_typed_func::<(), ()>(&mut *store, abi::APPLY_DATA_RELOCS) {
            relocate.call(&mut *store, ()).map_err(Stop::Guest)?;
        }
    }
    if !knows_its_stack {
        c_stack::begin(&mut store.as_context_mut(), main).map_err(Stop::Guest)?;
    }
    if let Ok(constructors) = main.get_typed_func::<(), ()>(&mut *store, abi::CALL_CTORS) {
        constructors.call(&mut *store, ()).map_err(Stop::Guest)?;
    }
    startup::construct(store, image, plan.as_ref())?;
    let Some(space) = space else { return Ok(()) };
    python::emscripten::handle_signals(store, main, space).map_err(Stop::Refused)?;
    python::emscripten::install_trampoline(store, main, space).map_err(Stop::Refused)
}

/// Runs the guest's `main`, its own or that of a library that it needs; returns its status, after what happens at a program's end.
/// Errs when there is none, which only its libraries' constructors can have told, and as the guest does.
pub(crate) fn run(
    store: &mut Store<ProcessState>,
    image: &Image,
    main: &Instance,
    arguments: &[OsString],
) -> Result<i32, Stop> {
    let refused =
        |why: String| Stop::Refused(LoadError::NotRunnable { name: image.path().display().to_string(), why });
    let (name, program) = program(store, image, main)?.ok_or_else(|| {
        refused(
            "it exports no function `main`, nor does any of the libraries that it needs; link one of them with it"
                .to_owned(),
        )
    })?;
    let ty = program.ty(&*store);
    let is_integer = |ty: ValType| matches!(ty, ValType::I32);
    let parameters = ty.params().len();
    if parameters > MOST_PARAMETERS
        || ty.results().len() > 1
        || !ty.params().chain(ty.results()).all(is_integer)
    {
        return Err(refused(format!("`{name}` has the type {ty}, which C's `main` never has")));
    }
    let mut values = Vec::new();
    if parameters > 0 {
        let vector = pass_arguments(store, main, arguments).map_err(Stop::Guest)?;
        let count = i32::try_from(arguments.len()).map_err(|error| Stop::Guest(error.into()))?;
        values.extend([Val::I32(count), Val::I32(vector.cast_signed())]);
    }
    // An environment is not passed (Emscripten, `callMain`).
    values.resize(parameters, Val::I32(0));
    let mut results = vec![Val::I32(0); ty.results().len()];
    program.call(&mut *store, &values, &mut results).map_err(Stop::Guest)?;
    // The interpreter is gone by now, which functions of Python's extensions need.
    if name != python::MAIN {
        system::emscripten::run_timers(&mut store.as_context_mut()).map_err(Stop::Guest)?;
    }
    finish(&mut store.as_context_mut(), main).map_err(Stop::Guest)?;
    Ok(results.first().and_then(Val::i32).unwrap_or(0))
}

/// The parameters of `main(argc, argv, envp)`.
const MOST_PARAMETERS: usize = 3;

/// The function that the program begins with, and its name; `None` when neither the main module nor a library that it needs has one.
fn program(
    store: &mut Store<ProcessState>,
    image: &Image,
    main: &Instance,
) -> Result<Option<(&'static str, Func)>, Stop> {
    let name = entry(|name| main.get_func(store.as_context_mut(), name).is_some());
    match name {
        Some(name) => Ok(main.get_func(&mut *store, name).map(|function| (name, function))),
        None => startup::program(store, image),
    }
}

/// Puts the arguments into the guest's memory, as `argv`.
fn pass_arguments(
    store: &mut Store<ProcessState>,
    main: &Instance,
    arguments: &[OsString],
) -> wasmtime::Result<u32> {
    let memory = store.data().system.memory();
    let memory = memory.ok_or_else(|| wasmtime::Error::msg("the main module has no memory"))?;
    let mut texts = Vec::new();
    let mut offsets = Vec::new();
    for argument in arguments {
        offsets.push(u32::try_from(texts.len())?);
        texts.extend(argument.as_bytes().iter().filter(|byte| **byte != 0));
        texts.push(0);
    }
    let vector = u32::try_from((arguments.len() + 1) * 4)?;
    let size = vector.checked_add(u32::try_from(texts.len())?);
    let size = size.ok_or_else(|| wasmtime::Error::msg("the arguments do not fit the guest's memory"))?;
    let base = room(store, main, size)?;
    let places = offsets.iter().map(|offset| base.wrapping_add(vector).wrapping_add(*offset));
    let mut bytes: Vec<u8> = places.chain([0]).flat_map(u32::to_le_bytes).collect();
    bytes.extend(texts);
    if base == 0 || memory.write(&mut *store, base as usize, &bytes).is_err() {
        return Err(wasmtime::Error::msg("the guest has no memory for its arguments"));
    }
    Ok(base)
}

/// Memory for arguments, from what the main module exports: its allocator, or its C stack. 0 when there is none left.
fn room(store: &mut Store<ProcessState>, main: &Instance, size: u32) -> wasmtime::Result<u32> {
    if let Ok(allocate) = main.get_typed_func::<u32, u32>(&mut *store, abi::MALLOC) {
        return allocate.call(store, size);
    }
    if let Ok(allocate) = main.get_typed_func::<(u32, u32), u32>(&mut *store, abi::CALLOC) {
        return allocate.call(store, (size, 1));
    }
    let allocate = main.get_typed_func::<u32, u32>(&mut *store, STACK_ALLOC);
    let allocate = allocate.map_err(|_| {
        wasmtime::Error::msg(
            "the main module exports none of `malloc`, `calloc` and `_emscripten_stack_alloc` for its arguments",
        )
    })?;
    allocate.call(store, size)
}

/// What happens at a program's end: functions that were registered for it run, and buffers are written out.
pub(crate) fn finish(store: &mut StoreContextMut<'_, ProcessState>, main: &Instance) -> wasmtime::Result<()> {
    if let Ok(functions) = main.get_typed_func::<(), ()>(&mut *store, FUNCTIONS_ON_EXIT) {
        functions.call(&mut *store, ())?;
    }
    if let Ok(flush) = main.get_typed_func::<u32, u32>(&mut *store, FLUSH) {
        flush.call(&mut *store, 0)?;
    }
    Ok(())
}
