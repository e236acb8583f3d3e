//! Owns the way from a guest's `dlopen`, `dlsym`, `dlclose` and `dladdr` to the linker's pipeline, the same for every
//! ABI. Must not know the search order of files, nor how a guest passes arguments: that is the adapters' business.

pub(crate) mod emscripten;
pub(crate) mod lazy;
pub(crate) mod wasi;

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{
    Address, FunctionRef, LinkError, LoadOrder, LoadPlan, LoadStep, ModuleId, Namespace, OpenMode, Placement,
    Reservation, ResolvedModules, Scope, Start, SymbolValue, TableSlot, abi,
};
use wasmtime::{Instance, Module, StoreContextMut, TypedFunc};

use crate::address_space::{AddressSpace, NoRoom};
use crate::backtrace::GuestTrap;
use crate::error::LoadError;
use crate::execute::{Execution, set_slot};
use crate::image::offered_functions;
use crate::interrupt::Interrupted;
use crate::process::ProcessState;
use crate::search::{GuestSearch, SearchPath, SystemSearch};
use crate::trace::Watch;

/// Everything that a process which can load libraries keeps of them.
pub(crate) struct Linking {
    /// What is loaded. A load works on a snapshot and is committed at its end.
    pub namespace: Arc<Namespace>,
    pub space: Arc<AddressSpace>,
    /// The guest's function that reads library files; `None` where the file system is the host's own work.
    pub read_file: Option<TypedFunc<(u32, u32), u32>>,
    pub search: Arc<SearchPath>,
    /// By id: the main module's instance, then the libraries'.
    pub instances: Vec<Instance>,
    /// Handles that are not ours to choose.
    handles: BTreeMap<u32, ModuleId>,
    /// Strings that the guest was given pointers to.
    strings: BTreeMap<String, Address>,
}

impl Linking {
    /// What loading libraries takes, or why the main module cannot.
    fn of(store: &mut Store<'_>) -> Result<Linking, String> {
        let running = store.data().running.clone().ok_or("the process has not started")?;
        let module = running.image.main_module().map_err(|error| error.to_string())?;
        module.require_hosting().map_err(|error| error.to_string())?;
        let wrong = |what: &str| format!("{}: its {what} has another type than C's", module.name());
        let space = running.space.ok_or_else(|| wrong("allocator"))?;
        let read_file = if store.data().emscripten.is_some() {
            None
        } else {
            let read = running.main.get_typed_func(&mut *store, abi::READ_FILE);
            Some(read.map_err(|_| wrong(abi::READ_FILE))?)
        };
        let imported = Namespace::host_functions_of(&module).collect();
        Ok(Linking {
            namespace: Arc::new(Namespace::new(module, Arc::new(imported))),
            space,
            read_file,
            search: running.search,
            instances: vec![running.main],
            handles: BTreeMap::new(),
            strings: BTreeMap::new(),
        })
    }

    /// The namespace, to change it.
    fn namespace_mut(&mut self) -> &mut Namespace {
        Arc::make_mut(&mut self.namespace)
    }
}

/// Why a call of the `dlfcn` family does not succeed.
pub(crate) enum Failure {
    /// The guest is told by `dlerror`.
    Refused(String),
    /// The guest has ended, by `exit` or by an interrupt: no call returns to it.
    Ended(wasmtime::Error),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Failure::Refused(error.to_string())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Failure::Refused(error.to_string())
    }
}

type Store<'a> = StoreContextMut<'a, ProcessState>;

/// The handle of a library is its id plus one, so that no handle is `NULL`, which is `RTLD_DEFAULT`.
pub(crate) fn handle_of(id: ModuleId) -> u32 {
    u32::try_from(id.index() + 1).unwrap_or(0)
}

/// The libraries of the process; found out what it takes on the first call.
fn linking<'a>(store: &'a mut Store<'_>) -> Result<&'a mut Linking, Failure> {
    if store.data().running.is_none() {
        // The main module's start function runs; later it may.
        return Err(Failure::Refused(
            "libraries cannot be loaded before the main module has started".to_owned(),
        ));
    }
    if store.data().linking.is_none() {
        let linking = Linking::of(store);
        store.data_mut().linking = Some(linking);
    }
    match &mut store.data_mut().linking {
        Some(Ok(linking)) => Ok(linking),
        Some(Err(why)) => Err(Failure::Refused(why.clone())),
        None => Err(Failure::Refused("the process has no libraries".to_owned())),
    }
}

/// `dlopen`: finds, links and initializes a library and all it needs, or changes nothing.
pub(crate) fn open(store: &mut Store<'_>, name: &str, mut mode: OpenMode) -> Result<ModuleId, Failure> {
    mode.lazy &= !store.data().binds_now;
    let opened = find_or_load(store, name, mode);
    if let Err(Failure::Refused(why)) = &opened {
        store.data().trace.refused(name, why);
    }
    opened
}

fn find_or_load(store: &mut Store<'_>, name: &str, mode: OpenMode) -> Result<ModuleId, Failure> {
    let trace = store.data().trace.clone();
    let mut watch = trace.watch();
    let snapshot = linking(store)?.namespace.clone();
    let start = discover(store, &snapshot, name)?;
    watch.lap("finding files");
    let id = match start {
        Start::Loaded(id) => {
            drop(snapshot);
            linking(store)?.namespace_mut().open(id, mode.global);
            id
        }
        Start::New(_) if mode.noload => {
            return Err(LinkError::NotLoaded { library: name.to_owned() }.into());
        }
        Start::New(order) => load(store, snapshot, order, mode, watch)?,
    };
    Ok(id)
}

/// Follows NEEDED with the guest's eyes.
fn discover(store: &mut Store<'_>, namespace: &Namespace, name: &str) -> Result<Start, Failure> {
    let linking = linking(store)?;
    let (space, read_file, path) = (linking.space.clone(), linking.read_file.clone(), linking.search.clone());
    let Some(read_file) = read_file else {
        let trace = store.data().trace.clone();
        let system = store.data_mut().emscripten.as_mut();
        let system = system.ok_or_else(|| Failure::Refused("the process has no file system".to_owned()))?;
        return Ok(LoadOrder::discover(
            namespace,
            name,
            &mut SystemSearch { files: &mut system.files, path: &path, trace: &trace },
        )?);
    };
    let mut source = GuestSearch { store, space: &space, read_file: &read_file, path: &path, ended: None };
    let result = LoadOrder::discover(namespace, name, &mut source);
    match source.ended {
        Some(error) => Err(classify(error, "reading a library")),
        None => Ok(result?),
    }
}

/// Brings the libraries of a load to life.
fn load(
    store: &mut Store<'_>,
    snapshot: Arc<Namespace>,
    order: LoadOrder,
    mode: OpenMode,
    mut watch: Watch<'_>,
) -> Result<ModuleId, Failure> {
    let snapshot = if order.wants_more_of_host(&snapshot) {
        drop(snapshot);
        know_whole_host(store)?
    } else {
        snapshot
    };
    let resolved = order.resolve(&snapshot, mode)?;
    watch.lap("symbol lookup");
    store.data().trace.resolved(&snapshot, &resolved);
    let modules = compile(store, &resolved)?;
    watch.lap("compiled code");
    let reservation = resolved.reservation()?;
    let space = linking(store)?.space.clone();
    let placement = space.reserve(&mut *store, &reservation).map_err(|no_room| match no_room {
        NoRoom::Refused { library, why } => LinkError::DoesNotFit { library, why }.into(),
        NoRoom::Guest(error) => classify(error, "the guest's allocator"),
    })?;
    let mut reserved = Reserved { reservation, placement, space };
    let plan = match reserved.prepare(store, snapshot, resolved, &modules) {
        Ok(plan) => plan,
        Err(failure) => {
            // A guest that has ended cannot take its memory back, and need not.
            let released = match failure {
                Failure::Refused(_) => reserved.release(store),
                Failure::Ended(_) => Ok(()),
            };
            // A trap in `free` is the guest's own trouble; the load failed before, and for that reason.
            return Err(match released.map_err(|error| classify(error, "free")) {
                Err(ended @ Failure::Ended(_)) => ended,
                _ => failure,
            });
        }
    };
    linking(store)?.namespace_mut().open(plan.root, mode.global);
    watch.lap("placing, instantiating and relocating");
    construct(store, &plan)?;
    watch.end(&root_path(&plan), &plan);
    Ok(plan.root)
}

/// Tells the namespace of all functions that the host has, which takes longer than most libraries are worth.
fn know_whole_host(store: &mut Store<'_>) -> Result<Arc<Namespace>, Failure> {
    let functions = match store.data().running.clone() {
        Some(running) => offered_functions(&mut *store, &running.image.host_functions),
        None => BTreeMap::new(),
    };
    let linking = linking(store)?;
    linking.namespace_mut().set_host_functions(functions);
    Ok(linking.namespace.clone())
}

fn compile(store: &mut Store<'_>, resolved: &ResolvedModules) -> Result<BTreeMap<ModuleId, Module>, Failure> {
    let compiler = store.data().compiler.clone();
    let libraries = resolved.libraries().iter().map(|resolved| &resolved.library);
    libraries
        .map(|library| {
            let module = compiler.compile(&library.file.path, &library.file.bytes, || {})?;
            Ok((library.id, module))
        })
        .collect()
}

/// What a load has taken from the process and must give back if it fails.
struct Reserved {
    reservation: Reservation,
    placement: Placement,
    space: Arc<AddressSpace>,
}

impl Reserved {
    /// Plans the load, executes the plan up to the constructors, and commits it.
    fn prepare(
        &mut self,
        store: &mut Store<'_>,
        snapshot: Arc<Namespace>,
        resolved: ResolvedModules,
        modules: &BTreeMap<ModuleId, Module>,
    ) -> Result<LoadPlan, Failure> {
        let placed = resolved.place(self.placement.clone());
        let plan = placed.map_err(|e| Failure::Refused(e.to_string()))?.plan(&snapshot);
        debug_assert_eq!(plan.check(), Ok(()));
        store.data().trace.plan(&plan);
        let thunk_module = match &plan.thunk_module {
            Some(thunks) => {
                let compiler = store.data().compiler.clone();
                Some(compiler.compile("generated thunks", &thunks.bytes, || {})?)
            }
            None => None,
        };
        let loaded = linking(store)?.instances.clone();
        let mut execution = Execution {
            store,
            space: &self.space,
            loaded: &loaded,
            modules,
            thunk_module: thunk_module.as_ref(),
            instances: BTreeMap::new(),
            thunks: None,
        };
        let name = root_path(&plan);
        execution.prepare(&plan).map_err(|error| classify(error, &name))?;
        let instances = execution.instances;
        let linking = linking(store)?;
        if !Arc::ptr_eq(&linking.namespace, &snapshot) {
            return Err(Failure::Refused(format!(
                "{name}: the guest loaded another library from its allocator, file functions or relocation code"
            )));
        }
        drop(snapshot);
        linking.namespace_mut().commit(&plan);
        linking.instances.extend(instances.into_values());
        Ok(plan)
    }

    fn release(&self, store: &mut Store<'_>) -> wasmtime::Result<()> {
        self.space.release(store, &self.reservation, &self.placement)
    }
}

fn root_path(plan: &LoadPlan) -> String {
    let root = plan.libraries.iter().find(|planned| planned.library.id == plan.root);
    root.map(|planned| planned.library.path.clone()).unwrap_or_default()
}

/// Runs the constructors of committed libraries. From here on their code has run and pointers to it may be anywhere: a
/// failure marks the libraries that are not initialized as failed, and leaves them in place.
fn construct(store: &mut Store<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    let mut steps = plan.steps.iter().filter_map(|step| match step {
        LoadStep::Construct(library) => Some((library, step)),
        _ => None,
    });
    while let Some((library, step)) = steps.next() {
        let linking = linking(store)?;
        let (space, loaded) = (linking.space.clone(), linking.instances.clone());
        let name = linking.namespace.name(*library).to_owned();
        store.data().trace.init(&name);
        let modules = BTreeMap::new();
        let mut execution = Execution {
            store,
            space: &space,
            loaded: &loaded,
            modules: &modules,
            thunk_module: None,
            instances: BTreeMap::new(),
            thunks: None,
        };
        if let Err(error) = execution.step(plan, step) {
            let why = match classify(error, "a static constructor failed") {
                Failure::Refused(why) => why,
                ended @ Failure::Ended(_) => return Err(ended),
            };
            let rest = std::iter::once(library).chain(steps.map(|(library, _)| library));
            let rest: Vec<ModuleId> = rest.copied().collect();
            self::linking(store)?.namespace_mut().fail(plan, &rest, &why);
            return Err(Failure::Refused(format!("{name}: {why}")));
        }
    }
    Ok(())
}

/// Tells failures that the guest can be told about from its end.
fn classify(error: wasmtime::Error, doing: &str) -> Failure {
    if error.is::<wasmtime_wasi::I32Exit>() || error.is::<Interrupted>() {
        return Failure::Ended(error);
    }
    Failure::Refused(format!("{doing}: {}", GuestTrap::of(&error).one_line()))
}

/// `dlsym`: the address or table slot of a symbol, `handle` being `RTLD_DEFAULT` or from `dlopen`.
pub(crate) fn symbol(store: &mut Store<'_>, handle: u32, name: &str) -> Result<u32, Failure> {
    let namespace = linking(store)?.namespace.clone();
    let (scope, place) = match handle {
        RTLD_DEFAULT => (Scope::Global, "the global scope".to_owned()),
        RTLD_NEXT => {
            return Err(Failure::Refused(format!("{name}: RTLD_NEXT is not supported")));
        }
        handle => match library_of(&namespace, handle)? {
            ModuleId::MAIN => (Scope::Global, namespace.main().name().to_owned()),
            id => match namespace.library(id) {
                Some(library) => (Scope::Library(library), library.path.clone()),
                None => return Err(invalid_handle(handle)),
            },
        },
    };
    store.data().trace.symbol(name, &place);
    let undefined = || Failure::Refused(format!("undefined symbol `{name}` in {place}"));
    let symbol = namespace.lookup(name, scope).ok_or_else(undefined)?;
    match namespace.value(&symbol) {
        Some(SymbolValue::Address(address)) => Ok(address.0),
        Some(SymbolValue::Slot(slot)) => Ok(slot.0),
        Some(SymbolValue::NoSlotYet(function)) => {
            drop(namespace);
            Ok(give_slot(store, function, symbol.definer, name)?.0)
        }
        None => Err(Failure::Refused(format!(
            "symbol `{name}` in {place} is a {}, to which C has no pointers",
            symbol.kind.describe()
        ))),
    }
}

/// Gives a function its one slot; `definer` exports it as `name`.
fn give_slot(
    store: &mut Store<'_>,
    function: FunctionRef,
    definer: ModuleId,
    name: &str,
) -> Result<TableSlot, Failure> {
    let linking = linking(store)?;
    let space = linking.space.clone();
    let instance = linking.instances.get(definer.index()).copied();
    let code = instance.and_then(|instance| instance.get_func(&mut *store, name));
    let slot = space.take_slot(&mut *store);
    let (Some(code), Some(slot)) = (code, slot) else {
        return Err(Failure::Refused(format!("no table slot for `{name}`: the function table is full")));
    };
    set_slot(store, &space, slot, code).map_err(Failure::Ended)?;
    self::linking(store)?.namespace_mut().record_slot(function, slot);
    Ok(slot)
}

/// `dlclose`: gives one reference back. The library stays in the process, as POSIX permits: the engine frees nothing
/// before the process ends, and pointers into the library stay valid.
pub(crate) fn close(store: &mut Store<'_>, handle: u32) -> Result<(), Failure> {
    let linking = linking(store)?;
    match library_of(&linking.namespace, handle)? {
        ModuleId::MAIN => Ok(()),
        id if linking.namespace_mut().close(id) => Ok(()),
        _ => Err(invalid_handle(handle)),
    }
}

const RTLD_DEFAULT: u32 = 0;
const RTLD_NEXT: u32 = u32::MAX;

fn invalid_handle(handle: u32) -> Failure {
    Failure::Refused(format!("invalid library handle {handle:#x}"))
}

/// The library of an open handle.
fn library_of(namespace: &Namespace, handle: u32) -> Result<ModuleId, Failure> {
    if handle == handle_of(ModuleId::MAIN) {
        return Ok(ModuleId::MAIN);
    }
    let open = namespace.libraries().iter().find(|library| handle_of(library.id) == handle);
    match open {
        Some(library) if library.references > 0 => Ok(library.id),
        _ => Err(invalid_handle(handle)),
    }
}

/// What `dladdr` tells: file name, base address, and the nearest symbol with its own address.
pub(crate) struct AddressInfo {
    pub file: Address,
    pub base: Address,
    pub symbol: Option<(Address, u32)>,
}

/// `dladdr`: which library a pointer points into. A WebAssembly pointer does not tell whether it is an address or a
/// table slot; it is taken for data when it lies in a library's static data, then for a function when it is a slot in
/// use, then for data of the main module.
pub(crate) fn address(store: &mut Store<'_>, pointer: u32) -> Result<Option<AddressInfo>, Failure> {
    let namespace = linking(store)?.namespace.clone();
    let Some(found) = namespace.find_address(pointer) else { return Ok(None) };
    let file = intern(store, namespace.name(found.module))?;
    let symbol = match &found.symbol {
        Some((name, value)) => intern(store, name)?.map(|name| (name, *value)),
        None => None,
    };
    Ok(file.map(|file| AddressInfo { file, base: found.base, symbol }))
}

/// A string in guest memory that stays there.
fn intern(store: &mut Store<'_>, text: &str) -> Result<Option<Address>, Failure> {
    let linking = linking(store)?;
    if let Some(known) = linking.strings.get(text) {
        return Ok(Some(*known));
    }
    let space = linking.space.clone();
    let bytes: Vec<u8> = text.bytes().chain([0]).collect();
    let address = space.copy_in(&mut *store, &bytes).map_err(|e| classify(e, "dladdr"))?;
    if let Some(address) = address {
        self::linking(store)?.strings.insert(text.to_owned(), address);
    }
    Ok(address)
}
