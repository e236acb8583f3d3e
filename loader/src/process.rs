//! Owns images and processes: a compiled main module that threads may share, and one running instance of it. Must not
//! know how libraries are loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, thread};

use pydl_linker::{AbiFamily, Import, ImportKind, MainModule, Namespace, Signature};
use wasmtime::{
    Extern, FuncType, Instance, InstancePre, Linker, Store, StoreContextMut, Tag, UpdateDeadline, ValType,
};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::address_space::AddressSpace;
use crate::backtrace::GuestTrap;
use crate::compile::Compiler;
use crate::dlfcn::{self, Linking};
use crate::engine::THREAD_STACK;
use crate::error::LoadError;
use crate::interrupt::{InterruptHandle, InterruptState, Interrupted};
use crate::options::ProcessOptions;
use crate::search::{READ_FILE, SearchPath};
use crate::staging::Staging;
use crate::system;

/// A compiled main module. Cloning is cheap, and clones may be used on different threads.
#[derive(Clone)]
pub struct Image {
    compiler: Compiler,
    path: PathBuf,
    main: Arc<MainModule>,
    pre: InstancePre<ProcessState>,
    host_functions: Arc<Linker<ProcessState>>,
    offered: Arc<Offered>,
}

/// The host's functions with their types, by import module and name.
type Offered = BTreeMap<(String, String), Signature>;

/// The export that runs a WASI command (WASI application ABI).
const START: &str = "_start";
/// The C function that sets the working directory; wasi-libc keeps it in the guest.
const CHDIR: &str = "chdir";

impl Image {
    /// Reads and compiles a main module. Errs when it is no WebAssembly module, not a WASI command, or imports what
    /// nothing provides.
    pub fn from_file(compiler: &Compiler, path: impl AsRef<Path>) -> Result<Image, LoadError> {
        Image::from_file_with(compiler, path, || {})
    }

    /// The same; `on_compile` is called before a compilation, which takes seconds and which the cache saves.
    pub fn from_file_with(
        compiler: &Compiler,
        path: impl AsRef<Path>,
        on_compile: impl FnOnce(),
    ) -> Result<Image, LoadError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| LoadError::file(path, e))?;
        let name = path.display().to_string();
        let main = MainModule::parse(&name, &bytes)
            .map_err(|error| LoadError::Malformed { path: path.to_owned(), error })?;
        check_runnable(&main)?;
        let mut linker = Linker::new(compiler.engine());
        system::wasi::add_to_linker(&mut linker).map_err(LoadError::engine)?;
        dlfcn::wasi::add_to_linker(&mut linker).map_err(LoadError::engine)?;
        let offered = offered_functions(compiler, &linker)?;
        check_imports(&main, &offered)?;
        let module = compiler.compile(&name, &bytes, on_compile)?;
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| LoadError::NotRunnable { name: name.clone(), why: format!("{error:#}") })?;
        Ok(Image {
            compiler: compiler.clone(),
            path: path.to_owned(),
            main: Arc::new(main),
            pre,
            host_functions: Arc::new(linker),
            offered: Arc::new(offered),
        })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the linker knows of it.
    pub fn main_module(&self) -> &MainModule {
        &self.main
    }
}

fn check_runnable(main: &MainModule) -> Result<(), LoadError> {
    let not_runnable =
        |why: &str| Err(LoadError::NotRunnable { name: main.name().to_owned(), why: why.to_owned() });
    if main.module().dylink.is_some() {
        return not_runnable("it is a side module; give it with --side to a main module");
    }
    match main.abi() {
        Some(abi) if abi.family == AbiFamily::Emscripten => not_runnable(&format!(
            "it was compiled for the Emscripten ABI ({}), and only WASI main modules can be run",
            abi.because
        )),
        _ if !main.module().exports.contains_key(START) => not_runnable(
            "it exports no function `_start`, which WASI commands have; link it as an executable",
        ),
        _ => Ok(()),
    }
}

/// The types of all functions that the host defines.
fn offered_functions(compiler: &Compiler, linker: &Linker<ProcessState>) -> Result<Offered, LoadError> {
    let wasi = system::wasi::context(&ProcessOptions::new(""), [])?;
    let state = ProcessState::new(wasi, compiler.clone(), Arc::default(), Arc::default());
    let mut store = Store::new(compiler.engine(), state);
    let functions = linker.iter(&mut store).filter_map(|(module, name, function)| match function {
        Extern::Func(function) => Some(((module.to_owned(), name.to_owned()), function)),
        _ => None,
    });
    let functions: Vec<_> = functions.collect();
    let typed = functions.into_iter().filter_map(|(key, f)| Some((key, signature(&f.ty(&store))?)));
    Ok(typed.collect())
}

/// The linker's form of a function type; `None` for one with references, which no host function has.
fn signature(ty: &FuncType) -> Option<Signature> {
    let convert = |ty: ValType| {
        Some(match ty {
            ValType::I32 => wasmparser::ValType::I32,
            ValType::I64 => wasmparser::ValType::I64,
            ValType::F32 => wasmparser::ValType::F32,
            ValType::F64 => wasmparser::ValType::F64,
            _ => return None,
        })
    };
    let params: Vec<_> = ty.params().map(convert).collect::<Option<_>>()?;
    let results: Vec<_> = ty.results().map(convert).collect::<Option<_>>()?;
    Some(Signature(wasmparser::FuncType::new(params, results)))
}

/// Errs with every import that the host does not offer, or offers with another type.
fn check_imports(main: &MainModule, offered: &Offered) -> Result<(), LoadError> {
    let problem = |import: &Import| {
        let name = format!("{}.{}", import.module, import.name);
        match (&import.kind, offered.get(&(import.module.clone(), import.name.clone()))) {
            (ImportKind::Function(wanted), Some(found)) if wanted == found => None,
            (ImportKind::Function(wanted), Some(found)) => {
                Some(format!("{name}: it wants {wanted}, and the host has {found}"))
            }
            (ImportKind::Function(wanted), None) => Some(format!("{name}: function {wanted}")),
            (kind, _) => Some(format!("{name}: {}", kind.word())),
        }
    };
    let imports: Vec<String> = main.module().imports.iter().filter_map(problem).collect();
    if imports.is_empty() {
        return Ok(());
    }
    Err(LoadError::MissingImports { name: main.name().to_owned(), imports })
}

/// What the engine keeps for a process.
pub(crate) struct ProcessState {
    pub wasi: WasiP1Ctx,
    pub compiler: Compiler,
    pub host_functions: Arc<Linker<ProcessState>>,
    pub interrupt: Arc<InterruptState>,
    /// The main module's instance, once there is one.
    pub main: Option<Instance>,
    /// The libraries, or why this process cannot have any.
    pub linking: Result<Linking, String>,
    /// The message that the next `dlerror` returns.
    pub dl_error: Option<String>,
    /// Exception tags that are not the main module's, one for each name.
    pub tags: BTreeMap<String, Tag>,
}

impl ProcessState {
    fn new(
        wasi: WasiP1Ctx,
        compiler: Compiler,
        host_functions: Arc<Linker<ProcessState>>,
        interrupt: Arc<InterruptState>,
    ) -> ProcessState {
        ProcessState {
            wasi,
            compiler,
            host_functions,
            interrupt,
            main: None,
            linking: Err("the process has not started".to_owned()),
            dl_error: None,
            tags: BTreeMap::new(),
        }
    }
}

/// How a guest ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// By itself, with this status.
    Exited(i32),
    /// In a trap: the WebAssembly counterpart of a crash.
    Trapped(GuestTrap),
    /// By [`InterruptHandle::interrupt`], having no way to handle it.
    Interrupted,
}

/// One instance of an image, ready to run.
pub struct Process {
    store: Store<ProcessState>,
    main: Instance,
    interrupt: InterruptHandle,
    /// Kept until the guest has ended: removes the copies of its files.
    _staging: Staging,
}

impl Process {
    /// Makes a process. Nothing of the guest runs but, if a working directory is given, its `chdir`. Errs when an option
    /// cannot be met, and when side modules are given to a main module that cannot load any.
    pub fn new(image: &Image, options: ProcessOptions) -> Result<Process, LoadError> {
        let staging = Staging::of(&options.guest_files()?)?;
        if !options.side_modules.is_empty() {
            image.main.require_hosting()?;
        }
        let mounts = options.mounts.iter().cloned().chain(staging.mounts());
        let wasi = system::wasi::context(&options, mounts)?;
        let interrupt = InterruptHandle::new(image.compiler.engine());
        let state = ProcessState::new(
            wasi,
            image.compiler.clone(),
            image.host_functions.clone(),
            interrupt.state().clone(),
        );
        let mut store = Store::new(image.compiler.engine(), state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(at_epoch);
        let main = image.pre.instantiate(&mut store).map_err(|error| LoadError::NotRunnable {
            name: image.main.name().to_owned(),
            why: format!("{error:#}"),
        })?;
        store.data_mut().main = Some(main);
        let linking = linking(image, &options, &mut store, main);
        store.data_mut().linking = linking;
        let mut process = Process { store, main, interrupt, _staging: staging };
        if let Some(folder) = &options.working_directory {
            process.change_directory(folder)?;
        }
        Ok(process)
    }

    /// Interrupts this process from other threads.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.interrupt.clone()
    }

    /// Runs the guest to its end, on a thread of its own with the stack it needs. Output that goes to captured streams
    /// is complete when this returns.
    pub fn run(mut self) -> ExitStatus {
        thread::scope(|scope| {
            let guest = thread::Builder::new().name("guest".to_owned()).stack_size(THREAD_STACK);
            let running = guest.spawn_scoped(scope, || self.run_here());
            let failed = |reason: &str| {
                ExitStatus::Trapped(GuestTrap { reason: reason.to_owned(), frames: Vec::new() })
            };
            match running.map(|thread| thread.join()) {
                Ok(Ok(status)) => status,
                Ok(Err(_)) => failed("internal error of pydl while the guest ran"),
                Err(error) => failed(&format!("no thread for the guest: {error}")),
            }
        })
    }

    fn run_here(&mut self) -> ExitStatus {
        let start = self.main.get_typed_func::<(), ()>(&mut self.store, START);
        match start.and_then(|start| start.call(&mut self.store, ())) {
            Ok(()) => ExitStatus::Exited(0),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(status)) => ExitStatus::Exited(*status),
                None if error.is::<Interrupted>() => ExitStatus::Interrupted,
                None => ExitStatus::Trapped(GuestTrap::of(&error)),
            },
        }
    }

    /// Calls the guest's `chdir`, which works before the guest has started: wasi-libc looks for its folders when it
    /// first needs them.
    fn change_directory(&mut self, folder: &str) -> Result<(), LoadError> {
        let refused = |why: &str| LoadError::Option(format!("working directory {folder}: {why}"));
        let lacks = || refused("the main module exports no `chdir`, `malloc` and `free` to set it with");
        let space = AddressSpace::of(&mut self.store, &self.main).ok_or_else(lacks)?;
        let chdir = self.main.get_typed_func::<u32, i32>(&mut self.store, CHDIR).map_err(|_| lacks())?;
        let path: Vec<u8> = folder.bytes().chain([0]).collect();
        let path = space.copy_in(&mut self.store, &path).map_err(LoadError::engine)?;
        let path = path.ok_or_else(|| refused("the guest is out of memory"))?;
        let status = space.call(&mut self.store, &chdir, path.0).map_err(LoadError::engine)?;
        space.give_back(&mut self.store, path).map_err(LoadError::engine)?;
        if status == 0 {
            Ok(())
        } else {
            Err(refused("there is no such folder in the guest; give it with --dir"))
        }
    }
}

/// What happens at the next function entry or loop of a guest after [`InterruptHandle::interrupt`], for every process
/// of the engine.
fn at_epoch(mut store: StoreContextMut<'_, ProcessState>) -> wasmtime::Result<UpdateDeadline> {
    if store.data().interrupt.take() {
        // The guest runs to be told: its own deadline must not come up again meanwhile.
        store.set_epoch_deadline(1);
        system::wasi::deliver_interrupt(&mut store)?;
    }
    Ok(UpdateDeadline::Continue(1))
}

/// What loading libraries takes, or why the main module cannot.
fn linking(
    image: &Image,
    options: &ProcessOptions,
    store: &mut Store<ProcessState>,
    main: Instance,
) -> Result<Linking, String> {
    image.main.require_hosting().map_err(|error| error.to_string())?;
    let space = AddressSpace::of(&mut *store, &main)
        .ok_or_else(|| format!("{}: its allocator has another type than C's", image.main.name()))?;
    let read_file = main
        .get_typed_func(store, READ_FILE)
        .map_err(|_| format!("{}: its {READ_FILE} has another type", image.main.name()))?;
    let namespace = Namespace::new(image.main.clone(), image.offered.clone());
    let folders = options.variable("LD_LIBRARY_PATH").unwrap_or_default();
    let search = SearchPath {
        environment: folders.split([':', ';']).filter(|f| !f.is_empty()).map(str::to_owned).collect(),
        own: vec![options.side_folder.clone()],
    };
    Ok(Linking::new(namespace, space, read_file, search, main))
}
