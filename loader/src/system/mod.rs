//! Owns the system interfaces of guests, one module for each ABI. Must not know linking.

pub(crate) mod wasi;
