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
//! let options = ProcessOptions::python(&image)
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

mod base;
mod compile;
mod link;
mod memory;
mod process;
mod python;
mod system;

pub use base::demangle::demangled;
pub use base::denied::{DeniedHost, DeniedNetwork};
pub use base::error::{CacheError, LoadError};
pub use base::host_file::open_regular_file;
pub use base::interrupt::{InterruptHandle, Interruption, Signal};
pub use base::limits::{ArchiveLimits, ByteCodeLimits, Limits};
pub use base::line_editor::{LineEditor, Typed};
pub use base::options::{Captured, Input, Mount, NetworkPermission, ProcessOptions};
pub use base::trace::{Trace, TraceTopic};
pub use compile::cache::Cache;
pub use compile::compiler::Compiler;
pub use link::backtrace::{GuestException, GuestFrame, GuestTrap};
pub use link::ends::ExitStatus;
pub use link::host::SystemInterface;
pub use link::libraries::{
    Libraries, LibraryError, LibraryHandle, LibrarySymbol, LoadedLibrary, RefusedLoad, SymbolPlace,
};
pub use process::image::Image;
pub use process::{LibraryStage, Process};
pub use pydl_linker::{
    LibraryNotFound, LinkError, LoadLimits, MainModule, OpenMode, ParseError, SymbolProblem,
};
pub use python::{Installation, PythonTarget, WheelFile};
pub use system::kernel::terminal::Terminal;
pub use wasmtime::{WasmParams, WasmResults};
