//! Owns the way from bytes to compiled code: the engine, the recipes of rewriting, the compiler and its cache. Must not know processes.

pub(crate) mod cache;
pub(crate) mod compiler;
pub(crate) mod engine;
pub(crate) mod kind;
pub(crate) mod main_file;
pub(crate) mod recipes;
pub(crate) mod types;
