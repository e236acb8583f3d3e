//! Owns `clock_nanosleep`, which the linker makes main modules call the host for (`pydl_linker::rewrite::waiting`): the request, and the
//! sleep. Must not know how an ABI passes it, nor its clocks.

use std::time::{Duration, Instant};

use pydl_linker::rewrite::waiting::IS_POINT_IN_TIME;
use wasmtime::StoreContextMut;

use super::kernel::errno::{Errno, Result};
use super::signals::{self, Effect};
use crate::system::state::ProcessState;

/// The bytes of a `struct timespec` that matter: seconds (offset 0, 64 bits) and nanoseconds (8, 32 bits).
pub(crate) const TIMESPEC: usize = 12;

/// A sleep that a guest requests.
pub(crate) struct Request {
    /// How long, from now.
    pub time: Duration,
    /// Whether the guest wants to know the time left when a signal comes.
    pub is_relative: bool,
}

impl Request {
    /// Reads the count with which a guest asks, and its request. `now` returns the nanoseconds of a clock: 0 is real time, 1 is monotonic;
    /// sleeping by other clocks is not supported. Errs with `EINVAL`.
    pub(crate) fn read(
        count: u32,
        request: [u8; TIMESPEC],
        now: impl FnOnce(u32) -> Result<u64>,
    ) -> Result<Request> {
        let clock = count & 0xff;
        let is_relative = count & IS_POINT_IN_TIME == 0;
        let [seconds @ .., a, b, c, d] = request;
        let seconds = u64::try_from(i64::from_le_bytes(seconds)).map_err(|_| Errno::INVAL)?;
        let nanoseconds = u32::from_le_bytes([a, b, c, d]);
        if clock > 1 || nanoseconds >= 1_000_000_000 {
            return Err(Errno::INVAL.into());
        }
        let mut time = Duration::new(seconds, nanoseconds);
        if !is_relative {
            time = time.saturating_sub(Duration::from_nanos(now(clock)?));
        }
        Ok(Request { time, is_relative })
    }
}

/// Sleeps; returns the time that was left when a signal that the guest has handled ended the sleep. Signals that the guest ignores do not
/// end it. Errs when the guest is to end.
pub(crate) fn sleep(
    store: &mut StoreContextMut<'_, ProcessState>,
    time: Duration,
) -> wasmtime::Result<Option<Duration>> {
    let interrupt = store.data().interrupt.clone();
    let deadline = Instant::now().checked_add(time);
    loop {
        let handled = signals::deliver_pending(store)? > Effect::None;
        let left =
            deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(None);
        }
        if handled {
            return Ok(Some(left));
        }
        interrupt.sleep(left.min(Duration::from_hours(1)));
    }
}

/// A time as a `struct timespec`.
pub(crate) fn timespec(time: Duration) -> [u8; TIMESPEC] {
    let mut record = [0; TIMESPEC];
    record[..8].copy_from_slice(&time.as_secs().to_le_bytes());
    record[8..].copy_from_slice(&time.subsec_nanos().to_le_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(count: u32, seconds: i64, nanoseconds: u32) -> Option<(Duration, bool)> {
        let mut request = [0; TIMESPEC];
        request[..8].copy_from_slice(&seconds.to_le_bytes());
        request[8..].copy_from_slice(&nanoseconds.to_le_bytes());
        let request = Request::read(count, request, |clock| Ok(u64::from(clock) * 5_000_000_000));
        request.ok().map(|request| (request.time, request.is_relative))
    }

    #[test]
    fn requests_are_spans_or_points_of_two_clocks() {
        assert_eq!(read(0, 1, 5), Some((Duration::new(1, 5), true)));
        assert_eq!(read(1 | IS_POINT_IN_TIME, 7, 0), Some((Duration::from_secs(2), false)));
        assert_eq!(read(1 | IS_POINT_IN_TIME, 3, 0), Some((Duration::ZERO, false)));
        assert_eq!(read(0, i64::MAX, 0).map(|(time, _)| time.as_secs()), Some(i64::MAX.cast_unsigned()));
        for (count, seconds, nanoseconds) in [(2, 1, 0), (3, 1, 0), (0, -1, 0), (0, 1, 1_000_000_000)] {
            assert_eq!(read(count, seconds, nanoseconds), None);
        }
    }
}
