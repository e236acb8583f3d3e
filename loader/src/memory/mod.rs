//! Owns the guest's address space. Must not know what is put there.

pub(crate) mod address_space;
pub(crate) mod view;
