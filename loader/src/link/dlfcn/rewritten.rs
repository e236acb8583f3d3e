//! Owns the host side of the `dlopen` family of Emscripten main modules as the linker rewrites it
//! ([`pydl_linker::rewrite::dlfcn_of_main`]): arguments and results are those of the C functions. Must not know how a library is
//! loaded.

use pydl_linker::rewrite::dlfcn_of_main::DlfcnCall;
use pydl_linker::{ModuleId, OpenMode};
use wasmtime::StoreContextMut;

use super::{Failure, address, of_emscripten, refuse};
use crate::system::state::ProcessState;

type ProcessStore<'a> = StoreContextMut<'a, ProcessState>;

/// Performs a call of a function of the family, with its one or two arguments, and returns the function's result.
pub(crate) fn call(
    mut store: ProcessStore<'_>,
    call: DlfcnCall,
    first: u32,
    second: u32,
) -> wasmtime::Result<u32> {
    let store = &mut store;
    match call {
        DlfcnCall::Open => {
            let opened = open(store, first, second);
            of_emscripten::or_seterr(store, opened, 0)
        }
        DlfcnCall::Symbol => {
            let found = symbol(store, first, second);
            of_emscripten::or_seterr(store, found, 0)
        }
        DlfcnCall::Close => {
            let closed = close(store, first).map(|()| 0);
            of_emscripten::or_seterr(store, closed, u32::MAX)
        }
        DlfcnCall::Address => address::dladdr(store, first, second),
    }
}

fn open(store: &mut ProcessStore<'_>, file: u32, mode: u32) -> Result<u32, Failure> {
    let mode = OpenMode::from_flags(mode).map_err(refuse)?;
    let id = if file == 0 {
        ModuleId::MAIN
    } else {
        let space = super::linking(store)?.space.clone();
        let name = of_emscripten::name(store, &space, file)?;
        super::open(store, &name, mode)?
    };
    Ok(super::handle_of(id))
}

fn symbol(store: &mut ProcessStore<'_>, handle: u32, name: u32) -> Result<u32, Failure> {
    let space = super::linking(store)?.space.clone();
    let name = of_emscripten::name(store, &space, name)?;
    let handle = of_emscripten::module_of_record(store, handle)?.map_or(handle, super::handle_of);
    super::symbol(store, handle, &name)
}

/// Closes a library. A library that `emscripten_dlopen` opened stays in the C library's own list, and its handle is its record
/// there: it is never closed.
fn close(store: &mut ProcessStore<'_>, handle: u32) -> Result<(), Failure> {
    match of_emscripten::module_of_record(store, handle)? {
        Some(_) => Ok(()),
        None => super::close(store, handle),
    }
}
