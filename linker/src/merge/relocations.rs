//! Owns what `__wasm_apply_data_relocs` of a module writes, computed at link time: the function is a sequence of stores of numbers that
//! are known by then. Must not know what is relocated.

use wasmparser::{FunctionBody, MemArg, Operator};

use super::numbering::{GlobalTarget, Spaces};

/// The words that a relocation function writes, with their addresses, in order; `None` when it does anything else than to store
/// numbers that are known at link time.
pub(super) fn evaluate(body: &FunctionBody<'_>, spaces: &Spaces) -> Option<Vec<(u32, Vec<u8>)>> {
    let mut machine = Machine { stack: Vec::new(), locals: locals(body)?, writes: Vec::new() };
    for operator in body.get_operators_reader().ok()? {
        machine.step(&operator.ok()?, spaces)?;
    }
    Some(machine.writes)
}

/// One zero for each local; the function has no parameters.
fn locals(body: &FunctionBody<'_>) -> Option<Vec<u32>> {
    /// More than any linker's output has.
    const MOST: usize = 1000;
    let mut locals = Vec::new();
    for local in body.get_locals_reader().ok()? {
        let (count, ty) = local.ok()?;
        let wanted = locals.len().checked_add(count as usize)?;
        if ty != wasmparser::ValType::I32 || wanted > MOST {
            return None;
        }
        locals.resize(wanted, 0);
    }
    Some(locals)
}

struct Machine {
    stack: Vec<u32>,
    locals: Vec<u32>,
    writes: Vec<(u32, Vec<u8>)>,
}

impl Machine {
    fn step(&mut self, operator: &Operator<'_>, spaces: &Spaces) -> Option<()> {
        match *operator {
            Operator::I32Const { value } => self.stack.push(value.cast_unsigned()),
            Operator::GlobalGet { global_index } => match spaces.globals.get(global_index as usize)? {
                GlobalTarget::Constant(value) => self.stack.push(*value),
                GlobalTarget::Index(_) => return None,
            },
            Operator::LocalGet { local_index } => self.stack.push(*self.locals.get(local_index as usize)?),
            Operator::LocalSet { local_index } => {
                *self.locals.get_mut(local_index as usize)? = self.stack.pop()?;
            }
            Operator::LocalTee { local_index } => {
                *self.locals.get_mut(local_index as usize)? = *self.stack.last()?;
            }
            Operator::I32Add => self.binary(u32::wrapping_add)?,
            Operator::I32Sub => self.binary(u32::wrapping_sub)?,
            Operator::I32Store { memarg } => self.store(memarg)?,
            Operator::Nop | Operator::End => {}
            _ => return None,
        }
        Some(())
    }

    fn binary(&mut self, apply: fn(u32, u32) -> u32) -> Option<()> {
        let (right, left) = (self.stack.pop()?, self.stack.pop()?);
        self.stack.push(apply(left, right));
        Some(())
    }

    fn store(&mut self, memarg: MemArg) -> Option<()> {
        let (value, address) = (self.stack.pop()?, self.stack.pop()?);
        let at = u64::from(address).checked_add(memarg.offset)?;
        self.writes.push((u32::try_from(at).ok()?, value.to_le_bytes().to_vec()));
        Some(())
    }
}
