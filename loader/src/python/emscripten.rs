//! Owns how Emscripten's CPython is brought up: its file tree, and the trampoline for calls of C functions that take fewer
//! arguments than they are given. Must not know system calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use pydl_linker::{SlotContent, trampolines};
use wasmtime::{AsContextMut, Func, Instance, Store, StoreContextMut, Val};

use super::Installation;
use super::bytecode::{self, Kept, Place};
use super::packages::{PACKAGE_FOLDERS, Packages};
use super::wheel::Wheel;
use crate::address_space::AddressSpace;
use crate::archive::Archive;
use crate::engine::Kind;
use crate::error::LoadError;
use crate::image::Image;
use crate::interrupt::{InterruptHandle, Interruption};
use crate::options::Mount;
use crate::process::ProcessState;
use crate::recipes;
use crate::slots;
use crate::system::kernel::Kernel;

/// The export that holds the address of CPython's runtime state.
const RUNTIME: &str = "_PyRuntime";
/// The standard library of a main module, which its processes share.
#[derive(Clone)]
pub(crate) struct Python {
    installation: Installation,
    archive: Arc<Archive>,
    bytecode: Option<Arc<Archive>>,
}

impl Python {
    /// Looks for the standard library of a main module, and compiles it if that has not been done. Errs when it is damaged.
    pub(crate) fn of(image: &Image) -> Result<Option<Python>, LoadError> {
        let Some(installation) = Installation::beside(image.path()) else { return Ok(None) };
        let Some(path) = installation.archive() else { return Ok(None) };
        let archive = Arc::new(Archive::open(path)?);
        let mut python = Python { installation, archive, bytecode: None };
        let mut image = image.clone();
        image.python = Some(Arc::new(python.clone()));
        let root = python.installation.guest_library();
        let place = Place { root: &root, excluded: &python.site_packages() };
        python.bytecode = match bytecode::kept(&image, &python.archive) {
            Kept::Whole(bytecode) => Some(bytecode),
            Kept::Absent => bytecode::make(&image, &python.archive, &place, |_| Ok(()), None),
            Kept::Nowhere => None,
        };
        Ok(Some(python))
    }

    fn site_packages(&self) -> String {
        format!("{}/site-packages", self.installation.guest_library())
    }

    /// Puts the standard library and packages where Python looks for them.
    pub(crate) fn furnish(
        &self,
        kernel: &mut Kernel,
        image: &Image,
        packages: &Packages,
    ) -> Result<(), LoadError> {
        let library = PathBuf::from(self.installation.guest_library());
        kernel.show(&self.installation.executable(), Arc::from(&b""[..]), 0o755)?;
        kernel.show_folder(&library.join("lib-dynload"))?;
        for (index, entry) in self.archive.entries().iter().enumerate().filter(|(_, entry)| !entry.is_folder)
        {
            kernel.show_archived(&library.join(&entry.name), &self.archive, index)?;
        }
        self.show_bytecode(kernel, &library, self.bytecode.as_ref())?;
        let site_packages = PathBuf::from(self.site_packages());
        kernel.show_folder(&site_packages)?;
        for wheel in &packages.wheels {
            self.show_wheel(kernel, image, &site_packages, wheel)?;
        }
        mount_folders(kernel, &site_packages, &packages.folders)
    }

    /// Shows a wheel's files, but those that another wheel has shown, with their byte code.
    fn show_wheel(
        &self,
        kernel: &mut Kernel,
        image: &Image,
        site_packages: &Path,
        wheel: &Wheel,
    ) -> Result<(), LoadError> {
        for (path, index) in wheel.files() {
            let guest = site_packages.join(path);
            if !kernel.is_there(&guest) {
                kernel.show_archived(&guest, wheel.archive(), index)?;
            }
        }
        match bytecode::kept(image, wheel.archive()) {
            Kept::Whole(bytecode) => self.show_bytecode(kernel, site_packages, Some(&bytecode)),
            Kept::Absent | Kept::Nowhere => Ok(()),
        }
    }

    /// The wheels whose byte code is still to be made.
    pub(crate) fn uncompiled(image: &Image, packages: &Packages) -> Vec<Arc<Wheel>> {
        let is_absent = |wheel: &&Arc<Wheel>| matches!(bytecode::kept(image, wheel.archive()), Kept::Absent);
        packages.wheels.iter().filter(is_absent).cloned().collect()
    }

    /// Makes the byte code of a wheel and shows it to a process, which `handle` interrupts.
    pub(crate) fn compile(
        &self,
        kernel: &mut Kernel,
        image: &Image,
        wheel: &Wheel,
        handle: &InterruptHandle,
    ) -> Result<(), LoadError> {
        let root = self.site_packages();
        let site_packages = Path::new(&root);
        let show = |kernel: &mut Kernel| {
            let mut files = wheel.files();
            files.try_for_each(|(path, index)| {
                kernel.show_archived(&site_packages.join(path), wheel.archive(), index)
            })
        };
        let place = Place { root: &root, excluded: "" };
        let bytecode = bytecode::make(image, wheel.archive(), &place, show, Some(handle));
        self.show_bytecode(kernel, site_packages, bytecode.as_ref())
    }

    fn show_bytecode(
        &self,
        kernel: &mut Kernel,
        root: &Path,
        bytecode: Option<&Arc<Archive>>,
    ) -> Result<(), LoadError> {
        let entries = bytecode.into_iter().flat_map(|archive| archive.entries().iter().enumerate());
        for ((index, entry), archive) in entries.zip(std::iter::repeat(bytecode)) {
            let path = bytecode::path_of(&root.join(&entry.name), self.installation.minor());
            if let (Some(path), Some(archive)) = (path, archive)
                && !kernel.is_there(&path)
            {
                kernel.show_archived(&path, archive, index)?;
            }
        }
        Ok(())
    }
}

/// Mounts folders of packages, and has Python's `site` module put them on `sys.path`.
fn mount_folders(kernel: &mut Kernel, site_packages: &Path, folders: &[PathBuf]) -> Result<(), LoadError> {
    let mut paths = String::new();
    for (number, folder) in folders.iter().enumerate() {
        let guest = format!("{PACKAGE_FOLDERS}/{number}");
        kernel.mount(&Mount { host: folder.clone(), guest: guest.clone(), read_only: true })?;
        paths.push_str(&guest);
        paths.push('\n');
    }
    if paths.is_empty() {
        return Ok(());
    }
    let file = site_packages.join("pydl-packages.pth");
    kernel.show(file.to_str().unwrap_or_default(), paths.into_bytes().into(), 0o644)
}

/// Has CPython ask for signals where nothing else tells it of them.
pub(crate) fn handle_signals(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: &AddressSpace,
) -> Result<(), LoadError> {
    if store.data().compiler.kind() != Kind::Emscripten(Interruption::WhereAsked) {
        return Ok(());
    }
    match address_of(store, main, space, super::ASKS_FOR_SIGNALS) {
        Some(flag) => space.memory.write(store, flag as usize, &1_u32.to_le_bytes()).map_err(lost),
        None => Ok(()),
    }
}

/// The address that an export of the main module holds.
fn address_of(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: &AddressSpace,
    name: &str,
) -> Option<u32> {
    let global = main.get_global(&mut *store, name)?;
    match global.get(&mut *store) {
        Val::I32(offset) => Some(space.main_base.plus(offset.cast_unsigned()).0),
        _ => None,
    }
}

fn lost(_: wasmtime::MemoryAccessError) -> LoadError {
    LoadError::Engine("CPython's state is outside of its memory".to_owned())
}

/// What the generated module is called in backtraces.
const GENERATED: &str = "pydl trampolines";

/// Gives CPython its trampoline, if it has a place for one.
pub(crate) fn install_trampoline(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: &AddressSpace,
) -> Result<(), LoadError> {
    let Some(runtime) = address_of(store, main, space, RUNTIME) else { return Ok(()) };
    for (number, offset_name) in trampolines::OFFSETS.into_iter().enumerate() {
        let Some(offset_at) = address_of(store, main, space, offset_name) else { continue };
        let Some(slot) = space.take_slot(&mut *store) else { continue };
        let content = SlotContent::Trampoline(number);
        slots::fill(&mut store.as_context_mut(), space, slot, content).map_err(LoadError::engine)?;
        let mut offset = [0; 4];
        let memory = space.memory;
        memory.read(&mut *store, offset_at as usize, &mut offset).map_err(lost)?;
        let place = runtime.saturating_add(u32::from_le_bytes(offset));
        memory.write(&mut *store, place as usize, &slot.0.to_le_bytes()).map_err(lost)?;
        if let Some(system) = store.data_mut().system.emscripten_mut() {
            system.trampoline = slot.0;
        }
    }
    Ok(())
}

/// The function of a generated trampoline.
pub(crate) fn trampoline_function(
    store: &mut StoreContextMut<'_, ProcessState>,
    space: &AddressSpace,
    bytes: &[u8],
) -> wasmtime::Result<Func> {
    let compiler = store.data().compiler.clone();
    let module = compiler.compile("generated trampoline", bytes, &recipes::of_generated(), || {});
    let module = module.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let imports: Vec<_> = module
        .imports()
        .map(|import| if import.ty().memory().is_some() { space.memory.into() } else { space.table.into() })
        .collect();
    store.data_mut().code.note(&module, GENERATED, Weak::new());
    let instance = Instance::new(&mut *store, &module, &imports)?;
    let function = instance.get_func(&mut *store, trampolines::FUNCTION);
    function.ok_or_else(|| wasmtime::Error::msg("internal error: a generated trampoline exports no function"))
}
