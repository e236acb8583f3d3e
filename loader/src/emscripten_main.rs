//! Owns how an Emscripten main module gets from compiled to running, which there JavaScript does: its imports, its constructors, its
//! arguments, its end. Must not know system calls.

use pydl_linker::abi;
use wasmtime::{
    AsContextMut, Extern, ExternType, Global, Instance, Memory, Module, Mutability, Store, StoreContextMut,
    Val, ValType,
};

use crate::address_space::AddressSpace;
use crate::error::LoadError;
use crate::image::Image;
use crate::process::{ProcessState, Stop};
use crate::python;

/// Names under which programs export their beginning, and CPython its own, which takes the arguments as they are.
const ENTRIES: [&str; 3] = ["Py_BytesMain", "__main_argc_argv", "main"];
/// Runs what was registered for the end, and writes buffers out (Emscripten, `exitRuntime`).
const FUNCTIONS_ON_EXIT: &str = "__funcs_on_exit";
const FLUSH: &str = "fflush";

/// The name of the function that a main module begins with; `None` when it exports none.
pub(crate) fn entry(exports: impl FnMut(&str) -> bool) -> Option<&'static str> {
    let mut exports = exports;
    ENTRIES.into_iter().find(|name| exports(name))
}

/// Instantiates a main module, and the functions that its imports are served by. Nothing of the guest runs.
pub(crate) fn instantiate(
    store: &mut Store<ProcessState>,
    image: &Image,
    module: &Module,
) -> Result<Instance, LoadError> {
    let mut imports = Vec::new();
    for import in module.imports() {
        let not_runnable =
            |why: String| LoadError::NotRunnable { name: image.path().display().to_string(), why };
        imports.push(match import.ty() {
            ExternType::Func(_) => image
                .host_functions
                .get(&mut *store, import.module(), import.name())
                .map_err(|error| not_runnable(error.to_string()))?,
            // Addresses of functions of JavaScript, which there are none of.
            ExternType::Global(ty)
                if matches!(import.module(), abi::GOT_FUNC | abi::GOT_MEM)
                    && matches!(ty.content(), ValType::I32)
                    && ty.mutability() == Mutability::Var =>
            {
                Extern::Global(Global::new(&mut *store, ty, Val::I32(0)).map_err(LoadError::engine)?)
            }
            _ => {
                let name = format!("{}.{}", import.module(), import.name());
                return Err(not_runnable(format!("it imports `{name}`, which nothing provides")));
            }
        });
    }
    Instance::new(&mut *store, module, &imports).map_err(LoadError::engine)
}

/// The memory that a main module exports.
pub(crate) fn memory(store: &mut Store<ProcessState>, main: &Instance) -> Option<Memory> {
    main.get_memory(store, abi::MEMORY)
}

/// Runs the constructors of a main module and gives Python what it needs before it starts.
pub(crate) fn initialize(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: Option<&AddressSpace>,
) -> Result<(), Stop> {
    if let Ok(constructors) = main.get_typed_func::<(), ()>(&mut *store, abi::CALL_CTORS) {
        constructors.call(&mut *store, ()).map_err(Stop::Guest)?;
    }
    match space {
        Some(space) => python::emscripten::install_trampoline(store, main, space).map_err(Stop::Refused),
        None => Ok(()),
    }
}

/// Runs the guest's `main`; returns its status, after what happens at a program's end.
pub(crate) fn run(
    store: &mut Store<ProcessState>,
    main: &Instance,
    arguments: &[String],
) -> Result<i32, wasmtime::Error> {
    let name = entry(|name| main.get_func(store.as_context_mut(), name).is_some());
    let name = name.ok_or_else(|| wasmtime::Error::msg("the main module exports no `main`"))?;
    let function = main.get_func(&mut *store, name);
    let takes_none = function.is_some_and(|function| function.ty(&store).params().len() == 0);
    let status = if takes_none {
        main.get_typed_func::<(), i32>(&mut *store, name)?.call(&mut *store, ())?
    } else {
        let vector = pass_arguments(store, main, arguments)?;
        let count = i32::try_from(arguments.len())?;
        main.get_typed_func::<(i32, u32), i32>(&mut *store, name)?.call(&mut *store, (count, vector))?
    };
    finish(&mut store.as_context_mut(), main)?;
    Ok(status)
}

/// Puts the arguments into the guest's memory, as `argv`.
fn pass_arguments(
    store: &mut Store<ProcessState>,
    main: &Instance,
    arguments: &[String],
) -> wasmtime::Result<u32> {
    let malloc = main.get_typed_func::<u32, u32>(&mut *store, abi::MALLOC)?;
    let memory =
        memory(store, main).ok_or_else(|| wasmtime::Error::msg("the main module exports no memory"))?;
    let mut texts = Vec::new();
    let mut offsets = Vec::new();
    for argument in arguments {
        offsets.push(u32::try_from(texts.len())?);
        texts.extend(argument.bytes().filter(|byte| *byte != 0));
        texts.push(0);
    }
    let vector = u32::try_from((arguments.len() + 1) * 4)?;
    let size = vector.checked_add(u32::try_from(texts.len())?);
    let size = size.ok_or_else(|| wasmtime::Error::msg("the arguments do not fit the guest's memory"))?;
    let base = malloc.call(&mut *store, size)?;
    let places = offsets.iter().map(|offset| base.wrapping_add(vector).wrapping_add(*offset));
    let mut bytes: Vec<u8> = places.chain([0]).flat_map(u32::to_le_bytes).collect();
    bytes.extend(texts);
    if base == 0 || memory.write(&mut *store, base as usize, &bytes).is_err() {
        return Err(wasmtime::Error::msg("the guest has no memory for its arguments"));
    }
    Ok(base)
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
