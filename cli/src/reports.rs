//! Owns what `pydl deps` has found out of a file, a wheel or a symbol, for whoever shows it. Must not know how it looks, nor how it was
//! found out.

use pydl_linker::{ModuleReport, SymbolReport};

/// The exit status when some file would not load.
pub const WOULD_NOT_LOAD: u8 = 1;

/// What there is to tell of a wheel.
#[derive(Debug, Default)]
pub struct WheelReport {
    /// Path of the file.
    pub path: String,
    /// What it is for; empty when it cannot be told.
    pub tags: Vec<String>,
    /// Whether its files are those of its RECORD.
    pub record_is_good: bool,
    /// The side modules in it, each with whether it would load.
    pub modules: Vec<(String, Option<bool>)>,
    /// What is odd, and keeps nothing from loading.
    pub notes: Vec<String>,
    /// Why a process would refuse the wheel itself.
    pub reasons: Vec<String>,
    /// Name of the main module that it was checked against.
    pub checked_against: Option<String>,
}

impl WheelReport {
    /// Whether a process would take it and all that is in it; `None` when nothing speaks against it and there was no main
    /// module to check against.
    pub fn would_load(&self) -> Option<bool> {
        let refuted = !self.reasons.is_empty() || self.failing().next().is_some();
        (refuted || self.checked_against.is_some()).then_some(!refuted)
    }

    /// The side modules that would not load.
    pub fn failing(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().filter(|(_, loads)| *loads == Some(false)).map(|(path, _)| path.as_str())
    }
}

/// What is told of one of the inputs.
pub enum Report {
    /// Of a file.
    Module(ModuleReport),
    /// Of a wheel, after the files in it.
    Wheel(WheelReport),
    /// Of one symbol in the load of a file.
    Symbol(SymbolReport),
}

impl Report {
    /// Whether it is of a side module that nothing speaks against.
    pub fn is_good_module(&self) -> bool {
        matches!(self, Report::Module(report) if report.would_load() != Some(false))
    }

    /// Whether it is of a file in a wheel.
    pub fn is_in_wheel(&self) -> bool {
        matches!(self, Report::Module(report) if report.path.contains(".whl/"))
    }

    /// The exit status that it stands for.
    pub fn status(&self) -> u8 {
        let is_good = match self {
            Report::Module(report) => report.would_load() != Some(false),
            Report::Wheel(report) => report.would_load() != Some(false),
            Report::Symbol(report) => report.uses.iter().all(|used| used.problem.is_none()),
        };
        if is_good { 0 } else { WOULD_NOT_LOAD }
    }
}

#[cfg(test)]
pub mod sample;
