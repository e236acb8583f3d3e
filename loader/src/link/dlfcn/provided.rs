//! Owns the functions that are made for each library ([`Provided`]), as they are called by guest code. Must not know what lies
//! behind them.

use pydl_linker::{ModuleId, Provided, TableSlot, abi};
use wasmtime::{AsContextMut, Caller, Func};

use super::exits::{ExitCall, atexit};
use super::{Failure, ProcessStore, address, introspection, linking};
use crate::system::state::ProcessState;

type Guest<'a> = Caller<'a, ProcessState>;

/// Makes a provided function for a library.
pub(crate) fn function(store: &mut ProcessStore<'_>, library: ModuleId, provided: Provided) -> Func {
    match provided {
        Provided::Dlopen => Func::wrap(store, move |mut guest: Guest<'_>, name: u32, mode: u32| {
            call_main(&mut guest.as_context_mut(), library, abi::DLOPEN, (name, mode))
        }),
        Provided::Dlsym => Func::wrap(store, move |mut guest: Guest<'_>, handle: u32, name: u32| {
            call_main(&mut guest.as_context_mut(), library, abi::DLSYM, (handle, name))
        }),
        Provided::CxaAtexit => {
            Func::wrap(store, move |mut guest: Guest<'_>, function: u32, argument: u32, dso: u32| {
                let call = ExitCall::WithArgument(TableSlot(function), argument);
                atexit(&mut guest.as_context_mut(), library, call, Some(dso))
            })
        }
        Provided::Atexit => Func::wrap(store, move |mut guest: Guest<'_>, function: u32| {
            atexit(&mut guest.as_context_mut(), library, ExitCall::Plain(TableSlot(function)), None)
        }),
        Provided::Dladdr => Func::wrap(store, |mut guest: Guest<'_>, pointer: u32, info: u32| {
            address::dladdr(&mut guest.as_context_mut(), pointer, info)
        }),
        Provided::Dlinfo => {
            Func::wrap(store, |mut guest: Guest<'_>, handle: u32, request: u32, argument: u32| {
                introspection::dlinfo(&mut guest.as_context_mut(), handle, request, argument)
            })
        }
        Provided::DlIteratePhdr => Func::wrap(store, |mut guest: Guest<'_>, callback: u32, data: u32| {
            introspection::dl_iterate_phdr(&mut guest.as_context_mut(), callback, data)
        }),
    }
}

/// Calls the main module's function of this name, with the caller recorded for the host function behind it.
fn call_main(
    store: &mut ProcessStore<'_>,
    caller: ModuleId,
    function: &str,
    parameters: (u32, u32),
) -> wasmtime::Result<u32> {
    let (main, space) = match linking(store) {
        Ok(linking) => {
            linking.caller = caller;
            (linking.main(), linking.space.clone())
        }
        Err(Failure::Ended(error)) => return Err(error),
        // Libraries run only in processes that can load libraries.
        Err(Failure::Refused(why)) => return Err(wasmtime::Error::msg(why.to_string())),
    };
    let function = main.get_typed_func::<(u32, u32), u32>(&mut *store, function)?;
    let result = space.call(&mut *store, &function, parameters);
    if let Ok(linking) = linking(store) {
        // The main module may have answered without calling the host.
        linking.caller = ModuleId::MAIN;
    }
    result
}
