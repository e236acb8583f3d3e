//! Owns the shared resources of a process: the memory through the guest's own allocator, the function table, and the stack
//! pointer. It is the only place that grows or allocates any of them. Allocation is all or nothing: a reservation that cannot be
//! met leaves nothing allocated. Must not know what is put there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pydl_linker::{
    Address, Alignment, FreeSlots, LibraryPlacement, LibraryReservation, LinkError, Placement, Reservation,
    SlotCount, SlotsBeyond, TableSlot, abi,
};
use wasmtime::{
    AsContext, AsContextMut, Global, Instance, Memory, Ref, Table, TypedFunc, Val, WasmParams, WasmResults,
};

use super::view::{self, OutOfBounds, View};
use crate::base::halt::Halt;

/// Why the process has no room: the request cannot be met, or the guest's allocator has ended the guest.
pub(crate) type NoRoom = Halt<LinkError>;

/// The shared resources of one process.
#[derive(Clone)]
pub(crate) struct AddressSpace {
    pub memory: Memory,
    pub table: Table,
    pub stack_pointer: Global,
    /// Start of the main module's static data; 0 when its addresses are absolute.
    pub main_base: Address,
    allocator: Allocator,
    /// The free slots, shared by all clones. The lock is never held while guest code runs, since guest code may load libraries
    /// itself.
    free_slots: Arc<Mutex<FreeSlots>>,
}

/// The guest's own allocator, as far as its main module exports it.
#[derive(Clone)]
enum Allocator {
    /// All of C's allocation functions.
    Full { aligned_alloc: TypedFunc<(u32, u32), u32>, malloc: TypedFunc<u32, u32>, free: TypedFunc<u32, ()> },
    /// `calloc` alone, which is all that Emscripten's loader requires: what it allocated cannot be freed.
    Calloc(TypedFunc<(u32, u32), u32>),
}

impl Allocator {
    fn of(mut store: impl AsContextMut, main: &Instance) -> Option<Allocator> {
        let store = &mut store;
        let mut full = || {
            Some(Allocator::Full {
                aligned_alloc: main.get_typed_func(&mut *store, abi::ALIGNED_ALLOC).ok()?,
                malloc: main.get_typed_func(&mut *store, abi::MALLOC).ok()?,
                free: main.get_typed_func(&mut *store, abi::FREE).ok()?,
            })
        };
        match full() {
            Some(full) => Some(full),
            None => main.get_typed_func(&mut *store, abi::CALLOC).ok().map(Allocator::Calloc),
        }
    }
}

/// The resources of which a process has one each, whether a main module exports them or is given them.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    pub memory: Memory,
    pub table: Table,
    pub stack_pointer: Global,
    /// Start of the main module's static data; 0 when its addresses are absolute.
    pub main_base: Address,
}

impl Shared {
    /// The resources that a main module exports; `None` when it lacks one. The linker has reported by then which one.
    pub(crate) fn exported(mut store: impl AsContextMut, main: &Instance) -> Option<Shared> {
        let store = &mut store;
        Some(Shared {
            memory: main.get_memory(&mut *store, abi::MEMORY)?,
            table: main.get_table(&mut *store, abi::TABLE)?,
            stack_pointer: main.get_global(&mut *store, abi::STACK_POINTER)?,
            main_base: Address(0),
        })
    }
}

/// Runs guest code. When that does not return, the stack pointer is restored to its previous value, since the frames that would
/// have done so are gone.
pub(crate) fn keeping_stack<S: AsContextMut, T>(
    store: &mut S,
    stack_pointer: Global,
    run: impl FnOnce(&mut S) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let before = stack_pointer.get(&mut *store);
    let result = run(store);
    if result.is_err() {
        stack_pointer.set(store, before)?;
    }
    result
}

impl AddressSpace {
    /// The resources of a process, with the main module's allocator; `None` when the main module exports none.
    pub(crate) fn of(mut store: impl AsContextMut, main: &Instance, shared: Shared) -> Option<AddressSpace> {
        let store = &mut store;
        let Shared { memory, table, stack_pointer, main_base } = shared;
        Some(AddressSpace {
            memory,
            table,
            stack_pointer,
            main_base,
            allocator: Allocator::of(&mut *store, main)?,
            free_slots: Arc::default(),
        })
    }

    /// The same resources with another process's record of free slots, of whose table this one's is a copy.
    pub(crate) fn with_slots_of(self, other: &AddressSpace) -> AddressSpace {
        AddressSpace { free_slots: other.free_slots.clone(), ..self }
    }

    /// Calls a guest function.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> wasmtime::Result<R> {
        keeping_stack(&mut store, self.stack_pointer, |store| function.call(store, parameters))
    }

    /// Allocates everything that a load needs. Errs, leaving nothing allocated, when there is no room or the guest has ended.
    pub(crate) fn reserve(
        &self,
        mut store: impl AsContextMut,
        reservation: &Reservation,
    ) -> Result<Placement, NoRoom> {
        let mut taken = Placement { libraries: Vec::new(), function_slots: Vec::new() };
        match self.reserve_into(&mut store, reservation, &mut taken) {
            Ok(()) => Ok(taken),
            Err(no_room) => {
                // A guest that has ended cannot free its memory, and need not.
                if matches!(no_room, NoRoom::Refused(_)) {
                    self.release(&mut store, reservation, &taken).map_err(NoRoom::Ended)?;
                }
                Err(no_room)
            }
        }
    }

    fn reserve_into(
        &self,
        mut store: impl AsContextMut,
        reservation: &Reservation,
        taken: &mut Placement,
    ) -> Result<(), NoRoom> {
        for library in &reservation.libraries {
            // This is recorded before the slots are taken, so that a failure there frees the memory.
            let memory_base = self.take_memory(&mut store, library)?;
            taken.libraries.push(LibraryPlacement { memory_base, table_base: TableSlot(0) });
            let table_base =
                self.take_slots(&mut store, &library.path, library.table_size, library.table_alignment)?;
            if let Some(last) = taken.libraries.last_mut() {
                last.table_base = table_base;
            }
        }
        let count = reservation.function_slots;
        let first = self.take_slots(&mut store, &reservation.root, count, Alignment::ONE)?;
        taken.function_slots = (first.0..first.0 + count.get()).map(TableSlot).collect();
        Ok(())
    }

    /// Gives back what was reserved for a load that did not complete. Errs when the guest's `free` does not return; then the rest
    /// of the memory stays allocated.
    pub(crate) fn release(
        &self,
        mut store: impl AsContextMut,
        reservation: &Reservation,
        taken: &Placement,
    ) -> wasmtime::Result<()> {
        let placed = || reservation.libraries.iter().zip(&taken.libraries);
        for (library, placed) in placed().filter(|(_, placed)| placed.table_base.0 > 0) {
            self.release_slots(&mut store, placed.table_base, library.table_size.get());
        }
        if let Some(first) = taken.function_slots.first() {
            self.release_slots(&mut store, *first, reservation.function_slots.get());
        }
        placed()
            .filter(|(library, _)| library.memory_size > 0)
            .try_for_each(|(_, placed)| self.give_back(&mut store, placed.memory_base))
    }

    /// Allocates one table slot for a function whose address is requested; `None` when there is none.
    pub(crate) fn take_slot(&self, store: impl AsContextMut) -> Option<TableSlot> {
        let one = SlotCount::new(1).ok()?;
        self.take_slots(store, "", one, Alignment::ONE).ok()
    }

    /// Gives back the slots of a library; they are empty again.
    pub(crate) fn give_slots(&self, store: impl AsContextMut, first: TableSlot, count: u32) {
        self.release_slots(store, first, count);
    }

    /// Gives back a slot from [`AddressSpace::take_slot`]; it is empty again.
    pub(crate) fn give_slot(&self, store: impl AsContextMut, slot: TableSlot) {
        self.release_slots(store, slot, 1);
    }

    fn take_memory(
        &self,
        mut store: impl AsContextMut,
        library: &LibraryReservation,
    ) -> Result<Address, NoRoom> {
        if library.memory_size == 0 {
            return Ok(Address(0));
        }
        let refused =
            |why: String| NoRoom::Refused(LinkError::DoesNotFit { library: library.path.clone(), why });
        let (alignment, size) = library
            .allocation()
            .ok_or_else(|| refused("its memory does not fit a 32-bit memory".to_owned()))?;
        let address = self.allocate_aligned(&mut store, alignment, size).map_err(NoRoom::Ended)?;
        if address == 0 {
            return Err(refused(format!(
                "the guest's allocator has no {size} bytes aligned to {} for its static data",
                library.memory_alignment
            )));
        }
        let end = u64::from(address) + u64::from(size);
        if end > self.memory.data_size(&store) as u64 {
            return Err(refused(format!(
                "the guest's allocator returned {address:#x}, which is outside its memory"
            )));
        }
        Ok(Address(address))
    }

    /// The result of the guest's allocator: 0 when it has no room.
    fn allocate_aligned(&self, store: impl AsContextMut, alignment: u32, size: u32) -> wasmtime::Result<u32> {
        match &self.allocator {
            Allocator::Full { aligned_alloc, .. } => self.call(store, aligned_alloc, (alignment, size)),
            Allocator::Calloc(calloc) => {
                let Some(room) = size.checked_add(alignment) else { return Ok(0) };
                let address = self.call(store, calloc, (1, room))?;
                Ok(address.checked_next_multiple_of(alignment).unwrap_or(0))
            }
        }
    }

    fn take_slots(
        &self,
        mut store: impl AsContextMut,
        library: &str,
        count: SlotCount,
        alignment: Alignment,
    ) -> Result<TableSlot, NoRoom> {
        if count.get() == 0 {
            return Ok(TableSlot(0));
        }
        let mut free = self.free_slots();
        if let Some(slot) = free.recycle(count, alignment) {
            return Ok(slot);
        }
        let refused = || {
            let why = format!("the function table has no room for {} more slots", count.get());
            NoRoom::Refused(LinkError::DoesNotFit { library: library.to_owned(), why })
        };
        let end = u32::try_from(self.table.size(&store)).map_err(|_| refused())?;
        let beyond = SlotsBeyond::of(end, count, alignment).ok_or_else(refused)?;
        let more = u64::from(beyond.size - end);
        self.table.grow(&mut store, more, Ref::Func(None)).map_err(|_| refused())?;
        free.give(TableSlot(beyond.gap.start), beyond.gap.end - beyond.gap.start);
        Ok(beyond.first)
    }

    fn free_slots(&self) -> MutexGuard<'_, FreeSlots> {
        self.free_slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release_slots(&self, mut store: impl AsContextMut, first: TableSlot, count: u32) {
        if count == 0 {
            return;
        }
        let none = Ref::Func(None);
        let _ = self.table.fill(&mut store, u64::from(first.0), none, u64::from(count));
        self.free_slots().give(first, count);
    }

    /// Allocates and fills guest memory that will belong to the guest; `None` when there is none.
    pub(crate) fn copy_in(
        &self,
        mut store: impl AsContextMut,
        bytes: &[u8],
    ) -> wasmtime::Result<Option<Address>> {
        let size = u32::try_from(bytes.len())?;
        let address = match &self.allocator {
            Allocator::Full { malloc, .. } => self.call(&mut store, malloc, size.max(1))?,
            Allocator::Calloc(calloc) => self.call(&mut store, calloc, (1, size.max(1)))?,
        };
        if address == 0 || self.write(&mut store, Address(address), bytes).is_err() {
            return Ok(None);
        }
        Ok(Some(Address(address)))
    }

    /// Frees what [`AddressSpace::copy_in`] or the guest allocated, if the main module exports `free`.
    pub(crate) fn give_back(&self, mut store: impl AsContextMut, address: Address) -> wasmtime::Result<()> {
        match &self.allocator {
            Allocator::Full { free, .. } => self.call(&mut store, free, address.0),
            Allocator::Calloc(_) => Ok(()),
        }
    }

    /// The guest's memory, for reading.
    pub(crate) fn view<'a, T: 'static>(&self, store: &'a impl AsContext<Data = T>) -> View<'a> {
        View::of(self.memory, store)
    }

    /// Writes to the guest's memory. Errs, having written nothing, when the memory ends before that.
    pub(crate) fn write(
        &self,
        store: impl AsContextMut,
        address: Address,
        bytes: &[u8],
    ) -> Result<(), OutOfBounds> {
        view::write(self.memory, store, address.0, bytes)
    }

    /// Moves the stack pointer below what the running code may use without having reserved it: LLVM lets leaf functions use 128
    /// bytes below it (`WebAssemblyFrameLowering`, `RedZoneSize`). Returns the value to restore.
    pub(crate) fn skip_red_zone(&self, mut store: impl AsContextMut) -> wasmtime::Result<Val> {
        let before = self.stack_pointer.get(&mut store);
        if let Val::I32(address) = before {
            self.stack_pointer.set(&mut store, Val::I32(address.wrapping_sub(256) & !15))?;
        }
        Ok(before)
    }
}
