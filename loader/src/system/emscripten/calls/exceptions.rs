//! Owns C++ exceptions and `longjmp` of modules that leave both to the host, as Emscripten's compiler does unless WebAssembly's own
//! exceptions are selected: calls that may throw go through `invoke_*`, and a thrown exception is an error of the host that passes through
//! the frames of the guest. Facts: Emscripten, `src/lib/libexceptions.js`, `system/lib/libcxxabi/src/cxa_exception.h`. Must not know how
//! calls get here.

use pydl_linker::abi;
use wasmtime::{
    AsContextMut, Caller, ExnRef, ExnRefPre, ExnType, FuncType, Ref, Val, ValType, WasmParams, WasmResults,
};

use super::super::guest::Guest;
use super::super::halves::{self, Halves};
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use crate::system::kernel::errno::Result;
use crate::system::state::ProcessState;
use crate::system::tags::process_tag;

pub(super) const ENTRIES: &[Entry] = &[
    ("__cxa_throw", Handler::Plain(throw)),
    ("__cxa_begin_catch", Handler::Plain(begin_catch)),
    ("__cxa_end_catch", Handler::Plain(end_catch)),
    ("__cxa_rethrow", Handler::Plain(rethrow)),
    ("__cxa_rethrow_primary_exception", Handler::Plain(rethrow_primary)),
    ("__cxa_current_primary_exception", Handler::Plain(current_primary)),
    ("__cxa_uncaught_exceptions", Handler::Plain(uncaught)),
    ("__cxa_get_exception_ptr", Handler::Plain(get_object)),
    ("__cxa_current_exception_type", Handler::Plain(current_type)),
    ("__resumeException", Handler::Plain(resume)),
    ("llvm_eh_typeid_for", Handler::Plain(type_id)),
    ("getTempRet0", Handler::Plain(get_temporary)),
    ("setTempRet0", Handler::Plain(set_temporary)),
    ("__throw_exception_with_stack_trace", Handler::Plain(throw_native)),
    ("_emscripten_throw_longjmp", Handler::Plain(throw_longjmp)),
];

/// The handler for functions that exist under one name for each number of types: they select a `catch` clause, and take its types as
/// arguments.
pub(super) fn of_pattern(name: &str) -> Option<Handler> {
    name.starts_with("__cxa_find_matching_catch_").then_some(Handler::Plain(find_matching_catch))
}

/// The prefix of functions that call a table slot and stop what is thrown there.
pub(in super::super) const INVOKE: &str = "invoke_";

/// The error of what was thrown: it passes through the guest's frames until an `invoke_*` takes it. The guest keeps the object itself.
#[derive(Debug, thiserror::Error)]
#[error("an exception of C++, or a longjmp, that nothing catches")]
struct Unwinding;

/// The exceptions of a process.
#[derive(Default)]
pub(in super::super) struct Exceptions {
    /// The object that was thrown last, while it is in flight; 0 for none.
    last: u32,
    /// The number of exceptions that were thrown and not caught yet.
    uncaught: u32,
    /// The objects that are being handled, the innermost last.
    caught: Vec<u32>,
}

impl Exceptions {
    /// For an error that is an exception in flight: where the address of its type is, and its object.
    pub(in super::super) fn uncaught_object(&self, error: &wasmtime::Error) -> Option<(u32, u32)> {
        let object = Some(self.last).filter(|object| *object != 0 && error.is::<Unwinding>())?;
        Some((object.checked_sub(header::TYPE)?, object))
    }
}

/// Fields of `struct __cxa_exception`, as distances in bytes before the thrown object.
mod header {
    pub const TYPE: u32 = 20;
    pub const DESTRUCTOR: u32 = 16;
    pub const CAUGHT: u32 = 12;
    pub const RETHROWN: u32 = 11;
    pub const ADJUSTED: u32 = 8;
}

/// `invoke_*(slot, ...)`: calls the function in the slot; what is thrown there stops here, is recorded by `setThrew(1, 0)`, and zeros are
/// returned. Everything else that ends a call passes through.
pub(in super::super) fn invoke(
    caller: &mut Caller<'_, ProcessState>,
    ty: &FuncType,
    values: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let space = caller.data().running.as_ref().and_then(|running| running.space.as_ref());
    let space = space.map(|space| (space.table, space.stack_pointer));
    let (table, stack_pointer) = space.ok_or_else(|| wasmtime::Error::msg("no function table"))?;
    let (Some(Val::I32(slot)), arguments) = (values.first(), values.get(1..).unwrap_or_default()) else {
        return Err(wasmtime::Error::msg("a call of no function"));
    };
    let slot = slot.cast_unsigned();
    let Some(Ref::Func(Some(function))) = table.get(&mut *caller, slot.into()) else {
        return Err(wasmtime::Error::msg(format!("uninitialized element: slot {slot}")));
    };
    let before = stack_pointer.get(&mut *caller);
    let Err(error) = function.call(&mut *caller, arguments, results) else { return Ok(()) };
    if !error.is::<Unwinding>() {
        return Err(error);
    }
    stack_pointer.set(&mut *caller, before)?;
    for (result, ty) in results.iter_mut().zip(ty.results()) {
        *result = Val::default_for_ty(&ty).unwrap_or(Val::I32(0));
    }
    let main = caller.data().running.as_ref().map(|running| running.main);
    let main = main.ok_or_else(|| wasmtime::Error::msg("the process has not started"))?;
    main.get_typed_func::<(i32, i32), ()>(&mut *caller, "setThrew")?.call(&mut *caller, (1, 0))
}

/// `invoke_*` of a module that passes 64-bit integers in halves: the function in the slot takes them whole.
pub(in super::super) fn invoke_in_halves(
    mut caller: Caller<'_, ProcessState>,
    halves: &Halves,
    ty: &FuncType,
    values: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let values = halves.join(values);
    if !halves.is_result_long {
        return invoke(&mut caller, ty, &values, results);
    }
    let mut whole = [Val::I64(0)];
    let result = FuncType::new(caller.engine(), [], [ValType::I64]);
    invoke(&mut caller, &result, &values, &mut whole)?;
    let (low, high) = halves::split(whole[0].i64().unwrap_or_default());
    if let Some(result) = results.first_mut() {
        *result = Val::I32(low);
    }
    set_second_result(&mut Guest::new(caller)?, high)
}

fn exceptions<'a>(guest: &'a mut Guest<'_>) -> wasmtime::Result<&'a mut Exceptions> {
    Ok(&mut guest.system().map_err(ended)?.exceptions)
}

/// Calls an export of the main module.
fn call<P: WasmParams, R: WasmResults>(
    guest: &mut Guest<'_>,
    name: &str,
    parameters: P,
) -> wasmtime::Result<R> {
    let main = guest.state().running.as_ref().map(|running| running.main);
    let main = main.ok_or_else(|| wasmtime::Error::msg("the process has not started"))?;
    let mut store = guest.store();
    let function = main.get_typed_func::<P, R>(store.as_context_mut(), name).map_err(|_| {
        wasmtime::Error::msg(format!(
            "an exception of C++ that is left to the host: the main module does not export `{name}`, as one linked with \
             -fexceptions does"
        ))
    })?;
    function.call(store, parameters)
}

/// Whether the main module exports a function of this name.
fn exports(guest: &mut Guest<'_>, name: &str) -> bool {
    let main = guest.state().running.as_ref().map(|running| running.main);
    main.is_some_and(|main| main.get_func(guest.store(), name).is_some())
}

fn word(guest: &Guest<'_>, object: u32, field: u32) -> wasmtime::Result<u32> {
    guest.u32(object.wrapping_sub(field)).map_err(ended)
}

fn set(guest: &mut Guest<'_>, object: u32, field: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    guest.write(object.wrapping_sub(field), bytes).map_err(ended)
}

fn flag(guest: &Guest<'_>, object: u32, field: u32) -> wasmtime::Result<bool> {
    let byte: Result<bool> = guest.bytes(object.wrapping_sub(field), 1).map(|bytes| bytes != [0]);
    byte.map_err(ended)
}

fn unwind(guest: &mut Guest<'_>, object: u32) -> wasmtime::Result<Answer> {
    exceptions(guest)?.last = object;
    Err(Unwinding.into())
}

/// `(object, type, destructor)`: throws an object.
fn throw(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let object = arguments.word(0)?;
    set(guest, object, header::ADJUSTED, &[0; 4])?;
    set(guest, object, header::TYPE, &arguments.word(1)?.to_le_bytes())?;
    set(guest, object, header::DESTRUCTOR, &arguments.word(2)?.to_le_bytes())?;
    let exceptions = exceptions(guest)?;
    exceptions.uncaught = exceptions.uncaught.saturating_add(1);
    unwind(guest, object)
}

/// Rethrows, from a place that has only cleaned up.
fn resume(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let last = exceptions(guest)?.last;
    let object = if last == 0 { arguments.word(0)? } else { last };
    unwind(guest, object)
}

/// Returns the object that was thrown and, as `getTempRet0`, the type among the arguments by which it is caught: a type of 0 catches
/// anything.
fn find_matching_catch(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let thrown = exceptions(guest)?.last;
    if thrown == 0 {
        set_second_result(guest, 0)?;
        return Ok(Answer::from(0));
    }
    set(guest, thrown, header::ADJUSTED, &thrown.to_le_bytes())?;
    let ty = word(guest, thrown, header::TYPE)?;
    let mut found = ty;
    if ty != 0 {
        let adjusted = thrown.wrapping_sub(header::ADJUSTED);
        for index in 0..arguments.count() {
            let caught = arguments.word(index)?;
            if caught == 0 || caught == ty {
                break;
            }
            if call::<(u32, u32, u32), i32>(guest, "__cxa_can_catch", (caught, ty, adjusted))? != 0 {
                found = caught;
                break;
            }
        }
    }
    set_second_result(guest, found)?;
    Ok(Answer::from(thrown))
}

/// Exports that set and get the second result of functions that have two.
const SET_TEMPORARY: &str = "_emscripten_tempret_set";
const GET_TEMPORARY: &str = "_emscripten_tempret_get";

/// Stores the second result of a function in the C library.
pub(in super::super) fn set_second_result(guest: &mut Guest<'_>, result: u32) -> wasmtime::Result<()> {
    call::<u32, ()>(guest, SET_TEMPORARY, result)
}

fn get_temporary(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    call::<(), u32>(guest, GET_TEMPORARY, ()).map(Answer::from)
}

fn set_temporary(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    set_second_result(guest, arguments.word(0)?)?;
    Ok(Answer::Nothing)
}

/// `(exception)`: called by `throw`, with WebAssembly's own exceptions, in programs built with assertions: JavaScript's exceptions know
/// where they were thrown.
fn throw_native(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let exception = Val::I32(arguments.int(0)?);
    let main = guest.state().running.as_ref().map(|running| running.main);
    let mut store = guest.store();
    let own = main.and_then(|main| main.get_tag(&mut store, abi::CPP_EXCEPTION));
    let tag = match own {
        Some(tag) => tag,
        None => process_tag(&mut store, abi::CPP_EXCEPTION)?,
    };
    let ty = ExnType::from_tag_type(&tag.ty(&store))?;
    let allocator = ExnRefPre::new(&mut store, ty);
    let exception = ExnRef::new(&mut store, &allocator, &tag, &[exception])?;
    store.throw(exception)
}

/// The types that a `catch` clause is selected by are their own numbers.
fn type_id(_: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    arguments.word(0).map(Answer::from)
}

/// The object as a handler sees it: from Emscripten 4 on, the C++ library's own function returns it.
fn object_of(guest: &mut Guest<'_>, object: u32) -> wasmtime::Result<u32> {
    if exports(guest, OBJECT) {
        return call::<u32, u32>(guest, OBJECT, object);
    }
    let ty = word(guest, object, header::TYPE)?;
    if call::<u32, i32>(guest, "__cxa_is_pointer_type", ty)? != 0 {
        return guest.u32(object).map_err(ended);
    }
    let adjusted = word(guest, object, header::ADJUSTED)?;
    Ok(if adjusted == 0 { object } else { adjusted })
}

/// The C++ library's function that returns the object as a handler sees it.
const OBJECT: &str = "__cxa_get_exception_ptr";

fn get_object(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    object_of(guest, arguments.word(0)?).map(Answer::from)
}

fn push(guest: &mut Guest<'_>, object: u32) -> wasmtime::Result<()> {
    let most = guest.state().budget.limits().nested_exceptions;
    let exceptions = exceptions(guest)?;
    if exceptions.caught.len() >= most {
        return Err(wasmtime::Error::msg("too many exceptions are handled at once"));
    }
    exceptions.caught.push(object);
    Ok(())
}

fn begin_catch(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let object = arguments.word(0)?;
    if !flag(guest, object, header::CAUGHT)? {
        set(guest, object, header::CAUGHT, &[1])?;
        let exceptions = exceptions(guest)?;
        exceptions.uncaught = exceptions.uncaught.saturating_sub(1);
    }
    set(guest, object, header::RETHROWN, &[0])?;
    push(guest, object)?;
    call::<u32, ()>(guest, "__cxa_increment_exception_refcount", object)?;
    object_of(guest, object).map(Answer::from)
}

fn end_catch(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    call::<(i32, i32), ()>(guest, "setThrew", (0, 0))?;
    let object = exceptions(guest)?.caught.pop();
    let object = object.ok_or_else(|| wasmtime::Error::msg("the end of a handler that none began"))?;
    call::<u32, ()>(guest, "__cxa_decrement_exception_refcount", object)?;
    exceptions(guest)?.last = 0;
    Ok(Answer::Nothing)
}

fn rethrow(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let object = exceptions(guest)?.caught.pop();
    let object = object.ok_or_else(|| wasmtime::Error::msg("there is no exception to throw again"))?;
    if !flag(guest, object, header::RETHROWN)? {
        push(guest, object)?;
        set(guest, object, header::RETHROWN, &[1])?;
        set(guest, object, header::CAUGHT, &[0])?;
        let exceptions = exceptions(guest)?;
        exceptions.uncaught = exceptions.uncaught.saturating_add(1);
    }
    unwind(guest, object)
}

/// `std::rethrow_exception`.
fn rethrow_primary(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let object = arguments.word(0)?;
    if object == 0 {
        return Ok(Answer::Nothing);
    }
    push(guest, object)?;
    set(guest, object, header::RETHROWN, &[1])?;
    rethrow(guest, arguments)
}

/// `std::current_exception`.
fn current_primary(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let Some(object) = exceptions(guest)?.caught.last().copied() else { return Ok(Answer::from(0)) };
    call::<u32, ()>(guest, "__cxa_increment_exception_refcount", object)?;
    Ok(Answer::from(object))
}

/// The type of the exception that is being handled; 0 for none.
fn current_type(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let object = exceptions(guest)?.caught.last().copied();
    object.map_or(Ok(0), |object| word(guest, object, header::TYPE)).map(Answer::from)
}

fn uncaught(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(Answer::from(exceptions(guest)?.uncaught))
}

/// `longjmp`: the guest has recorded the target and the value.
fn throw_longjmp(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Err(Unwinding.into())
}
