//! Owns how a process continues in another store while nothing of the guest runs: its journal is replayed, which makes the same instances
//! at the same addresses; memory, globals and references are copied; and what the system keeps for the process is taken along. Must not
//! know what is in a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use pydl_linker::{LoadPlan, abi};
use wasmtime::{
    AsContextMut as _, Extern, Global, HeapType, Instance, Memory, Mutability, Ref, Store, Table, Val,
};

use super::image::MainCode;
use super::{Process, emscripten_main, new_store};
use crate::base::error::{LoadError, Stop};
use crate::compile::recipes;
use crate::link::dlfcn::of_emscripten::OfEmscripten;
use crate::link::dlfcn::{self, Linking};
use crate::link::execute::{Execution, Generated, MainParts, Resources};
use crate::link::slots;
use crate::link::state::Links as _;
use crate::memory::address_space::{AddressSpace, Shared};
use crate::system::emscripten;
use crate::system::state::{ProcessState, Running};

/// What is left of a process in its first store, to be copied.
struct First {
    store: Store<ProcessState>,
    running: Running,
    /// Its memory.
    memory: Option<Memory>,
    /// Its instances, by id.
    instances: Vec<Option<Instance>>,
}

/// The main module in the second store.
struct NewMain {
    instance: Instance,
    shared: Option<Shared>,
    parts: MainParts,
}

impl Process {
    /// Continues in a new store. Errs when the guest keeps a reference that has no meaning in another store, and when the host has no room
    /// for a second store; then the guest has come to its end.
    pub(super) fn move_on(&mut self) -> Result<(), LoadError> {
        let Some((mut first, linking)) = self.leave_store() else { return Ok(()) };
        let main = self.make_main()?;
        let space = self.make_space(&mut first, &main)?;
        self.store.data_mut().running = Some(Running { main: main.instance, space: space.clone() });
        if let (Some(linking), Some(space)) = (linking, space) {
            self.replay_plans(&mut first, linking, &space, main.parts)?;
        }
        self.refill_slots()?;
        self.copy_state(&mut first, main.instance)
    }

    /// Moves everything that does not belong to the store into a new one; `None` when the guest has not started.
    fn leave_store(&mut self) -> Option<(First, Option<Linking>)> {
        let mut state =
            std::mem::replace(self.store.data_mut(), ProcessState::idle(&self.image.compiler, &OfEmscripten));
        let running = state.running.take()?;
        let linking = state.link_mut().and_then(|link| link.linking.take()).and_then(Result::ok);
        let memory = state.system.memory();
        state.system.leave_store();
        state.tags = BTreeMap::new();
        state.limits = state.limits.again(self.image.code());
        state.instances.1 = 0;
        let second = new_store(&self.image, state);
        let mut store = std::mem::replace(&mut self.store, second);
        let memory = memory.or_else(|| running.main.get_memory(&mut store, abi::MEMORY));
        let instances = vec![Some(running.main)];
        Some((First { store, running, memory, instances }, linking))
    }

    /// Instantiates the main module by the same plan as before.
    fn make_main(&mut self) -> Result<NewMain, LoadError> {
        match self.image.start.clone() {
            MainCode::Wasi(pre) => {
                let instance = pre.instantiate(&mut self.store).map_err(LoadError::engine)?;
                let shared = Shared::exported(&mut self.store, &instance);
                Ok(NewMain { instance, shared, parts: MainParts::default() })
            }
            MainCode::Emscripten(module) => {
                let made = emscripten_main::instantiate_again(&mut self.store, &self.image, &module);
                let made = made.map_err(|stop| match stop {
                    Stop::Refused(error) => error,
                    Stop::Ended(error) => LoadError::engine(error),
                })?;
                Ok(NewMain { instance: made.main, shared: made.shared, parts: made.parts })
            }
        }
    }

    /// Makes memory and table as large as they were.
    fn make_space(
        &mut self,
        first: &mut First,
        main: &NewMain,
    ) -> Result<Option<Arc<AddressSpace>>, LoadError> {
        let new = main.shared.map(|shared| shared.memory);
        let new = new.or_else(|| main.instance.get_memory(&mut self.store, abi::MEMORY));
        if let (Some(old), Some(new)) = (first.memory, new) {
            let more = old.size(&first.store).saturating_sub(new.size(&self.store));
            new.grow(&mut self.store, more).map_err(LoadError::engine)?;
            self.store.data_mut().system.set_memory(new);
        }
        let (Some(old), Some(shared)) = (&first.running.space, main.shared) else { return Ok(None) };
        let more = old.table.size(&first.store).saturating_sub(shared.table.size(&self.store));
        shared.table.grow(&mut self.store, more, Ref::Func(None)).map_err(LoadError::engine)?;
        let space = AddressSpace::of(&mut self.store, &main.instance, shared);
        Ok(space.map(|space| Arc::new(space.with_slots_of(old))))
    }

    /// Makes the instances of libraries, by the plans in the journal.
    fn replay_plans(
        &mut self,
        first: &mut First,
        linking: Linking,
        space: &Arc<AddressSpace>,
        mut parts: MainParts,
    ) -> Result<(), LoadError> {
        let main = first.running.main;
        let mut store = self.store.as_context_mut();
        let new_main = store.data().running.as_ref().map_or(main, |running| running.main);
        let (linking, instances) = linking.move_to(&mut store, new_main, space.clone())?;
        first.instances = instances;
        if let Some(link) = store.data_mut().link_mut() {
            link.linking = Some(Ok(linking));
        }
        let plans: Vec<Arc<LoadPlan>> = store.data().journal.plans().cloned().collect();
        for plan in plans.iter().filter(|plan| !plan.instantiates_main()) {
            self.replay_plan(plan, space, std::mem::take(&mut parts))?;
        }
        Ok(())
    }

    fn replay_plan(
        &mut self,
        plan: &LoadPlan,
        space: &AddressSpace,
        main: MainParts,
    ) -> Result<(), LoadError> {
        let compiler = self.store.data().compiler.clone();
        let thunks = plan.thunk_module().map(|thunks| {
            compiler.compile("generated thunks", &thunks.bytes, &recipes::of_generated(), || {})
        });
        let mut store = self.store.as_context_mut();
        let refused = |_| LoadError::Engine("the process has no libraries any more".to_owned());
        let linking = dlfcn::linking(&mut store).map_err(refused)?;
        let (namespace, loaded) = (linking.namespace.clone(), linking.instances.clone());
        let modules = linking.modules.clone();
        let mut execution = Execution {
            store: &mut store,
            resources: Resources::of(space),
            host: &self.image.host_functions,
            loaded: &loaded,
            modules: &modules,
            generated: Generated { thunks: thunks.transpose()?, ..Generated::default() },
            instances: BTreeMap::new(),
            thunks: None,
            provided: BTreeMap::new(),
            main,
        };
        execution.replay(plan, Some(&namespace)).map_err(LoadError::engine)?;
        let instances = execution.instances;
        let linking = dlfcn::linking(&mut store).map_err(refused)?;
        for (id, instance) in instances {
            if let Some(place) = linking.instances.get_mut(id.index()) {
                *place = Some(instance);
            }
        }
        Ok(())
    }

    /// Fills single slots with what they held.
    fn refill_slots(&mut self) -> Result<(), LoadError> {
        let mut store = self.store.as_context_mut();
        let space = store.data().running.as_ref().and_then(|running| running.space.clone());
        let Some(space) = space else { return Ok(()) };
        let contents: Vec<_> = store.data().journal.slots().map(|(slot, it)| (slot, it.clone())).collect();
        let put = |(slot, content)| slots::put(&mut store, &space, slot, &content);
        contents.into_iter().try_for_each(put).map_err(LoadError::engine)
    }

    /// Copies what the guest has changed in everything that was instantiated.
    fn copy_state(&mut self, first: &mut First, main: Instance) -> Result<(), LoadError> {
        let link = self.store.data().link();
        let new: Vec<Option<Instance>> = match link.and_then(|link| link.linking.as_ref()) {
            Some(Ok(linking)) => linking.instances.clone(),
            _ => vec![Some(main)],
        };
        if let (Some(old), Some(new)) = (first.memory, self.store.data().system.memory()) {
            self.copy_memory(first, old, new).map_err(LoadError::engine)?;
        }
        let old = first.instances.clone();
        for (old, new) in old.into_iter().zip(new).filter_map(|(old, new)| Some((old?, new?))) {
            self.copy_instance(first, old, new)?;
        }
        Ok(())
    }

    fn copy_instance(&mut self, first: &mut First, old: Instance, new: Instance) -> Result<(), LoadError> {
        let exports: Vec<(String, Extern)> = old
            .exports(&mut first.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, export) in exports {
            let counterpart = new.get_export(&mut self.store, &name);
            let copied = match (export, counterpart) {
                (Extern::Global(old), Some(Extern::Global(new))) => self.copy_global(first, old, new),
                (Extern::Table(old), Some(Extern::Table(new))) => self.copy_table(first, old, new),
                _ => Ok(()),
            };
            copied.map_err(|error| {
                LoadError::Engine(format!("going on in another process: `{name}`: {error}"))
            })?;
        }
        Ok(())
    }

    fn copy_memory(&mut self, first: &First, old: Memory, new: Memory) -> wasmtime::Result<()> {
        let old = old.data(&first.store);
        let lost = || wasmtime::Error::msg("there is less memory than before");
        new.data_mut(&mut self.store).get_mut(..old.len()).ok_or_else(lost)?.copy_from_slice(old);
        Ok(())
    }

    fn copy_global(&mut self, first: &mut First, old: Global, new: Global) -> wasmtime::Result<()> {
        if old.ty(&first.store).mutability() == Mutability::Const {
            return Ok(());
        }
        let value = old.get(&mut first.store);
        let value = match value {
            Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) | Val::V128(_) => value,
            reference => match reference.ref_() {
                Some(reference) => self.copy_reference(first, reference)?.into(),
                None => return Err(wasmtime::Error::msg("a value of an unknown type")),
            },
        };
        new.set(&mut self.store, value)
    }

    /// Copies a table of JavaScript values. Tables of functions are filled again by what filled them before.
    fn copy_table(&mut self, first: &mut First, old: Table, new: Table) -> wasmtime::Result<()> {
        let ty = old.ty(&first.store);
        if !matches!(ty.element().heap_type(), HeapType::Extern) {
            return Ok(());
        }
        let size = old.size(&first.store);
        let more = size.saturating_sub(new.size(&self.store));
        new.grow(&mut self.store, more, Ref::Extern(None))?;
        for at in 0..size {
            if let Some(reference) = old.get(&mut first.store, at).filter(|reference| !reference.is_null()) {
                let copy = self.copy_reference(first, reference)?;
                new.set(&mut self.store, at, copy)?;
            }
        }
        Ok(())
    }

    /// The counterpart of a reference in the new store: null, or the sentinel that stands for an error.
    fn copy_reference(&mut self, first: &mut First, reference: Ref) -> wasmtime::Result<Ref> {
        match reference {
            Ref::Extern(None) | Ref::Func(None) | Ref::Any(None) | Ref::Exn(None) => Ok(reference),
            Ref::Extern(Some(reference))
                if emscripten::is_a_sentinel(&first.store.as_context_mut(), reference)? =>
            {
                let sentinel = emscripten::sentinel(&mut self.store.as_context_mut())?;
                Ok(Ref::Extern(Some(sentinel)))
            }
            _ => Err(wasmtime::Error::msg("it holds a reference, which has no meaning in another process")),
        }
    }
}
