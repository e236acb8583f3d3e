//! Owns the sequence of a load, from a name to libraries that later loads know: the table of contents of the linker. Each stage
//! is constructed from the one before it, and nothing in the process changes before a plan is committed. Must not know who reads
//! files or whose memory is handed out.

use std::sync::Arc;

use crate::base::ids::ModuleId;
use crate::link::error::LinkError;
use crate::link::layout::{Placement, Reservation};
use crate::link::namespace::Namespace;
use crate::link::needed::{LibrarySource, LoadOrder, OpenMode, Searched};
use crate::link::plan::LoadPlan;
use crate::link::resolve::ResolvedModules;
use crate::link::search_path::Requester;

/// What a load requires of the process it is for, once its files are found: the host functions, and room for the libraries.
pub trait Room {
    /// Why a load is refused: the linker's reason, or the process's own.
    type Refusal: From<LinkError>;

    /// Adds the host functions that the libraries of a load want to what the process knows of the host ([`Namespace::ask_host`]),
    /// and returns the namespace of loaded modules. Called only when the libraries want something that the namespace does not
    /// know. Errs when the process is gone.
    fn ask_host(
        &mut self,
        namespace: Arc<Namespace>,
        order: &LoadOrder,
    ) -> Result<Arc<Namespace>, Self::Refusal>;

    /// Receives the bindings of all imports before any room is reserved for the load. Errs when the load is to be refused.
    fn bindings_resolved(&mut self, _: &Namespace, _: &ResolvedModules) -> Result<(), Self::Refusal> {
        Ok(())
    }

    /// Allocates memory and table slots, all or nothing. Errs when there is no room.
    fn reserve(&mut self, reservation: &Reservation) -> Result<Placement, Self::Refusal>;

    /// Frees what was allocated for a load that is abandoned. Errs when that fails in the guest, which has then ended.
    fn release(&mut self, _: &Reservation, _: &Placement) -> Result<(), Self::Refusal> {
        Ok(())
    }
}

/// The outcome of opening a library.
pub enum Opening {
    /// The library is loaded already, or the main module contains it.
    Loaded(ModuleId),
    /// The library has to be loaded, along with the libraries it needs.
    New(Load),
}

/// Libraries that were found and are to be loaded together, into the process whose namespace this was at the time.
pub struct Load {
    namespace: Arc<Namespace>,
    order: LoadOrder,
    mode: OpenMode,
}

impl Load {
    /// Starts the `dlopen` of a name. Errs when a file is missing or is not a library for this process, and, with `RTLD_NOLOAD`,
    /// when the library is not loaded.
    pub fn open(
        namespace: &Arc<Namespace>,
        name: &str,
        mode: OpenMode,
        source: &mut dyn LibrarySource,
    ) -> Result<Opening, LinkError> {
        let order = match LoadOrder::discover(namespace, name, source)? {
            Searched::Loaded(id) => return Ok(Opening::Loaded(id)),
            Searched::New(_) if mode.noload => {
                return Err(LinkError::NotLoaded { library: name.to_owned() });
            }
            Searched::New(order) => order,
        };
        let order = if mode.deepbind { order.with_own_scope_first() } else { order };
        Ok(Opening::New(Load { namespace: namespace.clone(), order, mode }))
    }

    /// The load that completes the main module, once the main module is instantiated by its own plan ([`LoadPlan::of_main`]): the
    /// libraries that it needs itself, and the values of its GOT cells; `requester` stands for the main module in the search.
    /// `None` when it needs neither. Errs as [`Load::open`] does.
    pub fn of_main(
        namespace: &Arc<Namespace>,
        main: Arc<LoadPlan>,
        requester: &Requester,
        source: &mut dyn LibrarySource,
    ) -> Result<Option<Load>, LinkError> {
        if !main.leaves_main_open() {
            return Ok(None);
        }
        let mut order = LoadOrder::discover_needed_of_main(namespace, requester, source)?;
        order.main = Some(main);
        let mode = OpenMode { global: true, ..OpenMode::default() };
        Ok(Some(Load { namespace: namespace.clone(), order, mode }))
    }

    /// Decides everything: what each import is bound to, where everything lies, and which steps are to be executed. Errs when a
    /// symbol cannot be bound or when the room refuses; nothing is then allocated.
    pub fn plan<R: Room>(self, room: &mut R) -> Result<PlannedLoad, R::Refusal> {
        let Load { mut namespace, order, mode } = self;
        if order.wants_of_host(&namespace) {
            namespace = room.ask_host(namespace, &order)?;
        }
        let roots = order.roots().to_vec();
        let resolved = order.resolve(&namespace, mode)?;
        room.bindings_resolved(&namespace, &resolved)?;
        let reservation = resolved.reservation()?;
        let placement = room.reserve(&reservation)?;
        let placed = resolved.place(placement.clone());
        let plan = match placed.and_then(|placed| placed.plan(&namespace)) {
            Ok(plan) => plan,
            Err(error) => {
                room.release(&reservation, &placement)?;
                return Err(error.into());
            }
        };
        debug_assert_eq!(plan.check(), Ok(()));
        Ok(PlannedLoad { namespace: Some(namespace), plan, reservation, placement, roots, mode })
    }
}

/// A load of which everything is decided and nothing is done yet, except that its room is reserved.
#[derive(Debug)]
pub struct PlannedLoad {
    /// The namespace that the decisions were based on, until the load is committed.
    namespace: Option<Arc<Namespace>>,
    plan: LoadPlan,
    reservation: Reservation,
    placement: Placement,
    roots: Vec<ModuleId>,
    mode: OpenMode,
}

impl PlannedLoad {
    /// The steps to execute.
    pub fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    /// The memory and table slots that were requested.
    pub fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// The memory and table slots that were allocated.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Makes the libraries known to later loads, and opens the requested ones; to be called after the plan was executed up to the
    /// first constructor. Errs when the process's namespace is no longer the one that the decisions were based on.
    pub fn commit(&mut self, namespace: &mut Arc<Namespace>) -> Result<(), LinkError> {
        let decided_on = self.namespace.take();
        if !decided_on.is_some_and(|decided_on| Arc::ptr_eq(&decided_on, namespace)) {
            return Err(LinkError::Overtaken { library: self.plan.path(self.plan.root()).to_owned() });
        }
        let namespace = Arc::make_mut(namespace);
        namespace.commit(&self.plan);
        for root in &self.roots {
            namespace.open(*root, self.mode.global);
            if self.mode.nodelete {
                namespace.keep(*root);
            }
        }
        Ok(())
    }

    /// The plan alone, without its namespace and room.
    pub fn into_plan(self) -> LoadPlan {
        self.plan
    }
}
