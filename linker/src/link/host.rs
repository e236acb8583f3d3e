//! Owns the question of what a host provides for libraries beyond what the main module itself imports: one question, for loads
//! and for inspection. Must not know what any function does.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::abi;
use crate::link::namespace::Namespace;
use crate::link::needed::LoadOrder;
use crate::parse::Signature;
use crate::parse::abi_family::AbiFamily;

/// Knows which functions the host of processes provides.
pub trait Host: fmt::Debug {
    /// The type that the host function of this name has in processes of a family, when an importer wants it with the type
    /// `wanted`; `None` when there is no such function. In Emscripten processes a function that the main module imports is
    /// provided in any case, and fails when called: only JavaScript has it.
    fn function(&self, family: AbiFamily, module: &str, name: &str, wanted: &Signature) -> Option<Signature>;

    /// The function that a library gets when it requests the address of this name (`GOT.func`) and no module defines it; `None`
    /// when there is none. The importer does not specify the function's type, so only functions of known types have addresses.
    fn address(&self, family: AbiFamily, name: &str) -> Option<HostAddress> {
        let _ = (family, name);
        None
    }
}

/// A host function whose address a library may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAddress {
    /// The type of the function.
    pub signature: Signature,
    /// Whether the host implements the function; otherwise only JavaScript has it, and a call fails.
    pub is_served: bool,
}

/// What a host provides for the libraries of a load.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HostFunctions {
    /// The types of the functions that the libraries call, by import module and name.
    pub called: BTreeMap<(String, String), Signature>,
    /// The functions whose addresses the libraries take, by name.
    pub addresses: BTreeMap<String, HostAddress>,
}

impl HostFunctions {
    /// Whether there are no functions at all.
    pub fn is_empty(&self) -> bool {
        self.called.is_empty() && self.addresses.is_empty()
    }
}

impl Namespace {
    /// Of the functions that the libraries of a load want and that only a host can provide, those that the host does provide.
    pub fn ask_host(&self, order: &LoadOrder, host: &dyn Host) -> HostFunctions {
        let family = self.family();
        let wanted = order.functions_of_host(self);
        // Exception-handling functions are provided when the main module leaves exceptions to the host, with any type.
        let wanted = wanted.filter(|(_, name, _)| family == AbiFamily::Wasi || !abi::is_of_exceptions(name));
        let found = wanted.filter_map(|(module, name, ty)| {
            Some(((module.to_owned(), name.to_owned()), host.function(family, module, name, ty)?))
        });
        let addresses = order.addresses_of_host(self);
        let addresses =
            addresses.filter_map(|name| Some((name.to_owned(), self.ask_for_address(name, host)?)));
        HostFunctions { called: found.collect(), addresses: addresses.collect() }
    }

    /// The host function behind the address of a name; `None` when there is none. A function that the main module imports itself
    /// has the type that the main module imports it with.
    pub fn ask_for_address(&self, name: &str, host: &dyn Host) -> Option<HostAddress> {
        let family = self.family();
        if let Some(own) = self.host_function(abi::ENV, name) {
            let is_served = host.function(family, abi::ENV, name, own).is_some();
            return Some(HostAddress { signature: own.clone(), is_served });
        }
        // A main module that does not leave exceptions to the host has those functions itself, or none.
        let is_hosts = !abi::is_of_exception_runtime(name)
            && (!abi::is_of_exceptions(name) || self.leaves_exceptions_to_host());
        is_hosts.then(|| host.address(family, name)).flatten()
    }
}
