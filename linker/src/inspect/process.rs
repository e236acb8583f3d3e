//! Owns the state of a process that has just started, for inspection: the main module and the libraries that it itself needs. Must
//! not know what is loaded then.

use std::sync::Arc;

use crate::error::LinkError;
use crate::host::Host;
use crate::ids::{Address, SlotCount, TableSlot};
use crate::layout::{LibraryPlacement, Placement, Reservation};
use crate::main_module::MainModule;
use crate::namespace::Namespace;
use crate::needed::{LibrarySource, LoadOrder, OpenMode, Requester};

/// What is loaded in a process of `main` when it starts. Errs when what the main module needs cannot be loaded.
pub(super) fn started(
    main: &Arc<MainModule>,
    libraries: &mut dyn LibrarySource,
    host: &dyn Host,
) -> Result<Namespace, LinkError> {
    let mut namespace = Namespace::new(main.clone(), Arc::new(Namespace::host_functions_of(main).collect()));
    let requester = Requester { path: main.name().to_owned(), runtime_path: Vec::new() };
    let Some(order) = LoadOrder::discover_needed_of_main(&namespace, &requester, libraries)? else {
        return Ok(namespace);
    };
    let functions = namespace.ask_host(&order, host);
    namespace.add_host_functions(functions);
    let roots = order.roots().to_vec();
    let first = order.root().file.path.clone();
    let resolved = order.resolve(&namespace, OpenMode::default())?;
    let reservation = resolved.reservation()?;
    let refused = |why: String| LinkError::DoesNotFit { library: first, why };
    let placement = somewhere(&reservation)
        .ok_or_else(|| refused("what the main module needs does not fit a 32-bit process".to_owned()));
    let placed = resolved
        .place(placement?)
        .map_err(|error| LinkError::DoesNotFit { library: error.library.clone(), why: error.why })?;
    let plan = placed.plan(&namespace);
    namespace.commit(&plan);
    for root in roots {
        namespace.open(root, true);
    }
    Ok(namespace)
}

/// Places one after the other. Nothing is ever put there; no answer depends on where it is.
fn somewhere(reservation: &Reservation) -> Option<Placement> {
    let (mut memory, mut slot) = (0x1_0000_u32, 1_u32);
    let mut libraries = Vec::with_capacity(reservation.libraries.len());
    for library in &reservation.libraries {
        memory = memory.checked_next_multiple_of(library.memory_alignment.get())?;
        slot = slot.checked_next_multiple_of(library.table_alignment.get())?;
        libraries.push(LibraryPlacement { memory_base: Address(memory), table_base: TableSlot(slot) });
        memory = memory.checked_add(library.memory_size)?;
        slot = slot.checked_add(library.table_size.get())?;
    }
    let end = slot.checked_add(SlotCount::get(reservation.function_slots))?;
    Some(Placement { libraries, function_slots: (slot..end).map(TableSlot).collect() })
}
