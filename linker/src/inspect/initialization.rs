//! Owns how to determine which imported functions a module is certain to call while it is initialized: in its start function, in
//! the function that applies its relocations, in its constructors. Must not know what defines them.
//!
//! Direct calls that no branch can bypass are followed. Calls made under a condition or through the table are left out, and so is
//! what comes after a call that an exception could skip.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator, Parser, Payload};

use crate::base::abi;
use crate::base::ids::FuncIndex;
use crate::parse::{ExportKind, ParsedModule};

/// The positions in [`ParsedModule::imports`] of the functions that are certain to be called. In a malformed module, what
/// precedes the error counts.
pub(super) fn surely_called(module: &ParsedModule, bytes: &[u8]) -> BTreeSet<usize> {
    let (mut roots, mut bodies) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::StartSection { func, .. } => roots.push(func),
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    for name in [abi::APPLY_DATA_RELOCS, abi::CALL_CTORS] {
        if let Some(ExportKind::Function { index: FuncIndex(index), .. }) =
            module.exports.get(name).map(|export| export.kind)
        {
            roots.push(index);
        }
    }
    let mut called = BTreeSet::new();
    let mut entered = BTreeSet::new();
    while let Some(function) = roots.pop() {
        let index = function as usize;
        match module.function_imports.get(index) {
            Some(position) => drop(called.insert(*position)),
            None if entered.insert(function) => {
                let body = index.checked_sub(module.function_imports.len()).and_then(|body| bodies.get(body));
                roots.extend(body.map(calls_of).unwrap_or_default());
            }
            None => {}
        }
    }
    called
}

/// The functions that a function is certain to call, by index.
fn calls_of(body: &FunctionBody<'_>) -> Vec<u32> {
    let mut path = Path { frames: vec![Frame::Block], skipped: None };
    let mut calls = Vec::new();
    let Ok(operators) = body.get_operators_reader() else { return calls };
    for operator in operators.into_iter().map_while(Result::ok) {
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = operator
            && path.is_certain()
        {
            calls.push(function_index);
        }
        path.take(&operator);
    }
    calls
}

/// The kind of instruction that opens a label.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Block,
    Loop,
    /// A `try`: an exception may lead from anywhere inside to its end.
    Try,
}

/// A position in a function, and whether every run that reaches the function's end passes it.
struct Path {
    frames: Vec<Frame>,
    /// The outermost frame up to whose end some run may skip what follows.
    skipped: Option<usize>,
}

impl Path {
    fn is_certain(&self) -> bool {
        self.skipped.is_none()
    }

    /// Notes that some run does not get from here to the end of the frame.
    fn skip(&mut self, frame: usize) {
        self.skipped = Some(self.skipped.map_or(frame, |outer| outer.min(frame)));
    }

    fn enter(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    fn leave(&mut self) {
        self.frames.pop();
        if self.skipped == Some(self.frames.len()) {
            self.skipped = None;
        }
    }

    /// Notes a branch, which is `always` taken or not.
    fn branch(&mut self, depth: u32, always: bool) {
        let target = self.frames.len().saturating_sub(1).saturating_sub(depth as usize);
        match self.frames.get(target) {
            // The run passes here again.
            Some(Frame::Loop) if !always => {}
            Some(Frame::Loop) => self.skip(target.saturating_sub(1)),
            _ => self.skip(target),
        }
    }

    /// Advances by one instruction.
    fn take(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. } => self.enter(Frame::Block),
            Operator::Loop { .. } => self.enter(Frame::Loop),
            Operator::Try { .. } | Operator::TryTable { .. } => self.enter(Frame::Try),
            Operator::If { .. } => {
                self.skip(self.frames.len());
                self.enter(Frame::Block);
            }
            Operator::Catch { .. } | Operator::CatchAll => self.skip(self.frames.len().saturating_sub(1)),
            Operator::End | Operator::Delegate { .. } => self.leave(),
            Operator::Br { relative_depth } => self.branch(*relative_depth, true),
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth } => self.branch(*relative_depth, false),
            Operator::BrTable { targets } => {
                self.branch(targets.default(), true);
                targets.targets().map_while(Result::ok).for_each(|depth| self.branch(depth, true));
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::Rethrow { .. }
            | Operator::ThrowRef
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.skip(0),
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                if let Some(frame) = self.frames.iter().rposition(|frame| *frame == Frame::Try) {
                    self.skip(frame);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the functions `a` to `d` are certain to be called by a module with these constructors.
    fn called(constructors: &str) -> String {
        let text = format!(
            r#"(module (@dylink.0 (mem-info))
                (import "env" "a" (func $a)) (import "env" "b" (func $b))
                (import "env" "c" (func $c)) (import "env" "d" (func $d)) (tag $t)
                (func $inner call $d)
                (func (export "{}") {constructors}))"#,
            abi::CALL_CTORS
        );
        let bytes = wat::parse_str(text).unwrap();
        let module = ParsedModule::parse(&bytes).unwrap();
        let called = surely_called(&module, &bytes);
        called.into_iter().map(|position| module.imports[position].name.as_str()).collect()
    }

    #[test]
    fn what_no_branch_gets_around_is_called() {
        assert_eq!(called("call $a block call $b end loop call $c end call $inner"), "abcd");
        assert_eq!(called("i32.const 0 if call $a else call $b end call $c"), "c");
        assert_eq!(called("block i32.const 0 br_if 0 call $a end call $b"), "b");
        assert_eq!(called("block block i32.const 0 br_if 1 end call $a end call $b"), "b");
        assert_eq!(called("loop i32.const 0 br_if 0 end call $a"), "a");
        assert_eq!(called("block loop br 0 end call $a end call $b"), "b");
        assert_eq!(
            called("block block block i32.const 0 br_table 0 1 end call $a end call $b end call $c"),
            "bc"
        );
        assert_eq!(called("call $a return call $b"), "a");
        assert_eq!(called("i32.const 0 if return end call $a"), "");
        assert_eq!(called("return_call $a"), "a");
    }

    #[test]
    fn what_an_exception_may_skip_is_left_out() {
        assert_eq!(called("try call $a call $b catch_all call $c end call $d"), "ad");
        assert_eq!(called("block try_table (catch_all 0) call $a call $b end end call $c"), "ac");
        assert_eq!(called("throw $t call $a"), "");
    }

    #[test]
    fn a_cycle_of_calls_ends() {
        let text =
            r#"(module (import "env" "a" (func $a)) (func $x call $y) (func $y call $x call $a) (start $x))"#;
        let bytes = wat::parse_str(text).unwrap();
        let module = ParsedModule::parse(&bytes).unwrap();
        assert_eq!(surely_called(&module, &bytes).into_iter().collect::<Vec<_>>(), [0]);
    }
}
