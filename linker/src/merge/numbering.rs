//! Owns the index spaces of a merged module: which imports it keeps, and the new index of everything that a part refers to. Must not
//! know what the parts are.

use std::collections::HashMap;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{EntityType, Instruction, TypeSection};
use wasmparser::{ExternalKind, FuncType, Operator, RecGroup};

use super::MergeError;
use super::contents::{Contents, Counts, kind_of};

/// A module to be merged, and what supplies each of its imports.
pub(super) struct Part<'a> {
    /// What messages call it.
    pub name: String,
    pub contents: Contents<'a>,
    pub supplies: Vec<Supply>,
    /// What is added to the addresses that its exports hold: where its data lies, if these are offsets.
    pub rebase: u32,
    /// Whether its functions are there only as far as something reaches them.
    pub is_pruned: bool,
    /// Whether its references to a redirected function reach the original.
    pub sees_originals: bool,
}

impl Part<'_> {
    /// Whether a global is exported as the offset of data.
    pub(super) fn exports_data(&self, global: u32) -> bool {
        self.rebase != 0
            && self.contents.exports.iter().any(|it| it.kind == ExternalKind::Global && it.index == global)
    }
}

/// What an import of a part becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Supply {
    /// An import of the merged module.
    Import,
    /// A number in place of a global.
    Constant(u32),
    /// What a part exports under a name.
    Export {
        /// The position of the part.
        part: usize,
        /// Name of the export.
        name: String,
    },
}

/// What takes the place of a global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GlobalTarget {
    Index(u32),
    Constant(u32),
}

/// The new indices of what a part refers to, by its own indices.
#[derive(Default)]
pub(super) struct Spaces {
    pub types: Vec<u32>,
    pub functions: Vec<u32>,
    pub tables: Vec<u32>,
    pub memories: Vec<u32>,
    pub globals: Vec<GlobalTarget>,
    pub tags: Vec<u32>,
    /// The new index of each function that the part defines; `None` for one that is dropped.
    pub defined: Vec<Option<u32>>,
    /// The new index of the part's first element segment, and of its first data segment.
    pub elements: u32,
    pub data: u32,
}

/// A part's function that others reach under the name of another one.
pub(super) struct Redirect {
    /// The position of the part, and the name of its export, that is replaced.
    pub from: (usize, String),
    /// What replaces it.
    pub to: (usize, String),
}

/// The numbering of a merged module.
pub(super) struct Numbering {
    pub spaces: Vec<Spaces>,
    pub types: TypeSection,
    pub imports: Vec<MergedImport>,
    /// How many things of each kind there are, imported ones included.
    pub counts: Counts,
    /// The index of the type of functions without parameters and results, if there is one.
    pub procedure: Option<u32>,
}

/// An import of the merged module.
pub(super) struct MergedImport {
    pub module: String,
    pub name: String,
    pub entity: EntityType,
}

/// Where something is: an import of the merged module, or a definition of a part.
#[derive(Clone, Copy)]
enum Place {
    Imported(u32),
    Defined { part: usize, index: u32 },
    Constant(u32),
}

impl Numbering {
    /// Numbers everything in the parts. Errs when an import is supplied with what does not exist or is of another kind, and when
    /// exports refer to each other in a circle.
    pub(super) fn of(parts: &[Part<'_>], redirects: &[Redirect]) -> Result<Numbering, MergeError> {
        let mut spaces: Vec<Spaces> = parts.iter().map(|_| Spaces::default()).collect();
        let (types, procedure) = number_types(parts, &mut spaces)?;
        let (imports, kept, mut counts) = keep_imports(parts, &mut spaces)?;
        let first_defined = parts.iter().map(|part| first_defined(part, &mut counts)).collect();
        let resolver = Resolver { parts, kept, first_defined };
        for (position, part) in parts.iter().enumerate() {
            resolver.fill(position, part, &mut spaces[position])?;
            let of_imports = part.contents.imports.iter().filter(|it| kind_of(it.ty) == ExternalKind::Func);
            let defined = spaces[position].functions.iter().skip(of_imports.count());
            spaces[position].defined = defined.map(|index| Some(*index)).collect();
        }
        let (mut elements, mut data) = (0_u32, 0_u32);
        for (part, spaces) in parts.iter().zip(&mut spaces) {
            (spaces.elements, spaces.data) = (elements, data);
            elements = elements.saturating_add(count(part.contents.elements.len()));
            data = data.saturating_add(count(part.contents.data.len()));
        }
        let mut numbering = Numbering { spaces, types, imports, counts, procedure };
        numbering.redirect(parts, redirects)?;
        Ok(numbering)
    }

    /// The globals of a part as far as they are numbers; everything else is left out.
    pub(super) fn of_constants(part: &Part<'_>) -> Spaces {
        let globals = part.contents.imports.iter().zip(&part.supplies);
        let globals = globals.filter(|(import, _)| kind_of(import.ty) == ExternalKind::Global);
        let globals = globals.map(|(_, supply)| match supply {
            Supply::Constant(value) => GlobalTarget::Constant(*value),
            _ => GlobalTarget::Index(u32::MAX),
        });
        Spaces { globals: globals.collect(), ..Spaces::default() }
    }

    /// The new index of a part's export.
    pub(super) fn export(&self, parts: &[Part<'_>], part: usize, name: &str) -> Option<(ExternalKind, u32)> {
        let (kind, index) = parts.get(part)?.contents.export(name)?;
        let spaces = self.spaces.get(part)?;
        let of = |list: &[u32]| list.get(index as usize).copied();
        let imported = parts.get(part)?.contents.imported.functions;
        let index = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => match index.checked_sub(imported) {
                Some(defined) => spaces.defined.get(defined as usize).copied().flatten(),
                None => of(&spaces.functions),
            },
            ExternalKind::Table => of(&spaces.tables),
            ExternalKind::Memory => of(&spaces.memories),
            ExternalKind::Tag => of(&spaces.tags),
            ExternalKind::Global => match spaces.globals.get(index as usize)? {
                GlobalTarget::Index(index) => Some(*index),
                GlobalTarget::Constant(_) => None,
            },
        };
        Some((kind, index?))
    }

    /// The number of imported tables.
    pub(super) fn imported_tables(&self) -> u32 {
        count(self.imports.iter().filter(|import| matches!(import.entity, EntityType::Table(_))).count())
    }

    /// Leaves out the functions that are not `live`, by their indices: imports, and definitions.
    pub(super) fn drop_functions(&mut self, live: &[bool]) {
        let is_live = |index: u32| live.get(index as usize).copied().unwrap_or(false);
        let mut next = 0_u32;
        let compact: Vec<Option<u32>> = (0..count(live.len()))
            .map(|index| {
                let here = next;
                next = next.saturating_add(u32::from(is_live(index)));
                is_live(index).then_some(here)
            })
            .collect();
        let moved = |index: u32| compact.get(index as usize).copied().flatten();
        let mut function = 0;
        self.imports.retain(|import| match import.entity {
            EntityType::Function(_) | EntityType::FunctionExact(_) => {
                function += 1;
                is_live(function - 1)
            }
            _ => true,
        });
        for spaces in &mut self.spaces {
            for index in &mut spaces.functions {
                *index = moved(*index).unwrap_or(u32::MAX);
            }
            for index in &mut spaces.defined {
                *index = index.and_then(moved);
            }
        }
        self.counts.functions = next;
    }

    /// Lets the parts reach other functions in place of some.
    fn redirect(&mut self, parts: &[Part<'_>], redirects: &[Redirect]) -> Result<(), MergeError> {
        let mut changed = HashMap::new();
        for Redirect { from, to } in redirects {
            let index = |(part, name): &(usize, String)| match self.export(parts, *part, name) {
                Some((ExternalKind::Func, index)) => Ok(index),
                _ => Err(MergeError::in_part(parts, *part, format!("it exports no function `{name}`"))),
            };
            changed.insert(index(from)?, index(to)?);
        }
        for (part, spaces) in parts.iter().zip(&mut self.spaces) {
            if !part.sees_originals {
                for function in &mut spaces.functions {
                    *function = changed.get(function).copied().unwrap_or(*function);
                }
            }
        }
        Ok(())
    }
}

/// Numbers the types: function types that stand alone once, everything else as it is.
fn number_types(parts: &[Part<'_>], spaces: &mut [Spaces]) -> Result<(TypeSection, Option<u32>), MergeError> {
    let mut known: HashMap<FuncType, u32> = HashMap::new();
    let mut groups: Vec<(usize, &RecGroup)> = Vec::new();
    let mut next = 0_u32;
    for (position, part) in parts.iter().enumerate() {
        for group in &part.contents.groups {
            let size = count(group.types().len());
            let function = lone_function(group);
            let first = function.and_then(|ty| known.get(ty)).copied().unwrap_or_else(|| {
                groups.push((position, group));
                known.extend(function.map(|ty| (ty.clone(), next)));
                next = next.saturating_add(size);
                next - size
            });
            spaces[position].types.extend(first..first.saturating_add(size));
        }
    }
    let mut section = TypeSection::new();
    for (position, group) in groups {
        let mut renumber = Renumber { spaces: &spaces[position] };
        renumber
            .parse_recursive_type_group(section.ty(), group.clone())
            .map_err(|error| MergeError::of(parts, position, error))?;
    }
    Ok((section, known.get(&FuncType::new([], [])).copied()))
}

/// The function type that a group consists of, if nothing else belongs to it and it names no other type.
fn lone_function(group: &RecGroup) -> Option<&FuncType> {
    let mut types = group.types();
    let (Some(ty), None) = (types.next(), types.next()) else { return None };
    if !ty.is_final || ty.supertype_idx.is_some() {
        return None;
    }
    let wasmparser::CompositeInnerType::Func(function) = &ty.composite_type.inner else { return None };
    let names_none = |ty: &wasmparser::ValType| match ty {
        wasmparser::ValType::Ref(reference) => reference.type_index().is_none(),
        _ => true,
    };
    function.params().iter().chain(function.results()).all(names_none).then_some(function)
}

/// For each part and each of its imports that is kept, its index among the merged module's imports of its kind.
type Kept = Vec<HashMap<usize, u32>>;

/// Collects the imports that the merged module has, each once.
fn keep_imports(
    parts: &[Part<'_>],
    spaces: &mut [Spaces],
) -> Result<(Vec<MergedImport>, Kept, Counts), MergeError> {
    let mut all = Vec::new();
    let mut known: HashMap<(&str, &str), Vec<(EntityType, u32)>> = HashMap::new();
    let mut counts = Counts::default();
    let mut kept: Kept = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let mut of_part = HashMap::new();
        for (number, (import, supply)) in part.contents.imports.iter().zip(&part.supplies).enumerate() {
            if *supply != Supply::Import {
                continue;
            }
            let entity = Renumber { spaces: &spaces[position] }
                .entity_type(import.ty)
                .map_err(|error| MergeError::of(parts, position, error))?;
            let of_name = known.entry((import.module, import.name)).or_default();
            let index = of_name.iter().find(|(its, _)| *its == entity).map(|(_, index)| *index);
            let index = index.unwrap_or_else(|| {
                all.push(MergedImport {
                    module: import.module.to_owned(),
                    name: import.name.to_owned(),
                    entity,
                });
                let next = counts.of(kind_of(import.ty));
                of_name.push((entity, *next));
                *next += 1;
                *next - 1
            });
            of_part.insert(number, index);
        }
        kept.push(of_part);
    }
    Ok((all, kept, counts))
}

/// The indices that a part's first definitions of each kind get.
fn first_defined(part: &Part<'_>, counts: &mut Counts) -> Counts {
    let first = *counts;
    let contents = &part.contents;
    let defined = [
        (ExternalKind::Func, contents.functions.len()),
        (ExternalKind::Table, contents.tables.len()),
        (ExternalKind::Memory, contents.memories.len()),
        (ExternalKind::Global, contents.globals.len()),
        (ExternalKind::Tag, contents.tags.len()),
    ];
    for (kind, defined) in defined {
        let total = counts.of(kind);
        *total = total.saturating_add(count(defined));
    }
    first
}

/// Finds what imports are supplied with.
struct Resolver<'a, 'b> {
    parts: &'a [Part<'b>],
    kept: Kept,
    first_defined: Vec<Counts>,
}

impl Resolver<'_, '_> {
    /// Fills in the index spaces of a part.
    fn fill(&self, position: usize, part: &Part<'_>, spaces: &mut Spaces) -> Result<(), MergeError> {
        for (number, import) in part.contents.imports.iter().enumerate() {
            let kind = kind_of(import.ty);
            let place = self.import(position, number, kind, 0)?;
            self.push(spaces, kind, place);
        }
        let first = self.first_defined[position];
        let contents = &part.contents;
        let range = |first: u32, defined: usize| first..first.saturating_add(count(defined));
        spaces.functions.extend(range(first.functions, contents.functions.len()));
        spaces.tables.extend(range(first.tables, contents.tables.len()));
        spaces.memories.extend(range(first.memories, contents.memories.len()));
        spaces.globals.extend(range(first.globals, contents.globals.len()).map(GlobalTarget::Index));
        spaces.tags.extend(range(first.tags, contents.tags.len()));
        Ok(())
    }

    fn push(&self, spaces: &mut Spaces, kind: ExternalKind, place: Place) {
        let index = match place {
            Place::Imported(index) => index,
            Place::Defined { part, index } => {
                let imported = self.parts[part].contents.imported.get(kind);
                self.first_defined[part].get(kind).saturating_add(index.saturating_sub(imported))
            }
            Place::Constant(value) => return spaces.globals.push(GlobalTarget::Constant(value)),
        };
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => spaces.functions.push(index),
            ExternalKind::Table => spaces.tables.push(index),
            ExternalKind::Memory => spaces.memories.push(index),
            ExternalKind::Global => spaces.globals.push(GlobalTarget::Index(index)),
            ExternalKind::Tag => spaces.tags.push(index),
        }
    }

    /// Where an import of a part leads; `depth` counts the exports followed so far.
    fn import(
        &self,
        part: usize,
        number: usize,
        kind: ExternalKind,
        depth: usize,
    ) -> Result<Place, MergeError> {
        let import = &self.parts[part].contents.imports[number];
        let wrong = |why: String| {
            MergeError::in_part(
                self.parts,
                part,
                format!("its import {}.{} {why}", import.module, import.name),
            )
        };
        if depth > self.parts.len() {
            return Err(wrong("leads back to itself through other modules".to_owned()));
        }
        match self.parts[part].supplies.get(number) {
            None => Err(wrong("is supplied with nothing".to_owned())),
            Some(Supply::Import) => Ok(Place::Imported(self.kept[part][&number])),
            Some(Supply::Constant(value)) if kind == ExternalKind::Global => Ok(Place::Constant(*value)),
            Some(Supply::Constant(_)) => Err(wrong("is supplied with a number".to_owned())),
            Some(Supply::Export { part: definer, name }) => {
                let contents = self.parts.get(*definer).map(|part| &part.contents);
                let found = contents.and_then(|contents| contents.export(name));
                let (contents, index) = match (contents, found) {
                    (Some(contents), Some((found, index))) if found == kind => (contents, index),
                    _ => return Err(wrong(format!("is supplied with `{name}`, which is not there"))),
                };
                match contents.import_at(kind, index) {
                    Some(number) => self.import(*definer, number, kind, depth + 1),
                    None => Ok(Place::Defined { part: *definer, index }),
                }
            }
        }
    }
}

/// Rewrites what a part contains with new indices.
pub(super) struct Renumber<'a> {
    pub spaces: &'a Spaces,
}

/// Why an index cannot be rewritten.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum BadIndex {
    /// It is out of bounds.
    #[error("{what} {index} is out of bounds")]
    OutOfBounds { what: &'static str, index: u32 },
    /// The global that has it is a number here, and the code writes it.
    #[error("its code writes global {0}, which is an address that the linker has determined")]
    Written(u32),
}

type Renumbered<T> = Result<T, reencode::Error<BadIndex>>;

fn at(list: &[u32], index: u32, what: &'static str) -> Renumbered<u32> {
    let bad = BadIndex::OutOfBounds { what, index };
    list.get(index as usize).copied().ok_or(reencode::Error::UserError(bad))
}

impl Renumber<'_> {
    fn global(&self, index: u32) -> Renumbered<GlobalTarget> {
        let bad = BadIndex::OutOfBounds { what: "global", index };
        self.spaces.globals.get(index as usize).copied().ok_or(reencode::Error::UserError(bad))
    }
}

impl Reencode for Renumber<'_> {
    type Error = BadIndex;

    fn type_index(&mut self, index: u32) -> Renumbered<u32> {
        at(&self.spaces.types, index, "type")
    }

    fn type_index_unpacked(&mut self, index: wasmparser::UnpackedIndex) -> Renumbered<u32> {
        match index.as_module_index() {
            Some(index) => self.type_index(index),
            None => Err(reencode::Error::CanonicalizedHeapTypeReference),
        }
    }

    fn function_index(&mut self, index: u32) -> Renumbered<u32> {
        at(&self.spaces.functions, index, "function")
    }

    fn table_index(&mut self, index: u32) -> Renumbered<u32> {
        at(&self.spaces.tables, index, "table")
    }

    fn memory_index(&mut self, index: u32) -> Renumbered<u32> {
        at(&self.spaces.memories, index, "memory")
    }

    fn tag_index(&mut self, index: u32) -> Renumbered<u32> {
        at(&self.spaces.tags, index, "tag")
    }

    fn global_index(&mut self, index: u32) -> Renumbered<u32> {
        match self.global(index)? {
            GlobalTarget::Index(index) => Ok(index),
            GlobalTarget::Constant(_) => Err(reencode::Error::UserError(BadIndex::Written(index))),
        }
    }

    fn data_index(&mut self, index: u32) -> Renumbered<u32> {
        Ok(self.spaces.data.saturating_add(index))
    }

    fn element_index(&mut self, index: u32) -> Renumbered<u32> {
        Ok(self.spaces.elements.saturating_add(index))
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Renumbered<Instruction<'a>> {
        if let Operator::GlobalGet { global_index } = operator
            && let GlobalTarget::Constant(value) = self.global(global_index)?
        {
            return Ok(Instruction::I32Const(value.cast_signed()));
        }
        reencode::utils::instruction(self, operator)
    }
}

/// Converts a length to an index: all lengths here come from 32-bit modules.
pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
