//! Owns the walk along NEEDED entries: which files a load needs, in which order they are initialized, and in which
//! order they are searched for symbols. Asks a [`LibrarySource`] for files. Must not know directories.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::abi;
use crate::abi_family::AbiEvidence;
use crate::error::{LinkError, ParseError};
use crate::ids::ModuleId;
use crate::namespace::Namespace;
use crate::parse::{ImportKind, ParsedModule, Signature};

/// Who asks for a library: the main program, or the library that names it as NEEDED.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requester {
    /// Path of the requesting library's file.
    pub path: String,
    /// Its `RUNTIME_PATH`, in order, `$ORIGIN` not expanded.
    pub runtime_path: Vec<String>,
}

/// A request for one library file.
#[derive(Clone, Copy, Debug)]
pub struct LibraryRequest<'a> {
    /// The name as it was given to `dlopen` or stands in NEEDED.
    pub name: &'a str,
    /// The library whose NEEDED names it; `None` for `dlopen`.
    pub requester: Option<&'a Requester>,
}

/// What makes two paths the same file: device and inode number.
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
    /// Absolute path. Other paths may lead to the same file: the identity tells.
    pub path: String,
    /// Its identity, where the file system tells.
    pub identity: Option<FileIdentity>,
    /// The contents.
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

/// No file served a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibraryNotFound {
    /// The name that was asked for.
    pub name: String,
    /// Path of the library whose NEEDED names it.
    pub requester: Option<String>,
    /// Every path that was tried, with what was wrong with it.
    pub tried: Vec<(String, String)>,
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

    /// Reads what is in a library that was found. A source whose files take part in many loads may remember it. Errs when the file
    /// is malformed.
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
    /// `RTLD_NOLOAD`: only look whether it is loaded.
    pub noload: bool,
    /// `RTLD_NODELETE`: it stays until the process ends.
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
    /// glibc's is 8, which is taken here; musl has none.
    const DEEPBIND: u32 = 0x4000;
    /// wasi-libc's `RTLD_LOCAL`; musl's and ours is 0.
    const WASI_LOCAL: u32 = 8;

    /// Reads the mode argument of `dlopen`. Errs, in words, when neither `RTLD_LAZY` nor `RTLD_NOW` is given and
    /// when an unknown bit is set. With both, `RTLD_NOW` counts.
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
    /// The id it will have once committed.
    pub id: ModuleId,
    /// The file it comes from.
    pub file: FoundLibrary,
    /// What is in it.
    pub module: Arc<ParsedModule>,
    /// The libraries it needs, new or loaded, in the order of its NEEDED entries.
    pub needed: Vec<ModuleId>,
}

/// What a request leads to.
#[derive(Clone, Debug)]
pub enum Start {
    /// The library is loaded already.
    Loaded(ModuleId),
    /// These libraries have to be loaded.
    New(LoadOrder),
}

/// The libraries of one load, discovered and parsed.
#[derive(Clone, Debug)]
pub struct LoadOrder {
    /// New libraries, indexed by id less the first new id: in the order of discovery.
    pub(crate) libraries: Vec<NewLibrary>,
    /// The first id of `libraries`.
    pub(crate) first: ModuleId,
    /// The libraries that were asked for: one, but for the load of what the main module needs.
    pub(crate) roots: Vec<ModuleId>,
    /// The order of instantiation and initialization: dependencies first. Within a cycle, the library that was
    /// reached last comes first.
    pub(crate) initialization: Vec<ModuleId>,
    /// The order in which the libraries of this load are searched for symbols: breadth first from the one that
    /// was asked for, loaded libraries included.
    pub(crate) search: Vec<ModuleId>,
    /// Whether `search` comes before the global scope.
    pub(crate) own_scope_first: bool,
}

impl LoadOrder {
    /// Finds everything that opening `name` brings in. Errs when a file is missing, malformed, not a side module or
    /// of another ABI than the main module.
    pub fn discover(
        namespace: &Namespace,
        name: &str,
        source: &mut dyn LibrarySource,
    ) -> Result<Start, LinkError> {
        let (start, missing) = Self::discover_present(namespace, name, source)?;
        if missing.is_empty() { Ok(start) } else { Err(LinkError::NotFound(missing)) }
    }

    /// Like [`LoadOrder::discover`], leaving out needed libraries that are missing; returns them beside.
    pub(crate) fn discover_present(
        namespace: &Namespace,
        name: &str,
        source: &mut dyn LibrarySource,
    ) -> Result<(Start, Vec<LibraryNotFound>), LinkError> {
        let mut discovery = Discovery::new(namespace, source);
        let root = discovery.enter(LibraryRequest { name, requester: None })?;
        let Some(root) = root else { return Err(LinkError::NotFound(discovery.missing)) };
        if namespace.library(root).is_some() {
            return Ok((Start::Loaded(root), Vec::new()));
        }
        let (order, missing) = discovery.complete(vec![root])?;
        Ok((Start::New(order), missing))
    }

    /// Finds everything that the main module itself needs, before any library is loaded: `requester` stands for it in the search.
    /// The libraries are of one load, in whose scope they follow the main module in NEEDED order. `None` when it needs
    /// nothing but what it has itself. Errs as [`LoadOrder::discover`] does.
    pub fn discover_needed_of_main(
        namespace: &Namespace,
        requester: &Requester,
        source: &mut dyn LibrarySource,
    ) -> Result<Option<LoadOrder>, LinkError> {
        let mut discovery = Discovery::new(namespace, source);
        let mut roots = indexmap::IndexSet::new();
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
        Ok((!order.libraries.is_empty()).then_some(order))
    }

    /// The libraries that were asked for, the first of which is [`LoadOrder::root`].
    pub fn roots(&self) -> &[ModuleId] {
        &self.roots
    }

    /// The library that was asked for, or the first of them.
    pub fn root(&self) -> &NewLibrary {
        &self.libraries[0]
    }

    /// The same libraries, searched for symbols before the global scope: `RTLD_DEEPBIND`.
    #[must_use]
    pub fn with_own_scope_first(mut self) -> LoadOrder {
        self.own_scope_first = true;
        self
    }

    /// All new libraries in the order of their initialization.
    pub fn in_initialization_order(&self) -> impl Iterator<Item = &NewLibrary> {
        self.initialization.iter().filter_map(|id| self.new_library(*id))
    }

    /// The functions that new libraries import and that only a host can have which `namespace` knows nothing of: import module, name
    /// and type. Of those in `env`, what the main module or the importer itself exports is left out.
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

    pub(crate) fn new_library(&self, id: ModuleId) -> Option<&NewLibrary> {
        self.libraries.get(id.index().checked_sub(self.first.index())?)
    }

    /// Post-order of a depth-first walk along NEEDED, without recursion: chains may be long.
    fn dependencies_first(&self) -> Vec<ModuleId> {
        let mut order = Vec::with_capacity(self.libraries.len());
        let mut entered = vec![false; self.libraries.len()];
        let mut path: Vec<(&[ModuleId], usize, Option<ModuleId>)> = vec![(&self.roots, 0, None)];
        while let Some((needed, next, this)) = path.last_mut() {
            let Some(child) = needed.get(*next) else {
                order.extend(*this);
                path.pop();
                continue;
            };
            *next += 1;
            let position = child.index().checked_sub(self.first.index());
            if let Some(position) = position.filter(|position| !entered[*position]) {
                entered[position] = true;
                path.push((&self.libraries[position].needed, 0, Some(*child)));
            }
        }
        order
    }

    fn breadth_first(&self, namespace: &Namespace) -> Vec<ModuleId> {
        let mut order: indexmap::IndexSet<ModuleId> = self.roots.iter().copied().collect();
        let mut next = 0;
        while let Some(id) = order.get_index(next).copied() {
            let needed = match self.new_library(id) {
                Some(new) => new.needed.as_slice(),
                None => namespace.library(id).map_or(&[][..], |loaded| loaded.needed.as_slice()),
            };
            order.extend(needed.iter().copied());
            next += 1;
        }
        order.into_iter().collect()
    }
}

struct Discovery<'a> {
    namespace: &'a Namespace,
    source: &'a mut dyn LibrarySource,
    libraries: Vec<NewLibrary>,
    by_path: BTreeMap<String, ModuleId>,
    by_identity: BTreeMap<FileIdentity, ModuleId>,
    by_file_name: BTreeMap<String, ModuleId>,
    missing: Vec<LibraryNotFound>,
    /// What was found for a name, and for the folders it was looked for in: files need not be read for each edge.
    served: BTreeMap<(String, String), ModuleId>,
    /// Bytes of all files.
    size: usize,
}

/// The most libraries of one load, and the most bytes of all their files. An engine's store holds 10,000 instances; a chain
/// of files that a guest makes up while it is followed has no end.
const MOST_LIBRARIES: usize = 5_000;
const MOST_BYTES: usize = 1 << 30;

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
            size: 0,
        }
    }

    /// Follows NEEDED from what was entered, and puts everything in order; returns the libraries that are missing beside.
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
            search: Vec::new(),
            own_scope_first: false,
            libraries: self.libraries,
        };
        order.initialization = order.dependencies_first();
        order.search = order.breadth_first(self.namespace);
        Ok((order, self.missing))
    }
}

impl Discovery<'_> {
    /// The ids of what library number `position` needs, entering those that are new.
    fn follow(&mut self, position: usize) -> Result<Vec<ModuleId>, LinkError> {
        let library = &self.libraries[position];
        let module = library.module.clone();
        let Some(dylink) = &module.dylink else { return Ok(Vec::new()) };
        let requester = Requester {
            path: library.file.path.clone(),
            runtime_path: dylink.runtime_path.iter().cloned().collect(),
        };
        let mut needed = Vec::with_capacity(dylink.needed.len());
        for name in dylink.needed.iter().filter(|name| !abi::is_in_main(name)) {
            needed.extend(self.serve(name, &requester)?);
        }
        Ok(needed)
    }

    /// The id of the library that serves a NEEDED entry.
    fn serve(&mut self, name: &str, requester: &Requester) -> Result<Option<ModuleId>, LinkError> {
        let folders = if requester.runtime_path.is_empty() || name.contains('/') {
            String::new()
        } else {
            let folder = requester.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}\0{}", requester.runtime_path.join("\0"))
        };
        let key = (name.to_owned(), folders);
        if let Some(known) = self.served.get(&key) {
            return Ok(Some(*known));
        }
        let id = self.enter(LibraryRequest { name, requester: Some(requester) })?;
        self.served.extend(id.map(|id| (key, id)));
        Ok(id)
    }

    /// The id of the library that serves a request; a new one is read and parsed. `None` when there is no file, which
    /// is noted.
    fn enter(&mut self, request: LibraryRequest<'_>) -> Result<Option<ModuleId>, LinkError> {
        let found = match self.source.find(request) {
            Ok(found) => found,
            Err(not_found) => {
                let known = || self.by_file_name.get(request.name).copied();
                let loaded = self.namespace.find_by_file_name(request.name).or_else(known);
                let Some(loaded) = loaded.filter(|_| request.requester.is_some()) else {
                    self.missing.push(not_found);
                    return Ok(None);
                };
                return self.usable(loaded);
            }
        };
        if let Some(loaded) = self.namespace.find(&found) {
            return self.usable(loaded);
        }
        let by_identity = found.identity.and_then(|identity| self.by_identity.get(&identity));
        if let Some(known) = self.by_path.get(&found.path).or(by_identity) {
            return Ok(Some(*known));
        }
        self.size = self.size.saturating_add(found.bytes.len());
        if self.libraries.len() >= MOST_LIBRARIES || self.size > MOST_BYTES {
            return Err(LinkError::DoesNotFit {
                library: found.path,
                why: format!(
                    "it would be library {} of one load, with {} bytes in all; the most are {MOST_LIBRARIES} libraries and \
                     {MOST_BYTES} bytes",
                    self.libraries.len() + 1,
                    self.size
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
    /// A loaded library, if its initialization did not fail.
    fn usable(&self, loaded: ModuleId) -> Result<Option<ModuleId>, LinkError> {
        match self.namespace.library(loaded).and_then(|library| library.failure.clone()) {
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
