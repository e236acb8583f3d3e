//! Owns the configuration of wasmtime: one for all modules, since code compiled under another cannot be mixed in. Must
//! not know modules.

use pydl_linker::{AbiFamily, SlotCount};
use wasmtime::{Config, Engine, StoreLimits, StoreLimitsBuilder};

use crate::error::LoadError;

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

/// Makes an engine for processes of one family. Epochs are on so that a running guest can be interrupted.
pub(crate) fn engine(family: AbiFamily) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // No C program for 32-bit memory uses these, and each would take host memory beyond the limits of a process.
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    // For `ref.test` in generated code alone: the linker refuses modules that define types of garbage-collected objects.
    config.wasm_function_references(true);
    config.wasm_gc(true);
    config.wasm_exceptions(true);
    config.max_wasm_stack(guest_stack(family));
    // Not used, but the engine wants it to be no smaller.
    config.async_stack_size(thread_stack(family));
    Engine::new(&config).map_err(LoadError::engine)
}

/// What a process may take of the host's memory, whoever of the guest's modules asks for it: one memory of 4 GiB, and tables
/// of 10,000,000 slots, the limit that engines agreed on. wasmtime frees no instance before the process ends: `instances` is how
/// many there may be of libraries and their thunks, which loads count themselves, beside what else a process needs.
pub(crate) fn limits(instances: u32) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memories(1)
        .memory_size(4 << 30)
        .tables(4)
        .table_elements(SlotCount::MAX as usize)
        .instances((instances as usize).saturating_add(OTHER_INSTANCES))
        .build()
}

/// Instances that are not of libraries: main modules, trampolines, closures.
const OTHER_INSTANCES: usize = 10_000;
