//! Owns `strptime`, which Emscripten has in JavaScript: that of C, in the C locale (POSIX, `strptime`). What POSIX leaves open follows
//! glibc, with which Python's programs are compared: numbers may be preceded by white space, a century alone is its first year, days of the
//! week and of the year follow from the date. Must not know the guest.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::calendar::{calendar, local};
use super::clock::ended;
use super::strftime::{DAYS, MONTHS, composite};
use crate::system::kernel::errno::Result;

pub(super) const ENTRIES: &[Entry] =
    &[("strptime", Handler::Plain(strptime)), ("strptime_l", Handler::Plain(strptime))];

/// The most bytes of a text and of a format that are looked at.
const LONGEST: usize = 1 << 16;
/// The numbers of a `struct tm` up to `tm_gmtoff`, in its order.
const FIELDS: usize = 10;
const SECOND: usize = 0;
const MINUTE: usize = 1;
const HOUR: usize = 2;
const DAY: usize = 3;
const MONTH: usize = 4;
const YEAR: usize = 5;
const WEEKDAY: usize = 6;
const DAY_OF_YEAR: usize = 7;
const DAYLIGHT: usize = 8;
const OFFSET: usize = 9;

/// `(text, format, time)`: returns the address after the text that the format describes, or null when the text does not match; then the
/// time is unchanged.
fn strptime(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let (text_at, time_at) = (arguments.word(0)?, arguments.word(2)?);
    let text = guest.c_string_within(text_at, LONGEST).map_err(ended)?.to_vec();
    let format = guest.c_string_within(arguments.word(1)?, LONGEST).map_err(ended)?.to_vec();
    let zone = guest.system().map_err(ended)?.zone.clone();
    let at_place = move |seconds: i64| {
        let (is_daylight, offset) = local(&zone, seconds);
        (calendar(seconds.saturating_add(offset.into())), is_daylight, offset)
    };
    let mut parser = Parser::new(&text, read(guest, time_at).map_err(ended)?, &at_place);
    if parser.read(&format).is_none() {
        return Ok(Answer::from(0));
    }
    let end = u32::try_from(parser.position)?;
    let time = parser.finish();
    let bytes: Vec<u8> = time.iter().flat_map(|field| field.to_le_bytes()).collect();
    guest.write(time_at, &bytes).map_err(ended)?;
    Ok(Answer::from(text_at.wrapping_add(end)))
}

fn read(guest: &Guest<'_>, address: u32) -> Result<[i32; FIELDS]> {
    let mut fields = [0; FIELDS];
    let bytes = guest.bytes(address, 4 * 10)?;
    for (field, bytes) in fields.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *field = i32::from_le_bytes(*bytes);
    }
    Ok(fields)
}

/// The fields of a time in the local zone, whether daylight saving time is in force, and seconds east of UTC.
type LocalTime = ([i64; 8], bool, i32);

struct Parser<'a> {
    text: &'a [u8],
    position: usize,
    time: [i32; FIELDS],
    at_place: &'a dyn Fn(i64) -> LocalTime,
    /// Whether the text gave the hour on a 12-hour clock.
    is_of_twelve: bool,
    /// The hours that AM or PM adds.
    half: i32,
    century: Option<i32>,
    /// Whether the year in the text is a year of a century.
    is_year_of_century: bool,
    /// A week of the year, and the first day of its weeks.
    week: Option<(i32, i32)>,
    /// Which fields the text gave: others follow from them.
    told: [bool; FIELDS],
    is_date: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], time: [i32; FIELDS], at_place: &'a dyn Fn(i64) -> LocalTime) -> Parser<'a> {
        Parser {
            text,
            position: 0,
            time,
            at_place,
            is_of_twelve: false,
            half: 0,
            century: None,
            is_year_of_century: false,
            week: None,
            told: [false; FIELDS],
            is_date: false,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn skip_space(&mut self) {
        while self.next().is_some_and(is_space) {
            self.position += 1;
        }
    }

    /// Reads what the format describes; `None` when the text does not match.
    fn read(&mut self, format: &[u8]) -> Option<()> {
        let mut rest = format;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if is_space(first) {
                self.skip_space();
            } else if first != b'%' {
                self.expect(first)?;
            } else {
                // Widths and padding only have a meaning for `strftime`.
                let flags = rest.iter().take_while(|byte| b"-_0123456789^#".contains(byte)).count();
                rest = rest.get(flags..)?;
                let (&conversion, after) = rest.split_first()?;
                rest = after;
                // There is no year of an era (`%Ey`) without eras.
                let of_modifier: &[u8] = match conversion {
                    b'E' => b"cCYxX",
                    b'O' => b"bBdehHImMSUVwWy",
                    _ => {
                        self.convert(conversion)?;
                        continue;
                    }
                };
                // Alternative eras and digits, of which the C locale has none.
                let (&conversion, after) = rest.split_first()?;
                rest = after;
                self.convert(Some(conversion).filter(|one| of_modifier.contains(one))?)?;
            }
        }
        Some(())
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.position += 1)
    }

    /// Reads a number of at most `digits` digits, skipping white space before it. `None` when it is not within the bounds.
    fn number(&mut self, least: i32, most: i32, digits: usize) -> Option<i32> {
        self.skip_space();
        let mut value = 0_i32;
        let mut count = 0;
        while let Some(digit) = self.next().filter(u8::is_ascii_digit) {
            // A number that would become too large ends before the digit that makes it so.
            if count == digits || count > 0 && value * 10 > most {
                break;
            }
            value = value * 10 + i32::from(digit - b'0');
            self.position += 1;
            count += 1;
        }
        (count > 0 && (least..=most).contains(&value)).then_some(value)
    }

    fn set(&mut self, field: usize, value: i32) {
        self.time[field] = value;
        self.told[field] = true;
    }

    /// Reads the name of one of several things, in full or by its first three letters, in whatever case.
    fn name(&mut self, names: &[&str]) -> Option<i32> {
        let begins = |name: &str| {
            let start = self.rest().get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        let found = names.iter().zip(0..).find_map(|(name, index)| {
            let written = [*name, name.get(..3)?].into_iter().find(|name| begins(name))?;
            Some((index, written.len()))
        });
        let (index, length) = found?;
        self.position += length;
        Some(index)
    }

    fn convert(&mut self, conversion: u8) -> Option<()> {
        match conversion {
            b'%' => self.expect(b'%')?,
            b'n' | b't' => self.skip_space(),
            b'a' | b'A' => {
                let day = self.name(&DAYS)?;
                self.set(WEEKDAY, day);
            }
            b'u' => {
                let day = self.number(1, 7, 1)?;
                self.set(WEEKDAY, day % 7);
            }
            b'w' => {
                let day = self.number(0, 6, 1)?;
                self.set(WEEKDAY, day);
            }
            b'H' | b'k' | b'I' | b'l' | b'M' | b'S' | b'p' => self.convert_time(conversion)?,
            b's' => self.convert_seconds()?,
            b'z' => self.convert_offset()?,
            b'Z' => {
                self.skip_space();
                self.position += self.rest().iter().take_while(|byte| !is_space(**byte)).count();
            }
            _ => return self.convert_date(conversion),
        }
        Some(())
    }

    fn convert_time(&mut self, conversion: u8) -> Option<()> {
        match conversion {
            b'H' | b'k' => {
                let hour = self.number(0, 23, 2)?;
                self.set(HOUR, hour);
                self.is_of_twelve = false;
            }
            b'I' | b'l' => {
                let hour = self.number(1, 12, 2)?;
                self.set(HOUR, hour % 12);
                self.is_of_twelve = true;
            }
            b'M' => {
                let minute = self.number(0, 59, 2)?;
                self.set(MINUTE, minute);
            }
            b'S' => {
                let second = self.number(0, 61, 2)?;
                self.set(SECOND, second);
            }
            _ => {
                let half = self.rest().get(..2)?.to_ascii_uppercase();
                self.half = match half.as_slice() {
                    b"AM" => 0,
                    b"PM" => 12,
                    _ => return None,
                };
                self.position += 2;
            }
        }
        Some(())
    }

    fn convert_date(&mut self, conversion: u8) -> Option<()> {
        // All but weeks and days of the year belong to a date whose other fields follow.
        match conversion {
            b'j' => {
                let day = self.number(1, 366, 3)?;
                self.set(DAY_OF_YEAR, day - 1);
                return Some(());
            }
            b'U' | b'W' => {
                let week = self.number(0, 53, 2)?;
                self.week = Some((week, i32::from(conversion == b'W')));
                return Some(());
            }
            // The years and weeks of ISO 8601 set no field.
            b'V' => return self.number(0, 53, 2).map(drop),
            b'g' => return self.number(0, 99, 2).map(drop),
            b'G' => {
                let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.position += digits;
                return (digits > 0).then_some(());
            }
            _ => {}
        }
        match conversion {
            b'b' | b'B' | b'h' => {
                let month = self.name(&MONTHS)?;
                self.set(MONTH, month);
            }
            b'm' => {
                let month = self.number(1, 12, 2)?;
                self.set(MONTH, month - 1);
            }
            b'd' | b'e' => {
                let day = self.number(1, 31, 2)?;
                self.set(DAY, day);
            }
            b'C' => self.century = Some(self.number(0, 99, 2)?),
            b'y' => {
                let year = self.number(0, 99, 2)?;
                self.set(YEAR, if year >= 69 { year } else { year + 100 });
                self.is_year_of_century = true;
            }
            b'Y' => {
                let year = self.number(0, 9999, 4)?;
                self.set(YEAR, year - 1900);
                self.is_year_of_century = false;
            }
            conversion => {
                self.read(composite(conversion)?)?;
                // Those of a time alone do not give a date.
                if matches!(conversion, b'r' | b'R' | b'T' | b'X') {
                    return Some(());
                }
            }
        }
        self.is_date = true;
        Some(())
    }

    /// Reads seconds from the start of 1970, which give all fields in the local zone.
    fn convert_seconds(&mut self) -> Option<()> {
        let mut seconds: Option<i64> = None;
        while let Some(digit) = self.next().filter(u8::is_ascii_digit) {
            seconds = Some(seconds.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit - b'0'))?);
            self.position += 1;
        }
        let (fields, is_daylight, offset) = (self.at_place)(seconds?);
        for (field, value) in self.time.iter_mut().zip(fields) {
            *field = i32::try_from(value).ok()?;
        }
        self.time[DAYLIGHT] = is_daylight.into();
        self.time[OFFSET] = offset;
        Some(())
    }

    /// Reads `Z`, or a sign and hours, optionally followed by minutes, with or without a colon before them.
    fn convert_offset(&mut self) -> Option<()> {
        self.skip_space();
        let sign = self.next()?;
        self.position += 1;
        if sign == b'Z' {
            self.time[OFFSET] = 0;
            return Some(());
        }
        if !b"+-".contains(&sign) {
            return None;
        }
        let (mut value, mut count) = (0_i32, 0);
        while let Some(digit) = self.next().filter(|byte| count < 4 && byte.is_ascii_digit()) {
            value = value * 10 + i32::from(digit - b'0');
            self.position += 1;
            count += 1;
            if count == 2 && matches!(self.rest(), [b':', digit, ..] if digit.is_ascii_digit()) {
                self.position += 1;
            }
        }
        let (hours, minutes) = match count {
            2 => (value, 0),
            4 => (value / 100, value % 100),
            _ => return None,
        };
        let offset = hours * 3600 + minutes * 60;
        self.time[OFFSET] = if sign == b'-' { -offset } else { offset };
        (minutes < 60).then_some(())
    }

    /// The time, with the fields that follow from those in the text.
    fn finish(mut self) -> [i32; FIELDS] {
        if self.is_of_twelve {
            self.time[HOUR] += self.half;
        }
        if let Some(century) = self.century {
            let year = if self.is_year_of_century { self.time[YEAR] % 100 } else { 0 };
            self.time[YEAR] = year + (century - 19) * 100;
        }
        let has_month = |parser: &Self| parser.told[MONTH] || (0..12).contains(&parser.time[MONTH]);
        if self.is_date && !self.told[WEEKDAY] {
            if self.told[DAY_OF_YEAR] && !(self.told[MONTH] && self.told[DAY]) {
                self.date_of_day_of_year();
                (self.told[MONTH], self.told[DAY]) = (true, true);
            }
            if has_month(&self) {
                self.time[WEEKDAY] = self.weekday(self.time[MONTH], self.time[DAY]);
            }
        }
        if self.is_date && !self.told[DAY_OF_YEAR] && has_month(&self) {
            self.time[DAY_OF_YEAR] =
                self.first_of(self.time[MONTH]).wrapping_add(self.time[DAY]).wrapping_sub(1);
        }
        if let Some((week, first)) = self.week.filter(|_| self.told[WEEKDAY]) {
            if !self.told[DAY_OF_YEAR] {
                let to_first_week = (7 - (self.weekday(0, 1) - first)) % 7;
                let day_of_week = (self.time[WEEKDAY] - first + 7) % 7;
                self.time[DAY_OF_YEAR] = to_first_week + (week - 1) * 7 + day_of_week;
            }
            self.date_of_day_of_year();
        }
        self.time
    }

    fn is_leap(&self) -> bool {
        let year = i64::from(self.time[YEAR]) + 1900;
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    /// The day of the year on which a month begins, or the day after the last month.
    fn first_of(&self, month: i32) -> i32 {
        const DAYS_BEFORE: [i32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
        let before =
            usize::try_from(month).ok().and_then(|month| DAYS_BEFORE.get(month)).copied().unwrap_or(0);
        before + i32::from(month > 1 && self.is_leap())
    }

    /// The day of the week of a date in the year.
    fn weekday(&self, month: i32, day: i32) -> i32 {
        let before = i64::from(self.time[YEAR]) + 1899;
        let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
        let day = i64::from(self.first_of(month)) + i64::from(day);
        // The first of January of year 1 was a Monday.
        i32::try_from((before * 365 + leap_days + day).rem_euclid(7)).unwrap_or(0)
    }

    /// Sets the month and the day from the day of the year, unless the text gave them.
    fn date_of_day_of_year(&mut self) {
        let day = self.time[DAY_OF_YEAR];
        let month = (0..12).rev().find(|month| self.first_of(*month) <= day).unwrap_or(0);
        if !self.told[MONTH] {
            self.time[MONTH] = month;
        }
        if !self.told[DAY] {
            self.time[DAY] = day - self.first_of(month) + 1;
        }
    }
}

/// Whether a byte is white space according to C's `isspace` in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `strptime` makes of a text and a format, starting from a time of zeros: second, minute, hour, day, month, year, day of the
    /// week, day of the year, daylight, offset; and the number of bytes used. The expected results are glibc 2.36's.
    fn parse(text: &str, format: &str) -> Option<([i32; FIELDS], usize)> {
        let utc = |seconds| (calendar(seconds), false, 0);
        let mut parser = Parser::new(text.as_bytes(), [0; FIELDS], &utc);
        parser.read(format.as_bytes())?;
        let position = parser.position;
        Some((parser.finish(), position))
    }

    #[test]
    fn what_was_told_tells_the_rest() {
        let date = Some(([0, 0, 0, 29, 1, 124, 4, 59, 0, 0], 10));
        assert_eq!(parse("2024-02-29", "%Y-%m-%d"), date);
        assert_eq!(parse("2024-02-29", "%F"), date);
        assert_eq!(parse("2024 060", "%Y %j"), Some(([0, 0, 0, 29, 1, 124, 4, 59, 0, 0], 8)));
        assert_eq!(parse("11:59:01 pm", "%I:%M:%S %p"), Some(([1, 59, 23, 0, 0, 0, 0, 0, 0, 0], 11)));
        assert_eq!(parse("x", "y"), None);
        // Widths are ignored; a year of an era does not match (glibc 2.36).
        assert_eq!(parse("20240229", "%4Y%2m%02d").map(|(_, length)| length), Some(8));
        assert_eq!(parse("x07", "x%10d").map(|(_, length)| length), Some(3));
        assert_eq!(parse("5", "%Ey"), None);
        assert_eq!(parse("5", "%5Oy").map(|(time, _)| time[5]), Some(105));
    }

    #[test]
    fn nothing_that_a_guest_passes_overflows() {
        for format in ["%Y%C%U%W%a%j%s%z%e", "%s", "%C%y%m%d", "%Ey%OH%-d%_m", "%"] {
            for text in ["9999999999999999999999", "99999999999", "", "  9", "-1", "+9999"] {
                let _ = parse(text, format);
            }
        }
        let utc = |seconds| (calendar(seconds), false, 0);
        for extreme in [i32::MIN, i32::MAX] {
            for format in ["%d", "%U %a", "%j%d", "%C", "%p"] {
                let mut parser = Parser::new(b"1 Mon", [extreme; FIELDS], &utc);
                if parser.read(format.as_bytes()).is_some() {
                    parser.finish();
                }
            }
        }
    }
}
