//! Owns images: compiled main modules that threads may share, checked and ready to be instantiated. Must not know
//! running processes.
//!
//! Reading, hashing and parsing a main module takes milliseconds, which matters beside the time Python takes to start. So a file that was
//! found good is remembered with its stamp, and as long as the stamp is the same, the compiled code is used without reading the file; what
//! the linker needs comes from an outline, when the first library is loaded.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use pydl_linker::{AbiFamily, ExportKind, Import, ImportKind, LoadPlan, MainDefect, MainModule};
use wasmtime::{InstancePre, Linker, Module};

use super::{bytecode, emscripten_main};
use crate::base::error::LoadError;
use crate::base::host_file::read_regular_file;
use crate::base::interrupt::InterruptHandle;
use crate::base::options::ProcessOptions;
use crate::compile::cache::Stamp;
use crate::compile::compiler::Compiler;
use crate::compile::engine::ProcessKind;
use crate::compile::kind::{is_emscripten, kind};
use crate::compile::main_file::MainFile;
use crate::compile::recipes;
use crate::link::dlfcn;
use crate::link::host::{SystemInterface, of_wasi};
use crate::python::packages::Packages;
use crate::python::setup::Python;
use crate::python::tags::Target;
use crate::python::{self, Installation};
use crate::system;
use crate::system::state::ProcessState;

/// A compiled main module. Cloning is cheap, and clones may be used on different threads.
#[derive(Clone)]
pub struct Image {
    pub(crate) compiler: Compiler,
    pub(crate) main: Arc<MainFile>,
    pub(crate) start: MainCode,
    /// The standard library of an Emscripten Python.
    pub(crate) python: Option<Arc<Python>>,
    /// The standard library beside a Python, if there is one.
    installation: Option<Arc<Installation>>,
    pub(crate) host_functions: Arc<Linker<ProcessState>>,
    plan: Arc<OnceLock<Arc<LoadPlan>>>,
    /// Whether libraries have to be loaded before the main module runs.
    pub(crate) needs_libraries: bool,
}

/// What a main module is started from.
#[derive(Clone)]
pub(crate) enum MainCode {
    /// A WASI command, with everything that it imports.
    Wasi(InstancePre<ProcessState>),
    /// An Emscripten program, whose imports are made for each process.
    Emscripten(Module),
}

/// The export that runs a WASI command (WASI application ABI).
pub(crate) const START: &str = "_start";

impl Image {
    /// Reads and compiles a main module. Errs when it is not a WebAssembly module, not a WASI command, or imports what nothing provides.
    pub fn from_file(compiler: &Compiler, path: impl AsRef<Path>) -> Result<Image, LoadError> {
        Image::from_file_with(compiler, path, || {})
    }

    /// Reads and compiles a main module, like [`Image::from_file`]. `on_compile` is called before a compilation, which takes seconds and
    /// which the cache saves. Errs as [`Image::from_file`] does.
    pub fn from_file_with(
        compiler: &Compiler,
        path: impl AsRef<Path>,
        on_compile: impl FnOnce(),
    ) -> Result<Image, LoadError> {
        let path = path.as_ref();
        let stamp = fs::metadata(path).map(|m| Stamp::of(&m)).map_err(|e| LoadError::file(path, e))?;
        let remembered = compiler.remembered(path, &stamp);
        let is_remembered = remembered.is_some();
        let (compiler, main, module) = if let Some((compiler, module, outline)) = remembered {
            (compiler, MainFile::new(path, stamp, Some(outline)), module)
        } else {
            let main = MainFile::new(path, stamp, None);
            let bytes = read_regular_file(path).map_err(|e| LoadError::file(path, e))?;
            let (compiler, module) = first_look(compiler, &main, &bytes, on_compile)?;
            (compiler, main, module)
        };
        Image::of(compiler, main, module, is_remembered)
    }

    /// Compiles a main module that is given as bytes; messages call it by `name`. No standard library is looked for beside it. Errs as
    /// [`Image::from_file`] does.
    pub fn from_bytes(compiler: &Compiler, name: &str, wasm: &[u8]) -> Result<Image, LoadError> {
        let main = MainFile::of_bytes(name);
        let (compiler, module) = first_look(compiler, &main, wasm, || {})?;
        Image::of(compiler, main, module, false)
    }

    /// Makes the image of a compiled main module.
    fn of(
        compiler: Compiler,
        main: MainFile,
        module: Module,
        is_remembered: bool,
    ) -> Result<Image, LoadError> {
        let (start, host_functions) = start(&compiler, &main, module)?;
        let needs_libraries = !is_remembered && needs_libraries(&*main.module()?);
        let is_emscripten = matches!(start, MainCode::Emscripten(_));
        let python = if is_emscripten { Python::of(&main, compiler.cache()) } else { None };
        let installation = match &python {
            Some(python) => Some(python.installation().clone()),
            None if main.is_file() => Installation::beside(&main.path),
            None => None,
        };
        Ok(Image {
            compiler,
            main: Arc::new(main),
            start,
            python: python.map(Arc::new),
            installation: installation.map(Arc::new),
            host_functions,
            plan: Arc::default(),
            needs_libraries,
        })
    }

    /// Makes the byte code that processes with these options lack, of the standard library and of wheels: Pyodide's contain only sources,
    /// and compiling these takes most of the time of an import. The guest's own compiler does it, once, if the compiler has a cache; a process that finds the
    /// byte code missing makes it before its guest starts. `progress` is called with each archive before its compilation, which takes
    /// seconds, and `handle` ends the work early. Errs when a wheel does not fit the main module or is damaged.
    pub fn prepare(
        &self,
        options: &ProcessOptions,
        handle: &InterruptHandle,
        mut progress: impl FnMut(&Path),
    ) -> Result<(), LoadError> {
        let Some(python) = &self.python else { return Ok(()) };
        let packages = self.packages(options)?;
        for uncompiled in python.uncompiled(&self.main, self.compiler.cache(), &packages.wheels) {
            if handle.is_pending() {
                break;
            }
            progress(uncompiled.archive.path());
            let made = bytecode::make(self, &uncompiled, &options.limits.byte_code, handle);
            if let Some(made) = made.filter(|_| uncompiled.is_library) {
                python.set_bytecode(made);
            }
        }
        Ok(())
    }

    /// The packages of a process with these options. Errs when one does not fit the main module or is damaged.
    pub(super) fn packages(&self, options: &ProcessOptions) -> Result<Packages, LoadError> {
        let target = || match self.installation().and_then(Installation::target) {
            Some(target) => Ok(target.clone()),
            None => Target::of_main(self.path()),
        };
        Packages::open(target, options, self.compiler.cache())
    }

    /// A handle with which another thread can interrupt [`Image::prepare`].
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.compiler.engine())
    }

    /// The standard library, if there is one beside the main module.
    pub(crate) fn installation(&self) -> Option<&Installation> {
        self.installation.as_deref()
    }

    /// The path of the file it was read from; for an image that was made from bytes, its name.
    pub fn path(&self) -> &Path {
        &self.main.path
    }

    /// Whether it is a Python with no standard library beside it ([`Installation::beside`]), which can only run if a folder shown to the
    /// guest has one. Errs when the file has changed since the image was made.
    pub fn lacks_standard_library(&self) -> Result<bool, LoadError> {
        // What was found when the image was made need not be looked for again: that takes milliseconds.
        if self.installation.is_some() {
            return Ok(false);
        }
        Ok(self.main_module()?.module().exports.contains(python::MAIN))
    }

    /// Errs when the main module cannot load libraries.
    pub(crate) fn require_hosting(&self) -> Result<(), LoadError> {
        Ok(self.main_module()?.require_hosting()?)
    }

    /// The compiled code of the main module.
    pub(crate) fn code(&self) -> &Module {
        match &self.start {
            MainCode::Wasi(instance) => instance.module(),
            MainCode::Emscripten(module) => module,
        }
    }

    /// What the linker knows of the main module. Errs when the file has changed since the image was made.
    pub fn main_module(&self) -> Result<Arc<MainModule>, LoadError> {
        self.main.module()
    }

    /// The plan by which the main module is instantiated, made once. Errs when it imports what nothing provides, and when the file has
    /// changed since the image was made.
    pub(crate) fn main_plan(&self) -> Result<Arc<LoadPlan>, LoadError> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan.clone());
        }
        let plan = Arc::new(LoadPlan::of_main(&self.main_module()?, &SystemInterface::default())?);
        Ok(self.plan.get_or_init(|| plan).clone())
    }
}

/// Gives the imports of a compiled main module their functions.
fn start(
    compiler: &Compiler,
    main: &MainFile,
    module: Module,
) -> Result<(MainCode, Arc<Linker<ProcessState>>), LoadError> {
    match compiler.kind().family() {
        AbiFamily::Emscripten => {
            let mut linker = Linker::new(compiler.engine());
            system::emscripten::imports::define(&mut linker, &module).map_err(LoadError::engine)?;
            Ok((MainCode::Emscripten(module), Arc::new(linker)))
        }
        AbiFamily::Wasi => {
            let linker = wasi_functions(compiler)?;
            let not_runnable = |error: wasmtime::Error| LoadError::NotRunnable {
                name: main.name(),
                why: format!("{error:#}"),
            };
            let pre = linker.instantiate_pre(&module).map_err(not_runnable)?;
            Ok((MainCode::Wasi(pre), Arc::new(linker)))
        }
    }
}

/// The functions that a WASI main module may import.
fn wasi_functions(compiler: &Compiler) -> Result<Linker<ProcessState>, LoadError> {
    let mut linker = Linker::new(compiler.engine());
    system::wasi::define(&mut linker).map_err(LoadError::engine)?;
    dlfcn::of_wasi::add_to_linker(&mut linker).map_err(LoadError::engine)?;
    Ok(linker)
}

/// Reads, checks and compiles a main module, and remembers it when nothing is wrong with it. Returns it with the compiler for its family.
fn first_look(
    compiler: &Compiler,
    main: &MainFile,
    bytes: &[u8],
    on_compile: impl FnOnce(),
) -> Result<(Compiler, Module), LoadError> {
    let module = main.parse(bytes)?;
    check_runnable(&module)?;
    let compiler = compiler.for_kind(kind(&module, compiler.interruption()))?;
    if compiler.kind() == ProcessKind::Wasi {
        check_imports(&module)?;
    }
    let recipe = recipes::of_main(compiler.kind());
    let code = compiler.compile(&main.name(), bytes, &recipe, on_compile)?;
    // A main module that needs libraries is read at every start, for their names; that it has wrappers shows in its code alone.
    let is_outlined = !needs_libraries(&module) && !module.defects().contains(&MainDefect::CommandWrappers);
    if let Some(stamp) = main.stamp().filter(|_| is_outlined) {
        compiler.remember(&main.path, stamp, &module, bytes, &recipe);
    }
    Ok((compiler, code))
}

fn needs_libraries(main: &MainModule) -> bool {
    main.needed().next().is_some()
}

fn check_runnable(main: &MainModule) -> Result<(), LoadError> {
    let not_runnable =
        |why: &str| Err(LoadError::NotRunnable { name: main.name().to_owned(), why: why.to_owned() });
    if main.module().dylink.is_some() && !is_emscripten(main) {
        return Err(LoadError::IsSideModule { name: main.name().to_owned() });
    }
    if let Some(defect) = main.defects().iter().find(|defect| **defect == MainDefect::MemoryNotSupported) {
        return not_runnable(&defect.to_string());
    }
    let exports = &main.module().exports;
    match is_emscripten(main) {
        true if emscripten_main::entry(|name| exports.contains(name)).is_some() => Ok(()),
        // Its `main` may be a library's, which shows once the libraries are loaded.
        true if needs_libraries(main) && main.defects().is_empty() => Ok(()),
        true => not_runnable(
            "it exports no function `main`, which Emscripten programs have; link it as an executable",
        ),
        false => match main.module().exports.get(START).map(|export| export.kind) {
            Some(ExportKind::Function { signature, .. })
                if signature.params().is_empty() && signature.results().is_empty() =>
            {
                Ok(())
            }
            _ => not_runnable(
                "it exports no function `_start` of type () -> (), which WASI commands have; link it as an executable",
            ),
        },
    }
}

/// Errs with every import that the host does not offer, or offers with another type.
fn check_imports(main: &MainModule) -> Result<(), LoadError> {
    let problem = |import: &Import| {
        let name = format!("{}.{}", import.module, import.name);
        match (&import.kind, of_wasi().get(&(import.module.as_str(), import.name.as_str()))) {
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
