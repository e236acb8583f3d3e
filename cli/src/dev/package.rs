//! Owns dev packages: a folder with what a build for one main module needs. Must not know compilers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use pydl_linker::{AbiFamily, MainModule};
use pydl_loader::Installation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::configuration::Configuration;
use super::pyconfig;
use crate::inputs::{read_named, read_text};

/// The file that says which main module a package is for.
pub const STAMP: &str = "pydl-dev.json";
/// pydl's own headers for WASI main modules, and the source that main modules are linked with.
const GUEST: [(&str, &str); 3] = [
    ("include/pydl/dlfcn.h", include_str!("../../../loader/guest/wasi/dlfcn.h")),
    ("include/pydl/link.h", include_str!("../../../loader/guest/wasi/link.h")),
    ("src/libdl.c", include_str!("../../../loader/guest/wasi/libdl.c")),
];

/// What a package says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// The version of pydl that made it.
    pub pydl: String,
    /// The file name of the main module, and the SHA-256 of its contents.
    pub main: String,
    /// See `main`.
    pub main_sha256: String,
    /// `wasi` or `emscripten`.
    pub abi: String,
    /// The version of Python, such as `3.13`.
    pub python: String,
    /// The suffix of extension modules for it.
    pub extension_suffix: String,
    /// Where the headers come from, and the SHA-256 of each in `sha256sum`'s form, sorted, taken together.
    pub headers_from: String,
    /// See `headers_from`.
    pub headers_sha256: String,
}

/// A dev package.
#[derive(Clone, Debug)]
pub struct DevPackage {
    /// Its folder.
    pub folder: PathBuf,
    /// What it says of itself.
    pub stamp: Stamp,
}

impl DevPackage {
    /// Makes a package for a main module in a folder that does not exist or is empty. Headers come from `headers`, or from
    /// `include/python3.N` beside the main module. Errs when something is missing, and when the headers are those of another version;
    /// nothing is left in the folder then.
    pub fn make(main: &Path, headers: Option<&Path>, folder: &Path) -> Result<DevPackage> {
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{}: it is not empty", folder.display());
        }
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        let work = tempfile::Builder::new().prefix(".pydl-dev-").tempdir_in(parent);
        let work = work.with_context(|| parent.display().to_string())?;
        let stamp = fill(main, headers, work.path())?;
        let _ = fs::remove_dir(folder);
        fs::rename(work.path(), folder).with_context(|| folder.display().to_string())?;
        fs::create_dir_all(work.path())?;
        Ok(DevPackage { folder: folder.to_owned(), stamp })
    }

    /// Opens a package for a main module. Errs when it is for another one.
    pub fn open(folder: &Path, main: &Path) -> Result<DevPackage> {
        let path = folder.join(STAMP);
        let text = read_text(&path)?;
        let stamp: Stamp = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let bytes = read_named(main)?;
        let sum = hex(&Sha256::digest(&bytes));
        if sum != stamp.main_sha256 {
            bail!(
                "{} was made for {}, with SHA-256 {}, and {} has {sum}: make a package for it with `pydl dev make`",
                folder.display(),
                stamp.main,
                stamp.main_sha256,
                main.display()
            );
        }
        Ok(DevPackage { folder: folder.to_owned(), stamp })
    }

    /// The folders of headers, in the order in which they are to be searched.
    pub fn include_folders(&self) -> Vec<PathBuf> {
        let own = self.folder.join("include/pydl");
        let python = self.folder.join(format!("include/python{}", self.stamp.python));
        own.is_dir().then_some(own).into_iter().chain([python]).collect()
    }
}

/// Fills the folder of a package.
fn fill(main: &Path, headers: Option<&Path>, folder: &Path) -> Result<Stamp> {
    let shown = || main.display().to_string();
    let bytes = read_named(main)?;
    let module = MainModule::parse(&shown(), &bytes).with_context(shown)?;
    let installation = Installation::beside(main)
        .ok_or_else(|| anyhow!("{}: there is no standard library of Python beside it", main.display()))?;
    let (name, text) = installation.configuration()?;
    let configuration = Configuration::parse(&text).map_err(|why| anyhow!("{name}.py: {why}"))?;
    let version = installation.version().to_owned();
    let source = match headers {
        Some(folder) => Headers::in_folder(folder, &version)?,
        None => Headers::beside(main, &version)?,
    };
    source.check_version(&version)?;
    let python = folder.join(format!("include/python{version}"));
    let mut files = BTreeMap::new();
    copy(&source.folder, &python, "", &mut files)?;
    let template = read_text(&source.pyconfig)?;
    if template.contains("multiarch") || !template.contains("SIZEOF_LONG") {
        bail!(
            "{}: it leads to another file; name the folder of that one, or a source folder of CPython, with --headers",
            source.pyconfig.display()
        );
    }
    let pyconfig = pyconfig::fill(&template, &configuration);
    files.insert("pyconfig.h".to_owned(), hex(&Sha256::digest(&pyconfig)));
    write(&python.join("pyconfig.h"), &pyconfig)?;
    write(&folder.join(format!("lib/{name}.py")), &text)?;
    let is_wasi = module.family() == AbiFamily::Wasi;
    if is_wasi {
        GUEST.iter().try_for_each(|(path, text)| write(&folder.join(path), text))?;
    }
    write(&folder.join("exports.txt"), exports(&module))?;
    let list = files.iter().fold(String::new(), |list, (path, sum)| format!("{list}{sum}  {path}\n"));
    let suffix = configuration.text("EXT_SUFFIX").unwrap_or(".so").to_owned();
    let stamp = Stamp {
        pydl: env!("CARGO_PKG_VERSION").to_owned(),
        main: main.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        main_sha256: hex(&Sha256::digest(&bytes)),
        abi: if is_wasi { "wasi" } else { "emscripten" }.to_owned(),
        python: version,
        extension_suffix: suffix,
        headers_from: source.folder.display().to_string(),
        headers_sha256: hex(&Sha256::digest(&list)),
    };
    write(&folder.join(STAMP), format!("{}\n", serde_json::to_string_pretty(&stamp)?))?;
    Ok(stamp)
}

/// The symbols that a main module has for its libraries, one to a line.
fn exports(module: &MainModule) -> String {
    let mut list = String::new();
    for (name, _) in module.module().exports.iter().filter(|(name, _)| pydl_linker::abi::is_symbol(name)) {
        let _ = writeln!(list, "{name}");
    }
    list
}

/// CPython's headers, before they are made those of a main module.
struct Headers {
    /// The folder that contains `Python.h`.
    folder: PathBuf,
    /// A `pyconfig.h`, or the template of one.
    pyconfig: PathBuf,
}

impl Headers {
    fn beside(main: &Path, version: &str) -> Result<Headers> {
        let folder = main.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let own = folder.join(format!("include/python{version}"));
        if own.join("Python.h").is_file() {
            return Headers::in_folder(&own, version);
        }
        bail!(
            "{}: it has no headers beside it ({}); name a folder with those of CPython {version} with --headers: a source folder, or \
             the one that contains Python.h",
            main.display(),
            own.display()
        )
    }

    /// The headers in a source folder of CPython, or in a folder of headers.
    fn in_folder(folder: &Path, version: &str) -> Result<Headers> {
        let candidates =
            [folder.to_owned(), folder.join("Include"), folder.join(format!("include/python{version}"))];
        let found = candidates.into_iter().find(|folder| folder.join("Python.h").is_file());
        let found = found.ok_or_else(|| anyhow!("{}: there is no Python.h in it", folder.display()))?;
        let templates = [found.join("pyconfig.h"), folder.join("pyconfig.h.in"), folder.join("pyconfig.h")];
        let pyconfig = templates.into_iter().find(|path| path.is_file());
        let pyconfig = pyconfig.ok_or_else(|| {
            anyhow!("{}: there is no pyconfig.h and no pyconfig.h.in in it", folder.display())
        })?;
        Ok(Headers { folder: found, pyconfig })
    }

    /// Errs unless the headers are those of a version of Python.
    fn check_version(&self, version: &str) -> Result<()> {
        let path = self.folder.join("patchlevel.h");
        let text = read_text(&path)?;
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("#define ")?.trim().strip_prefix(name));
            line.map(|value| value.trim().to_owned()).unwrap_or_default()
        };
        let found = format!("{}.{}", number("PY_MAJOR_VERSION"), number("PY_MINOR_VERSION"));
        if found != version {
            bail!(
                "{}: these are headers of Python {found}, and the main module is Python {version}",
                self.folder.display()
            );
        }
        Ok(())
    }
}

/// Copies headers, and records their sums.
fn copy(from: &Path, to: &Path, below: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry.with_context(|| from.display().to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, inner) = (entry.path(), format!("{below}{name}"));
        if entry.file_type()?.is_dir() && below.matches('/').count() < 3 {
            copy(&path, &to.join(&name), &format!("{inner}/"), files)?;
        } else if path.extension().is_some_and(|extension| extension == "h") && name != "pyconfig.h" {
            let text = read_text(&path)?;
            files.insert(inner, hex(&Sha256::digest(&text)));
            write(&to.join(&name), &text)?;
        }
    }
    Ok(())
}

fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let context = || path.display().to_string();
    fs::create_dir_all(path.parent().unwrap_or(path)).with_context(context)?;
    fs::write(path, contents).with_context(context)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
