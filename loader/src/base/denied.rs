//! Owns the memory of what a guest was denied of the network, for whoever wants to tell a person what would permit it. Must not know
//! who denies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most that are kept: a program that tries everything makes no list of everything.
const MOST: usize = 16;

/// A part of the network that a guest wanted to reach and may not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeniedHost {
    /// A name that it looked up, or an address.
    pub host: String,
    /// The port; `None` for a name.
    pub port: Option<u16>,
}

/// What a process was denied of the network so far: see [`crate::Process::denied_network`]. Clones are of the same process.
#[derive(Clone, Default, Debug)]
pub struct DeniedNetwork(Arc<Mutex<Vec<DeniedHost>>>);

impl DeniedNetwork {
    /// The first of what was denied, each once.
    pub fn hosts(&self) -> Vec<DeniedHost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a name that may not be looked up.
    pub(crate) fn note_name(&self, name: &str) {
        self.note(DeniedHost { host: name.to_owned(), port: None });
    }

    /// Notes an address that may not be reached.
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
