//! Owns what stands in for the memory and table of a process when there is none: it allocates slots as a process does, and memory
//! one piece after the other, which a guest's allocator need not do. Must not know what is put there.

use std::ops::Range;

use crate::base::abi;
use crate::base::free_slots::{FreeSlots, SlotsBeyond};
use crate::base::ids::{Address, Alignment, SlotCount, TableSlot};
use crate::link::layout::{LibraryPlacement, Placement, Reservation};
use crate::link::main_module::MainModule;
use crate::parse::{ExportKind, ImportKind};

/// Where memory is allocated from when the main module does not show where its heap begins.
const SOMEWHERE: u32 = 0x1_0000;

/// The free memory and slots of a process that does not exist.
#[derive(Clone, Debug)]
pub(crate) struct StandIn {
    next: u32,
    free: FreeSlots,
    /// The size of the table, in slots.
    pub(crate) table_size: u32,
    /// The slots of the last reservation that single functions got.
    pub(crate) function_slots: Range<u32>,
}

impl StandIn {
    /// The free memory and slots of a process of `main` that has just started.
    pub(crate) fn of(main: &MainModule) -> StandIn {
        StandIn::from(main, bound(main, abi::HEAP_BASE).map_or(SOMEWHERE, |heap| heap.0.max(1)))
    }

    /// Memory from an address on, and the free slots of a process of `main` that has just started.
    pub(crate) fn from(main: &MainModule, next: u32) -> StandIn {
        StandIn { next, free: FreeSlots::default(), table_size: table_size(main), function_slots: 0..0 }
    }

    /// The end of the memory that was reserved.
    pub(crate) fn end(&self) -> u32 {
        self.next
    }

    /// Reserves as a process does. `None` when no 32-bit process has enough room; then what is left is meaningless.
    pub(crate) fn reserve(&mut self, reservation: &Reservation) -> Option<Placement> {
        let mut libraries = Vec::with_capacity(reservation.libraries.len());
        for library in &reservation.libraries {
            let mut memory_base = Address(0);
            if library.memory_size > 0 {
                let (alignment, size) = library.allocation()?;
                memory_base = Address(self.next.checked_next_multiple_of(alignment)?);
                self.next = memory_base.0.checked_add(size)?;
            }
            let table_base = self.take_slots(library.table_size, library.table_alignment)?;
            libraries.push(LibraryPlacement { memory_base, table_base });
        }
        let count = reservation.function_slots;
        let first = self.take_slots(count, Alignment::ONE)?;
        self.function_slots = first.0..first.0.checked_add(count.get())?;
        let function_slots = self.function_slots.clone().map(TableSlot).collect();
        Some(Placement { libraries, function_slots })
    }

    fn take_slots(&mut self, count: SlotCount, alignment: Alignment) -> Option<TableSlot> {
        if count.get() == 0 {
            return Some(TableSlot(0));
        }
        if let Some(first) = self.free.recycle(count, alignment) {
            return Some(first);
        }
        let beyond = SlotsBeyond::of(self.table_size, count, alignment)?;
        self.table_size = beyond.size;
        self.free.give(TableSlot(beyond.gap.start), beyond.gap.end - beyond.gap.start);
        Some(beyond.first)
    }
}

/// The address that a main module, or its placement, has under a name of the ABI.
pub(crate) fn bound(main: &MainModule, name: &str) -> Option<Address> {
    if let Some(placement) = main.placement() {
        return placement.bound(name);
    }
    match main.module().exports.get(name).map(|export| export.kind) {
        Some(ExportKind::Data { offset }) => Some(Address(offset)),
        _ => None,
    }
}

/// The size, in slots, of the table of a process at its start.
fn table_size(main: &MainModule) -> u32 {
    let imported = main.module().imports.iter().find_map(|import| match &import.kind {
        ImportKind::Table(ty) if import.name == abi::TABLE => Some(ty.initial),
        _ => None,
    });
    let exported = match main.module().exports.get(abi::TABLE).map(|export| export.kind) {
        Some(ExportKind::Table(ty)) => Some(ty.initial),
        _ => None,
    };
    let size = u32::try_from(imported.or(exported).unwrap_or(0)).unwrap_or(u32::MAX);
    main.placement().map_or(size, |placement| size.max(placement.table_end.0))
}
