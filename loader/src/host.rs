//! Owns what the linker is told of the host's functions: that there is one, and in which type. Must not know what they do.

use std::sync::OnceLock;

use pydl_linker::{AbiFamily, Host, HostAddress, Signature};

use crate::image::{self, Offered};
use crate::system::emscripten;

/// The functions that processes have from the host, for the linker to ask about. Whatever runs libraries has the same ones.
#[derive(Default, Debug)]
pub struct SystemInterface {
    /// Those of WASI processes, found when they are first asked for.
    wasi: OnceLock<Offered>,
}

impl SystemInterface {
    /// The same, of a process in which the functions for WASI are known.
    pub(crate) fn of_wasi(offered: Offered) -> SystemInterface {
        SystemInterface { wasi: OnceLock::from(offered) }
    }
}

impl Host for SystemInterface {
    fn function(&self, family: AbiFamily, module: &str, name: &str, wanted: &Signature) -> Option<Signature> {
        match family {
            AbiFamily::Emscripten => emscripten::serves(module, name).then(|| wanted.clone()),
            AbiFamily::Wasi => {
                // Without an engine nothing runs, and there are no functions.
                let offered = self.wasi.get_or_init(|| image::offered_to_wasi().unwrap_or_default());
                offered.get(&(module.to_owned(), name.to_owned())).cloned()
            }
        }
    }

    fn address(&self, family: AbiFamily, name: &str) -> Option<HostAddress> {
        match family {
            AbiFamily::Emscripten => emscripten::address(name),
            // Functions of WASI have no addresses: the C library has functions of its own around them.
            AbiFamily::Wasi => None,
        }
    }
}
