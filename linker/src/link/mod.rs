//! Owns how modules are linked: finding files along NEEDED, resolving symbols, laying out and planning, and what is loaded.
//! `driver.rs` has the sequence. Must not know who reads files, or instances.

pub(crate) mod driver;
pub(crate) mod error;
pub(crate) mod forwarders;
pub(crate) mod host;
pub(crate) mod journal;
pub(crate) mod layout;
pub(crate) mod lazy;
pub(crate) mod main_module;
pub(crate) mod main_placement;
pub(crate) mod main_plan;
pub(crate) mod namespace;
pub(crate) mod needed;
pub(crate) mod plan;
pub(crate) mod provided;
pub(crate) mod rehearsal;
pub(crate) mod resolve;
pub(crate) mod search_path;
pub(crate) mod stand_in;
pub(crate) mod thunks;
