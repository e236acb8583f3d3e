//! Owns a process's view of itself: arguments, environment, random numbers, its end. Must not know libraries.

use wasmtime::Caller;

use super::system;
use crate::system::Exit;
use crate::system::guest::Guest;
use crate::system::kernel::errno::{Errno, Result};
use crate::system::state::ProcessState;

pub(crate) fn args_get(guest: &mut Guest<'_>, vector: u32, text: u32) -> Result<()> {
    let arguments = system(guest)?.arguments.clone();
    write_strings(guest, &arguments, vector, text)
}

pub(crate) fn args_sizes_get(guest: &mut Guest<'_>, count: u32, size: u32) -> Result<()> {
    let sizes = sizes(&system(guest)?.arguments)?;
    write_sizes(guest, sizes, count, size)
}

pub(crate) fn environ_get(guest: &mut Guest<'_>, vector: u32, text: u32) -> Result<()> {
    let environment = system(guest)?.environment.clone();
    write_strings(guest, &environment, vector, text)
}

pub(crate) fn environ_sizes_get(guest: &mut Guest<'_>, count: u32, size: u32) -> Result<()> {
    let sizes = sizes(&system(guest)?.environment)?;
    write_sizes(guest, sizes, count, size)
}

/// The number of strings, and of their bytes together.
fn sizes(strings: &[Vec<u8>]) -> Result<(u32, u32)> {
    let bytes = strings.iter().map(Vec::len).sum::<usize>();
    let word = |size: usize| u32::try_from(size).map_err(|_| Errno::OVERFLOW);
    Ok((word(strings.len())?, word(bytes)?))
}

fn write_sizes(guest: &mut Guest<'_>, sizes: (u32, u32), count: u32, size: u32) -> Result<()> {
    guest.write(count, &sizes.0.to_le_bytes())?;
    guest.write(size, &sizes.1.to_le_bytes())
}

/// Writes strings one after the other at `text`, and their addresses at `vector`.
fn write_strings(guest: &mut Guest<'_>, strings: &[Vec<u8>], vector: u32, text: u32) -> Result<()> {
    let mut addresses = Vec::new();
    let mut next = text;
    for string in strings {
        addresses.extend(next.to_le_bytes());
        let length = u32::try_from(string.len()).map_err(|_| Errno::FAULT)?;
        next = next.checked_add(length).ok_or(Errno::FAULT)?;
    }
    guest.write(vector, &addresses)?;
    guest.write(text, &strings.concat())
}

/// Ends the guest, with whatever status it gives: Python's after a `KeyboardInterrupt` is 130.
pub(crate) fn proc_exit(_: Caller<'_, ProcessState>, status: i32) -> wasmtime::Result<()> {
    Err(Exit(status).into())
}

/// A process cannot send signals: preview 1 has no way to handle one.
pub(crate) fn proc_raise(_: &mut Guest<'_>, _: u32) -> Result<()> {
    Err(Errno::NOTSUP.into())
}

pub(crate) fn random_get(guest: &mut Guest<'_>, buffer: u32, size: u32) -> Result<()> {
    crate::system::transfer::random(guest, buffer, size)
}

/// There is no other thread that could run.
#[expect(clippy::unnecessary_wraps, reason = "the form of a call")]
pub(crate) fn sched_yield(_: &mut Guest<'_>) -> Result<()> {
    Ok(())
}
