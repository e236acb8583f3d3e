//! Owns the rewriting of one function. Everything but exception instructions and branches is copied as it is.
//!
//! A `try` becomes nested blocks, one for each clause, around a `try_table`:
//!
//! ```text
//! try T                     block $end T
//!   body                      block $b
//! catch a                       block $a (values of a)
//!   handler a                     try_table T (catch a $a) (catch_all $b)
//! catch_all                         body
//!   handler b                     end
//! end                             br $end
//!                               end
//!                               handler a
//!                               br $end
//!                             end
//!                             handler b
//!                           end
//! ```
//!
//! A clause that rethrows catches the exception's reference as well and keeps it in a new local. A `try` that ends in
//! `delegate` becomes a `try_table` whose clauses lead to the handlers of the `try` that it delegates to.

use std::ops::Range;

use wasm_encoder::{Encode, ValType};
use wasmparser::{BlockType, FunctionBody, Operator, OperatorsReader};

use super::tree::{self, Clause, Delegation, Try};
use super::{TRY, encode_types};
use crate::parse::error::ParseError;
use crate::rewrite::additions::Additions;
use crate::rewrite::layout::{Body, Layout};

/// Opcodes and types of the binary format (core specification, version 3, chapter 5).
mod opcode {
    pub const BLOCK: u8 = 0x02;
    pub const END: u8 = 0x0b;
    pub const BR: u8 = 0x0c;
    pub const BR_IF: u8 = 0x0d;
    pub const BR_TABLE: u8 = 0x0e;
    pub const RETURN: u8 = 0x0f;
    pub const THROW_REF: u8 = 0x0a;
    pub const LOCAL_GET: u8 = 0x20;
    pub const LOCAL_SET: u8 = 0x21;
    pub const TRY_TABLE: u8 = 0x1f;
    pub const EMPTY: u8 = 0x40;
    pub const CATCH: u8 = 0;
    pub const CATCH_REF: u8 = 1;
    pub const CATCH_ALL: u8 = 2;
    pub const CATCH_ALL_REF: u8 = 3;
}

/// The function without legacy instructions; `None` for a function that has none.
pub(super) fn function(
    function: u32,
    body: &Body<'_>,
    layout: &Layout<'_>,
    added: &mut Additions<'_>,
    steps: &mut usize,
) -> Result<Option<Vec<u8>>, ParseError> {
    if !body.bytes.contains(&TRY) {
        return Ok(None);
    }
    let reader = body.reader();
    let tries = tree::read(&reader)?;
    if tries.is_empty() {
        return Ok(None);
    }
    let mut lowering = Lowering {
        function,
        layout,
        added,
        out: Vec::with_capacity(body.bytes.len() * 2),
        body: body.bytes,
        start: body.offset,
        exception_local: Vec::new(),
        clause_labels: vec![Vec::new(); tries.len()],
        exit: None,
        labels: 0,
        frames: Vec::new(),
        next_try: 0,
        delegations: tree::delegations(&tries, body.offset, steps)?,
        tries,
    };
    lowering.locals(&reader)?;
    lowering.code(reader.get_operators_reader()?)?;
    Ok(Some(lowering.out))
}

struct Lowering<'a, 'b> {
    function: u32,
    layout: &'a Layout<'a>,
    added: &'a mut Additions<'b>,
    out: Vec<u8>,
    /// The original function, which begins at `start` in the module.
    body: &'a [u8],
    start: usize,
    tries: Vec<Try>,
    /// Where the exceptions of each `try` go if it delegates.
    delegations: Vec<Delegation>,
    /// For each `try`, the local that keeps what it caught, if one is needed.
    exception_local: Vec<Option<u32>>,
    /// For each `try`, the labels of its clauses, as numbers of open labels counted from the outermost.
    clause_labels: Vec<Vec<u32>>,
    /// The outermost label, to which exceptions go that are meant for the caller and must bypass some `try`.
    exit: Option<u32>,
    /// How many labels are open in the output.
    labels: u32,
    /// The open blocks of the input.
    frames: Vec<Frame>,
    next_try: usize,
}

/// An open block of the input.
struct Frame {
    /// The label that a branch to the block goes to.
    label: u32,
    kind: FrameKind,
}

enum FrameKind {
    Block,
    /// The body of a `try`.
    Body(usize),
    /// A clause of a `try`.
    Handler(usize, usize),
}

impl Lowering<'_, '_> {
    /// Copies the locals and adds those that `try` instructions with a rethrow need: one for each nesting depth of handlers.
    fn locals(&mut self, body: &FunctionBody<'_>) -> Result<(), ParseError> {
        let mut reader = body.get_locals_reader()?;
        let groups = reader.get_count();
        let first = reader.original_position();
        let mut count = self.params()?;
        for _ in 0..groups {
            let (more, _) = reader.read()?;
            count = count.checked_add(more).ok_or_else(|| ParseError::new(first, "too many locals"))?;
        }
        let mut new = 0;
        for this in &self.tries {
            let needs_one = this.clauses.iter().any(|clause| clause.rethrows);
            self.exception_local.push(needs_one.then(|| count.saturating_add(this.handler_depth)));
            new = if needs_one { new.max(this.handler_depth + 1) } else { new };
        }
        (groups + u32::from(new > 0)).encode(&mut self.out);
        self.copy(first, reader.original_position());
        if new > 0 {
            new.encode(&mut self.out);
            ValType::EXNREF.encode(&mut self.out);
        }
        Ok(())
    }

    /// The number of the function's parameters, after which the locals are numbered.
    fn params(&self) -> Result<u32, ParseError> {
        let missing = || ParseError::new(self.start, "a function without a type");
        let params = self.layout.type_of(self.function).ok_or_else(missing)?.params().len();
        u32::try_from(params).map_err(|_| missing())
    }

    fn copy(&mut self, from: usize, to: usize) {
        let range = from.saturating_sub(self.start)..to.saturating_sub(self.start);
        self.out.extend_from_slice(self.body.get(range).unwrap_or_default());
    }

    fn code(&mut self, mut reader: OperatorsReader<'_>) -> Result<(), ParseError> {
        self.frames.push(Frame { label: 0, kind: FrameKind::Block });
        self.labels = 1;
        if (0..self.tries.len()).any(|number| self.leads_out(number)) {
            self.exit = Some(self.open_block(ValType::EXNREF));
        }
        // Operators that need not change are copied in long runs.
        let mut copied = reader.original_position();
        while !reader.eof() {
            let from = reader.original_position();
            let operator = reader.read()?;
            if self.is_copied(&operator, reader.eof()) {
                continue;
            }
            self.copy(copied, from);
            copied = reader.original_position();
            if reader.eof() {
                break;
            }
            self.operator(&operator, from, copied)?;
        }
        if self.exit.is_some() {
            self.out.extend([opcode::RETURN, opcode::END, opcode::THROW_REF]);
        }
        self.out.push(opcode::END);
        Ok(())
    }

    /// Whether an operator is the same in the output; keeps track of the blocks that are.
    fn is_copied(&mut self, operator: &Operator<'_>, is_last: bool) -> bool {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.frames.push(Frame { label: self.labels, kind: FrameKind::Block });
                self.labels += 1;
                true
            }
            Operator::End if !is_last => {
                let is_block = matches!(self.frames.last(), Some(Frame { kind: FrameKind::Block, .. }));
                if is_block {
                    self.frames.pop();
                    self.labels -= 1;
                }
                is_block
            }
            Operator::End
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Rethrow { .. }
            | Operator::Delegate { .. }
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::TryTable { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. } => false,
            _ => true,
        }
    }

    /// Rewrites the operator that lies between `offset` and `end`.
    fn operator(&mut self, operator: &Operator<'_>, offset: usize, end: usize) -> Result<(), ParseError> {
        let malformed = || ParseError::new(offset, "malformed nesting of exception instructions");
        match operator {
            Operator::Try { blockty } => self.open_try(*blockty, offset, end)?,
            Operator::Catch { .. } | Operator::CatchAll => self.open_clause().ok_or_else(malformed)?,
            Operator::Delegate { .. } => {
                self.frames.pop();
                self.close(1);
            }
            // The last block of a `try` ends: the one that the `end` closes.
            Operator::End => self.close_try().ok_or_else(malformed)?,
            Operator::Rethrow { relative_depth } => {
                let local = self.frame(*relative_depth).and_then(|frame| match frame.kind {
                    FrameKind::Handler(of, _) => self.exception_local.get(of).copied().flatten(),
                    _ => None,
                });
                self.index(opcode::LOCAL_GET, local.ok_or_else(malformed)?);
                self.out.push(opcode::THROW_REF);
            }
            Operator::Br { relative_depth } => {
                self.branch(opcode::BR, *relative_depth).ok_or_else(malformed)?;
            }
            Operator::BrIf { relative_depth } => {
                self.branch(opcode::BR_IF, *relative_depth).ok_or_else(malformed)?;
            }
            Operator::BrTable { targets } => {
                self.out.push(opcode::BR_TABLE);
                targets.len().encode(&mut self.out);
                for target in targets.targets().chain([Ok(targets.default())]) {
                    let depth = self.depth(target?).ok_or_else(malformed)?;
                    depth.encode(&mut self.out);
                }
            }
            _ => {
                return Err(ParseError::new(
                    offset,
                    "a function mixes legacy exceptions with instructions of other proposals that branch",
                ));
            }
        }
        Ok(())
    }

    fn frame(&self, depth: u32) -> Option<&Frame> {
        self.frames.get(self.frames.len().checked_sub(1 + depth as usize)?)
    }

    /// The depth in the output of a label in the input.
    fn depth(&self, depth: u32) -> Option<u32> {
        self.frame(depth).map(|frame| self.labels - 1 - frame.label)
    }

    fn branch(&mut self, opcode: u8, depth: u32) -> Option<()> {
        let depth = self.depth(depth)?;
        self.index(opcode, depth);
        Some(())
    }

    fn index(&mut self, opcode: u8, index: u32) {
        self.out.push(opcode);
        index.encode(&mut self.out);
    }

    /// Opens a block with one result and returns its label.
    fn open_block(&mut self, result: ValType) -> u32 {
        self.out.push(opcode::BLOCK);
        result.encode(&mut self.out);
        self.labels += 1;
        self.labels - 1
    }

    fn close(&mut self, blocks: u32) {
        (0..blocks).for_each(|_| self.out.push(opcode::END));
        self.labels -= blocks;
    }

    /// Opens the `try` between `offset` and `end`: an opcode of one byte and the block type, which is kept as it is.
    fn open_try(&mut self, block_type: BlockType, offset: usize, end: usize) -> Result<(), ParseError> {
        let number = self.next_try;
        self.next_try += 1;
        let Some(this) = self.tries.get(number) else { return Err(ParseError::new(offset, "a lost try")) };
        let raw_type = offset + 1..end;
        if this.delegate.is_some() {
            self.open_delegating(number, raw_type);
            return Ok(());
        }
        let clauses = this.clauses.clone();
        let params = self.params_of(block_type).to_vec();
        let label = self.labels;
        self.open(opcode::BLOCK, raw_type.clone());
        self.clause_labels[number] = vec![0; clauses.len()];
        for (position, clause) in clauses.iter().enumerate().rev() {
            self.clause_labels[number][position] = self.labels;
            self.open_clause_block(*clause, &params, offset)?;
        }
        let labels = self.clause_labels[number].iter().copied();
        let catches: Vec<_> = clauses.into_iter().zip(labels).collect();
        self.open_try_table(raw_type, &catches);
        self.frames.push(Frame { label, kind: FrameKind::Body(number) });
        Ok(())
    }

    /// Opens a block that ends where a clause begins, and that yields what the clause caught.
    fn open_clause_block(
        &mut self,
        clause: Clause,
        params: &[wasmparser::ValType],
        offset: usize,
    ) -> Result<(), ParseError> {
        let values = clause.tag.map_or(Some(&[][..]), |tag| self.layout.tag_values(tag));
        let values = values.ok_or_else(|| ParseError::new(offset, "a catch of a tag that does not exist"))?;
        let params = encode_types(params, offset)?;
        let mut results = encode_types(values, offset)?;
        results.extend(clause.rethrows.then_some(ValType::EXNREF));
        self.out.push(opcode::BLOCK);
        match (params.as_slice(), results.as_slice()) {
            ([], []) => self.out.push(opcode::EMPTY),
            ([], [one]) => one.encode(&mut self.out),
            _ => i64::from(self.added.type_index(params, results)).encode(&mut self.out),
        }
        self.labels += 1;
        Ok(())
    }

    fn open_try_table(&mut self, raw_type: Range<usize>, catches: &[(Clause, u32)]) {
        self.open(opcode::TRY_TABLE, raw_type);
        catches.len().encode(&mut self.out);
        for (clause, label) in catches {
            // Depths count from outside the `try_table`, whose label is open already.
            let depth = self.labels - 2 - label;
            match (clause.tag, clause.rethrows) {
                (Some(tag), rethrows) => {
                    self.index(if rethrows { opcode::CATCH_REF } else { opcode::CATCH }, tag);
                    depth.encode(&mut self.out);
                }
                (None, true) => self.index(opcode::CATCH_ALL_REF, depth),
                (None, false) => self.index(opcode::CATCH_ALL, depth),
            }
        }
    }

    /// Opens a delegating `try`. Exceptions reach the next `try` outside without further code.
    fn open_delegating(&mut self, number: usize, raw_type: Range<usize>) {
        let delegation = self.delegations.get(number).cloned().unwrap_or_default();
        let mut catches = Vec::new();
        for handler in &delegation.handlers {
            let clause = self.tries.get(handler.of).and_then(|of| of.clauses.get(handler.clause));
            let label = self.clause_labels.get(handler.of).and_then(|of| of.get(handler.clause));
            if let (Some(clause), Some(label)) = (clause, label) {
                catches.push((*clause, *label));
            }
        }
        if let (true, Some(exit)) = (self.leads_out(number), self.exit) {
            catches.push((Clause { tag: None, rethrows: true }, exit));
        }
        let label = self.labels;
        self.open_try_table(raw_type, &catches);
        self.frames.push(Frame { label, kind: FrameKind::Body(number) });
    }

    /// Whether a `try` delegates past others and eventually to the caller.
    fn leads_out(&self, number: usize) -> bool {
        let passes_by = |this: &Try| this.delegate.is_some_and(|target| target != this.parent.into());
        self.tries.get(number).is_some_and(passes_by)
            && self.delegations.get(number).is_some_and(|delegation| !delegation.takes_all)
    }

    /// Ends the preceding body or clause, and begins the next clause.
    fn open_clause(&mut self) -> Option<()> {
        let Frame { label, kind } = self.frames.pop()?;
        let (of, clause) = match kind {
            FrameKind::Body(of) => {
                // The `try_table` ends; its label is not that of a clause's block.
                self.close(1);
                (of, 0)
            }
            FrameKind::Handler(of, clause) => (of, clause + 1),
            FrameKind::Block => return None,
        };
        self.index(opcode::BR, self.labels - 1 - label);
        self.close(1);
        if self.tries.get(of)?.clauses.get(clause)?.rethrows {
            self.index(opcode::LOCAL_SET, (*self.exception_local.get(of)?)?);
        }
        self.frames.push(Frame { label, kind: FrameKind::Handler(of, clause) });
        Some(())
    }

    /// Ends a `try`: its last clause, or its body if it has none.
    fn close_try(&mut self) -> Option<()> {
        match self.frames.pop()?.kind {
            FrameKind::Body(_) => self.close(2),
            FrameKind::Handler(..) => self.close(1),
            FrameKind::Block => return None,
        }
        Some(())
    }

    /// Writes an instruction with a block type of the input, and counts its label.
    fn open(&mut self, opcode: u8, raw_type: Range<usize>) {
        self.out.push(opcode);
        self.copy(raw_type.start, raw_type.end);
        self.labels += 1;
    }

    fn params_of(&self, block_type: BlockType) -> &[wasmparser::ValType] {
        match block_type {
            BlockType::FuncType(index) => self.layout.ty(index).map_or(&[][..], |ty| ty.params()),
            _ => &[],
        }
    }
}
