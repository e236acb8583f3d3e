//! Owns the data behind `pydl deps`: what a file needs and offers, and who would provide what it imports. Rests on the
//! same discovery and resolution as a load, so that it cannot come to another answer. Must not know files or terminals.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::abi_family::AbiEvidence;
use crate::error::{LinkError, ParseError, SymbolProblem};
use crate::ids::ModuleId;
use crate::main_module::MainModule;
use crate::namespace::Namespace;
use crate::needed::{
    FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, LoadOrder, OpenMode, Start,
};
use crate::parse::{Export, ExportKind, Import, ImportKind, MemoryInfo, ParsedModule};
use crate::resolve::{Binding, Explanation};
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
    /// Nobody, which a main module for Emscripten allows: a call traps.
    UndefinedUntilCalled,
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
    /// Who provides it; `None` when that was not looked for: no main module was given, or the load would be refused
    /// before.
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
    /// Memory and table needs; all zero in a file without a `dylink.0` section.
    pub memory: MemoryInfo,
    /// Names of the libraries it needs.
    pub needed: Vec<String>,
    /// Folders to search for them.
    pub runtime_path: Vec<String>,
    /// All imports in file order.
    pub imports: Vec<ImportReport>,
    /// All exports: functions and data by name, then the others by name.
    pub exports: Vec<ExportReport>,
    /// Name of the main module that the file was checked against.
    pub checked_against: Option<String>,
    /// Why the load would be refused whatever its symbols are.
    pub refused: Vec<LinkError>,
    /// Libraries that the file or a library of the load needs, and that are not among the given files.
    pub needed_missing: Vec<LibraryNotFound>,
    /// Every symbol of the load that cannot be bound, sorted: those that the file imports, and those that the libraries
    /// it needs import.
    pub problems: Vec<SymbolProblem>,
}

impl ExportReport {
    /// The type that an import of it would state; `None` for data, whose address is imported.
    pub fn external_type(&self) -> Option<ImportKind> {
        Some(match &self.export.kind {
            ExportKind::Function { signature, .. } => ImportKind::Function(signature.clone()),
            ExportKind::Data { .. } => return None,
            ExportKind::Global(ty) => ImportKind::Global(*ty),
            ExportKind::Table(ty) => ImportKind::Table(*ty),
            ExportKind::Memory(ty) => ImportKind::Memory(*ty),
            ExportKind::Tag(signature) => ImportKind::Tag(signature.clone()),
        })
    }
}

impl ModuleReport {
    /// Names of the Python modules it can be imported as: its `PyInit_*` functions.
    pub fn python_modules(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().filter_map(|export| export.name.strip_prefix("PyInit_"))
    }

    /// Whether a load would succeed, as far as the given files tell. `None` when nothing speaks against it and there
    /// was no main module to check against.
    pub fn would_load(&self) -> Option<bool> {
        let refuted = self.reasons().next().is_some();
        (refuted || self.checked_against.is_some()).then_some(!refuted)
    }

    /// Why a load would fail, one text for each reason.
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        let refused = self.refused.iter().map(ToString::to_string);
        let missing = self.needed_missing.iter().map(|missing| match &missing.requester {
            Some(requester) => {
                format!("{requester}: needs {}, which is not among the given files", missing.name)
            }
            None => missing.to_string(),
        });
        refused.chain(missing).chain(self.problems.iter().map(ToString::to_string))
    }
}

/// Describes the first of `files`. With a main module, every import gets its provider as in a load into a process of it
/// in which no library is loaded yet; the other files then serve NEEDED entries, by file name, those of the requester's
/// own folder first. Errs when the file is not a WebAssembly module; `None` when there is no file.
pub fn inspect(
    files: &[FoundLibrary],
    main: Option<&Arc<MainModule>>,
) -> Result<Option<ModuleReport>, ParseError> {
    let Some(file) = files.first() else { return Ok(None) };
    let module = ParsedModule::parse(&file.bytes)?;
    let mut report = describe(file, module);
    if let Some(main) = main {
        report.checked_against = Some(main.name().to_owned());
        report.refused.extend(main.require_hosting().err());
        if report.not_a_side_module.is_none() {
            link(&mut report, files, main);
        }
    }
    Ok(Some(report))
}

fn describe(file: &FoundLibrary, module: ParsedModule) -> ModuleReport {
    let abi = AbiEvidence::find(&module, &file.path);
    let not_a_side_module = module.require_side_module().err();
    let refused =
        not_a_side_module.clone().map(|why| LinkError::NotASideModule { library: file.path.clone(), why });
    let dylink = module.dylink.unwrap_or_default();
    let import = |import: Import| {
        let weak = dylink.weak_imports.contains(&import.name);
        ImportReport { import, weak, provider: None }
    };
    ModuleReport {
        path: file.path.clone(),
        not_a_side_module,
        abi,
        memory: dylink.memory,
        imports: module.imports.into_iter().map(import).collect(),
        exports: module
            .exports
            .iter()
            .map(|(name, export)| ExportReport { name: name.to_owned(), export: export.clone() })
            .collect(),
        needed: dylink.needed.into_iter().collect(),
        runtime_path: dylink.runtime_path.into_iter().collect(),
        checked_against: None,
        refused: refused.into_iter().collect(),
        needed_missing: Vec::new(),
        problems: Vec::new(),
    }
}

/// Fills in what a load into a process of `main` would do.
fn link(report: &mut ModuleReport, files: &[FoundLibrary], main: &Arc<MainModule>) {
    let namespace = Namespace::new(main.clone(), Arc::new(Namespace::host_functions_of(main).collect()));
    let found = LoadOrder::discover_present(&namespace, &report.path, &mut Given::of(files));
    let (order, missing) = match found {
        Ok((Start::New(order), missing)) => (order, missing),
        // Nothing is loaded in a new namespace.
        Ok((Start::Loaded(_), _)) => return,
        Err(error) => {
            report.refused.push(error);
            return;
        }
    };
    report.needed_missing = missing;
    let Explanation { results, thunks } = order.explain(&namespace);
    let root = order.root().id;
    let undefined = |import: &ImportReport| {
        if import.weak { Provider::WeakUndefined } else { Provider::UndefinedUntilCalled }
    };
    let provider = |import: &ImportReport, binding: &Binding| match binding {
        Binding::Thunk(thunk) => match thunks.get(*thunk).map(|thunk| &thunk.kind) {
            Some(ThunkKind::Host { .. }) => Provider::Host,
            _ => undefined(import),
        },
        Binding::Null => Provider::WeakUndefined,
        binding => match binding.definer() {
            None => Provider::Loader,
            Some(ModuleId::MAIN) => Provider::Main,
            Some(id) if id == root => Provider::Itself,
            Some(id) => {
                Provider::Library(order.new_library(id).map(|l| l.file.path.clone()).unwrap_or_default())
            }
        },
    };
    for (id, bindings) in results {
        if id == root {
            for (import, binding) in report.imports.iter_mut().zip(&bindings) {
                import.provider = Some(match binding {
                    Ok(binding) => provider(import, binding),
                    Err(problem) => Provider::Missing(problem.clone()),
                });
            }
        }
        report.problems.extend(bindings.into_iter().filter_map(Result::err));
    }
    report.problems.sort();
    report.problems.dedup();
    if report.problems.is_empty() && report.needed_missing.is_empty() {
        let fits = order.resolve(&namespace, OpenMode::default()).and_then(|resolved| resolved.reservation());
        report.refused.extend(fits.err());
    }
}

/// Serves requests from the given files: the first by its path, the others by file name.
struct Given<'a> {
    first: Option<&'a FoundLibrary>,
    by_folder_and_name: BTreeMap<(&'a str, &'a str), &'a FoundLibrary>,
    by_name: BTreeMap<&'a str, &'a FoundLibrary>,
}

impl<'a> Given<'a> {
    fn of(files: &'a [FoundLibrary]) -> Given<'a> {
        let first = files.first();
        let mut given = Given { first, by_folder_and_name: BTreeMap::new(), by_name: BTreeMap::new() };
        for file in files {
            let (folder, name) = split_path(&file.path);
            given.by_folder_and_name.entry((folder, name)).or_insert(file);
            given.by_name.entry(name).or_insert(file);
        }
        given
    }
}

impl LibrarySource for Given<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let (_, name) = split_path(request.name);
        let found = match request.requester {
            None => self.first,
            Some(requester) => {
                let (folder, _) = split_path(&requester.path);
                self.by_folder_and_name.get(&(folder, name)).or_else(|| self.by_name.get(name)).copied()
            }
        };
        found.cloned().ok_or_else(|| LibraryNotFound {
            name: request.name.to_owned(),
            requester: request.requester.map(|requester| requester.path.clone()),
            tried: Vec::new(),
        })
    }
}

/// A path's folder and file name.
fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
