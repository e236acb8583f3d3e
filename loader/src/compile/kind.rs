//! Owns which kind of processes a main module is for. Must not know how they are run.

use pydl_linker::{AbiFamily, Import, MainModule, abi};

use super::engine::ProcessKind;
use crate::base::interrupt::Interruption;

/// The function that Emscripten's CPython calls between byte codes to ask for signals, if the variable named next, an `int`, is
/// not 0 (CPython, `Python/emscripten_signal.c`).
const ASK_FOR_SIGNALS: &str = "_Py_CheckEmscriptenSignals_Helper";
pub(crate) const ASKS_FOR_SIGNALS: &str = "Py_EMSCRIPTEN_SIGNAL_HANDLING";

/// Whether a main module can be made to ask for signals.
pub(crate) fn can_ask_for_signals(main: &MainModule) -> bool {
    let module = main.module();
    let asks = |import: &Import| import.module == abi::ENV && import.name == ASK_FOR_SIGNALS;
    module.exports.contains(ASKS_FOR_SIGNALS) && module.imports.iter().any(asks)
}

/// The kind of processes that a main module is for.
pub(crate) fn kind(main: &MainModule, interruption: Interruption) -> ProcessKind {
    if !is_emscripten(main) {
        return ProcessKind::Wasi;
    }
    if can_ask_for_signals(main) {
        ProcessKind::Emscripten(interruption)
    } else {
        ProcessKind::Emscripten(Interruption::Anywhere)
    }
}

/// Whether a main module was compiled by Emscripten.
pub(crate) fn is_emscripten(main: &MainModule) -> bool {
    main.abi().is_some_and(|abi| abi.family == AbiFamily::Emscripten)
}
