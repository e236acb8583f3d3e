//! Owns how libraries are loaded into a process: files found, plans executed, the `dlopen` family, what is said of libraries and of
//! functions. Must not know Python, nor how a process begins.

pub(crate) mod backtrace;
pub(crate) mod cpp_exception;
pub(crate) mod dlfcn;
pub(crate) mod ends;
pub(crate) mod execute;
pub(crate) mod host;
pub(crate) mod libraries;
pub(crate) mod search;
pub(crate) mod slots;
pub(crate) mod state;
