//! Owns `pydl link`: makes one module of a main module and side modules, and writes it. Must not know how modules are merged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use pydl_linker::{AbiFamily, EmbeddedFolder, LinkOptions, MainModule, StaticLinkError, StaticLinker};
use pydl_loader::{Installation, SystemInterface};

use crate::args::Link;
use crate::inputs::{DEEPEST, Inputs, Libraries, Place, is_library_name, open, read, read_named};
use crate::render::progress::Progress;
use crate::report::{NOT_LINKED, Usage, say};
use crate::{mains, outputs};

/// Links everything, and writes the result whole or not at all.
pub fn run(link: &Link) -> Result<ExitCode> {
    let main = mains::resolve(&link.main)?;
    if link.side.is_empty() && link.with.is_empty() {
        bail!(Usage(
            "there is nothing to link: give side modules with --side, or wheels with --with".to_owned()
        ));
    }
    let progress = Progress::linking(&link.output);
    let linked = link_all(link, &main);
    drop(progress);
    let linked = match linked? {
        Ok(linked) => linked,
        Err(error) => {
            say(&error.to_string());
            return Ok(ExitCode::from(NOT_LINKED));
        }
    };
    outputs::write(&link.output, &linked)?;
    Ok(ExitCode::SUCCESS)
}

/// The linked module, or why there is none. Errs when a file cannot be read.
fn link_all(link: &Link, main_path: &Path) -> Result<Result<Vec<u8>, StaticLinkError>> {
    let wasm = read_named(main_path)?;
    let main = MainModule::parse(&main_path.display().to_string(), &wasm);
    let main = Arc::new(main.with_context(|| main_path.display().to_string())?);
    if main.module().require_side_module().is_ok() && main.family() == AbiFamily::Wasi {
        bail!("{}: it is a side module; give it with --side to a main module", main_path.display());
    }
    let inputs = Inputs::of(&[link.side.as_slice(), &link.with].concat());
    if let Some(unreadable) = inputs.unreadable.first() {
        return Err(anyhow!("{unreadable}"));
    }
    let folder = if link.embed_lib { Some(library(&main, main_path, &inputs)?) } else { None };
    let mut libraries = Libraries::new(&inputs, &[]);
    let linker = StaticLinker::new(&main, wasm, &mut libraries, &(Arc::new(SystemInterface::default()) as _));
    let mut linker = match linker {
        Ok(linker) => linker,
        Err(error) => return Ok(Err(error)),
    };
    let mut files = Vec::new();
    for (position, candidate) in inputs.candidates.iter().enumerate() {
        let file = inputs.read(position).map_err(|error| anyhow!("{error}"))?;
        let path = match &candidate.place {
            Place::Wheel { inner, .. } => inner.as_str(),
            Place::File { path, .. } => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
        };
        files.push((file, path.to_owned()));
    }
    if let Err(error) = linker.add(&files, &mut libraries) {
        return Ok(Err(error));
    }
    Ok(linker.link(&LinkOptions { asks_host: link.dynamic, drops_unreached: link.gc, folder }))
}

/// The standard library beside a main module, and the files of wheels in its `site-packages`, without their side modules.
fn library(main: &MainModule, path: &Path, inputs: &Inputs) -> Result<EmbeddedFolder> {
    let installation = Installation::beside(path).filter(|_| main.family() == AbiFamily::Wasi);
    let place = installation.as_ref().and_then(|python| Some((python.mount()?, python.version())));
    let Some((mount, version)) = place else {
        bail!("{}: --embed-lib needs a Python for WASI with lib/python3.N beside it", path.display());
    };
    let mut folder = EmbeddedFolder { path: mount.guest, files: BTreeMap::new() };
    add_folder(&mut folder, &mount.host, "", 0)?;
    for wheel in inputs.wheels.iter().filter_map(|wheel| wheel.file.as_ref().ok()) {
        for (inner, number) in wheel.files().filter(|(inner, _)| !is_library_name(inner)) {
            let bytes = wheel.read(number).with_context(|| inner.to_owned())?;
            folder.files.insert(format!("python{version}/site-packages/{inner}"), bytes);
        }
    }
    Ok(folder)
}

/// Adds the files of a folder of the host, by their paths below it.
fn add_folder(into: &mut EmbeddedFolder, folder: &Path, below: &str, depth: usize) -> Result<()> {
    let context = || folder.display().to_string();
    if depth > DEEPEST {
        bail!("{}: folders are nested too deep", folder.display());
    }
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| anyhow!("{}: its name is not UTF-8", folder.join(name).display()))?;
        let (path, inner) = (entry.path(), format!("{below}{name}"));
        if entry.file_type().with_context(context)?.is_dir() {
            add_folder(into, &path, &format!("{inner}/"), depth + 1)?;
        } else {
            let (_, bytes) = open(&path, false).and_then(read).with_context(|| path.display().to_string())?;
            into.files.insert(inner, bytes);
        }
    }
    Ok(())
}
