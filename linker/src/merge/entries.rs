//! Owns what the tables of a program say: its libraries with their symbols and constructors, the functions that are asked about others, the
//! modules that Python is told about, and the embedded folder. Must not know how tables are laid out.

use std::collections::{BTreeMap, HashMap};

use super::MergeError;
use super::image::Image;
use super::numbering::{Numbering, Part, count};
use super::program::{MAIN, Program, relocations_of};
use super::python;
use super::static_linker::file_name;
use super::tables::{Arena, TableLibrary, TableSymbol, libraries, symbols};
use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::needed::dependencies_first;
use crate::link::plan::{LoadStep, has_function};
use crate::link::resolve::FunctionRef;
use crate::parse::abi_family::AbiFamily;
use crate::parse::{ExportKind, Exports};

/// The variables of the linker's own modules that hold their tables.
const PROGRAM: &str = "pydl_program";
const TREE_ROOT: &str = "pydl_tree";

impl Program<'_> {
    /// Fills in the tables of libraries, and makes the code that goes with them.
    pub(super) fn make_tables(&mut self, parts: &mut [Part<'_>]) -> Result<Vec<u8>, MergeError> {
        let base = self.linker.process.stand_in.end();
        let base = base.checked_next_multiple_of(16).ok_or_else(MergeError::memory_full)?;
        let mut arena = Arena::at(base);
        let mut all = Vec::new();
        for id in self.libraries.clone() {
            all.push(self.table_of(id)?);
        }
        let name = arena.text(self.linker.main.name())?;
        let of_main = if self.options.drops_unreached { Vec::new() } else { self.symbols_of(ModuleId::MAIN) };
        let of_main = symbols(&mut arena, of_main)?;
        let libraries = libraries(&mut arena, all)?;
        let fallbacks = self.fallbacks();
        let data = self.linker.main.static_data();
        let data = [data.start, data.end.saturating_sub(data.start)];
        let program = [&[name][..], &of_main, &data, &libraries, &fallbacks, &[0]].concat();
        let program: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.extras.writes.push((self.address_of(self.linked, PROGRAM)?, program));
        if let (Some(tree), Some(folder)) = (self.tree, &self.options.folder) {
            let root: Vec<u8> =
                folder.place(&mut arena)?.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.extras.writes.push((self.address_of(tree, TREE_ROOT)?, root));
        }
        self.announce_modules(parts, &mut arena)?;
        let end = arena.end()?;
        self.extras.writes.push(arena.into_data());
        let end = end.checked_next_multiple_of(16).ok_or_else(MergeError::memory_full)?;
        self.extras.memory_bytes = self.linker.room.least_memory(end);
        self.extras.writes.extend(self.linker.room.reserve(end));
        self.construct_needed();
        self.extras.table_slots = self.slots.end().into();
        self.extras.slots.append(&mut self.slots.given);
        if self.linker.room.moves_heap() {
            self.share(&mut parts[MAIN], end);
        }
        Ok(self.glue.finish())
    }

    /// The address of a variable of one of the linker's own modules.
    fn address_of(&self, module: ModuleId, name: &str) -> Result<u32, MergeError> {
        let library = self.linker.process.namespace.library(module);
        let export =
            library.and_then(|library| library.module.exports.get(name).map(|it| (library, it.kind)));
        match export {
            Some((library, ExportKind::Data { offset })) => Ok(library.memory_base.plus(offset).0),
            _ => Err(MergeError::new(self.name(module), "internal error: its tables have no place")),
        }
    }

    /// The slots of the functions that are asked about unknown libraries; 0 for all without a dynamic linker.
    fn fallbacks(&mut self) -> [u32; 6] {
        let (main, family) = (self.linker.main.module().clone(), self.linker.main.family());
        let of_both = [("dlopen", 2), ("dlsym", 2), ("dlclose", 1), ("dladdr", 2)];
        let mut slots = [0; 6];
        let wanted: Vec<(usize, &str, usize)> = match family {
            AbiFamily::Wasi if !self.options.asks_host => return slots,
            AbiFamily::Wasi => (0..)
                .zip(of_both)
                .chain([(4, ("dlerror", 2))])
                .map(|(field, (name, parameters))| (field, name, parameters))
                .collect(),
            AbiFamily::Emscripten => (0..)
                .zip(of_both)
                .chain([(5, ("dlerror", 0))])
                .map(|(field, (name, parameters))| (field, name, parameters))
                .collect(),
        };
        for (field, name, parameters) in wanted {
            let export = match family {
                AbiFamily::Wasi => self.glue.of_host(abi::DLFCN, name, parameters),
                AbiFamily::Emscripten if !has_function(&main, name) => continue,
                AbiFamily::Emscripten => self.glue.original(MAIN, name, parameters),
            };
            slots[field] = self.slots.give(self.glue.part, &export);
        }
        slots
    }

    /// The entry of a library in the table.
    fn table_of(&mut self, id: ModuleId) -> Result<TableLibrary, MergeError> {
        let namespace = self.linker.process.namespace.clone();
        let Some(library) = namespace.library(id) else {
            return Err(MergeError::new(self.name(id), "internal error: a library is lost"));
        };
        let numbers: HashMap<ModuleId, u32> = self.libraries.iter().copied().zip(0..).collect();
        let number = |ids: Vec<ModuleId>| ids.iter().filter_map(|id| numbers.get(id).copied()).collect();
        let constructs = has_function(&library.module, abi::CALL_CTORS);
        let memory = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
        Ok(TableLibrary {
            path: self.path(id),
            symbols: self.symbols_of(id),
            order: number(dependencies_first(&[id], |id| namespace.needed(id))),
            scope: number(namespace.with_dependencies(id)),
            construct: self.constructor_of(id, constructs)?,
            data: (library.memory_base.0, memory.memory_size),
            slots: (library.table_base.0, memory.table_size.get()),
        })
    }

    /// The slot of the function that constructs a library; 0 when there is nothing to do.
    fn constructor_of(&mut self, id: ModuleId, constructs: bool) -> Result<u32, MergeError> {
        let steps = self.linker.plans.iter().flat_map(|plan| plan.steps());
        let position = self.position(id);
        if !steps.into_iter().any(|step| *step == LoadStep::LimitStack(id)) {
            return Ok(if constructs { self.slots.give(position, abi::CALL_CTORS) } else { 0 });
        }
        let main = self.linker.main.module();
        if ![abi::STACK_BASE_FUNCTION, abi::STACK_END_FUNCTION].iter().all(|name| has_function(main, name)) {
            let why = "it checks its stack (__set_stack_limits), whose bounds the main module does not tell";
            return Err(MergeError::new(self.name(id), why));
        }
        let export = self.glue.limit_stack(MAIN, position, constructs);
        Ok(self.slots.give(self.glue.part, &export))
    }

    /// By what path the program opens a library: what was specified, or the name of the file.
    fn path(&self, id: ModuleId) -> String {
        let specified = self.linker.paths.get(&id).cloned();
        let name = self.name(id);
        specified.unwrap_or_else(|| file_name(name).to_owned())
    }

    /// The symbols of a module with their values; functions without a slot are given one.
    fn symbols_of(&mut self, id: ModuleId) -> Vec<TableSymbol> {
        let namespace = self.linker.process.namespace.clone();
        let (base, _) = namespace.bases(id);
        let module =
            namespace.library(id).map_or(self.linker.main.module(), |library| &library.module).clone();
        let part = self.position(id);
        let mut given: HashMap<u32, u32> = HashMap::new();
        let mut all = Vec::new();
        for (name, export) in module.exports.iter().filter(|(name, _)| abi::is_symbol(name)) {
            let (value, is_function) = match export.kind {
                ExportKind::Data { offset } => (base.plus(offset).0, false),
                ExportKind::Function { .. } => {
                    // What C code gets when it takes the address.
                    let export = module.exports.pointed_at(name);
                    let Some(ExportKind::Function { index, .. }) =
                        module.exports.get(&export).map(|it| it.kind)
                    else {
                        continue;
                    };
                    let slot = namespace.slot(FunctionRef { definer: id, index }).map(|slot| slot.0);
                    let give = || *given.entry(index.0).or_insert_with(|| self.slots.give(part, &export));
                    (slot.unwrap_or_else(give), true)
                }
                _ => continue,
            };
            all.push(TableSymbol { name: name.to_owned(), value, is_function });
        }
        all
    }

    /// Makes the extension modules of libraries known to Python, if the main module is one.
    fn announce_modules(&mut self, parts: &[Part<'_>], arena: &mut Arena) -> Result<(), MergeError> {
        let mut modules = Vec::new();
        for (number, id) in self.libraries.iter().enumerate() {
            let namespace = &self.linker.process.namespace;
            let Some(library) = namespace.library(*id) else { continue };
            let path = self.path(*id);
            for (init, name) in python::modules_of(&library.module.exports, &path) {
                modules.push((name, count(number), self.position(*id), init));
            }
        }
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for (name, _, part, _) in &modules {
            if let Some(other) = names.insert(name.clone(), *part) {
                let why = format!("it has the Python module `{name}`, and so has {}", parts[other].name);
                return Err(MergeError::new(&parts[*part].name, &why));
            }
        }
        let linked = self.position(self.linked);
        let entries = modules.into_iter().map(|(name, number, part, init)| {
            let export = self.glue.construct_first(linked, number, part, &init);
            (name, self.slots.give(self.glue.part, &export))
        });
        let entries: Vec<(String, u32)> = entries.collect();
        let main = &parts[MAIN];
        let spaces = Numbering::of_constants(main);
        let image = Image::of(main, &spaces).with(&relocations_of(main).unwrap_or_default());
        let exports: &Exports = &self.linker.main.module().exports;
        let (base, _) = self.linker.process.namespace.bases(ModuleId::MAIN);
        self.extras.writes.extend(python::announce(exports, base.0, &image, arena, &entries)?);
        Ok(())
    }
}
