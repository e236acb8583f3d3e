//! Owns `pydl build`: from a source file to a side module that fits a main module. Must not know how compilers are called.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use pydl_linker::{
    AbiFamily, FoundLibrary, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, MainModule,
    ModuleReport,
};
use pydl_loader::SystemInterface;

use crate::args::Build;
use crate::dev::compiler::{self, Toolchain};
use crate::dev::package::DevPackage;
use crate::inputs::read_named;
use crate::report::{NOT_LINKED, Usage, say};
use crate::{mains, outputs};

/// Builds a side module; it is written only if the main module would load it.
pub fn run(arguments: &Build) -> Result<ExitCode> {
    let main = mains::resolve(&arguments.main)?;
    let work = tempfile::tempdir()?;
    let request = Request {
        path: &arguments.path,
        main: &main,
        dev: arguments.dev.as_deref(),
        headers: arguments.headers.as_deref(),
        verbose: arguments.verbose,
    };
    let built = match request.build(work.path())? {
        Ok(built) => built,
        Err(report) => {
            for reason in report.reasons() {
                say(&reason);
            }
            return Ok(ExitCode::from(NOT_LINKED));
        }
    };
    let output = match &arguments.output {
        Some(output) if output.is_dir() => output.join(built.file_name().unwrap_or_default()),
        Some(output) => output.clone(),
        None => PathBuf::from(built.file_name().unwrap_or_default()),
    };
    outputs::write(&output, &read_named(&built)?)?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// What to build, and for which main module.
pub struct Request<'a> {
    /// The source.
    pub path: &'a Path,
    /// The main module.
    pub main: &'a Path,
    /// The dev package; without one, it is made for this build.
    pub dev: Option<&'a Path>,
    /// Where the headers of a dev package that is made come from.
    pub headers: Option<&'a Path>,
    /// Whether commands are shown.
    pub verbose: bool,
}

impl Request<'_> {
    /// Builds a side module in a folder; returns its path there, or the report that says why the main module would not load it. Errs when
    /// there is no compiler, and when it fails.
    pub fn build(&self, folder: &Path) -> Result<Result<PathBuf, ModuleReport>> {
        let main = self.check()?;
        let package = match self.dev {
            Some(dev) => DevPackage::open(dev, self.main)?,
            None => DevPackage::make(self.main, self.headers, &folder.join("dev"))?,
        };
        let toolchain = Toolchain::find()?;
        if self.verbose {
            eprintln!("# {toolchain}");
        }
        let object = folder.join("module.o");
        self.run(&toolchain.compile(self.path, &object, &package.include_folders()))?;
        // wasm-ld keeps the name of its output in the file.
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let linked = folder.join(format!("{stem}.so"));
        self.run(&toolchain.link(&[object], &linked))?;
        let report = inspect(main, &linked)?;
        if report.would_load() != Some(true) {
            return Ok(Err(report));
        }
        // A module is found under the name that it has in Python.
        let name = report.python_modules().next().unwrap_or(&stem);
        let named = folder.join(format!("{name}.so"));
        fs::rename(&linked, &named).with_context(|| named.display().to_string())?;
        Ok(Ok(named))
    }

    /// Errs unless the source and the main module are such as can be built for.
    fn check(&self) -> Result<Arc<MainModule>> {
        let shown = || self.main.display().to_string();
        let bytes = read_named(self.main)?;
        let main = MainModule::parse(&shown(), &bytes).with_context(shown)?;
        if main.family() == AbiFamily::Emscripten {
            bail!(
                "{}: building for Emscripten's main modules needs Emscripten, which pydl does not call yet",
                shown()
            );
        }
        let extension = self.path.extension().unwrap_or_default();
        if !["c", "cc", "cpp", "cxx"].iter().any(|known| extension == *known) {
            bail!(Usage(format!(
                "{}: it is not a file of C or C++ (.c, .cc, .cpp, .cxx); projects are built with the package that `pydl dev make` writes",
                self.path.display()
            )));
        }
        fs::metadata(self.path).with_context(|| self.path.display().to_string())?;
        Ok(Arc::new(main))
    }

    fn run(&self, command: &[std::ffi::OsString]) -> Result<()> {
        if self.verbose {
            eprintln!("{}", compiler::shown(command));
        }
        compiler::run(command)
    }
}

/// Inspects a side module as it would be loaded into a process of a main module.
fn inspect(main: Arc<MainModule>, path: &Path) -> Result<ModuleReport> {
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = read_named(path)?;
    let file = FoundLibrary { path: shown, identity: None, bytes };
    let inspector = Inspector::new(Some(main), &mut NoLibraries, Arc::new(SystemInterface::default()));
    inspector.inspect(&file, &mut NoLibraries).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// A source without libraries: a single file needs none.
struct NoLibraries;

impl LibrarySource for NoLibraries {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        Err(LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() })
    }
}
