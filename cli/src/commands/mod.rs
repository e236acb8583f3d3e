//! One module for each command of `pydl`, and one for `pydl-python`.

pub mod build;
pub mod debug;
pub mod deps;
pub mod dev;
pub mod diff;
mod explain;
pub mod interpreter;
pub mod link;
pub mod python;
pub mod run;
mod signals;
