//! Owns the wording of every linking failure: one variant per cause, each naming the file, the symbol, the importer and the
//! remedy. The text appears in Python's `ImportError`, on stderr and in golden files. Must not know exit codes.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::base::abi;
use crate::link::main_module::MainDefect;
use crate::link::needed::LibraryNotFound;
use crate::parse::Signature;
use crate::parse::abi_family::AbiFamily;
use crate::parse::error::ParseError;

/// Why a load cannot be planned. Nothing has changed when this is returned.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The library, or libraries that it needs, were not found; all of them are listed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    NotFound(Vec<LibraryNotFound>),

    /// The file is not a well-formed WebAssembly module.
    #[error("{library}: {error}")]
    Malformed {
        /// Path of the file.
        library: String,
        /// What is wrong, and where in the file.
        error: ParseError,
    },

    /// The file is a WebAssembly module but not a side module.
    #[error("{library}: not a side module: {why}")]
    NotASideModule {
        /// Path of the file.
        library: String,
        /// What is missing, and what to do.
        why: String,
    },

    /// The library was compiled for a different C library from the main module's.
    #[error(
        "{library}: compiled for the {library_abi} ABI ({library_evidence}), but {main} has the {main_abi} ABI \
         ({main_evidence}); their C libraries lay out structures differently. Rebuild the library for {main_abi}, \
         or run it with a main module built for {library_abi}"
    )]
    AbiMismatch {
        /// Path of the library.
        library: String,
        /// The library's ABI.
        library_abi: AbiFamily,
        /// The evidence for it.
        library_evidence: String,
        /// Name of the main module.
        main: String,
        /// The main module's ABI.
        main_abi: AbiFamily,
        /// The evidence for it.
        main_evidence: String,
    },

    /// One or more symbols cannot be bound; all of them are listed.
    #[error("{}", list_problems(library, problems))]
    Symbols {
        /// Path of the requested library.
        library: String,
        /// Every symbol that cannot be bound, sorted.
        problems: Vec<SymbolProblem>,
    },

    /// The library's memory or table requirements cannot be met.
    #[error("{library}: {why}")]
    DoesNotFit {
        /// Path of the library.
        library: String,
        /// Which requirement, with numbers.
        why: String,
    },

    /// The library uses WebAssembly features that processes do not support.
    #[error("{library}: {}", list_features(features))]
    Features {
        /// Path of the library.
        library: String,
        /// Names of the features, sorted.
        features: Vec<&'static str>,
    },

    /// While it is initialized, the library calls a function that fails when called.
    #[error("{library}: it calls `{symbol}` when it is initialized, {}", why_it_fails(*of_javascript))]
    FailsWhenInitialized {
        /// Path of the library.
        library: String,
        /// Name of the function.
        symbol: String,
        /// Whether JavaScript would provide the function; otherwise nothing does.
        of_javascript: bool,
    },

    /// The main module lacks what it takes to host libraries.
    #[error("{}", list_defects(main, defects))]
    MainCannotHost {
        /// Name of the main module.
        main: String,
        /// Everything that is missing, with the linker flag that supplies it.
        defects: Vec<MainDefect>,
    },

    /// A bug in the linker.
    #[error("{library}: internal error in linking: {what} is missing; please report it")]
    Internal {
        /// Path of the requested library.
        library: String,
        /// What should exist but does not.
        what: &'static str,
    },

    /// The main module has an import that nothing provides.
    #[error("{main}: not a main module that can be run: {why}")]
    MainImports {
        /// Name of the main module.
        main: String,
        /// Which import, and why it cannot be bound.
        why: String,
    },

    /// Another load intervened: from the guest's allocator, its file functions or relocation code.
    #[error(
        "{library}: the guest loaded another library from its allocator, file functions or relocation code"
    )]
    Overtaken {
        /// Path of the requested library.
        library: String,
    },

    /// `RTLD_NOLOAD` was given and the library is not loaded.
    #[error("{library}: not loaded, and RTLD_NOLOAD was given")]
    NotLoaded {
        /// The requested name.
        library: String,
    },

    /// An earlier load of this library ended inside its own code.
    #[error("{library}: an earlier load failed in its initialization: {why}")]
    FailedEarlier {
        /// Path of the library.
        library: String,
        /// How that load ended.
        why: String,
    },
}

impl LinkError {
    /// Path of the library that the error is about, with which its text begins; `None` when the error is about the main module or
    /// about missing libraries.
    pub fn library(&self) -> Option<&str> {
        match self {
            LinkError::NotFound(_) | LinkError::MainCannotHost { .. } | LinkError::MainImports { .. } => None,
            LinkError::Malformed { library, .. }
            | LinkError::NotASideModule { library, .. }
            | LinkError::AbiMismatch { library, .. }
            | LinkError::Symbols { library, .. }
            | LinkError::DoesNotFit { library, .. }
            | LinkError::Features { library, .. }
            | LinkError::FailsWhenInitialized { library, .. }
            | LinkError::Internal { library, .. }
            | LinkError::Overtaken { library }
            | LinkError::NotLoaded { library }
            | LinkError::FailedEarlier { library, .. } => Some(library),
        }
    }

    /// The text of the error without the path of that library, for callers that have already printed the path.
    pub fn reason(&self) -> String {
        let text = self.to_string();
        let behind = self.library().and_then(|library| text.strip_prefix(library)?.strip_prefix(": "));
        behind.map(str::to_owned).unwrap_or(text)
    }
}

/// A function whose binding was deferred to its first call cannot be bound now that it is called.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("symbol lookup error: {problem}{}{}", list_searched(problem, searched), note_of(note.as_deref()))]
pub struct LookupError {
    /// What is wrong with the symbol.
    pub problem: SymbolProblem,
    /// Names of the modules that were searched, in order.
    pub searched: Vec<String>,
    /// What the host knows about the symbol.
    pub note: Option<String>,
}

/// Why a symbol cannot be bound.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SymbolProblem {
    /// Nothing in scope defines the symbol.
    Undefined {
        /// Path of the library that imports it.
        importer: Arc<str>,
        /// The symbol.
        symbol: String,
        /// `function (i32) -> i32`, `data` and so on.
        wanted: String,
    },
    /// All definitions in scope have a different kind or type.
    WrongType {
        /// Path of the library that imports it.
        importer: Arc<str>,
        /// The symbol.
        symbol: String,
        /// What the importer needs.
        wanted: String,
        /// The module that defines the symbol first.
        definer: String,
        /// What the symbol is in that module.
        found: String,
        /// What the importer itself defines under that name.
        own: Option<String>,
    },
    /// The process does not offer the import module.
    UnknownImportModule {
        /// Path of the library that imports it.
        importer: Arc<str>,
        /// The import module.
        module: String,
        /// The name within it.
        name: String,
    },
    /// The library requires something of the process that the process does not have.
    Unsupported {
        /// Path of the library that imports it.
        importer: Arc<str>,
        /// The import, as `module.name`.
        import: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for SymbolProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SymbolProblem::Undefined { importer, symbol, wanted } => {
                write!(
                    f,
                    "undefined symbol `{symbol}` ({wanted}), needed by {importer}: neither the main module nor a \
                     library in scope exports it"
                )?;
                if abi::is_bound(symbol) {
                    write!(
                        f,
                        "; it is a bound of the main module's memory, which only its linker knows: link that with \
                         -Wl,--export={symbol}"
                    )?;
                }
                if abi::is_of_exception_runtime(symbol) {
                    f.write_str(
                        "; the main module is built without C++ exceptions, which the library uses: build both \
                         with -fwasm-exceptions",
                    )?;
                }
                Ok(())
            }
            SymbolProblem::WrongType { importer, symbol, wanted, definer, found, own } => {
                write!(
                    f,
                    "symbol `{symbol}` has another type: {importer} needs {wanted}, and {definer} has {found}"
                )?;
                match own {
                    Some(own) if definer.as_str() != &**importer => {
                        write!(f, "; {importer} itself defines it as {own}")
                    }
                    _ => Ok(()),
                }
            }
            SymbolProblem::UnknownImportModule { importer, module, name } => write!(
                f,
                "unknown import module `{module}`, from which {importer} imports `{name}`; a side module imports \
                 from env, GOT.mem, GOT.func and wasi_snapshot_preview1"
            ),
            SymbolProblem::Unsupported { importer, import, why } => {
                write!(f, "import `{import}` of {importer}: {why}")
            }
        }
    }
}

impl SymbolProblem {
    /// What messages call a function's type.
    pub(crate) fn function(signature: &Signature) -> String {
        format!("function {signature}")
    }
}

/// How many modules a message lists at most.
const SEARCHED: usize = 10;

/// Where an undefined symbol was searched for; for the other problems, the problem itself names the definer.
fn list_searched(problem: &SymbolProblem, searched: &[String]) -> String {
    if !matches!(problem, SymbolProblem::Undefined { .. }) {
        return String::new();
    }
    let listed = searched.iter().take(SEARCHED).cloned().collect::<Vec<_>>().join(", ");
    match searched.len().checked_sub(SEARCHED).filter(|more| *more > 0) {
        Some(more) => format!("; searched {listed} and {more} more"),
        None => format!("; searched {listed}"),
    }
}

fn note_of(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!("; {note}"))
}

/// How many problems a message lists at most. `pydl deps` lists all.
const LISTED: usize = 100;

fn list_problems(library: &str, problems: &[SymbolProblem]) -> String {
    match problems {
        [only] => format!("{library}: {only}"),
        several => {
            let mut text = format!("{library}: {} symbols cannot be bound", several.len());
            for problem in several.iter().take(LISTED) {
                let _ = write!(text, "\n  {problem}");
            }
            if let Some(more) = several.len().checked_sub(LISTED).filter(|more| *more > 0) {
                let _ = write!(text, "\n  and {more} more");
            }
            text
        }
    }
}

fn why_it_fails(of_javascript: bool) -> &'static str {
    if of_javascript {
        "which only JavaScript has; build it without"
    } else {
        "which neither the main module nor a library in scope exports"
    }
}

pub(crate) fn list_features(features: &[&str]) -> String {
    let which = if features.len() == 1 { "a feature" } else { "features" };
    format!(
        "it uses {which} of WebAssembly that processes do not have: {}; build it without",
        features.join(", ")
    )
}

fn list_defects(main: &str, defects: &[MainDefect]) -> String {
    let mut text = format!("{main} cannot load libraries:");
    for defect in defects {
        let _ = write!(text, "\n  {defect}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_text_without_the_path() {
        let library = || "/lib/a.so".to_owned();
        let why = || "why".to_owned();
        for error in [
            LinkError::Malformed { library: library(), error: ParseError::new(1, "bad") },
            LinkError::NotASideModule { library: library(), why: why() },
            LinkError::Symbols { library: library(), problems: Vec::new() },
            LinkError::DoesNotFit { library: library(), why: why() },
            LinkError::Features { library: library(), features: vec!["threads"] },
            LinkError::FailsWhenInitialized { library: library(), symbol: why(), of_javascript: false },
            LinkError::Internal { library: library(), what: "a slot" },
            LinkError::Overtaken { library: library() },
            LinkError::NotLoaded { library: library() },
            LinkError::FailedEarlier { library: library(), why: why() },
        ] {
            assert_eq!(error.library(), Some("/lib/a.so"), "{error:?}");
            assert_eq!(error.to_string(), format!("/lib/a.so: {}", error.reason()));
        }
        let of_main = LinkError::MainImports { main: library(), why: why() };
        assert_eq!((of_main.library(), of_main.reason()), (None, of_main.to_string()));
    }
}
