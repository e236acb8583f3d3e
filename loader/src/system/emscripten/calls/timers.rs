//! Owns what a program has scheduled for later (Emscripten, `emscripten/eventloop.h`): timers, which are functions of the table, and
//! libraries to be opened. Later is after `main` has returned, as in Emscripten, where no event comes while a program runs: then one thing
//! happens after the other until none is left. Nothing of this happens in a program that calls `exit`, nor in CPython, whose interpreter is
//! gone when its `main` returns. Must not know what the functions do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wasmtime::{Func, Ref, StoreContextMut};

use super::super::guest::{Guest, table};
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::linking::LaterOpen;
use crate::base::budget::Charge;
use crate::system::signals;
use crate::system::state::ProcessState;

pub(super) const ENTRIES: &[Entry] = &[
    ("emscripten_set_timeout", Handler::Plain(set_timeout)),
    ("emscripten_clear_timeout", Handler::Plain(clear)),
    ("emscripten_set_timeout_loop", Handler::Plain(set_timeout_loop)),
    ("emscripten_set_interval", Handler::Plain(set_interval)),
    ("emscripten_clear_interval", Handler::Plain(clear)),
    ("emscripten_set_immediate", Handler::Plain(set_immediate)),
    ("emscripten_clear_immediate", Handler::Plain(clear)),
    ("emscripten_set_immediate_loop", Handler::Plain(set_immediate_loop)),
    ("emscripten_async_call", Handler::Plain(async_call)),
];

/// Whether, and how, a timer is set again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    Never,
    /// Always, at this interval.
    Every(Duration),
    /// As long as the function, which is called with its data alone, returns a nonzero value.
    While(Duration),
    /// As long as the function, which is called with the time in milliseconds and its data, returns a nonzero value.
    WhileAt(Duration),
}

/// What happens when a timer is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// The function of a slot is called with an argument.
    Call { slot: u32, data: u32, repeat: Repeat },
    /// A library is opened.
    Open(LaterOpen),
}

#[derive(Debug)]
struct Timer {
    id: u32,
    task: Task,
    /// The charge for what the host keeps for the timer.
    #[expect(dead_code, reason = "it is held, not read")]
    charge: Charge,
}

/// The timers of a process, in the order in which they are due; those that are due at the same time are in the order in which they were
/// set.
#[derive(Default)]
pub(in super::super) struct Timers {
    pending: BTreeMap<(Instant, u64), Timer>,
    /// The number of timers that were set so far.
    set: u64,
}

impl Timers {
    fn push(&mut self, timer: Timer, after: Duration) {
        self.set = self.set.saturating_add(1);
        let now = Instant::now();
        // A time that is beyond the range of the clock never comes.
        if let Some(due) = now.checked_add(after) {
            self.pending.insert((due, self.set), timer);
        }
    }
}

/// A time in milliseconds, as JavaScript takes it: an invalid time means at once.
fn milliseconds(number: f64) -> Duration {
    Duration::try_from_secs_f64((number / 1000.0).max(0.0)).unwrap_or(if number > 0.0 {
        Duration::MAX
    } else {
        Duration::ZERO
    })
}

/// Sets a timer, and returns its number. Traps when the host must not keep any more for the guest.
pub(super) fn set(guest: &mut Guest<'_>, task: Task, after: Duration) -> wasmtime::Result<Answer> {
    /// The bytes of a timer, including its place in the map.
    const SIZE: u64 = 128;
    let system = guest.system().map_err(ended)?;
    let charge = system.kernel.budget.charge(SIZE)?;
    let timers = &mut system.timers;
    let id = u32::try_from(timers.set & 0x7fff_ffff).unwrap_or(0).saturating_add(1);
    timers.push(Timer { id, task, charge }, after);
    Ok(Answer::from(id))
}

fn call(slot: u32, data: u32, repeat: Repeat) -> Task {
    Task::Call { slot, data, repeat }
}

/// `(function, milliseconds, data)`: calls a function later.
fn set_timeout(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let task = call(arguments.word(0)?, arguments.word(2)?, Repeat::Never);
    set(guest, task, milliseconds(arguments.number(1)?))
}

/// Calls a function later with the time and the data; the function returns whether it wants to be called again.
fn set_timeout_loop(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let period = milliseconds(arguments.number(1)?);
    let task = call(arguments.word(0)?, arguments.word(2)?, Repeat::WhileAt(period));
    set(guest, task, Duration::ZERO)
}

fn set_interval(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let period = milliseconds(arguments.number(1)?);
    set(guest, call(arguments.word(0)?, arguments.word(2)?, Repeat::Every(period)), period)
}

/// `(function, data)`: calls a function as soon as possible.
fn set_immediate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    set(guest, call(arguments.word(0)?, arguments.word(1)?, Repeat::Never), Duration::ZERO)
}

fn set_immediate_loop(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let task = call(arguments.word(0)?, arguments.word(1)?, Repeat::While(Duration::ZERO));
    set(guest, task, Duration::ZERO)
}

/// `(function, data, milliseconds)`: a negative time means the next frame of a browser, which here is at once.
fn async_call(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let task = call(arguments.word(0)?, arguments.word(1)?, Repeat::Never);
    set(guest, task, milliseconds(arguments.int(2)?.into()))
}

/// `(number)`: clears a timer; it is no error when there is none of this number.
fn clear(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let id = arguments.word(0)?;
    guest.system().map_err(ended)?.timers.pending.retain(|_, timer| timer.id != id);
    Ok(Answer::Nothing)
}

/// Does what is scheduled, each when it is due, until nothing is left.
pub(in super::super) fn run(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<()> {
    let interrupt = store.data().interrupt.clone();
    loop {
        signals::deliver_pending(store)?;
        let Some(timers) = store.data_mut().system.emscripten_mut().map(|system| &mut system.timers) else {
            return Ok(());
        };
        let Some(first) = timers.pending.first_entry() else { return Ok(()) };
        let left = first.key().0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let timer = first.remove();
            fire(store, timer)?;
        } else {
            interrupt.sleep(left);
        }
    }
}

/// Does what is due, and sets the timer again if it repeats.
fn fire(store: &mut StoreContextMut<'_, ProcessState>, timer: Timer) -> wasmtime::Result<()> {
    let (slot, data, repeat) = match timer.task {
        Task::Call { slot, data, repeat } => (slot, data, repeat),
        Task::Open(library) => return library.open(store),
    };
    // It is set before the call, in which the timer may be cleared.
    if let Repeat::Every(period) = repeat {
        push(store, timer, period);
        return function(store, slot)?.typed::<u32, ()>(&store)?.call(store, data);
    }
    let function = function(store, slot)?;
    match repeat {
        Repeat::While(period) => {
            if function.typed::<u32, u32>(&store)?.call(&mut *store, data)? != 0 {
                push(store, timer, period);
            }
        }
        Repeat::WhileAt(period) => {
            let started = store.data().system.emscripten().map(|system| system.started.elapsed());
            let now = started.unwrap_or_default().as_secs_f64() * 1000.0;
            if function.typed::<(f64, u32), u32>(&store)?.call(&mut *store, (now, data))? != 0 {
                push(store, timer, period);
            }
        }
        Repeat::Never | Repeat::Every(_) => function.typed::<u32, ()>(&store)?.call(store, data)?,
    }
    Ok(())
}

fn push(store: &mut StoreContextMut<'_, ProcessState>, timer: Timer, after: Duration) {
    if let Some(system) = store.data_mut().system.emscripten_mut() {
        system.timers.push(timer, after);
    }
}

/// The function in a slot.
pub(super) fn function(store: &mut StoreContextMut<'_, ProcessState>, slot: u32) -> wasmtime::Result<Func> {
    match table(store)?.get(store, slot.into()) {
        Some(Ref::Func(Some(function))) => Ok(function),
        _ => Err(wasmtime::Error::msg(format!("slot {slot} has no function to call later"))),
    }
}
