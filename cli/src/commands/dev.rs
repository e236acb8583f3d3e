//! Owns `pydl dev make`: what a build for a main module needs, as a folder or an archive. Must not know compilers.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::args::{Dev, DevCommand};
use crate::dev::package::DevPackage;
use crate::{mains, outputs};

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
    let work = tempfile::tempdir()?;
    let package = DevPackage::make(main, headers, &work.path().join("package"))?;
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(name.trim_end_matches(".tar.gz"), &package.folder).with_context(context)?;
    let bytes = tar.into_inner().and_then(GzEncoder::finish).with_context(context)?;
    outputs::write(output, &bytes)?;
    Ok(package)
}
