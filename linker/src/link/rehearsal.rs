//! Owns loading into a process that does not exist: what is loaded in it, and where. Must not know what that is good for.

use std::sync::Arc;

use crate::base::ids::ModuleId;
use crate::link::driver::{Load, Opening, PlannedLoad, Room};
use crate::link::error::LinkError;
use crate::link::host::Host;
use crate::link::layout::{Placement, Reservation};
use crate::link::main_module::MainModule;
use crate::link::namespace::Namespace;
use crate::link::needed::{
    FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, LoadOrder, OpenMode,
};
use crate::link::plan::LoadPlan;
use crate::link::search_path::Requester;
use crate::link::stand_in::StandIn;
use crate::parse::ParsedModule;
use crate::parse::error::ParseError;

/// A process of a main module, without memory or code.
#[derive(Clone, Debug)]
pub(crate) struct Rehearsal {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) stand_in: StandIn,
    host: Arc<dyn Host>,
}

impl Rehearsal {
    /// A process that has just started, with the libraries that its main module needs itself, and its plans: by which the main
    /// module comes to life, and by which it is completed, if it is. Memory and slots are taken from `stand_in`. Errs when the
    /// libraries cannot be loaded.
    pub(crate) fn start(
        main: &Arc<MainModule>,
        libraries: &mut dyn LibrarySource,
        host: &Arc<dyn Host>,
        stand_in: StandIn,
    ) -> Result<(Rehearsal, Vec<Arc<LoadPlan>>), LinkError> {
        let of_host = Namespace::host_functions_of(main).collect();
        let mut process = Rehearsal {
            namespace: Arc::new(Namespace::new(main.clone(), Arc::new(of_host))),
            stand_in,
            host: host.clone(),
        };
        let first = Arc::new(LoadPlan::of_main(main, &**host)?);
        let mut plans = vec![first.clone()];
        let requester = Requester::new(main.name(), []);
        if let Some(load) = Load::of_main(&process.namespace, first, &requester, libraries)? {
            plans.push(Arc::new(process.commit(load)?.into_plan()));
        }
        Ok((process, plans))
    }

    /// Loads a library and what it needs. Returns it, with its load, unless it is there already. Errs as a load does.
    pub(crate) fn open(
        &mut self,
        name: &str,
        mode: OpenMode,
        libraries: &mut dyn LibrarySource,
    ) -> Result<(ModuleId, Option<PlannedLoad>), LinkError> {
        match Load::open(&self.namespace, name, mode, libraries)? {
            Opening::Loaded(id) => Ok((id, None)),
            Opening::New(load) => {
                let planned = self.commit(load)?;
                Ok((planned.plan().root(), Some(planned)))
            }
        }
    }

    fn commit(&mut self, load: Load) -> Result<PlannedLoad, LinkError> {
        let mut planned = load.plan(self)?;
        planned.commit(&mut self.namespace)?;
        Ok(planned)
    }
}

impl Room for Rehearsal {
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

/// A source in which the file that is opened has already been found and read.
pub(crate) struct Opened<'a> {
    pub(crate) file: &'a FoundLibrary,
    pub(crate) module: Arc<ParsedModule>,
    pub(crate) libraries: &'a mut dyn LibrarySource,
}

impl LibrarySource for Opened<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        match request.requester {
            None => Ok(self.file.clone()),
            Some(_) => self.libraries.find(request),
        }
    }

    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        if found.path == self.file.path { Ok(self.module.clone()) } else { self.libraries.parse(found) }
    }
}
