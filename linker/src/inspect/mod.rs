//! Owns the data behind `pydl deps`: what a file needs and offers, and what would provide its imports. Rests on the same
//! discovery and resolution as a load, so that it cannot come to a different answer. Must not know files or terminals.

mod difference;
mod facts;
mod initialization;
mod map;
mod symbol;
mod used;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::error::{LinkError, SymbolProblem};
use crate::link::host::Host;
use crate::link::layout::Reservation;
use crate::link::main_module::MainModule;
use crate::link::namespace::Namespace;
use crate::link::needed::{FoundLibrary, LibraryNotFound, LibrarySource, LoadOrder, NewLibrary, Searched};
use crate::link::rehearsal::{Opened, Rehearsal};
use crate::link::resolve::{Binding, Explanation};
use crate::link::stand_in::StandIn;
use crate::link::thunks::ThunkKind;
use crate::parse::abi_family::{AbiEvidence, AbiFamily};
use crate::parse::error::ParseError;
use crate::parse::{Export, ExportKind, Import, ImportKind, MemoryInfo, ParsedModule, Signature};

pub use difference::SymbolDifference;
pub use facts::{BuildFacts, ExceptionStyle, Producer, refused_features_in_words};
pub use map::{MemoryRegion, Owner, ProcessMap, TableRegion};
pub use symbol::{SymbolDefinition, SymbolReport, SymbolUse};

/// What provides an import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Provider {
    /// The main module.
    Main,
    /// The importing module itself.
    Itself,
    /// Another library, by path.
    Library(String),
    /// The host: a function of its system interface.
    Host,
    /// Nothing but JavaScript, which does not exist here: a call fails.
    JavaScript,
    /// The loader: memory, table, stack pointer, bases, tags.
    Loader,
    /// Nothing, and the import is weak: the address is 0, a call traps.
    WeakUndefined,
    /// Nothing, which a main module for Emscripten allows: a call traps.
    UndefinedUntilCalled,
    /// Nothing, or only definitions of another type; the problem states why.
    Missing(Arc<SymbolProblem>),
}

/// An import with its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportReport {
    /// The import.
    pub import: Import,
    /// Whether the import may stay undefined.
    pub weak: bool,
    /// What provides the import; `None` when that was not determined: no main module was given, or the load would be refused
    /// earlier.
    pub provider: Option<Provider>,
}

/// An export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportReport {
    /// Name of the export.
    pub name: String,
    /// What it is.
    pub export: Export,
}

/// Everything that can be reported about one file.
#[derive(Clone, Debug)]
pub struct ModuleReport {
    /// Path of the file.
    pub path: String,
    /// Size of the file, in bytes.
    pub file_size: u64,
    /// Why the file is not a side module; `None` for one that is.
    pub not_a_side_module: Option<String>,
    /// The ABI that the file was compiled for, when there is evidence of it.
    pub abi: Option<AbiEvidence>,
    /// How the file was built.
    pub facts: BuildFacts,
    /// Memory and table requirements; all zero in a file without a `dylink.0` section.
    pub memory: MemoryInfo,
    /// Names of the libraries that the file needs, each once.
    pub needed: Vec<String>,
    /// NEEDED entries that repeat one of [`ModuleReport::needed`], in order.
    pub repeated_needed: Vec<String>,
    /// Folders in which to search for the needed libraries.
    pub runtime_path: Vec<String>,
    /// All imports in file order.
    pub imports: Vec<ImportReport>,
    /// All exports: functions and data by name, then the others by name.
    pub exports: Vec<ExportReport>,
    /// Name of the main module that the file was checked against.
    pub checked_against: Option<String>,
    /// Why the load would be refused regardless of the file's symbols.
    pub refused: Vec<LinkError>,
    /// Libraries that the file or a library of the load needs, and that were not found.
    pub needed_missing: Vec<LibraryNotFound>,
    /// Every symbol of the load that cannot be bound, sorted: those that the file imports, and those that the libraries it needs
    /// import.
    pub problems: Vec<Arc<SymbolProblem>>,
    /// Reasons against the load that lie outside the file, which the caller adds: for example, that Python looks for other file
    /// names.
    pub outside_reasons: Vec<String>,
}

impl ExportReport {
    /// The type that an import of this export would state; `None` for data, whose address is imported.
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
    /// Names of the Python modules that the file can be imported as, from its `PyInit_*` functions.
    pub fn python_modules(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().filter_map(|export| export.name.strip_prefix("PyInit_"))
    }

    /// Whether a load would succeed, as far as the given files show. `None` when nothing speaks against it and there was no main
    /// module to check against.
    pub fn would_load(&self) -> Option<bool> {
        let refuted = self.reasons().next().is_some();
        (refuted || self.checked_against.is_some()).then_some(!refuted)
    }

    /// Why a load would fail, one text for each reason.
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        let outside = self.outside_reasons.iter().cloned();
        let refused = self.refused.iter().map(ToString::to_string);
        let missing = self.needed_missing.iter().map(|missing| match &missing.requester {
            Some(requester) if missing.tried.is_empty() => {
                format!("{requester}: needs {}, which is not among the given files", missing.name)
            }
            _ => missing.to_string(),
        });
        outside.chain(refused).chain(missing).chain(self.problems.iter().map(ToString::to_string))
    }
}

/// Inspects files as they would be loaded into processes of one main module, or without a main module.
#[derive(Debug)]
pub struct Inspector {
    /// A process before the file is opened; `None` without a main module, and when processes of the main module cannot start.
    process: Option<Rehearsal>,
    main: Option<Arc<MainModule>>,
    host: Arc<dyn Host>,
    /// Why nothing can be loaded.
    refused: Vec<LinkError>,
}

impl Inspector {
    /// Creates an inspector. With a main module, every import gets its provider as in a load into a process of that main module
    /// in which nothing is loaded but what the main module itself needs; `libraries` is the source of that.
    pub fn new(
        main: Option<Arc<MainModule>>,
        libraries: &mut dyn LibrarySource,
        host: Arc<dyn Host>,
    ) -> Inspector {
        let mut inspector = Inspector { process: None, main, host, refused: Vec::new() };
        if let Some(main) = &inspector.main {
            inspector.refused.extend(main.require_hosting().err());
            match Rehearsal::start(main, libraries, &inspector.host, StandIn::of(main)) {
                Ok((process, _)) => inspector.process = Some(process),
                Err(error) => inspector.refused.push(error),
            }
        }
        inspector
    }

    /// The main module, if there is one.
    pub fn main(&self) -> Option<&MainModule> {
        self.main.as_deref()
    }

    /// Describes a file; `libraries` is the source of what it needs. Errs when the file is not a WebAssembly module.
    pub fn inspect(
        &self,
        file: &FoundLibrary,
        libraries: &mut dyn LibrarySource,
    ) -> Result<ModuleReport, ParseError> {
        let module = libraries.parse(file)?;
        let mut report = describe(file, &module);
        if let Some(main) = &self.main {
            report.checked_against = Some(main.name().to_owned());
            report.refused.extend(self.refused.iter().cloned());
        }
        match (&self.process, &report.not_a_side_module) {
            (Some(process), None) => {
                link(&mut report, &process.namespace, &mut Opened { file, module, libraries }, &*self.host);
            }
            (_, Some(_)) if report.needed.is_empty() => tell_host(&mut report, &*self.host),
            _ => {}
        }
        Ok(report)
    }

    /// The layout of a process that has just started, to load files into. Errs with a message when no process can start, or when
    /// it cannot load anything.
    pub fn map(&self) -> Result<ProcessMap, String> {
        match &self.process {
            Some(process) if self.refused.is_empty() => Ok(ProcessMap::started(process.clone())),
            _ => Err(self.refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    /// Which modules need a symbol in a load of `file`, and which have it. Errs with everything that stands against the load when
    /// there is nothing in which to look the symbol up.
    pub fn why(
        &self,
        file: &FoundLibrary,
        symbol: &str,
        libraries: &mut dyn LibrarySource,
    ) -> Result<SymbolReport, Vec<LinkError>> {
        let Some(Rehearsal { namespace, .. }) = &self.process else { return Err(self.refused.clone()) };
        let module = libraries.parse(file).map_err(|error| vec![malformed(file, error)])?;
        let mut opened = Opened { file, module, libraries };
        match LoadOrder::discover_present(namespace, &file.path, &mut opened).map_err(|error| vec![error])? {
            (Searched::New(order), _) => {
                let namespace = with_functions_of_host(namespace, &order, &*self.host);
                let mut report = SymbolReport::of(&namespace, &order, symbol);
                report.of_javascript |= has_text(&order, symbol)
                    || namespace.host_function(abi::ENV, symbol).is_some_and(|ty| {
                        is_of_javascript(namespace.family(), abi::ENV, symbol, ty, &*self.host)
                    });
                Ok(report)
            }
            (Searched::Loaded(_), _) => Ok(SymbolReport::of_loaded(namespace, &file.path, symbol)),
        }
    }
}

fn malformed(file: &FoundLibrary, error: ParseError) -> LinkError {
    LinkError::Malformed { library: file.path.clone(), error }
}

fn describe(file: &FoundLibrary, module: &ParsedModule) -> ModuleReport {
    let not_a_side_module = module.require_side_module().err();
    let refused =
        not_a_side_module.clone().map(|why| LinkError::NotASideModule { library: file.path.clone(), why });
    let dylink = module.dylink.clone().unwrap_or_default();
    let import = |import: &Import| {
        let weak = dylink.weak_imports.contains(&import.name);
        ImportReport { import: import.clone(), weak, provider: None }
    };
    ModuleReport {
        path: file.path.clone(),
        file_size: u64::try_from(file.bytes.len()).unwrap_or(u64::MAX),
        not_a_side_module,
        abi: AbiEvidence::find(module, &file.path),
        facts: BuildFacts::read(module, &file.bytes),
        memory: dylink.memory,
        imports: module.imports.iter().map(import).collect(),
        exports: module
            .exports
            .iter()
            .map(|(name, export)| ExportReport { name: name.to_owned(), export: export.clone() })
            .collect(),
        needed: dylink.needed.into_iter().collect(),
        repeated_needed: dylink.repeated_needed,
        runtime_path: dylink.runtime_path.into_iter().collect(),
        checked_against: None,
        refused: refused.into_iter().collect(),
        needed_missing: Vec::new(),
        problems: Vec::new(),
        outside_reasons: Vec::new(),
    }
}

/// Fills in what a main module for Emscripten gets from the host.
fn tell_host(report: &mut ModuleReport, host: &dyn Host) {
    if report.abi.as_ref().is_some_and(|abi| abi.family == AbiFamily::Emscripten) {
        for report in &mut report.imports {
            if let ImportKind::Function(_) = report.import.kind {
                report.provider = Some(of_host(AbiFamily::Emscripten, &report.import, host));
            }
        }
    }
}

/// What provides a function that the main module imports from the host.
fn of_host(family: AbiFamily, import: &Import, host: &dyn Host) -> Provider {
    match &import.kind {
        ImportKind::Function(ty) if is_of_javascript(family, &import.module, &import.name, ty, host) => {
            Provider::JavaScript
        }
        _ => Provider::Host,
    }
}

/// What provides a function whose address a library gets from the host.
fn of_host_by_address(namespace: &Namespace, name: &str) -> Provider {
    match namespace.host_address(name) {
        Some(address) if !address.is_served => Provider::JavaScript,
        _ => Provider::Host,
    }
}

/// Whether only JavaScript has a function that a main module imports.
fn is_of_javascript(family: AbiFamily, module: &str, name: &str, ty: &Signature, host: &dyn Host) -> bool {
    family == AbiFamily::Emscripten && host.function(family, module, name, ty).is_none()
}

/// Fills in what a load into a process would do.
fn link(report: &mut ModuleReport, namespace: &Namespace, opened: &mut Opened<'_>, host: &dyn Host) {
    let found = LoadOrder::discover_present(namespace, &report.path, opened);
    let (order, missing) = match found {
        Ok((Searched::New(order), missing)) => (order, missing),
        Ok((Searched::Loaded(id), _)) => return report_loaded(report, namespace, id, host),
        Err(error) => {
            report.refused.push(error);
            return;
        }
    };
    report.needed_missing = missing;
    let namespace = &with_functions_of_host(namespace, &order, host);
    let Explanation { results, thunks, slotless } = order.explain(namespace);
    let root = order.root();
    let is_of_host =
        |thunk: usize| matches!(thunks.get(thunk).map(|thunk| &thunk.kind), Some(ThunkKind::Host { .. }));
    let mut failing = Vec::new();
    for (id, bindings) in results {
        let mut fails = BTreeMap::new();
        let imports = if id == root { report.imports.as_mut_slice() } else { &mut [] };
        let mut imports = imports.iter_mut();
        for (position, binding) in bindings.into_iter().enumerate() {
            let binding = binding.map_err(Arc::new);
            let import = order.new_library(id).and_then(|library| library.module.imports.get(position));
            let thunk = match (&binding, import) {
                (Ok(Binding::Thunk(thunk)), Some(import)) if is_of_host(*thunk) => {
                    Some(of_host(namespace.family(), import, host))
                }
                (Ok(Binding::Thunk(thunk)), Some(import)) => {
                    // A weak function may stay undefined, whether or not its name is known.
                    let thunk = thunks.get(*thunk).map(|thunk| &thunk.kind);
                    let is_known = !matches!(thunk, Some(ThunkKind::Undefined))
                        && is_listed(namespace, &import.name, host);
                    let is_of_javascript = has_text(&order, &import.name) || is_known;
                    Some(if is_of_javascript { Provider::JavaScript } else { Provider::UndefinedUntilCalled })
                }
                _ => None,
            };
            if let Some(Provider::JavaScript | Provider::UndefinedUntilCalled) = thunk {
                fails.insert(position, thunk == Some(Provider::JavaScript));
            }
            if let Some(import) = imports.next() {
                import.provider = Some(match (&binding, thunk) {
                    (Ok(Binding::HostSlot(name)), _) => of_host_by_address(namespace, name),
                    (Ok(Binding::Thunk(_)), Some(known @ (Provider::Host | Provider::JavaScript))) => known,
                    (Ok(binding), _) => provider(import, binding, root, |id| path_of(namespace, &order, id)),
                    (Err(problem), _) => Provider::Missing(problem.clone()),
                });
            }
            report.problems.extend(binding.err());
        }
        failing.extend(order.new_library(id).map(|library| (library, fails)));
    }
    report.problems.sort();
    report.problems.dedup();
    if report.problems.is_empty() && report.needed_missing.is_empty() {
        // In a load, libraries reach the engine once everything is bound.
        report.refused.extend(order.in_initialization_order().find_map(refused_by_engine));
        let at_once = failing.iter().filter_map(|(library, fails)| fails_when_initialized(library, fails));
        report.refused.extend(at_once);
        let reservation =
            Reservation::of(order.root_name(namespace), order.in_initialization_order(), slotless);
        report.refused.extend(reservation.err());
    }
}

/// The namespace with the functions that the host provides for the libraries of a load, as a process learns of them.
fn with_functions_of_host<'a>(
    namespace: &'a Namespace,
    order: &LoadOrder,
    host: &dyn Host,
) -> Cow<'a, Namespace> {
    let functions = namespace.ask_host(order, host);
    if functions.is_empty() {
        return Cow::Borrowed(namespace);
    }
    let mut namespace = namespace.clone();
    namespace.add_host_functions(functions);
    Cow::Owned(namespace)
}

/// Whether a function that nothing defines is one that JavaScript is known to have.
fn is_listed(namespace: &Namespace, name: &str, host: &dyn Host) -> bool {
    host.address(namespace.family(), name).is_some_and(|address| !address.is_served)
}

/// Whether a library of the load contains the text of a function in JavaScript.
fn has_text(order: &LoadOrder, name: &str) -> bool {
    let name = format!("{}{name}", abi::EM_JS);
    order.in_initialization_order().any(|library| library.module.exports.contains(&name))
}

/// Why the engine does not accept a library, as far as that can be determined without the engine.
fn refused_by_engine(library: &NewLibrary) -> Option<LinkError> {
    let features = facts::refused_features(&library.module, &library.file.bytes);
    (!features.is_empty()).then(|| LinkError::Features { library: library.file.path.clone(), features })
}

/// Why the initialization of a library fails, if that is certain: `fails` has the positions of the imports that fail when called,
/// and whether each belongs to JavaScript.
fn fails_when_initialized(library: &NewLibrary, fails: &BTreeMap<usize, bool>) -> Option<LinkError> {
    if fails.is_empty() {
        return None;
    }
    let called = initialization::surely_called(&library.module, &library.file.bytes);
    let (position, of_javascript) = fails.iter().find(|(position, _)| called.contains(position))?;
    let symbol = library.module.imports.get(*position)?.name.clone();
    Some(LinkError::FailsWhenInitialized {
        library: library.file.path.clone(),
        symbol,
        of_javascript: *of_javascript,
    })
}

/// Fills in what a library that the main module needs itself was bound to.
fn report_loaded(report: &mut ModuleReport, namespace: &Namespace, id: ModuleId, host: &dyn Host) {
    let Some(library) = namespace.library(id) else { return };
    for (report, binding) in report.imports.iter_mut().zip(library.bindings.iter()) {
        let import = &report.import;
        let is_of_host = namespace.host_function(&import.module, &import.name).is_some();
        report.provider = Some(match binding {
            Binding::HostSlot(name) => of_host_by_address(namespace, name),
            Binding::Thunk(_) if is_of_host => of_host(namespace.family(), import, host),
            binding => provider(report, binding, id, |id| namespace.name(id)),
        });
    }
}

/// What provides an import of the library `itself`, unless it is a function of a host.
fn provider<'a>(
    import: &ImportReport,
    binding: &Binding,
    itself: ModuleId,
    path: impl Fn(ModuleId) -> &'a str,
) -> Provider {
    match binding {
        Binding::Thunk(_) | Binding::Null if import.weak => Provider::WeakUndefined,
        Binding::Thunk(_) => Provider::UndefinedUntilCalled,
        Binding::Null => Provider::WeakUndefined,
        binding => match binding.definer() {
            None => Provider::Loader,
            Some(ModuleId::MAIN) => Provider::Main,
            Some(id) if id == itself => Provider::Itself,
            Some(id) => Provider::Library(path(id).to_owned()),
        },
    }
}

/// The path of a module of a process, or of the load.
fn path_of<'a>(namespace: &'a Namespace, order: &'a LoadOrder, id: ModuleId) -> &'a str {
    order.new_library(id).map_or_else(|| namespace.name(id), |new| new.file.path.as_str())
}
