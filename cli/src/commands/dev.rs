//! Owns `pydl dev make`: what a build for a main module needs, as a folder or an archive. Must not know compilers.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::args::{Dev, DevCommand};
use crate::dev::package::DevPackage;
use crate::mains;

/// Makes a dev package.
pub fn run(dev: &Dev) -> Result<ExitCode> {
    let DevCommand::Make(make) = &dev.command;
    let main = mains::resolve(&make.main)?;
    let is_archive = make.output.to_string_lossy().ends_with(".tar.gz");
    let package = if is_archive {
        archive(&main, make.headers.as_deref(), &make.output)?
    } else {
        DevPackage::make(&main, make.headers.as_deref(), &make.output)?
    };
    let stamp = &package.stamp;
    println!(
        "{}: what builds for {} need (Python {}, {}), with headers from {}",
        make.output.display(),
        main.display(),
        stamp.python,
        stamp.abi,
        stamp.headers_from
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes a package as one file, which contains one folder.
fn archive(main: &Path, headers: Option<&Path>, output: &Path) -> Result<DevPackage> {
    let context = || output.display().to_string();
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let work = tempfile::tempdir()?;
    let package = DevPackage::make(main, headers, &work.path().join("package"))?;
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let file = tempfile::NamedTempFile::new_in(parent).with_context(context)?;
    let written = GzEncoder::new(file.as_file(), Compression::default());
    let mut tar = tar::Builder::new(written);
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(name.trim_end_matches(".tar.gz"), &package.folder).with_context(context)?;
    tar.into_inner().and_then(GzEncoder::finish).and_then(File::sync_all).with_context(context)?;
    file.persist(output).map_err(|error| error.error).with_context(context)?;
    Ok(package)
}
