//! Owns the walk along NEEDED entries: which files a load needs, in which order they are initialized, and in which order they are
//! searched for symbols. Requests files from a [`LibrarySource`]. Must not know folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use indexmap::IndexSet;

use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::error::LinkError;
use crate::link::namespace::{Namespace, Stage};
use crate::link::plan::LoadPlan;
use crate::link::search_path::{Requester, RuntimePath};
use crate::parse::abi_family::AbiEvidence;
use crate::parse::error::ParseError;
use crate::parse::{ImportKind, ParsedModule, Signature};

/// A request for one library file.
#[derive(Clone, Copy, Debug)]
pub struct LibraryRequest<'a> {
    /// The name as it was passed to `dlopen` or appears in NEEDED.
    pub name: &'a str,
    /// The library whose NEEDED entry names it; `None` for `dlopen`.
    pub requester: Option<&'a Requester>,
}

/// The identity of a file, by which two paths are recognized as the same file: device and inode number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// A library file that was found and read.
#[derive(Clone, Debug)]
pub struct FoundLibrary {
    /// Absolute path. Other paths may lead to the same file; `identity` shows that.
    pub path: String,
    /// Identity of the file, where the file system provides one.
    pub identity: Option<FileIdentity>,
    /// The contents of the file.
    pub bytes: Arc<[u8]>,
}

impl FoundLibrary {
    /// A hash of the contents.
    pub(crate) fn contents(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        hasher.finish()
    }
}

/// A request for a library that no file satisfied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibraryNotFound {
    /// The requested name.
    pub name: String,
    /// Path of the library whose NEEDED entry names it; `None` for `dlopen`.
    pub requester: Option<String>,
    /// The paths that were tried, and what was wrong with each.
    pub tried: Vec<(String, String)>,
}

impl LibraryNotFound {
    /// Adds to the list of tried paths, unless the list is already long: a file may name thousands of folders.
    pub fn note(tried: &mut Vec<(String, String)>, path: String, why: impl Into<String>) {
        match tried.len() {
            ..MOST_TRIED => tried.push((path, why.into())),
            MOST_TRIED => tried.push(("further places".to_owned(), "not listed".to_owned())),
            _ => {}
        }
    }
}

impl fmt::Display for LibraryNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot be opened", self.name)?;
        if let Some(requester) = &self.requester {
            write!(f, ", needed by {requester}")?;
        }
        match self.tried.as_slice() {
            [] => f.write_str(": not found"),
            [(path, why)] if *path == self.name => write!(f, ": {why}"),
            several => {
                f.write_str("; tried")?;
                for (position, (path, why)) in several.iter().enumerate() {
                    write!(f, "{} {path} ({why})", if position == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

/// Finds and reads library files for the linker.
pub trait LibrarySource {
    /// Finds the file for a request and reads it. Errs with everything that was tried.
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound>;

    /// Parses a library that was found. A source whose files take part in many loads may cache the result. Errs when the file is
    /// malformed.
    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        ParsedModule::parse(&found.bytes).map(Arc::new)
    }
}

/// How a library is to be opened: the mode argument of `dlopen` (POSIX.1-2024), with the numbers of musl.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the bits of C's argument")]
pub struct OpenMode {
    /// `RTLD_GLOBAL`: later loads see the library's symbols.
    pub global: bool,
    /// `RTLD_NOLOAD`: only checks whether the library is loaded.
    pub noload: bool,
    /// `RTLD_NODELETE`: the library stays until the process ends.
    pub nodelete: bool,
    /// `RTLD_DEEPBIND`: the libraries of the load are searched before the global scope.
    pub deepbind: bool,
    /// `RTLD_LAZY`, without `RTLD_NOW`: functions that nothing defines yet are bound when they are first called.
    pub lazy: bool,
}

impl OpenMode {
    const LAZY: u32 = 1;
    const NOW: u32 = 2;
    const NOLOAD: u32 = 4;
    const GLOBAL: u32 = 0x100;
    const NODELETE: u32 = 0x1000;
    /// The value in glibc is 8, which is taken here; musl has none.
    const DEEPBIND: u32 = 0x4000;
    /// `RTLD_LOCAL` of wasi-libc; in musl and here it is 0.
    const WASI_LOCAL: u32 = 8;

    /// Decodes the mode argument of `dlopen`. Errs, with a message, when neither `RTLD_LAZY` nor `RTLD_NOW` is given and when an
    /// unknown bit is set. If both are given, `RTLD_NOW` counts.
    pub fn from_flags(flags: u32) -> Result<OpenMode, String> {
        let scope = Self::GLOBAL | Self::WASI_LOCAL | Self::DEEPBIND;
        let known = Self::LAZY | Self::NOW | Self::NOLOAD | Self::NODELETE | scope;
        if flags & !known != 0 {
            return Err(format!("invalid mode for dlopen(): unknown bits {:#x}", flags & !known));
        }
        if flags & (Self::LAZY | Self::NOW) == 0 {
            return Err("invalid mode for dlopen(): Either RTLD_LAZY or RTLD_NOW is required".to_owned());
        }
        let has = |flag: u32| flags & flag != 0;
        Ok(OpenMode {
            global: has(Self::GLOBAL),
            noload: has(Self::NOLOAD),
            nodelete: has(Self::NODELETE),
            deepbind: has(Self::DEEPBIND),
            lazy: !has(Self::NOW),
        })
    }
}

/// A library that a load brings in.
#[derive(Clone, Debug)]
pub struct NewLibrary {
    /// The id that the library will have once it is committed.
    pub id: ModuleId,
    /// The file that the library comes from.
    pub file: FoundLibrary,
    /// The parsed library.
    pub module: Arc<ParsedModule>,
    /// The libraries that this one needs, new or loaded, in the order of its NEEDED entries.
    pub needed: Vec<ModuleId>,
}

/// The outcome of a request.
#[derive(Clone, Debug)]
pub enum Searched {
    /// The library is loaded already.
    Loaded(ModuleId),
    /// These libraries have to be loaded.
    New(LoadOrder),
}

/// The libraries of one load, discovered and parsed.
#[derive(Clone, Debug)]
pub struct LoadOrder {
    /// New libraries, indexed by id minus the first new id: in the order of discovery.
    pub(crate) libraries: Vec<NewLibrary>,
    /// The first id of `libraries`.
    pub(crate) first: ModuleId,
    /// The requested libraries: exactly one, except in the load of what the main module needs.
    pub(crate) roots: Vec<ModuleId>,
    /// The order of instantiation and initialization: dependencies first. Within a cycle, the library that was reached last comes
    /// first.
    pub(crate) initialization: Vec<ModuleId>,
    /// The order in which constructors run: the order of initialization, extended by those libraries of loads under way whose
    /// constructors have not yet run.
    pub(crate) construction: Vec<ModuleId>,
    /// The order in which the libraries of this load are searched for symbols: breadth first from the requested library, loaded
    /// libraries included.
    pub(crate) search: Vec<ModuleId>,
    /// Whether `search` comes before the global scope.
    pub(crate) own_scope_first: bool,
    /// The plan of the main module, in the load that completes it: its cells and forwarders are bound along with the libraries.
    pub(crate) main: Option<Arc<LoadPlan>>,
}

impl LoadOrder {
    /// Finds everything that opening `name` brings in. Errs when a file is missing, malformed, not a side module or of a
    /// different ABI from the main module's.
    pub fn discover(
        namespace: &Namespace,
        name: &str,
        source: &mut dyn LibrarySource,
    ) -> Result<Searched, LinkError> {
        let (start, missing) = Self::discover_present(namespace, name, source)?;
        if missing.is_empty() { Ok(start) } else { Err(LinkError::NotFound(missing)) }
    }

    /// Like [`LoadOrder::discover`], but leaves out needed libraries that are missing, and returns them separately.
    pub(crate) fn discover_present(
        namespace: &Namespace,
        name: &str,
        source: &mut dyn LibrarySource,
    ) -> Result<(Searched, Vec<LibraryNotFound>), LinkError> {
        let mut discovery = Discovery::new(namespace, source);
        let root = discovery.enter(LibraryRequest { name, requester: None })?;
        let Some(root) = root else {
            // A file of that name takes precedence. Where there is none, the C library is the main module's.
            return if namespace.main().serves(name) {
                Ok((Searched::Loaded(ModuleId::MAIN), Vec::new()))
            } else {
                Err(LinkError::NotFound(discovery.missing))
            };
        };
        if namespace.library(root).is_some() {
            return Ok((Searched::Loaded(root), Vec::new()));
        }
        let (order, missing) = discovery.complete(vec![root])?;
        Ok((Searched::New(order), missing))
    }

    /// Finds everything that the main module itself needs, before any library is loaded: `requester` stands for the main module
    /// in the search. The libraries belong to one load, in whose scope they follow the main module in NEEDED order; there are
    /// none when it needs nothing but what it contains itself. Errs as [`LoadOrder::discover`] does.
    pub(crate) fn discover_needed_of_main(
        namespace: &Namespace,
        requester: &Requester,
        source: &mut dyn LibrarySource,
    ) -> Result<LoadOrder, LinkError> {
        let mut discovery = Discovery::new(namespace, source);
        let mut roots = IndexSet::new();
        for name in namespace.main().needed() {
            roots.extend(discovery.enter(LibraryRequest { name, requester: Some(requester) })?);
        }
        let (order, mut missing) = discovery.complete(roots.into_iter().collect())?;
        for missing in &mut missing {
            if missing.requester.as_ref() == Some(&requester.path) {
                missing.requester = Some(namespace.main().name().to_owned());
            }
        }
        if !missing.is_empty() {
            return Err(LinkError::NotFound(missing));
        }
        Ok(order)
    }

    /// The requested libraries, the first of which is [`LoadOrder::root`].
    pub fn roots(&self) -> &[ModuleId] {
        &self.roots
    }

    /// The requested library, or the first of them; the main module when it is completed without any.
    pub fn root(&self) -> ModuleId {
        self.roots.first().copied().unwrap_or(ModuleId::MAIN)
    }

    /// The name of the root in messages.
    pub(crate) fn root_name<'a>(&'a self, namespace: &'a Namespace) -> &'a str {
        let root = self.root();
        self.new_library(root).map_or_else(|| namespace.name(root), |new| &new.file.path)
    }

    /// The same load order, except that its libraries are searched for symbols before the global scope: `RTLD_DEEPBIND`.
    #[must_use]
    pub fn with_own_scope_first(mut self) -> LoadOrder {
        self.own_scope_first = true;
        self
    }

    /// All new libraries in the order of their initialization.
    pub fn in_initialization_order(&self) -> impl Iterator<Item = &NewLibrary> {
        self.initialization.iter().filter_map(|id| self.new_library(*id))
    }

    /// The functions that new libraries import, that only a host can provide and that `namespace` does not know of yet: import
    /// module, name and type. Functions in `env` that the main module or the importer itself exports are left out.
    pub fn functions_of_host<'a>(
        &'a self,
        namespace: &'a Namespace,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a Signature)> {
        let main = &namespace.main().module().exports;
        let imports = self.libraries.iter().flat_map(|library| {
            library.module.imports.iter().map(|import| (import, &library.module.exports))
        });
        imports.filter_map(move |(import, own)| {
            let ImportKind::Function(signature) = &import.kind else { return None };
            let is_known = import.module == abi::ENV
                && (own.contains(&import.name) || main.contains(&import.name))
                || namespace.host_function(&import.module, &import.name).is_some();
            (!is_known).then_some((import.module.as_str(), import.name.as_str(), signature))
        })
    }

    /// The functions whose addresses new libraries import, or the main module when it is completed, that only a host can provide
    /// and that `namespace` does not know of yet. Functions that the main module or the importer itself exports are left out.
    pub fn addresses_of_host<'a>(&'a self, namespace: &'a Namespace) -> impl Iterator<Item = &'a str> {
        let main = namespace.main().module();
        let own = self.main.iter().flat_map(|_| main.imports.iter().map(|import| (import, None)));
        let imports = self.libraries.iter().flat_map(|library| {
            library.module.imports.iter().map(|import| (import, Some(&library.module.exports)))
        });
        own.chain(imports).filter_map(move |(import, own)| {
            let is_wanted = import.module == abi::GOT_FUNC
                && !own.is_some_and(|own| own.contains(&import.name))
                && !main.exports.contains(&import.name)
                && namespace.host_address(&import.name).is_none();
            is_wanted.then_some(import.name.as_str())
        })
    }

    /// Whether the libraries want anything of the host that `namespace` does not know of yet.
    pub(crate) fn wants_of_host(&self, namespace: &Namespace) -> bool {
        self.functions_of_host(namespace).next().is_some()
            || self.addresses_of_host(namespace).next().is_some()
    }

    pub(crate) fn new_library(&self, id: ModuleId) -> Option<&NewLibrary> {
        self.libraries.get(id.index().checked_sub(self.first.index())?)
    }

    /// Everything that is reached from the roots, new and loaded, dependencies first.
    fn dependencies_first(&self, namespace: &Namespace) -> Vec<ModuleId> {
        // Everything that is reached from a loaded library is loaded, and its constructors have begun unless a load is under way.
        let is_under_way = namespace.is_anything_waiting();
        let needed = |id| match self.new_library(id) {
            Some(new) => new.needed.as_slice(),
            None if is_under_way => namespace.needed(id),
            None => &[],
        };
        dependencies_first(&self.roots, needed)
    }

    fn breadth_first(&self, namespace: &Namespace) -> Vec<ModuleId> {
        let mut order: IndexSet<ModuleId> = self.roots.iter().copied().collect();
        let mut next = 0;
        while let Some(id) = order.get_index(next).copied() {
            let needed = self.new_library(id).map_or_else(|| namespace.needed(id), |new| &new.needed);
            order.extend(needed.iter().copied());
            next += 1;
        }
        order.into_iter().collect()
    }
}

/// Some libraries and all that they need, each once, after its dependencies: post-order of a depth-first walk, without recursion,
/// since chains may be long. Within a cycle, the library that is reached last comes first.
pub(crate) fn dependencies_first<'a>(
    roots: &'a [ModuleId],
    needed: impl Fn(ModuleId) -> &'a [ModuleId],
) -> Vec<ModuleId> {
    let mut order = Vec::new();
    let mut entered = BTreeSet::from([ModuleId::MAIN]);
    let mut path: Vec<(&[ModuleId], usize, Option<ModuleId>)> = vec![(roots, 0, None)];
    while let Some((libraries, next, this)) = path.last_mut() {
        let Some(child) = libraries.get(*next).copied() else {
            order.extend(*this);
            path.pop();
            continue;
        };
        *next += 1;
        if entered.insert(child) {
            path.push((needed(child), 0, Some(child)));
        }
    }
    order
}

struct Discovery<'a> {
    namespace: &'a Namespace,
    source: &'a mut dyn LibrarySource,
    libraries: Vec<NewLibrary>,
    by_path: BTreeMap<String, ModuleId>,
    by_identity: BTreeMap<FileIdentity, ModuleId>,
    by_file_name: BTreeMap<String, ModuleId>,
    missing: Vec<LibraryNotFound>,
    /// The library that was found for a name and for the runtime path that was searched, so that files need not be read for each
    /// edge.
    served: BTreeMap<(String, Option<usize>), ModuleId>,
    /// The distinct runtime paths, numbered.
    runtime_paths: IndexSet<RuntimePath>,
    /// Total size of all files, in bytes.
    size: usize,
    /// Upper bound of the number of files that were looked for.
    tries: usize,
    /// Number of NEEDED entries so far.
    edges: usize,
    limits: LoadLimits,
}

/// What one load may bring in: a chain of files that a guest makes up while it is followed has no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LoadLimits {
    /// Libraries: 5,000.
    pub libraries: usize,
    /// Bytes of all their files, and of each: 1 GiB.
    pub bytes: usize,
    /// NEEDED entries: 1,048,576. Thousands of libraries may each need all the others.
    pub edges: usize,
    /// Files that are looked for: 65,536. A file of 46 KB may name 3,000 libraries and 3,000 folders.
    pub searches: usize,
}

impl Default for LoadLimits {
    fn default() -> LoadLimits {
        LoadLimits { libraries: 5_000, bytes: 1 << 30, edges: 1 << 20, searches: 1 << 16 }
    }
}

/// The number of missing libraries at which a load gives up.
const MOST_MISSING: usize = 1000;
/// The most places listed where a library was looked for.
const MOST_TRIED: usize = 16;

impl<'a> Discovery<'a> {
    fn new(namespace: &'a Namespace, source: &'a mut dyn LibrarySource) -> Discovery<'a> {
        Discovery {
            namespace,
            source,
            libraries: Vec::new(),
            by_path: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            by_file_name: BTreeMap::new(),
            missing: Vec::new(),
            served: BTreeMap::new(),
            runtime_paths: IndexSet::new(),
            size: 0,
            tries: 0,
            edges: 0,
            limits: namespace.limits(),
        }
    }

    /// Follows NEEDED entries from the libraries that were entered, and puts everything in order; returns the missing libraries
    /// separately.
    fn complete(mut self, roots: Vec<ModuleId>) -> Result<(LoadOrder, Vec<LibraryNotFound>), LinkError> {
        // `libraries` grows while it is walked: breadth first, every file once.
        let mut next = 0;
        while next < self.libraries.len() {
            let needed = self.follow(next)?;
            self.libraries[next].needed = needed;
            next += 1;
        }
        let first = self.libraries.first().map_or(ModuleId::MAIN, |library| library.id);
        let mut order = LoadOrder {
            first,
            roots,
            initialization: Vec::new(),
            construction: Vec::new(),
            search: Vec::new(),
            own_scope_first: false,
            main: None,
            libraries: self.libraries,
        };
        let all = order.dependencies_first(self.namespace);
        let is_new = |id: &ModuleId| order.new_library(*id).is_some();
        let initialization = all.iter().copied().filter(is_new).collect();
        let is_waiting =
            |id: &ModuleId| self.namespace.library(*id).is_some_and(|loaded| loaded.stage == Stage::Waiting);
        let construction = all.iter().copied().filter(|id| is_new(id) || is_waiting(id)).collect();
        (order.initialization, order.construction) = (initialization, construction);
        order.search = order.breadth_first(self.namespace);
        Ok((order, self.missing))
    }
}

impl Discovery<'_> {
    /// The ids of the libraries that library number `position` needs; enters those that are new.
    fn follow(&mut self, position: usize) -> Result<Vec<ModuleId>, LinkError> {
        let library = &self.libraries[position];
        let module = library.module.clone();
        let Some(dylink) = &module.dylink else { return Ok(Vec::new()) };
        self.edges = self.edges.saturating_add(dylink.needed.len());
        if self.edges > self.limits.edges {
            return Err(LinkError::DoesNotFit {
                library: library.file.path.clone(),
                why: format!("the libraries of one load need each other {} times at most", self.limits.edges),
            });
        }
        let requester = Requester::new(&library.file.path, &dylink.runtime_path);
        let runtime_path = requester.runtime_path();
        let runtime_path =
            (!runtime_path.is_empty()).then(|| self.runtime_paths.insert_full(runtime_path.clone()).0);
        let mut needed = Vec::with_capacity(dylink.needed.len());
        for name in dylink.needed.iter().filter(|name| !self.namespace.main().serves(name)) {
            needed.extend(self.serve(name, &requester, runtime_path)?);
        }
        Ok(needed)
    }

    /// The id of the library that satisfies a NEEDED entry.
    fn serve(
        &mut self,
        name: &str,
        requester: &Requester,
        runtime_path: Option<usize>,
    ) -> Result<Option<ModuleId>, LinkError> {
        let request = LibraryRequest { name, requester: Some(requester) };
        if name.contains('$') {
            // What a token stands for depends on the requester.
            return self.enter(request);
        }
        let key = (name.to_owned(), runtime_path.filter(|_| !name.contains('/')));
        if let Some(known) = self.served.get(&key) {
            return Ok(Some(*known));
        }
        let id = self.enter(request)?;
        self.served.extend(id.map(|id| (key, id)));
        Ok(id)
    }

    /// Counts the files that a request may look for. Errs when there are too many.
    fn count_tries(&mut self, request: LibraryRequest<'_>) -> Result<(), LinkError> {
        let folders = request.requester.map_or(0, |requester| requester.runtime_path().len());
        self.tries = self.tries.saturating_add(folders).saturating_add(1);
        let Some(requester) = request.requester.filter(|_| self.tries > self.limits.searches) else {
            return Ok(());
        };
        Err(LinkError::DoesNotFit {
            library: requester.path.clone(),
            why: format!(
                "the libraries that it needs, in the {folders} folders of its RUNTIME_PATH, make more than {} files to \
                 look for, which is the most for one load",
                self.limits.searches
            ),
        })
    }

    /// The id of the library that satisfies a request; a new one is read and parsed. `None` when there is no file, which is
    /// recorded.
    fn enter(&mut self, request: LibraryRequest<'_>) -> Result<Option<ModuleId>, LinkError> {
        self.count_tries(request)?;
        let found = match self.source.find(request) {
            Ok(found) => found,
            Err(mut not_found) => {
                let known = || self.by_file_name.get(request.name).copied();
                let loaded = self.namespace.find_by_file_name(request.name).or_else(known);
                let Some(loaded) = loaded.filter(|_| request.requester.is_some()) else {
                    not_found.tried.extend(self.namespace.main().why_not(request.name));
                    self.missing.push(not_found);
                    return match self.missing.len() {
                        ..MOST_MISSING => Ok(None),
                        _ => Err(LinkError::NotFound(std::mem::take(&mut self.missing))),
                    };
                };
                return self.usable(loaded);
            }
        };
        // A library whose destructors are running is available to whatever opens it, but not to libraries that would outlive it.
        let leaving = || self.namespace.find_leaving(&found).filter(|_| request.requester.is_none());
        if let Some(loaded) = self.namespace.find(&found).or_else(leaving) {
            return self.usable(loaded);
        }
        let by_identity = found.identity.and_then(|identity| self.by_identity.get(&identity));
        if let Some(known) = self.by_path.get(&found.path).or(by_identity) {
            return Ok(Some(*known));
        }
        self.size = self.size.saturating_add(found.bytes.len());
        if self.libraries.len() >= self.limits.libraries || self.size > self.limits.bytes {
            return Err(LinkError::DoesNotFit {
                library: found.path,
                why: format!(
                    "it would be library {} of one load, with {} bytes in all; the most are {} libraries and {} bytes",
                    self.libraries.len() + 1,
                    self.size,
                    self.limits.libraries,
                    self.limits.bytes
                ),
            });
        }
        let module = self.source.parse(&found);
        let module = check_side_module(self.namespace, &found, module)?;
        let id = self.namespace.next_id(self.libraries.len()).ok_or_else(|| LinkError::DoesNotFit {
            library: found.path.clone(),
            why: "too many libraries".to_owned(),
        })?;
        self.by_path.insert(found.path.clone(), id);
        let file_name = found.path.rsplit('/').next().unwrap_or_default();
        self.by_file_name.entry(file_name.to_owned()).or_insert(id);
        if let Some(identity) = found.identity {
            self.by_identity.insert(identity, id);
        }
        self.libraries.push(NewLibrary { id, file: found, module, needed: Vec::new() });
        Ok(Some(id))
    }
}

impl Discovery<'_> {
    /// The loaded library, if its initialization and that of everything it needs did not fail.
    fn usable(&self, loaded: ModuleId) -> Result<Option<ModuleId>, LinkError> {
        match self.namespace.failed_below(loaded).and_then(|library| library.failure.clone()) {
            Some(why) => {
                Err(LinkError::FailedEarlier { library: self.namespace.name(loaded).to_owned(), why })
            }
            None => Ok(Some(loaded)),
        }
    }
}

fn check_side_module(
    namespace: &Namespace,
    found: &FoundLibrary,
    module: Result<Arc<ParsedModule>, ParseError>,
) -> Result<Arc<ParsedModule>, LinkError> {
    let library = || found.path.clone();
    let module = module.map_err(|error| LinkError::Malformed { library: library(), error })?;
    module.require_side_module().map_err(|why| LinkError::NotASideModule { library: library(), why })?;
    let main = namespace.main();
    let evidence = AbiEvidence::find(&module, &found.path);
    if let (Some(own), Some(mains)) = (evidence, main.abi())
        && own.family != mains.family
    {
        return Err(LinkError::AbiMismatch {
            library: library(),
            library_abi: own.family,
            library_evidence: own.because,
            main: main.name().to_owned(),
            main_abi: mains.family,
            main_evidence: mains.because.clone(),
        });
    }
    Ok(module)
}
