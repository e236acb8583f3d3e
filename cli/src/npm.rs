//! Owns what pydl requests from npm, which knows the machine's registry, proxy and certificates: a package, and its hash. Must
//! not know what is in packages.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

/// The hash of a package (Subresource Integrity), as recorded in the registry.
pub fn integrity(package: &str) -> Result<String> {
    let output = npm(Path::new("."), &["view", package, "dist.integrity", "--json"])?;
    let text = succeeded(package, &output)?;
    let integrity = serde_json::from_str::<String>(text).ok();
    integrity
        .ok_or_else(|| anyhow!("npm tells no hash of {package}: there is no such version, or npm is too old"))
}

/// Downloads a package unmodified, without running any script of it, into a folder that contains no other package. Returns the
/// file.
pub fn pack(package: &str, folder: &Path) -> Result<PathBuf> {
    let output = npm(folder, &["pack", package, "--json", "--ignore-scripts"])?;
    succeeded(package, &output)?;
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut packages = paths.filter(|path| path.extension() == Some(OsStr::new("tgz")));
    match (packages.next(), packages.next()) {
        (Some(path), None) => Ok(path),
        _ => bail!("npm says that it downloaded {package}, but there is no such file"),
    }
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "npm is not on the PATH, and main modules are fetched with it; install Node.js with npm, or unpack the npm \
             package `pyodide` yourself and give its pyodide.asm.wasm as MAIN"
        ),
        _ => anyhow!("npm cannot be run: {error}"),
    })
}

/// What npm prints with `--json` when it fails.
#[derive(Deserialize)]
struct Failure {
    error: Cause,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    code: String,
    #[serde(default)]
    summary: String,
}

/// What npm printed. Errs, with a message that says what to do, when npm failed.
fn succeeded<'a>(package: &str, output: &'a Output) -> Result<&'a str> {
    let text = std::str::from_utf8(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(text);
    }
    if output.status.signal().is_some() {
        bail!("npm was stopped ({}) before it had {package}; nothing was kept", output.status);
    }
    let Ok(Failure { error: Cause { code, summary } }) = serde_json::from_str(text) else {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("npm could not get {package} ({}):\n{}", output.status, errors.trim_end());
    };
    match code.as_str() {
        "E404" | "ETARGET" => bail!("npm knows no {package}: {summary}"),
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "ETIMEDOUT" | "ERR_SOCKET_TIMEOUT" => {
            bail!(
                "npm cannot reach its registry to get {package}; try again, or see `npm config get registry` and \
             `npm config get proxy`: {summary}"
            )
        }
        _ => bail!("npm could not get {package}: {code}: {summary}"),
    }
}
