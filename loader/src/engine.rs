//! Owns the configuration of wasmtime: one for all modules, since code compiled under another cannot be mixed in. Must
//! not know modules.

use pydl_linker::features::ACCEPTED;
use pydl_linker::{AbiFamily, SlotCount};
use wasmparser::WasmFeatures;
use wasmtime::{Config, Engine, StoreLimits, StoreLimitsBuilder};

use crate::error::LoadError;
use crate::interrupt::Interruption;

/// A kind of processes: each has an engine of its own, and code compiled for one is not for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Of WASI main modules, interrupted anywhere: nothing in them asks.
    Wasi,
    /// Of Emscripten's.
    Emscripten(Interruption),
}

impl Kind {
    /// All of them, in the order in which a remembered main module is looked for.
    pub(crate) const ALL: [Kind; 3] =
        [Kind::Wasi, Kind::Emscripten(Interruption::WhereAsked), Kind::Emscripten(Interruption::Anywhere)];

    /// Whose ABI the processes have.
    pub(crate) fn family(self) -> AbiFamily {
        match self {
            Kind::Wasi => AbiFamily::Wasi,
            Kind::Emscripten(_) => AbiFamily::Emscripten,
        }
    }
}

/// Bytes of native stack that guest code may use, so that Python's `RecursionError` comes before a trap. CPython for WASI counts
/// calls and is tuned to 16 MiB (CPython, `Tools/wasm/`). Emscripten's watches its own stack of 10 MiB, to which its interpreter's
/// calls add 200 bytes each while they take up to 4 KiB of this one. It is taken as it is used.
pub(crate) fn guest_stack(family: AbiFamily) -> usize {
    match family {
        AbiFamily::Wasi => 16 << 20,
        AbiFamily::Emscripten => 256 << 20,
    }
}

/// Bytes of native stack for the thread that runs a guest: the guest's own, and room for the host functions and the
/// compiler that run on top of it.
pub(crate) fn thread_stack(family: AbiFamily) -> usize {
    guest_stack(family) + (8 << 20)
}

/// Makes an engine for processes of one kind.
pub(crate) fn engine(kind: Kind) -> Result<Engine, LoadError> {
    let family = kind.family();
    let mut config = Config::new();
    // Looks at a number at every function entry and loop, which takes an eighth of the time of CPython.
    config.epoch_interruption(kind != Kind::Emscripten(Interruption::WhereAsked));
    config.wasm_features(WasmFeatures::all().difference(ACCEPTED), false);
    config.wasm_features(ACCEPTED, true);
    config.max_wasm_stack(guest_stack(family));
    // Not used, but the engine wants it to be no smaller.
    config.async_stack_size(thread_stack(family));
    Engine::new(&config).map_err(LoadError::engine)
}

/// What a process may take of the host's memory, whoever of the guest's modules asks for it: one memory of 4 GiB, and tables
/// of 10,000,000 slots, the limit that engines agreed on. wasmtime frees no instance before the process ends.
pub(crate) fn limits() -> StoreLimits {
    StoreLimitsBuilder::new()
        .memories(1)
        .memory_size(4 << 30)
        .tables(4)
        .table_elements(SlotCount::MAX as usize)
        .instances(10_000)
        .build()
}
