//! Owns where a position-independent main module is placed: one that imports its memory, table and stack pointer, as Emscripten's
//! linker made them up to 4.0. Must not know who creates these.

use crate::base::abi;
use crate::base::ids::{Address, TableSlot};
use crate::parse::{ImportKind, ParsedModule};

/// Where static data begins; the addresses below are kept free, so that few stray pointers hit data (Emscripten, `GLOBAL_BASE`).
const GLOBAL_BASE: u32 = 1024;
/// Size of the C stack, in bytes. The module itself does not specify it: this is what Pyodide links with (`STACK_SIZE`).
const STACK_SIZE: u32 = 5 << 20;
/// Alignment of the stack and the heap, in bytes.
const STACK_ALIGNMENT: u32 = 16;

/// The layout of a position-independent main module: its static data, then the stack, which grows down, then the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MainPlacement {
    /// Start of the module's static data.
    pub memory_base: Address,
    /// The module's first table slot; slot 0 is what C knows as `NULL`.
    pub table_base: TableSlot,
    /// The slot after the module's last one.
    pub table_end: TableSlot,
    /// The end of the static data, which is the lower end of the stack.
    pub stack_low: Address,
    /// The upper end of the stack: the initial value of the stack pointer.
    pub stack_high: Address,
}

impl MainPlacement {
    /// Computes the placement of a main module; `None` for one that is not position-independent, and for one that no memory is
    /// large enough for.
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

    /// The address that the loader knows under a name: a bound of static data, of the stack or of the heap.
    pub fn bound(&self, name: &str) -> Option<Address> {
        match name {
            abi::GLOBAL_BASE => Some(self.memory_base),
            abi::DATA_END | abi::STACK_LOW => Some(self.stack_low),
            abi::STACK_HIGH | abi::HEAP_BASE => Some(self.stack_high),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CustomSection, EntityType, GlobalType, ImportSection, MemoryType, Module, RefType, TableType, ValType,
    };

    use super::*;

    /// A main module with this `MEM_INFO` that imports what it is given, except `left_out`.
    fn main(memory_info: &[u8], left_out: &str) -> Option<MainPlacement> {
        let mut dylink = vec![1, u8::try_from(memory_info.len()).unwrap()];
        dylink.extend(memory_info);
        let memory =
            MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
        let table = TableType {
            element_type: RefType::FUNCREF,
            minimum: 1,
            maximum: None,
            table64: false,
            shared: false,
        };
        let global = |mutable| GlobalType { val_type: ValType::I32, mutable, shared: false };
        let given: [(&str, EntityType); 4] = [
            (abi::MEMORY, memory.into()),
            (abi::TABLE, table.into()),
            (abi::STACK_POINTER, global(true).into()),
            (abi::MEMORY_BASE, global(false).into()),
        ];
        let mut imports = ImportSection::new();
        for (name, ty) in given.into_iter().filter(|(name, _)| *name != left_out) {
            imports.import(abi::ENV, name, ty);
        }
        let mut module = Module::new();
        module.section(&CustomSection { name: abi::DYLINK.into(), data: dylink.into() }).section(&imports);
        let mut exports = wasm_encoder::ExportSection::new();
        exports.export("memory", wasm_encoder::ExportKind::Global, 0);
        module.section(&exports);
        MainPlacement::of(&ParsedModule::parse(&module.finish()).unwrap())
    }

    /// The numbers are those of Pyodide 0.29.3, in its JavaScript.
    #[test]
    fn the_layout_is_emscriptens() {
        let placement = main(&[0x94, 0xd8, 0xd9, 0x01, 6, 0xbb, 0x2f, 0], "").unwrap();
        assert_eq!((placement.memory_base, placement.table_base), (Address(1024), TableSlot(1)));
        assert_eq!(placement.table_end, TableSlot(6076));
        assert_eq!(placement.bound("__stack_low"), Some(Address(3_567_648)));
        assert_eq!(placement.bound("__stack_high"), Some(Address(8_810_528)));
        assert_eq!(placement.bound("__heap_base"), Some(Address(8_810_528)));
        assert_eq!(placement.bound("__data_end"), Some(Address(3_567_648)));
        assert_eq!(placement.bound("__global_base"), Some(Address(1024)));
        assert_eq!(placement.bound(abi::MEMORY_BASE), None);
    }

    #[test]
    fn only_what_fits_and_is_given_everything_is_placed() {
        assert!(main(&[16, 4, 1, 0], "").is_some());
        for name in [abi::MEMORY, abi::TABLE, abi::STACK_POINTER, abi::MEMORY_BASE] {
            assert_eq!(main(&[16, 4, 1, 0], name), None, "{name}");
        }
        // 4 GiB less one byte.
        assert_eq!(main(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0], ""), None);
    }
}
