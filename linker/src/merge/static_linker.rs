//! Owns static linking as programs see it: a main module and libraries are taken in as a dynamic linker would load them, into a process that
//! does not exist; its plans then become one module. Must not know how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::program::Program;
use super::room::MainRoom;
use super::{LinkOptions, MergeError};
use crate::base::ids::ModuleId;
use crate::link::error::LinkError;
use crate::link::host::Host;
use crate::link::main_module::MainModule;
use crate::link::needed::{FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, OpenMode};
use crate::link::plan::LoadPlan;
use crate::link::rehearsal::{Opened, Rehearsal};
use crate::link::stand_in::StandIn;
use crate::parse::ParsedModule;
use crate::parse::abi_family::AbiFamily;
use crate::parse::error::ParseError;

/// The side module that answers for the dynamic linker; `linker/guest/linked.c`.
const LINKED: &[u8] = include_bytes!("../../guest/linked.so");
/// What messages and searches call it; no file can have the name.
pub(super) const LINKED_NAME: &str = "/pydl:linked";
/// The side module that serves an embedded folder; `linker/guest/tree.c`.
const TREE: &[u8] = include_bytes!("../../guest/tree.so");
/// See [`LINKED_NAME`].
pub(super) const TREE_NAME: &str = "/pydl:tree";

/// A main module with libraries that are to be linked into it.
#[derive(Debug)]
pub struct StaticLinker {
    pub(super) main: Arc<MainModule>,
    pub(super) wasm: Arc<[u8]>,
    pub(super) room: MainRoom,
    pub(super) process: Rehearsal,
    /// The plan of the main module, the one that completes it, and those of loads, in order.
    pub(super) plans: Vec<Arc<LoadPlan>>,
    /// The contents of the files of libraries.
    pub(super) files: BTreeMap<String, Arc<[u8]>>,
    /// By what path each library is opened in the program.
    pub(super) paths: BTreeMap<ModuleId, String>,
}

impl StaticLinker {
    /// Starts with a main module, its bytes, and the libraries that it needs itself. Errs when it cannot host libraries, when those
    /// cannot be loaded, and when it does not show where its memory is free.
    pub fn new(
        main: &Arc<MainModule>,
        wasm: Arc<[u8]>,
        libraries: &mut dyn LibrarySource,
        host: &Arc<dyn Host>,
    ) -> Result<StaticLinker, StaticLinkError> {
        main.require_hosting()?;
        let room = MainRoom::of(main, &wasm)?;
        let mut files = BTreeMap::new();
        let mut libraries = Recording { libraries, files: &mut files };
        let stand_in = StandIn::from(main, room.first_free());
        let (process, plans) = Rehearsal::start(main, &mut libraries, host, stand_in)?;
        Ok(StaticLinker { main: main.clone(), wasm, room, process, plans, files, paths: BTreeMap::new() })
    }

    /// Adds libraries and what they need, as a `dlopen` with `RTLD_NOW` would load each: those that others of them need come with these.
    /// `libraries` is the source of what they need. With each file comes the path that the program opens it by: that path, or one that
    /// ends with it. Errs as a load does.
    pub fn add(
        &mut self,
        files: &[(FoundLibrary, String)],
        libraries: &mut dyn LibrarySource,
    ) -> Result<(), StaticLinkError> {
        let mut needed = BTreeSet::new();
        for (file, _) in files {
            let module = parse(file, libraries)?;
            let names = module.dylink.iter().flat_map(|dylink| &dylink.needed);
            needed.extend(names.map(|name| file_name(name).to_owned()));
        }
        let (last, first): (Vec<_>, Vec<_>) =
            files.iter().partition(|(file, _)| needed.contains(file_name(&file.path)));
        for (file, path) in first.into_iter().chain(last) {
            self.add_one(file, path, libraries)?;
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        file: &FoundLibrary,
        path: &str,
        libraries: &mut dyn LibrarySource,
    ) -> Result<(), StaticLinkError> {
        let module = parse(file, libraries)?;
        let mut opened = Opened { file, module, libraries };
        let mut libraries = Recording { libraries: &mut opened, files: &mut self.files };
        let (id, planned) = self.process.open(&file.path, OpenMode::default(), &mut libraries)?;
        self.plans.extend(planned.map(|planned| Arc::new(planned.into_plan())));
        self.paths.insert(id, path.to_owned());
        Ok(())
    }

    /// Makes the module. Errs when something in a module cannot be linked statically.
    pub fn link(mut self, options: &LinkOptions) -> Result<Vec<u8>, StaticLinkError> {
        let libraries = self.process.namespace.libraries().iter().map(|library| library.id).collect();
        if options.folder.is_some() {
            if self.main.family() == AbiFamily::Emscripten {
                let why = "a folder cannot be embedded: Emscripten's hosts have the files";
                return Err(MergeError::new(self.main.name(), why).into());
            }
            self.add_own(TREE_NAME, TREE)?;
        }
        self.refuse_halves()?;
        self.add_own(LINKED_NAME, LINKED)?;
        let program = Program::of(&self, libraries, options);
        Ok(program.link()?)
    }
}

impl StaticLinker {
    /// Errs when a module passes 64-bit integers in halves: its functions are then called by other names than they have.
    fn refuse_halves(&self) -> Result<(), MergeError> {
        let namespace = &self.process.namespace;
        let libraries = namespace.libraries().iter().map(|library| (library.path.as_str(), &library.module));
        let mut all = libraries.chain([(self.main.name(), self.main.module())]);
        match all.find(|(_, module)| module.exports.has_originals()) {
            Some((name, _)) => Err(MergeError::new(
                name,
                "it passes 64-bit integers in halves; link it without -sWASM_BIGINT=0",
            )),
            None => Ok(()),
        }
    }

    /// Adds one of the linker's own side modules.
    fn add_own(&mut self, name: &str, wasm: &[u8]) -> Result<(), StaticLinkError> {
        let own = FoundLibrary { path: name.to_owned(), identity: None, bytes: wasm.into() };
        self.add_one(&own, name, &mut NoLibraries)
    }
}

/// Why a program cannot be linked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StaticLinkError {
    /// A library cannot be loaded.
    #[error(transparent)]
    Load(#[from] LinkError),
    /// Modules cannot be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

fn parse(file: &FoundLibrary, libraries: &mut dyn LibrarySource) -> Result<Arc<ParsedModule>, LinkError> {
    libraries.parse(file).map_err(|error| LinkError::Malformed { library: file.path.clone(), error })
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A source of libraries that keeps what it has read.
struct Recording<'a> {
    libraries: &'a mut dyn LibrarySource,
    files: &'a mut BTreeMap<String, Arc<[u8]>>,
}

impl LibrarySource for Recording<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let found = self.libraries.find(request)?;
        self.files.insert(found.path.clone(), found.bytes.clone());
        Ok(found)
    }

    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        self.libraries.parse(found)
    }
}

/// The source of what [`LINKED`] needs.
struct NoLibraries;

impl LibrarySource for NoLibraries {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        Err(LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() })
    }
}
