//! Owns what programs can find out about the loaded libraries: `dlinfo` with the list of `struct link_map`, and
//! `dl_iterate_phdr`. The layouts are those of `loader/guest/wasi/link.h`, which are ELF's for 32 bits. Must not know how
//! libraries are loaded and unloaded.

use pydl_linker::{Address, ModuleId, Namespace, TableSlot};

use super::address::intern;
use super::exits::call_slot;
use super::{Failure, ProcessStore, classify, invalid_handle, library_of, linking, refuse};

/// Size of `struct link_map`, in bytes: `l_addr`, `l_name`, `l_ld`, `l_next`, `l_prev`.
const LINK_MAP: usize = 5 * 4;
/// Size of `struct dl_phdr_info` and one `Elf32_Phdr` after it, in bytes.
const PHDR_INFO: u32 = 40;
/// A `RTLD_DI_*` request of glibc's `dlfcn.h`, as are the next two constants.
const DI_LMID: u32 = 1;
const DI_LINKMAP: u32 = 2;
const DI_ORIGIN: u32 = 6;
/// `PT_LOAD`; the next constant is `PF_R | PF_W`.
const LOAD: u32 = 1;
const READ_WRITE: u32 = 6;
/// A library's static data is aligned at least as an allocation is.
const ALIGNMENT: u32 = 16;

/// `dlinfo(handle, request, argument)`: returns 0, or -1 with an error for `dlerror`.
pub(crate) fn dlinfo(
    store: &mut ProcessStore<'_>,
    handle: u32,
    request: u32,
    argument: u32,
) -> wasmtime::Result<i32> {
    let failure = match answer(store, handle, request, argument) {
        Ok(()) => return Ok(0),
        Err(failure) => failure,
    };
    super::leave_error(store, failure)?;
    Ok(-1)
}

fn answer(store: &mut ProcessStore<'_>, handle: u32, request: u32, argument: u32) -> Result<(), Failure> {
    let record = super::module_of_record(store, handle)?;
    let linking = linking(store)?;
    let (space, namespace) = (linking.space.clone(), linking.namespace.clone());
    let library = match record {
        Some(library) => library,
        None => library_of(&namespace, handle)?,
    };
    let bytes = match request {
        DI_LMID => 0_u32.to_le_bytes().to_vec(),
        DI_LINKMAP => {
            drop(namespace);
            make_link_maps(store)?;
            let map = self::linking(store)?.link_maps.get(&library).copied();
            map.ok_or_else(|| invalid_handle(handle))?.0.to_le_bytes().to_vec()
        }
        DI_ORIGIN => {
            // The main module is not a file of the guest.
            let path = shown_name(&namespace, library);
            let folder = path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty());
            let folder = folder.unwrap_or("/");
            folder.bytes().chain([0]).collect()
        }
        other => return Err(refuse(format!("dlinfo: unsupported request {other}"))),
    };
    let outside = |_| refuse(format!("dlinfo: address {argument:#x} is outside of the memory"));
    space.write(store, Address(argument), &bytes).map_err(outside)
}

/// The name of a library in these structures: the main program's is empty, as in ELF.
fn shown_name(namespace: &Namespace, id: ModuleId) -> &str {
    if id == ModuleId::MAIN { "" } else { namespace.name(id) }
}

/// The main module and the libraries, in load order.
fn modules(namespace: &Namespace) -> Vec<ModuleId> {
    let libraries = namespace.libraries().iter().map(|library| library.id);
    std::iter::once(ModuleId::MAIN).chain(libraries).collect()
}

/// Brings the list of link maps up to date, if the guest has ever requested it.
pub(crate) fn refresh_link_maps(store: &mut ProcessStore<'_>) -> Result<(), Failure> {
    if linking(store)?.link_maps.is_empty() { Ok(()) } else { make_link_maps(store) }
}

/// The address of the link map of a module, created on demand; `None` when the guest is out of memory.
fn link_map(store: &mut ProcessStore<'_>, id: ModuleId) -> Result<Option<Address>, Failure> {
    let linking = linking(store)?;
    if let Some(known) = linking.link_maps.get(&id) {
        return Ok(Some(*known));
    }
    let space = linking.space.clone();
    let map = space.copy_in(&mut *store, &[0; LINK_MAP]).map_err(|e| classify(store, e, "dlinfo"))?;
    if let Some(map) = map {
        self::linking(store)?.link_maps.insert(id, map);
    }
    Ok(map)
}

/// Creates the link maps that are missing, and writes the whole list.
fn make_link_maps(store: &mut ProcessStore<'_>) -> Result<(), Failure> {
    let namespace = linking(store)?.namespace.clone();
    let no_memory = || refuse("dlinfo: the guest is out of memory");
    let mut maps = Vec::new();
    for id in modules(&namespace) {
        let map = link_map(store, id)?.ok_or_else(no_memory)?;
        let name = intern(store, id, shown_name(&namespace, id))?.ok_or_else(no_memory)?;
        maps.push((map, namespace.data_of(id).start, name));
    }
    let space = linking(store)?.space.clone();
    let at = |position: Option<usize>| position.and_then(|at| maps.get(at)).map_or(0, |(map, ..)| map.0);
    for (position, (map, base, name)) in maps.iter().enumerate() {
        let next = at(position.checked_add(1));
        let previous = at(position.checked_sub(1));
        let fields = [base.0, name.0, 0, next, previous].map(u32::to_le_bytes).concat();
        space.write(&mut *store, *map, &fields).map_err(|_| no_memory())?;
    }
    Ok(())
}

/// `dl_iterate_phdr(callback, data)`: returns what the last call of the callback returned; a result other than 0 ends the
/// iteration.
pub(crate) fn dl_iterate_phdr(
    store: &mut ProcessStore<'_>,
    callback: u32,
    data: u32,
) -> wasmtime::Result<i32> {
    let Ok(linking) = linking(store) else { return Ok(0) };
    let (space, namespace) = (linking.space.clone(), linking.namespace.clone());
    let record = space.copy_in(&mut *store, &[0; PHDR_INFO as usize + 32])?;
    let Some(record) = record else { return Ok(0) };
    let mut result = 0;
    for id in modules(&namespace) {
        let Some(bytes) = describe(store, id, record)? else { continue };
        space.write(&mut *store, record, &bytes)?;
        result = call_slot(store, TableSlot(callback), (record.0, PHDR_INFO, data))?;
        if result != 0 {
            break;
        }
    }
    space.give_back(&mut *store, record)?;
    Ok(result)
}

/// A `struct dl_phdr_info` at this address, followed by its one program header, which describes the static data; `None` for a
/// library that was unloaded meanwhile.
fn describe(store: &mut ProcessStore<'_>, id: ModuleId, at: Address) -> wasmtime::Result<Option<Vec<u8>>> {
    let Ok(linking) = linking(store) else { return Ok(None) };
    let namespace = linking.namespace.clone();
    if namespace.module(id).is_none() {
        return Ok(None);
    }
    let (loaded, left) = namespace.counts_of_loads_and_unloads();
    let data = namespace.data_of(id);
    let name = match intern(store, id, shown_name(&namespace, id)) {
        Ok(name) => name.unwrap_or(Address(0)),
        Err(Failure::Refused(_)) => Address(0),
        Err(Failure::Ended(error)) => return Err(error),
    };
    // Addresses of the main module are absolute, as in an ELF executable that is not position-independent.
    let base = if id == ModuleId::MAIN { namespace.main_base() } else { data.start };
    let size = data.end.0.saturating_sub(data.start.0);
    let header_count = u32::from(size > 0);
    let info = [base.0, name.0, at.plus(PHDR_INFO).0, header_count].map(u32::to_le_bytes).concat();
    let counts = [u64::from(loaded), u64::from(left)].map(u64::to_le_bytes).concat();
    let header = [LOAD, 0, data.start.0.wrapping_sub(base.0), 0, size, size, READ_WRITE, ALIGNMENT]
        .map(u32::to_le_bytes);
    Ok(Some([info, counts, vec![0; 8], header.concat()].concat()))
}
