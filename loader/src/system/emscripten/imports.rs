//! Owns how a main module's imports get their functions: handlers are found by name, and take their arguments in the types
//! that the module itself declares, since those differ between versions of Emscripten. Must not know what any of them does.

use wasmtime::{AsContextMut, Caller, Extern, ExternRef, FuncType, Linker, Module, Rooted, Val, ValType};

use super::calls;
use super::calls::exceptions::{self, INVOKE};
use super::guest::Guest;
use crate::process::ProcessState;
use crate::system::kernel::errno::{Fault, Result};

/// What a function returns to the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Nothing, or a null reference.
    Nothing,
    /// An integer of either size.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// A reference that is not null.
    Reference(Rooted<ExternRef>),
}

impl From<u32> for Answer {
    fn from(value: u32) -> Answer {
        Answer::Integer(value.into())
    }
}

/// What serves an import, by how it reports errors.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Returns a negative error number.
    Syscall(fn(&mut Guest<'_>, &Arguments<'_>) -> Result<i64>),
    /// Returns an error number, or 0.
    Wasi(fn(&mut Guest<'_>, &Arguments<'_>) -> Result<()>),
    /// Has no errors that the guest is told by number.
    Plain(fn(&mut Guest<'_>, &Arguments<'_>) -> wasmtime::Result<Answer>),
    /// Always gives the same answer.
    Constant(Answer),
}

/// A name with what serves it.
pub(crate) type Entry = (&'static str, Handler);

/// The arguments of a call.
pub(crate) struct Arguments<'a> {
    name: &'a str,
    values: &'a [Val],
}

impl Arguments<'_> {
    fn value(&self, index: usize) -> wasmtime::Result<&Val> {
        self.values.get(index).ok_or_else(|| {
            let count = self.values.len();
            wasmtime::Error::msg(format!("{}: the main module passes {count} arguments only", self.name))
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// An integer, sign-extended.
    pub(crate) fn long(&self, index: usize) -> wasmtime::Result<i64> {
        match self.value(index)? {
            Val::I32(value) => Ok(i64::from(*value)),
            Val::I64(value) => Ok(*value),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no integer", self.name))),
        }
    }

    /// The lower half of an integer.
    #[expect(clippy::cast_possible_truncation, reason = "C's conversion")]
    pub(crate) fn int(&self, index: usize) -> wasmtime::Result<i32> {
        Ok(self.long(index)? as i32)
    }

    /// The same, unsigned: an address, a size or flags.
    pub(crate) fn word(&self, index: usize) -> wasmtime::Result<u32> {
        Ok(self.int(index)?.cast_unsigned())
    }

    /// A reference; `None` when it is null.
    pub(crate) fn reference(&self, index: usize) -> wasmtime::Result<Option<Rooted<ExternRef>>> {
        match self.value(index)? {
            Val::ExternRef(reference) => Ok(*reference),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no reference", self.name))),
        }
    }

    /// A floating-point number.
    pub(crate) fn number(&self, index: usize) -> wasmtime::Result<f64> {
        match self.value(index)? {
            Val::F64(bits) => Ok(f64::from_bits(*bits)),
            Val::F32(bits) => Ok(f32::from_bits(*bits).into()),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no number", self.name))),
        }
    }
}

/// Defines a function for every function that `module` imports, of the type that it wants. What nothing serves fails when
/// it is called: most of that is a bridge to JavaScript.
pub(crate) fn define(linker: &mut Linker<ProcessState>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        if let Some(ty) = import.ty().func() {
            define_one(linker, import.module(), import.name(), ty)?;
        }
    }
    Ok(())
}

/// Defines one function.
pub(crate) fn define_one(
    linker: &mut Linker<ProcessState>,
    module: &str,
    name: &str,
    ty: &FuncType,
) -> wasmtime::Result<()> {
    if name.starts_with(INVOKE) {
        let own = ty.clone();
        linker.func_new(module, name, ty.clone(), move |caller, values, results| {
            exceptions::invoke(caller, &own, values, results)
        })?;
        return Ok(());
    }
    let handler = calls::handler(module, name);
    let owned = name.to_owned();
    let result = ty.results().next();
    linker.func_new(module, name, ty.clone(), move |caller, values, results| match handler {
        Some(handler) => {
            serve(handler, caller, &Arguments { name: &owned, values }, results, result.as_ref())
        }
        None => Err(wasmtime::Error::msg(calls::unavailable(&owned))),
    })?;
    Ok(())
}

/// A function of a type that a library asks for, which the main module itself does not import.
pub(crate) fn function_of_type(
    mut store: impl AsContextMut<Data = ProcessState>,
    module: &str,
    name: &str,
    ty: &FuncType,
) -> wasmtime::Result<Extern> {
    let mut linker = Linker::new(store.as_context().engine());
    define_one(&mut linker, module, name, ty)?;
    linker.get(&mut store, module, name)
}

fn serve(
    handler: Handler,
    caller: Caller<'_, ProcessState>,
    arguments: &Arguments<'_>,
    results: &mut [Val],
    result: Option<&ValType>,
) -> wasmtime::Result<()> {
    let mut guest = Guest::new(caller)?;
    let answer = match handler {
        Handler::Syscall(call) => match call(&mut guest, arguments) {
            Ok(value) => Answer::Integer(value),
            Err(Fault::Errno(errno)) => Answer::Integer(-i64::from(errno.0)),
            Err(Fault::Ended(error)) => return Err(error),
        },
        Handler::Wasi(call) => match call(&mut guest, arguments) {
            Ok(()) => Answer::Integer(0),
            Err(Fault::Errno(errno)) => Answer::Integer(errno.0.into()),
            Err(Fault::Ended(error)) => return Err(error),
        },
        Handler::Plain(call) => call(&mut guest, arguments)?,
        Handler::Constant(answer) => answer,
    };
    if let (Some(result), Some(ty)) = (results.first_mut(), result) {
        *result = converted(answer, ty).ok_or_else(|| {
            let name = arguments.name;
            wasmtime::Error::msg(format!(
                "{name}: the main module expects a result of type {ty}, which it has not"
            ))
        })?;
    }
    Ok(())
}

/// The answer in the type that the main module expects; `None` when it is of another kind.
#[expect(clippy::cast_possible_truncation, reason = "C's conversion of what a function returns")]
fn converted(answer: Answer, ty: &ValType) -> Option<Val> {
    Some(match (answer, ty) {
        (Answer::Integer(value), ValType::I32) => Val::I32(value as i32),
        (Answer::Integer(value), ValType::I64) => Val::I64(value),
        (Answer::Number(value), ValType::F64) => Val::F64(value.to_bits()),
        (Answer::Nothing, ValType::Ref(_)) => Val::ExternRef(None),
        (Answer::Reference(reference), ValType::Ref(_)) => Val::ExternRef(Some(reference)),
        _ => return None,
    })
}
