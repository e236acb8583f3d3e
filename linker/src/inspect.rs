//! Owns the data behind `pydl deps`: what a file needs and offers, and who would provide what it imports. Rests on the
//! same discovery and resolution as a load, so that it cannot come to another answer. Must not know files or terminals.

use std::sync::Arc;

use crate::abi_family::AbiEvidence;
use crate::error::{LinkError, ParseError, SymbolProblem};
use crate::ids::ModuleId;
use crate::main_module::MainModule;
use crate::namespace::Namespace;
use crate::needed::{FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, LoadOrder, Start};
use crate::parse::{Export, Import, MemoryInfo, ParsedModule};
use crate::resolve::Binding;
use crate::thunks::ThunkKind;

/// Who provides an import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Provider {
    /// The main module.
    Main,
    /// The importing module itself.
    Itself,
    /// Another library, by path.
    Library(String),
    /// The host: a WASI function.
    Host,
    /// The loader: memory, table, stack pointer, bases, tags.
    Loader,
    /// Nobody, and it is weak: the address is 0, a call traps.
    WeakUndefined,
    /// Nobody, or somebody who has another type for it: why.
    Missing(SymbolProblem),
}

/// An import with its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportReport {
    /// The import.
    pub import: Import,
    /// Whether it may stay undefined.
    pub weak: bool,
    /// Who provides it; `None` when no main module was given.
    pub provider: Option<Provider>,
}

/// An export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub export: Export,
}

/// What there is to tell of one file.
#[derive(Clone, Debug)]
pub struct ModuleReport {
    /// Path of the file.
    pub path: String,
    /// Why the file is not a side module; `None` for one that is.
    pub not_a_side_module: Option<String>,
    /// The ABI it was compiled for, when something shows it.
    pub abi: Option<AbiEvidence>,
    /// Memory and table needs.
    pub memory: MemoryInfo,
    /// Names of the libraries it needs.
    pub needed: Vec<String>,
    /// Folders to search for them.
    pub runtime_path: Vec<String>,
    /// All imports in file order.
    pub imports: Vec<ImportReport>,
    /// All exports in file order.
    pub exports: Vec<ExportReport>,
    /// Needed libraries that are not among the given files.
    pub needed_missing: Vec<LibraryNotFound>,
    /// Why the library would be refused before any symbol is looked at.
    pub refused: Option<LinkError>,
}

impl ModuleReport {
    /// Names of the Python modules it can be imported as: its `PyInit_*` functions.
    pub fn python_modules(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().filter_map(|export| export.name.strip_prefix("PyInit_"))
    }

    /// Whether a load would succeed, as far as the given files tell. Without a main module nothing is known to be
    /// missing.
    pub fn would_load(&self) -> bool {
        let missing = |i: &ImportReport| matches!(i.provider, Some(Provider::Missing(_)));
        self.not_a_side_module.is_none()
            && self.refused.is_none()
            && (self.imports.iter().all(|i| i.provider.is_none()) || self.needed_missing.is_empty())
            && !self.imports.iter().any(missing)
    }
}

/// Describes the first of `files`; the others may serve its NEEDED entries by file name. With a main module, every
/// import gets its provider. Errs when the file is not a WebAssembly module.
pub fn inspect(
    files: &[FoundLibrary],
    main: Option<&Arc<MainModule>>,
) -> Result<Option<ModuleReport>, ParseError> {
    let Some(file) = files.first() else { return Ok(None) };
    let module = ParsedModule::parse(&file.bytes)?;
    let mut report = describe(file, &module);
    if let (Some(main), None) = (main, &report.not_a_side_module) {
        link(&mut report, files, main);
    }
    Ok(Some(report))
}

fn describe(file: &FoundLibrary, module: &ParsedModule) -> ModuleReport {
    let dylink = module.dylink.clone().unwrap_or_default();
    let import = |import: &Import| ImportReport {
        import: import.clone(),
        weak: dylink.weak_imports.contains(&import.name),
        provider: None,
    };
    let export =
        |(name, export): (&String, &Export)| ExportReport { name: name.clone(), export: export.clone() };
    ModuleReport {
        path: file.path.clone(),
        not_a_side_module: module.require_side_module().err(),
        abi: AbiEvidence::find(module, &file.path),
        memory: dylink.memory,
        imports: module.imports.iter().map(import).collect(),
        exports: module.exports.iter().map(export).collect(),
        needed: dylink.needed.into_iter().collect(),
        runtime_path: dylink.runtime_path.into_iter().collect(),
        needed_missing: Vec::new(),
        refused: None,
    }
}

/// Fills in what a load into a process of `main` would do.
fn link(report: &mut ModuleReport, files: &[FoundLibrary], main: &Arc<MainModule>) {
    let namespace = Namespace::new(main.clone(), Arc::new(Namespace::host_functions_of(main).collect()));
    let found = LoadOrder::discover_present(&namespace, &report.path, &mut Given { files });
    let (order, missing) = match found {
        Ok((Start::New(order), missing)) => (order, missing),
        Ok((Start::Loaded(_), _)) => return,
        Err(error) => {
            report.refused = Some(error);
            return;
        }
    };
    report.needed_missing = missing;
    let root = order.root().id;
    let explained = order.explain(&namespace);
    let Some((_, bindings)) = explained.results.into_iter().find(|(id, _)| *id == root) else { return };
    for (import, binding) in report.imports.iter_mut().zip(bindings) {
        import.provider = Some(match binding {
            Err(problem) => Provider::Missing(problem),
            Ok(Binding::Thunk(thunk)) => match explained.thunks.get(thunk).map(|t| &t.kind) {
                Some(ThunkKind::Host { .. }) => Provider::Host,
                _ => Provider::WeakUndefined,
            },
            Ok(Binding::Null) => Provider::WeakUndefined,
            Ok(binding) => match binding.definer() {
                None => Provider::Loader,
                Some(ModuleId::MAIN) => Provider::Main,
                Some(id) if id == root => Provider::Itself,
                Some(id) => {
                    Provider::Library(order.new_library(id).map(|l| l.file.path.clone()).unwrap_or_default())
                }
            },
        });
    }
}

/// Serves requests from the given files: the first by its path, the others by file name.
struct Given<'a> {
    files: &'a [FoundLibrary],
}

impl LibrarySource for Given<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let name = |file: &FoundLibrary| match request.requester {
            None => file.path == request.name,
            Some(_) => file_name(&file.path) == file_name(request.name),
        };
        self.files.iter().find(|file| name(file)).cloned().ok_or_else(|| LibraryNotFound {
            name: request.name.to_owned(),
            requester: request.requester.map(|requester| requester.path.clone()),
            tried: Vec::new(),
        })
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
