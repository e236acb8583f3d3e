//! Owns clocks. Must not know calendars: the guest's C library has those, and no time zones but UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec};

use super::system;
use crate::system::guest::Guest;
use crate::system::kernel::errno::{Errno, Result};

/// `clockid`.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const PROCESS_TIME: u32 = 2;
const THREAD_TIME: u32 = 3;

pub(crate) fn clock_res_get(guest: &mut Guest<'_>, clock: u32, result: u32) -> Result<()> {
    if clock > THREAD_TIME {
        return Err(Errno::INVAL.into());
    }
    guest.write(result, &1_u64.to_le_bytes())
}

pub(crate) fn clock_time_get(guest: &mut Guest<'_>, clock: u32, _precision: u64, result: u32) -> Result<()> {
    let now = now(guest, clock)?;
    guest.write(result, &now.to_le_bytes())
}

/// The time of a clock, in nanoseconds: since 1970, since the process was made, or the processor time of its only thread.
pub(super) fn now(guest: &mut Guest<'_>, clock: u32) -> Result<u64> {
    let duration = match clock {
        REALTIME => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        MONOTONIC => system(guest)?.started.elapsed(),
        PROCESS_TIME | THREAD_TIME => {
            let Timespec { tv_sec, tv_nsec } = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
            let nanoseconds = i128::from(tv_sec) * 1_000_000_000 + i128::from(tv_nsec);
            return Ok(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX));
        }
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// Whether a clock can be waited for: that is, whether it advances while the guest waits.
pub(super) fn goes_on(clock: u32) -> bool {
    matches!(clock, REALTIME | MONOTONIC)
}
