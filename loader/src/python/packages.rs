//! Owns the packages that a process is given: wheels, and folders that an installer filled. Must not know how the guest sees
//! them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::tags::Target;
use super::wheel::Wheel;
use crate::base::error::LoadError;
use crate::base::options::ProcessOptions;
use crate::compile::cache::Cache;
use crate::system::archive::{Archive, check_tree};

/// The folder of the guest in which folders of packages are shown, each under its number.
pub(crate) const PACKAGE_FOLDERS: &str = "/usr/local/lib/packages";

/// A file of a wheel that belongs in `site-packages`.
#[derive(Clone, Debug)]
pub(crate) struct PackageFile {
    /// The archive that contains the file.
    pub archive: Arc<Archive>,
    /// The file's index in the archive.
    pub index: usize,
}

impl PackageFile {
    fn is_same_as(&self, other: &PackageFile) -> Result<bool, LoadError> {
        let read = |file: &PackageFile| {
            file.archive.read(file.index).map_err(|error| LoadError::file(file.archive.path(), error))
        };
        let size = |file: &PackageFile| file.archive.entries().get(file.index).map(|entry| entry.size);
        Ok(size(self) == size(other) && read(self)? == read(other)?)
    }
}

/// What a process has in addition to its standard library.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// The files of all wheels, by their paths below `site-packages`.
    pub files: BTreeMap<String, PackageFile>,
    /// The wheels, in the order in which they were given.
    pub wheels: Vec<Arc<Wheel>>,
    /// Folders as `pip install --target` makes them, in the order in which they are searched.
    pub folders: Vec<PathBuf>,
}

impl Packages {
    /// Opens the wheels of a process with these options and checks them, contents included; `target` says which wheels its Python
    /// accepts. Errs when one does not fit or is damaged, when two have files of the same name that differ, and when a folder is
    /// not one.
    pub(crate) fn open(
        target: impl FnOnce() -> Result<Target, LoadError>,
        options: &ProcessOptions,
        cache: Option<&Cache>,
    ) -> Result<Packages, LoadError> {
        for folder in &options.package_folders {
            let metadata = std::fs::metadata(folder).map_err(|error| LoadError::file(folder, error))?;
            if !metadata.is_dir() {
                return Err(LoadError::Option(format!("packages {}: not a folder", folder.display())));
            }
        }
        let mut files = BTreeMap::new();
        let mut opened = Vec::new();
        if !options.wheels.is_empty() {
            let target = target()?;
            for path in &options.wheels {
                let wheel = Wheel::open(path, &options.limits.wheel, cache)?;
                target.fits(wheel.name()).map_err(|why| LoadError::Archive { path: path.clone(), why })?;
                wheel.verify(cache)?;
                add(&mut files, &wheel)?;
                opened.push(Arc::new(wheel));
            }
        }
        if let Err(path) = check_tree(files.keys().map(|path| (path.as_str(), false))) {
            return Err(LoadError::Option(format!(
                "the wheels do not go together: {path} would lie in a file of another wheel"
            )));
        }
        Ok(Packages { files, wheels: opened, folders: options.package_folders.clone() })
    }
}

fn add(files: &mut BTreeMap<String, PackageFile>, wheel: &Wheel) -> Result<(), LoadError> {
    for (path, index) in wheel.files() {
        let new = PackageFile { archive: wheel.archive().clone(), index };
        match files.get(path) {
            Some(known) if !known.is_same_as(&new)? => {
                return Err(LoadError::Option(format!(
                    "{} and {} both have a file {path}, and not the same; give one of them",
                    known.archive.path().display(),
                    new.archive.path().display()
                )));
            }
            Some(_) => {}
            None => drop(files.insert(path.to_owned(), new)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::wheel::tests::{good, write};
    use super::*;

    /// A folder with a main module that accepts wheels for Python 3.14.
    fn main_in(folder: &Path) -> PathBuf {
        let configuration =
            "{'MACHDEP': 'emscripten', 'VERSION': '3.14', 'PYODIDE_ABI_VERSION': '2026_0'}".to_owned();
        write(folder, "python_stdlib.zip", &[("_sysconfigdata__emscripten_.py".to_owned(), configuration)]);
        folder.join("pyodide.asm.wasm")
    }

    fn open(main: &Path, wheels: &[PathBuf]) -> Result<Packages, LoadError> {
        let options = wheels.iter().fold(ProcessOptions::new("python"), ProcessOptions::wheel);
        Packages::open(|| Target::of_main(main), &options, None)
    }

    fn wheel(folder: &Path, build: u32, files: &[(&str, &str)]) -> PathBuf {
        write(folder, &format!("demo-1-{build}-py3-none-any.whl"), &good(files))
    }

    #[test]
    fn wheels_share_a_file_if_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let main = main_in(folder.path());
        let open = |wheels: &[PathBuf]| open(&main, wheels);
        let one = wheel(folder.path(), 1, &[("space/__init__.py", "")]);
        let same = wheel(folder.path(), 2, &[("space/__init__.py", "")]);
        assert_eq!(open(&[one.clone(), same]).unwrap().files.len(), 4);
        let other = wheel(folder.path(), 3, &[("space/__init__.py", "x")]);
        let error = open(&[one.clone(), other.clone()]).unwrap_err().to_string();
        assert!(error.contains("demo-1-1-py3") && error.contains("demo-1-3-py3"), "{error}");
    }

    #[test]
    fn wheels_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let main = main_in(folder.path());
        let name = "demo-1-cp313-cp313-pyodide_2025_0_wasm32.whl";
        let mut files = good(&[]);
        for (_, text) in &mut files {
            *text = text.replace("py3-none-any", "cp313-cp313-pyodide_2025_0_wasm32");
        }
        // RECORD has the hash and size of the previous WHEEL file.
        let wheel = files.iter().find(|(name, _)| name.ends_with("/WHEEL")).unwrap().1.clone();
        let record = good(&[("demo-1.dist-info/WHEEL.x", wheel.as_str())]).pop().unwrap().1;
        let line = record.lines().find(|line| line.contains("WHEEL.x")).unwrap().replace("WHEEL.x", "WHEEL");
        let last = files.last_mut().unwrap();
        let lines = last.1.lines().map(|old| if old.contains("/WHEEL,") { line.as_str() } else { old });
        last.1 = lines.collect::<Vec<_>>().join("\n");
        let path = write(folder.path(), name, &files);
        let error = open(&main, &[path]).unwrap_err().to_string();
        assert!(
            error.contains("is for CPython 3.13 on pyodide_2025_0_wasm32; this main module takes"),
            "{error}"
        );
    }

    #[test]
    fn folders_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = main_in(folder.path()).with_file_name("python_stdlib.zip");
        let open = |path: &Path| {
            let options = ProcessOptions::new("python").packages(path);
            Packages::open(|| Target::of_main(Path::new("x")), &options, None)
        };
        assert!(open(folder.path()).is_ok());
        assert!(open(&file).unwrap_err().to_string().contains("not a folder"));
        assert!(open(&folder.path().join("absent")).is_err());
    }
}
