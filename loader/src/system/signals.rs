//! Owns how signals are delivered to a guest: which action the guest has set for one, and how its handler is called. Must not know where
//! signals come from, nor what the guest waits for.

use pydl_linker::rewrite::waits_of_wasi;
use wasmtime::{AsContextMut, Instance, Ref, StoreContextMut, Val, WasmParams, WasmResults};

use crate::base::interrupt::{Interrupted, Killed, Signal};
use crate::memory::address_space::AddressSpace;
use crate::system::System;
use crate::system::state::{ProcessState, Running};

/// The export that does what a `SIGINT` does: the next bytecode raises `KeyboardInterrupt`. It only sets flags, so that it may be called
/// wherever the guest is (CPython, `Modules/signalmodule.c`).
const SET_INTERRUPT: &str = "PyErr_SetInterrupt";

/// What a signal means to a system call that waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Effect {
    /// None: the call continues to wait.
    None,
    /// A handler ran after which calls that can be restarted continue (`SA_RESTART`).
    Restarts,
    /// A handler ran: the call ends with `EINTR`.
    Interrupts,
}

/// Delivers to the guest, wherever it is, the signals that have come since the last call. Errs, to end the guest, when one of them ends it.
pub(crate) fn deliver_pending(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<Effect> {
    let interrupt = store.data().interrupt.clone();
    if interrupt.is_terminated() {
        return Err(Interrupted.into());
    }
    let mut effect = Effect::None;
    if interrupt.is_pending() {
        for signal in interrupt.take() {
            effect = effect.max(deliver(store, signal)?);
        }
        if effect == Effect::None || !tells_when_it_looks(store) {
            interrupt.noticed();
        }
    }
    Ok(effect)
}

/// Whether the guest is a CPython that reports when it looks for what its handlers have noted ([`waits_of_wasi`]).
fn tells_when_it_looks(store: &mut StoreContextMut<'_, ProcessState>) -> bool {
    let main = store.data().running.as_ref().map(|running| running.main);
    matches!(store.data().system, System::Wasi(_))
        && main.is_some_and(|main| main.get_func(&mut *store, waits_of_wasi::LOOK_FOR_SIGNALS).is_some())
}

/// Delivers one signal to the guest. Errs when that ends it.
fn deliver(store: &mut StoreContextMut<'_, ProcessState>, signal: Signal) -> wasmtime::Result<Effect> {
    let Some(running) = store.data().running.clone() else { return by_default(signal) };
    let Some(space) = running.space.clone() else {
        return ask_python(store, &running.main, signal);
    };
    // The guest may be anywhere in a function that uses memory below its stack pointer.
    let before = space.skip_red_zone(&mut *store)?;
    let effect = deliver_below(store, &running, &space, signal);
    space.stack_pointer.set(store, before)?;
    effect
}

fn deliver_below(
    store: &mut StoreContextMut<'_, ProcessState>,
    running: &Running,
    space: &AddressSpace,
    signal: Signal,
) -> wasmtime::Result<Effect> {
    let number = i32::from(signal.number());
    let mut guest = Signalled { store: store.as_context_mut(), main: running.main, space };
    let Some(action) = guest.action(number)? else { return ask_python(store, &running.main, signal) };
    match action {
        Action::Default => by_default(signal),
        Action::Ignore => Ok(Effect::None),
        // The signal waits until the guest unblocks it.
        Action::Blocked => guest.call("raise", number).map(|_: Option<i32>| Effect::None),
        Action::Handler { restarts } => {
            let _: Option<i32> = guest.call("raise", number)?;
            Ok(if restarts { Effect::Restarts } else { Effect::Interrupts })
        }
    }
}

/// What happens when the guest has set no action (signal(7)).
fn by_default(signal: Signal) -> wasmtime::Result<Effect> {
    match signal {
        Signal::Continue | Signal::WindowChange => Ok(Effect::None),
        Signal::Interrupt => Err(Interrupted.into()),
        other => Err(Killed(other).into()),
    }
}

/// Has CPython note a `SIGINT`, in a main module whose C library does not say what is to be done.
fn ask_python(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: &Instance,
    signal: Signal,
) -> wasmtime::Result<Effect> {
    if signal != Signal::Interrupt {
        return by_default(signal);
    }
    match main.get_typed_func::<(), ()>(&mut *store, SET_INTERRUPT) {
        Ok(set) => set.call(&mut *store, ()).map(|()| Effect::Interrupts),
        Err(_) => by_default(signal),
    }
}

/// The action that a guest has set for a signal.
enum Action {
    Default,
    Ignore,
    Blocked,
    Handler { restarts: bool },
}

/// A guest whose functions are called.
struct Signalled<'a> {
    store: StoreContextMut<'a, ProcessState>,
    main: Instance,
    space: &'a AddressSpace,
}

/// A `struct sigaction` of Emscripten's C library: handler (offset 0), mask (4), flags (132), restorer (136). A `sigset_t` is shorter.
mod layout {
    pub const FLAGS: usize = 132;
    pub const SIZE: usize = 140;
    pub const BYTES: u32 = 140;
    /// Bytes on the stack for one, aligned as the stack is.
    pub const ROOM: u32 = 160;
    pub const SA_RESTART: u32 = 0x1000_0000;
    pub const SIG_DFL: u32 = 0;
    /// Emscripten's value (`signal.h`): 1 may be the slot of a function.
    pub const SIG_IGN: u32 = 0xffff_fffe;
}

impl Signalled<'_> {
    /// Calls a function of the main module; `None` when it exports none of this name and type.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        parameters: P,
    ) -> wasmtime::Result<Option<R>> {
        match self.main.get_typed_func::<P, R>(&mut self.store, name) {
            Ok(function) => function.call(&mut self.store, parameters).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The action for a signal, which the main module's C library keeps; `None` when the main module does not report it.
    fn action(&mut self, number: i32) -> wasmtime::Result<Option<Action>> {
        if self.main.get_typed_func::<i32, i32>(&mut self.store, "raise").is_err() {
            return Ok(None);
        }
        match self.posix_action(number)? {
            Some(action) => Ok(Some(action)),
            None => self.simple_action(number),
        }
    }

    /// The action according to `sigprocmask` and `sigaction`.
    fn posix_action(&mut self, number: i32) -> wasmtime::Result<Option<Action>> {
        let Some(place) = self.room()? else { return Ok(None) };
        let query =
            |guest: &mut Self, name: &str, first: i32| -> wasmtime::Result<Option<[u8; layout::SIZE]>> {
                if guest.call::<_, i32>(name, (first, 0_i32, place))? != Some(0) {
                    return Ok(None);
                }
                let read = guest.space.view(&guest.store).bytes(place, layout::BYTES);
                Ok(read.ok().and_then(|bytes| bytes.first_chunk().copied()))
            };
        let word = |record: &[u8], at: usize| -> u32 {
            record.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        if let Some(mask) = query(self, "sigprocmask", 0)?
            && word(&mask, 0) & 1 << (number - 1) != 0
        {
            return Ok(Some(Action::Blocked));
        }
        let Some(action) = query(self, "sigaction", number)? else { return Ok(None) };
        Ok(Some(match word(&action, 0) {
            layout::SIG_DFL => Action::Default,
            layout::SIG_IGN => Action::Ignore,
            _ => Action::Handler { restarts: word(&action, layout::FLAGS) & layout::SA_RESTART != 0 },
        }))
    }

    /// Allocates room for a record on the guest's stack; the caller restores the stack pointer.
    fn room(&mut self) -> wasmtime::Result<Option<u32>> {
        let Val::I32(pointer) = self.space.stack_pointer.get(&mut self.store) else { return Ok(None) };
        let place = pointer.cast_unsigned().wrapping_sub(layout::ROOM) & !15;
        self.space.stack_pointer.set(&mut self.store, Val::I32(place.cast_signed()))?;
        Ok(Some(place))
    }

    /// The action according to `signal`, which returns the previous action when it sets another one: wasi-libc has no other way. It ignores
    /// signals by means of a function.
    fn simple_action(&mut self, number: i32) -> wasmtime::Result<Option<Action>> {
        const IGNORES: &str = "__SIG_IGN";
        let Some(handler) = self.call::<_, i32>("signal", (number, 0_i32))? else { return Ok(None) };
        let _: Option<i32> = self.call("signal", (number, handler))?;
        if handler == 0 {
            return Ok(Some(Action::Default));
        }
        let slot = u64::from(handler.cast_unsigned());
        let ignores = self.main.get_func(&mut self.store, IGNORES);
        let is_same = match (ignores, self.space.table.get(&mut self.store, slot)) {
            (Some(ignores), Some(Ref::Func(Some(handler)))) => {
                ignores.to_raw(&mut self.store) == handler.to_raw(&mut self.store)
            }
            _ => false,
        };
        Ok(Some(if is_same { Action::Ignore } else { Action::Handler { restarts: false } }))
    }
}
