//! Owns how Emscripten's CPython is brought up: its file tree, and the trampoline for calls of C functions that take fewer
//! arguments than they are given. Must not know system calls.

use std::path::PathBuf;
use std::sync::Arc;

use pydl_linker::trampolines;
use wasmtime::{AsContextMut, Instance, Store, Val};

use super::Installation;
use super::packages::{PACKAGE_FOLDERS, Packages};
use crate::address_space::AddressSpace;
use crate::archive::Archive;
use crate::error::LoadError;
use crate::execute::set_slot;
use crate::options::Mount;
use crate::process::ProcessState;
use crate::system::emscripten::Emscripten;

/// The export that holds the address of CPython's runtime state, and the one that holds the address of the offset in it of the
/// trampoline's table slot (Pyodide, `cpython/patches`).
const RUNTIME: &str = "_PyRuntime";
const TRAMPOLINE_OFFSET: &str = "_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET";

/// Puts the standard library and packages where Python looks for them.
pub(crate) fn furnish(
    system: &mut Emscripten,
    installation: &Installation,
    packages: &Packages,
) -> Result<(), LoadError> {
    let library = PathBuf::from(installation.guest_library());
    system.show(&installation.executable(), Arc::from(&b""[..]), 0o755)?;
    system.show_folder(&library.join("lib-dynload"))?;
    if let Some(path) = installation.archive() {
        let archive = Arc::new(Archive::open(path)?);
        for (index, entry) in archive.entries().iter().enumerate().filter(|(_, entry)| !entry.is_folder) {
            system.show_archived(&library.join(&entry.name), &archive, index)?;
        }
    }
    let site_packages = library.join("site-packages");
    system.show_folder(&site_packages)?;
    for (path, file) in &packages.files {
        system.show_archived(&site_packages.join(path), &file.archive, file.index)?;
    }
    let mut paths = String::new();
    for (number, folder) in packages.folders.iter().enumerate() {
        let guest = format!("{PACKAGE_FOLDERS}/{number}");
        system.mount(&Mount { host: folder.clone(), guest: guest.clone(), read_only: true })?;
        paths.push_str(&guest);
        paths.push('\n');
    }
    if !paths.is_empty() {
        let file = site_packages.join("pydl-packages.pth");
        let name = file.to_str().unwrap_or_default().to_owned();
        system.show(&name, paths.into_bytes().into(), 0o644)?;
    }
    Ok(())
}

/// Gives CPython its trampoline, if it has a place for one.
pub(crate) fn install_trampoline(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: &AddressSpace,
) -> Result<(), LoadError> {
    let address_of = |store: &mut Store<ProcessState>, name: &str| {
        let global = main.get_global(&mut *store, name)?;
        match global.get(&mut *store) {
            Val::I32(address) => Some(address.cast_unsigned()),
            _ => None,
        }
    };
    let runtime = address_of(store, RUNTIME);
    let (Some(runtime), Some(offset_at)) = (runtime, address_of(store, TRAMPOLINE_OFFSET)) else {
        return Ok(());
    };
    let Some(slot) = instantiate(store, space, &trampolines::call())? else { return Ok(()) };
    let mut offset = [0; 4];
    let memory = space.memory;
    let lost = |_| LoadError::Engine("CPython's runtime state is outside of its memory".to_owned());
    memory.read(&mut *store, offset_at as usize, &mut offset).map_err(lost)?;
    let place = runtime.checked_add(u32::from_le_bytes(offset)).unwrap_or(u32::MAX);
    memory.write(store, place as usize, &slot.to_le_bytes()).map_err(lost)
}

/// Makes a generated module's function one of the process's, and returns its slot; `None` when the table is full.
fn instantiate(
    store: &mut Store<ProcessState>,
    space: &AddressSpace,
    bytes: &[u8],
) -> Result<Option<u32>, LoadError> {
    let compiler = store.data().compiler.clone();
    let module = compiler.compile("generated trampoline", bytes, || {})?;
    let imports: Vec<_> = module
        .imports()
        .map(|import| if import.ty().memory().is_some() { space.memory.into() } else { space.table.into() })
        .collect();
    let instance = Instance::new(&mut *store, &module, &imports).map_err(LoadError::engine)?;
    let function = instance.get_func(&mut *store, trampolines::FUNCTION);
    let (Some(function), Some(slot)) = (function, space.take_slot(&mut *store)) else { return Ok(None) };
    set_slot(&mut store.as_context_mut(), space, slot, function).map_err(LoadError::engine)?;
    Ok(Some(slot.0))
}
