//! Owns the errors of the embedder's API and their wording. What the linker finds wrong keeps the linker's wording. Must not know
//! exit codes.

use std::io;
use std::path::{Path, PathBuf};

use pydl_linker::{LinkError, ParseError};

use super::halt::Halt;

/// Why a directory cannot serve as the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory cannot be created or examined.
    #[error("cache directory {}: {error}", path.display())]
    Directory {
        /// Path of the directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Users other than this one could put code into the directory.
    #[error(
        "cache directory {}: {why}, so others could put machine code into it; use a directory of your own \
         (chmod 700)",
        path.display()
    )]
    NotPrivate {
        /// Path of the directory.
        path: PathBuf,
        /// Who owns the directory, or who may write to it.
        why: String,
    },
}

/// Why a process cannot be made, or a library cannot be loaded into it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file of the host cannot be read or prepared.
    #[error("{}: {error}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },

    /// A wheel or another archive is not what it should be, or does not fit the main module.
    #[error("{}: {why}", path.display())]
    Archive {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong, and with which entry.
        why: String,
    },

    /// The main module is not a WebAssembly module.
    #[error("{}: {error}", path.display())]
    Malformed {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong, and where in the file.
        error: ParseError,
    },

    /// The engine refuses a module: it is invalid, or uses features that are not supported.
    #[error("{name}: cannot be compiled: {why}")]
    Compile {
        /// Name of the file.
        name: String,
        /// The engine's reason.
        why: String,
    },

    /// The main module cannot be started.
    #[error("{name}: not a main module that can be run: {why}")]
    NotRunnable {
        /// Name of the file.
        name: String,
        /// What is missing.
        why: String,
    },

    /// A side module is given as a main module.
    #[error("{name}: not a main module that can be run: it is a side module")]
    IsSideModule {
        /// Name of the file.
        name: String,
    },

    /// The working directory does not exist in the guest.
    #[error("working directory {folder}: there is no such folder in the guest")]
    NoSuchFolder {
        /// The requested folder.
        folder: String,
    },

    /// The host may keep less memory for a guest than every guest needs ([`crate::ProcessOptions::host_memory`]).
    #[error("what every guest finds takes more than the {limit} bytes that the host may keep for it")]
    HostMemory {
        /// How much it may keep, in bytes.
        limit: u64,
    },

    /// The main module has imports that the host does not offer.
    #[error("{name}: imports that nothing provides:\n  {}", imports.join("\n  "))]
    MissingImports {
        /// Name of the file.
        name: String,
        /// The imports, as `module.name (type)`, in import order.
        imports: Vec<String>,
    },

    /// A library cannot be linked.
    #[error(transparent)]
    Link(#[from] LinkError),

    /// An option of the process cannot be satisfied.
    #[error("{0}")]
    Option(String),

    /// The compiled-code cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),

    /// The engine failed in a way that is not the fault of a module.
    #[error("the WebAssembly engine failed: {0}")]
    Engine(String),
}

/// Why a guest does not reach its `_start`: the host cannot start it, or it has ended itself.
pub(crate) type Stop = Halt<LoadError>;

impl LoadError {
    /// The text of the error without the path of the file that it is about, for callers that have already printed the path.
    pub fn reason(&self) -> String {
        match self {
            LoadError::File { error, .. } => error.to_string(),
            LoadError::Archive { why, .. } => why.clone(),
            LoadError::Malformed { error, .. } => error.to_string(),
            LoadError::Link(error) => error.reason(),
            other => other.to_string(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
    pub(crate) fn engine(error: wasmtime::Error) -> LoadError {
        // The whole chain is not used: it may contain a backtrace, with names that the guest chose and that grow when demangled.
        LoadError::Engine(error.root_cause().to_string())
    }

    pub(crate) fn file(path: &Path, error: io::Error) -> LoadError {
        LoadError::File { path: path.to_owned(), error }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn no_text_repeats_its_source() {
        let path = || Path::new("/a").to_owned();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        for error in [
            LoadError::file(&path(), missing()),
            LoadError::Cache(CacheError::Directory { path: path(), error: missing() }),
            LoadError::Link(LinkError::NotLoaded { library: "/a".to_owned() }),
        ] {
            let repeated =
                error.source().is_some_and(|source| error.to_string().contains(&source.to_string()));
            assert!(!repeated, "{error}");
        }
        assert_eq!(LoadError::file(&path(), missing()).reason(), missing().to_string());
    }
}
