//! Owns the question of what a host has for libraries beyond what the main module itself imports: one question, for loads and for
//! inspection. Must not know what any function does.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::abi;
use crate::link::namespace::Namespace;
use crate::link::needed::LoadOrder;
use crate::parse::Signature;
use crate::parse::abi_family::AbiFamily;

/// Knows which functions the host of processes has.
pub trait Host: fmt::Debug {
    /// The type in which processes of a family have the host's function of this name, when an importer wants it in type `wanted`;
    /// `None` when there is none. In Emscripten processes what the main module imports is there all the same, and fails when it is
    /// called: only JavaScript has it.
    fn function(&self, family: AbiFamily, module: &str, name: &str, wanted: &Signature) -> Option<Signature>;

    /// The function that a library gets when it asks for the address of this name (`GOT.func`) and no module defines it; `None` when
    /// there is none. The importer does not say of which type it is, so that only functions of known types have addresses.
    fn address(&self, family: AbiFamily, name: &str) -> Option<HostAddress> {
        let _ = (family, name);
        None
    }
}

/// A function of the host's that a library may have the address of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAddress {
    /// Its type.
    pub signature: Signature,
    /// Whether it does something; otherwise only JavaScript has it, and a call fails.
    pub is_served: bool,
}

/// What a host has for the libraries of a load.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HostFunctions {
    /// The types of what they call, by import module and name.
    pub called: BTreeMap<(String, String), Signature>,
    /// What they want the addresses of, by name.
    pub addresses: BTreeMap<String, HostAddress>,
}

impl HostFunctions {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.called.is_empty() && self.addresses.is_empty()
    }
}

impl Namespace {
    /// Of the functions that the libraries of a load want and that only a host can have, those that the host has.
    pub fn ask_host(&self, order: &LoadOrder, host: &dyn Host) -> HostFunctions {
        let family = self.family();
        let wanted = order.functions_of_host(self);
        // Functions of exceptions are there when the main module leaves exceptions to the host, in any type.
        let wanted = wanted.filter(|(_, name, _)| family == AbiFamily::Wasi || !abi::is_of_exceptions(name));
        let found = wanted.filter_map(|(module, name, ty)| {
            Some(((module.to_owned(), name.to_owned()), host.function(family, module, name, ty)?))
        });
        let addresses = order.addresses_of_host(self);
        let addresses =
            addresses.filter_map(|name| Some((name.to_owned(), self.ask_for_address(name, host)?)));
        HostFunctions { called: found.collect(), addresses: addresses.collect() }
    }

    /// The function of the host's behind the address of a name; `None` when there is none. What the main module imports itself has the type that it has there.
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
