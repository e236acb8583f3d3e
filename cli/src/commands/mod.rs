//! One module for each command of `pydl`.

pub mod deps;
pub mod run;
