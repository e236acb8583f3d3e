//! Owns waiting: until one of several descriptors is ready, a time has come, or the guest is interrupted. Must not know what is waited for.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::guest::Guest;
use super::kernel::descriptors::{Readiness, flag};
use super::kernel::errno::{Errno, Fault, Result};
use super::signals::{self, Effect};

/// The events that are waited for on one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interest {
    pub fd: u32,
    pub read: bool,
    pub write: bool,
}

/// Waits until one of `interests` is ready or `timeout` is over; with `None`, waits for ever. Returns what is ready, in the order of the
/// interests, with `None` for descriptors that are not open. Errs with `EINTR` after a signal that the guest has handled.
pub(crate) fn wait(
    guest: &mut Guest<'_>,
    interests: &[Interest],
    timeout: Option<Duration>,
) -> Result<Vec<Option<Readiness>>> {
    wait_unless(guest, interests, timeout, Effect::Restarts)
}

/// Waits as [`wait`] does, but a signal with less than this effect does not end it.
fn wait_unless(
    guest: &mut Guest<'_>,
    interests: &[Interest],
    timeout: Option<Duration>,
    effect: Effect,
) -> Result<Vec<Option<Readiness>>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let (ready, host_waits) = look(guest, interests, Duration::ZERO)?;
        let fulfilled = interests.iter().zip(&ready).any(|(interest, ready)| fulfils(*interest, *ready));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if fulfilled || left == Some(Duration::ZERO) {
            return Ok(ready);
        }
        told(guest, effect)?;
        let left = left.unwrap_or(Duration::from_hours(1));
        if host_waits {
            look(guest, interests, left)?;
        } else {
            guest.state().interrupt.clone().sleep(left);
        }
        told(guest, effect)?;
    }
}

fn fulfils(interest: Interest, ready: Option<Readiness>) -> bool {
    match ready {
        None => true,
        Some(ready) => {
            ready.hung_up
                || ready.error
                || interest.read && ready.readable
                || interest.write && ready.writable
        }
    }
}

/// The readiness of the descriptors, after waiting up to `patience` for those of the host; and whether there are any of those.
fn look(
    guest: &mut Guest<'_>,
    interests: &[Interest],
    patience: Duration,
) -> Result<(Vec<Option<Readiness>>, bool)> {
    let interrupt = guest.state().interrupt.clone();
    let kernel = guest.kernel()?;
    let mut ready: Vec<_> =
        interests.iter().map(|interest| kernel.descriptors.readiness(interest.fd).ok()).collect();
    let mut places = Vec::new();
    let mut polled = Vec::new();
    for (place, interest) in interests.iter().enumerate() {
        if let Some(host) = kernel.descriptors.host(&kernel.streams, interest.fd) {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.read);
            flags.set(PollFlags::OUT, interest.write);
            polled.push(PollFd::from_borrowed_fd(host, flags));
            places.push(place);
        }
    }
    if polled.is_empty() {
        return Ok((ready, false));
    }
    let alarm = interrupt.alarm()?;
    polled.push(PollFd::new(&alarm, PollFlags::IN));
    let patience = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
    match poll(&mut polled, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    for (place, polled) in places.iter().zip(&polled) {
        let events = polled.revents();
        if let Some(place) = ready.get_mut(*place) {
            *place = Some(Readiness {
                readable: events.contains(PollFlags::IN),
                writable: events.contains(PollFlags::OUT),
                hung_up: events.contains(PollFlags::HUP),
                // What cannot be waited for reports its error when it is tried.
                error: events.intersects(PollFlags::ERR | PollFlags::NVAL),
            });
        }
    }
    Ok((ready, true))
}

/// Delivers pending signals to the guest, and errs with `EINTR` when one of them has at least this effect.
pub(crate) fn told(guest: &mut Guest<'_>, effect: Effect) -> Result<()> {
    if signals::deliver_pending(&mut guest.store())? >= effect {
        return Err(Errno::INTR.into());
    }
    Ok(())
}

/// Sleeps where nothing announces the end of the wait. Errs with `EINTR` after an interrupt, which has been delivered to the guest.
pub(crate) fn pause(guest: &mut Guest<'_>, duration: Duration) -> Result<()> {
    told(guest, Effect::Interrupts)?;
    guest.state().interrupt.clone().sleep(duration);
    told(guest, Effect::Interrupts)
}

/// Does what may have to wait for `fd`: tries, and while the answer is `EAGAIN` and the descriptor is a blocking one, waits and tries
/// again. It continues after a handler with which calls are to be restarted.
pub(crate) fn patiently<T>(
    guest: &mut Guest<'_>,
    interest: Interest,
    mut attempt: impl FnMut(&mut Guest<'_>) -> Result<T>,
) -> Result<T> {
    let kernel = guest.kernel()?;
    let is_patient = kernel.descriptors.get(interest.fd)?.flags & flag::NONBLOCK == 0;
    loop {
        // Nothing waits inside the host's kernel, where no interrupt would reach it.
        match attempt(guest) {
            Err(Fault::Refused(Errno::AGAIN)) if is_patient => {
                drop(wait_unless(guest, &[interest], None, Effect::Interrupts)?);
            }
            other => return other,
        }
    }
}
