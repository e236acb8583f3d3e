//! Owns how a main module's imports get their functions: handlers are found by name, and take their arguments in the types that the module
//! itself declares, since those differ between versions of Emscripten. Must not know what any of them does.

use std::sync::OnceLock;

use wasmtime::{AsContextMut, Caller, ExternRef, Func, FuncType, Linker, Module, Rooted, Val, ValType};

use super::calls;
use super::calls::exceptions::{self, INVOKE};
use super::guest::Guest;
use super::halves::{self, Halves};
use super::library;
use crate::system::kernel::errno::{Fault, Result};
use crate::system::state::ProcessState;

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

/// The handler of an import, by how it reports errors.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Returns a result, or a negative error number.
    Syscall(fn(&mut Guest<'_>, &Arguments<'_>) -> Result<i64>),
    /// Returns an error number, or 0.
    Wasi(fn(&mut Guest<'_>, &Arguments<'_>) -> Result<()>),
    /// Reports no errors by number.
    Plain(fn(&mut Guest<'_>, &Arguments<'_>) -> wasmtime::Result<Answer>),
    /// Always gives the same answer.
    Constant(Answer),
}

/// A name with its handler.
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

    /// The number of arguments.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// An integer argument, sign-extended.
    pub(crate) fn long(&self, index: usize) -> wasmtime::Result<i64> {
        match self.value(index)? {
            Val::I32(value) => Ok(i64::from(*value)),
            Val::I64(value) => Ok(*value),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no integer", self.name))),
        }
    }

    /// The lower half of an integer argument.
    #[expect(clippy::cast_possible_truncation, reason = "C's conversion")]
    pub(crate) fn int(&self, index: usize) -> wasmtime::Result<i32> {
        Ok(self.long(index)? as i32)
    }

    /// The lower half of an integer argument, unsigned: an address, a size or flags.
    pub(crate) fn word(&self, index: usize) -> wasmtime::Result<u32> {
        Ok(self.int(index)?.cast_unsigned())
    }

    /// A reference argument; `None` when it is null.
    pub(crate) fn reference(&self, index: usize) -> wasmtime::Result<Option<Rooted<ExternRef>>> {
        match self.value(index)? {
            Val::ExternRef(reference) => Ok(*reference),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no reference", self.name))),
        }
    }

    /// A floating-point argument.
    pub(crate) fn number(&self, index: usize) -> wasmtime::Result<f64> {
        match self.value(index)? {
            Val::F64(bits) => Ok(f64::from_bits(*bits)),
            Val::F32(bits) => Ok(f32::from_bits(*bits).into()),
            _ => Err(wasmtime::Error::msg(format!("{}: argument {index} is no number", self.name))),
        }
    }
}

/// Defines a function for every function that `module` imports, in the imported type. A function that nothing serves fails when it is
/// called: most of those are bridges to JavaScript.
pub(crate) fn define(linker: &mut Linker<ProcessState>, module: &Module) -> wasmtime::Result<()> {
    let is_long = |ty: ValType| matches!(ty, ValType::I64);
    // A module that passes one 64-bit integer whole passes all of them so.
    let passes_whole = module
        .imports()
        .any(|import| import.ty().func().is_some_and(|ty| ty.params().chain(ty.results()).any(is_long)));
    for import in module.imports() {
        if let Some(ty) = import.ty().func() {
            define_one(linker, import.module(), import.name(), ty, passes_whole)?;
        }
    }
    Ok(())
}

/// Defines one function.
fn define_one(
    linker: &mut Linker<ProcessState>,
    module: &str,
    name: &str,
    ty: &FuncType,
    passes_whole: bool,
) -> wasmtime::Result<()> {
    let import = Import::of(module, name, ty);
    if passes_whole {
        let _ = import.halves.set(None);
    }
    let call = move |caller: Caller<'_, _>, values: &[Val], results: &mut [Val]| {
        import.call(caller, values, results)
    };
    linker.func_new(module, name, ty.clone(), call)?;
    Ok(())
}

/// A function in the type in which it is imported, with its handler.
struct Import {
    name: String,
    ty: FuncType,
    result: Option<ValType>,
    /// How 64-bit integers are passed, if in halves; determined at the first call, since the list of types is long.
    halves: OnceLock<Option<Halves>>,
    handler: Option<Handler>,
}

impl Import {
    fn of(module: &str, name: &str, ty: &FuncType) -> Import {
        Import {
            name: name.to_owned(),
            ty: ty.clone(),
            result: ty.results().next(),
            halves: OnceLock::new(),
            handler: calls::handler(module, name),
        }
    }

    fn call(
        &self,
        mut caller: Caller<'_, ProcessState>,
        values: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let arguments = Arguments { name: &self.name, values };
        let halves = self.halves.get_or_init(|| halves_of(&self.name, &self.ty));
        match (self.handler, halves) {
            (_, Some(halves)) if self.name.starts_with(INVOKE) => {
                exceptions::invoke_in_halves(caller, halves, &self.ty, values, results)
            }
            (_, None) if self.name.starts_with(INVOKE) => {
                exceptions::invoke(&mut caller, &self.ty, values, results)
            }
            (Some(handler), None) => serve(handler, caller, &arguments, results, self.result.as_ref()),
            (Some(handler), Some(halves)) => serve_in_halves(handler, caller, &arguments, results, halves),
            (None, _) => Err(wasmtime::Error::msg(calls::unavailable(&self.name))),
        }
    }
}

/// How a function that is imported in this type passes its 64-bit integers, if in halves.
fn halves_of(name: &str, ty: &FuncType) -> Option<Halves> {
    let known = library::signature(name)?;
    let number = |ty: &wasmparser::ValType| match ty {
        wasmparser::ValType::I32 => Some(ValType::I32),
        wasmparser::ValType::I64 => Some(ValType::I64),
        wasmparser::ValType::F32 => Some(ValType::F32),
        wasmparser::ValType::F64 => Some(ValType::F64),
        _ => None,
    };
    let parameters: Vec<ValType> = known.params().iter().map(number).collect::<Option<_>>()?;
    let results: Vec<ValType> = known.results().iter().map(number).collect::<Option<_>>()?;
    let wanted: (Vec<_>, Vec<_>) = (ty.params().collect(), ty.results().collect());
    Halves::between((&wanted.0, &wanted.1), (&parameters, &results))
}

/// A function in the type that a library requires, which the main module itself does not import.
pub(crate) fn function_of_type(
    store: impl AsContextMut<Data = ProcessState>,
    module: &str,
    name: &str,
    ty: &FuncType,
) -> Func {
    let import = Import::of(module, name, ty);
    let call = move |caller: Caller<'_, _>, values: &[Val], results: &mut [Val]| {
        import.call(caller, values, results)
    };
    Func::new(store, ty.clone(), call)
}

fn serve(
    handler: Handler,
    caller: Caller<'_, ProcessState>,
    arguments: &Arguments<'_>,
    results: &mut [Val],
    result: Option<&ValType>,
) -> wasmtime::Result<()> {
    let mut guest = Guest::new(caller)?;
    let answer = answer(handler, &mut guest, arguments)?;
    if let (Some(result), Some(ty)) = (results.first_mut(), result) {
        *result = expected(arguments, answer, ty)?;
    }
    Ok(())
}

/// Serves a call whose 64-bit integers are passed and returned in halves.
fn serve_in_halves(
    handler: Handler,
    caller: Caller<'_, ProcessState>,
    arguments: &Arguments<'_>,
    results: &mut [Val],
    halves: &Halves,
) -> wasmtime::Result<()> {
    let mut guest = Guest::new(caller)?;
    let values = halves.join(arguments.values);
    let arguments = Arguments { name: arguments.name, values: &values };
    let answer = answer(handler, &mut guest, &arguments)?;
    let Some(result) = results.first_mut() else { return Ok(()) };
    if halves.is_result_long {
        let whole = expected(&arguments, answer, &ValType::I64)?.i64().unwrap_or_default();
        let (low, high) = halves::split(whole);
        *result = Val::I32(low);
        return exceptions::set_second_result(&mut guest, high);
    }
    *result = expected(&arguments, answer, &ValType::I32)?;
    Ok(())
}

/// Does what a call requests, and returns its answer.
fn answer(handler: Handler, guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    match handler {
        Handler::Syscall(call) => match call(guest, arguments) {
            Ok(value) => Ok(Answer::Integer(value)),
            Err(Fault::Refused(errno)) => Ok(Answer::Integer(-i64::from(errno.0))),
            Err(Fault::Ended(error)) => Err(error),
        },
        Handler::Wasi(call) => match call(guest, arguments) {
            Ok(()) => Ok(Answer::Integer(0)),
            Err(Fault::Refused(errno)) => Ok(Answer::Integer(errno.0.into())),
            Err(Fault::Ended(error)) => Err(error),
        },
        Handler::Plain(call) => call(guest, arguments),
        Handler::Constant(answer) => Ok(answer),
    }
}

/// The answer in the type that the main module expects; errs when it cannot be converted.
fn expected(arguments: &Arguments<'_>, answer: Answer, ty: &ValType) -> wasmtime::Result<Val> {
    converted(answer, ty).ok_or_else(|| {
        let name = arguments.name;
        wasmtime::Error::msg(format!(
            "{name}: the main module expects a result of type {ty}, which there is not"
        ))
    })
}

/// The answer in the type that the main module expects, with C's conversion of numbers: results change between versions of Emscripten as
/// parameters do. A function that has come to return a number had no error to report, and returns 0. `None` when a reference is expected
/// but the answer is a number, or the other way round.
#[expect(clippy::cast_possible_truncation, reason = "C's conversion of what a function returns")]
#[expect(clippy::cast_precision_loss, reason = "C's conversion of what a function returns")]
fn converted(answer: Answer, ty: &ValType) -> Option<Val> {
    Some(match (answer, ty) {
        (Answer::Integer(value), ValType::I32) => Val::I32(value as i32),
        (Answer::Integer(value), ValType::I64) => Val::I64(value),
        (Answer::Integer(value), ValType::F64) => Val::F64((value as f64).to_bits()),
        (Answer::Integer(value), ValType::F32) => Val::F32((value as f32).to_bits()),
        (Answer::Number(value), ValType::F64) => Val::F64(value.to_bits()),
        (Answer::Number(value), ValType::F32) => Val::F32((value as f32).to_bits()),
        (Answer::Number(value), ValType::I32) => Val::I32(value as i32),
        (Answer::Number(value), ValType::I64) => Val::I64(value as i64),
        (Answer::Nothing, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64) => {
            return Val::default_for_ty(ty);
        }
        (Answer::Nothing, ValType::Ref(_)) => Val::ExternRef(None),
        (Answer::Reference(reference), ValType::Ref(_)) => Val::ExternRef(Some(reference)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_filled_in_as_the_importer_wants_them() {
        let word = |answer, ty: ValType| match converted(answer, &ty) {
            Some(Val::I32(value)) => Some(value.to_string()),
            Some(Val::I64(value)) => Some(value.to_string()),
            Some(Val::F64(bits)) => Some(f64::from_bits(bits).to_string()),
            Some(Val::F32(bits)) => Some(f32::from_bits(bits).to_string()),
            _ => None,
        };
        for ty in [ValType::I32, ValType::I64, ValType::F32, ValType::F64] {
            assert_eq!(word(Answer::Nothing, ty.clone()).as_deref(), Some("0"));
            assert_eq!(word(Answer::Integer(-7), ty.clone()).as_deref(), Some("-7"));
            let number = word(Answer::Number(7.5), ty.clone()).unwrap();
            assert!(["7", "7.5"].contains(&number.as_str()), "{number}");
            assert!(converted(Answer::Integer(1), &ValType::EXTERNREF).is_none());
        }
        assert!(matches!(converted(Answer::Nothing, &ValType::EXTERNREF), Some(Val::ExternRef(None))));
        // C leaves the conversion of what does not fit to the host; it never panics.
        assert!(converted(Answer::Number(f64::NAN), &ValType::I32).is_some());
        assert!(converted(Answer::Number(1e300), &ValType::I64).is_some());
    }
}
