//! How results look on a terminal, in a pipe and as JSON.

pub mod graph;
pub mod json;
pub mod map;
pub mod parts;
pub mod paths;
pub mod progress;
pub mod size;
pub mod text;
pub mod xml;
