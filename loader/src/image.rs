//! Owns images: compiled main modules that threads may share, checked and ready to be instantiated. Must not know
//! running processes.
//!
//! Reading, hashing and parsing a main module takes milliseconds, which counts beside the time Python takes to start. So
//! a file that was found good is remembered with its stamp, and as long as the stamp is the same the compiled code is used
//! without a look into the file; what the linker needs comes from an outline, when the first library is loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pydl_linker::{AbiFamily, ExportKind, Import, ImportKind, LoadPlan, MainDefect, MainModule, Signature};
use wasmtime::{AsContextMut, Engine, Extern, FuncType, InstancePre, Linker, Module, Store, ValType};

use crate::cache::Stamp;
use crate::compile::{Compiler, OutlineFile};
use crate::dlfcn;
use crate::emscripten_main;
use crate::engine::Kind;
use crate::error::LoadError;
use crate::host::SystemInterface;
use crate::host_file::read_regular_file;
use crate::interrupt::Interruption;
use crate::process::ProcessState;
use crate::python::emscripten::Python;
use crate::python::{self, Installation};
use crate::recipes;
use crate::system;

/// A compiled main module. Cloning is cheap, and clones may be used on different threads.
#[derive(Clone)]
pub struct Image {
    pub(crate) compiler: Compiler,
    pub(crate) main: Arc<MainFile>,
    pub(crate) start: Start,
    /// The standard library of an Emscripten Python.
    pub(crate) python: Option<Arc<Python>>,
    pub(crate) host_functions: Arc<Linker<ProcessState>>,
    plan: Arc<OnceLock<Arc<LoadPlan>>>,
    /// Whether libraries have to be loaded before the main module runs.
    pub(crate) needs_libraries: bool,
    /// Whether the file was found good earlier, and able to load libraries, and not looked into this time.
    is_known_good: bool,
}

/// What a main module is started from.
#[derive(Clone)]
pub(crate) enum Start {
    /// A WASI command, with everything that it imports.
    Wasi(InstancePre<ProcessState>),
    /// An Emscripten program, whose imports are made for each process.
    Emscripten(Module),
}

/// The host's functions with their types, by import module and name.
pub(crate) type Offered = BTreeMap<(String, String), Signature>;

/// The export that runs a WASI command (WASI application ABI).
pub(crate) const START: &str = "_start";

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
        let stamp = fs::metadata(path).map(|m| Stamp::of(&m)).map_err(|e| LoadError::file(path, e))?;
        let remembered = compiler.remembered(path, &stamp);
        let is_known_good = remembered.is_some();
        let (compiler, main, module) = if let Some((compiler, module, outline)) = remembered {
            (compiler, MainFile::new(path, stamp, Some(outline)), module)
        } else {
            let main = MainFile::new(path, stamp, None);
            let (compiler, module) = first_look(compiler, &main, on_compile)?;
            (compiler, main, module)
        };
        let (start, host_functions) = start(&compiler, &main, module)?;
        let needs_libraries = !is_known_good && needs_libraries(&*main.module()?);
        let mut image = Image {
            compiler,
            main: Arc::new(main),
            start,
            python: None,
            host_functions,
            plan: Arc::default(),
            needs_libraries,
            is_known_good,
        };
        if let Start::Emscripten(_) = image.start {
            image.python = Python::of(&image)?.map(Arc::new);
        }
        Ok(image)
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.main.path
    }

    /// Whether it is a Python with no standard library beside it ([`Installation::beside`]): it can only run if a folder shown to the
    /// guest has one. Errs when the file is not what it was when the image was made.
    pub fn lacks_standard_library(&self) -> Result<bool, LoadError> {
        // What was found when the image was made need not be looked for again, which takes milliseconds.
        if self.python.is_some() || Installation::beside(self.path()).is_some() {
            return Ok(false);
        }
        Ok(self.main_module()?.module().exports.contains(python::MAIN))
    }

    /// Errs when the main module cannot load libraries.
    pub(crate) fn require_hosting(&self) -> Result<(), LoadError> {
        if self.is_known_good {
            return Ok(());
        }
        Ok(self.main_module()?.require_hosting()?)
    }

    /// Its compiled code.
    pub(crate) fn code(&self) -> &Module {
        match &self.start {
            Start::Wasi(instance) => instance.module(),
            Start::Emscripten(module) => module,
        }
    }

    /// What the linker knows of it. Errs when the file is not what it was when the image was made.
    pub fn main_module(&self) -> Result<Arc<MainModule>, LoadError> {
        self.main.module()
    }

    /// The plan by which it is instantiated, made once. Errs when it imports what nothing provides, and when the file is not what it was
    /// when the image was made.
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
) -> Result<(Start, Arc<Linker<ProcessState>>), LoadError> {
    match compiler.kind().family() {
        AbiFamily::Emscripten => {
            let mut linker = Linker::new(compiler.engine());
            system::emscripten::imports::define(&mut linker, &module).map_err(LoadError::engine)?;
            Ok((Start::Emscripten(module), Arc::new(linker)))
        }
        AbiFamily::Wasi => {
            let linker = wasi_functions(compiler)?;
            let not_runnable = |error: wasmtime::Error| LoadError::NotRunnable {
                name: main.name(),
                why: format!("{error:#}"),
            };
            let pre = linker.instantiate_pre(&module).map_err(not_runnable)?;
            Ok((Start::Wasi(pre), Arc::new(linker)))
        }
    }
}

/// What a WASI main module may import.
fn wasi_functions(compiler: &Compiler) -> Result<Linker<ProcessState>, LoadError> {
    let mut linker = Linker::new(compiler.engine());
    system::wasi::define(&mut linker).map_err(LoadError::engine)?;
    dlfcn::wasi::add_to_linker(&mut linker).map_err(LoadError::engine)?;
    Ok(linker)
}

/// Which processes a main module is for.
fn kind(main: &MainModule, interruption: Interruption) -> Kind {
    if !is_emscripten(main) {
        return Kind::Wasi;
    }
    if python::can_ask_for_signals(main) {
        Kind::Emscripten(interruption)
    } else {
        Kind::Emscripten(Interruption::Anywhere)
    }
}

/// Reads, checks and compiles a main module, and remembers it when nothing is amiss. Returns it with the compiler of its family.
fn first_look(
    compiler: &Compiler,
    main: &MainFile,
    on_compile: impl FnOnce(),
) -> Result<(Compiler, Module), LoadError> {
    let bytes = read_regular_file(&main.path).map_err(|e| LoadError::file(&main.path, e))?;
    let module = main.parse(&bytes)?;
    check_runnable(&module)?;
    let compiler = compiler.for_kind(kind(&module, compiler.interruption()))?;
    if compiler.kind() == Kind::Wasi {
        check_imports(&module, &offered_by(&compiler, &wasi_functions(&compiler)?))?;
    }
    let recipe = recipes::of_main(compiler.kind());
    let code = compiler.compile(&main.name(), &bytes, &recipe, on_compile)?;
    // One that needs libraries is looked into at every start, for their names.
    if module.defects().is_empty() && !main.was_fresh && !needs_libraries(&module) {
        compiler.remember(&main.path, &main.stamp, &module, &bytes, &recipe);
    }
    Ok((compiler, code))
}

/// The file of a main module, read when what is in it is asked for.
pub(crate) struct MainFile {
    path: PathBuf,
    stamp: Stamp,
    /// Whether the stamp was too new to tell the file from what it may become.
    was_fresh: bool,
    outline: Option<OutlineFile>,
    module: OnceLock<Result<Arc<MainModule>, String>>,
}

impl MainFile {
    fn new(path: &Path, stamp: Stamp, outline: Option<OutlineFile>) -> MainFile {
        let was_fresh = stamp.is_fresh();
        MainFile { path: path.to_owned(), stamp, was_fresh, outline, module: OnceLock::new() }
    }

    /// What the file system said of it when the image was made.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn parse(&self, bytes: &[u8]) -> Result<Arc<MainModule>, LoadError> {
        let module = MainModule::parse(&self.name(), bytes)
            .map_err(|error| LoadError::Malformed { path: self.path.clone(), error })?;
        let module = Arc::new(module);
        let _ = self.module.set(Ok(module.clone()));
        Ok(module)
    }

    /// What is in it. Errs when the file has changed since the image was made.
    pub(crate) fn module(&self) -> Result<Arc<MainModule>, LoadError> {
        let read = || {
            let outline = self.outline.as_ref().and_then(OutlineFile::read);
            let known = outline.and_then(|outline| MainModule::from_outline(&self.name(), outline).ok());
            match known {
                Some(module) => Ok(Arc::new(module)),
                None => self.read_unchanged().and_then(|bytes| {
                    MainModule::parse(&self.name(), &bytes).map(Arc::new).map_err(|error| error.to_string())
                }),
            }
        };
        self.module.get_or_init(read).clone().map_err(|why| LoadError::NotRunnable { name: self.name(), why })
    }

    fn read_unchanged(&self) -> Result<Vec<u8>, String> {
        let bytes = read_regular_file(&self.path).map_err(|error| error.to_string())?;
        let now = fs::metadata(&self.path).map_err(|error| error.to_string())?;
        if Stamp::of(&now) != self.stamp {
            return Err("the file has changed since it was started".to_owned());
        }
        Ok(bytes)
    }
}

fn needs_libraries(main: &MainModule) -> bool {
    main.needed().next().is_some()
}

fn is_emscripten(main: &MainModule) -> bool {
    main.abi().is_some_and(|abi| abi.family == AbiFamily::Emscripten)
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
        // Its `main` may be a library's, which is seen when they are there.
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

/// The functions that `linker` defines, without a process at hand.
fn offered_by(compiler: &Compiler, linker: &Linker<ProcessState>) -> Offered {
    let mut store = Store::new(compiler.engine(), ProcessState::idle(compiler));
    offered_functions(&mut store, linker)
}

/// The functions that the host has for WASI processes.
pub(crate) fn offered_to_wasi() -> Result<Offered, LoadError> {
    let compiler = Compiler::new()?;
    Ok(offered_by(&compiler, &wasi_functions(&compiler)?))
}

/// The types of all functions that the host defines.
pub(crate) fn offered_functions(
    mut store: impl AsContextMut<Data = ProcessState>,
    linker: &Linker<ProcessState>,
) -> Offered {
    let functions = linker.iter(&mut store).filter_map(|(module, name, function)| match function {
        Extern::Func(function) => Some(((module.to_owned(), name.to_owned()), function)),
        _ => None,
    });
    let functions: Vec<_> = functions.collect();
    functions.into_iter().filter_map(|(key, f)| Some((key, signature(&f.ty(&store))?))).collect()
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
    Some(Signature::new(wasmparser::FuncType::new(params, results)))
}

/// The engine's form of a function type; `None` for one with references other than `externref`.
pub(crate) fn function_type(engine: &Engine, signature: &Signature) -> Option<FuncType> {
    let convert = |ty: &wasmparser::ValType| {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::Ref(wasmparser::RefType::EXTERNREF) => ValType::EXTERNREF,
            _ => return None,
        })
    };
    let params: Vec<_> = signature.params().iter().map(convert).collect::<Option<_>>()?;
    let results: Vec<_> = signature.results().iter().map(convert).collect::<Option<_>>()?;
    Some(FuncType::new(engine, params, results))
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
