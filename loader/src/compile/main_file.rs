//! Owns the file of a main module: what the file system reports about it, and its contents, which are read on demand. Must not
//! know what is done with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pydl_linker::MainModule;

use super::cache::Stamp;
use super::compiler::OutlineFile;
use crate::base::error::LoadError;
use crate::base::host_file::read_regular_file;

/// The file of a main module; its contents are read on demand.
pub(crate) struct MainFile {
    /// Its path; for one that was given as bytes, what it is called.
    pub path: PathBuf,
    /// What the file system said of it; `None` when it was given as bytes.
    stamp: Option<Stamp>,
    /// Whether the stamp tells the file from what it may become: it was not too new, and there is one.
    pub is_stamped: bool,
    outline: Option<OutlineFile>,
    module: OnceLock<Result<Arc<MainModule>, String>>,
}

impl MainFile {
    /// The file at a path, with its stamp and an outline of it in the cache, if there is one.
    pub(crate) fn new(path: &Path, stamp: Stamp, outline: Option<OutlineFile>) -> MainFile {
        let (is_stamped, stamp) = (!stamp.is_fresh(), Some(stamp));
        MainFile { path: path.to_owned(), stamp, is_stamped, outline, module: OnceLock::new() }
    }

    /// A main module that is given as bytes, which are to be parsed at once; messages call it by this name.
    pub(crate) fn of_bytes(name: &str) -> MainFile {
        let path = PathBuf::from(name);
        MainFile { path, stamp: None, is_stamped: false, outline: None, module: OnceLock::new() }
    }

    /// What the file system said of it when the image was made; `None` when that does not tell it from what it may become.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref().filter(|_| self.is_stamped)
    }

    /// Whether it is a file.
    pub(crate) fn is_file(&self) -> bool {
        self.stamp.is_some()
    }

    /// The name of the main module in messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The name of the file in backtraces.
    pub(crate) fn file_name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Parses these bytes, which were read from the file. Errs when they are not a main module.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Arc<MainModule>, LoadError> {
        let module = MainModule::parse(&self.name(), bytes)
            .map_err(|error| LoadError::Malformed { path: self.path.clone(), error })?;
        let module = Arc::new(module);
        let _ = self.module.set(Ok(module.clone()));
        Ok(module)
    }

    /// The parsed main module. Errs when the file has changed since the image was made.
    pub(crate) fn module(&self) -> Result<Arc<MainModule>, LoadError> {
        let read = || {
            let outline = self.outline.as_ref().and_then(OutlineFile::read);
            let known = outline.and_then(|outline| MainModule::from_outline(&self.name(), outline).ok());
            match known {
                Some(module) => Ok(Arc::new(module)),
                None => self.read_unchanged().and_then(|bytes| {
                    MainModule::parse(&self.name(), &bytes).map(Arc::new).map_err(|error| error.to_string())
                }),
            }
        };
        self.module.get_or_init(read).clone().map_err(|why| LoadError::NotRunnable { name: self.name(), why })
    }

    fn read_unchanged(&self) -> Result<Vec<u8>, String> {
        let bytes = read_regular_file(&self.path).map_err(|error| error.to_string())?;
        let now = fs::metadata(&self.path).map_err(|error| error.to_string())?;
        if Some(Stamp::of(&now)) != self.stamp {
            return Err("the file has changed since it was started".to_owned());
        }
        Ok(bytes)
    }
}
