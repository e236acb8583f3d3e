//! Owns loads: from the name that is passed to `dlopen`, or that a main module needs, to libraries whose constructors have run,
//! or to nothing having changed. Must not know how a guest passes arguments, or how libraries are unloaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{
    FoundLibrary, Library, LinkError, Load, LoadOrder, LoadPlan, ModuleId, Namespace, OpenMode, Opening,
    Placement, PlannedLoad, Requester, Reservation, ResolvedModules, Room, Stage, abi,
};
use wasmtime::Module;

use super::{Failure, ProcessStore, Refusal, classify, close, exits, introspection, linking, refuse};
use crate::base::budget::{Charge, Exhausted};
use crate::base::interrupt::{InterruptState, Interrupted};
use crate::base::trace::Watch;
use crate::compile::recipes;
use crate::link::execute::{Execution, Generated, MainParts, Resources};
use crate::link::host::SystemInterface;
use crate::link::libraries::RefusedLoad;
use crate::link::search::{GuestSearch, SystemSearch};
use crate::link::state::Links as _;
use crate::memory::address_space::NoRoom;

/// `dlopen`: finds, links and initializes a library and all it needs, or changes nothing.
pub(crate) fn open(
    store: &mut ProcessStore<'_>,
    name: &str,
    mut mode: OpenMode,
) -> Result<ModuleId, Failure> {
    mode.lazy &= store.data().link().is_some_and(|link| !link.main.binds_now);
    let opened = find_or_load(store, name, mode);
    if let Err(Failure::Refused(why)) = &opened {
        store.data().trace.refused(name, &why.to_string());
        // A caller that asks whether the library is loaded has not requested a load.
        if mode.noload {
            return opened;
        }
        let cause = match why {
            Refusal::Link(error) => Some(error.clone()),
            Refusal::Process(_) => None,
        };
        let (path, why) = (name.to_owned(), why.to_string());
        if let Some(link) = store.data_mut().link_mut() {
            link.refused = Some(RefusedLoad { path, symbol: None, why, cause });
        }
    }
    opened
}

fn find_or_load(store: &mut ProcessStore<'_>, name: &str, mode: OpenMode) -> Result<ModuleId, Failure> {
    let trace = store.data().trace.clone();
    let mut watch = trace.watch();
    let snapshot = linking(store)?.namespace.clone();
    let Discovered { found, kept: _kept } = discover(store, &snapshot, name, mode)?;
    watch.lap("finding files");
    drop(snapshot);
    match found {
        Opening::Loaded(ModuleId::MAIN) => Ok(ModuleId::MAIN),
        Opening::Loaded(id) => open_again(store, id, name, mode),
        Opening::New(load) => self::load(store, load, watch),
    }
}

/// Opens a library that is already loaded.
fn open_again(
    store: &mut ProcessStore<'_>,
    id: ModuleId,
    name: &str,
    mode: OpenMode,
) -> Result<ModuleId, Failure> {
    let linking = linking(store)?;
    if linking.namespace.library(id).is_none_or(|library| library.stage == Stage::Ended) {
        return Err(refuse(format!("{name}: it was closed while it was looked for")));
    }
    linking.namespace_mut().open(id, mode.global);
    construct_waiting(store, id)?;
    if mode.nodelete {
        self::linking(store)?.namespace_mut().keep(id);
    }
    Ok(id)
}

/// The result of a search.
struct Discovered<T> {
    found: T,
    /// The charges for the files until they are loaded.
    kept: Vec<Charge>,
}

/// Follows NEEDED in the file system that the guest sees.
fn discover(
    store: &mut ProcessStore<'_>,
    namespace: &Arc<Namespace>,
    name: &str,
    mode: OpenMode,
) -> Result<Discovered<Opening>, Failure> {
    let linking = linking(store)?;
    let caller = linking.take_caller();
    let caller = namespace.library(caller).map(requester);
    let (space, read_file, path) = (linking.space.clone(), linking.read_file.clone(), linking.search.clone());
    let Some(read_file) = read_file else {
        return in_system(store, caller.as_ref(), |source| Load::open(namespace, name, mode, source));
    };
    let mut source = GuestSearch {
        store,
        space: &space,
        read_file: &read_file,
        path: &path,
        caller: caller.as_ref(),
        ended: None,
    };
    let result = Load::open(namespace, name, mode, &mut source);
    match source.ended {
        Some(error) => Err(classify(store, error, "reading a library")),
        None => Ok(Discovered { found: result?, kept: Vec::new() }),
    }
}

/// Searches the file system that the host implements for the guest.
fn in_system<T>(
    store: &mut ProcessStore<'_>,
    caller: Option<&Requester>,
    search: impl FnOnce(&mut SystemSearch<'_>) -> Result<T, LinkError>,
) -> Result<Discovered<T>, Failure> {
    let path = linking(store)?.search.clone();
    let (trace, interrupt) = (store.data().trace.clone(), store.data().interrupt.clone());
    let kernel = store.data_mut().system.kernel_mut();
    let kernel = kernel.map_err(|_| refuse("the process has no file system"))?;
    let budget = kernel.budget.clone();
    let mut source = SystemSearch {
        files: &mut kernel.files,
        path: &path,
        caller,
        trace: &trace,
        interrupt: &interrupt,
        budget: &budget,
        kept: Vec::new(),
        ended: None,
    };
    let found = search(&mut source);
    let SystemSearch { kept, ended, .. } = source;
    match ended {
        Some(error) => Err(classify(store, error, "reading a library")),
        None => Ok(Discovered { found: found?, kept }),
    }
}

fn requester(library: &Library) -> Requester {
    let runtime_path = library.module.dylink.iter().flat_map(|dylink| &dylink.runtime_path);
    Requester::new(&library.path, runtime_path)
}

/// Completes the main module, which `plan` has instantiated, up to the constructors: loads what it needs, which becomes global,
/// and gives its cells their values. `None` when the main module is complete by itself.
pub(crate) fn complete_main(
    store: &mut ProcessStore<'_>,
    plan: &Arc<LoadPlan>,
    parts: MainParts,
) -> Result<Option<Arc<LoadPlan>>, Failure> {
    if !plan.leaves_main_open() {
        return Ok(None);
    }
    let linking = linking(store)?;
    let (snapshot, path) = (linking.namespace.clone(), linking.search.clone());
    let main = snapshot.main();
    // The main module has no path in the guest; what it needs lies where the loader itself searches.
    let folder = path.own.first().map_or("", String::as_str);
    let runtime_path = main.module().dylink.iter().flat_map(|dylink| &dylink.runtime_path);
    let path = format!("{folder}/{}", main.name().rsplit('/').next().unwrap_or_default());
    let requester = Requester::new(&path, runtime_path);
    let order = in_system(store, None, |source| Load::of_main(&snapshot, plan.clone(), &requester, source))?;
    drop(snapshot);
    let Discovered { found, kept: _kept } = order;
    let Some(load) = found else { return Ok(None) };
    let trace = store.data().trace.clone();
    bring_in(store, load, parts, &mut trace.watch()).map(Some)
}

/// Loads and initializes the libraries of a load.
fn load(store: &mut ProcessStore<'_>, load: Load, mut watch: Watch<'_>) -> Result<ModuleId, Failure> {
    let plan = bring_in(store, load, MainParts::default(), &mut watch)?;
    watch.lap("placing, instantiating and relocating");
    construct(store, &plan)?;
    watch.end(&root_path(&plan), &plan);
    unload_if_closed(store, plan.root())?;
    Ok(plan.root())
}

/// Instantiates, relocates and commits the libraries of a load, or changes nothing.
fn bring_in(
    store: &mut ProcessStore<'_>,
    load: Load,
    parts: MainParts,
    watch: &mut Watch<'_>,
) -> Result<Arc<LoadPlan>, Failure> {
    let mut room = ProcessRoom { store, watch, modules: BTreeMap::new(), charges: Vec::new() };
    let mut planned = load.plan(&mut room)?;
    let ProcessRoom { modules, charges, .. } = room;
    match execute(store, &mut planned, &modules, parts) {
        Ok(()) => {
            let plan = Arc::new(planned.into_plan());
            store.data_mut().journal.enter(plan.clone());
            let linking = linking(store)?;
            linking.charges.extend(charges);
            linking.modules.extend(modules);
            Ok(plan)
        }
        Err(failure) => Err(take_back(store, &planned, failure)),
    }
}

/// Gives back what a failed load has taken. Returns the load's failure, unless the guest ends while doing this.
fn take_back(store: &mut ProcessStore<'_>, planned: &PlannedLoad, failure: Failure) -> Failure {
    // A guest that has ended cannot free its memory, and need not.
    let released = match (&failure, linking(store).map(|linking| linking.space.clone())) {
        (Failure::Refused(_), Ok(space)) => {
            space.release(&mut *store, planned.reservation(), planned.placement())
        }
        _ => Ok(()),
    };
    for library in &planned.reservation().libraries {
        // The next load gives the library's id to another one.
        exits::forget(store, library.library);
    }
    // A trap in `free` is the guest's own problem; the load failed earlier, and for its own reason.
    match released.map_err(|error| classify(store, error, "free")) {
        Err(ended @ Failure::Ended(_)) => ended,
        _ => failure,
    }
}

/// The process that a load is for, while the load is planned.
struct ProcessRoom<'a, 'store, 'watch> {
    store: &'a mut ProcessStore<'store>,
    watch: &'a mut Watch<'watch>,
    /// The compiled libraries, once their imports are bound.
    modules: BTreeMap<ModuleId, Module>,
    /// The charges for the libraries.
    charges: Vec<(ModuleId, Charge)>,
}

impl Room for ProcessRoom<'_, '_, '_> {
    type Refusal = Failure;

    fn ask_host(&mut self, namespace: Arc<Namespace>, order: &LoadOrder) -> Result<Arc<Namespace>, Failure> {
        ask_host_for_more(self.store, namespace, order)
    }

    fn bindings_resolved(
        &mut self,
        namespace: &Namespace,
        resolved: &ResolvedModules,
    ) -> Result<(), Failure> {
        self.watch.lap("symbol lookup");
        self.store.data().trace.resolved(namespace, resolved);
        self.charges = charge(self.store, resolved)?;
        self.modules = compile(self.store, resolved)?;
        self.watch.lap("compiled code");
        Ok(())
    }

    fn reserve(&mut self, reservation: &Reservation) -> Result<Placement, Failure> {
        let space = linking(self.store)?.space.clone();
        space.reserve(&mut *self.store, reservation).map_err(|no_room| match no_room {
            NoRoom::Refused(error) => error.into(),
            NoRoom::Ended(error) => classify(self.store, error, "the guest's allocator"),
        })
    }

    fn release(&mut self, reservation: &Reservation, placement: &Placement) -> Result<(), Failure> {
        let space = linking(self.store)?.space.clone();
        space
            .release(&mut *self.store, reservation, placement)
            .map_err(|error| classify(self.store, error, "free"))
    }
}

/// Adds the functions that the host provides for the libraries of a load, beyond those that the main module imports, to the
/// namespace.
fn ask_host_for_more(
    store: &mut ProcessStore<'_>,
    snapshot: Arc<Namespace>,
    order: &LoadOrder,
) -> Result<Arc<Namespace>, Failure> {
    let functions = snapshot.ask_host(order, &SystemInterface::default());
    drop(snapshot);
    let linking = linking(store)?;
    linking.namespace_mut().add_host_functions(functions);
    Ok(linking.namespace.clone())
}

/// Charges what is kept for libraries until they are unloaded; it is estimated by the size of their files.
fn charge(store: &ProcessStore<'_>, resolved: &ResolvedModules) -> Result<Vec<(ModuleId, Charge)>, Failure> {
    let libraries = resolved.libraries().iter().map(|resolved| &resolved.library);
    libraries
        .map(|library| {
            let charge = store.data().budget.charge(library.file.bytes.len() as u64);
            let charge = charge.map_err(|error| beyond_budget(store, &library.file.path, error))?;
            Ok((library.id, charge))
        })
        .collect()
}

fn compile(
    store: &mut ProcessStore<'_>,
    resolved: &ResolvedModules,
) -> Result<BTreeMap<ModuleId, Module>, Failure> {
    let libraries = resolved.libraries().iter().map(|resolved| &resolved.library);
    libraries.map(|library| Ok((library.id, compile_one(store, &library.file)?))).collect()
}

/// Compiles a library. The end of the guest does not wait for the compiler, which then goes on by itself: it may take minutes.
fn compile_one(store: &mut ProcessStore<'_>, file: &FoundLibrary) -> Result<Module, Failure> {
    let (compiler, interrupt) = (store.data().compiler.clone(), store.data().interrupt.clone());
    let recipe = recipes::of_library(compiler.kind());
    interrupt.check().map_err(Failure::Ended)?;
    if let Some(module) = compiler.kept(&file.bytes, &recipe) {
        return Ok(module);
    }
    let (aside, path, bytes, by) = (compiler.clone(), file.path.clone(), file.bytes.clone(), recipe.clone());
    let code =
        interrupt.aside(InterruptState::is_terminated, move || aside.compile(&path, &bytes, &by, || {}));
    let code = match code {
        Ok(Some(code)) => code,
        Ok(None) => return Err(Failure::Ended(Interrupted.into())),
        // There is no thread for it.
        Err(_) => compiler.compile(&file.path, &file.bytes, &recipe, || {}),
    };
    Ok(code?)
}

/// Executes the plan of a load up to the constructors, and commits it.
fn execute(
    store: &mut ProcessStore<'_>,
    planned: &mut PlannedLoad,
    modules: &BTreeMap<ModuleId, Module>,
    main: MainParts,
) -> Result<(), Failure> {
    let plan = planned.plan();
    store.data().trace.plan(plan);
    count_instances(store, plan)?;
    let thunks = match plan.thunk_module() {
        Some(thunks) => {
            let compiler = store.data().compiler.clone();
            Some(compiler.compile("generated thunks", &thunks.bytes, &recipes::of_generated(), || {})?)
        }
        None => None,
    };
    let linking = linking(store)?;
    let (resources, loaded) = (Resources::of(&linking.space), linking.instances.clone());
    let linked = store.data().link().map(|link| link.main.clone());
    let linked = linked.ok_or_else(|| refuse("the process has not started"))?;
    let mut execution = Execution {
        store,
        resources,
        host: &linked.host,
        loaded: &loaded,
        modules,
        generated: Generated { thunks, ..Generated::default() },
        instances: BTreeMap::new(),
        thunks: None,
        provided: BTreeMap::new(),
        main,
    };
    let prepared = execution.prepare(plan);
    let instances = execution.instances;
    prepared.map_err(|error| classify(store, error, &root_path(plan)))?;
    let linking = self::linking(store)?;
    planned.commit(&mut linking.namespace)?;
    linking.instances.extend(instances.into_values().map(Some));
    Ok(())
}

/// Charges for the instances that a load makes, which stay until the process ends even if the load fails.
fn count_instances(store: &mut ProcessStore<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    let wanted = plan.libraries().len().saturating_add(usize::from(plan.thunk_module().is_some()));
    let (most, made) = store.data().instances;
    let after = u32::try_from(wanted).ok().and_then(|wanted| made.checked_add(wanted));
    let Some(after) = after.filter(|after| *after <= most) else {
        return Err(refuse(format!(
            "{}: the load takes {wanted} instances, and the process has made {made} of the {most} that it may make in its life; \
             closed libraries and failed loads count, since the engine keeps theirs; open libraries once and leave them open, or \
             raise ProcessOptions::most_instances",
            root_path(plan)
        )));
    };
    let imports: usize = plan.libraries().iter().map(|planned| planned.library.module.imports.len()).sum();
    let bytes = INSTANCE.saturating_mul(wanted as u64).saturating_add(IMPORT.saturating_mul(imports as u64));
    store.data_mut().limits.keep(bytes).map_err(|error| beyond_budget(store, &root_path(plan), error))?;
    store.data_mut().instances.1 = after;
    Ok(())
}

/// What the engine keeps for an instance and for what is made for one of its imports, as measured, and what the journal keeps for
/// one, in bytes.
const INSTANCE: u64 = 10 << 10;
const IMPORT: u64 = 256 + 64;

/// The refusal of a load for which the host would have to keep more than it is allowed to.
fn beyond_budget(store: &ProcessStore<'_>, path: &str, error: Exhausted) -> Failure {
    let limit = store.data().budget.limit();
    refuse(format!(
        "{path}: {error}: {limit} bytes; close libraries, open fewer, or let it keep more (ProcessOptions::host_memory, pydl run --host-memory)"
    ))
}

fn root_path(plan: &LoadPlan) -> String {
    plan.path(plan.root()).to_owned()
}

/// Runs the constructors of libraries that a load has to run. From here on, code of these libraries has run, and pointers to it
/// may be anywhere: a failure marks the libraries that are not initialized as failed, and leaves them in place.
pub(crate) fn construct(store: &mut ProcessStore<'_>, plan: &LoadPlan) -> Result<(), Failure> {
    introspection::refresh_link_maps(store)?;
    let libraries = plan.constructors().iter().filter(|module| **module != ModuleId::MAIN);
    let order: Vec<ModuleId> = libraries.copied().collect();
    let new = plan.libraries().iter().map(|planned| planned.library.id);
    let busy = new.chain(order.iter().copied()).collect();
    let constructed = keeping(store, busy, |store| {
        register_finis(store, plan)?;
        run_constructors(store, &order)
    });
    if let Err(Failed { failure: Failure::Refused(_), why }) = &constructed {
        linking(store)?.namespace_mut().fail_load(plan, why);
    }
    constructed.map_err(|failed| failed.failure)
}

/// Runs those constructors that have not begun of a library of a load under way and of what it needs, as musl does, and glibc
/// since 2.41: whatever opens it may use it. When one fails, the library is not open.
fn construct_waiting(store: &mut ProcessStore<'_>, id: ModuleId) -> Result<(), Failure> {
    let order = linking(store)?.namespace.waiting_below(id);
    if order.is_empty() {
        return Ok(());
    }
    let constructed = keeping(store, order.clone(), |store| run_constructors(store, &order));
    if let Err(Failed { failure: Failure::Refused(_), .. }) = &constructed {
        linking(store)?.namespace_mut().close(id);
    }
    constructed.map_err(|failed| failed.failure)?;
    unload_if_closed(store, id)
}

/// Unloads a library that its own constructor has closed.
fn unload_if_closed(store: &mut ProcessStore<'_>, id: ModuleId) -> Result<(), Failure> {
    let library = linking(store)?.namespace.library(id);
    if library.is_none_or(|library| library.references == 0) { close::unload_unused(store) } else { Ok(()) }
}

/// Does something while libraries are kept loaded, whatever is closed in the meantime.
fn keeping<T>(
    store: &mut ProcessStore<'_>,
    libraries: Vec<ModuleId>,
    work: impl FnOnce(&mut ProcessStore<'_>) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let linking = linking(store)?;
    let outer = linking.initializing.len();
    linking.initializing.extend(libraries);
    let result = work(store);
    self::linking(store)?.initializing.truncate(outer);
    result
}

/// The failure of an initialization.
struct Failed {
    /// The failure as it is reported to the caller.
    failure: Failure,
    /// How the library failed, without its name, as it is reported to whatever needs the library later.
    why: String,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        let why = match &failure {
            Failure::Refused(why) => why.to_string(),
            Failure::Ended(_) => String::new(),
        };
        Failed { failure, why }
    }
}

/// Runs constructors in this order, except those that have begun: loads made by constructors first run the constructors of what
/// they need.
fn run_constructors(store: &mut ProcessStore<'_>, order: &[ModuleId]) -> Result<(), Failed> {
    for id in order {
        let linking = linking(store)?;
        let Some(library) = linking.namespace.library(*id) else { continue };
        let name = library.path.clone();
        let failed = |why: String| Failed { failure: refuse(format!("{name}: {why}")), why };
        if let Some(why) = &library.failure {
            return Err(failed(why.clone()));
        }
        if !linking.namespace_mut().begin(*id) {
            continue;
        }
        store.data().trace.init(&name);
        if let Err(error) = call_constructors(store, *id) {
            let why = match classify(store, error, "a static constructor failed") {
                Failure::Refused(why) => why.to_string(),
                ended @ Failure::Ended(_) => return Err(ended.into()),
            };
            self::linking(store)?.namespace_mut().fail(*id, &why);
            return Err(failed(why));
        }
    }
    Ok(())
}

fn call_constructors(store: &mut ProcessStore<'_>, id: ModuleId) -> wasmtime::Result<()> {
    let Ok(linking) = linking(store) else { return Ok(()) };
    let (space, instance) = (linking.space.clone(), linking.instance(id));
    let Some(instance) = instance else { return Ok(()) };
    let constructors = instance.get_typed_func::<(), ()>(&mut *store, abi::CALL_CTORS)?;
    space.call(store, &constructors, ())
}

/// Registers the finalizers of committed libraries. When the main module does not accept one, none of the libraries is
/// initialized.
fn register_finis(store: &mut ProcessStore<'_>, plan: &LoadPlan) -> Result<(), Failed> {
    for planned in plan.libraries() {
        let registered = exits::register_fini(store, planned.library.id);
        let failure = match registered {
            Err(Failure::Ended(error)) => classify(store, error, "the program's list of exit handlers"),
            Err(refused) => refused,
            Ok(()) => continue,
        };
        let Failure::Refused(why) = failure else { return Err(failure.into()) };
        let why = why.to_string();
        for planned in plan.libraries() {
            exits::forget(store, planned.library.id);
            linking(store)?.namespace_mut().fail(planned.library.id, &why);
        }
        let failure = refuse(format!("{}: {why}", planned.library.path));
        return Err(Failed { failure, why });
    }
    Ok(())
}
