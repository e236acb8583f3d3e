//! Owns what the whole linker is built on: the names of the ABI, numbers as types, features, free slots. Must not know modules.

pub mod abi;
pub mod features;
pub(crate) mod free_slots;
pub(crate) mod ids;
pub mod trampolines;
pub(crate) mod types;
