//! Owns clocks, and the C library's calls for dates. Must not know what time zone the host is in: the guest's is the one that its variable
//! `TZ` names, or else UTC.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::calendar::{calendar, days_to, local, time_of};
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::wait::wait;

pub(super) const ENTRIES: &[Entry] = &[
    ("emscripten_sleep", Handler::Plain(sleep)),
    ("clock_time_get", Handler::Wasi(clock_time_get)),
    ("clock_res_get", Handler::Wasi(clock_res_get)),
    ("emscripten_get_now", Handler::Plain(get_now)),
    ("emscripten_get_now_res", Handler::Constant(Answer::Number(1.0))),
    ("emscripten_performance_now", Handler::Plain(get_now)),
    ("_emscripten_get_now_is_monotonic", Handler::Constant(Answer::Integer(1))),
    ("emscripten_date_now", Handler::Plain(date_now)),
    ("_tzset_js", Handler::Plain(tzset)),
    ("_localtime_js", Handler::Plain(localtime)),
    ("_gmtime_js", Handler::Plain(gmtime)),
    ("_mktime_js", Handler::Plain(mktime)),
    ("_timegm_js", Handler::Plain(timegm)),
];

/// Clock ids (`time.h`).
mod id {
    pub const REALTIME: u32 = 0;
    /// Counts from the start of the process.
    pub const MONOTONIC: u32 = 1;
    /// The time that the processor has worked for the process, and for its thread, of which there is only one.
    pub const PROCESS: u32 = 2;
    pub const THREAD: u32 = 3;
}

fn realtime() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn monotonic(guest: &mut Guest<'_>) -> Result<u64> {
    Ok(u64::try_from(guest.system()?.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The time of a clock in nanoseconds.
pub(super) fn nanoseconds(guest: &mut Guest<'_>, clock: u32) -> Result<u64> {
    match clock {
        id::REALTIME => Ok(realtime()),
        id::MONOTONIC => monotonic(guest),
        id::PROCESS | id::THREAD => Ok(processor()),
        _ => Err(Errno::INVAL.into()),
    }
}

/// The processor time of the thread on which a guest runs alone.
fn processor() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default())
}

fn clock_time_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let now = nanoseconds(guest, arguments.word(0)?)?;
    guest.write(arguments.word(2)?, &now.to_le_bytes())
}

fn clock_res_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    nanoseconds(guest, arguments.word(0)?)?;
    guest.write(arguments.word(1)?, &1_u64.to_le_bytes())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds as a double are what is asked for")]
fn milliseconds(nanoseconds: u64) -> Answer {
    Answer::Number(nanoseconds as f64 / 1e6)
}

fn get_now(guest: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(milliseconds(monotonic(guest).map_err(ended)?))
}

/// Whole milliseconds, like JavaScript's `Date.now`.
#[expect(clippy::cast_precision_loss, reason = "milliseconds as a double are what is asked for")]
#[expect(clippy::unnecessary_wraps, reason = "the form of a handler")]
fn date_now(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    Ok(Answer::Number((realtime() / 1_000_000) as f64))
}

/// `(milliseconds)`: waits to the end. In JavaScript, this takes a program that was built to be suspended and resumed (`-sASYNCIFY`).
fn sleep(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let deadline = Instant::now() + Duration::from_millis(arguments.word(0)?.into());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match wait(guest, &[], Some(left)) {
            Ok(_) => return Ok(Answer::Nothing),
            // A signal has been delivered to the guest, and the sleep continues.
            Err(Fault::Refused(Errno::INTR)) => {}
            Err(fault) => return Err(ended(fault)),
        }
    }
}

/// The error for a fault of a call that has no error number: the guest traps.
pub(super) fn ended(fault: Fault) -> wasmtime::Error {
    match fault {
        Fault::Ended(error) => error,
        Fault::Refused(errno) => {
            wasmtime::Error::msg(format!("the guest passed an unusable address (errno {})", errno.0))
        }
    }
}

/// The zone that a value of `TZ` means: a name of the IANA database or a rule in the form of POSIX; UTC for anything else.
pub(crate) fn zone(variable: &str) -> TimeZone {
    let name = variable.strip_prefix(':').unwrap_or(variable);
    if name.is_empty() {
        return TimeZone::UTC;
    }
    TimeZone::get(name).or_else(|_| TimeZone::posix(name)).unwrap_or(TimeZone::UTC)
}

/// `tzset`: writes seconds west of UTC, whether there is daylight saving time, and both names, of at most 16 bytes each. It is called
/// before everything that has to do with local time, so that it does nothing while `TZ` is unchanged.
fn tzset(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let variable = super::process::time_zone(guest)?.unwrap_or_default();
    if guest.system().map_err(ended)?.zone_variable.as_ref() == Some(&variable) {
        return Ok(Answer::Nothing);
    }
    let zone = zone(&variable);
    let year = Timestamp::now().to_zoned(TimeZone::UTC).year();
    let at = |month| {
        let day = DateTime::new(year, month, 1, 0, 0, 0, 0).ok();
        let time = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        let time = time.map(|time| time.timestamp()).unwrap_or_default();
        let info = zone.to_offset_info(time);
        (info.offset().seconds(), info.abbreviation().to_owned())
    };
    let (winter, summer) = (at(1), at(7));
    // Standard time is the one with the smaller offset, further west.
    let (standard, daylight) = if winter.0 <= summer.0 { (winter, summer) } else { (summer, winter) };
    let mut put = |index: usize, bytes: &[u8]| -> wasmtime::Result<()> {
        guest.write(arguments.word(index)?, bytes).map_err(ended)
    };
    put(0, &(-standard.0).to_le_bytes())?;
    put(1, &i32::from(standard.0 != daylight.0).to_le_bytes())?;
    for (index, name) in [(2, standard.1), (3, daylight.1)] {
        let name: Vec<u8> = name.bytes().take(16).chain([0]).collect();
        put(index, &name)?;
    }
    let system = guest.system().map_err(ended)?;
    (system.zone, system.zone_variable) = (zone, Some(variable));
    Ok(Answer::Nothing)
}

/// Writes the fields of [`calendar`], and the two that follow them only if `zone` contains them. Returns false when C cannot represent the
/// year: then the nearest one is written.
fn write_tm(guest: &mut Guest<'_>, address: u32, seconds: i64, zone: Option<(bool, i32)>) -> Result<bool> {
    let mut fields = calendar(seconds).to_vec();
    let fits = fields.iter().all(|field| i32::try_from(*field).is_ok());
    if let Some((is_daylight, offset)) = zone {
        fields.extend([i64::from(is_daylight), offset.into()]);
    }
    let nearest = |field: i64| i32::try_from(field).unwrap_or(if field < 0 { i32::MIN } else { i32::MAX });
    let bytes: Vec<u8> = fields.into_iter().flat_map(|field| nearest(field).to_le_bytes()).collect();
    guest.write(address, &bytes)?;
    Ok(fits)
}

/// Answers `(time, fields)` for C libraries that ask whether there was an error, those of Emscripten 6: a year that C cannot represent is
/// EOVERFLOW, which they do not set themselves.
fn told_whether_it_fits(guest: &mut Guest<'_>, fits: bool) -> wasmtime::Result<Answer> {
    if !fits {
        guest.set_errno(Errno::OVERFLOW).map_err(ended)?;
    }
    Ok(Answer::Integer((!fits).into()))
}

fn localtime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let time = arguments.long(0)?;
    let zone = local(&guest.system().map_err(ended)?.zone, time);
    let here = time.saturating_add(zone.1.into());
    let fits = write_tm(guest, arguments.word(1)?, here, Some(zone)).map_err(ended)?;
    told_whether_it_fits(guest, fits)
}

fn gmtime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let fits = write_tm(guest, arguments.word(1)?, arguments.long(0)?, None).map_err(ended)?;
    told_whether_it_fits(guest, fits)
}

/// The time that the fields of a `struct tm`, which need not be within their bounds, mean in UTC.
fn read_tm(guest: &Guest<'_>, address: u32) -> Result<i64> {
    let bytes = guest.bytes(address, 24)?;
    let field = |at: usize| {
        let mut field = [0; 4];
        field.copy_from_slice(&bytes[at * 4..at * 4 + 4]);
        i64::from(i32::from_le_bytes(field))
    };
    let days = days_to(field(5) + 1900, field(4)) + field(3) - 1;
    Ok(((days * 24 + field(2)) * 60 + field(1)) * 60 + field(0))
}

/// `mktime`: normalises the fields and returns the time; -1 for a year that C cannot represent.
fn mktime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let address = arguments.word(0)?;
    let is_daylight = guest.u32(address.saturating_add(32)).map_err(ended)?.cast_signed();
    let zone = guest.system().map_err(ended)?.zone.clone();
    let fields = read_tm(guest, address).map_err(ended)?;
    let time = time_of(&zone, fields, is_daylight);
    let local = local(&zone, time);
    normalise(guest, address, time, local)
}

fn timegm(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let address = arguments.word(0)?;
    let time = read_tm(guest, address).map_err(ended)?;
    normalise(guest, address, time, (false, 0))
}

/// Writes the normalised fields of a time back to where they were read from, and returns the time.
fn normalise(guest: &mut Guest<'_>, address: u32, time: i64, local: (bool, i32)) -> wasmtime::Result<Answer> {
    let fits =
        calendar(time.saturating_add(local.1.into())).iter().all(|field| i32::try_from(*field).is_ok());
    if !fits {
        guest.set_errno(Errno::OVERFLOW).map_err(ended)?;
        return Ok(Answer::Integer(-1));
    }
    write_tm(guest, address, time.saturating_add(local.1.into()), Some(local)).map_err(ended)?;
    Ok(Answer::Integer(time))
}
