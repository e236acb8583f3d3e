//! Owns the splitting of instructions that copy and fill memory into pieces: one of them can work on 4 GiB for seconds, during
//! which nothing interrupts it. Where there is much to do, each becomes a call of a function that does the same piecewise, in a
//! loop where interrupts are noticed; what traps does so before it changes anything, as before. Must not know what an interrupt
//! is.
//!
//! The functions are added after the existing ones, so that no index changes.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};
use wasmparser::Operator;

use super::Change;
use super::additions::{Additions, appended};
use super::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// The most bytes that are processed in one piece, which takes some milliseconds.
const PIECE: i32 = 16 << 20;
/// The most local variables that a function may have for more to be added: engines agree on a limit of 50,000, parameters
/// included.
const MOST_LOCALS: u32 = 49_997;
/// The first parameter of the added functions: the destination.
const DESTINATION: u32 = 0;
/// The second parameter: the source of a copy, or the value of a fill.
const SOURCE: u32 = 1;
const SIZE: u32 = 2;

/// The pass that splits the long instructions of a module.
pub(super) struct Cut<'a> {
    layout: &'a Layout<'a>,
    /// The functions that copy and fill, once there is something to split.
    added: Option<Added>,
}

impl<'a> Cut<'a> {
    pub(super) fn of(layout: &'a Layout<'a>) -> Cut<'a> {
        Cut { layout, added: None }
    }
}

impl Change for Cut<'_> {
    /// A body in which long instructions check their size. Three local variables are added, after the existing ones.
    fn body(
        &mut self,
        function: u32,
        body: &Body<'_>,
        added: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        let mut found = long_instructions(body)?.peekable();
        if found.peek().is_none() {
            return Ok(None);
        }
        let functions = *self.added.get_or_insert_with(|| Added::to(added));
        let parameters = self.layout.type_of(function).map_or(0, |ty| ty.params().len());
        let reader = body.reader();
        let mut at = reader.get_operators_reader()?.original_position();
        let declared = body.part(body.offset, at)?;
        let locals = reader.get_locals_reader()?.into_iter().try_fold(0_u32, |sum, local| {
            let (count, _) = local?;
            Ok::<_, ParseError>(sum.saturating_add(count))
        })?;
        let first = u32::try_from(parameters).unwrap_or(u32::MAX).saturating_add(locals);
        let has_room = first <= MOST_LOCALS;
        // This is a group of three `i32` (0x7f).
        let mut new = if has_room { appended(declared, 1, &[3, 0x7f])? } else { declared.to_vec() };
        for long in found {
            let Long { start, end, is_copy } = long?;
            new.extend_from_slice(body.part(at, start)?);
            let mut sink = InstructionSink::new(&mut new);
            if has_room {
                functions.look_at_size(&mut sink, first, is_copy);
            } else {
                sink.call(functions.function(is_copy));
            }
            at = end;
        }
        new.extend_from_slice(body.part(at, body.end())?);
        Ok(Some(new))
    }
}

/// The functions that are added to a module, by function index.
#[derive(Clone, Copy)]
struct Added {
    copy: u32,
    fill: u32,
}

impl Added {
    fn to(added: &mut Additions<'_>) -> Added {
        let mut function = |body| added.function(vec![ValType::I32; 3], Vec::new(), body);
        Added { copy: function(copy_by_pieces()), fill: function(fill_by_pieces()) }
    }

    /// The added function that copies, or the one that fills.
    fn function(self, is_copy: bool) -> u32 {
        if is_copy { self.copy } else { self.fill }
    }

    /// Writes the replacement of a long instruction; `first` is the first of three local variables.
    fn look_at_size(self, sink: &mut InstructionSink<'_>, first: u32, is_copy: bool) {
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

/// An instruction that may run long, by its position in the module.
struct Long {
    start: usize,
    end: usize,
    is_copy: bool,
}

/// The long instructions of a body, in order: those that are not preceded by a constant size.
fn long_instructions<'a>(
    body: &Body<'a>,
) -> Result<impl Iterator<Item = Result<Long, ParseError>> + use<'a>, ParseError> {
    let mut reader = body.reader().get_operators_reader()?;
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

/// A function that copies piecewise. Where the destination is after the source, it begins at the end, so that overlapping bytes
/// are copied before they are overwritten.
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

/// A function that fills piecewise.
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

/// Processes everything at once by `all` and returns, where the size is small or the instruction traps.
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

/// Tests whether more than one piece is left.
fn is_more_left<'a, 'b>(sink: &'b mut InstructionSink<'a>) -> &'b mut InstructionSink<'a> {
    sink.local_get(SIZE).i32_const(PIECE).i32_gt_u()
}

/// Advances past a piece.
fn go_on(sink: &mut InstructionSink<'_>, addresses: &[u32]) {
    for address in addresses {
        sink.local_get(*address).i32_const(PIECE).i32_add().local_set(*address);
    }
    sink.local_get(SIZE).i32_const(PIECE).i32_sub().local_set(SIZE);
}
