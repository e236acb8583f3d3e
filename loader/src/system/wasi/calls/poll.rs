//! Owns `poll_oneoff`, by which guests wait: for descriptors, for a point in time, or for whichever comes first. Must not know how waiting
//! is done.

use std::time::{Duration, Instant};

use pydl_linker::rewrite::waits_of_wasi::{self, WaitCall};

use super::super::layout::{Awaited, SUBSCRIPTION, event, subscription};
use super::clock::{goes_on, now};
use crate::system::guest::Guest;
use crate::system::kernel::descriptors::Readiness;
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::wait::{Interest, wait};

/// The most subscriptions of one call: wasi-libc's `poll` makes two for each descriptor, and one for its timeout.
const MOST: u32 = 8193;

/// A subscription with the guest's name for it.
type Subscription = ([u8; 8], Awaited);

pub(crate) fn poll_oneoff(
    guest: &mut Guest<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    result: u32,
) -> Result<()> {
    match WaitCall::from_number(count) {
        Some(WaitCall::LooksForSignals) => {
            guest.state().interrupt.noticed();
            return Ok(());
        }
        Some(WaitCall::Sleep { is_absolute }) => {
            return sleep(guest, is_absolute, subscriptions, events, result);
        }
        None => {}
    }
    if count == 0 || count > MOST {
        return Err(Errno::INVAL.into());
    }
    let size = u32::try_from(SUBSCRIPTION).unwrap_or(u32::MAX).saturating_mul(count);
    let records = guest.bytes(subscriptions, size)?.as_chunks().0;
    let wanted: Vec<Subscription> = records.iter().map(subscription).collect();
    let now = [now(guest, 0)?, now(guest, 1)?];
    let interests: Vec<Interest> = wanted.iter().filter_map(|(_, awaited)| interest(*awaited)).collect();
    let timeouts: Vec<Option<Result<Duration>>> =
        wanted.iter().map(|(_, awaited)| timeout(*awaited, now)).collect();
    let first = timeouts.iter().flatten().map(|timeout| *timeout.as_ref().unwrap_or(&Duration::ZERO)).min();
    let begun = Instant::now();
    let (ready, passed) = match wait(guest, &interests, first) {
        Err(Fault::Refused(Errno::INTR)) if is_sleep(guest, &wanted) => (Vec::new(), first),
        ready => (ready?, Some(begun.elapsed())),
    };
    let mut ready = ready.into_iter();
    let mut happened: Vec<[u8; 32]> = Vec::new();
    for ((name, awaited), timeout) in wanted.into_iter().zip(timeouts) {
        let over = |errno: u16| event(name, awaited, errno, 0, false);
        match (awaited, timeout) {
            (Awaited::Readable(fd) | Awaited::Writable(fd), _) => {
                let ready = ready.next().flatten();
                happened.extend(descriptor_event(guest, name, awaited, fd, ready)?);
            }
            (_, Some(Ok(timeout))) if Some(timeout) <= passed => happened.push(over(0)),
            (_, Some(Err(Fault::Refused(errno)))) => happened.push(over(errno.0)),
            _ => {}
        }
    }
    guest.write(events, happened.as_flattened())?;
    guest.write(result, &u32::try_from(happened.len()).unwrap_or(count).to_le_bytes())
}

/// Whether this is the sleep of a main module whose `clock_nanosleep` could not be rewritten: its C library turns an interrupt into
/// `ENOTSUP`, so that the sleep has to end as if its time had come. The interrupt has been delivered to Python, which raises what it has to
/// raise.
fn is_sleep(guest: &mut Guest<'_>, wanted: &[Subscription]) -> bool {
    let main = guest.state().running.as_ref().map(|running| running.main);
    let is_rewritten = main.is_some_and(|main| main.get_func(guest.store(), waits_of_wasi::SLEEP).is_some());
    !is_rewritten && matches!(wanted, [(_, Awaited::Clock { .. })])
}

/// `clock_nanosleep`, as the linker rewrites it ([`pydl_linker::rewrite::waits_of_wasi`]): it can report an interrupt, and the time that
/// was left then.
fn sleep(guest: &mut Guest<'_>, is_absolute: bool, request: u32, clock: u32, remaining: u32) -> Result<()> {
    let (seconds, nanoseconds) = (guest.u64(request)?, guest.u32(request.saturating_add(8))?);
    if nanoseconds >= 1_000_000_000 || seconds > i64::MAX.unsigned_abs() {
        return Err(Errno::INVAL.into());
    }
    let clock = guest.u32(clock)?;
    if !goes_on(clock) {
        return Err(Errno::INVAL.into());
    }
    let time = Duration::new(seconds, nanoseconds);
    let wanted =
        if is_absolute { time.saturating_sub(Duration::from_nanos(now(guest, clock)?)) } else { time };
    let begun = Instant::now();
    let slept = wait(guest, &[], Some(wanted)).map(drop);
    if let (Err(Fault::Refused(Errno::INTR)), false, true) = (&slept, is_absolute, remaining != 0) {
        let left = wanted.saturating_sub(begun.elapsed());
        guest.write(remaining, &left.as_secs().to_le_bytes())?;
        guest.write(remaining.saturating_add(8), &left.subsec_nanos().to_le_bytes())?;
    }
    slept
}

fn interest(awaited: Awaited) -> Option<Interest> {
    match awaited {
        Awaited::Readable(fd) => Some(Interest { fd, read: true, write: false }),
        Awaited::Writable(fd) => Some(Interest { fd, read: false, write: true }),
        Awaited::Clock { .. } | Awaited::Unknown => None,
    }
}

/// The longest time that a subscription waits; `None` for those to descriptors. `now` holds the times of the clocks that can be waited for.
fn timeout(awaited: Awaited, now: [u64; 2]) -> Option<Result<Duration>> {
    match awaited {
        Awaited::Readable(_) | Awaited::Writable(_) => None,
        Awaited::Clock { clock, timeout, is_absolute } if goes_on(clock) => {
            let now = now.get(clock as usize).copied().unwrap_or_default();
            let left = if is_absolute { timeout.saturating_sub(now) } else { timeout };
            Some(Ok(Duration::from_nanos(left)))
        }
        Awaited::Clock { .. } | Awaited::Unknown => Some(Err(Errno::INVAL.into())),
    }
}

/// What has happened to a descriptor, if anything; `ready` is `None` for one that is not open.
fn descriptor_event(
    guest: &mut Guest<'_>,
    name: [u8; 8],
    awaited: Awaited,
    fd: u32,
    ready: Option<Readiness>,
) -> Result<Option<[u8; 32]>> {
    let Some(ready) = ready else { return Ok(Some(event(name, awaited, Errno::BADF.0, 0, false))) };
    let is_ready = match awaited {
        Awaited::Readable(_) => ready.readable,
        _ => ready.writable,
    };
    if !is_ready && !ready.hung_up && !ready.error {
        return Ok(None);
    }
    let bytes = if matches!(awaited, Awaited::Readable(_)) { guest.kernel()?.bytes_left(fd)? } else { 0 };
    Ok(Some(event(name, awaited, 0, bytes, ready.hung_up)))
}
