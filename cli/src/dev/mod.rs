//! Owns what building extensions for a main module takes: the dev package with headers and configuration, and compilers. Must not know
//! commands.

pub mod compiler;
mod configuration;
pub mod package;
mod pyconfig;
