//! Owns the state of a process that has just started, for inspection: the main module and the libraries that it itself needs. Must
//! not know what is loaded then.

use std::sync::Arc;

use super::stand_in::StandIn;
use crate::error::LinkError;
use crate::host::Host;
use crate::main_module::MainModule;
use crate::namespace::Namespace;
use crate::needed::{LibrarySource, LoadOrder, OpenMode};
use crate::search_path::Requester;

/// What is loaded in a process of `main` when it starts, and where. Errs when what the main module needs cannot be loaded.
pub(super) fn started(
    main: &Arc<MainModule>,
    libraries: &mut dyn LibrarySource,
    host: &dyn Host,
) -> Result<(Namespace, StandIn), LinkError> {
    let mut namespace = Namespace::new(main.clone(), Arc::new(Namespace::host_functions_of(main).collect()));
    let mut stand_in = StandIn::of(main);
    let requester = Requester::new(main.name(), []);
    let Some(order) = LoadOrder::discover_needed_of_main(&namespace, &requester, libraries)? else {
        return Ok((namespace, stand_in));
    };
    let functions = namespace.ask_host(&order, host);
    namespace.add_host_functions(functions);
    let roots = order.roots().to_vec();
    let first = order.root().file.path.clone();
    let resolved = order.resolve(&namespace, OpenMode::default())?;
    let reservation = resolved.reservation()?;
    let refused = |why: String| LinkError::DoesNotFit { library: first, why };
    let placement = stand_in
        .reserve(&reservation)
        .ok_or_else(|| refused("what the main module needs does not fit a 32-bit process".to_owned()));
    let placed = resolved
        .place(placement?)
        .map_err(|error| LinkError::DoesNotFit { library: error.library.clone(), why: error.why })?;
    let plan = placed.plan(&namespace);
    namespace.commit(&plan);
    for root in roots {
        namespace.open(root, true);
    }
    Ok((namespace, stand_in))
}
