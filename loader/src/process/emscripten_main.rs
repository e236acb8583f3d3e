//! Owns how an Emscripten main module gets from compiled to running, which JavaScript does in Emscripten: its imports, its constructors,
//! its arguments, its end. Must not know system calls.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use pydl_linker::{LoadPlan, ModuleId, abi};
use wasmtime::{AsContextMut, Func, Instance, Module, Store, Val, ValType};

use super::image::Image;
use crate::base::error::{LoadError, Stop};
use crate::compile::recipes;
use crate::link::dlfcn::{self, Failure, Refusal};
use crate::link::ends::is_of_guest;
use crate::link::execute::{Execution, Generated, MainParts, Resources};
use crate::memory::address_space::{AddressSpace, Shared};
use crate::memory::view;
use crate::python;
use crate::system;
use crate::system::state::ProcessState;

/// Allocates room on the C stack, for the arguments of a program that exports no `malloc`.
const STACK_ALLOC: &str = "_emscripten_stack_alloc";

/// The name of the function that a main module begins with: a program's `main`, or CPython's own, which takes the arguments unchanged.
/// `None` when it exports neither.
pub(crate) fn entry(exports: impl FnMut(&str) -> bool) -> Option<&'static str> {
    let mut exports = exports;
    [python::MAIN].into_iter().chain(abi::MAIN_FUNCTIONS).find(|name| exports(name))
}

/// An instantiated main module whose constructors have not run.
pub(crate) struct Instantiated {
    pub main: Instance,
    pub shared: Option<Shared>,
    plan: Arc<LoadPlan>,
    pub parts: MainParts,
}

/// Instantiates a main module by its own plan.
pub(crate) fn instantiate(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &Module,
) -> Result<Instantiated, Stop> {
    let plan = image.main_plan().map_err(Stop::Refused)?;
    store.data().trace.plan(&plan);
    let made = make(store, image, module, plan, Time::First)?;
    store.data_mut().journal.enter(made.plan.clone());
    Ok(made)
}

/// Instantiates a main module as it was in another process, without running any of its code.
pub(crate) fn instantiate_again(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &Module,
) -> Result<Instantiated, Stop> {
    let plan = image.main_plan().map_err(Stop::Refused)?;
    make(store, image, module, plan, Time::Again)
}

/// Whether a plan is executed for the first time, or its instances are made again in another store.
#[derive(Clone, Copy)]
enum Time {
    First,
    Again,
}

/// Instantiates a main module by executing its plan.
fn make(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &Module,
    plan: Arc<LoadPlan>,
    time: Time,
) -> Result<Instantiated, Stop> {
    let forwarders = plan.forwarders().map(|forwarders| {
        let compiler = store.data().compiler.clone();
        compiler.compile("generated forwarders", &forwarders.bytes, &recipes::of_generated(), || {})
    });
    let forwarders = forwarders.transpose().map_err(Stop::Refused)?;
    let modules = BTreeMap::from([(ModuleId::MAIN, module.clone())]);
    let mut context = store.as_context_mut();
    let mut execution = Execution {
        store: &mut context,
        resources: Resources::default(),
        host: &image.host_functions,
        loaded: &[],
        modules: &modules,
        generated: Generated { forwarders, ..Generated::default() },
        instances: BTreeMap::new(),
        thunks: None,
        provided: BTreeMap::new(),
        main: MainParts::default(),
    };
    let executed = match time {
        Time::First => execution.prepare(&plan),
        Time::Again => execution.replay(&plan, None),
    };
    let Execution { resources, instances, main: parts, .. } = execution;
    // Its start function is guest code.
    executed.map_err(|error| {
        if is_of_guest(&error) { Stop::Ended(error) } else { Stop::Refused(LoadError::engine(error)) }
    })?;
    let lost =
        || Stop::Refused(LoadError::Engine("the plan of the main module makes no instance".to_owned()));
    let main = instances.get(&ModuleId::MAIN).copied().ok_or_else(lost)?;
    let base = plan.base_of_main();
    let shared = resources.shared(base).or_else(|| Shared::exported(&mut *store, &main));
    let memory = shared.map(|shared| shared.memory).or_else(|| main.get_memory(&mut *store, abi::MEMORY));
    if let Some(memory) = memory {
        store.data_mut().system.set_memory(memory);
    }
    Ok(Instantiated { main, shared, plan, parts })
}

/// Completes a main module with the libraries that it needs, runs constructors, and gives Python what it needs before it starts.
pub(crate) fn initialize(
    store: &mut Store<ProcessState>,
    image: &Image,
    instantiated: Instantiated,
    space: Option<&AddressSpace>,
) -> Result<(), Stop> {
    let Instantiated { main, plan, parts, .. } = instantiated;
    let completed = dlfcn::complete_main(&mut store.as_context_mut(), &plan, parts);
    let completed = completed.map_err(|failure| stop(image, failure))?;
    construct(store, image, &main, &completed.unwrap_or(plan))?;
    let Some(space) = space else { return Ok(()) };
    python::setup::handle_signals(store, &main, space).map_err(Stop::Refused)?;
    python::setup::install_trampoline(store, &main, space).map_err(Stop::Refused)
}

/// Runs the constructors of the plan that a main module begins with.
fn construct(
    store: &mut Store<ProcessState>,
    image: &Image,
    main: &Instance,
    plan: &LoadPlan,
) -> Result<(), Stop> {
    if plan.constructors().first() == Some(&ModuleId::MAIN) {
        let constructors = main.get_typed_func::<(), ()>(&mut *store, abi::CALL_CTORS);
        constructors.and_then(|constructors| constructors.call(&mut *store, ())).map_err(Stop::Ended)?;
    }
    if plan.libraries().is_empty() {
        return Ok(());
    }
    dlfcn::construct(&mut store.as_context_mut(), plan).map_err(|failure| stop(image, failure))
}

/// The program of a main module that has none of its own: the name and the function of the `main` of a library that it needs.
fn program_of_libraries(
    store: &mut Store<ProcessState>,
    image: &Image,
) -> Result<Option<(&'static str, Func)>, Stop> {
    if !image.needs_libraries {
        return Ok(None);
    }
    let mut context = store.as_context_mut();
    let linking = dlfcn::linking(&mut context).map_err(|failure| stop(image, failure))?;
    let Some((library, name)) = linking.namespace.program_of_libraries() else { return Ok(None) };
    let instance = linking.instance(library);
    Ok(instance.and_then(|instance| instance.get_func(store, name)).map(|function| (name, function)))
}

fn stop(image: &Image, failure: Failure) -> Stop {
    failure.map(|why| match why {
        Refusal::Link(error) => LoadError::Link(error),
        Refusal::Process(why) => LoadError::NotRunnable { name: image.path().display().to_string(), why },
    })
}

/// Runs the guest's `main`, its own or that of a library that it needs; returns its status, after what happens at a program's end. Errs
/// when there is none, which only shows after its libraries' constructors have run, and when the guest fails.
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
        let vector = pass_arguments(store, main, arguments).map_err(Stop::Ended)?;
        let count = i32::try_from(arguments.len()).map_err(|error| Stop::Ended(error.into()))?;
        values.extend([Val::I32(count), Val::I32(vector.cast_signed())]);
    }
    // Emscripten passes no environment (`callMain`).
    values.resize(parameters, Val::I32(0));
    let mut results = vec![Val::I32(0); ty.results().len()];
    program.call(&mut *store, &values, &mut results).map_err(Stop::Ended)?;
    // By now the interpreter is gone, and functions of Python's extensions would need it.
    if name != python::MAIN {
        system::emscripten::run_timers(&mut store.as_context_mut()).map_err(Stop::Ended)?;
    }
    system::emscripten::exit::finish(&mut store.as_context_mut(), main).map_err(Stop::Ended)?;
    Ok(results.first().and_then(Val::i32).unwrap_or(0))
}

/// The number of parameters of `main(argc, argv, envp)`.
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
        None => program_of_libraries(store, image),
    }
}

/// Writes the arguments into the guest's memory, as `argv`.
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
    if base == 0 || view::write(memory, &mut *store, base, &bytes).is_err() {
        return Err(wasmtime::Error::msg("the guest has no memory for its arguments"));
    }
    Ok(base)
}

/// Allocates memory for arguments with what the main module exports: its allocator, or its C stack. Returns 0 when there is none left.
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
