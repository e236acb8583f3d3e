//! Owns the journal of a process: the plans that it has committed and the other contents that its function table was given, as
//! data, from which its instances can be made again in another process. Must not know instances.
//!
//! What is made again is what modules are instantiated with. The state that they have reached since then lies in memory, in
//! globals and in the [`crate::Namespace`], and is copied.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::{ModuleId, TableSlot};
use crate::link::plan::{LoadPlan, LoadStep};
use crate::parse::Signature;

/// What a table slot was filled with, apart from the steps of plans and the element segments of modules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SlotContent {
    /// A function that a module exports and whose address was requested.
    Export {
        /// The module.
        module: ModuleId,
        /// The export.
        name: String,
    },
    /// A host function.
    Host {
        /// Name of the function.
        name: String,
        /// Type of the function.
        signature: Signature,
    },
    /// The function through which the main module's list of exit handlers calls those of libraries.
    ExitRunner,
    /// The trampoline of this number ([`crate::base::trampolines`]).
    Trampoline(usize),
    /// The function of the closure with this number, which C code has made.
    Closure(usize),
}

/// What a process has done to link, as far as it still matters.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    plans: Vec<Entry>,
    slots: BTreeMap<TableSlot, SlotContent>,
    /// The slots of functions that were bound at their first call, by the load that deferred them and their number in it.
    late: BTreeMap<(ModuleId, u32), TableSlot>,
}

/// A plan, and how many of its libraries are still loaded.
#[derive(Clone, Debug)]
struct Entry {
    plan: Arc<LoadPlan>,
    libraries: usize,
}

impl Journal {
    /// Adds a plan that was executed and committed.
    pub fn enter(&mut self, plan: Arc<LoadPlan>) {
        let libraries = plan.libraries().len();
        self.plans.push(Entry { plan, libraries });
    }

    /// The plans, in the order in which they were committed, except those none of whose libraries is loaded any more.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<LoadPlan>> {
        self.plans.iter().map(|entry| &entry.plan)
    }

    /// Records what a slot was filled with.
    pub fn fill(&mut self, slot: TableSlot, content: SlotContent) {
        self.slots.insert(slot, content);
    }

    /// Records that a slot is empty again.
    pub fn empty(&mut self, slot: TableSlot) {
        self.slots.remove(&slot);
    }

    /// What slots were filled with, by slot.
    pub fn slots(&self) -> impl Iterator<Item = (TableSlot, &SlotContent)> {
        self.slots.iter().map(|(slot, content)| (*slot, content))
    }

    /// Records the slot of the function that call number `number` of a load was bound to.
    pub fn bind_late(&mut self, load: ModuleId, number: u32, slot: TableSlot) {
        self.late.insert((load, number), slot);
    }

    /// The slot of the function that call number `number` of a load was bound to; `None` while it is not bound.
    pub fn bound_late(&self, load: ModuleId, number: u32) -> Option<TableSlot> {
        self.late.get(&(load, number)).copied()
    }

    /// Forgets a library that was unloaded.
    pub fn forget(&mut self, library: ModuleId) {
        let Some(entry) = self.plans.iter_mut().find(|entry| entry.plan.library(library).is_some()) else {
            return;
        };
        entry.libraries = entry.libraries.saturating_sub(1);
        if entry.libraries > 0 {
            return;
        }
        let load = entry.plan.root();
        // The main module's plan remains, as the main module does.
        self.plans.retain(|entry| entry.libraries > 0 || entry.plan.root() != load);
        let calls: Vec<_> = self.late.range((load, 0)..=(load, u32::MAX)).map(|(call, _)| *call).collect();
        for call in calls {
            self.late.remove(&call);
        }
    }
}

impl LoadPlan {
    /// The steps that make the plan's instances again, for those of its libraries that are still loaded. No guest code runs in
    /// them.
    pub fn steps_to_replay<'a>(
        &'a self,
        is_there: impl Fn(ModuleId) -> bool + 'a,
    ) -> impl Iterator<Item = &'a LoadStep> + 'a {
        self.steps().iter().filter(move |step| match step {
            LoadStep::MakeMemory { .. }
            | LoadStep::MakeTable { .. }
            | LoadStep::MakeStackPointer(_)
            | LoadStep::InstantiateForwarders
            | LoadStep::InstantiateThunks
            | LoadStep::SetHostSlot { .. }
            | LoadStep::SetForwarder { .. }
            | LoadStep::SetCell { .. } => true,
            LoadStep::Instantiate { module, .. } => is_there(*module),
            LoadStep::SetSlot { function, .. } => is_there(function.definer),
            // The effects of these steps lie in memory and in globals.
            LoadStep::Zero { .. }
            | LoadStep::Start(_)
            | LoadStep::LimitStack(_)
            | LoadStep::Relocate(_)
            | LoadStep::BeginStack => false,
        })
    }
}
