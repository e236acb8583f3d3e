//! Owns what every floor may use: errors and their shape, the account of memory, interrupts, options, traces, files of the host.
//! Must not know any other floor.

pub(crate) mod budget;
pub(crate) mod demangle;
pub(crate) mod denied;
pub(crate) mod error;
pub(crate) mod halt;
pub(crate) mod host_file;
pub(crate) mod interrupt;
pub(crate) mod limits;
pub(crate) mod line_editor;
pub(crate) mod options;
pub(crate) mod trace;
