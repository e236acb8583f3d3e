//! Owns the cutting of instructions that copy and fill memory into pieces: one of them can work at 4 GiB for seconds, in which nothing
//! interrupts it. Where there is much to do, each becomes a call of a function that does the same by pieces, in a loop where interrupts
//! are noticed; what traps does so before it changes anything, as before. Must not know what an interrupt is.
//!
//! The functions are added behind the others, so that no index changes.

use wasm_encoder::{
    BlockType, CodeSection, Encode as _, Function, InstructionSink, Module, RawSection, SectionId,
};
use wasmparser::{
    BinaryReader, CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeRef, TypeSectionReader,
    ValType,
};

use crate::bodies::Functions;
use crate::error::{ParseError, slice};

/// The most bytes that are worked at in one piece, which takes some milliseconds.
const PIECE: i32 = 16 << 20;
/// The most local variables of a function to which more are added: engines agree on 50,000, parameters among them.
const MOST_LOCALS: u32 = 49_997;
/// The parameters of the functions.
const DESTINATION: u32 = 0;
/// Of a copy; of a fill it is the value.
const SOURCE: u32 = 1;
const SIZE: u32 = 2;

/// Rewrites a module; `None` when it has no such instruction. Errs when it is malformed.
pub fn cut(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let Some(added) = Added::of(wasm)? else { return Ok(None) };
    let functions = Functions::of(wasm, &[])?;
    let mut function = functions.imports();
    let mut module = Module::new();
    let mut code = CodeSection::new();
    let mut left = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::CodeSectionStart { count, .. } => left = *count,
            Payload::CodeSectionEntry(body) => {
                let parameters = functions.type_of(function).map_or(0, |ty| ty.params().len());
                code.raw(&added.cut_body(wasm, body, parameters)?);
                function += 1;
                left -= 1;
                if left == 0 {
                    code.function(&copy_by_pieces()).function(&fill_by_pieces());
                    module.section(&code);
                }
            }
            _ => {
                let Some((id, range)) = payload.as_section() else { continue };
                let data = slice(wasm, range)?;
                let longer = added.longer(id, data)?;
                module.section(&RawSection { id, data: longer.as_deref().unwrap_or(data) });
            }
        }
    }
    Ok(Some(module.finish()))
}

/// What is added to a module: a function that copies, and behind it one that fills.
struct Added {
    /// Their type.
    ty: u32,
    /// Whether the module does not have it yet.
    is_new: bool,
    /// The index of the first.
    copy: u32,
}

impl Added {
    /// What a module wants; `None` when it has no long instruction.
    fn of(wasm: &[u8]) -> Result<Option<Added>, ParseError> {
        let (mut types, mut known, mut functions) = (0, None, 0);
        let mut wants = false;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => (types, known) = find_type(section)?,
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => functions = section.count().saturating_add(functions),
                Payload::CodeSectionEntry(body) => {
                    wants = wants || long_instructions(&body)?.next().transpose()?.is_some();
                }
                _ => {}
            }
        }
        let ty = known.unwrap_or(types);
        Ok(wants.then_some(Added { ty, is_new: known.is_none(), copy: functions }))
    }

    /// A section with what is added to it; `None` for the others.
    fn longer(&self, id: u8, data: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
        if id == SectionId::Type as u8 && self.is_new {
            // A function (0x60) of three `i32` (0x7f) without results.
            return appended(data, 1, &[0x60, 3, 0x7f, 0x7f, 0x7f, 0]).map(Some);
        }
        if id == SectionId::Function as u8 {
            let mut types = Vec::new();
            self.ty.encode(&mut types);
            self.ty.encode(&mut types);
            return appended(data, 2, &types).map(Some);
        }
        Ok(None)
    }

    /// A body in which long instructions look at their size. Three local variables are added, behind the others.
    fn cut_body(
        &self,
        wasm: &[u8],
        body: &FunctionBody<'_>,
        parameters: usize,
    ) -> Result<Vec<u8>, ParseError> {
        let mut found = long_instructions(body)?.peekable();
        if found.peek().is_none() {
            return Ok(slice(wasm, body.range())?.to_vec());
        }
        let mut at = body.get_operators_reader()?.original_position();
        let declared = slice(wasm, body.range().start..at)?;
        let locals = body.get_locals_reader()?.into_iter().try_fold(0_u32, |sum, local| {
            let (count, _) = local?;
            Ok::<_, ParseError>(sum.saturating_add(count))
        })?;
        let first = u32::try_from(parameters).unwrap_or(u32::MAX).saturating_add(locals);
        let has_room = first <= MOST_LOCALS;
        // A group of three `i32` (0x7f).
        let mut new = if has_room { appended(declared, 1, &[3, 0x7f])? } else { declared.to_vec() };
        for long in found {
            let Long { start, end, is_copy } = long?;
            new.extend_from_slice(slice(wasm, at..start)?);
            let mut sink = InstructionSink::new(&mut new);
            if has_room {
                self.look_at_size(&mut sink, first, is_copy);
            } else {
                sink.call(self.function(is_copy));
            }
            at = end;
        }
        new.extend_from_slice(slice(wasm, at..body.range().end)?);
        Ok(new)
    }

    /// The function that copies, or fills.
    fn function(&self, is_copy: bool) -> u32 {
        if is_copy { self.copy } else { self.copy.saturating_add(1) }
    }

    /// What a long instruction becomes; `first` is the first of three local variables.
    fn look_at_size(&self, sink: &mut InstructionSink<'_>, first: u32, is_copy: bool) {
        let [destination, source, size] = [first, first.saturating_add(1), first.saturating_add(2)];
        sink.local_set(size).local_set(source).local_set(destination);
        sink.local_get(size).i32_const(PIECE).i32_gt_u().if_(BlockType::Empty);
        sink.local_get(destination).local_get(source).local_get(size);
        sink.call(self.function(is_copy)).else_();
        sink.local_get(destination).local_get(source).local_get(size);
        if is_copy {
            sink.memory_copy(0, 0)
        } else {
            sink.memory_fill(0)
        };
        sink.end();
    }
}

/// How many types there are, and the index of that of the functions, if it is one of them.
fn find_type(section: TypeSectionReader<'_>) -> Result<(u32, Option<u32>), ParseError> {
    let (mut count, mut known) = (0, None);
    for group in section {
        let group = group?;
        // A type of a larger group, or with subtypes, is another type than one that stands alone.
        let stands_alone = group.types().len() == 1;
        for ty in group.into_types() {
            let is_it = stands_alone && ty.is_final && ty.supertype_idx.is_none();
            if let CompositeInnerType::Func(ty) = &ty.composite_type.inner
                && is_it
                && ty.params() == [ValType::I32; 3]
                && ty.results().is_empty()
            {
                known = known.or(Some(count));
            }
            count += 1;
        }
    }
    Ok((count, known))
}

/// A list, such as a section, with so many more entries.
fn appended(data: &[u8], more: u32, entries: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut reader = BinaryReader::new(data, 0);
    let count = reader.read_var_u32()?;
    let mut longer = Vec::with_capacity(data.len() + entries.len() + 5);
    count.saturating_add(more).encode(&mut longer);
    longer.extend_from_slice(slice(data, reader.original_position()..data.len())?);
    longer.extend_from_slice(entries);
    Ok(longer)
}

/// An instruction that may work long, by where it is in the module.
struct Long {
    start: usize,
    end: usize,
    is_copy: bool,
}

/// The long instructions of a body, in order: those whose size is not written before them.
fn long_instructions<'a>(
    body: &FunctionBody<'a>,
) -> Result<impl Iterator<Item = Result<Long, ParseError>> + use<'a>, ParseError> {
    let mut reader = body.get_operators_reader()?;
    let mut is_short = false;
    Ok(std::iter::from_fn(move || {
        while !reader.eof() {
            let start = reader.original_position();
            let operator = match reader.read() {
                Ok(operator) => operator,
                Err(error) => return Some(Err(error.into())),
            };
            let is_copy = match operator {
                Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } => true,
                Operator::MemoryFill { mem: 0 } => false,
                _ => {
                    is_short =
                        matches!(operator, Operator::I32Const { value } if (0..=PIECE).contains(&value));
                    continue;
                }
            };
            if !std::mem::take(&mut is_short) {
                return Some(Ok(Long { start, end: reader.original_position(), is_copy }));
            }
        }
        None
    }))
}

/// Copies. Where the destination is in front it begins at the end, so that what overlaps is copied before it is written over.
fn copy_by_pieces() -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    let all = |sink: &mut InstructionSink<'_>| {
        sink.local_get(DESTINATION).local_get(SOURCE).local_get(SIZE).memory_copy(0, 0);
    };
    begin(&mut sink, &[DESTINATION, SOURCE], all);
    sink.local_get(DESTINATION).local_get(SOURCE).i32_gt_u().if_(BlockType::Empty);
    sink.loop_(BlockType::Empty);
    sink.local_get(SIZE).i32_const(PIECE).i32_sub().local_set(SIZE);
    sink.local_get(DESTINATION).local_get(SIZE).i32_add();
    sink.local_get(SOURCE).local_get(SIZE).i32_add();
    sink.i32_const(PIECE).memory_copy(0, 0);
    is_more_left(&mut sink).br_if(0).end();
    sink.else_();
    sink.loop_(BlockType::Empty);
    sink.local_get(DESTINATION).local_get(SOURCE).i32_const(PIECE).memory_copy(0, 0);
    go_on(&mut sink, &[DESTINATION, SOURCE]);
    is_more_left(&mut sink).br_if(0).end();
    sink.end();
    all(&mut sink);
    sink.end();
    function
}

/// Fills.
fn fill_by_pieces() -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    let all = |sink: &mut InstructionSink<'_>| {
        sink.local_get(DESTINATION).local_get(SOURCE).local_get(SIZE).memory_fill(0);
    };
    begin(&mut sink, &[DESTINATION], all);
    sink.loop_(BlockType::Empty);
    sink.local_get(DESTINATION).local_get(SOURCE).i32_const(PIECE).memory_fill(0);
    go_on(&mut sink, &[DESTINATION]);
    is_more_left(&mut sink).br_if(0).end();
    all(&mut sink);
    sink.end();
    function
}

/// Does `all` at once, and returns, where that is short, or traps.
fn begin(sink: &mut InstructionSink<'_>, addresses: &[u32], all: impl Fn(&mut InstructionSink<'_>)) {
    is_more_left(sink).i32_eqz();
    for address in addresses {
        sink.local_get(*address).i64_extend_i32_u().local_get(SIZE).i64_extend_i32_u().i64_add();
        sink.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_gt_u().i32_or();
    }
    sink.if_(BlockType::Empty);
    all(sink);
    sink.return_().end();
}

/// Whether what is left is more than a piece.
fn is_more_left<'a, 'b>(sink: &'b mut InstructionSink<'a>) -> &'b mut InstructionSink<'a> {
    sink.local_get(SIZE).i32_const(PIECE).i32_gt_u()
}

/// Leaves a piece behind.
fn go_on(sink: &mut InstructionSink<'_>, addresses: &[u32]) {
    for address in addresses {
        sink.local_get(*address).i32_const(PIECE).i32_add().local_set(*address);
    }
    sink.local_get(SIZE).i32_const(PIECE).i32_sub().local_set(SIZE);
}
