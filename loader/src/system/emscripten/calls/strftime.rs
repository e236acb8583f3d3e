//! Owns `strftime` and `asctime`, which Emscripten has in JavaScript up to 3.1: those of C, in the C locale (ISO C, 7.27.3.5). Must not
//! know clocks.

use super::super::guest::{Guest, slice};
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use crate::system::kernel::errno::{Errno, Result};

pub(super) const ENTRIES: &[Entry] = &[
    ("strftime", Handler::Plain(strftime)),
    ("strftime_l", Handler::Plain(strftime)),
    ("__asctime_r", Handler::Plain(asctime)),
];

pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The most bytes of a format.
const LONGEST: usize = 1 << 16;
/// The most bytes of a time zone's name that are used: a format may contain it many times.
const LONGEST_NAME: usize = 255;

/// The numbers of a `struct tm`, in its order and as it counts them.
#[derive(Clone, Copy, Default, Debug)]
struct Time {
    second: i32,
    minute: i32,
    hour: i32,
    day: i32,
    month: i32,
    year: i32,
    weekday: i32,
    day_of_year: i32,
    offset: i32,
}

/// `(buffer, size, format, time)`: returns the length, or 0 when the text does not fit.
fn strftime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let format = guest.c_string(arguments.word(2)?, LONGEST).map_err(ended)?.to_vec();
    let (time, zone) = read(guest, arguments.word(3)?).map_err(ended)?;
    let size = arguments.word(1)? as usize;
    let mut text = Vec::new();
    expand(&format, &time, &zone, size, &mut text);
    text.push(0);
    if text.len() > size {
        return Ok(Answer::from(0));
    }
    guest.write(arguments.word(0)?, &text).map_err(ended)?;
    Ok(Answer::from(u32::try_from(text.len() - 1)?))
}

/// `(time, buffer)`: returns the buffer, of 26 bytes; null, with EOVERFLOW, when the year makes the text longer, as in glibc.
fn asctime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    const SIZE: usize = 26;
    let (time, _) = read(guest, arguments.word(0)?).map_err(ended)?;
    let mut text = Vec::new();
    expand(b"%a %b %e %T %Y\n", &time, &[], SIZE, &mut text);
    text.push(0);
    if text.len() > SIZE {
        guest.set_errno(Errno::OVERFLOW).map_err(ended)?;
        return Ok(Answer::from(0));
    }
    guest.write(arguments.word(1)?, &text).map_err(ended)?;
    arguments.word(1).map(Answer::from)
}

fn read(guest: &Guest<'_>, address: u32) -> Result<(Time, Vec<u8>)> {
    let fields = slice(guest.bytes(address, 44)?, 0, 44)?.as_chunks::<4>().0.to_vec();
    let field = |index: usize| fields.get(index).map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let zone = match field(10).cast_unsigned() {
        0 => Vec::new(),
        name => guest.c_string_within(name, LONGEST_NAME)?.to_vec(),
    };
    let time = Time {
        second: field(0),
        minute: field(1),
        hour: field(2),
        day: field(3),
        month: field(4),
        year: field(5),
        weekday: field(6),
        day_of_year: field(7),
        offset: field(9),
    };
    Ok((time, zone))
}

/// Writes the time according to the format. Stops when the text is longer than `size`: then it is not used.
fn expand(format: &[u8], time: &Time, zone: &[u8], size: usize, text: &mut Vec<u8>) {
    let mut rest = format;
    while let Some((&first, after)) = rest.split_first() {
        if text.len() > size {
            return;
        }
        rest = after;
        if first != b'%' {
            text.push(first);
            continue;
        }
        // Alternative digits and eras, of which the C locale has none.
        if let [b'E' | b'O', after @ ..] = rest {
            rest = after;
        }
        let Some((&conversion, after)) = rest.split_first() else {
            text.push(b'%');
            break;
        };
        rest = after;
        if conversion == b'Z' {
            text.extend(zone);
        } else if let Some(longer) = composite(conversion) {
            expand(longer, time, zone, size, text);
        } else if let Some(value) = time.convert(conversion) {
            text.extend(value.as_bytes());
        } else {
            text.extend([b'%', conversion]);
        }
    }
}

/// The conversions that stand for several others.
pub(super) fn composite(conversion: u8) -> Option<&'static [u8]> {
    Some(match conversion {
        b'c' => b"%a %b %e %H:%M:%S %Y",
        b'D' | b'x' => b"%m/%d/%y",
        b'F' => b"%Y-%m-%d",
        b'r' => b"%I:%M:%S %p",
        b'R' => b"%H:%M",
        b'T' | b'X' => b"%H:%M:%S",
        _ => return None,
    })
}

impl Time {
    fn convert(&self, conversion: u8) -> Option<String> {
        let name = |names: &[&str], index: i32, length: usize| {
            let name = usize::try_from(index).ok().and_then(|index| names.get(index)).unwrap_or(&"?");
            name.get(..length).unwrap_or(name).to_owned()
        };
        let year = i64::from(self.year) + 1900;
        let weekday = i64::from(self.weekday);
        let day_of_year = i64::from(self.day_of_year);
        let two = |number: i64| format!("{number:02}");
        let (week_year, week) = self.iso_week();
        Some(match conversion {
            b'a' => name(&DAYS, self.weekday, 3),
            b'A' => name(&DAYS, self.weekday, usize::MAX),
            b'b' | b'h' => name(&MONTHS, self.month, 3),
            b'B' => name(&MONTHS, self.month, usize::MAX),
            b'C' => two(year.div_euclid(100)),
            b'd' => two(self.day.into()),
            b'e' => format!("{:2}", self.day),
            b'g' => two(week_year.rem_euclid(100)),
            b'G' => week_year.to_string(),
            b'H' => two(self.hour.into()),
            b'I' => two((i64::from(self.hour) + 11).rem_euclid(12) + 1),
            b'j' => format!("{:03}", day_of_year + 1),
            b'm' => two(i64::from(self.month) + 1),
            b'M' => two(self.minute.into()),
            b'n' => "\n".to_owned(),
            b'p' => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            b'S' => two(self.second.into()),
            b't' => "\t".to_owned(),
            b'u' => (if weekday == 0 { 7 } else { weekday }).to_string(),
            b'U' => two((day_of_year + 7 - weekday).div_euclid(7)),
            b'V' => two(week),
            b'w' => weekday.to_string(),
            b'W' => two((day_of_year + 7 - (weekday + 6).rem_euclid(7)).div_euclid(7)),
            b'y' => two(year.rem_euclid(100)),
            b'Y' => year.to_string(),
            b'z' => {
                let minutes = self.offset.unsigned_abs() / 60;
                let sign = if self.offset < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
            }
            b'%' => "%".to_owned(),
            _ => return None,
        })
    }

    /// Year and week as ISO 8601 counts them: weeks begin on Monday, and belong to the year that has their Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let year = i64::from(self.year) + 1900;
        let thursday = i64::from(self.day_of_year) - (i64::from(self.weekday) + 6).rem_euclid(7) + 3;
        if thursday < 0 {
            return (year - 1, (thursday + days_in(year - 1)) / 7 + 1);
        }
        if thursday >= days_in(year) {
            return (year + 1, 1);
        }
        (year, thursday / 7 + 1)
    }
}

fn days_in(year: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(format: &str, time: Time) -> String {
        let mut text = Vec::new();
        expand(format.as_bytes(), &time, b"CET", usize::MAX, &mut text);
        String::from_utf8(text).unwrap()
    }

    /// 2027-01-01 00:05:09, a Friday of the last week of 2026.
    const NEW_YEAR: Time = Time {
        second: 9,
        minute: 5,
        hour: 0,
        day: 1,
        month: 0,
        year: 127,
        weekday: 5,
        day_of_year: 0,
        offset: -12_600,
    };

    #[test]
    fn fields_are_written_as_in_c() {
        let written = format("%a %A %b %e|%d %F %T %I%p %j %y %C %z %Z %% %Ey %Od", NEW_YEAR);
        assert_eq!(written, "Fri Friday Jan  1|01 2027-01-01 00:05:09 12AM 001 27 20 -0330 CET % 27 01");
        assert_eq!(format("100%", NEW_YEAR), "100%");
        assert_eq!(format("%Q", NEW_YEAR), "%Q");
    }

    #[test]
    fn what_does_not_fit_is_not_written_to_its_end() {
        let mut text = Vec::new();
        expand("%Z".repeat(30_000).as_bytes(), &NEW_YEAR, &[b'x'; LONGEST_NAME], 1000, &mut text);
        assert!((1001..1001 + LONGEST_NAME).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        assert_eq!(format("%G-%V-%u %g %U %W", NEW_YEAR), "2026-53-5 26 00 00");
        // 2024-12-30, a Monday.
        let december = Time { year: 124, weekday: 1, day_of_year: 364, ..NEW_YEAR };
        assert_eq!(format("%G-%V-%u", december), "2025-01-1");
    }
}
