//! Owns processes: running instances of an image. Must not know how libraries are loaded.

mod bytecode;
mod emscripten_main;
pub(crate) mod image;
mod options;
mod replay;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread;

use pydl_linker::rewrite::state;
use pydl_linker::{SearchPath, abi};
use wasmtime::{AsContextMut, Instance, Store, StoreContextMut, UpdateDeadline};

use self::image::{Image, MainCode, START};
use crate::base::denied::DeniedNetwork;
use crate::base::error::{LoadError, Stop};
use crate::base::host_file::{read_program, read_regular_file};
use crate::base::interrupt::InterruptHandle;
use crate::base::limits::ByteCodeLimits;
use crate::base::options::{GuestFile, Mount, ProcessOptions};
use crate::compile::cache::Cache;
use crate::compile::engine::{EngineLimits, thread_stack};
use crate::link::dlfcn::of_emscripten::OfEmscripten;
use crate::link::ends::{ExitStatus, exit_status, is_of_guest};
use crate::link::libraries::Libraries;
use crate::link::state::{LinkState, LinkedMain, Links as _};
use crate::memory::address_space::{AddressSpace, Shared};
use crate::python::packages::{PACKAGE_FOLDERS, Packages};
use crate::python::setup::Uncompiled;
use crate::python::traceback;
use crate::system::emscripten::Emscripten;
use crate::system::kernel::Kernel;
use crate::system::kernel::terminal::Terminal;
use crate::system::state::{ProcessState, Running};
use crate::system::wasi::Wasi;
use crate::system::{self, System};

/// The C function that sets the working directory, which wasi-libc keeps in the guest.
const CHDIR: &str = "chdir";
/// The function that makes the record of the main thread, without which functions of `<pthread.h>` never return.
const INIT_THREAD: &str = "__wasi_init_tp";
/// The variable that lists where Python looks for modules, after the folder of the script (CPython's manual, environment variables).
const PYTHONPATH: &str = "PYTHONPATH";
/// The size of a guest's memory, in bytes, from which releasing it takes longer than starting a thread.
const LARGE_MEMORY: usize = 64 << 20;

/// What an embedding program does with the libraries of a process, on the guest's thread.
pub type LibraryStage<'a, T> = Box<dyn FnOnce(&mut Libraries<'_>) -> T + Send + 'a>;

/// One instance of an image, ready to run.
pub struct Process {
    store: Store<ProcessState>,
    image: Image,
    working_directory: Option<String>,
    arguments: Vec<OsString>,
    interrupt: InterruptHandle,
    /// The archives that have no byte code yet; it is made before the guest starts.
    uncompiled: Vec<Uncompiled>,
    byte_code: ByteCodeLimits,
}

impl Process {
    /// Makes a process; nothing of the guest runs yet. Errs when an option cannot be met, and when side modules are given to a main module
    /// that cannot load any.
    pub fn new(image: &Image, options: &ProcessOptions) -> Result<Process, LoadError> {
        let files = options.guest_files()?;
        if !options.side_modules.is_empty() {
            image.require_hosting()?;
        }
        options.mounts.iter().try_for_each(|mount| keep_cache_private(image.compiler.cache(), mount))?;
        let packages = image.packages(options)?;
        let system = match image.start {
            MainCode::Wasi(_) => System::Wasi(Box::new(wasi_system(image, options, &files, &packages)?)),
            MainCode::Emscripten(_) => {
                System::Emscripten(Box::new(emscripten_system(image, options, &files, &packages)?))
            }
        };
        let interrupt = InterruptHandle::new(image.compiler.engine());
        let mut state = ProcessState::idle(&image.compiler, &OfEmscripten);
        state.system = system;
        state.trace = options.trace.clone();
        if let Ok(kernel) = state.system.kernel_mut() {
            state.budget = kernel.budget.clone();
            kernel.files.set_interrupt(interrupt.state().clone());
        }
        state.limits = EngineLimits::new(
            options.limits.instances,
            options.limits.memory,
            Some(image.code()),
            state.budget.clone(),
        );
        state.instances = (options.limits.instances, 0);
        state.interrupt = interrupt.state().clone();
        state.set_upper(LinkState::of(LinkedMain {
            file: image.main.clone(),
            code: image.code().clone(),
            host: image.host_functions.clone(),
            search: Arc::new(SearchPath {
                environment: folders(options.variable("LD_LIBRARY_PATH")),
                own: vec![options.side_folder.clone()],
            }),
            binds_now: options.variable("LD_BIND_NOW").is_some_and(|value| !value.is_empty()),
        }));
        let uncompiled = image.python.as_ref().filter(|_| options.is_python);
        let uncompiled =
            uncompiled.map(|python| python.uncompiled(&image.main, image.compiler.cache(), &packages.wheels));
        Ok(Process {
            store: new_store(image, state),
            image: image.clone(),
            working_directory: options.working_directory.clone(),
            arguments: options.arguments.clone(),
            interrupt,
            uncompiled: uncompiled.unwrap_or_default(),
            byte_code: options.limits.byte_code,
        })
    }

    /// The process's kernel, to furnish it.
    pub(crate) fn kernel_mut(&mut self) -> Option<&mut Kernel> {
        self.store.data_mut().system.kernel_mut().ok()
    }

    /// What this process is denied of the network, while it runs and afterwards: nothing yet.
    pub fn denied_network(&self) -> DeniedNetwork {
        let kernel = self.store.data().system.kernel();
        kernel.map(|kernel| kernel.network.denied.clone()).unwrap_or_default()
    }

    /// A handle with which other threads can interrupt this process.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.interrupt.clone()
    }

    /// The terminal that the guest was given, for programs that have to restore it before they end while the guest runs. When the guest has
    /// ended, it has been restored.
    pub fn terminal(&self) -> Terminal {
        match &self.store.data().system {
            System::Idle => Terminal::default(),
            System::Wasi(system) => system.kernel.streams.settings.clone(),
            System::Emscripten(system) => system.kernel.streams.settings.clone(),
        }
    }

    /// Makes the byte code that Python's standard library and the wheels lack ([`Image::prepare`]); otherwise, running the process makes
    /// it. `progress` is called with each archive before its compilation, which takes seconds. Errs when the guest cannot be shown what was
    /// made.
    pub fn prepare(&mut self, progress: impl FnMut(&Path)) -> Result<(), LoadError> {
        self.compile_packages(progress)
    }

    /// Runs the guest to its end, on a thread of its own with the stack it needs. Output that goes to captured streams is complete when
    /// this returns. Errs when the guest cannot be started, for example when the working directory does not exist.
    pub fn run(self) -> Result<ExitStatus, LoadError> {
        self.on_guest_thread(Process::run_here)
    }

    /// Runs the guest to its end, then lets `look` see the libraries that are still loaded, on the guest's thread: what a program has left
    /// behind can be read and called. Errs as [`Process::run`] does.
    ///
    /// # Panics
    ///
    /// Panics when `look` does, with the same payload.
    pub fn run_then<T: Send>(
        self,
        look: impl FnOnce(&mut Libraries<'_>) -> T + Send,
    ) -> Result<(ExitStatus, T), LoadError> {
        let (status, looked) = self.on_guest_thread(|process| {
            let status = process.run_here()?;
            Ok((status, process.show_libraries(look)))
        })?;
        Ok((status, unless_panicked(looked)))
    }

    /// Shows the libraries to an embedding program. If that panics, the panic is returned, so that it does not unwind through what runs the
    /// guest.
    fn show_libraries<T>(&mut self, look: impl FnOnce(&mut Libraries<'_>) -> T) -> thread::Result<T> {
        let mut libraries = Libraries::of(self.store.as_context_mut());
        panic::catch_unwind(AssertUnwindSafe(|| look(&mut libraries)))
    }

    /// Lets `work` load libraries and call them, on the guest's thread, without running the main module's program: the main module serves
    /// as their C library. Its constructors run before `work`, and what is registered for the program's end runs after it. Errs when the
    /// guest cannot be started, and when it ends in its constructors.
    ///
    /// # Panics
    ///
    /// Panics when `work` does, with the same payload; nothing of the guest runs after that.
    pub fn with_libraries<T: Send>(
        self,
        work: impl FnOnce(&mut Libraries<'_>) -> T + Send,
    ) -> Result<T, LoadError> {
        let worked = self.on_guest_thread(|process| {
            process.begin_for_libraries()?;
            let result = process.show_libraries(work);
            if result.is_ok() {
                // Handlers that run after everything else do not change the result, however they end.
                let _ = process.finish();
            }
            Ok(result)
        })?;
        Ok(unless_panicked(worked))
    }

    /// Lets stages load libraries and call them, as [`Process::with_libraries`] does, each in a process of its own that continues where the
    /// one before it stopped; a last process runs what is registered for the program's end. The process's journal is replayed, which makes
    /// the same instances at the same places, and memory and globals are copied, while nothing of the guest runs. Handles, symbols and
    /// addresses mean the same in all of these processes. Returns what the stages return. Errs as [`Process::with_libraries`] does, and
    /// when the guest keeps something that has no meaning in another process.
    ///
    /// # Panics
    ///
    /// Panics when a stage does, with the same payload; nothing of the guest runs after that.
    pub fn with_libraries_in_stages<T: Send>(
        self,
        stages: Vec<LibraryStage<'_, T>>,
    ) -> Result<Vec<T>, LoadError> {
        let worked = self.on_guest_thread(|process| {
            process.begin_for_libraries()?;
            let mut results = Vec::new();
            for stage in stages {
                match process.show_libraries(stage) {
                    Ok(result) => results.push(result),
                    Err(panic) => return Ok(Err(panic)),
                }
                process.move_on()?;
            }
            // Handlers that run after everything else do not change the result, however they end.
            let _ = process.finish();
            Ok(Ok(results))
        })?;
        Ok(unless_panicked(worked))
    }

    /// Instantiates the main module and runs its constructors. Errs when it cannot be started, and when the guest ends meanwhile.
    fn begin_for_libraries(&mut self) -> Result<(), LoadError> {
        self.begin().map_err(|stop| match stop {
            Stop::Refused(error) => error,
            Stop::Ended(error) => {
                let status = exit_status(&mut self.store.as_context_mut(), &error);
                let why = format!("before it has begun, it {status}");
                LoadError::NotRunnable { name: self.image.path().display().to_string(), why }
            }
        })
    }

    /// Instantiates the main module and runs its constructors.
    fn begin(&mut self) -> Result<(), Stop> {
        self.start()?;
        match self.image.start {
            // As `_start` does (wasi-libc, `crt1-command.c`).
            MainCode::Wasi(_) => [INIT_THREAD, abi::CALL_CTORS]
                .iter()
                .try_for_each(|name| self.call_main(name))
                .map_err(Stop::Ended),
            // Its constructors have run already.
            MainCode::Emscripten(_) => Ok(()),
        }
    }

    /// Calls a function of the main module that takes and returns nothing, if the module exports one by this name.
    fn call_main(&mut self, name: &str) -> wasmtime::Result<()> {
        let main = self.store.data().running.as_ref().map(|running| running.main);
        let function = main.and_then(|main| main.get_typed_func::<(), ()>(&mut self.store, name).ok());
        function.map_or(Ok(()), |function| function.call(&mut self.store, ()))
    }

    /// Does what happens at a program's end.
    fn finish(&mut self) -> wasmtime::Result<()> {
        let main = self.store.data().running.as_ref().map(|running| running.main);
        match (&self.image.start, main) {
            (MainCode::Emscripten(_), Some(main)) => {
                system::emscripten::exit::finish(&mut self.store.as_context_mut(), &main)
            }
            _ => self.call_main(abi::CALL_DTORS),
        }
    }

    /// Runs `work` with a process on a thread that has the stack that guests need.
    fn on_guest_thread<T: Send>(
        mut self,
        work: impl FnOnce(&mut Process) -> Result<T, LoadError> + Send,
    ) -> Result<T, LoadError> {
        let result = self.work_on_guest_thread(work);
        self.leave();
        result
    }

    /// Releases what the process had: at once what others may wait for, such as files and locks; and on a thread of its own a large memory,
    /// which takes the host's kernel a second for 4 GiB.
    fn leave(mut self) {
        let space = self.store.data().running.as_ref().and_then(|running| running.space.clone());
        let size = space.map_or(0, |space| space.memory.data_size(&self.store));
        self.store.data_mut().system = System::Idle;
        if size > LARGE_MEMORY {
            // Without a thread, the memory is released here.
            let _ = thread::Builder::new().name("memory".to_owned()).spawn(move || drop(self));
        }
    }

    fn work_on_guest_thread<T: Send>(
        &mut self,
        work: impl FnOnce(&mut Process) -> Result<T, LoadError> + Send,
    ) -> Result<T, LoadError> {
        thread::scope(|scope| {
            let guest = thread::Builder::new()
                .name("guest".to_owned())
                .stack_size(thread_stack(self.image.compiler.kind().family()));
            let running = guest.spawn_scoped(scope, || work(self));
            let failed = |why: &str| Err(LoadError::Engine(why.to_owned()));
            match running.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => failed("a fault of pydl while the guest ran"),
                Err(error) => failed(&format!("no thread for the guest: {error}")),
            }
        })
    }

    fn run_here(&mut self) -> Result<ExitStatus, LoadError> {
        match self.start() {
            Ok(()) => {}
            Err(Stop::Ended(error)) => return Ok(self.ended(&error)),
            Err(Stop::Refused(error)) => return Err(error),
        }
        let main = self.store.data().running.as_ref().map(|running| running.main);
        if let (Some(main), MainCode::Emscripten(_)) = (main, &self.image.start) {
            return match emscripten_main::run(&mut self.store, &self.image, &main, &self.arguments) {
                Ok(status) => Ok(ExitStatus::Exited(status)),
                Err(Stop::Ended(error)) => Ok(self.ended(&error)),
                Err(Stop::Refused(error)) => Err(error),
            };
        }
        let start = main.map(|main| main.get_typed_func::<(), ()>(&mut self.store, START));
        match start.map(|start| start.and_then(|start| start.call(&mut self.store, ()))) {
            Some(Err(error)) => Ok(self.ended(&error)),
            _ => Ok(ExitStatus::Exited(0)),
        }
    }

    /// How the guest has ended. After a crash, its Python reports what it was doing, as after a signal.
    fn ended(&mut self, error: &wasmtime::Error) -> ExitStatus {
        let mut store = self.store.as_context_mut();
        let status = exit_status(&mut store, error);
        if matches!(status, ExitStatus::Trapped(_) | ExitStatus::LookupFailed(_)) {
            traceback::dump(&mut store);
        }
        status
    }

    /// Makes the byte code that is not there yet, once. The guest's compiler does it, and is interrupted when the guest is.
    fn compile_packages(&mut self, mut progress: impl FnMut(&Path)) -> Result<(), LoadError> {
        let Some(python) = self.image.python.clone() else { return Ok(()) };
        for uncompiled in std::mem::take(&mut self.uncompiled) {
            if self.interrupt.is_pending() {
                break;
            }
            progress(uncompiled.archive.path());
            let made = bytecode::make(&self.image, &uncompiled, &self.byte_code, &self.interrupt);
            if let (Some(made), Some(kernel)) = (made, self.kernel_mut()) {
                python.show_made(kernel, &uncompiled, &made)?;
                if uncompiled.is_library {
                    python.set_bytecode(made);
                }
            }
        }
        Ok(())
    }

    /// Instantiates the main module and sets its working directory.
    fn start(&mut self) -> Result<(), Stop> {
        self.compile_packages(|_| {}).map_err(Stop::Refused)?;
        self.interrupt.state().check().map_err(Stop::Ended)?;
        let (code, name) = (self.image.code().clone(), self.image.main.file_name());
        if let Some(link) = self.store.data_mut().link_mut() {
            link.code.note(&code, &name, Weak::new());
        }
        let (main, shared, instantiated) = match self.image.start.clone() {
            MainCode::Wasi(pre) => {
                // Its plan is to give it functions of the host, which the engine has done in advance.
                if self.store.data().trace.shows_plans() {
                    self.store.data().trace.plan(&*self.image.main_plan().map_err(Stop::Refused)?);
                }
                let name = self.image.path().display().to_string();
                let main = pre.instantiate(&mut self.store).map_err(|error| {
                    if is_of_guest(&error) {
                        return Stop::Ended(error);
                    }
                    Stop::Refused(LoadError::NotRunnable { name, why: error.root_cause().to_string() })
                })?;
                self.call_start(main).map_err(Stop::Ended)?;
                (main, Shared::exported(&mut self.store, &main), None)
            }
            MainCode::Emscripten(module) => {
                let instantiated = emscripten_main::instantiate(&mut self.store, &self.image, &module)?;
                (instantiated.main, instantiated.shared, Some(instantiated))
            }
        };
        let space = shared.and_then(|shared| AddressSpace::of(&mut self.store, &main, shared)).map(Arc::new);
        self.store.data_mut().running = Some(Running { main, space: space.clone() });
        if let Some(instantiated) = instantiated {
            let image = self.image.clone();
            return emscripten_main::initialize(&mut self.store, &image, instantiated, space.as_deref());
        }
        match self.working_directory.take() {
            None => Ok(()),
            // A path without a name names no folder (POSIX, pathname resolution); wasi-libc takes it for the working directory.
            Some(folder) if folder.is_empty() => {
                let why = "working directory: an empty path names no folder";
                Err(Stop::Refused(LoadError::Option(why.to_owned())))
            }
            // Every guest starts there, even one that has no such folder.
            Some(folder) if folder == "/" => Ok(()),
            Some(folder) => self.change_directory(&folder, main, space),
        }
    }

    /// Runs the start function of the main module, which rewriting has turned into an export, if there is one.
    fn call_start(&mut self, main: Instance) -> wasmtime::Result<()> {
        match main.get_func(&mut self.store, state::START) {
            Some(start) => start.call(&mut self.store, &[], &mut []),
            None => Ok(()),
        }
    }

    /// Calls the guest's `chdir`, which works before the guest has started: wasi-libc looks for its preopened folders when it first needs
    /// them.
    fn change_directory(
        &mut self,
        folder: &str,
        main: Instance,
        space: Option<Arc<AddressSpace>>,
    ) -> Result<(), Stop> {
        let refused =
            |why: &str| Stop::Refused(LoadError::Option(format!("working directory {folder}: {why}")));
        let lacks = || refused("the main module exports no `chdir`, `malloc` and `free` to set it with");
        let space = space.ok_or_else(lacks)?;
        let chdir = main.get_typed_func::<u32, i32>(&mut self.store, CHDIR).map_err(|_| lacks())?;
        let path: Vec<u8> = folder.bytes().chain([0]).collect();
        let path = space.copy_in(&mut self.store, &path).map_err(Stop::Ended)?;
        let path = path.ok_or_else(|| refused("the guest is out of memory"))?;
        let status = space.call(&mut self.store, &chdir, path.0).map_err(Stop::Ended)?;
        space.give_back(&mut self.store, path).map_err(Stop::Ended)?;
        if status == 0 {
            Ok(())
        } else {
            Err(Stop::Refused(LoadError::NoSuchFolder { folder: folder.to_owned() }))
        }
    }
}

/// Makes a store for a process of an image.
fn new_store(image: &Image, state: ProcessState) -> Store<ProcessState> {
    let mut store = Store::new(image.compiler.engine(), state);
    store.limiter(|state| &mut state.limits);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_epoch);
    store
}

/// Refuses a folder through which the guest could write into the cache: what lies there is run as machine code.
fn keep_cache_private(cache: Option<&Cache>, mount: &Mount) -> Result<(), LoadError> {
    match cache {
        Some(cache) if !mount.read_only && cache.overlaps(&mount.host) => Err(LoadError::Option(format!(
            "{} cannot be shown to the guest for writing: the compiled code that the host runs is in {}",
            mount.host.display(),
            cache.directory().display()
        ))),
        _ => Ok(()),
    }
}

/// Makes options with which a WASI guest finds packages: folders are shown to it, and named in `PYTHONPATH`. Errs with wheels: there is no
/// platform that wheels with extensions could be made for, so they are for Emscripten main modules only.
fn with_packages(
    options: &ProcessOptions,
    image: &Image,
    packages: &Packages,
) -> Result<ProcessOptions, LoadError> {
    if !packages.files.is_empty() {
        return Err(LoadError::Option(format!(
            "{}: wheels can be given to Emscripten main modules only; unpack them into a folder, and give that",
            image.path().display()
        )));
    }
    let mut options = options.clone();
    let mut path: Vec<String> = options.variable(PYTHONPATH).into_iter().map(str::to_owned).collect();
    for (position, host) in packages.folders.iter().enumerate() {
        let guest = format!("{PACKAGE_FOLDERS}/{position}");
        options.mounts.push(Mount { host: host.clone(), guest: guest.clone(), read_only: true });
        path.push(guest);
    }
    Ok(if path.is_empty() { options } else { options.env(PYTHONPATH, path.join(":")) })
}

/// Makes the system of a WASI process from what the options name.
fn wasi_system(
    image: &Image,
    options: &ProcessOptions,
    files: &[GuestFile],
    packages: &Packages,
) -> Result<Wasi, LoadError> {
    let options = with_packages(options, image, packages)?;
    let mut system = Wasi::new(&options)?;
    show(&mut system.kernel, &options, files)?;
    Ok(system)
}

/// Makes the system of an Emscripten process from what the options name and what Python needs.
fn emscripten_system(
    image: &Image,
    options: &ProcessOptions,
    files: &[GuestFile],
    packages: &Packages,
) -> Result<Emscripten, LoadError> {
    let mut system = Emscripten::new(options)?;
    if let Some(python) = image.python.as_ref().filter(|_| options.is_python) {
        python.furnish(&mut system.kernel, &image.main, image.compiler.cache(), packages)?;
    }
    show(&mut system.kernel, options, files)?;
    if let Some(folder) = &options.working_directory {
        system.kernel.change_directory(folder)?;
    }
    Ok(system)
}

/// Shows the guest what the options name: folders, those inside other folders last, and files.
fn show(kernel: &mut Kernel, options: &ProcessOptions, files: &[GuestFile]) -> Result<(), LoadError> {
    let mut mounts: Vec<&Mount> = options.mounts.iter().collect();
    mounts.sort_by_key(|mount| Path::new(&mount.guest).components().count());
    mounts.into_iter().try_for_each(|mount| kernel.mount(mount))?;
    kernel.show_time_zones();
    for file in files {
        let is_library = options.side_modules.contains(&file.host);
        let read = if is_library { read_regular_file(&file.host) } else { read_program(&file.host) };
        let bytes = read.map_err(|error| LoadError::file(&file.host, error))?;
        kernel.show(&file.guest, bytes.into(), 0o755)?;
    }
    Ok(())
}

/// The result of an embedding program's own code; panics if that code panicked, with the same payload.
fn unless_panicked<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// What happens, in every process of the engine, at the guest's next function entry or loop after [`InterruptHandle::interrupt`].
fn at_epoch(mut store: StoreContextMut<'_, ProcessState>) -> wasmtime::Result<UpdateDeadline> {
    // The guest runs to handle the signals: its own deadline must not expire again meanwhile.
    store.set_epoch_deadline(1);
    system::signals::deliver_pending(&mut store)?;
    Ok(UpdateDeadline::Continue(1))
}

/// The folders of a search path variable, separated by `:` or `;`; an empty one is the working directory (ld.so(8)).
fn folders(variable: Option<&str>) -> Vec<String> {
    let Some(variable) = variable.filter(|variable| !variable.is_empty()) else { return Vec::new() };
    let folders = variable.split([':', ';']).map(|folder| if folder.is_empty() { "." } else { folder });
    folders.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_name_is_the_working_directory() {
        let none: [&str; 0] = [];
        assert_eq!(folders(None), none);
        assert_eq!(folders(Some("")), none);
        assert_eq!(folders(Some("/a;b:")), ["/a", "b", "."]);
        assert_eq!(folders(Some(":/a")), [".", "/a"]);
    }
}
