//! Owns what `pydl deps` has found out about a file, a wheel or a symbol, for whatever displays it. Must not know how it looks,
//! or how it was found out.

use pydl_linker::{ModuleReport, SymbolReport};

/// The exit status when some file would not load.
pub const WOULD_NOT_LOAD: u8 = 1;

/// Everything that can be reported about a wheel.
#[derive(Debug, Default)]
pub struct WheelReport {
    /// Path of the file.
    pub path: String,
    /// What the wheel is for; empty when that cannot be determined.
    pub tags: Vec<String>,
    /// Whether the wheel's files are those of its RECORD.
    pub record_is_good: bool,
    /// The side modules in the wheel, each with whether it would load.
    pub modules: Vec<(String, Option<bool>)>,
    /// Oddities that do not keep anything from loading.
    pub notes: Vec<String>,
    /// Why a process would refuse the wheel itself.
    pub reasons: Vec<String>,
    /// Name of the main module that the wheel was checked against.
    pub checked_against: Option<String>,
}

impl WheelReport {
    /// Whether a process would accept the wheel and everything in it; `None` when nothing speaks against it and there was no main
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

/// The report on one of the inputs.
pub enum Report {
    /// A report on a file.
    Module(ModuleReport),
    /// A report on a wheel, after the files in it.
    Wheel(WheelReport),
    /// A report on one symbol in the load of a file.
    Symbol(SymbolReport),
}

impl Report {
    /// Whether the report is on a side module that nothing speaks against.
    pub fn is_good_module(&self) -> bool {
        matches!(self, Report::Module(report) if report.would_load() != Some(false))
    }

    /// Whether the report is on a file in a wheel.
    pub fn is_in_wheel(&self) -> bool {
        matches!(self, Report::Module(report) if report.path.contains(".whl/"))
    }

    /// The exit status that the report implies.
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
