//! Owns the structure of the `try` instructions of one function: their clauses, which of them rethrow, and where
//! `delegate` leads. Must not know how they are rewritten.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator};

use crate::parse::error::ParseError;

/// A `try` of a function; `try` instructions are numbered in the order in which they are opened.
#[derive(Debug)]
pub(super) struct Try {
    /// The clauses, in order.
    pub clauses: Vec<Clause>,
    /// The number of handlers that enclose it: what it caught is needed no longer than what they caught.
    pub handler_depth: u32,
    /// The nearest `try` whose body encloses it.
    pub parent: Option<usize>,
    /// For a `try` that ends in `delegate`: where its exceptions go.
    pub delegate: Option<DelegateTarget>,
}

/// Where an exception goes that no clause catches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DelegateTarget {
    Caller,
    Try(usize),
}

impl From<Option<usize>> for DelegateTarget {
    fn from(enclosing: Option<usize>) -> Self {
        enclosing.map_or(DelegateTarget::Caller, DelegateTarget::Try)
    }
}

/// A `catch` or `catch_all`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause {
    /// The tag that the clause catches; `None` for everything.
    pub tag: Option<u32>,
    /// Whether some `rethrow` rethrows what the clause caught.
    pub rethrows: bool,
}

/// A clause that may handle an exception which reaches a `try` through `delegate`; the first one that matches does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ClauseRef {
    pub of: usize,
    pub clause: usize,
}

enum Frame {
    Block,
    Body(usize),
    Handler { of: usize, clause: usize },
}

/// Collects all `try` instructions of a function.
pub(super) fn read(body: &FunctionBody<'_>) -> Result<Vec<Try>, ParseError> {
    let mut reader = body.get_operators_reader()?;
    let mut tries: Vec<Try> = Vec::new();
    let mut frames = vec![Frame::Block];
    let mut handler_depth = 0;
    while !reader.eof() {
        let offset = reader.original_position();
        let malformed = || ParseError::new(offset, "malformed nesting of exception instructions");
        match reader.read()? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => {
                frames.push(Frame::Block);
            }
            Operator::Try { .. } => {
                let parent = enclosing(&frames);
                tries.push(Try { clauses: Vec::new(), handler_depth, parent, delegate: None });
                frames.push(Frame::Body(tries.len() - 1));
            }
            Operator::Catch { tag_index } => {
                let is_first = matches!(frames.last(), Some(Frame::Body(_)));
                clause(&mut frames, &mut tries, Some(tag_index)).ok_or_else(malformed)?;
                handler_depth += u32::from(is_first);
            }
            Operator::CatchAll => {
                let is_first = matches!(frames.last(), Some(Frame::Body(_)));
                clause(&mut frames, &mut tries, None).ok_or_else(malformed)?;
                handler_depth += u32::from(is_first);
            }
            Operator::Rethrow { relative_depth } => {
                let frame = frames.len().checked_sub(1 + relative_depth as usize);
                let frame = frame.and_then(|frame| frames.get(frame)).ok_or_else(malformed)?;
                let Frame::Handler { of, clause } = *frame else { return Err(malformed()) };
                let clause = tries.get_mut(of).and_then(|this| this.clauses.get_mut(clause));
                clause.ok_or_else(malformed)?.rethrows = true;
            }
            Operator::Delegate { relative_depth } => {
                let Some(Frame::Body(this)) = frames.pop() else { return Err(malformed()) };
                let target = frames.len().checked_sub(relative_depth as usize).ok_or_else(malformed)?;
                // A label that does not denote a `try` in its body stands for the next `try` outside.
                let target = enclosing(frames.get(..target).unwrap_or_default());
                tries.get_mut(this).ok_or_else(malformed)?.delegate = Some(target.into());
            }
            Operator::End => {
                let ended = frames.pop().ok_or_else(malformed)?;
                handler_depth -= u32::from(matches!(ended, Frame::Handler { .. }));
            }
            _ => {}
        }
    }
    Ok(tries)
}

/// The nearest `try` whose body encloses the innermost of `frames`.
fn enclosing(frames: &[Frame]) -> Option<usize> {
    frames.iter().rev().find_map(|frame| match frame {
        Frame::Body(this) => Some(*this),
        _ => None,
    })
}

/// Begins a clause of the innermost `try`. `None` when the innermost block is not a `try`.
fn clause(frames: &mut Vec<Frame>, tries: &mut [Try], tag: Option<u32>) -> Option<()> {
    let of = match frames.pop()? {
        Frame::Body(of) | Frame::Handler { of, .. } => of,
        Frame::Block => return None,
    };
    let clauses = &mut tries.get_mut(of)?.clauses;
    clauses.push(Clause { tag, rethrows: false });
    frames.push(Frame::Handler { of, clause: clauses.len() - 1 });
    Some(())
}

/// Where the exceptions of a delegating `try` go.
#[derive(Clone, Debug, Default)]
pub(super) struct Delegation {
    /// The handlers to try, in order; of several for one tag, the first.
    pub handlers: Vec<ClauseRef>,
    /// Whether one of the handlers catches everything.
    pub takes_all: bool,
}

/// The number of steps, from one `try` to the next one outside, that all delegations of a module may take together. Compilers
/// need a handful; a file made for the purpose could require any number.
pub(super) const STEPS: usize = 1_000_000;

/// For each `try` of a function, where its exceptions go if it delegates. Takes its steps from `steps`. Errs when they are used
/// up.
pub(super) fn delegations(
    tries: &[Try],
    offset: usize,
    steps: &mut usize,
) -> Result<Vec<Delegation>, ParseError> {
    let delegation = |this: &Try| match this.delegate {
        Some(target) if target != this.parent.into() => follow(tries, target, steps).ok_or_else(|| {
            ParseError::new(offset, "a module delegates exceptions through too many `try` instructions")
        }),
        _ => Ok(Delegation::default()),
    };
    tries.iter().map(delegation).collect()
}

fn follow(tries: &[Try], target: DelegateTarget, steps: &mut usize) -> Option<Delegation> {
    let mut delegation = Delegation::default();
    let mut tags = BTreeSet::new();
    let mut next = target;
    while let DelegateTarget::Try(of) = next {
        let target = tries.get(of)?;
        *steps = steps.checked_sub(1 + target.clauses.len())?;
        next = target.delegate.unwrap_or(target.parent.into());
        for (clause, Clause { tag, .. }) in target.clauses.iter().enumerate() {
            if tags.insert(*tag) {
                delegation.handlers.push(ClauseRef { of, clause });
            }
            if tag.is_none() {
                delegation.takes_all = true;
                return Some(delegation);
            }
        }
    }
    Some(delegation)
}
