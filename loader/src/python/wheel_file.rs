//! Owns how programs examine wheels without running anything, with the same checks that a process makes. Must not know what is in
//! the files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tags::Target;
use super::wheel::Wheel;
use crate::base::error::LoadError;
use crate::base::limits::ArchiveLimits;

/// The suffixes of extension modules that any version imports, after its own suffix (CPython, `Python/dynload_shlib.c`).
const COMMON_SUFFIXES: [&str; 2] = [".abi3.so", ".so"];

/// Which wheels the Python of a main module accepts, according to the standard library next to it.
#[derive(Clone, Debug)]
pub struct PythonTarget(Target);

impl PythonTarget {
    /// The target of the main module `main`. Errs when nothing next to `main` shows which wheels it accepts: a process of it
    /// refuses all of them.
    pub fn of_main(main: &Path) -> Result<PythonTarget, LoadError> {
        Target::of_main(main).map(PythonTarget)
    }

    /// The endings of extension modules' file names, after the module's name: `importlib.machinery.EXTENSION_SUFFIXES`.
    pub fn extension_suffixes(&self) -> impl Iterator<Item = &str> {
        self.0.extension_suffix.as_deref().into_iter().chain(COMMON_SUFFIXES)
    }
}

/// A wheel to examine. Its names, its sizes and the form of its metadata are correct, as for a process.
#[derive(Debug)]
pub struct WheelFile(Wheel);

impl WheelFile {
    /// Opens a wheel. Errs, naming the wheel and the entry, when it cannot be read and when a process would refuse it for its
    /// form.
    pub fn open(path: &Path) -> Result<WheelFile, LoadError> {
        Wheel::open(path, &ArchiveLimits::default(), None).map(WheelFile)
    }

    /// The combinations of interpreter, ABI and platform that the wheel is for, such as `cp314-cp314-any`.
    pub fn tags(&self) -> impl Iterator<Item = String> {
        self.0.name().tags().iter().map(ToString::to_string)
    }

    /// The tags in the wheel's `WHEEL` file, as they are written there, if they are not those of its name; installers follow the
    /// name.
    pub fn differing_tags(&self) -> Option<Vec<&str>> {
        self.0.differing_tags().map(Iterator::collect)
    }

    /// Errs when `target` cannot accept the wheel, with what the wheel is for and what would fit.
    pub fn fits(&self, target: &PythonTarget) -> Result<(), String> {
        target.0.fits(self.0.name())
    }

    /// Reads everything. Errs with the first file whose contents do not have the hash in RECORD.
    pub fn verify(&self) -> Result<(), LoadError> {
        self.0.verify(None)
    }

    /// The wheel's files by their paths below `site-packages`, each with a number by which to read it.
    pub fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.files()
    }

    /// The contents of the file with this number. Errs when they are damaged.
    pub fn read(&self, number: usize) -> io::Result<Arc<[u8]>> {
        self.0.archive().read(number)
    }
}
