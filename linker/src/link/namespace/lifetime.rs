//! Owns how long libraries stay loaded: references, which library keeps which, and how a library is removed from the namespace.
//! The rules are glibc's: a library stays while it is open, permanent, or used by one that stays; the others are unloaded
//! together, users before what they use. Must not know destructors, or who frees memory and slots.

use std::collections::BTreeSet;

use super::{Library, Namespace, Stage};
use crate::base::ids::{FuncIndex, ModuleId, TableSlot};
use crate::link::needed::dependencies_first;
use crate::link::plan::LoadPlan;
use crate::link::resolve::FunctionRef;

/// What an unloaded library leaves behind that can be reused.
#[derive(Clone, Debug)]
pub struct Unloaded {
    /// The library, as it was.
    pub library: Library,
    /// The slots that its functions were given in addition to its own.
    pub slots: Vec<TableSlot>,
}

impl Namespace {
    /// Counts one more `dlopen` of a library and, if requested, makes it and its dependencies global.
    pub fn open(&mut self, id: ModuleId, global: bool) {
        let Some(library) = self.library_mut(id) else { return };
        library.references = library.references.saturating_add(1);
        // Opening does not keep a library that is being unloaded: its destructors are running already.
        let is_leaving = library.stage >= Stage::Leaving;
        if global && !is_leaving {
            let known: BTreeSet<ModuleId> = self.global.iter().copied().collect();
            let new = self.with_dependencies(id).into_iter().filter(|id| !known.contains(id));
            let new: Vec<ModuleId> = new.collect();
            self.global.extend(new);
        }
    }

    /// Records that a library stays until the process ends.
    pub fn keep(&mut self, id: ModuleId) {
        if let Some(library) = self.library_mut(id) {
            library.is_permanent = true;
        }
    }

    /// Records that `user` obtained a symbol of another library after being loaded: that library stays as long as `user` does.
    /// What the main module uses stays until the process ends.
    pub fn depend(&mut self, user: ModuleId, on: ModuleId) {
        match self.library_mut(user) {
            Some(library) if user != on && on != ModuleId::MAIN => {
                library.uses.insert(on);
            }
            None if user == ModuleId::MAIN => self.keep(on),
            _ => {}
        }
    }

    /// Counts one `dlopen` less. Returns false when the library is not open.
    pub fn close(&mut self, id: ModuleId) -> bool {
        match self.library_mut(id) {
            Some(library) if library.references > 0 => {
                library.references -= 1;
                true
            }
            _ => false,
        }
    }

    /// Whether the constructors of any library have yet to begin, which is so while a load is under way.
    pub fn is_anything_waiting(&self) -> bool {
        self.libraries.iter().any(|library| library.stage == Stage::Waiting)
    }

    /// The libraries whose constructors have yet to begin, among a library and all that it needs, dependencies first.
    pub fn waiting_below(&self, id: ModuleId) -> Vec<ModuleId> {
        if !self.is_anything_waiting() {
            return Vec::new();
        }
        let mut order = dependencies_first(&[id], |id| self.needed(id));
        order.retain(|id| self.library(*id).is_some_and(|library| library.stage == Stage::Waiting));
        order
    }

    /// Records that the constructors of a library begin now. Returns false when they have begun before, and when the library is
    /// not loaded.
    pub fn begin(&mut self, id: ModuleId) -> bool {
        let library = self.library_mut(id).filter(|library| library.stage == Stage::Waiting);
        library.map(|library| library.stage = Stage::Begun).is_some()
    }

    /// A library whose initialization failed, among a library and all that it needs.
    pub(crate) fn failed_below(&self, id: ModuleId) -> Option<&Library> {
        if self.libraries.iter().all(|library| library.failure.is_none()) {
            return None;
        }
        let all = dependencies_first(&[id], |id| self.needed(id));
        all.into_iter().rev().filter_map(|id| self.library(id)).find(|library| library.failure.is_some())
    }

    /// Records that the initialization of a library failed, and why: the library can no longer be opened or needed.
    pub fn fail(&mut self, id: ModuleId, why: &str) {
        if let Some(library) = self.library_mut(id) {
            library.failure = Some(why.to_owned());
            library.stage = library.stage.max(Stage::Begun);
        }
    }

    /// Records that the initialization of a load failed, and why: the requested library and those libraries of the load whose
    /// constructors have not begun can no longer be opened or needed, and no library of the load is global.
    pub fn fail_load(&mut self, load: &LoadPlan, why: &str) {
        for planned in load.libraries() {
            let id = planned.library.id;
            if id == load.root() || self.library(id).is_some_and(|library| library.stage == Stage::Waiting) {
                self.fail(id, why);
            }
        }
        self.global.retain(|id| load.libraries().iter().all(|planned| planned.library.id != *id));
        let failed = load.libraries().iter().map(|planned| planned.library.id);
        let failed = failed.filter(|id| self.library(*id).is_some_and(|library| library.failure.is_some()));
        let failed: BTreeSet<ModuleId> = failed.collect();
        self.stop_sharing(&failed);
        self.close(load.root());
    }

    /// The libraries that nothing keeps, users before what they use, and later loads before earlier ones. The libraries in `busy`
    /// are kept by the caller.
    pub fn unused(&self, busy: &[ModuleId]) -> Vec<ModuleId> {
        let held = |library: &&Library| {
            let stays = library.references > 0 || library.is_permanent || library.failure.is_some();
            stays || library.stage >= Stage::Leaving
        };
        let held = self.libraries.iter().filter(held).map(|library| library.id).chain(busy.iter().copied());
        let used: BTreeSet<ModuleId> = self.used_first(held, &BTreeSet::new()).into_iter().collect();
        let all = self.libraries.iter().map(|library| library.id).filter(|id| !used.contains(id));
        let mut order = self.used_first(all, &used);
        order.reverse();
        order
    }

    /// Some libraries and all that they use, except those in `known`: post-order of a depth-first walk, without recursion.
    fn used_first(&self, from: impl Iterator<Item = ModuleId>, known: &BTreeSet<ModuleId>) -> Vec<ModuleId> {
        let mut order = Vec::new();
        let mut entered = known.clone();
        for start in from {
            let mut path = Vec::new();
            self.enter(start, &mut entered, &mut path);
            while let Some((library, uses)) = path.last_mut() {
                if let Some(next) = uses.pop() {
                    self.enter(next, &mut entered, &mut path);
                } else {
                    order.push(*library);
                    path.pop();
                }
            }
        }
        order
    }

    /// Descends to a library that was not entered before, with what it uses, last first: what it needs, in the order in which
    /// libraries are initialized, then the others.
    fn enter(
        &self,
        id: ModuleId,
        entered: &mut BTreeSet<ModuleId>,
        path: &mut Vec<(ModuleId, Vec<ModuleId>)>,
    ) {
        let Some(library) = self.library(id).filter(|_| entered.insert(id)) else { return };
        let uses = library.needed.iter().chain(&library.uses).copied();
        path.push((id, uses.rev().collect()));
    }

    /// Begins to unload libraries: later loads do not find them, nor does any scope, except scopes of libraries that are being
    /// unloaded, too.
    pub fn retire(&mut self, leaving: &[ModuleId]) {
        for id in leaving {
            let Some(library) = self.library_mut(*id) else { continue };
            library.stage = Stage::Leaving;
            library.references = 0;
            let (path, identity) = (library.path.clone(), library.identity);
            if self.by_path.get(&path) == Some(id) {
                self.by_path.remove(&path);
            }
            if let Some(identity) = identity.filter(|identity| self.by_identity.get(identity) == Some(id)) {
                self.by_identity.remove(&identity);
            }
            self.retire_file_name(*id, file_name(&path));
        }
        self.global.retain(|id| !leaving.contains(id));
        self.stop_sharing(&leaving.iter().copied().collect());
    }

    /// Replaces these libraries' data as the definitions that serve all by the data of other libraries, for imports bound from
    /// now on. Existing bindings stay.
    fn stop_sharing(&mut self, gone: &BTreeSet<ModuleId>) {
        let before = self.shared_data.len();
        self.shared_data.retain(|_, definer| !gone.contains(definer));
        if self.shared_data.len() == before {
            return;
        }
        let serving = |library: &&Library| library.stage < Stage::Leaving && library.failure.is_none();
        let libraries: Vec<ModuleId> =
            self.libraries.iter().filter(serving).map(|library| library.id).collect();
        for id in libraries {
            let Some(module) = self.module(id).cloned() else { continue };
            self.share_data(id, &module);
        }
    }

    /// Removes a library from the index of names for NEEDED entries; from now on, the next library of the same name satisfies
    /// them.
    fn retire_file_name(&mut self, id: ModuleId, name: &str) {
        if self.by_file_name.get(name) != Some(&id) {
            return;
        }
        let same = |library: &&Library| library.stage < Stage::Leaving && file_name(&library.path) == name;
        match self.libraries.iter().find(same).map(|library| library.id) {
            Some(next) => self.by_file_name.insert(name.to_owned(), next),
            None => self.by_file_name.remove(name),
        };
    }

    /// Records that the destructors of a library that is being unloaded have run.
    pub fn end(&mut self, id: ModuleId) {
        if let Some(library) = self.library_mut(id) {
            library.stage = Stage::Ended;
        }
    }

    /// Removes a library that is being unloaded; its id is not used again. `None` when there is no such library.
    pub fn remove(&mut self, id: ModuleId) -> Option<Unloaded> {
        let position = self
            .position(id)
            .filter(|at| self.libraries.get(*at).is_some_and(|l| l.stage >= Stage::Leaving))?;
        let function = |index| FunctionRef { definer: id, index: FuncIndex(index) };
        let given = self.slots.range(function(0)..=function(u32::MAX));
        let given: Vec<(FunctionRef, TableSlot)> = given.map(|(function, slot)| (*function, *slot)).collect();
        for (function, _) in &given {
            self.slots.remove(function);
        }
        let slots = given.into_iter().map(|(_, slot)| slot).collect();
        Some(Unloaded { library: self.libraries.remove(position), slots })
    }
}

/// The last component of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
