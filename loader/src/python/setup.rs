//! Owns how Emscripten's CPython is set up: its file tree, and the trampoline for calls of C functions that take fewer arguments
//! than they are given. Must not know system calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pydl_linker::{Address, SlotContent, trampolines};
use wasmtime::{AsContextMut, Instance, Store, Val};

use super::Installation;
use super::bytecode::{self, Kept};
use super::packages::{PACKAGE_FOLDERS, Packages};
use super::wheel::Wheel;
use crate::base::error::LoadError;
use crate::base::interrupt::Interruption;
use crate::base::options::Mount;
use crate::compile::cache::Cache;
use crate::compile::engine::ProcessKind;
use crate::compile::kind::ASKS_FOR_SIGNALS;
use crate::compile::main_file::MainFile;
use crate::link::slots;
use crate::memory::address_space::AddressSpace;
use crate::memory::view::OutOfBounds;
use crate::system::archive::Archive;
use crate::system::kernel::Kernel;
use crate::system::state::ProcessState;

/// The export that holds the address of CPython's runtime state.
const RUNTIME: &str = "_PyRuntime";
/// The standard library of a main module, which its processes share.
pub(crate) struct Python {
    installation: Installation,
    archive: Arc<Archive>,
    /// The byte code of the standard library, once it exists.
    bytecode: OnceLock<Arc<Archive>>,
}

/// An archive whose byte code has yet to be made, and where in the guest its files are: below `root`, except for what is
/// `excluded`.
#[derive(Clone)]
pub(crate) struct Uncompiled {
    pub archive: Arc<Archive>,
    pub root: String,
    pub excluded: String,
    /// The files to show, with their indices in the archive.
    pub files: Vec<(String, usize)>,
    /// Whether the archive is the standard library.
    pub is_library: bool,
}

impl Python {
    /// Looks for the standard library of a main module, and its byte code if the cache has that; `None` when there is none that is whole.
    pub(crate) fn of(main: &MainFile, cache: Option<&Cache>) -> Option<Python> {
        let beside = main.is_file().then(|| Installation::found_beside(&main.path)).flatten();
        let Some((installation, Some(archive))) = beside else { return None };
        let python = Python { archive: Arc::new(archive), installation, bytecode: OnceLock::new() };
        if let Kept::Whole(bytecode) = bytecode::kept(cache, main, &python.archive) {
            python.set_bytecode(bytecode);
        }
        Some(python)
    }

    /// Where the standard library is.
    pub(crate) fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Sets the byte code of the standard library, for processes that are made from now on.
    pub(crate) fn set_bytecode(&self, bytecode: Arc<Archive>) {
        let _ = self.bytecode.set(bytecode);
    }

    fn site_packages(&self) -> String {
        format!("{}/site-packages", self.installation.guest_library())
    }

    /// Puts the standard library and packages where Python looks for them.
    pub(crate) fn furnish(
        &self,
        kernel: &mut Kernel,
        main: &MainFile,
        cache: Option<&Cache>,
        packages: &Packages,
    ) -> Result<(), LoadError> {
        let library = PathBuf::from(self.installation.guest_library());
        let bytecode = self.bytecode.get().map_or(0, |archive| archive.entries().len());
        kernel.expect(self.archive.entries().len().saturating_add(bytecode));
        kernel.show(&self.installation.executable(), Arc::from(&b""[..]), 0o755)?;
        kernel.show_folder(&library.join("lib-dynload"))?;
        for (index, entry) in self.archive.entries().iter().enumerate().filter(|(_, entry)| !entry.is_folder)
        {
            kernel.show_archived(&library.join(&entry.name), &self.archive, index)?;
        }
        self.show_bytecode(kernel, &library, self.bytecode.get())?;
        let site_packages = PathBuf::from(self.site_packages());
        kernel.show_folder(&site_packages)?;
        for wheel in &packages.wheels {
            show_wheel(kernel, &site_packages, wheel)?;
            if let Kept::Whole(bytecode) = bytecode::kept(cache, main, wheel.archive()) {
                self.show_bytecode(kernel, &site_packages, Some(&bytecode))?;
            }
        }
        mount_folders(kernel, &site_packages, &packages.folders)
    }

    /// The archives that have no byte code yet and can be given some: the standard library, and wheels.
    pub(crate) fn uncompiled(
        &self,
        main: &MainFile,
        cache: Option<&Cache>,
        wheels: &[Arc<Wheel>],
    ) -> Vec<Uncompiled> {
        let is_absent = |archive: &Archive| matches!(bytecode::kept(cache, main, archive), Kept::Absent);
        let library = (self.bytecode.get().is_none() && is_absent(&self.archive)).then(|| Uncompiled {
            archive: self.archive.clone(),
            root: self.installation.guest_library(),
            excluded: self.site_packages(),
            files: Vec::new(),
            is_library: true,
        });
        let wheels = wheels.iter().filter(|wheel| is_absent(wheel.archive())).map(|wheel| Uncompiled {
            archive: wheel.archive().clone(),
            root: self.site_packages(),
            excluded: String::new(),
            files: wheel.files().map(|(path, index)| (path.to_owned(), index)).collect(),
            is_library: false,
        });
        library.into_iter().chain(wheels).collect()
    }

    /// Shows newly made byte code to a process that was made before.
    pub(crate) fn show_made(
        &self,
        kernel: &mut Kernel,
        uncompiled: &Uncompiled,
        bytecode: &Arc<Archive>,
    ) -> Result<(), LoadError> {
        self.show_bytecode(kernel, Path::new(&uncompiled.root), Some(bytecode))
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

/// Shows a wheel's files, except those that another wheel has shown.
fn show_wheel(kernel: &mut Kernel, site_packages: &Path, wheel: &Wheel) -> Result<(), LoadError> {
    for (path, index) in wheel.files() {
        let guest = site_packages.join(path);
        if !kernel.is_there(&guest) {
            kernel.show_archived(&guest, wheel.archive(), index)?;
        }
    }
    Ok(())
}

/// Mounts folders of packages, and makes Python's `site` module put them on `sys.path`.
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

/// Makes CPython ask for signals where nothing else delivers them.
pub(crate) fn handle_signals(
    store: &mut Store<ProcessState>,
    main: &Instance,
    space: &AddressSpace,
) -> Result<(), LoadError> {
    if store.data().compiler.kind() != ProcessKind::Emscripten(Interruption::WhereAsked) {
        return Ok(());
    }
    match address_of(store, main, space, ASKS_FOR_SIGNALS) {
        Some(flag) => space.write(store, Address(flag), &1_u32.to_le_bytes()).map_err(lost),
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

fn lost(_: OutOfBounds) -> LoadError {
    LoadError::Engine("CPython's state is outside of its memory".to_owned())
}

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
        let offset = space.view(&*store).word(offset_at).map_err(lost)?;
        let place = runtime.saturating_add(offset);
        space.write(&mut *store, Address(place), &slot.0.to_le_bytes()).map_err(lost)?;
        if let Some(system) = store.data_mut().system.emscripten_mut() {
            system.trampoline = slot.0;
        }
    }
    Ok(())
}
