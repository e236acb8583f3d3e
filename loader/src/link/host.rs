//! Owns the registry of host functions: which names exist, and with which types. Must not know what the functions do.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use pydl_linker::{AbiFamily, Host, HostAddress, Signature};

use super::dlfcn;
use crate::system::{emscripten, wasi};

/// The functions that the host provides to processes, for the linker's queries. Everything that runs libraries provides the same
/// ones.
#[derive(Default, Debug)]
pub struct SystemInterface {
    _private: (),
}

impl Host for SystemInterface {
    fn function(&self, family: AbiFamily, module: &str, name: &str, wanted: &Signature) -> Option<Signature> {
        match family {
            AbiFamily::Emscripten => emscripten::serves(module, name).then(|| wanted.clone()),
            AbiFamily::Wasi => of_wasi().get(&(module, name)).cloned(),
        }
    }

    fn address(&self, family: AbiFamily, name: &str) -> Option<HostAddress> {
        match family {
            AbiFamily::Emscripten => emscripten::address(name),
            // Functions of WASI have no addresses: the C library wraps them in functions of its own.
            AbiFamily::Wasi => None,
        }
    }
}

/// The host functions of WASI processes, by import module and name.
pub(crate) fn of_wasi() -> &'static BTreeMap<(&'static str, &'static str), Signature> {
    static FUNCTIONS: OnceLock<BTreeMap<(&str, &str), Signature>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let all = wasi::functions().into_iter().chain(dlfcn::of_wasi::functions());
        all.map(|(module, name, signature)| ((module, name), signature)).collect()
    })
}

#[cfg(test)]
mod tests {
    use wasmtime::{Extern, Linker, Store};

    use super::*;
    use crate::compile::compiler::Compiler;
    use crate::compile::types::signature;
    use crate::link::dlfcn::of_emscripten::OfEmscripten;
    use crate::system::state::ProcessState;

    /// Checks that what a process is given is what the registry says, with the same types.
    #[test]
    fn the_registry_is_what_processes_are_given() {
        let compiler = Compiler::new().unwrap();
        let mut linker = Linker::new(compiler.engine());
        wasi::define(&mut linker).unwrap();
        dlfcn::of_wasi::add_to_linker(&mut linker).unwrap();
        let mut store = Store::new(compiler.engine(), ProcessState::idle(&compiler, &OfEmscripten));
        let given: Vec<_> = linker
            .iter(&mut store)
            .map(|(module, name, item)| (module.to_owned(), name.to_owned(), item))
            .collect();
        assert_eq!(given.len(), of_wasi().len());
        for (module, name, item) in given {
            let Extern::Func(function) = item else { panic!("{module}.{name} is no function") };
            let known = of_wasi().get(&(module.as_str(), name.as_str()));
            assert_eq!(known, signature(&function.ty(&store)).as_ref(), "{module}.{name}");
        }
    }
}
