//! Owns what a process keeps for its libraries, and the way from a guest's `dlopen` family to the linker's pipeline, the same for
//! every ABI: one file for each function, and one for each way in which guests call them. Must not know the search order of
//! files.

mod address;
mod close;
pub(crate) mod exits;
mod introspection;
pub(crate) mod lazy;
mod load;
mod lookup;
pub(crate) mod of_emscripten;
pub(crate) mod of_wasi;
pub(crate) mod provided;
pub(crate) mod rewritten;

pub(crate) use close::close;
pub(crate) use load::{complete_main, construct, open};
pub(crate) use lookup::{find, symbol};

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{Address, LinkError, ModuleId, Namespace, SearchPath, Stage, abi};
use wasmtime::{Instance, Module, StoreContextMut, TypedFunc};

use self::exits::Exits;
use crate::base::budget::Charge;
use crate::base::error::LoadError;
use crate::base::halt::Halt;
use crate::link::ends::{is_end_by_signal, trap_of};
use crate::link::state::Links as _;
use crate::memory::address_space::AddressSpace;
use crate::memory::view::View;
use crate::system::state::ProcessState;
use crate::system::{Exit, System};

/// Everything that a process which can load libraries keeps for them.
pub(crate) struct Linking {
    /// The loaded modules. A load works on a snapshot and is committed at its end.
    pub namespace: Arc<Namespace>,
    pub space: Arc<AddressSpace>,
    /// The guest's function that reads library files; `None` where the host implements the file system.
    pub read_file: Option<TypedFunc<(u32, u32), u32>>,
    pub search: Arc<SearchPath>,
    main: Instance,
    /// The instances by id: the main module's, then those of the libraries; `None` for libraries that were unloaded.
    pub instances: Vec<Option<Instance>>,
    /// The compiled form of each library.
    pub modules: BTreeMap<ModuleId, Module>,
    /// Handles that the host does not choose: records of the C library, as many as it likes.
    handles: BTreeMap<u32, (ModuleId, Charge)>,
    /// Strings that the guest was given pointers to, each with the module that it describes.
    strings: BTreeMap<(ModuleId, String), (Address, Charge)>,
    /// The charges for what is kept for each library.
    charges: BTreeMap<ModuleId, Charge>,
    /// The address of each module's `struct link_map`, once the guest has requested one.
    link_maps: BTreeMap<ModuleId, Address>,
    /// The module whose code calls the main module's `dlopen` or `dlsym`, until the host function behind it has taken it.
    caller: ModuleId,
    /// What libraries have registered to run at exit.
    exits: Exits,
    /// Libraries whose constructors are running or have yet to run.
    initializing: Vec<ModuleId>,
    /// Whether libraries are being unloaded.
    is_unloading: bool,
}

impl Linking {
    /// Collects what loading libraries requires. Errs with the reason when the main module cannot load libraries.
    fn of(store: &mut ProcessStore<'_>) -> Result<Linking, Refusal> {
        let not_started = || Refusal::Process("the process has not started".to_owned());
        let running = store.data().running.clone().ok_or_else(not_started)?;
        let linked = store.data().link().map(|link| link.main.clone()).ok_or_else(not_started)?;
        let module = linked.file.module()?;
        module.require_hosting()?;
        let wrong =
            |what: &str| Refusal::Process(format!("{}: its {what} has another type than C's", module.name()));
        let space = running.space.ok_or_else(|| wrong("allocator"))?;
        let read_file = match store.data().system {
            System::Emscripten(_) => None,
            System::Wasi(_) | System::Idle => {
                let read = running.main.get_typed_func(&mut *store, abi::READ_FILE);
                Some(read.map_err(|_| wrong(abi::READ_FILE))?)
            }
        };
        let imported = Namespace::host_functions_of(&module).collect();
        let limits = store.data().budget.limits().load;
        Ok(Linking {
            namespace: Arc::new(Namespace::new(module, Arc::new(imported)).with_limits(limits)),
            space,
            read_file,
            search: linked.search.clone(),
            main: running.main,
            instances: vec![Some(running.main)],
            modules: BTreeMap::new(),
            handles: BTreeMap::new(),
            strings: BTreeMap::new(),
            charges: BTreeMap::new(),
            link_maps: BTreeMap::new(),
            caller: ModuleId::MAIN,
            exits: Exits::default(),
            initializing: Vec::new(),
            is_unloading: false,
        })
    }

    /// The same libraries in another process, which runs this main module, and their instances in the first process. Errs when
    /// the main modules differ.
    pub(crate) fn move_to(
        mut self,
        store: &mut ProcessStore<'_>,
        main: Instance,
        space: Arc<AddressSpace>,
    ) -> Result<(Linking, Vec<Option<Instance>>), LoadError> {
        if self.read_file.is_some() {
            let read = main.get_typed_func(&mut *store, abi::READ_FILE);
            self.read_file = Some(read.map_err(LoadError::engine)?);
        }
        let instances = std::mem::replace(&mut self.instances, vec![Some(main)]);
        self.instances.resize(instances.len(), None);
        (self.main, self.space) = (main, space);
        Ok((self, instances))
    }

    /// Takes the recorded caller, which is then the main module again.
    fn take_caller(&mut self) -> ModuleId {
        std::mem::replace(&mut self.caller, ModuleId::MAIN)
    }

    /// The main module's instance.
    fn main(&self) -> Instance {
        self.main
    }

    /// The instance of a module.
    pub(crate) fn instance(&self, id: ModuleId) -> Option<Instance> {
        self.instances.get(id.index()).copied().flatten()
    }

    /// Forgets what is kept for a library that was unloaded.
    fn forget(&mut self, id: ModuleId) {
        self.charges.remove(&id);
        self.modules.remove(&id);
        if let Some(instance) = self.instances.get_mut(id.index()) {
            *instance = None;
        }
    }

    /// Removes the guest memory that describes a module from the records, so that it can be freed.
    fn take_strings(&mut self, about: ModuleId) -> Vec<Address> {
        let keys = (about, String::new())..;
        let of_it = |key: &&(ModuleId, String)| key.0 == about;
        let keys: Vec<_> = self.strings.range(keys).map(|(key, _)| key).take_while(of_it).cloned().collect();
        let strings = keys.iter().filter_map(|key| self.strings.remove(key)).map(|(address, _)| address);
        let strings: Vec<Address> = strings.collect();
        strings.into_iter().chain(self.link_maps.remove(&about)).collect()
    }

    /// The namespace, for changes.
    fn namespace_mut(&mut self) -> &mut Namespace {
        Arc::make_mut(&mut self.namespace)
    }
}

/// Why a call of the `dlfcn` family does not succeed: a refusal, which the guest reads from `dlerror`, or the end of the guest.
pub(crate) type Failure = Halt<Refusal>;

/// Why a call of the `dlfcn` family is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The linker refuses.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The process refuses, or code of the guest has failed; with a message.
    #[error("{0}")]
    Process(String),
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Refusal {
        match error {
            LoadError::Link(error) => Refusal::Link(error),
            error => Refusal::Process(error.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Failure {
        Failure::Refused(error.into())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        Failure::Refused(error.into())
    }
}

/// A refusal by the process itself, with a message.
fn refuse(why: impl Into<String>) -> Failure {
    Failure::Refused(Refusal::Process(why.into()))
}

type ProcessStore<'a> = StoreContextMut<'a, ProcessState>;

/// The handle of a library. It is its id plus one, so that no handle is `NULL`, which is `RTLD_DEFAULT`.
pub(crate) fn handle_of(id: ModuleId) -> u32 {
    u32::try_from(id.index() + 1).unwrap_or(0)
}

/// The libraries of the process; determines on the first call what loading them requires.
pub(crate) fn linking<'a>(store: &'a mut ProcessStore<'_>) -> Result<&'a mut Linking, Failure> {
    if store.data().running.is_none() {
        // The main module's start function is running; libraries can be loaded later.
        return Err(refuse("libraries cannot be loaded before the main module has started"));
    }
    if store.data().link().is_some_and(|link| link.linking.is_none()) {
        let linking = Linking::of(store);
        if let Some(link) = store.data_mut().link_mut() {
            link.linking = Some(linking);
        }
    }
    match store.data_mut().link_mut().and_then(|link| link.linking.as_mut()) {
        Some(Ok(linking)) => Ok(linking),
        Some(Err(why)) => Err(Failure::Refused(why.clone())),
        None => Err(refuse("the process has no libraries")),
    }
}

/// Distinguishes failures that can be reported to the guest from the end of the guest.
fn classify(store: &mut ProcessStore<'_>, error: wasmtime::Error, doing: &str) -> Failure {
    if error.is::<Exit>() || is_end_by_signal(&error) {
        return Failure::Ended(error);
    }
    refuse(format!("{doing}: {}", trap_of(store, &error).one_line()))
}

/// The namespace of the loaded modules.
pub(crate) fn namespace(store: &mut ProcessStore<'_>) -> Result<Arc<Namespace>, Failure> {
    Ok(linking(store)?.namespace.clone())
}

/// The process's shared resources.
pub(crate) fn space(store: &mut ProcessStore<'_>) -> Result<Arc<AddressSpace>, Failure> {
    Ok(linking(store)?.space.clone())
}

/// Leaves a message for `dlerror`, in the C library of the guest's ABI. Errs when the guest has ended.
fn leave_error(store: &mut ProcessStore<'_>, failure: Failure) -> wasmtime::Result<()> {
    match (&store.data().system, failure) {
        (System::Emscripten(_), failure) => of_emscripten::leave_error(store, failure, 0).map(drop),
        (System::Wasi(_) | System::Idle, Failure::Refused(why)) => {
            of_wasi::leave_error(store.data_mut(), &why);
            Ok(())
        }
        (System::Wasi(_) | System::Idle, Failure::Ended(error)) => Err(error),
    }
}

/// The library, or the main module, whose handle is a record of the C library; only Emscripten's C library has such records. `None`
/// for other handles.
fn module_of_record(store: &mut ProcessStore<'_>, handle: u32) -> Result<Option<ModuleId>, Failure> {
    match store.data().system {
        System::Emscripten(_) => of_emscripten::module_of_record(store, handle),
        System::Wasi(_) | System::Idle => Ok(None),
    }
}

/// The handle that stands for the global scope.
pub(crate) const RTLD_DEFAULT: u32 = 0;
const RTLD_NEXT: u32 = u32::MAX;

/// Reads a name that a guest passes, of fewer than `limit` bytes. C++ symbols can be long.
fn name(memory: View<'_>, address: u32, limit: usize) -> Result<String, Failure> {
    let refused = |why: &str| refuse(format!("the name at address {address:#x} {why}"));
    let bytes = memory.c_string(address, limit).map_err(|_| refused("has no end"))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| refused("is not UTF-8"))
}

fn invalid_handle(handle: u32) -> Failure {
    refuse(format!("invalid library handle {handle:#x}"))
}

/// The library of an open handle, or of a handle whose library's destructors are running since its last close.
pub(crate) fn library_of(namespace: &Namespace, handle: u32) -> Result<ModuleId, Failure> {
    if handle == handle_of(ModuleId::MAIN) {
        return Ok(ModuleId::MAIN);
    }
    let open = namespace.libraries().iter().find(|library| handle_of(library.id) == handle);
    match open {
        Some(library) if library.references > 0 || library.stage == Stage::Leaving => Ok(library.id),
        _ => Err(invalid_handle(handle)),
    }
}
