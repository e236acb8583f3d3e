//! Owns which passes the modules of a process go through before they are compiled. Must not know what a pass does.

use pydl_linker::rewrite::{Pass, Recipe};

use crate::base::interrupt::Interruption;
use crate::compile::engine::ProcessKind;

/// The recipe for a main module of processes of this kind.
pub(crate) fn of_main(kind: ProcessKind) -> Recipe {
    let of_system: &[Pass] = match kind {
        ProcessKind::Wasi => &[Pass::WaitInHostOfWasi],
        ProcessKind::Emscripten(_) => {
            &[Pass::SleepInHost, Pass::AlwaysAskForTimeZone, Pass::AskHostForLibraries]
        }
    };
    recipe(kind, of_system)
}

/// The recipe for a library in processes of this kind.
pub(crate) fn of_library(kind: ProcessKind) -> Recipe {
    recipe(kind, &[])
}

/// The recipe for modules that the linker has generated.
pub(crate) fn of_generated() -> Recipe {
    Recipe::of([])
}

fn recipe(kind: ProcessKind, of_system: &[Pass]) -> Recipe {
    // Where guests are interrupted anywhere, no instruction may take long.
    let is_interrupted_anywhere = kind != ProcessKind::Emscripten(Interruption::WhereAsked);
    let cut = is_interrupted_anywhere.then_some(Pass::CutLongInstructions);
    let first = [Pass::LowerExceptions].into_iter().chain(of_system.iter().copied());
    Recipe::of(first.chain(cut).chain([Pass::ExportState]))
}
