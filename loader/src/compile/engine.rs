//! Owns the configuration of wasmtime: one for all modules, since code compiled under a different configuration cannot be mixed
//! in. Must not know modules.

use pydl_linker::features::ACCEPTED;
use pydl_linker::{AbiFamily, SlotCount};
use wasmparser::WasmFeatures;
use wasmtime::{Config, Engine, Module, ResourceLimiter, StoreLimits, StoreLimitsBuilder};

use crate::base::budget::{Budget, Charge, Exhausted};
use crate::base::error::LoadError;
use crate::base::interrupt::Interruption;

/// A kind of processes: each kind has an engine of its own, and code compiled for one kind is not valid for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProcessKind {
    /// Processes of WASI main modules, which are interrupted anywhere: nothing in them asks for signals.
    Wasi,
    /// Processes of Emscripten main modules.
    Emscripten(Interruption),
}

impl ProcessKind {
    /// All kinds, in the order in which a remembered main module is looked up.
    pub(crate) const ALL: [ProcessKind; 3] = [
        ProcessKind::Wasi,
        ProcessKind::Emscripten(Interruption::WhereAsked),
        ProcessKind::Emscripten(Interruption::Anywhere),
    ];

    /// The ABI of the processes.
    pub(crate) fn family(self) -> AbiFamily {
        match self {
            ProcessKind::Wasi => AbiFamily::Wasi,
            ProcessKind::Emscripten(_) => AbiFamily::Emscripten,
        }
    }
}

/// The size in bytes of the native stack that guest code may use, such that Python's `RecursionError` comes before a trap.
/// CPython for WASI counts calls and is tuned to 16 MiB (CPython, `Tools/wasm/`). CPython for Emscripten watches its own stack of
/// 10 MiB, to which calls of its interpreter add 200 bytes each, while they take up to 4 KiB of the native stack. The native
/// stack is committed as it is used.
pub(crate) fn guest_stack(family: AbiFamily) -> usize {
    match family {
        AbiFamily::Wasi => 16 << 20,
        AbiFamily::Emscripten => 256 << 20,
    }
}

/// The size in bytes of the native stack for the thread that runs a guest: the guest's own stack, and room for the host functions
/// and the compiler that run on top of it.
pub(crate) fn thread_stack(family: AbiFamily) -> usize {
    guest_stack(family) + (8 << 20)
}

/// Creates an engine for processes of one kind. Errs when the engine cannot be created.
pub(crate) fn engine(kind: ProcessKind) -> Result<Engine, LoadError> {
    let family = kind.family();
    let mut config = Config::new();
    // Compiled code then checks a number at every function entry and loop, which takes an eighth of CPython's time.
    config.epoch_interruption(kind != ProcessKind::Emscripten(Interruption::WhereAsked));
    config.wasm_features(WasmFeatures::all().difference(ACCEPTED), false);
    config.wasm_features(ACCEPTED, true);
    config.max_wasm_stack(guest_stack(family));
    config.gc_heap_initial_size(OBJECTS as u64);
    // This is not used, but the engine requires it to be no smaller.
    config.async_stack_size(thread_stack(family));
    Engine::new(&config).map_err(LoadError::engine)
}

/// What the engine takes of the host's memory for a process, whichever of the guest's modules requests it: one memory of 4 GiB;
/// tables of 10,000,000 slots each, the limit that engines agreed on; and, charged to the budget along with the tables, what it
/// keeps for exceptions and references, and what it keeps until the process ends.
pub(crate) struct EngineLimits {
    engine: StoreLimits,
    budget: Budget,
    /// The charge for all of that, which only grows.
    kept: Option<Charge>,
    /// The state of the guest's memory. The engine requests memory for it and for its own heap of exceptions and references
    /// alike, and does not say which one a request is for.
    memory: LinearMemory,
    /// The state of the guest's memory before the last request, which may still fail.
    before: LinearMemory,
}

/// The guest's memory, in bytes: everything else for which the engine requests memory is its heap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinearMemory {
    Absent,
    /// The main module has one, which begins with this many bytes.
    Planned(usize),
    /// The memory exists, with this many bytes.
    Made(usize),
}

impl LinearMemory {
    fn of(main: Option<&Module>) -> LinearMemory {
        let pages = main.and_then(|main| main.resources_required().max_initial_memory_size);
        let bytes = pages.map(|pages| usize::try_from(pages.saturating_mul(PAGE)).unwrap_or(usize::MAX));
        bytes.map_or(LinearMemory::Absent, LinearMemory::Planned)
    }

    /// Whether a request is for this memory. If it and the heap have the same size, the memory is assumed: a guest for which one
    /// is mistaken for the other does not get more of the two together.
    fn is_asked_for(self, current: usize, desired: usize) -> bool {
        match self {
            LinearMemory::Absent => false,
            LinearMemory::Planned(begin) => current == 0 && desired == begin,
            LinearMemory::Made(size) => current == size,
        }
    }
}

/// Initial size of the engine's heap, in bytes.
const OBJECTS: usize = 1 << 20;
/// Size of a memory page, in bytes; the engine counts in pages.
const PAGE: u64 = 1 << 16;
/// Size of a table slot, in bytes.
const SLOT: usize = 8;

impl EngineLimits {
    /// Limits of a process with a memory of at most this many bytes. wasmtime frees no instance before the process ends:
    /// `instances` is how many instances of libraries and their thunks there may be, which loads count themselves, in addition to
    /// what else a process needs.
    pub(crate) fn new(instances: u32, memory: usize, main: Option<&Module>, budget: Budget) -> EngineLimits {
        let engine = StoreLimitsBuilder::new()
            .memories(1)
            .memory_size(memory)
            .tables(4)
            .table_elements(SlotCount::MAX as usize)
            .instances((instances as usize).saturating_add(OTHER_INSTANCES))
            .build();
        let memory = LinearMemory::of(main);
        EngineLimits { engine, budget, kept: None, memory, before: memory }
    }

    /// These limits for another store in which the process continues.
    pub(crate) fn again(self, main: &Module) -> EngineLimits {
        let memory = LinearMemory::of(Some(main));
        EngineLimits { engine: self.engine, budget: self.budget, kept: None, memory, before: memory }
    }

    /// Charges what is kept until the process ends.
    pub(crate) fn keep(&mut self, bytes: u64) -> Result<(), Exhausted> {
        match &mut self.kept {
            Some(kept) => kept.resize(kept.bytes().saturating_add(bytes)),
            kept => {
                *kept = Some(self.budget.charge(bytes)?);
                Ok(())
            }
        }
    }
}

impl ResourceLimiter for EngineLimits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.before = self.memory;
        let more = if self.memory.is_asked_for(current, desired) {
            self.memory = LinearMemory::Made(desired);
            0
        } else {
            desired.saturating_sub(current)
        };
        let is_permitted = self.engine.memory_growing(current, desired, maximum)?;
        let is_permitted = is_permitted && (more == 0 || self.keep(more as u64).is_ok());
        if !is_permitted {
            self.memory = self.before;
        }
        Ok(is_permitted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.before;
        self.engine.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current).saturating_mul(SLOT);
        Ok(self.engine.table_growing(current, desired, maximum)? && self.keep(more as u64).is_ok())
    }

    fn instances(&self) -> usize {
        self.engine.instances()
    }

    fn tables(&self) -> usize {
        self.engine.tables()
    }

    fn memories(&self) -> usize {
        self.engine.memories()
    }
}

/// The number of instances that do not belong to libraries: main modules, trampolines, closures.
const OTHER_INSTANCES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits of a process whose memory begins with this many bytes.
    fn limits(memory: LinearMemory, budget: u64) -> EngineLimits {
        let limits = EngineLimits::new(1, 1 << 30, None, Budget::new(budget));
        EngineLimits { memory, ..limits }
    }

    /// The bytes charged after each request.
    fn charged(memory: LinearMemory, requests: &[(usize, usize)]) -> Vec<u64> {
        let mut limits = limits(memory, 16 << 20);
        let charge = |(current, desired): &(usize, usize)| {
            assert!(limits.memory_growing(*current, *desired, None).unwrap());
            limits.budget.used()
        };
        requests.iter().map(charge).collect()
    }

    #[test]
    fn the_heap_of_objects_is_charged_and_the_memory_is_not() {
        const MEMORY: usize = 100 << 20;
        let (begun, large) = (OBJECTS as u64, LinearMemory::Planned(MEMORY));
        assert_eq!(
            charged(large, &[(0, MEMORY), (0, OBJECTS), (OBJECTS, 2 * OBJECTS)]),
            [0, begun, 2 * begun]
        );
        // This is the other order, with a memory that begins as the heap does, and with none.
        assert_eq!(charged(large, &[(0, OBJECTS), (0, MEMORY), (MEMORY, 2 * MEMORY)]), [begun, begun, begun]);
        let alike = LinearMemory::Planned(OBJECTS);
        assert_eq!(charged(alike, &[(0, OBJECTS), (OBJECTS, MEMORY), (0, OBJECTS)]), [0, 0, begun]);
        assert_eq!(
            charged(alike, &[(0, OBJECTS), (0, OBJECTS), (OBJECTS, MEMORY), (OBJECTS, 2 * OBJECTS)]),
            [0, begun, begun, 2 * begun]
        );
        let none = LinearMemory::Absent;
        assert_eq!(charged(none, &[(0, OBJECTS), (OBJECTS, 2 * OBJECTS)]), [begun, 2 * begun]);
    }

    #[test]
    fn what_was_refused_is_not_taken_for_granted() {
        let mut limits = limits(LinearMemory::Planned(100 << 20), 4 << 20);
        assert!(limits.memory_growing(0, 100 << 20, None).unwrap());
        assert!(limits.memory_growing(0, OBJECTS, None).unwrap());
        assert!(!limits.memory_growing(OBJECTS, 8 << 20, None).unwrap());
        assert!(limits.memory_growing(OBJECTS, 2 << 20, None).unwrap());
        assert!(!limits.memory_growing(100 << 20, 2 << 30, None).unwrap());
        assert!(limits.memory_growing(100 << 20, 200 << 20, None).unwrap());
        assert!(limits.table_growing(0, 1000, None).unwrap());
        assert!(!limits.table_growing(1000, 1_000_000, None).unwrap());
    }
}
