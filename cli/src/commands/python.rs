//! Owns `pydl python`: fetching Pyodide's main modules, listing and removing them, and environments around them. Must not know
//! how they are run.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{SigSet, Signal};
use serde::Deserialize;
use sha2::{Digest, Sha512};

use crate::args::{Python, PythonCommand};
use crate::commands::interpreter::{CONFIGURATION, MAIN_KEY, site_packages};
use crate::mains::{self, LOCK, MAIN, MANIFEST, Mains, RELEASES, STANDARD_LIBRARY, Version};
use crate::npm;
use crate::report::{Usage, say};

/// The npm package of main modules.
const PACKAGE: &str = "pyodide";
/// The files of the package that are kept; they lie in the folder of it that is named next.
const FILES: [&str; 4] = [MAIN, STANDARD_LIBRARY, LOCK, MANIFEST];
const FOLDER: &str = "package";
/// The most bytes that one of these files may have.
const MAX_FILE: u64 = 256 << 20;

/// Runs one of the commands.
pub fn run(python: &Python) -> Result<ExitCode> {
    match &python.command {
        PythonCommand::Fetch { version } => fetch(version.as_deref())?,
        PythonCommand::List => list()?,
        PythonCommand::Path { version } => {
            print(&Mains::of_user()?.find(version.as_deref())?.main().display())?;
        }
        PythonCommand::Remove { version } => remove(version)?,
        PythonCommand::Venv { folder, python } => venv(folder, python)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a line; it is not an error if the reader has seen enough.
fn print(line: &dyn std::fmt::Display) -> Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

fn list() -> Result<()> {
    let mains = Mains::of_user()?;
    let fetched = mains.fetched();
    if fetched.is_empty() {
        say("none was fetched yet; get one with `pydl python fetch`");
    }
    for fetched in fetched {
        let python =
            fetched.python().map_or_else(|| "unknown".to_owned(), |python| format!("Python {python}"));
        let version = fetched.version.to_string();
        print(&format!("{version:<9}  {python:<14}  {}", fetched.main().display()))?;
    }
    Ok(())
}

fn remove(wanted: &str) -> Result<()> {
    let mains = Mains::of_user()?;
    let fetched = mains.find(Some(wanted))?;
    let failed = || fetched.folder.display().to_string();
    // The folder is first moved out of sight, so that half of it is never used.
    let rest = tempfile::Builder::new().prefix(".old-").tempdir_in(mains.folder()).with_context(failed)?;
    fs::rename(&fetched.folder, rest.path().join(MAIN)).with_context(failed)?;
    rest.close().with_context(failed)?;
    print(&format!("removed {}", fetched.version))
}

/// Downloads, checks and unpacks a main module, then puts it in place with one rename.
fn fetch(wanted: Option<&str>) -> Result<()> {
    let (version, pinned) = release(wanted)?;
    let mains = Mains::of_user()?;
    let place = mains.place(version);
    if place.main().is_file() {
        return print(&place.main().display());
    }
    let failed = || format!("{}: main modules cannot be kept there", mains.folder().display());
    fs::create_dir_all(mains.folder()).with_context(failed)?;
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(mains.folder()).with_context(failed)?;
    // npm receives Ctrl-C, too, and ends; this process then cleans up.
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    interrupt.thread_block().context("Ctrl-C cannot be handled")?;
    say(&format!("fetching {PACKAGE} {version} with npm"));
    let package = format!("{PACKAGE}@{version}");
    let integrity = pinned.map_or_else(|| npm::integrity(&package), |pinned| Ok(pinned.to_owned()))?;
    let archive = npm::pack(&package, work.path())?;
    check_integrity(&archive, &integrity).with_context(|| package.clone())?;
    let unpacked = work.path().join(FOLDER);
    fs::create_dir(&unpacked).with_context(failed)?;
    unpack(&archive, &unpacked).with_context(|| package.clone())?;
    check_manifest(&unpacked.join(MANIFEST), version).with_context(|| package.clone())?;
    match fs::rename(&unpacked, &place.folder) {
        Ok(()) => {}
        // Another process was faster.
        Err(_) if place.main().is_file() => {}
        Err(error) => return Err(error).with_context(failed),
    }
    print(&place.main().display())
}

/// The version that `wanted` stands for, with the hash that its package must have, if pydl knows it.
fn release(wanted: Option<&str>) -> Result<(Version, Option<&'static str>)> {
    let [default, ..] = &RELEASES;
    let Some(wanted) = wanted else { return Ok((default.version, Some(default.integrity))) };
    let known =
        |version: &str| RELEASES.iter().find(|r| r.python == version || r.version.to_string() == version);
    if let Some(release) = known(wanted) {
        if release.version.is_pre_release() && release.python == wanted {
            let (python, version) = (release.python, release.version);
            let text = format!("{python}: there is a pre-release only, which is to be named: {version}");
            return Err(anyhow!(Usage(text)));
        }
        return Ok((release.version, Some(release.integrity)));
    }
    // Versions of Python begin with 3; Pyodide has never had such a version, and will not.
    let version = Version::parse(wanted).filter(|_| !wanted.starts_with("3."));
    version.map(|version| (version, None)).ok_or_else(|| {
        let known = RELEASES.map(|release| {
            let stage = if release.version.is_pre_release() { ", a pre-release" } else { "" };
            format!("{} ({PACKAGE} {}{stage})", release.python, release.version)
        });
        let text = format!(
            "{wanted}: not a version that is known; known are {}, and {PACKAGE}'s own, such as {}",
            known.join(", "),
            default.version
        );
        anyhow!(Usage(text))
    })
}

/// Errs unless the file has this hash (Subresource Integrity).
fn check_integrity(file: &Path, integrity: &str) -> Result<()> {
    // Of several hashes, the strongest counts; npm has only had sha512 for all versions of the package.
    let wanted = integrity.split_ascii_whitespace().find_map(|hash| hash.strip_prefix("sha512-"));
    let wanted = wanted.ok_or_else(|| anyhow!("its hash is not one of sha512: {integrity}"))?;
    let mut hasher = Sha512::new();
    let mut file = File::open(file).context("the downloaded package")?;
    io::copy(&mut file, &mut hasher).context("the downloaded package")?;
    let found = STANDARD.encode(hasher.finalize());
    if found != wanted {
        bail!(
            "the downloaded package is not the one that was published: its hash is sha512-{found}, and should be \
             sha512-{wanted}; nothing was kept; clear npm's cache (`npm cache clean --force`) and see which registry it \
             asks (`npm config get registry`)"
        );
    }
    Ok(())
}

/// Unpacks [`FILES`]. Errs when one is missing, and when anything is wrong with the archive.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let mut missing = FILES.to_vec();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry.context("the package is damaged")?;
        let path = entry.path()?.into_owned();
        let Some(position) = missing.iter().position(|file| path == Path::new(FOLDER).join(file)) else {
            continue;
        };
        if !entry.header().entry_type().is_file() || entry.size() > MAX_FILE {
            bail!("{}: not a file, or too large", path.display());
        }
        // `swap_remove` returns one of FILES, so the name is not the archive's.
        let name = missing.swap_remove(position);
        let mut file = File::create_new(folder.join(name)).with_context(|| name.to_owned())?;
        let size = entry.size();
        let copied = io::copy(&mut entry.by_ref().take(size), &mut file);
        let copied = copied.and_then(|copied| file.sync_all().map(|()| copied));
        if copied.with_context(|| name.to_owned())? != size {
            bail!("{name}: the package is cut short");
        }
    }
    if !missing.is_empty() {
        bail!(
            "the package lacks {}: it is no version that has a main module that pydl knows",
            missing.join(", ")
        );
    }
    Ok(())
}

/// Errs unless the package says that it is this version.
fn check_manifest(path: &Path, version: Version) -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        name: String,
        version: String,
    }
    let manifest: Manifest = serde_json::from_slice(&fs::read(path)?).context(MANIFEST)?;
    if manifest.name != PACKAGE || manifest.version != version.to_string() {
        bail!("the package says that it is {}@{}", manifest.name, manifest.version);
    }
    Ok(())
}

/// Makes a folder that tools accept as a virtual environment (PEP 405), with `pydl-python` as its `python`.
fn venv(folder: &Path, main: &Path) -> Result<()> {
    let main = mains::resolve(main)?;
    let main = fs::canonicalize(&main).with_context(|| main.display().to_string())?;
    let version = mains::python_version(&main).ok_or_else(|| {
        anyhow!(
            "{}: its version of Python is not known: no {LOCK} and no lib/python3.N is beside it",
            main.display()
        )
    })?;
    let program = std::env::current_exe().context("this program")?.with_file_name("pydl-python");
    if !program.is_file() {
        bail!("{}: not there, and it is what an environment runs; install it beside pydl", program.display());
    }
    let is_free = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_free && !folder.join(CONFIGURATION).is_file() {
        return Err(Usage(format!("{}: there is something else in this folder", folder.display())).into());
    }
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move || path
    };
    let packages = site_packages(folder, &version);
    fs::create_dir_all(&packages).with_context(failed(&packages))?;
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).with_context(failed(&bin))?;
    let minor: Vec<&str> = version.split('.').take(2).collect();
    for name in ["python".to_owned(), "python3".to_owned(), format!("python{}", minor.join("."))] {
        link(&program, &bin.join(name))?;
    }
    let home = main.parent().unwrap_or(Path::new("/")).display();
    let text = format!(
        "home = {home}\ninclude-system-site-packages = false\nversion = {version}\n{MAIN_KEY} = {}\n",
        main.display()
    );
    let configuration = folder.join(CONFIGURATION);
    fs::write(&configuration, text).with_context(failed(&configuration))?;
    print(&bin.join("python").display())
}

/// Makes a symbolic link, replacing an older one.
fn link(to: &Path, at: &PathBuf) -> Result<()> {
    if fs::symlink_metadata(at).is_ok_and(|metadata| metadata.is_symlink()) {
        fs::remove_file(at).with_context(|| at.display().to_string())?;
    }
    symlink(to, at).with_context(|| at.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with these files.
    fn package(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
        let path = folder.join("pyodide.tgz");
        let gzip = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(gzip);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len().try_into().unwrap());
            header.set_mode(0o644);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    const GOOD: [(&str, &str); 5] = [
        ("package/package.json", r#"{"name": "pyodide", "version": "314.0.7"}"#),
        ("package/pyodide-lock.json", "{}"),
        ("package/other.js", "x"),
        ("package/pyodide.asm.wasm", "wasm"),
        ("package/python_stdlib.zip", "zip"),
    ];

    #[test]
    fn what_makes_a_main_module_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = package(folder.path(), &GOOD);
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        unpack(&archive, &target).unwrap();
        let mut names: Vec<_> = fs::read_dir(&target).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["package.json", "pyodide-lock.json", "pyodide.asm.wasm", "python_stdlib.zip"]);
        let version = Version::parse("314.0.7").unwrap();
        check_manifest(&target.join(MANIFEST), version).unwrap();
        assert!(check_manifest(&target.join(MANIFEST), Version::parse("314.0.6").unwrap()).is_err());
    }

    #[test]
    fn packages_that_lack_something_or_are_cut_short_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = package(folder.path(), &GOOD[..4]);
        let error = unpack(&archive, &tempfile::tempdir().unwrap().keep()).unwrap_err().to_string();
        assert!(error.contains("lacks python_stdlib.zip"), "{error}");
        let archive = package(folder.path(), &GOOD);
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
        let target = tempfile::tempdir().unwrap();
        assert!(unpack(&archive, target.path()).is_err());
    }

    #[test]
    fn packages_with_another_hash_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix C.1.
        let abc =
            "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        check_integrity(&file, abc).unwrap();
        fs::write(&file, "abd").unwrap();
        let error = check_integrity(&file, abc).unwrap_err().to_string();
        assert!(error.contains("not the one that was published"), "{error}");
        assert!(check_integrity(&file, "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=").is_err());
    }

    #[test]
    fn versions_stand_for_releases() {
        let version =
            |wanted| release(wanted).map(|(version, pinned)| (version.to_string(), pinned.is_some())).ok();
        let known = |text: &str| Some((text.to_owned(), true));
        assert_eq!(version(None), known("314.0.7"));
        assert_eq!(version(Some("3.14")), known("314.0.7"));
        assert_eq!(version(Some("3.13")), known("0.29.3"));
        assert_eq!(version(Some("0.27.7")), known("0.27.7"));
        assert_eq!(version(Some("0.29.5")), Some(("0.29.5".to_owned(), false)));
        assert_eq!(version(Some("315.0.0-alpha.2")), known("315.0.0-alpha.2"));
        // A pre-release is not taken for the release that it precedes.
        for wanted in ["3.11", "3.15", "3.14.2", "latest", "../x", ""] {
            assert_eq!(version(Some(wanted)), None, "{wanted}");
        }
    }
}
