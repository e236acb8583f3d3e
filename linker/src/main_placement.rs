//! Owns where a position-independent main module is put: one that imports its memory, table and stack pointer, as Emscripten's
//! linker made them up to 4.0. Must not know who makes these.

use crate::abi;
use crate::ids::{Address, TableSlot};
use crate::parse::{ImportKind, ParsedModule};

/// Where static data begins: what is below is kept free, so that few pointers gone wrong hit data (Emscripten, `GLOBAL_BASE`).
const GLOBAL_BASE: u32 = 1024;
/// Bytes of the C stack. The module itself does not tell: it is what Pyodide links with (`STACK_SIZE`).
const STACK_SIZE: u32 = 5 << 20;
/// What the stack and the heap are aligned to, in bytes.
const STACK_ALIGNMENT: u32 = 16;

/// Where a position-independent main module is: its static data, then the stack, which grows down, then the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MainPlacement {
    /// Begin of its static data.
    pub memory_base: Address,
    /// Its first table slot; slot 0 is what C knows as `NULL`.
    pub table_base: TableSlot,
    /// The slot after its last.
    pub table_end: TableSlot,
    /// The end of its static data, and of the stack.
    pub stack_low: Address,
    /// Where the stack begins: the first value of the stack pointer.
    pub stack_high: Address,
}

impl MainPlacement {
    /// The place of a main module; `None` for one that is not position-independent, and for one that no memory is large enough for.
    pub(crate) fn of(module: &ParsedModule) -> Option<MainPlacement> {
        let dylink = module.dylink.as_ref()?;
        let imports = |name: &str, is_kind: fn(&ImportKind) -> bool| {
            module.imports.iter().any(|i| i.module == abi::ENV && i.name == name && is_kind(&i.kind))
        };
        let is_given = imports(abi::MEMORY, |kind| matches!(kind, ImportKind::Memory(_)))
            && imports(abi::TABLE, |kind| matches!(kind, ImportKind::Table(_)))
            && imports(abi::STACK_POINTER, |kind| matches!(kind, ImportKind::Global(ty) if ty.mutable))
            && imports(abi::MEMORY_BASE, |kind| matches!(kind, ImportKind::Global(_)));
        if !is_given {
            return None;
        }
        let memory = dylink.memory;
        let memory_base = GLOBAL_BASE.checked_next_multiple_of(memory.memory_alignment.get())?;
        let stack_low =
            memory_base.checked_add(memory.memory_size)?.checked_next_multiple_of(STACK_ALIGNMENT)?;
        let table_base = 1_u32.checked_next_multiple_of(memory.table_alignment.get())?;
        Some(MainPlacement {
            memory_base: Address(memory_base),
            table_base: TableSlot(table_base),
            table_end: TableSlot(table_base.checked_add(memory.table_size.get())?),
            stack_low: Address(stack_low),
            stack_high: Address(stack_low.checked_add(STACK_SIZE)?),
        })
    }

    /// The address that the loader knows under a name: bounds of the stack and the heap.
    pub fn bound(&self, name: &str) -> Option<Address> {
        match name {
            "__stack_low" => Some(self.stack_low),
            "__stack_high" | "__heap_base" => Some(self.stack_high),
            _ => None,
        }
    }
}
