//! Owns the layout of a process's memory and table after loads, for people to look at: what the plans of these loads specify.
//! Must not know how it is shown.

use std::ops::Range;

use super::malformed;
use crate::base::abi;
use crate::base::ids::{Address, Alignment, ModuleId, TableSlot};
use crate::link::error::LinkError;
use crate::link::layout::{LibraryReservation, Reservation};
use crate::link::namespace::Namespace;
use crate::link::needed::{FoundLibrary, LibrarySource, OpenMode};
use crate::link::plan::LoadPlan;
use crate::link::rehearsal::{Opened, Rehearsal};
use crate::link::stand_in::{StandIn, bound};
use crate::parse::{ExportKind, ImportKind};

/// The owner of a part of the memory or of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Slot 0, which is what C knows as `NULL`.
    Null,
    /// The C stack, which grows down.
    Stack,
    /// The main module.
    Main,
    /// A library, by path.
    Library(String),
    /// Functions that have no slot of their own and whose addresses the load of this library takes.
    FunctionsOf(String),
}

/// A part of the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryRegion {
    /// The owner of the region.
    pub owner: Owner,
    /// Start of the region; `None` where the guest's allocator determines that.
    pub address: Option<Address>,
    /// Size of the region, in bytes.
    pub size: u32,
    /// Alignment of the region; `None` for the stack and the main module's data.
    pub alignment: Option<Alignment>,
    /// What is requested of the guest's allocator: alignment and size, in bytes; `None` for a region that it does not allocate.
    pub allocation: Option<(u32, u32)>,
}

/// A part of the function table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableRegion {
    /// The owner of the region.
    pub owner: Owner,
    /// The slots of the region.
    pub slots: Range<u32>,
    /// Alignment of the slots, in slots; `None` where none is required.
    pub alignment: Option<Alignment>,
}

/// The layout of a process. Regions are in the order in which they were allocated: those of the main module first, libraries in
/// load order.
#[derive(Clone, Debug)]
pub struct ProcessMap {
    /// Name of the main module.
    pub main: String,
    /// Number of 64 KiB pages that the memory has at the start, and the maximum; 0 and `None` when the main module does not
    /// specify them.
    pub pages: (u64, Option<u64>),
    /// The regions of the memory.
    pub memory: Vec<MemoryRegion>,
    /// Start of the heap, if the main module specifies it.
    pub heap: Option<Address>,
    /// Number of slots that the table has at the start.
    pub first_table_size: u32,
    /// Number of slots that the table has after the loads.
    pub table_size: u32,
    /// The regions of the table.
    pub table: Vec<TableRegion>,
    /// Size of the main module's thread-local data, in bytes; `None` when it does not specify any. Libraries have none: they
    /// would be refused.
    pub tls_size: Option<u32>,
    /// The files that are not loaded, each with the reason.
    pub refused: Vec<(String, LinkError)>,
    process: Rehearsal,
}

impl ProcessMap {
    /// The layout of a process that has just started, with what its main module needs itself.
    pub(super) fn started(process: Rehearsal) -> ProcessMap {
        let Rehearsal { namespace, stand_in, .. } = &process;
        let main = namespace.main().clone();
        let first_table_size = StandIn::of(&main).table_size;
        let mut map = ProcessMap {
            main: main.name().to_owned(),
            pages: pages(namespace),
            memory: memory_of_main(namespace),
            heap: bound(&main, abi::HEAP_BASE),
            first_table_size,
            table_size: stand_in.table_size,
            table: vec![TableRegion { owner: Owner::Null, slots: 0..1, alignment: None }],
            tls_size: bound(&main, abi::TLS_SIZE).map(|size| size.0),
            refused: Vec::new(),
            process,
        };
        let own = match main.placement() {
            Some(placement) => placement.table_base.0..placement.table_end.0,
            None => 1..first_table_size,
        };
        map.table.extend((!own.is_empty()).then_some(TableRegion {
            owner: Owner::Main,
            slots: own,
            alignment: None,
        }));
        // The plan of what the main module needs itself no longer exists, but the libraries do.
        let loaded: Vec<_> = map.process.namespace.libraries().to_vec();
        for library in loaded {
            let memory = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
            let slots = library.table_base.0..library.table_base.0.saturating_add(memory.table_size.get());
            let region = TableRegion {
                owner: Owner::Library(library.path.clone()),
                slots,
                alignment: Some(memory.table_alignment),
            };
            map.table.extend((!region.slots.is_empty()).then_some(region));
            let reservation = LibraryReservation::of(library.id, &library.path, memory);
            map.memory.extend(memory_region(&reservation));
        }
        let slots = map.process.stand_in.function_slots.clone();
        let owner = Owner::FunctionsOf(map.main.clone());
        map.table.extend((!slots.is_empty()).then_some(TableRegion { owner, slots, alignment: None }));
        map
    }

    /// Loads a file, as `dlopen` does, with what it needs; if it cannot be loaded, that is recorded.
    pub fn open(&mut self, file: &FoundLibrary, libraries: &mut dyn LibrarySource) {
        if let Err(why) = self.load(file, libraries) {
            self.refused.push((file.path.clone(), why));
        }
    }

    fn load(&mut self, file: &FoundLibrary, libraries: &mut dyn LibrarySource) -> Result<(), LinkError> {
        let module = libraries.parse(file).map_err(|error| malformed(file, error))?;
        let mut opened = Opened { file, module, libraries };
        let (_, planned) = self.process.open(&file.path, OpenMode::default(), &mut opened)?;
        let Some(planned) = planned else { return Ok(()) };
        self.table_size = self.process.stand_in.table_size;
        self.record(planned.plan(), planned.reservation());
        Ok(())
    }

    /// Adds the regions that a plan creates.
    fn record(&mut self, plan: &LoadPlan, reservation: &Reservation) {
        for library in &reservation.libraries {
            self.memory.extend(memory_region(library));
            let planned = plan.library(library.library);
            let first = planned.map_or(TableSlot(0), |planned| planned.library.table_base);
            let slots = first.0..first.0.saturating_add(library.table_size.get());
            if !slots.is_empty() {
                let owner = Owner::Library(library.path.clone());
                self.table.push(TableRegion { owner, slots, alignment: Some(library.table_alignment) });
            }
        }
        let slots = self.process.stand_in.function_slots.clone();
        let owner = Owner::FunctionsOf(plan.path(plan.root()).to_owned());
        self.table.extend((!slots.is_empty()).then_some(TableRegion { owner, slots, alignment: None }));
    }
}

/// The static data of a library; `None` when it has none.
fn memory_region(library: &LibraryReservation) -> Option<MemoryRegion> {
    (library.memory_size > 0).then(|| MemoryRegion {
        owner: Owner::Library(library.path.clone()),
        address: None,
        size: library.memory_size,
        alignment: Some(library.memory_alignment),
        allocation: library.allocation(),
    })
}

/// Stack and static data of the main module, as far as it shows where they are.
fn memory_of_main(namespace: &Namespace) -> Vec<MemoryRegion> {
    let main = namespace.main();
    let stack = bound(main, abi::STACK_LOW).zip(bound(main, abi::STACK_HIGH));
    let data = namespace.data_of(ModuleId::MAIN);
    let region = |owner, range: Range<Address>| MemoryRegion {
        owner,
        address: Some(range.start),
        size: range.end.0.saturating_sub(range.start.0),
        alignment: None,
        allocation: None,
    };
    let stack = stack.map(|(low, high)| region(Owner::Stack, low..high));
    let mut regions: Vec<MemoryRegion> = stack.into_iter().chain([region(Owner::Main, data)]).collect();
    regions.retain(|region| region.size > 0);
    regions.sort_by_key(|region| region.address);
    regions
}

/// The limits of the memory, in pages.
fn pages(namespace: &Namespace) -> (u64, Option<u64>) {
    let main = namespace.main();
    let imported = main.module().imports.iter().find_map(|import| match &import.kind {
        ImportKind::Memory(ty) => Some(*ty),
        _ => None,
    });
    let exported = match main.module().exports.get(abi::MEMORY).map(|export| export.kind) {
        Some(ExportKind::Memory(ty)) => Some(ty),
        _ => None,
    };
    let (initial, maximum) = imported.or(exported).map_or((0, None), |ty| (ty.initial, ty.maximum));
    let needed = main.placement().map_or(0, |placement| u64::from(placement.stack_high.0).div_ceil(0x1_0000));
    (initial.max(needed), maximum)
}
