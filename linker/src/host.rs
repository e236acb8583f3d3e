//! Owns the question of what a host has for libraries beyond what the main module itself imports: one question, for loads and for
//! inspection. Must not know what any function does.

use std::collections::BTreeMap;
use std::fmt;

use crate::abi;
use crate::abi_family::AbiFamily;
use crate::namespace::Namespace;
use crate::needed::LoadOrder;
use crate::parse::Signature;

/// Knows which functions the host of processes has.
pub trait Host: fmt::Debug {
    /// The type in which processes of a family have the host's function of this name, when an importer wants it in type `wanted`;
    /// `None` when there is none. In Emscripten processes what the main module imports is there all the same, and fails when it is
    /// called: only JavaScript has it.
    fn function(&self, family: AbiFamily, module: &str, name: &str, wanted: &Signature) -> Option<Signature>;
}

impl Namespace {
    /// Of the functions that the libraries of a load want and that only a host can have, those that the host has.
    pub fn ask_host(&self, order: &LoadOrder, host: &dyn Host) -> BTreeMap<(String, String), Signature> {
        let family = self.family();
        let wanted = order.functions_of_host(self);
        // Functions of exceptions are there when the main module leaves exceptions to the host, in any type.
        let wanted = wanted.filter(|(_, name, _)| family == AbiFamily::Wasi || !abi::is_of_exceptions(name));
        let found = wanted.filter_map(|(module, name, ty)| {
            Some(((module.to_owned(), name.to_owned()), host.function(family, module, name, ty)?))
        });
        found.collect()
    }
}
