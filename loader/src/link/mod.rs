//! Owns how libraries are loaded into a process: finding files, executing plans, the `dlopen` family, and reports about libraries
//! and functions. Must not know Python, or how a process begins.

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
