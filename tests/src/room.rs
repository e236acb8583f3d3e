//! Owns a process without an engine: a namespace, and memory and slots that are handed out one after the other. Must not know what is
//! expected of a load.

use std::sync::Arc;

use pydl_linker::{
    AbiFamily, Address, Host, HostAddress, LibraryPlacement, LibrarySource, LinkError, Load, LoadOrder,
    LoadPlan, MainModule, ModuleId, Namespace, OpenMode, Opening, Placement, Requester, Reservation, Room,
    Signature, TableSlot,
};
use wasmparser::FuncType;

/// A process without an engine.
pub struct FakeProcess {
    /// What is loaded.
    pub namespace: Arc<Namespace>,
    /// The address of the next memory, in bytes.
    pub next_address: u32,
    /// The number of the next slot.
    pub next_slot: u32,
    /// The functions of the host beyond those that the main module imports.
    pub host: Functions,
}

/// A host that has functions of these names, in whatever type they are imported; by address, they have no parameters and results.
#[derive(Clone, Default, Debug)]
pub struct Functions(pub Vec<String>);

impl Host for Functions {
    fn function(&self, _: AbiFamily, _: &str, name: &str, wanted: &Signature) -> Option<Signature> {
        self.0.iter().any(|own| own == name).then(|| wanted.clone())
    }

    fn address(&self, _: AbiFamily, name: &str) -> Option<HostAddress> {
        let signature = Signature::new(FuncType::new([], []));
        self.0.iter().any(|own| own == name).then_some(HostAddress { signature, is_served: true })
    }
}

impl FakeProcess {
    /// A process of a main module whose host has the functions that the main module itself imports.
    pub fn of(main: MainModule) -> FakeProcess {
        let main = Arc::new(main);
        let host = Namespace::host_functions_of(&main).collect();
        FakeProcess {
            namespace: Arc::new(Namespace::new(main, Arc::new(host))),
            next_address: 0x1_0000,
            next_slot: 2,
            host: Functions::default(),
        }
    }

    /// Starts the main module, except for its code: by its own plan, and by the plan of what completes it, if there is one. The host has
    /// the functions of these names.
    ///
    /// # Errors
    ///
    /// Errs when the linker refuses.
    pub fn start(
        &mut self,
        host: Functions,
        source: &mut dyn LibrarySource,
    ) -> Result<(Arc<LoadPlan>, Option<LoadPlan>), LinkError> {
        let main = self.namespace.main().clone();
        let plan = Arc::new(LoadPlan::of_main(&main, &host)?);
        let requester = Requester::new(main.name(), []);
        let Some(load) = Load::of_main(&self.namespace, plan.clone(), &requester, source)? else {
            return Ok((plan, None));
        };
        self.host = host;
        let mut planned = load.plan(self)?;
        planned.commit(&mut self.namespace)?;
        Ok((plan, Some(planned.into_plan())))
    }

    /// What `dlopen` of a name brings in; nothing changes except what is handed out next. `None` when it is loaded already.
    ///
    /// # Errors
    ///
    /// Errs when the linker refuses.
    pub fn plan(
        &mut self,
        name: &str,
        mode: OpenMode,
        source: &mut dyn LibrarySource,
    ) -> Result<Option<LoadPlan>, LinkError> {
        match Load::open(&self.namespace, name, mode, source)? {
            Opening::Loaded(_) => Ok(None),
            Opening::New(load) => Ok(Some(load.plan(self)?.into_plan())),
        }
    }

    /// Does what `dlopen` does, except for the code.
    ///
    /// # Errors
    ///
    /// Errs when the linker refuses.
    pub fn open(
        &mut self,
        name: &str,
        mode: OpenMode,
        source: &mut dyn LibrarySource,
    ) -> Result<Opened, LinkError> {
        match Load::open(&self.namespace, name, mode, source)? {
            Opening::Loaded(id) => {
                self.namespace_mut().open(id, mode.global);
                Ok(Opened::Already(id))
            }
            Opening::New(load) => {
                let mut planned = load.plan(self)?;
                planned.commit(&mut self.namespace)?;
                Ok(Opened::New(planned.into_plan()))
            }
        }
    }

    /// What is loaded, to be changed.
    pub fn namespace_mut(&mut self) -> &mut Namespace {
        Arc::make_mut(&mut self.namespace)
    }
}

/// What `dlopen` did.
pub enum Opened {
    /// The library was loaded already: it counted one more reference.
    Already(ModuleId),
    /// It loaded libraries, by this plan.
    New(LoadPlan),
}

impl Room for FakeProcess {
    type Refusal = LinkError;

    fn ask_host(
        &mut self,
        namespace: Arc<Namespace>,
        order: &LoadOrder,
    ) -> Result<Arc<Namespace>, LinkError> {
        let functions = namespace.ask_host(order, &self.host);
        drop(namespace);
        self.namespace_mut().add_host_functions(functions);
        Ok(self.namespace.clone())
    }

    fn reserve(&mut self, reservation: &Reservation) -> Result<Placement, LinkError> {
        let beyond = || LinkError::DoesNotFit { library: String::new(), why: "no room".to_owned() };
        let mut libraries = Vec::with_capacity(reservation.libraries.len());
        for library in &reservation.libraries {
            let base = self.next_address.checked_next_multiple_of(library.memory_alignment.get());
            let memory_base = base.ok_or_else(beyond)?;
            self.next_address = memory_base.checked_add(library.memory_size).ok_or_else(beyond)?;
            let base = self.next_slot.checked_next_multiple_of(library.table_alignment.get());
            let table_base = base.ok_or_else(beyond)?;
            self.next_slot = table_base.checked_add(library.table_size.get()).ok_or_else(beyond)?;
            libraries.push(LibraryPlacement {
                memory_base: Address(memory_base),
                table_base: TableSlot(table_base),
            });
        }
        let first = self.next_slot;
        self.next_slot = first.checked_add(reservation.function_slots.get()).ok_or_else(beyond)?;
        Ok(Placement { libraries, function_slots: (first..self.next_slot).map(TableSlot).collect() })
    }
}
