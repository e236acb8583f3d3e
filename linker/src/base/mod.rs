//! Owns what all of the linker is made of: the names of the ABI, numbers as types, features, free slots. Must not know modules.

pub mod abi;
pub mod features;
pub(crate) mod free_slots;
pub(crate) mod ids;
pub mod trampolines;
pub(crate) mod types;
