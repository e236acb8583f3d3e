//! Owns the host side of `loader/guest/wasi/libdl.c`: the functions of import module `pydl_dlfcn_v1`, which read their arguments
//! from guest memory and leave errors for `dlerror`. Must not know how a library is loaded.

use pydl_linker::{ModuleId, OpenMode, Signature, abi};
use wasmparser::{FuncType, ValType};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory};

use super::{Failure, Refusal, address, introspection, refuse};
use crate::link::state::Links as _;
use crate::memory::view::{self, View};
use crate::system::state::ProcessState;

/// Defines the functions of `pydl_dlfcn_v1` and of `<link.h>`.
pub(crate) fn add_to_linker(linker: &mut Linker<ProcessState>) -> wasmtime::Result<()> {
    linker.func_wrap(abi::DLFCN, "dlopen", dlopen)?;
    linker.func_wrap(abi::DLFCN, "dlsym", dlsym)?;
    linker.func_wrap(abi::DLFCN, "dlclose", dlclose)?;
    linker.func_wrap(abi::DLFCN, "dlerror", dlerror)?;
    linker.func_wrap(abi::DLFCN, "dladdr", dladdr)?;
    linker.func_wrap(abi::ENV, abi::DLINFO, dlinfo)?;
    linker.func_wrap(abi::ENV, abi::DL_ITERATE_PHDR, dl_iterate_phdr)?;
    Ok(())
}

/// The functions that [`add_to_linker`] defines: import module, name and type. All take words and return one.
pub(crate) fn functions() -> Vec<(&'static str, &'static str, Signature)> {
    let all = [
        (abi::DLFCN, "dlopen", 2),
        (abi::DLFCN, "dlsym", 2),
        (abi::DLFCN, "dlclose", 1),
        (abi::DLFCN, "dlerror", 2),
        (abi::DLFCN, "dladdr", 2),
        (abi::ENV, abi::DLINFO, 3),
        (abi::ENV, abi::DL_ITERATE_PHDR, 2),
    ];
    let ty = |count| Signature::new(FuncType::new(vec![ValType::I32; count], [ValType::I32]));
    all.into_iter().map(|(module, name, count)| (module, name, ty(count))).collect()
}

type Guest<'a> = Caller<'a, ProcessState>;

/// `dlopen(file, flags)`: returns a handle, or 0 with an error pending.
fn dlopen(mut guest: Guest<'_>, file: u32, flags: u32) -> wasmtime::Result<u32> {
    let mode = OpenMode::from_flags(flags).map_err(refuse);
    let opened = mode.and_then(|mode| {
        if file == 0 {
            return Ok(ModuleId::MAIN);
        }
        let name = name(&mut guest, file)?;
        super::open(&mut guest.as_context_mut(), &name, mode)
    });
    or_pending(&mut guest, opened.map(super::handle_of), 0)
}

/// `dlsym(handle, name)`: returns an address or slot, or 0 with an error pending.
fn dlsym(mut guest: Guest<'_>, handle: u32, symbol: u32) -> wasmtime::Result<u32> {
    let found = name(&mut guest, symbol)
        .and_then(|symbol| super::symbol(&mut guest.as_context_mut(), handle, &symbol));
    or_pending(&mut guest, found, 0)
}

/// `dlclose(handle)`: returns 0, or -1 with an error pending.
fn dlclose(mut guest: Guest<'_>, handle: u32) -> wasmtime::Result<i32> {
    let closed = super::close(&mut guest.as_context_mut(), handle);
    or_pending(&mut guest, closed.map(|()| 0), -1)
}

/// `dlerror(buffer, size)`: returns the size of the pending message in bytes, with its NUL, or 0 if there is none. The message is
/// copied to `buffer`, and is then no longer pending, if `size` is sufficient.
fn dlerror(mut guest: Guest<'_>, buffer: u32, size: u32) -> wasmtime::Result<u32> {
    let message = guest.data().link().and_then(|link| link.dl_error.clone());
    let Some(message) = message else { return Ok(0) };
    // A NUL inside the message would end the C string early.
    let bytes: Vec<u8> = message.bytes().map(|b| if b == 0 { b'?' } else { b }).chain([0]).collect();
    let length = u32::try_from(bytes.len())?;
    if size >= length {
        let memory = memory(&mut guest)?;
        view::write(memory, &mut guest, buffer, &bytes)?;
        if let Some(link) = guest.data_mut().link_mut() {
            link.dl_error = None;
        }
    }
    Ok(length)
}

/// `dladdr(pointer, info)`: returns 1 with the four pointers of `Dl_info` filled in, or 0, without setting an error.
fn dladdr(mut guest: Guest<'_>, pointer: u32, info: u32) -> wasmtime::Result<u32> {
    address::dladdr(&mut guest.as_context_mut(), pointer, info)
}

/// The `dlinfo` of the main module itself, as for `dl_iterate_phdr`; `libdl.c` has neither.
fn dlinfo(mut guest: Guest<'_>, handle: u32, request: u32, argument: u32) -> wasmtime::Result<i32> {
    introspection::dlinfo(&mut guest.as_context_mut(), handle, request, argument)
}

fn dl_iterate_phdr(mut guest: Guest<'_>, callback: u32, data: u32) -> wasmtime::Result<i32> {
    introspection::dl_iterate_phdr(&mut guest.as_context_mut(), callback, data)
}

/// Leaves a message for `dlerror`.
pub(super) fn leave_error(state: &mut ProcessState, why: &Refusal) {
    if let Some(link) = state.link_mut() {
        link.dl_error = Some(why.to_string());
    }
}

/// The result, or `failed` with the message left for `dlerror`.
fn or_pending<T>(guest: &mut Guest<'_>, result: Result<T, Failure>, failed: T) -> wasmtime::Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(Failure::Refused(why)) => {
            leave_error(guest.data_mut(), &why);
            Ok(failed)
        }
        Err(Failure::Ended(error)) => Err(error),
    }
}

/// The caller's memory, which is the main module's. A side module that imports these functions itself calls them through a thunk,
/// which exports the memory, too.
fn memory(guest: &mut Guest<'_>) -> wasmtime::Result<Memory> {
    let export = guest.get_export(abi::MEMORY).and_then(Extern::into_memory);
    export.ok_or_else(|| wasmtime::Error::msg("the caller of a dlfcn function exports no memory"))
}

/// Reads a name that the guest passes.
fn name(guest: &mut Guest<'_>, address: u32) -> Result<String, Failure> {
    let memory = memory(guest).map_err(Failure::Ended)?;
    let limit = guest.data().budget.limits().symbol_name;
    super::name(View::of(memory, &*guest), address, limit)
}
