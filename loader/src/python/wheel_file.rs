//! Owns how programs look into wheels without running anything: the same checks that a process makes. Must not know what is in the
//! files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tags::Target;
use super::wheel::Wheel;
use crate::base::error::LoadError;

/// The suffixes of extension modules that any version imports, after its own (CPython, `Python/dynload_shlib.c`).
const COMMON_SUFFIXES: [&str; 2] = [".abi3.so", ".so"];

/// What the Python of a main module takes, by the standard library beside it.
#[derive(Clone, Debug)]
pub struct PythonTarget(Target);

impl PythonTarget {
    /// Errs when nothing beside `main` tells which wheels it takes: a process of it refuses all of them.
    pub fn of_main(main: &Path) -> Result<PythonTarget, LoadError> {
        Target::of_main(main).map(PythonTarget)
    }

    /// What the file name of an extension module ends in, after the module's name: `importlib.machinery.EXTENSION_SUFFIXES`.
    pub fn extension_suffixes(&self) -> impl Iterator<Item = &str> {
        self.0.extension_suffix.as_deref().into_iter().chain(COMMON_SUFFIXES)
    }
}

/// A wheel to look into. Its names, its sizes and the form of its metadata are right, as for a process.
#[derive(Debug)]
pub struct WheelFile(Wheel);

impl WheelFile {
    /// Opens a wheel. Errs, naming the wheel and the entry, when it cannot be read and when a process would refuse it for its form.
    pub fn open(path: &Path) -> Result<WheelFile, LoadError> {
        Wheel::open(path, None).map(WheelFile)
    }

    /// The combinations of interpreter, ABI and platform that it is for, as `cp314-cp314-any`.
    pub fn tags(&self) -> impl Iterator<Item = String> {
        self.0.name().tags().iter().map(ToString::to_string)
    }

    /// The tags that its `WHEEL` file has, as they stand there, if they are not those of its name; installers go by the name.
    pub fn differing_tags(&self) -> Option<Vec<&str>> {
        self.0.differing_tags().map(Iterator::collect)
    }

    /// Errs, saying what the wheel is for and what would fit, when `target` cannot take it.
    pub fn fits(&self, target: &PythonTarget) -> Result<(), String> {
        target.0.fits(self.0.name())
    }

    /// Reads everything. Errs with the first file whose contents have not the hash that RECORD has.
    pub fn verify(&self) -> Result<(), LoadError> {
        self.0.verify(None)
    }

    /// Its files by their paths beneath `site-packages`, each with a number to read it by.
    pub fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.files()
    }

    /// The contents of a file. Errs when they are damaged.
    pub fn read(&self, number: usize) -> io::Result<Arc<[u8]>> {
        self.0.archive().read(number)
    }
}
