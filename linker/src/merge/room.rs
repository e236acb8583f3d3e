//! Owns where a main module has room for the static data of libraries, and how the room is kept from its allocator. Must not know what is
//! put there.

use wasmparser::Operator;

use super::MergeError;
use super::contents::Contents;
use super::image::Image;
use super::numbering::{Numbering, Part};
use crate::base::abi;
use crate::link::main_module::MainModule;
use crate::link::stand_in::bound;
use crate::parse::abi_family::AbiFamily;

const PAGE: u64 = 0x1_0000;

/// The room behind the memory of a main module.
#[derive(Clone, Debug)]
pub(super) struct MainRoom {
    first: u32,
    keeper: Keeper,
}

/// What keeps the allocator away from the room.
#[derive(Clone, Debug)]
enum Keeper {
    /// The memory's initial size: `sbrk` of WASI begins there, by growing the memory.
    InitialMemory,
    /// The word from which `sbrk` goes on, which Emscripten's C library sets to the start of the heap when it is 0.
    BreakPointer(u32),
    /// The start of the heap, which a position-independent main module imports.
    HeapBase,
}

impl MainRoom {
    /// Finds the room. Errs when the module does not show where its heap begins.
    pub(super) fn of(main: &MainModule, wasm: &[u8]) -> Result<MainRoom, MergeError> {
        let contents = Contents::read(wasm).map_err(|error| MergeError::malformed(main.name(), &error))?;
        let refused = |why: &str| MergeError::new(main.name(), why);
        if let Some(placement) = main.placement() {
            return Ok(MainRoom { first: placement.stack_high.0, keeper: Keeper::HeapBase });
        }
        let first = match main.family() {
            AbiFamily::Wasi => {
                let memory = contents.memories.first().ok_or_else(|| refused("it defines no memory"))?;
                let bytes = memory.initial.checked_mul(PAGE).and_then(|bytes| u32::try_from(bytes).ok());
                let bytes = bytes.ok_or_else(MergeError::memory_full)?;
                if takes_whole_memory(main, &contents, bytes) {
                    return Err(refused(
                        "its `malloc` takes the whole memory that the program begins with, as that of wasi-libc did before 2023; link \
                         it with a newer one",
                    ));
                }
                return Ok(MainRoom { first: bytes, keeper: Keeper::InitialMemory });
            }
            AbiFamily::Emscripten => bound(main, abi::HEAP_BASE).map(|heap| heap.0),
        };
        let first = first.ok_or_else(|| refused("it does not export `__heap_base`"))?;
        let pointer = break_pointer(main, contents, first);
        let pointer = pointer.ok_or_else(|| refused("its `sbrk` does not show where it keeps the break"))?;
        Ok(MainRoom { first, keeper: Keeper::BreakPointer(pointer) })
    }

    /// The first free address.
    pub(super) fn first_free(&self) -> u32 {
        self.first
    }

    /// Whether the linker says where the heap begins, behind the room.
    pub(super) fn moves_heap(&self) -> bool {
        matches!(self.keeper, Keeper::HeapBase)
    }

    /// The least size of the memory, in bytes, when the room up to `end` is used.
    pub(super) fn least_memory(&self, end: u32) -> u64 {
        match self.keeper {
            Keeper::InitialMemory => end.into(),
            // Emscripten's programs have a heap in their initial memory, of a size that someone chose.
            Keeper::BreakPointer(_) | Keeper::HeapBase => {
                u64::from(end).saturating_add(u64::from(end - self.first))
            }
        }
    }

    /// What to write so that the room up to `end` is kept.
    pub(super) fn reserve(&self, end: u32) -> Option<(u32, Vec<u8>)> {
        match self.keeper {
            Keeper::InitialMemory | Keeper::HeapBase => None,
            Keeper::BreakPointer(address) => Some((address, end.to_le_bytes().to_vec())),
        }
    }
}

/// Whether the allocator of a WASI main module begins at the start of the heap, without keeping to the end that the linker of the main
/// module has determined for it (`__heap_end`).
fn takes_whole_memory(main: &MainModule, contents: &Contents<'_>, end: u32) -> bool {
    /// How far the part that sets the allocator up may be from `malloc` itself, in calls.
    const DEPTH: usize = 2;
    let Some(heap) = bound(main, abi::HEAP_BASE) else { return false };
    let mut open: Vec<u32> = contents.export(abi::MALLOC).map(|(_, index)| index).into_iter().collect();
    let (mut knows_begin, mut knows_end) = (false, false);
    for _ in 0..=DEPTH {
        let mut next = Vec::new();
        for function in open {
            let operators = contents.body(function).and_then(|body| body.get_operators_reader().ok());
            for operator in operators.into_iter().flatten().map_while(Result::ok) {
                match operator {
                    Operator::I32Const { value } => {
                        knows_begin |= value.cast_unsigned() == heap.0;
                        knows_end |= value.cast_unsigned() == end;
                    }
                    Operator::Call { function_index } => next.push(function_index),
                    _ => {}
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        open = next;
    }
    knows_begin && !knows_end
}

/// The address of the word that `sbrk` keeps the break in: it is the start of the heap at first, or 0, and then code sets it to that.
fn break_pointer(main: &MainModule, contents: Contents<'_>, heap: u32) -> Option<u32> {
    let (_, function) = contents.export("sbrk").or_else(|| contents.export("emscripten_get_sbrk_ptr"))?;
    let body = contents.body(function)?;
    let mut constants = Vec::new();
    for operator in body.get_operators_reader().ok()? {
        if let Operator::I32Const { value } = operator.ok()? {
            constants.push(value.cast_unsigned());
        }
    }
    let set_in_code = constants.windows(2).find(|pair| pair[1] == heap).map(|pair| pair[0]);
    let part = Part {
        name: main.name().to_owned(),
        contents,
        supplies: Vec::new(),
        rebase: 0,
        is_pruned: false,
        sees_originals: false,
    };
    let spaces = Numbering::of_constants(&part);
    let image = Image::of(&part, &spaces);
    set_in_code.or_else(|| constants.into_iter().find(|address| image.word(*address) == heap))
}
