//! Owns the way from a guest's `dlopen`, `dlsym`, `dlclose` and `dladdr` to the linker's pipeline, the same for every
//! ABI. Must not know the search order of files, nor how a guest passes arguments: that is the adapters' business.

mod address;
mod close;
pub(crate) mod emscripten;
mod exits;
mod introspection;
pub(crate) mod lazy;
pub(crate) mod provided;
pub(crate) mod rewritten;
pub(crate) mod wasi;

pub(crate) use close::close;

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{
    Address, FunctionRef, LinkError, LoadOrder, LoadPlan, LoadStep, ModuleId, Namespace, OpenMode, Placement,
    Requester, Reservation, ResolvedModules, Scope, Start, Symbol, SymbolValue, TableSlot, abi,
};
use wasmtime::{Instance, Module, StoreContextMut, TypedFunc};

use self::exits::Exits;
use crate::address_space::{AddressSpace, NoRoom};
use crate::backtrace::GuestTrap;
use crate::error::LoadError;
use crate::execute::{Execution, set_slot};
use crate::image::offered_functions;
use crate::interrupt::Interrupted;
use crate::process::ProcessState;
use crate::search::{GuestSearch, SearchPath, SystemSearch};
use crate::system;
use crate::trace::Watch;

/// Everything that a process which can load libraries keeps of them.
pub(crate) struct Linking {
    /// What is loaded. A load works on a snapshot and is committed at its end.
    pub namespace: Arc<Namespace>,
    pub space: Arc<AddressSpace>,
    /// The guest's function that reads library files; `None` where the file system is the host's own work.
    pub read_file: Option<TypedFunc<(u32, u32), u32>>,
    pub search: Arc<SearchPath>,
    main: Instance,
    /// By id: the main module's instance, then the libraries', those that have left included.
    pub instances: Vec<Instance>,
    /// Handles that are not ours to choose.
    handles: BTreeMap<u32, ModuleId>,
    /// Strings that the guest was given pointers to, each with the module that it says something about.
    strings: BTreeMap<(ModuleId, String), Address>,
    /// The `struct link_map` of each module, once the guest has asked for one.
    link_maps: BTreeMap<ModuleId, Address>,
    /// Which module's code calls the main module's `dlopen` or `dlsym`, until the host function behind it has taken it.
    caller: ModuleId,
    /// What libraries have registered to run at exit.
    exits: Exits,
    /// Libraries whose constructors run, or have to.
    initializing: Vec<ModuleId>,
    /// Whether libraries are being unloaded.
    is_unloading: bool,
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
            main: running.main,
            instances: vec![running.main],
            handles: BTreeMap::new(),
            strings: BTreeMap::new(),
            link_maps: BTreeMap::new(),
            caller: ModuleId::MAIN,
            exits: Exits::default(),
            initializing: Vec::new(),
            is_unloading: false,
        })
    }

    /// Who calls, known once.
    fn take_caller(&mut self) -> ModuleId {
        std::mem::replace(&mut self.caller, ModuleId::MAIN)
    }

    /// The main module's instance.
    fn main(&self) -> Instance {
        self.main
    }

    /// The instance of a module.
    fn instance(&self, id: ModuleId) -> Option<Instance> {
        self.instances.get(id.index()).copied()
    }

    /// Takes the guest memory that says something about a module out of the books, to free it.
    fn take_strings(&mut self, about: ModuleId) -> Vec<Address> {
        let keys = (about, String::new())..;
        let of_it = |key: &&(ModuleId, String)| key.0 == about;
        let keys: Vec<_> = self.strings.range(keys).map(|(key, _)| key).take_while(of_it).cloned().collect();
        let strings = keys.iter().filter_map(|key| self.strings.remove(key));
        let strings: Vec<Address> = strings.collect();
        strings.into_iter().chain(self.link_maps.remove(&about)).collect()
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
pub(crate) fn linking<'a>(store: &'a mut Store<'_>) -> Result<&'a mut Linking, Failure> {
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
            let linking = linking(store)?;
            if linking.namespace.library(id).is_none_or(|library| library.is_leaving) {
                return Err(Failure::Refused(format!("{name}: it was closed while it was looked for")));
            }
            linking.namespace_mut().open(id, mode.global);
            id
        }
        Start::New(_) if mode.noload => {
            return Err(LinkError::NotLoaded { library: name.to_owned() }.into());
        }
        Start::New(order) if mode.deepbind => {
            load(store, snapshot, order.with_own_scope_first(), mode, watch)?
        }
        Start::New(order) => load(store, snapshot, order, mode, watch)?,
    };
    if mode.nodelete {
        linking(store)?.namespace_mut().keep(id);
    }
    Ok(id)
}

/// Follows NEEDED with the guest's eyes.
fn discover(store: &mut Store<'_>, namespace: &Namespace, name: &str) -> Result<Start, Failure> {
    let linking = linking(store)?;
    let caller = linking.take_caller();
    let caller = namespace.library(caller).map(|library| Requester {
        path: library.path.clone(),
        runtime_path: library.module.dylink.iter().flat_map(|it| it.runtime_path.iter().cloned()).collect(),
    });
    let (space, read_file, path) = (linking.space.clone(), linking.read_file.clone(), linking.search.clone());
    let Some(read_file) = read_file else {
        let trace = store.data().trace.clone();
        let system = store.data_mut().emscripten.as_mut();
        let system = system.ok_or_else(|| Failure::Refused("the process has no file system".to_owned()))?;
        return Ok(LoadOrder::discover(
            namespace,
            name,
            &mut SystemSearch {
                files: &mut system.files,
                path: &path,
                caller: caller.as_ref(),
                trace: &trace,
            },
        )?);
    };
    let mut source = GuestSearch {
        store,
        space: &space,
        read_file: &read_file,
        path: &path,
        caller: caller.as_ref(),
        ended: None,
    };
    let result = LoadOrder::discover(namespace, name, &mut source);
    match source.ended {
        Some(error) => Err(classify(error, "reading a library")),
        None => Ok(result?),
    }
}

/// Brings in what the main module itself needs, up to the constructors, and makes it global; `None` when it needs nothing.
pub(crate) fn bring_in_needed_of_main(store: &mut Store<'_>) -> Result<Option<LoadPlan>, Failure> {
    let linking = linking(store)?;
    let (snapshot, path) = (linking.namespace.clone(), linking.search.clone());
    let main = snapshot.main();
    // The main module has no path in the guest; what it needs lies where the loader itself looks.
    let folder = path.own.first().map_or("", String::as_str);
    let runtime_path = main.module().dylink.iter().flat_map(|dylink| dylink.runtime_path.iter().cloned());
    let requester = Requester {
        path: format!("{folder}/{}", main.name().rsplit('/').next().unwrap_or_default()),
        runtime_path: runtime_path.collect(),
    };
    let trace = store.data().trace.clone();
    let system = store.data_mut().emscripten.as_mut();
    let system = system.ok_or_else(|| Failure::Refused("the process has no file system".to_owned()))?;
    let mut source = SystemSearch { files: &mut system.files, path: &path, caller: None, trace: &trace };
    let order = LoadOrder::discover_needed_of_main(&snapshot, &requester, &mut source);
    let order = order.map_err(|error| match error {
        LinkError::NotFound(_) => Failure::Refused(format!(
            "{error}\nlibraries that a main module needs are side modules, too: give each with --side"
        )),
        error => error.into(),
    })?;
    let Some(order) = order else { return Ok(None) };
    let roots = order.roots().to_vec();
    let plan = bring_in(store, snapshot, order, OpenMode::default(), &mut trace.watch())?;
    let namespace = self::linking(store)?.namespace_mut();
    for root in roots {
        namespace.open(root, true);
    }
    Ok(Some(plan))
}

/// Brings the libraries of a load to life.
fn load(
    store: &mut Store<'_>,
    snapshot: Arc<Namespace>,
    order: LoadOrder,
    mode: OpenMode,
    mut watch: Watch<'_>,
) -> Result<ModuleId, Failure> {
    let plan = bring_in(store, snapshot, order, mode, &mut watch)?;
    let namespace = linking(store)?.namespace_mut();
    namespace.open(plan.root, mode.global);
    if mode.nodelete {
        namespace.keep(plan.root);
    }
    watch.lap("placing, instantiating and relocating");
    construct(store, &plan)?;
    watch.end(&root_path(&plan), &plan);
    if linking(store)?.namespace.library(plan.root).is_none_or(|root| root.references == 0) {
        // Its constructor has closed it.
        close::unload_unused(store)?;
    }
    Ok(plan.root)
}

/// Instantiates, relocates and commits the libraries of a load, or changes nothing.
fn bring_in(
    store: &mut Store<'_>,
    snapshot: Arc<Namespace>,
    order: LoadOrder,
    mode: OpenMode,
    watch: &mut Watch<'_>,
) -> Result<LoadPlan, Failure> {
    let snapshot = if order.functions_of_host(&snapshot).next().is_some() {
        know_more_of_host(store, snapshot, &order)?
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
    match reserved.prepare(store, snapshot, resolved, &modules) {
        Ok(plan) => Ok(plan),
        Err(failure) => {
            // A guest that has ended cannot take its memory back, and need not.
            let released = match failure {
                Failure::Refused(_) => reserved.release(store),
                Failure::Ended(_) => Ok(()),
            };
            for library in &reserved.reservation.libraries {
                // The next load gives its id to another.
                exits::forget(store, library.library);
            }
            // A trap in `free` is the guest's own trouble; the load failed before, and for that reason.
            Err(match released.map_err(|error| classify(error, "free")) {
                Err(ended @ Failure::Ended(_)) => ended,
                _ => failure,
            })
        }
    }
}

/// Tells the namespace of all functions that the host has, which takes longer than most libraries are worth: those it has for the main
/// module, and in Emscripten processes those that its system has in whatever type a library wants them.
fn know_more_of_host(
    store: &mut Store<'_>,
    snapshot: Arc<Namespace>,
    order: &LoadOrder,
) -> Result<Arc<Namespace>, Failure> {
    let mut functions = match store.data().running.clone() {
        Some(running) => offered_functions(&mut *store, &running.image.host_functions),
        None => BTreeMap::new(),
    };
    if store.data().emscripten.is_some() {
        let wanted = order.functions_of_host(&snapshot);
        let served = wanted.filter(|(module, name, _)| {
            system::emscripten::serves(module, name) && !abi::is_of_exceptions(name)
        });
        let served = served.map(|(module, name, ty)| ((module.to_owned(), name.to_owned()), ty.clone()));
        functions.extend(served.filter(|(key, _)| !functions.contains_key(key)).collect::<Vec<_>>());
    }
    drop(snapshot);
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
            provided: BTreeMap::new(),
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
pub(crate) fn construct(store: &mut Store<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    introspection::refresh_link_maps(store)?;
    let linking = linking(store)?;
    let outer = linking.initializing.len();
    linking.initializing.extend(plan.libraries.iter().map(|planned| planned.library.id));
    let constructed = run_constructors(store, plan);
    self::linking(store)?.initializing.truncate(outer);
    constructed
}

fn run_constructors(store: &mut Store<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    let mut steps = plan.steps.iter().filter_map(|step| match step {
        LoadStep::Construct(library) => Some((library, step)),
        _ => None,
    });
    register_finis(store, plan)?;
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
            provided: BTreeMap::new(),
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

/// Registers the last functions of committed libraries. When the main module does not take one, none of the libraries is initialized.
fn register_finis(store: &mut Store<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    for planned in &plan.libraries {
        let registered = exits::register_fini(store, planned.library.id);
        let failure = match registered {
            Err(Failure::Ended(error)) => classify(error, "the program's list of exit handlers"),
            Err(refused) => refused,
            Ok(()) => continue,
        };
        let Failure::Refused(why) = failure else { return Err(failure) };
        let all: Vec<ModuleId> = plan.libraries.iter().map(|planned| planned.library.id).collect();
        for id in &all {
            exits::forget(store, *id);
        }
        linking(store)?.namespace_mut().fail(plan, &all, &why);
        return Err(Failure::Refused(format!("{}: {why}", planned.library.path)));
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

/// What is loaded.
pub(crate) fn namespace(store: &mut Store<'_>) -> Result<Arc<Namespace>, Failure> {
    Ok(linking(store)?.namespace.clone())
}

/// The process's shared resources.
pub(crate) fn space(store: &mut Store<'_>) -> Result<Arc<AddressSpace>, Failure> {
    Ok(linking(store)?.space.clone())
}

/// `dlsym`: the address or table slot of a symbol, `handle` being `RTLD_DEFAULT` or from `dlopen`. What a search that says nothing
/// of who has the symbol finds, stays as long as the caller.
pub(crate) fn symbol(store: &mut Store<'_>, handle: u32, name: &str) -> Result<u32, Failure> {
    let caller = linking(store)?.take_caller();
    let (symbol, value) = find(store, caller, handle, name)?;
    let is_anybodys = handle == RTLD_DEFAULT || handle == RTLD_NEXT || handle == handle_of(ModuleId::MAIN);
    if is_anybodys && symbol.definer != ModuleId::MAIN {
        depend(store, caller, symbol.definer)?;
    }
    Ok(value)
}

/// A symbol with its address or table slot, as `caller` finds it.
pub(crate) fn find(
    store: &mut Store<'_>,
    caller: ModuleId,
    handle: u32,
    name: &str,
) -> Result<(Symbol, u32), Failure> {
    let namespace = linking(store)?.namespace.clone();
    let (scope, place) = match handle {
        RTLD_DEFAULT => (Scope::From(caller), "the global scope".to_owned()),
        RTLD_NEXT => (Scope::After(caller), format!("what comes after {}", namespace.name(caller))),
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
    let value = value(store, namespace, &symbol, name, &place)?;
    Ok((symbol, value))
}

/// Notes that a library has got hold of another's symbol by a search that says nothing of who has it.
fn depend(store: &mut Store<'_>, caller: ModuleId, on: ModuleId) -> Result<(), Failure> {
    let linking = linking(store)?;
    let namespace = &linking.namespace;
    let is_known = match namespace.library(caller) {
        Some(library) => library.uses.contains(&on),
        None => namespace.library(on).is_none_or(|library| library.is_permanent),
    };
    if !is_known {
        linking.namespace_mut().depend(caller, on);
    }
    Ok(())
}

/// What C knows a symbol by: its address, or its table slot, which it gets now if it has none.
fn value(
    store: &mut Store<'_>,
    namespace: Arc<Namespace>,
    symbol: &Symbol,
    name: &str,
    place: &str,
) -> Result<u32, Failure> {
    match namespace.value(symbol) {
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

/// The handle that stands for the global scope.
pub(crate) const RTLD_DEFAULT: u32 = 0;
const RTLD_NEXT: u32 = u32::MAX;

fn invalid_handle(handle: u32) -> Failure {
    Failure::Refused(format!("invalid library handle {handle:#x}"))
}

/// The library of an open handle.
pub(crate) fn library_of(namespace: &Namespace, handle: u32) -> Result<ModuleId, Failure> {
    if handle == handle_of(ModuleId::MAIN) {
        return Ok(ModuleId::MAIN);
    }
    let open = namespace.libraries().iter().find(|library| handle_of(library.id) == handle);
    match open {
        Some(library) if library.references > 0 => Ok(library.id),
        _ => Err(invalid_handle(handle)),
    }
}
