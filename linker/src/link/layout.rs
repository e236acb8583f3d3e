//! Owns the arithmetic of placement: what must be reserved for a load, and the check that what was reserved satisfies it. Must
//! not know who allocates, or how.

use crate::base::ids::{Address, Alignment, ModuleId, SlotCount, TableSlot};
use crate::link::error::LinkError;
use crate::link::needed::NewLibrary;
use crate::link::resolve::{ResolvedLibrary, ResolvedModules};
use crate::parse::MemoryInfo;

/// What one library requires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibraryReservation {
    /// Which library.
    pub library: ModuleId,
    /// Path of its file, for messages.
    pub path: String,
    /// Bytes of zeroed memory; 0 for none.
    pub memory_size: u32,
    /// Alignment of the memory, in bytes.
    pub memory_alignment: Alignment,
    /// Number of consecutive table slots; 0 for none.
    pub table_size: SlotCount,
    /// Alignment of the table slots, in slots.
    pub table_alignment: Alignment,
}

/// The least alignment requested of a guest's allocator, in bytes: the alignment that C programs rely on.
const MINIMUM_ALIGNMENT: u32 = 16;

impl LibraryReservation {
    /// The reservation for a library with these requirements.
    pub(crate) fn of(library: ModuleId, path: &str, memory: MemoryInfo) -> LibraryReservation {
        LibraryReservation {
            library,
            path: path.to_owned(),
            memory_size: memory.memory_size,
            memory_alignment: memory.memory_alignment,
            table_size: memory.table_size,
            table_alignment: memory.table_alignment,
        }
    }

    /// The alignment and the size to request of a guest's allocator, in bytes. C11's `aligned_alloc` wants the size to be a
    /// multiple of the alignment. `None` when that is more than a 32-bit memory holds.
    pub fn allocation(&self) -> Option<(u32, u32)> {
        let alignment = self.memory_alignment.get().max(MINIMUM_ALIGNMENT);
        Some((alignment, self.memory_size.checked_next_multiple_of(alignment)?))
    }
}

/// What a load needs from the process; to be allocated all or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// The requested library, for messages.
    pub root: String,
    /// One entry for each library, in initialization order.
    pub libraries: Vec<LibraryReservation>,
    /// The number of single table slots for functions whose address is taken and that have no slot.
    pub function_slots: SlotCount,
}

/// Where one library was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LibraryPlacement {
    /// Start of the library's static data; any value if it has none.
    pub memory_base: Address,
    /// The library's first table slot; any value if it has none.
    pub table_base: TableSlot,
}

/// What was allocated for a [`Reservation`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// One entry for each entry of [`Reservation::libraries`].
    pub libraries: Vec<LibraryPlacement>,
    /// As many slots as [`Reservation::function_slots`].
    pub function_slots: Vec<TableSlot>,
}

/// The libraries of a load, with their places in memory and in the table.
#[derive(Clone, Debug)]
pub(crate) struct PlacedModules {
    pub(crate) resolved: ResolvedModules,
    pub(crate) placement: Placement,
}

impl Reservation {
    /// Adds up what libraries require, in this order, along with this many single slots; `root` is the requested library. Errs
    /// when a requirement cannot be met by any 32-bit process.
    pub(crate) fn of<'a>(
        root: &str,
        new: impl Iterator<Item = &'a NewLibrary>,
        slotless: usize,
    ) -> Result<Reservation, LinkError> {
        let mut libraries = Vec::new();
        let mut slots = 0_u32;
        for library in new {
            let reservation = reserve(library)?;
            slots = slots.saturating_add(reservation.table_size.get());
            libraries.push(reservation);
        }
        let does_not_fit = |why: String| LinkError::DoesNotFit { library: root.to_owned(), why };
        let loose = u32::try_from(slotless).unwrap_or(u32::MAX);
        SlotCount::new(slots.saturating_add(loose)).map_err(|e| does_not_fit(e.to_string()))?;
        let function_slots = SlotCount::new(loose).map_err(|e| does_not_fit(e.to_string()))?;
        Ok(Reservation { root: root.to_owned(), libraries, function_slots })
    }
}

impl ResolvedModules {
    /// The libraries of the load in initialization order.
    pub fn libraries(&self) -> &[ResolvedLibrary] {
        &self.libraries
    }

    /// What must be allocated for the load. Errs when a requirement cannot be met by any 32-bit process.
    pub(crate) fn reservation(&self) -> Result<Reservation, LinkError> {
        let libraries = self.libraries.iter().map(|resolved| &resolved.library);
        Reservation::of(&self.root_name, libraries, self.single_slots())
    }

    /// How many functions need a single slot.
    fn single_slots(&self) -> usize {
        self.slotless.len().saturating_add(self.slotless_of_host.len())
    }

    /// Accepts an allocation. Errs when it does not satisfy the reservation: a bug in the allocator, which may be the guest's.
    pub(crate) fn place(self, placement: Placement) -> Result<PlacedModules, LinkError> {
        let unusable = |library: String, why: &str| LinkError::DoesNotFit {
            library,
            why: format!("the allocator gave an unusable place: {why}"),
        };
        if placement.libraries.len() != self.libraries.len()
            || placement.function_slots.len() != self.single_slots()
        {
            return Err(unusable(self.root_name, "it is not the one that was asked for"));
        }
        for (resolved, placed) in self.libraries.iter().zip(&placement.libraries) {
            check(resolved, *placed).map_err(|why| unusable(resolved.library.file.path.clone(), &why))?;
        }
        Ok(PlacedModules { resolved: self, placement })
    }
}

fn reserve(library: &NewLibrary) -> Result<LibraryReservation, LinkError> {
    let memory = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
    // One page of the address space never belongs to a library: the address after its last byte must exist.
    let largest = u32::MAX - 0xffff;
    if memory.memory_size.checked_add(memory.memory_alignment.get()).is_none_or(|end| end > largest) {
        return Err(LinkError::DoesNotFit {
            library: library.file.path.clone(),
            why: format!(
                "dylink.0 asks for {} bytes of memory aligned to {}, which is more than a 32-bit memory holds",
                memory.memory_size, memory.memory_alignment
            ),
        });
    }
    Ok(LibraryReservation::of(library.id, &library.file.path, memory))
}

fn check(resolved: &ResolvedLibrary, placed: LibraryPlacement) -> Result<(), String> {
    let module = &resolved.library.module;
    let Some(memory) = module.dylink.as_ref().map(|dylink| dylink.memory) else { return Ok(()) };
    let base = placed.memory_base;
    if memory.memory_size > 0 {
        if base.0 == 0 {
            return Err("address 0".to_owned());
        }
        if !memory.memory_alignment.divides(base.0) {
            return Err(format!("{base} is not aligned to {}", memory.memory_alignment));
        }
        if base.0.checked_add(memory.memory_size).is_none() {
            return Err(format!("{} bytes at {base} pass the end of memory", memory.memory_size));
        }
    }
    if memory.table_size.get() > 0 {
        let slot = placed.table_base;
        if !memory.table_alignment.divides(slot.0) {
            return Err(format!("{slot} is not aligned to {}", memory.table_alignment));
        }
        if slot.0.checked_add(memory.table_size.get()).is_none() {
            return Err(format!("{} slots at {slot} pass the end of the table", memory.table_size.get()));
        }
    }
    Ok(())
}
