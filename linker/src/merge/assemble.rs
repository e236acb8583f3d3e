//! Owns the writing of a merged module: all sections, from parts that are numbered. Must not know where parts come from.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, ImportSection,
    MemorySection, MemoryType, Module, NameMap, NameSection, StartSection, TableSection, TableType,
    TagSection,
};
use wasmparser::{DataKind, ElementKind, ExternalKind, Name};

use super::numbering::{GlobalTarget, MergedImport, Numbering, Part, Renumber, Spaces};
use super::{MergeError, bodies};

/// What a merged module has besides its parts.
#[derive(Default)]
pub(super) struct Extras {
    /// The least number of bytes that the memory has.
    pub memory_bytes: u64,
    /// The least number of slots that the table `table` of the merged module has.
    pub table_slots: u64,
    /// Bytes that static data begins with, in place of what segments put there: address, and bytes.
    pub writes: Vec<(u32, Vec<u8>)>,
    /// Functions in table slots: slot, part, and name of the export.
    pub slots: Vec<(u32, usize, String)>,
    /// Functions to call at the start, without parameters and results, besides the start functions of the parts.
    pub starts: Vec<(usize, String)>,
    /// What is exported: name, part, and the name of the part's export.
    pub exports: Vec<(String, usize, String)>,
    /// Whether the tags of the parts are left out.
    pub has_no_tags: bool,
    /// Custom sections that come first, and those that come last.
    pub first: Vec<(String, Vec<u8>)>,
    pub last: Vec<(String, Vec<u8>)>,
}

/// Writes the merged module. Errs when a part is malformed.
pub(super) fn assemble(
    parts: &[Part<'_>],
    numbering: &Numbering,
    extras: &Extras,
) -> Result<Vec<u8>, MergeError> {
    let mut module = Module::new();
    let assembly = Assembly { parts, numbering, extras };
    for (name, data) in &extras.first {
        module.section(&CustomSection { name: name.into(), data: data.into() });
    }
    let starts = assembly.starts()?;
    let start = assembly.start(&starts)?;
    let data = assembly.data()?;
    let has_data_count = parts.iter().any(|part| part.contents.has_data_count);
    let functions = assembly.functions(start.is_some())?;
    let (tables, memories) = (assembly.tables()?, assembly.memories()?);
    let (tags, globals, exports) = (assembly.tags()?, assembly.globals()?, assembly.exports()?);
    let elements = assembly.elements()?;
    let code = assembly.code(start.map(|_| starts.as_slice()))?;
    // An engine that does not know a kind of section refuses an empty one, too.
    let mut add = |is_there: bool, section: &dyn Encoded| {
        if is_there {
            section.add_to(&mut module);
        }
    };
    add(!numbering.types.is_empty(), &numbering.types);
    add(!numbering.imports.is_empty(), &assembly.imports());
    add(!functions.is_empty(), &functions);
    add(!tables.is_empty(), &tables);
    add(!memories.is_empty(), &memories);
    add(!tags.is_empty(), &tags);
    add(!globals.is_empty(), &globals);
    add(!exports.is_empty(), &exports);
    if let Some(function_index) = start.or(starts.first().copied()) {
        add(true, &StartSection { function_index });
    }
    add(!elements.is_empty(), &elements);
    add(has_data_count, &DataCountSection { count: data.len() });
    add(!code.is_empty(), &code);
    add(!data.is_empty(), &data);
    add(true, &assembly.names());
    for (name, data) in &extras.last {
        module.section(&CustomSection { name: name.into(), data: data.into() });
    }
    Ok(module.finish())
}

/// A section that can be added to a module.
trait Encoded {
    fn add_to(&self, module: &mut Module);
}

impl<S: wasm_encoder::Section> Encoded for S {
    fn add_to(&self, module: &mut Module) {
        module.section(self);
    }
}

struct Assembly<'a, 'b> {
    parts: &'a [Part<'b>],
    numbering: &'a Numbering,
    extras: &'a Extras,
}

impl<'b> Assembly<'_, 'b> {
    /// The parts with their index spaces.
    fn parts(&self) -> impl Iterator<Item = (&Part<'b>, &Spaces)> {
        self.parts.iter().zip(&self.numbering.spaces)
    }

    /// Calls `write` for each part; errors get the part's name.
    fn each(
        &self,
        mut write: impl FnMut(&Part<'b>, &mut Renumber<'_>) -> Result<(), reencode::Error<super::BadIndex>>,
    ) -> Result<(), MergeError> {
        for (position, (part, spaces)) in self.parts().enumerate() {
            write(part, &mut Renumber { spaces })
                .map_err(|error| MergeError::of(self.parts, position, error))?;
        }
        Ok(())
    }

    /// The index of a function that a part exports.
    fn function(&self, part: usize, name: &str) -> Result<u32, MergeError> {
        match self.numbering.export(self.parts, part, name) {
            Some((ExternalKind::Func, index)) => Ok(index),
            _ => Err(MergeError::in_part(self.parts, part, format!("it exports no function `{name}`"))),
        }
    }

    /// The functions to call at the start: those of the parts, then the others.
    fn starts(&self) -> Result<Vec<u32>, MergeError> {
        let mut starts = Vec::new();
        self.each(|part, renumber| {
            if let Some(start) = part.contents.start {
                starts.push(renumber.function_index(start)?);
            }
            Ok(())
        })?;
        for (part, name) in &self.extras.starts {
            starts.push(self.function(*part, name)?);
        }
        Ok(starts)
    }

    /// The index of the function that calls several start functions; `None` when there is at most one.
    fn start(&self, starts: &[u32]) -> Result<Option<u32>, MergeError> {
        match (starts.len(), self.numbering.procedure) {
            (..=1, _) => Ok(None),
            (_, Some(_)) => Ok(Some(self.numbering.counts.functions)),
            (_, None) => {
                Err(MergeError::in_part(self.parts, 0, "its start function has an unusual type".to_owned()))
            }
        }
    }

    fn imports(&self) -> ImportSection {
        let mut section = ImportSection::new();
        let is_kept = |import: &&MergedImport| {
            !(self.extras.has_no_tags && matches!(import.entity, EntityType::Tag(_)))
        };
        for import in self.numbering.imports.iter().filter(is_kept) {
            section.import(&import.module, &import.name, import.entity);
        }
        section
    }

    fn functions(&self, with_start: bool) -> Result<FunctionSection, MergeError> {
        let mut section = FunctionSection::new();
        self.each(|part, renumber| {
            for (ty, index) in part.contents.functions.iter().zip(&renumber.spaces.defined) {
                if index.is_some() {
                    section.function(renumber.type_index(*ty)?);
                }
            }
            Ok(())
        })?;
        section_of_start(with_start, self.numbering.procedure, &mut section);
        Ok(section)
    }

    /// The tables; the one of the first part gets the slots of all parts.
    fn tables(&self) -> Result<TableSection, MergeError> {
        let mut section = TableSection::new();
        let common = self.numbering.spaces.first().and_then(|spaces| spaces.tables.first()).copied();
        let mut index = self.numbering.imported_tables();
        self.each(|part, renumber| {
            for table in &part.contents.tables {
                let mut ty = renumber.table_type(table.ty)?;
                if Some(index) == common {
                    enlarge(&mut ty, self.extras.table_slots);
                }
                section.table(ty);
                index = index.saturating_add(1);
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn memories(&self) -> Result<MemorySection, MergeError> {
        let mut section = MemorySection::new();
        self.each(|part, renumber| {
            for memory in &part.contents.memories {
                let mut ty: MemoryType = renumber.memory_type(*memory)?;
                ty.minimum = ty.minimum.max(self.extras.memory_bytes.div_ceil(0x1_0000));
                section.memory(ty);
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn tags(&self) -> Result<TagSection, MergeError> {
        let mut section = TagSection::new();
        self.each(|part, renumber| {
            for tag in part.contents.tags.iter().filter(|_| !self.extras.has_no_tags) {
                section.tag(reencode::utils::tag_type(renumber, *tag)?);
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn globals(&self) -> Result<GlobalSection, MergeError> {
        let mut section = GlobalSection::new();
        self.each(|part, renumber| {
            for (global, index) in part.contents.globals.iter().zip(part.contents.imported.globals..) {
                let value = constant(&global.init_expr, renumber.spaces);
                match value.filter(|_| part.exports_data(index)) {
                    Some(offset) => {
                        let address = offset.wrapping_add(part.rebase);
                        let ty = renumber.global_type(global.ty)?;
                        section.global(ty, &ConstExpr::i32_const(address.cast_signed()));
                    }
                    None => renumber.parse_global(&mut section, global.clone())?,
                }
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn exports(&self) -> Result<ExportSection, MergeError> {
        let mut section = ExportSection::new();
        for (name, part, export) in &self.extras.exports {
            let missing =
                || MergeError::in_part(self.parts, *part, format!("its export `{export}` is not there"));
            let (kind, index) = self.numbering.export(self.parts, *part, export).ok_or_else(missing)?;
            section.export(name, export_kind(kind), index);
        }
        Ok(section)
    }

    fn elements(&self) -> Result<ElementSection, MergeError> {
        let mut section = ElementSection::new();
        self.each(|part, renumber| {
            for element in &part.contents.elements {
                add_element(&mut section, renumber, element.clone())?;
            }
            Ok(())
        })?;
        let table = self.numbering.spaces.first().and_then(|spaces| spaces.tables.first()).copied();
        let table = table.filter(|table| *table != 0);
        let mut slots: Vec<(u32, u32)> = Vec::new();
        for (slot, part, name) in &self.extras.slots {
            slots.push((*slot, self.function(*part, name)?));
        }
        slots.sort_unstable();
        for run in slots.chunk_by(|(before, _), (after, _)| before.checked_add(1) == Some(*after)) {
            let functions: Vec<u32> = run.iter().map(|(_, function)| *function).collect();
            let first = run.first().map_or(0, |(slot, _)| *slot);
            let offset = ConstExpr::i32_const(first.cast_signed());
            section.active(table, &offset, Elements::Functions(functions.into()));
        }
        Ok(section)
    }

    /// The bodies, in as many threads as the machine has.
    fn code(&self, starts: Option<&[u32]>) -> Result<CodeSection, MergeError> {
        let mut jobs: Vec<(usize, &wasmparser::FunctionBody<'_>)> = Vec::new();
        for (position, (part, spaces)) in self.parts().enumerate() {
            let live = part.contents.bodies.iter().zip(&spaces.defined).filter(|(_, index)| index.is_some());
            jobs.extend(live.map(|(body, _)| (position, body)));
        }
        let mut section = CodeSection::new();
        for encoded in self.encode(&jobs)? {
            for body in encoded {
                section.raw(&body);
            }
        }
        if let Some(starts) = starts {
            let mut function = Function::new([]);
            let mut sink = function.instructions();
            for start in starts {
                sink.call(*start);
            }
            sink.end();
            section.function(&function);
        }
        Ok(section)
    }

    /// Encodes bodies, each of a part; threads take pieces of the list one after the other, since bodies differ in size.
    fn encode(
        &self,
        jobs: &[(usize, &wasmparser::FunctionBody<'_>)],
    ) -> Result<Vec<Vec<Vec<u8>>>, MergeError> {
        /// A number of bodies that takes about a millisecond.
        const PIECE: usize = 256;
        let pieces: Vec<_> = jobs.chunks(PIECE).collect();
        let (next, done) = (AtomicUsize::new(0), pieces.iter().map(|_| OnceLock::new()).collect::<Vec<_>>());
        let work = || {
            while let Some((piece, done)) =
                take(&next, &pieces).and_then(|at| Some((pieces[at], done.get(at)?)))
            {
                let encode = |(part, body): &(usize, &wasmparser::FunctionBody<'_>)| {
                    let encoded = bodies::encode(&self.numbering.spaces[*part], body);
                    encoded.map_err(|error| MergeError::of(self.parts, *part, error))
                };
                let _ = done.set(piece.iter().map(encode).collect::<Result<Vec<_>, _>>());
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let lost = || MergeError::in_part(self.parts, 0, "internal error: a body was not written".to_owned());
        done.into_iter().map(|done| done.into_inner().ok_or_else(lost)?).collect()
    }

    /// The data of all parts with the writes applied; what no segment covers gets a segment of its own.
    fn data(&self) -> Result<DataSection, MergeError> {
        let mut section = DataSection::new();
        let mut pending = Pending::of(&self.extras.writes);
        self.each(|part, renumber| {
            for data in &part.contents.data {
                match &data.kind {
                    DataKind::Passive => {
                        section.passive(data.data.iter().copied());
                    }
                    DataKind::Active { memory_index, offset_expr } => {
                        let memory = renumber.memory_index(*memory_index)?;
                        let (offset, bytes) = match constant(offset_expr, renumber.spaces) {
                            Some(address) => (
                                ConstExpr::i32_const(address.cast_signed()),
                                pending.applied(address, data.data),
                            ),
                            None => (renumber.const_expr(offset_expr.clone())?, data.data.into()),
                        };
                        section.active(memory, &offset, bytes.iter().copied());
                    }
                }
            }
            Ok(())
        })?;
        for (address, bytes) in pending.left() {
            section.active(0, &ConstExpr::i32_const(address.cast_signed()), bytes.iter().copied());
        }
        Ok(section)
    }

    /// The names of functions, as far as the parts have them.
    fn names(&self) -> NameSection {
        let mut names: Vec<(u32, &str)> = Vec::new();
        for (part, spaces) in self.parts() {
            let imported = part.contents.imported.functions;
            for (index, name) in function_names(&part.contents.customs) {
                let defined = index.checked_sub(imported).and_then(|at| spaces.defined.get(at as usize));
                names.extend(defined.copied().flatten().map(|index| (index, name)));
            }
        }
        names.sort_by_key(|(index, _)| *index);
        names.dedup_by_key(|(index, _)| *index);
        let mut map = NameMap::new();
        for (index, name) in &names {
            map.append(*index, name);
        }
        let mut section = NameSection::new();
        section.functions(&map);
        section
    }
}

/// The position of the next piece that nobody has taken yet.
fn take<T>(next: &AtomicUsize, pieces: &[T]) -> Option<usize> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at < pieces.len()).then_some(at)
}

fn section_of_start(with_start: bool, procedure: Option<u32>, section: &mut FunctionSection) {
    if let (true, Some(ty)) = (with_start, procedure) {
        section.function(ty);
    }
}

fn enlarge(ty: &mut TableType, slots: u64) {
    ty.minimum = ty.minimum.max(slots);
    ty.maximum = ty.maximum.map(|maximum| maximum.max(slots));
}

fn export_kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

/// Adds an element segment. The offset of an active one becomes a number where it is known, and its table is named: without a name it
/// would be the first table, which may be another one now.
fn add_element(
    section: &mut ElementSection,
    renumber: &mut Renumber<'_>,
    element: wasmparser::Element<'_>,
) -> Result<(), reencode::Error<super::BadIndex>> {
    let ElementKind::Active { table_index, offset_expr } = &element.kind else {
        return renumber.parse_element(section, element);
    };
    let table = renumber.table_index(table_index.unwrap_or(0))?;
    let offset = match constant(offset_expr, renumber.spaces) {
        Some(slot) => ConstExpr::i32_const(slot.cast_signed()),
        None => renumber.const_expr(offset_expr.clone())?,
    };
    let items = renumber.element_items(element.items)?;
    section.active((table != 0).then_some(table), &offset, items);
    Ok(())
}

/// The value of an initial expression of type `i32`, if it is known: sums of numbers and of globals that are numbers.
pub(super) fn constant(expression: &wasmparser::ConstExpr<'_>, spaces: &Spaces) -> Option<u32> {
    use wasmparser::Operator::{End, GlobalGet, I32Add, I32Const, I32Mul, I32Sub};
    let mut stack: Vec<u32> = Vec::new();
    for operator in expression.get_operators_reader() {
        let mut both = |apply: fn(u32, u32) -> u32| {
            let (right, left) = (stack.pop()?, stack.pop()?);
            stack.push(apply(left, right));
            Some(())
        };
        match operator.ok()? {
            I32Const { value } => stack.push(value.cast_unsigned()),
            GlobalGet { global_index } => match spaces.globals.get(global_index as usize)? {
                GlobalTarget::Constant(value) => stack.push(*value),
                GlobalTarget::Index(_) => return None,
            },
            I32Add => both(u32::wrapping_add)?,
            I32Sub => both(u32::wrapping_sub)?,
            I32Mul => both(u32::wrapping_mul)?,
            End => {}
            _ => return None,
        }
    }
    match stack.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

/// Bytes to be written into static data: each byte is written into the last segment that covers it, so that it is what the memory
/// begins with.
struct Pending<'a> {
    /// Sorted by address; ranges do not overlap.
    writes: Vec<(u32, &'a [u8], bool)>,
}

impl<'a> Pending<'a> {
    fn of(writes: &'a [(u32, Vec<u8>)]) -> Pending<'a> {
        let mut writes: Vec<_> =
            writes.iter().map(|(address, bytes)| (*address, bytes.as_slice(), false)).collect();
        writes.sort_by_key(|(address, ..)| *address);
        Pending { writes }
    }

    /// A segment's bytes, with the writes that it covers as a whole.
    fn applied<'b>(&mut self, address: u32, bytes: &'b [u8]) -> std::borrow::Cow<'b, [u8]> {
        let mut bytes = std::borrow::Cow::Borrowed(bytes);
        let end = u64::from(address) + bytes.len() as u64;
        let first = self.writes.partition_point(|(at, ..)| *at < address);
        for (at, new, is_done) in &mut self.writes[first..] {
            if u64::from(*at) + new.len() as u64 > end {
                break;
            }
            let from = (*at - address) as usize;
            if let Some(place) = bytes.to_mut().get_mut(from..from + new.len()) {
                place.copy_from_slice(new);
                *is_done = true;
            }
        }
        bytes
    }

    /// What no segment has covered.
    fn left(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        self.writes.iter().filter(|(.., is_done)| !is_done).map(|(address, bytes, _)| (*address, *bytes))
    }
}

/// The names that a name section gives to functions, by index; nothing where it is malformed, which the specification allows to
/// overlook.
fn function_names<'a>(customs: &[(&'a str, &'a [u8])]) -> Vec<(u32, &'a str)> {
    let Some((_, data)) = customs.iter().find(|(name, _)| *name == "name") else { return Vec::new() };
    let reader = wasmparser::NameSectionReader::new(wasmparser::BinaryReader::new(data, 0));
    let mut names = Vec::new();
    for part in reader {
        if let Ok(Name::Function(map)) = part {
            names.extend(map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)));
        }
    }
    names
}
