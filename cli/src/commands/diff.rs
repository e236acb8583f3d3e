//! Owns `pydl deps --diff`: what a rebuilt main module or library adds, drops and changes. Must not know how modules are compared.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use pydl_linker::{ParsedModule, SymbolDifference};

use crate::args::Deps;
use crate::inputs::{open, read};
use crate::mains;
use crate::render::{json, text};
use crate::report::Usage;

/// Something that was there is gone, or has become something else.
const INCOMPATIBLE: u8 = 1;

/// Compares the two files that were given.
pub fn run(deps: &Deps) -> Result<ExitCode> {
    let [old, new] = deps.files.as_slice() else {
        return Err(Usage("--diff compares two files: OLD and NEW".to_owned()).into());
    };
    let difference = SymbolDifference::between(&module(old)?, &module(new)?);
    let status = if difference.is_compatible() { 0 } else { INCOMPATIBLE };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if deps.json {
        json::write_difference(&mut out, &difference)
    } else if deps.quiet {
        Ok(())
    } else {
        text::write_difference(&mut out, &difference)
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::from(status)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("standard output"),
    }
}

fn module(path: &Path) -> Result<ParsedModule> {
    let path = mains::resolve(path)?;
    let shown = path.display().to_string();
    let (_, bytes) = open(&path, true).and_then(read).map_err(|error| anyhow!("{shown}: {error}"))?;
    ParsedModule::parse(&bytes).map_err(|error| anyhow!("{shown}: {error}"))
}
