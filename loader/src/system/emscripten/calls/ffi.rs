//! Owns libffi's way to call functions of the guest whose types are known only at run time, and to make functions of such types: what
//! `ctypes` is built on. C types are passed according to WebAssembly's C ABI (tool-conventions, `BasicCABI.md`); the layouts are libffi's
//! (`include/ffi.h`). Must not know Python.

use std::collections::BTreeMap;

use pydl_linker::{SlotContent, TableSlot};
use wasmtime::{Engine, Func, FuncType, Ref, StoreContextMut, Val, ValType};

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::memory::allocate;
use crate::base::interrupt::PIECE;
use crate::memory::address_space::AddressSpace;
use crate::system::kernel::errno::{Errno, Result};
use crate::system::slots;
use crate::system::state::ProcessState;

pub(super) const ENTRIES: &[Entry] = &[
    ("ffi_call_js", Handler::Plain(call)),
    ("ffi_closure_alloc_js", Handler::Plain(closure_alloc)),
    ("ffi_closure_free_js", Handler::Plain(closure_free)),
    ("ffi_prep_closure_loc_js", Handler::Plain(prepare_closure)),
];

/// The bytes of the host's memory that a function takes which the engine has made for closures.
const FUNCTION: u64 = 512;

/// The closures of a process. The engine frees no function before the process ends: the functions of freed closures serve other closures of
/// the same type.
#[derive(Default)]
pub(in super::super) struct Closures {
    /// The table slots that were given to closures, each with the number of its function once it has one: only these are given back.
    slots: BTreeMap<u32, Option<usize>>,
    functions: Vec<ClosureFunction>,
    /// Functions that no closure uses, by type.
    unused: BTreeMap<Vec<u8>, Vec<usize>>,
}

struct ClosureFunction {
    /// The engine's function, once it has first been put into a slot of this process's table.
    function: Option<Func>,
    /// Its type ([`Interface::key`]).
    ty: Vec<u8>,
    target: ClosureTarget,
}

/// What a closure calls: `function(cif, *result, **arguments, data)`.
#[derive(Clone, Copy)]
struct ClosureTarget {
    cif: u32,
    function: u32,
    data: u32,
}

impl Closures {
    /// Takes an unused function of a type for the closure in a slot, which then calls `target`. Returns its number, or `None` when one has
    /// to be made.
    fn reuse(&mut self, slot: u32, ty: &[u8], target: ClosureTarget) -> Option<usize> {
        self.leave(slot);
        let number = self.unused.get_mut(ty)?.pop()?;
        self.slots.insert(slot, Some(number));
        let known = self.functions.get_mut(number)?;
        known.target = target;
        Some(number)
    }

    /// Forgets the engine's functions, because the process moves to another store.
    pub(in super::super) fn leave_store(&mut self) {
        self.functions.iter_mut().for_each(|known| known.function = None);
    }

    /// Notes that a slot no longer has its function.
    fn leave(&mut self, slot: u32) {
        let number = self.slots.get_mut(&slot).and_then(Option::take);
        if let Some((number, function)) =
            number.and_then(|number| Some((number, self.functions.get(number)?)))
        {
            self.unused.entry(function.ty.clone()).or_default().push(number);
        }
    }
}

/// The most arguments of a call (`MAX_ARGS` of libffi's port).
const MOST_ARGUMENTS: u32 = 1000;
/// How many levels of structures with one member are looked into.
const MOST_NESTING: usize = 64;
const STACK_ALIGNMENT: u32 = 16;

/// A C type, by how it is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CType {
    Void,
    /// Of 1, 2 or 4 bytes; and whether it is signed.
    Integer(u32, bool),
    Long,
    Float,
    Double,
    /// 16 bytes: two 64-bit integers as an argument, memory as a result.
    LongDouble,
    /// In memory, of this size and alignment.
    Aggregate(u32, u32),
}

/// Reads a `ffi_type`: size (offset 0), alignment (4), type (6), elements (8). A structure of one member is passed as that member.
fn c_type(guest: &Guest<'_>, address: u32) -> Result<CType> {
    let mut address = address;
    for _ in 0..MOST_NESTING {
        let (size, second) = (guest.u32(address)?, guest.u32(address.saturating_add(4))?);
        let (alignment, kind) = (second & 0xffff, second >> 16);
        return Ok(match kind {
            0 => CType::Void,
            1 | 10 => CType::Integer(4, true),
            9 | 14 => CType::Integer(4, false),
            2 => CType::Float,
            3 => CType::Double,
            4 => CType::LongDouble,
            5 => CType::Integer(1, false),
            6 => CType::Integer(1, true),
            7 => CType::Integer(2, false),
            8 => CType::Integer(2, true),
            11 | 12 => CType::Long,
            13 => {
                let elements = guest.u32(address.saturating_add(8))?;
                let (first, second) = (guest.u32(elements)?, guest.u32(elements.saturating_add(4))?);
                if first == 0 {
                    return Ok(CType::Void);
                }
                if second == 0 {
                    address = first;
                    continue;
                }
                CType::Aggregate(size, alignment.max(1))
            }
            _ => return Err(Errno::NOTSUP.into()),
        });
    }
    Err(Errno::INVAL.into())
}

/// How a function is called, read from a `ffi_cif`: number of arguments (offset 4), their types (8), the type of the result (12), number of
/// arguments that are not variable (24).
struct Interface {
    arguments: Vec<CType>,
    fixed: usize,
    result: CType,
}

impl Interface {
    fn read(guest: &Guest<'_>, address: u32) -> Result<Interface> {
        let count = guest.u32(address.saturating_add(4))?;
        if count > MOST_ARGUMENTS {
            return Err(Errno::TOOBIG.into());
        }
        let types = guest.u32(address.saturating_add(8))?;
        let arguments = (0..count).map(|index| c_type(guest, guest.u32(types.saturating_add(index * 4))?));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let fixed = guest.u32(address.saturating_add(24))?.min(count) as usize;
        Ok(Interface { arguments, fixed, result: c_type(guest, guest.u32(address.saturating_add(12))?)? })
    }

    /// Whether the result is written to memory whose address the caller passes.
    fn returns_in_memory(&self) -> bool {
        matches!(self.result, CType::Aggregate(..) | CType::LongDouble)
    }

    /// A key for its type in WebAssembly: the same for the same type.
    fn key(&self) -> Vec<u8> {
        let (parameters, result) = self.types();
        let letter = |ty: &ValType| match ty {
            ValType::I32 => b'i',
            ValType::I64 => b'l',
            ValType::F32 => b'f',
            _ => b'd',
        };
        parameters.iter().map(letter).chain([b':']).chain(result.iter().map(letter)).collect()
    }

    /// Its type in WebAssembly.
    fn function_type(&self, guest: &mut Guest<'_>) -> FuncType {
        let (parameters, result) = self.types();
        FuncType::new(guest.store().engine(), parameters, result)
    }

    fn types(&self) -> (Vec<ValType>, Option<ValType>) {
        let mut parameters = Vec::new();
        if self.returns_in_memory() {
            parameters.push(ValType::I32);
        }
        for argument in self.arguments.iter().take(self.fixed) {
            match argument {
                CType::Void => {}
                CType::Integer(..) | CType::Aggregate(..) => parameters.push(ValType::I32),
                CType::Long => parameters.push(ValType::I64),
                CType::Float => parameters.push(ValType::F32),
                CType::Double => parameters.push(ValType::F64),
                CType::LongDouble => parameters.extend([ValType::I64, ValType::I64]),
            }
        }
        if self.fixed < self.arguments.len() {
            parameters.push(ValType::I32);
        }
        let result = match self.result {
            CType::Integer(..) => Some(ValType::I32),
            CType::Long => Some(ValType::I64),
            CType::Float => Some(ValType::F32),
            CType::Double => Some(ValType::F64),
            CType::Void | CType::Aggregate(..) | CType::LongDouble => None,
        };
        (parameters, result)
    }
}

/// The C stack below the guest's frames, which holds a call's own data.
struct Stack {
    top: u32,
}

impl Stack {
    fn of(guest: &mut Guest<'_>, space: &AddressSpace) -> Result<Stack> {
        match space.stack_pointer.get(guest.store()) {
            Val::I32(top) => Ok(Stack { top: top.cast_unsigned() }),
            _ => Err(Errno::FAULT.into()),
        }
    }

    /// Allocates room on the stack and returns its address.
    fn take(&mut self, size: u32, alignment: u32) -> Result<u32> {
        let alignment = if alignment.is_power_of_two() { alignment.max(1) } else { STACK_ALIGNMENT };
        self.top = self.top.checked_sub(size).ok_or(Errno::FAULT)? & !(alignment - 1);
        Ok(self.top)
    }
}

fn space(guest: &mut Guest<'_>) -> wasmtime::Result<AddressSpace> {
    let running = guest.state().running.clone();
    let space = running.and_then(|running| running.space);
    space
        .map(|space| (*space).clone())
        .ok_or_else(|| wasmtime::Error::msg("the process has no function table"))
}

fn function_at(guest: &mut Guest<'_>, space: &AddressSpace, slot: u32) -> wasmtime::Result<Func> {
    match space.table.get(guest.store(), slot.into()) {
        Some(Ref::Func(Some(function))) => Ok(function),
        _ => Err(wasmtime::Error::msg(format!("libffi: there is no function in slot {slot}"))),
    }
}

/// Reads an argument or result of a type that fits into a value.
fn load(guest: &Guest<'_>, address: u32, ty: CType) -> Result<Vec<Val>> {
    let small = |size: u32, signed: bool| -> Result<i32> {
        let bytes = guest.bytes(address, size)?;
        Ok(match (bytes, signed) {
            ([a], false) => i32::from(*a),
            ([a], true) => i32::from(a.cast_signed()),
            ([a, b], false) => i32::from(u16::from_le_bytes([*a, *b])),
            ([a, b], true) => i32::from(i16::from_le_bytes([*a, *b])),
            _ => guest.u32(address)?.cast_signed(),
        })
    };
    Ok(match ty {
        CType::Void => vec![],
        CType::Integer(size, signed) => vec![Val::I32(small(size, signed)?)],
        CType::Long => vec![Val::I64(guest.u64(address)?.cast_signed())],
        CType::Float => vec![Val::F32(guest.u32(address)?)],
        CType::Double => vec![Val::F64(guest.u64(address)?)],
        CType::LongDouble => {
            let high = guest.u64(address.saturating_add(8))?;
            vec![Val::I64(guest.u64(address)?.cast_signed()), Val::I64(high.cast_signed())]
        }
        CType::Aggregate(..) => vec![Val::I32(address.cast_signed())],
    })
}

/// Writes a value to its place in memory.
fn store(guest: &mut Guest<'_>, address: u32, ty: CType, value: &Val) -> Result<()> {
    match (ty, value) {
        (CType::Integer(size, _), Val::I32(value)) => {
            let bytes = value.to_le_bytes();
            guest.write(address, bytes.get(..size as usize).unwrap_or(&bytes))
        }
        (_, Val::I32(value)) => guest.write(address, &value.to_le_bytes()),
        (_, Val::I64(value)) => guest.write(address, &value.to_le_bytes()),
        (_, Val::F32(bits)) => guest.write(address, &bits.to_le_bytes()),
        (_, Val::F64(bits)) => guest.write(address, &bits.to_le_bytes()),
        _ => Err(Errno::FAULT.into()),
    }
}

/// `ffi_call(cif, function, result, arguments)`: calls a function.
fn call(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (cif, slot, result, values) =
        (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?, arguments.word(3)?);
    let space = space(guest)?;
    let function = function_at(guest, &space, slot)?;
    let interface = Interface::read(guest, cif).map_err(ended)?;
    let mut stack = Stack::of(guest, &space).map_err(ended)?;
    let mut parameters = Vec::new();
    if interface.returns_in_memory() {
        parameters.push(Val::I32(result.cast_signed()));
    }
    push_arguments(guest, &mut stack, &interface, values, &mut parameters).map_err(ended)?;
    stack.take(0, STACK_ALIGNMENT).map_err(ended)?;
    let ty = function.ty(guest.store());
    fit(&mut parameters, &ty);
    if !parameters.iter().zip(ty.params()).all(|(value, ty)| is_of(value, &ty)) {
        return Err(wrong_type(guest, slot, &ty, &interface));
    }
    let mut results = vec![Val::I32(0); ty.results().len()];
    let before = space.stack_pointer.get(guest.store());
    space.stack_pointer.set(guest.store(), Val::I32(stack.top.cast_signed()))?;
    let called = function.call(guest.store(), &parameters, &mut results);
    space.stack_pointer.set(guest.store(), before)?;
    called?;
    if let Some(value) = results.first().filter(|_| interface.result != CType::Void) {
        store(guest, result, interface.result, value).map_err(ended)?;
    }
    Ok(Answer::Nothing)
}

/// Whether a value is of a type that C has.
fn is_of(value: &Val, ty: &ValType) -> bool {
    matches!(
        (value, ty),
        (Val::I32(_), ValType::I32)
            | (Val::I64(_), ValType::I64)
            | (Val::F32(_), ValType::F32)
            | (Val::F64(_), ValType::F64)
    )
}

/// The message for a call with other types than the function has, which is undefined behaviour natively.
fn wrong_type(
    guest: &mut Guest<'_>,
    slot: u32,
    defined: &FuncType,
    interface: &Interface,
) -> wasmtime::Error {
    let called = interface.function_type(guest);
    let name = function_name(guest, slot).unwrap_or_else(|| format!("the function in slot {slot}"));
    wasmtime::Error::msg(format!(
        "{name} is of type {}, and libffi is to call it as one of type {}: its argument types, as ctypes has them in argtypes or \
         finds them, are not the function's",
        type_text(defined),
        type_text(&called)
    ))
}

/// The name of a function in a table slot, and its file; `None` for one that no module exports.
fn function_name(guest: &mut Guest<'_>, slot: u32) -> Option<String> {
    let opener = guest.state().opener;
    opener.function_name(guest.store(), slot)
}

/// A type in the form of messages: `(i32, f64) -> i32`.
fn type_text(ty: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = ValType>| {
        types.map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ")
    };
    let results = list(&mut ty.results());
    let results = if results.is_empty() { "()".to_owned() } else { results };
    format!("({}) -> {results}", list(&mut ty.params()))
}

/// Gives a function as many arguments as it takes: further ones are dropped, missing ones are 0, as in a call from JavaScript. Programs
/// rely on this when they call a function with variable arguments and pass none: then there is no pointer to them.
fn fit(parameters: &mut Vec<Val>, ty: &FuncType) {
    let missing = ty.params().skip(parameters.len());
    parameters.extend(missing.map(|ty| Val::default_for_ty(&ty).unwrap_or(Val::I32(0))));
    parameters.truncate(ty.params().len());
}

/// Copies any number of bytes of memory; source and target may overlap.
fn copy_within(guest: &mut Guest<'_>, from: u32, to: u32, length: u32) -> Result<()> {
    let interrupt = guest.state().interrupt.clone();
    guest.bytes(from, length)?;
    guest.bytes(to, length)?;
    let (memory, _) = guest.split()?;
    let (from, to, length) = (from as usize, to as usize, length as usize);
    let pieces = length.div_ceil(PIECE);
    for number in 0..pieces {
        interrupt.check()?;
        // What would be overwritten is copied first.
        let start = PIECE * if to > from { pieces - 1 - number } else { number };
        let end = (start + PIECE).min(length);
        memory.copy_within(from + start..from + end, to + start);
    }
    Ok(())
}

/// Reads the arguments behind the pointers in `values`. Structures are copied, since they are the callee's; variable arguments lie
/// in memory, one after the other.
fn push_arguments(
    guest: &mut Guest<'_>,
    stack: &mut Stack,
    interface: &Interface,
    values: u32,
    parameters: &mut Vec<Val>,
) -> Result<()> {
    let mut variable = Vec::new();
    for (index, ty) in (0_u32..).zip(interface.arguments.iter().copied()) {
        let mut at = guest.u32(values.saturating_add(index * 4))?;
        if let CType::Aggregate(size, alignment) = ty {
            let copy = stack.take(size, alignment)?;
            copy_within(guest, at, copy, size)?;
            at = copy;
        }
        if (index as usize) < interface.fixed {
            parameters.extend(load(guest, at, ty)?);
        } else {
            variable.push((ty, load(guest, at, ty)?));
        }
    }
    if interface.fixed == interface.arguments.len() {
        return Ok(());
    }
    let mut size = 0_u32;
    let mut places = Vec::new();
    for (ty, _) in &variable {
        let (bytes, alignment) = match ty {
            CType::Void => (0, 1),
            CType::Long | CType::Double => (8, 8),
            CType::LongDouble => (16, 16),
            CType::Integer(..) | CType::Float | CType::Aggregate(..) => (4, 4),
        };
        size = size.next_multiple_of(alignment);
        places.push(size);
        size += bytes;
    }
    let base = stack.take(size, STACK_ALIGNMENT)?;
    for ((_, values), place) in variable.iter().zip(places) {
        let mut at = base.saturating_add(place);
        for value in values {
            store(guest, at, CType::Void, value)?;
            at = at.saturating_add(8);
        }
    }
    parameters.push(Val::I32(base.cast_signed()));
    Ok(())
}

/// `ffi_closure_alloc(size, *code)`: allocates memory for a closure and a table slot for its function.
fn closure_alloc(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (size, code) = (arguments.word(0)?, arguments.word(1)?);
    if size > 4096 {
        return Ok(Answer::Integer(0));
    }
    let space = space(guest)?;
    let Some(slot) = space.take_slot(guest.store()) else { return Ok(Answer::Integer(0)) };
    let mut closure = vec![0; (size as usize).max(16)];
    closure[..4].copy_from_slice(&slot.0.to_le_bytes());
    let Some(address) = allocate(guest, &closure)? else {
        space.give_slot(guest.store(), slot);
        return Ok(Answer::Integer(0));
    };
    guest.write(code, &slot.0.to_le_bytes()).map_err(ended)?;
    guest.system().map_err(ended)?.closures.slots.insert(slot.0, None);
    Ok(address.into())
}

/// `ffi_closure_free(closure)`: frees a closure and its table slot.
fn closure_free(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let closure = arguments.word(0)?;
    let slot = guest.u32(closure).map_err(ended)?;
    // The guest may have changed what lies there.
    let closures = &mut guest.system().map_err(ended)?.closures;
    closures.leave(slot);
    if closures.slots.remove(&slot).is_none() {
        return Err(wasmtime::Error::msg(format!("libffi: slot {slot} is not that of a closure")));
    }
    let space = space(guest)?;
    space.give_back(guest.store(), pydl_linker::Address(closure))?;
    slots::empty(&mut guest.store(), &space, TableSlot(slot));
    Ok(Answer::Nothing)
}

/// `ffi_prep_closure_loc(closure, cif, function, data, code)`: the slot `code` gets a function of the type that `cif` describes,
/// which calls `function(cif, *result, **arguments, data)`.
fn prepare_closure(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    /// `FFI_BAD_TYPEDEF`.
    const BAD_TYPE: i64 = 1;
    let (closure, cif) = (arguments.word(0)?, arguments.word(1)?);
    let (function, data, code) = (arguments.word(2)?, arguments.word(3)?, arguments.word(4)?);
    let Ok(interface) = Interface::read(guest, cif) else { return Ok(Answer::Integer(BAD_TYPE)) };
    let target = ClosureTarget { cif, function, data };
    let space = space(guest)?;
    let fields = [code, cif, function, data].map(u32::to_le_bytes).concat();
    guest.write(closure, &fields).map_err(ended)?;
    let Some(number) = closure_number(guest, code, &interface, target)? else {
        return Ok(Answer::Integer(BAD_TYPE));
    };
    let lost = || wasmtime::Error::msg("internal error: libffi: a closure without a function");
    let function = closure_function(&mut guest.store(), number).ok_or_else(lost)?;
    slots::fill(&mut guest.store(), &space, TableSlot(code), SlotContent::Closure(number), function)?;
    Ok(Answer::Integer(0))
}

/// The number of a function for the closure in a slot; `None` when the host must not keep any more of them.
fn closure_number(
    guest: &mut Guest<'_>,
    slot: u32,
    interface: &Interface,
    target: ClosureTarget,
) -> wasmtime::Result<Option<usize>> {
    let key = interface.key();
    if let Some(known) = guest.system().map_err(ended)?.closures.reuse(slot, &key, target) {
        return Ok(Some(known));
    }
    if guest.state().limits.keep(FUNCTION).is_err() {
        return Ok(None);
    }
    let closures = &mut guest.system().map_err(ended)?.closures;
    let number = closures.functions.len();
    closures.functions.push(ClosureFunction { function: None, ty: key, target });
    closures.slots.insert(slot, Some(number));
    Ok(Some(number))
}

/// The function of this number; `None` when there is none.
pub(in super::super) fn closure_function(
    store: &mut StoreContextMut<'_, ProcessState>,
    number: usize,
) -> Option<Func> {
    let known = store.data().system.emscripten()?.closures.functions.get(number)?;
    if let Some(function) = known.function {
        return Some(function);
    }
    let ty = type_of_key(store.engine(), &known.ty);
    let function = Func::new(&mut *store, ty, move |caller, parameters, results| {
        let mut guest = Guest::new(caller)?;
        let known = guest.system().map_err(ended)?.closures.functions.get(number);
        let Some(ClosureTarget { cif, function, data }) = known.map(|known| known.target) else {
            return Err(wasmtime::Error::msg("libffi: a closure that is none was called"));
        };
        run_closure(&mut guest, cif, function, data, parameters, results)
    });
    let closures = &mut store.data_mut().system.emscripten_mut()?.closures;
    closures.functions.get_mut(number)?.function = Some(function);
    Some(function)
}

/// The type that a key stands for ([`Interface::key`]).
fn type_of_key(engine: &Engine, key: &[u8]) -> FuncType {
    let ty = |letter: &u8| match letter {
        b'i' => ValType::I32,
        b'l' => ValType::I64,
        b'f' => ValType::F32,
        _ => ValType::F64,
    };
    let mut halves = key.split(|letter| *letter == b':');
    let mut types = || halves.next().unwrap_or_default().iter().map(ty).collect::<Vec<_>>();
    let (parameters, results) = (types(), types());
    FuncType::new(engine, parameters, results)
}

/// Called by the guest: passes pointers to the parameters on.
fn run_closure(
    guest: &mut Guest<'_>,
    cif: u32,
    function: u32,
    data: u32,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let space = space(guest)?;
    let interface = Interface::read(guest, cif).map_err(ended)?;
    let mut stack = Stack::of(guest, &space).map_err(ended)?;
    let mut parameters = parameters.iter();
    let result = match (interface.returns_in_memory(), parameters.as_slice().first()) {
        (true, Some(Val::I32(address))) => {
            parameters.next();
            address.cast_unsigned()
        }
        _ => stack.take(16, STACK_ALIGNMENT).map_err(ended)?,
    };
    let pointers = spill(guest, &mut stack, &interface, parameters).map_err(ended)?;
    let array = stack.take(u32::try_from(pointers.len() * 4)?, STACK_ALIGNMENT).map_err(ended)?;
    let bytes: Vec<u8> = pointers.iter().flat_map(|pointer| pointer.to_le_bytes()).collect();
    guest.write(array, &bytes).map_err(ended)?;
    stack.take(0, STACK_ALIGNMENT).map_err(ended)?;
    let function = function_at(guest, &space, function)?;
    let function = function.typed::<(u32, u32, u32, u32), ()>(guest.store())?;
    let before = space.stack_pointer.get(guest.store());
    space.stack_pointer.set(guest.store(), Val::I32(stack.top.cast_signed()))?;
    let called = function.call(guest.store(), (cif, result, array, data));
    space.stack_pointer.set(guest.store(), before)?;
    called?;
    if let Some(slot) = results.first_mut() {
        let value = load(guest, result, interface.result).map_err(ended)?;
        if let Some(value) = value.into_iter().next() {
            *slot = value;
        }
    }
    Ok(())
}

/// Writes parameters to memory; returns the address of each argument.
fn spill<'v>(
    guest: &mut Guest<'_>,
    stack: &mut Stack,
    interface: &Interface,
    mut parameters: impl Iterator<Item = &'v Val>,
) -> Result<Vec<u32>> {
    let mut pointers = Vec::new();
    for ty in interface.arguments.iter().take(interface.fixed).copied() {
        let mut next = || parameters.next().ok_or(Errno::INVAL);
        pointers.push(match ty {
            CType::Void => stack.top,
            CType::Aggregate(..) => match next()? {
                Val::I32(address) => address.cast_unsigned(),
                _ => return Err(Errno::INVAL.into()),
            },
            ty => {
                let at = stack.take(16, STACK_ALIGNMENT)?;
                store(guest, at, ty, next()?)?;
                if ty == CType::LongDouble {
                    store(guest, at.saturating_add(8), ty, next()?)?;
                }
                at
            }
        });
    }
    if interface.fixed < interface.arguments.len() {
        let Some(Val::I32(base)) = parameters.next() else { return Err(Errno::INVAL.into()) };
        let mut at = base.cast_unsigned();
        for ty in interface.arguments.iter().skip(interface.fixed) {
            let (size, alignment) = match ty {
                CType::Long | CType::Double => (8, 8),
                CType::LongDouble => (16, 16),
                _ => (4, 4),
            };
            at = at.checked_next_multiple_of(alignment).ok_or(Errno::FAULT)?;
            pointers.push(if let CType::Aggregate(..) = ty { guest.u32(at)? } else { at });
            at = at.saturating_add(size);
        }
    }
    Ok(pointers)
}
