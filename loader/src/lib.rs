//! pydl-loader runs a main module (a `python.wasm`) in wasmtime and loads side modules (`.so` files) into it when the
//! guest calls `dlopen`. It executes the plans of `pydl-linker` and decides nothing that the linker decides.
//!
//! ```no_run
//! use pydl_loader::{Captured, Compiler, ExitStatus, Image, Process, ProcessOptions};
//!
//! # fn main() -> Result<(), pydl_loader::LoadError> {
//! let compiler = Compiler::new()?;
//! let image = Image::from_file(&compiler, "testdata/python/python.wasm")?;
//! let stdout = Captured::new();
//! let options = ProcessOptions::python(image.path())
//!     .args(["-c", "import fputs; print(fputs.__file__)"])
//!     .side_module("testdata/fputs/fputs.so")
//!     .stdout(&stdout);
//! let status = Process::new(&image, &options)?.run()?;
//! assert_eq!(status, ExitStatus::Exited(0));
//! print!("{}", String::from_utf8_lossy(&stdout.contents()));
//! # Ok(())
//! # }
//! ```
//!
//! An [`Image`] is a compiled main module and may be shared between threads; a [`Process`] is one running instance. A
//! process sees the files, the environment and the streams that its [`ProcessOptions`] name, and nothing else.

#![deny(unsafe_code)]

mod address_space;
mod archive;
mod backtrace;
mod budget;
mod c_stack;
mod cache;
mod compile;
mod cpp_exception;
mod demangle;
mod denied;
mod dlfcn;
mod emscripten_main;
mod engine;
mod error;
mod execute;
mod halt;
mod host;
mod host_file;
mod image;
mod interrupt;
mod libraries;
mod line_editor;
mod options;
mod process;
mod python;
mod recipes;
mod search;
mod slots;
mod system;
mod trace;

pub use backtrace::{GuestException, GuestFrame, GuestTrap};
pub use cache::{Cache, CacheError};
pub use compile::Compiler;
pub use demangle::demangled;
pub use denied::{DeniedHost, DeniedNetwork};
pub use error::LoadError;
pub use host::SystemInterface;
pub use host_file::open_regular_file;
pub use image::Image;
pub use interrupt::{InterruptHandle, Interruption, Signal};
pub use libraries::{
    Libraries, LibraryError, LibraryHandle, LibrarySymbol, LoadedLibrary, RefusedLoad, SymbolPlace,
};
pub use line_editor::{LineEditor, Typed};
pub use options::{Captured, Input, Mount, NetworkPermission, ProcessOptions};
pub use process::{ExitStatus, LibraryStage, Process};
pub use pydl_linker::{LibraryNotFound, LinkError, MainModule, OpenMode, ParseError, SymbolProblem};
pub use python::{Installation, PythonTarget, WheelFile};
pub use system::kernel::terminal::Terminal;
pub use trace::{Trace, TraceTopic};
pub use wasmtime::{WasmParams, WasmResults};
