//! Owns a process that does not exist, for inspection: what is loaded in it, and where. Must not know what is reported about it.

use std::sync::Arc;

use super::stand_in::StandIn;
use crate::link::driver::{Load, Room};
use crate::link::error::LinkError;
use crate::link::host::Host;
use crate::link::layout::{Placement, Reservation};
use crate::link::main_module::MainModule;
use crate::link::namespace::Namespace;
use crate::link::needed::{LibrarySource, LoadOrder};
use crate::link::plan::LoadPlan;
use crate::link::search_path::Requester;

/// A process of a main module, without memory or code.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) namespace: Arc<Namespace>,
    pub(super) stand_in: StandIn,
    host: Arc<dyn Host>,
}

impl Process {
    /// A process that has just started, with the libraries that its main module needs itself. Errs when those cannot be loaded.
    pub(super) fn start(
        main: &Arc<MainModule>,
        libraries: &mut dyn LibrarySource,
        host: &Arc<dyn Host>,
    ) -> Result<Process, LinkError> {
        let of_host = Namespace::host_functions_of(main).collect();
        let mut process = Process {
            namespace: Arc::new(Namespace::new(main.clone(), Arc::new(of_host))),
            stand_in: StandIn::of(main),
            host: host.clone(),
        };
        let plan = Arc::new(LoadPlan::of_main(main, &**host)?);
        let requester = Requester::new(main.name(), []);
        if let Some(load) = Load::of_main(&process.namespace, plan, &requester, libraries)? {
            let mut planned = load.plan(&mut process)?;
            planned.commit(&mut process.namespace)?;
        }
        Ok(process)
    }
}

impl Room for Process {
    type Refusal = LinkError;

    fn ask_host(
        &mut self,
        namespace: Arc<Namespace>,
        order: &LoadOrder,
    ) -> Result<Arc<Namespace>, LinkError> {
        let functions = namespace.ask_host(order, &*self.host);
        drop(namespace);
        Arc::make_mut(&mut self.namespace).add_host_functions(functions);
        Ok(self.namespace.clone())
    }

    fn reserve(&mut self, reservation: &Reservation) -> Result<Placement, LinkError> {
        // A load that does not fit allocates nothing.
        let mut stand_in = self.stand_in.clone();
        let placement = stand_in.reserve(reservation).ok_or_else(|| {
            let last = reservation.libraries.last().map(|library| library.path.clone());
            LinkError::DoesNotFit {
                library: last.unwrap_or_default(),
                why: "it does not fit a 32-bit process any more".to_owned(),
            }
        })?;
        self.stand_in = stand_in;
        Ok(placement)
    }
}
