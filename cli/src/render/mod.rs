//! How results look on a terminal, in a pipe and as JSON.

pub mod demangle;
pub mod dot;
pub mod json;
pub mod progress;
pub mod text;
