//! Owns the record of what a guest was denied on the network, for whatever wants to tell a person what would permit it. Must not
//! know what denies it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most entries that are kept: a program that tries everything does not produce a list of everything.
const MOST: usize = 16;

/// A part of the network that a guest wanted to reach and is not permitted to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeniedHost {
    /// The name that the guest looked up, or the address.
    pub host: String,
    /// The port; `None` for a name.
    pub port: Option<u16>,
}

/// What a process has been denied on the network so far: see [`crate::Process::denied_network`]. Clones belong to the same
/// process.
#[derive(Clone, Default, Debug)]
pub struct DeniedNetwork(Arc<Mutex<Vec<DeniedHost>>>);

impl DeniedNetwork {
    /// The first hosts that were denied, each once.
    pub fn hosts(&self) -> Vec<DeniedHost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a name that may not be looked up.
    pub(crate) fn note_name(&self, name: &str) {
        self.note(DeniedHost { host: name.to_owned(), port: None });
    }

    /// Records an address that may not be reached.
    pub(crate) fn note_address(&self, address: SocketAddr) {
        self.note(DeniedHost { host: address.ip().to_string(), port: Some(address.port()) });
    }

    fn note(&self, denied: DeniedHost) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() < MOST && !hosts.contains(&denied) {
            hosts.push(denied);
        }
    }
}
