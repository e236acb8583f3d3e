//! Owns the host side of Emscripten's `dlopen` family: `_dlopen_js` and `_dlsym_js`, with the C library's `struct dso` (Emscripten,
//! `system/lib/libc/dynlink.c`, `system/lib/libc/musl/src/internal/dynlink.h`). Must not know what loading a library takes.

use pydl_linker::rewrite::dlfcn_of_main::{self, DlfcnCall};
use pydl_linker::{Address, ModuleId, OpenMode};
use wasmtime::StoreContextMut;

use super::{Failure, refuse, rewritten};
use crate::memory::address_space::AddressSpace;
use crate::system::state::{Opener, ProcessState};

/// Offsets in `struct dso`, in bytes: flags at 4; whether memory was allocated, where and how much at 8, 12, 16; table slots at
/// 20, 24; the bytes of the file, which the host has to free, and their number at 28, 32; the path at 36.
mod dso {
    pub const FLAGS: u32 = 4;
    pub const ALLOCATED: u32 = 8;
    pub const FILE_DATA: u32 = 28;
    pub const NAME: u32 = 36;
}

/// The flags of `dlopen` that have a meaning here (`dlfcn.h`).
const FLAGS: u32 = 0x5107;
const LAZY: u32 = 1;
const NOW: u32 = 2;
/// What the host keeps for one record, in bytes.
const RECORD: u64 = 64;

type ProcessStore<'a> = StoreContextMut<'a, ProcessState>;

/// The requests of Emscripten's C library.
pub(crate) struct OfEmscripten;

impl Opener for OfEmscripten {
    fn open(&self, store: ProcessStore<'_>, dso: u32) -> wasmtime::Result<u32> {
        dlopen(store, dso)
    }

    fn symbol(&self, store: ProcessStore<'_>, handle: u32, name: u32) -> wasmtime::Result<u32> {
        dlsym(store, handle, name)
    }

    fn function_name(&self, mut store: ProcessStore<'_>, slot: u32) -> Option<String> {
        let namespace = super::namespace(&mut store).ok()?;
        let found = namespace.find_address(slot)?;
        let (name, _) = found.symbol?;
        Some(format!("`{name}` of {}", namespace.name(found.module)))
    }

    fn call(
        &self,
        store: ProcessStore<'_>,
        call: DlfcnCall,
        first: u32,
        second: u32,
    ) -> wasmtime::Result<u32> {
        rewritten::call(store, call, first, second)
    }
}

/// `_dlopen_js(dso)`: returns 1, or 0 with a message for `dlerror`.
fn dlopen(mut store: ProcessStore<'_>, dso: u32) -> wasmtime::Result<u32> {
    let space = super::linking(&mut store).map(|linking| linking.space.clone());
    let space = match space {
        Ok(space) => space,
        Err(failure) => return leave_error(&mut store, failure, 0),
    };
    match open(&mut store, &space, dso) {
        Ok(()) => Ok(1),
        Err(failure) => leave_error(&mut store, failure, 0),
    }
}

fn open(store: &mut ProcessStore<'_>, space: &AddressSpace, dso: u32) -> Result<(), Failure> {
    let flags = word(store, space, dso.saturating_add(dso::FLAGS))? & FLAGS;
    // A library opened with neither flag is opened with `RTLD_NOW`.
    let flags = if flags & (LAZY | NOW) == 0 { flags | NOW } else { flags };
    let name = name(store, space, dso.saturating_add(dso::NAME))?;
    free_file(store, space, dso)?;
    let mode = OpenMode::from_flags(flags).map_err(refuse)?;
    let charge = store.data().budget.charge(RECORD);
    let charge = charge.map_err(|error| refuse(format!("{name}: {error}")))?;
    let id = super::open(store, &name, mode)?;
    let linking = super::linking(store)?;
    linking.handles.insert(dso, (id, charge));
    let library = linking.namespace.library(id);
    let placed = library.map(|library| {
        let memory = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
        [1, library.memory_base.0, memory.memory_size, library.table_base.0, memory.table_size.get()]
    });
    let Some(placed) = placed else { return Ok(()) };
    let fields = placed.map(u32::to_le_bytes).concat();
    write(store, space, dso.saturating_add(dso::ALLOCATED), &fields)
}

/// Frees the copy of the file that the C library has read: libraries are read by the linker, with the guest's permissions.
fn free_file(store: &mut ProcessStore<'_>, space: &AddressSpace, dso: u32) -> Result<(), Failure> {
    let at = dso.saturating_add(dso::FILE_DATA);
    let data = word(store, space, at)?;
    if data != 0 {
        write(store, space, at, &[0; 8])?;
        space.give_back(&mut *store, Address(data)).map_err(|error| super::classify(store, error, "free"))?;
    }
    Ok(())
}

/// `_dlsym_js(handle, name, ...)`: returns an address or table slot, or 0 with a message for `dlerror`.
fn dlsym(mut store: ProcessStore<'_>, handle: u32, symbol: u32) -> wasmtime::Result<u32> {
    let found = find(&mut store, handle, symbol);
    match found {
        Ok(value) => Ok(value),
        Err(failure) => leave_error(&mut store, failure, 0),
    }
}

fn find(store: &mut ProcessStore<'_>, handle: u32, symbol: u32) -> Result<u32, Failure> {
    let linking = super::linking(store)?;
    let space = linking.space.clone();
    let handle = match linking.handles.get(&handle) {
        Some((id, _)) => super::handle_of(*id),
        None if handle == super::RTLD_NEXT => handle,
        // A `struct dso` that the host does not know belongs to the main program.
        None => super::RTLD_DEFAULT,
    };
    let name = name(store, &space, symbol)?;
    super::symbol(store, handle, &name)
}

/// The library, or the main module, whose handle is the C library's record of it: `emscripten_dlopen` returns such handles to its
/// caller, even where `dlopen` is the host's. `None` for other handles.
pub(super) fn module_of_record(
    store: &mut ProcessStore<'_>,
    handle: u32,
) -> Result<Option<ModuleId>, Failure> {
    /// The name in the record of the main program.
    const MAIN: &[u8] = b"__main__";
    let linking = super::linking(store)?;
    if let Some((id, _)) = linking.handles.get(&handle) {
        return Ok(Some(*id));
    }
    let is_handle = handle == super::RTLD_DEFAULT
        || handle == super::RTLD_NEXT
        || super::library_of(&linking.namespace, handle).is_ok();
    if is_handle {
        return Ok(None);
    }
    let space = linking.space.clone();
    let name = space.view(&*store).c_string(handle.saturating_add(dso::NAME), MAIN.len() + 1);
    Ok((name == Ok(MAIN)).then_some(ModuleId::MAIN))
}

/// The result, or `failed` with the message left for `dlerror`.
pub(super) fn or_seterr(
    store: &mut ProcessStore<'_>,
    result: Result<u32, Failure>,
    failed: u32,
) -> wasmtime::Result<u32> {
    match result {
        Ok(value) => Ok(value),
        Err(failure) => leave_error(store, failure, failed),
    }
}

/// Leaves a message for `dlerror`, in a form that `printf` does not alter.
pub(super) fn leave_error(
    store: &mut ProcessStore<'_>,
    failure: Failure,
    failed: u32,
) -> wasmtime::Result<u32> {
    let message = match failure {
        Failure::Refused(why) => why.to_string(),
        Failure::Ended(error) => return Err(error),
    };
    let Some(running) = store.data().running.clone() else { return Ok(failed) };
    let Some(space) = running.space else { return Ok(failed) };
    let Ok(set) = running.main.get_typed_func::<(u32, u32), ()>(&mut *store, dlfcn_of_main::SET_ERROR) else {
        return Ok(failed);
    };
    let text: Vec<u8> = message.replace('\0', "?").replace('%', "%%").bytes().chain([0]).collect();
    if let Some(address) = space.copy_in(&mut *store, &text)? {
        space.call(&mut *store, &set, (address.0, 0))?;
        space.give_back(&mut *store, address)?;
    }
    Ok(failed)
}

fn word(store: &mut ProcessStore<'_>, space: &AddressSpace, at: u32) -> Result<u32, Failure> {
    space.view(&*store).word(at).map_err(|_| out_of_memory(at))
}

fn write(store: &mut ProcessStore<'_>, space: &AddressSpace, at: u32, bytes: &[u8]) -> Result<(), Failure> {
    space.write(store, Address(at), bytes).map_err(|_| out_of_memory(at))
}

fn out_of_memory(at: u32) -> Failure {
    refuse(format!("the record at address {at:#x} is outside of the memory"))
}

pub(super) fn name(store: &mut ProcessStore<'_>, space: &AddressSpace, at: u32) -> Result<String, Failure> {
    let limit = store.data().budget.limits().symbol_name;
    super::name(space.view(&*store), at, limit)
}
