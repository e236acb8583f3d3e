//! Owns how to determine whether two libraries mean the same class: which functions its vtable holds and what its type descriptor
//! consists of, read from the code that relocates static data. Must not know other modules.
//!
//! A class that two libraries define inline has a vtable in both, and compilers assume that there is one per program: a
//! `dynamic_cast` to a `final` class compares its address. A different class of the same name, in a library that was opened
//! independently, needs its own vtable, since calls through it go by position.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use wasmparser::{BinaryReader, CodeSectionReader, FunctionBody, Operator};

use super::{ExportKind, ImportKind, ParsedModule};
use crate::base::abi;
use crate::parse::error::ParseError;

/// The prefix of a vtable's name (Itanium C++ ABI, section 5.1.4), and that of a class's type descriptor.
pub(crate) const VTABLE: &str = "_ZTV";
const TYPE_INFO: &str = "_ZTI";
/// The most locals, and the most values on the stack, that relocation code may have. wasm-ld writes no locals, and `wasm-opt`
/// few.
const MOST: usize = 64;
/// The most words of a class's type descriptor that are considered: more than any class has bases.
const DESCRIPTION: usize = 256;

/// A value that relocation code computes.
#[derive(Clone, Copy)]
enum Value<'a> {
    /// A number.
    Number(u32),
    /// This many bytes from the start of the library's data.
    Data(u32),
    /// A function of the library that others cannot see.
    OwnFunction,
    /// The address of a data symbol, and the number of bytes to add.
    Symbol(&'a str, u32),
    /// The table slot of a function symbol.
    Function(&'a str),
}

/// The values written into static data, by offset from its start, in bytes.
type Relocations<'a> = BTreeMap<u32, Value<'a>>;

/// A number for each vtable that a library exports, equal for vtables of the same class. Vtables that are not written as
/// compilers write them have none. `code` is the range in `bytes` of the code section's contents.
pub(super) fn read(module: &ParsedModule, bytes: &[u8], code: Range<usize>) -> BTreeMap<String, u64> {
    let is_vtable = |name: &&str| name.starts_with(VTABLE);
    if !module.exports.data_names().any(|name| is_vtable(&name)) {
        return BTreeMap::new();
    }
    let Some(relocations) = relocations(module, bytes, code) else { return BTreeMap::new() };
    let offset = |name: &str| match module.exports.get(name)?.kind {
        ExportKind::Data { offset } => Some(offset),
        _ => None,
    };
    let mut begins: Vec<u32> = module.exports.data_names().filter_map(offset).collect();
    begins.sort_unstable();
    // Symbols have no sizes: each extends at most to the next one.
    let extent = |name: &str| {
        let begin = offset(name)?;
        let next = begins.get(begins.partition_point(|other| *other <= begin));
        Some(begin..next.copied().unwrap_or(u32::MAX))
    };
    let vtables = module.exports.data_names().filter(is_vtable).filter_map(|name| {
        let type_info = format!("{TYPE_INFO}{}", name.strip_prefix(VTABLE)?);
        let mut hasher = DefaultHasher::new();
        vtable(&relocations, extent(name)?, &type_info)?.hash(&mut hasher);
        description(&relocations, extent(&type_info)?).hash(&mut hasher);
        Some((name.to_owned(), hasher.finish()))
    });
    vtables.collect()
}

/// The words of a vtable: the class's type descriptor, then functions, and the same again for further bases.
fn vtable<'a>(
    relocations: &Relocations<'a>,
    extent: Range<u32>,
    type_info: &str,
) -> Option<Vec<(u32, &'a str)>> {
    let mut words = Vec::new();
    let mut last = extent.start;
    for (offset, value) in relocations.range(extent) {
        let distance = offset.wrapping_sub(last);
        match value {
            Value::Symbol(name, 0) if *name == type_info => words.push((distance, *name)),
            Value::Function(name) if distance == 4 && !words.is_empty() => words.push((distance, *name)),
            Value::OwnFunction if distance == 4 && !words.is_empty() => words.push((distance, "")),
            _ => break,
        }
        last = *offset;
    }
    (!words.is_empty()).then_some(words)
}

/// The words of a class's type descriptor: its kind, its name, its bases.
fn description<'a>(relocations: &Relocations<'a>, extent: Range<u32>) -> Vec<(u32, &'a str)> {
    let begin = extent.start;
    let words = relocations.range(extent).take(DESCRIPTION).map_while(|(offset, value)| match value {
        Value::Symbol(name, _) if name.starts_with("_ZT") => Some((offset.wrapping_sub(begin), *name)),
        _ => None,
    });
    words.collect()
}

/// What the relocation code of a library writes; `None` when it is not the plain sequence of stores that linkers generate.
fn relocations<'a>(module: &'a ParsedModule, bytes: &[u8], code: Range<usize>) -> Option<Relocations<'a>> {
    let ExportKind::Function { index, .. } = module.exports.get(abi::APPLY_DATA_RELOCS)?.kind else {
        return None;
    };
    let position = (index.0 as usize).checked_sub(module.function_imports.len())?;
    let reader = BinaryReader::new(bytes.get(code.clone())?, code.start);
    let body = CodeSectionReader::new(reader).ok()?.into_iter().nth(position)?.ok()?;
    let globals: Vec<Value<'a>> = module
        .imports
        .iter()
        .filter_map(|import| global(&import.module, &import.name, &import.kind))
        .collect();
    follow(&body, &globals).ok()?
}

/// The value of an imported global in relocation code; `None` for an import that is not a global.
fn global<'a>(module: &'a str, name: &'a str, kind: &ImportKind) -> Option<Value<'a>> {
    let ImportKind::Global(_) = kind else { return None };
    Some(match (module, name) {
        (abi::ENV, abi::MEMORY_BASE) => Value::Data(0),
        (abi::ENV, abi::TABLE_BASE) => Value::OwnFunction,
        (abi::GOT_FUNC, name) => Value::Function(name),
        (_, name) => Value::Symbol(name, 0),
    })
}

/// Interprets the code. `None` when it does anything but compute addresses and store them.
fn follow<'a>(body: &FunctionBody<'_>, globals: &[Value<'a>]) -> Result<Option<Relocations<'a>>, ParseError> {
    let mut state = State { globals, locals: Vec::new(), stack: Vec::new(), written: Relocations::new() };
    for group in body.get_locals_reader()? {
        let (count, _) = group?;
        if count as usize > MOST || state.locals.len() > MOST {
            return Ok(None);
        }
        state.locals.extend((0..count).map(|_| Value::Number(0)));
    }
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::End => return Ok(Some(state.written)),
            operator => {
                if state.step(&operator).is_none() || state.stack.len() > MOST {
                    break;
                }
            }
        }
    }
    Ok(None)
}

/// The state of the relocation code while it is interpreted.
struct State<'a, 'b> {
    globals: &'b [Value<'a>],
    locals: Vec<Value<'a>>,
    stack: Vec<Value<'a>>,
    written: Relocations<'a>,
}

impl State<'_, '_> {
    /// Interprets one instruction; `None` for an instruction that relocation code has no use for.
    fn step(&mut self, operator: &Operator<'_>) -> Option<()> {
        match *operator {
            Operator::I32Const { value } => self.stack.push(Value::Number(value.cast_unsigned())),
            Operator::GlobalGet { global_index } => {
                self.stack.push(*self.globals.get(global_index as usize)?);
            }
            Operator::LocalGet { local_index } => self.stack.push(*self.locals.get(local_index as usize)?),
            Operator::LocalSet { local_index } => {
                *self.locals.get_mut(local_index as usize)? = self.stack.pop()?;
            }
            Operator::LocalTee { local_index } => {
                *self.locals.get_mut(local_index as usize)? = *self.stack.last()?;
            }
            Operator::I32Add => {
                let (one, two) = (self.stack.pop()?, self.stack.pop()?);
                self.stack.push(add(one, two)?);
            }
            Operator::I32Store { memarg } => {
                let (value, Value::Data(at)) = (self.stack.pop()?, self.stack.pop()?) else { return None };
                self.written.insert(at.wrapping_add(u32::try_from(memarg.offset).ok()?), value);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The sum of two values; `None` when it is meaningless here.
fn add<'a>(one: Value<'a>, two: Value<'a>) -> Option<Value<'a>> {
    match (one, two) {
        (Value::Number(number), Value::Number(other)) => Some(Value::Number(number.wrapping_add(other))),
        (Value::Number(number), Value::Data(at)) | (Value::Data(at), Value::Number(number)) => {
            Some(Value::Data(at.wrapping_add(number)))
        }
        (Value::Number(number), Value::Symbol(name, more))
        | (Value::Symbol(name, more), Value::Number(number)) => {
            Some(Value::Symbol(name, more.wrapping_add(number)))
        }
        (Value::Number(_), Value::OwnFunction) | (Value::OwnFunction, Value::Number(_)) => {
            Some(Value::OwnFunction)
        }
        _ => None,
    }
}
