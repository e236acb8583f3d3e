//! Owns what is particular to a CPython main module: where its standard library is, how the guest finds it, and how it is
//! interrupted; and, in its files, which packages it accepts. Must not know linking.

pub(crate) mod bytecode;
mod options;
pub(crate) mod packages;
mod record;
pub(crate) mod setup;
pub(crate) mod tags;
mod target;
pub(crate) mod traceback;
pub(crate) mod wheel;
mod wheel_file;

use std::path::{Path, PathBuf};

use crate::base::error::LoadError;
use crate::base::options::Mount;
use crate::system::archive::Archive;
use tags::Target;

pub use wheel_file::{PythonTarget, WheelFile};

/// The export that runs Python with the arguments of a program (CPython, `Modules/main.c`).
pub(crate) const MAIN: &str = "Py_BytesMain";

/// Where the guest finds its Python. CPython derives everything else from `argv[0]` (`Modules/getpath.py`).
const PREFIX: &str = "/usr/local";

/// A standard library next to a main module: a folder `lib/python3.N` with an `os.py`, in the main module's folder or, if that is
/// named `bin`, in the one above; or Pyodide's archive `python_stdlib.zip`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installation {
    library: Library,
    version: String,
}

/// The forms of a standard library.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Library {
    /// The folder that contains `python3.N`.
    Folder(PathBuf),
    /// Pyodide's archive, and which wheels its configuration accepts.
    Archive(PathBuf, Target),
}

impl Installation {
    /// Looks for a standard library next to the file `main`. When there are several, the newest version is chosen.
    pub fn beside(main: &Path) -> Option<Installation> {
        Installation::found_beside(main).map(|(installation, _)| installation)
    }

    /// Looks for a standard library as [`Installation::beside`] does; returns it with the archive, if it is one.
    fn found_beside(main: &Path) -> Option<(Installation, Option<Archive>)> {
        let folder = match main.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return None,
        };
        // The folder above is searched only where an installed Python has it: the folder above a main module may belong to
        // anybody.
        let is_bin = std::fs::canonicalize(folder).is_ok_and(|folder| folder.ends_with("bin"));
        let above = is_bin.then(|| folder.join("../lib"));
        let in_folder = [folder.join("lib")].into_iter().chain(above).find_map(|library| {
            let entries = std::fs::read_dir(&library).ok()?;
            let minors = entries.flatten().filter_map(|entry| {
                let minor = entry.file_name().to_str()?.strip_prefix("python3.")?.parse::<u32>().ok()?;
                entry.path().join("os.py").is_file().then_some(minor)
            });
            let version = format!("3.{}", minors.max()?);
            Some((Installation { library: Library::Folder(library), version }, None))
        });
        let in_archive = || {
            let (target, archive) = Target::with_archive(main).ok()?;
            let version = format!("3.{}", target.minor);
            let library = Library::Archive(folder.join(target::STANDARD_LIBRARY), target);
            Some((Installation { library, version }, Some(archive)))
        };
        in_folder.or_else(in_archive)
    }

    /// What CPython's build recorded of its configuration: the name of the module that contains it, `_sysconfigdata_…`, and its text. Errs
    /// when the standard library has none, or cannot be read.
    pub fn configuration(&self) -> Result<(String, String), LoadError> {
        let none = || std::io::Error::from(std::io::ErrorKind::NotFound);
        match &self.library {
            Library::Folder(folder) => {
                let folder = folder.join(format!("python{}", self.version));
                let error = |error| LoadError::file(&folder, error);
                let names = std::fs::read_dir(&folder).map_err(error)?.flatten();
                let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
                let name = names.find_map(|name| configuration_in(&name).map(str::to_owned));
                let name = name.ok_or_else(|| error(none()))?;
                let path = folder.join(format!("{name}.py"));
                let text = std::fs::read_to_string(&path).map_err(|error| LoadError::file(&path, error))?;
                Ok((name, text))
            }
            Library::Archive(path, _) => {
                let archive = Archive::open(path)?;
                let error = |error| LoadError::file(path, error);
                let mut entries = archive.entries().iter().enumerate();
                let found = entries.find_map(|(index, entry)| Some((index, configuration_in(&entry.name)?)));
                let (index, name) = found.ok_or_else(|| error(none()))?;
                let text = archive.read(index).map_err(error)?;
                Ok((name.to_owned(), String::from_utf8_lossy(&text).into_owned()))
            }
        }
    }

    /// The version, such as `3.13`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the version's own prompt can edit lines here: Emscripten's has what the prompt of CPython 3.14 needs of a
    /// terminal, WASI's does not, and the prompt of 3.13 needs `curses`.
    pub fn edits_lines(&self) -> bool {
        self.archive().is_some() && self.minor().parse::<u32>().is_ok_and(|minor| minor >= 14)
    }

    /// The part of the version after `3.`.
    fn minor(&self) -> &str {
        self.version.strip_prefix("3.").unwrap_or_default()
    }

    /// The guest's path of its executable: `argv[0]` and `sys.executable`.
    pub(crate) fn executable(&self) -> String {
        format!("{PREFIX}/bin/python{}", self.version)
    }

    /// The guest's folder for extension modules; it is on `sys.path` whatever options Python is given.
    pub(crate) fn extension_folder(&self) -> String {
        format!("{PREFIX}/lib/python{}/lib-dynload", self.version)
    }

    /// The guest's folder that contains the standard library.
    pub(crate) fn guest_library(&self) -> String {
        format!("{PREFIX}/lib/python{}", self.version)
    }

    /// The folder of the host that contains the standard library, and where the guest has it; `None` when the library is an archive.
    pub fn mount(&self) -> Option<Mount> {
        match &self.library {
            Library::Folder(host) => {
                Some(Mount { host: host.clone(), guest: format!("{PREFIX}/lib"), read_only: true })
            }
            Library::Archive(..) => None,
        }
    }

    /// The archive; `None` when the library is a folder.
    pub(crate) fn archive(&self) -> Option<&Path> {
        match &self.library {
            Library::Folder(_) => None,
            Library::Archive(path, _) => Some(path),
        }
    }

    /// Which wheels fit, if the standard library says so.
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.library {
            Library::Folder(_) => None,
            Library::Archive(_, target) => Some(target),
        }
    }
}

/// The name of the module in which CPython's build recorded its configuration, if that is what the file contains.
fn configuration_in(file: &str) -> Option<&str> {
    file.strip_suffix(".py").filter(|name| name.starts_with("_sysconfigdata_") && !name.contains('/'))
}
