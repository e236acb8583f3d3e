//! Owns the arithmetic of dates: the Gregorian calendar of all years that C can count, and what the clocks of a zone show. Must not know
//! where a guest keeps a date.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;
/// The seconds of 400 years of the calendar, after which its dates, weekdays, and the rules of zones repeat.
const CYCLE: i64 = 146_097 * DAY;
/// A time for which all zones still know their offset, shortly before the year 9000.
const LATE: i64 = 221_845_392_000;
/// The greatest distance in seconds of a time from which the offset of daylight saving time, or of standard time, is taken for another time
/// (glibc, `time/mktime.c`).
const FAR: i64 = 268_227_000;
/// The difference between daylight saving time and standard time where no such time is near, in seconds.
const HOUR: i32 = 3600;

/// The first fields of a `struct tm`, as it counts them: second, minute, hour, day of the month, month, year, day of the week, day of the
/// year. They are those of the date and time that lie `seconds` after the start of 1970, on the Gregorian calendar of all years: a program
/// has to see the year 10000 to refuse it.
pub(super) fn calendar(seconds: i64) -> [i64; 8] {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March end with their leap day; 400 of them have 146097 days, and 1970 began 719468 days after March of year 0.
    let (period, day) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let is_early = month >= 10;
    let year = period * 400 + year + i64::from(is_early);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let day_of_year = if is_early { day - 306 } else { day + 59 + i64::from(is_leap) };
    let month = if is_early { month - 10 } else { month + 2 };
    let weekday = (days + 4).rem_euclid(7);
    [second % 60, second / 60 % 60, second / 3600, day_of_month, month, year - 1900, weekday, day_of_year]
}

/// The days from the start of 1970 to the first of a month of a year; months count from 0, and may be greater than 11.
pub(super) fn days_to(year: i64, month: i64) -> i64 {
    let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12));
    // Years that begin in March, as above.
    let is_early = month < 2;
    let (year, month) = if is_early { (year - 1, month + 10) } else { (year, month - 2) };
    let (period, year) = (year.div_euclid(400), year.rem_euclid(400));
    period * 146_097 + 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 - 719_468
}

/// Whether daylight saving time is in force at a time in a zone, and the offset from UTC in seconds.
pub(super) fn local(zone: &TimeZone, time: i64) -> (bool, i32) {
    let info = zone.to_offset_info(known(time));
    (info.dst().is_dst(), info.offset().seconds())
}

/// A time for which zones know their offset, and which has the same offset as `time`.
fn known(time: i64) -> Timestamp {
    let time = if time < LATE { time } else { LATE - CYCLE + (time - LATE).rem_euclid(CYCLE) };
    Timestamp::from_second(time).unwrap_or(Timestamp::MIN)
}

/// The time when the clocks of a zone show `shown`, given in seconds as if they were those of UTC. Where they show it twice, or never,
/// `is_daylight` selects which is meant: daylight saving time (positive), standard time (0), or unknown (negative), which is the time by
/// the clocks as they were before. Where `is_daylight` is wrong, the clocks are taken to be set as it says. All this follows glibc.
pub(super) fn time_of(zone: &TimeZone, shown: i64, is_daylight: i32) -> i64 {
    let offset = |time: i64| i64::from(local(zone, time).1);
    let (before, after) = (offset(shown.saturating_sub(DAY)), offset(shown.saturating_add(DAY)));
    let is_shown = |offset_then: &i64| offset(shown.saturating_sub(*offset_then)) == *offset_then;
    let mut times = [before, after].into_iter().filter(is_shown).map(|offset| shown.saturating_sub(offset));
    let guess = times.clone().next().unwrap_or(shown.saturating_sub(before));
    if is_daylight < 0 {
        return guess;
    }
    let is_wanted = is_daylight > 0;
    match times.find(|time| local(zone, *time).0 == is_wanted) {
        Some(time) => time,
        None => shown.saturating_sub(offset_like(zone, guess, is_wanted).into()),
    }
}

/// The offset at the nearest time that is, or is not, in daylight saving time.
fn offset_like(zone: &TimeZone, time: i64, is_daylight: bool) -> i32 {
    let (is_now, now) = local(zone, time);
    if is_now == is_daylight {
        return now;
    }
    let here = known(time);
    let distance = |other: Timestamp| other.as_second().abs_diff(here.as_second());
    let earlier = zone.preceding(here).map(|change| change.timestamp());
    let earlier = earlier.take_while(|change| distance(*change) < FAR.unsigned_abs()).map(|change| {
        let info = zone.to_offset_info(Timestamp::from_second(change.as_second() - 1).unwrap_or(change));
        (distance(change), info.dst().is_dst(), info.offset().seconds())
    });
    let later = zone.following(here).map(|change| {
        let (is_then, offset) = (change.dst().is_dst(), change.offset().seconds());
        (distance(change.timestamp()), is_then, offset)
    });
    let later = later.take_while(|(distance, ..)| *distance < FAR.unsigned_abs());
    let is_wanted = |(_, is_then, _): &(u64, bool, i32)| *is_then == is_daylight;
    let (earlier, later) = (earlier.into_iter().find(is_wanted), later.into_iter().find(is_wanted));
    match earlier.into_iter().chain(later).min_by_key(|(distance, ..)| *distance) {
        Some((_, _, offset)) => offset,
        None if is_daylight => now.saturating_add(HOUR),
        None => now.saturating_sub(HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (year, month, days) in
            [(1970, 0, 0), (1970, 1, 31), (2000, 2, 11_017), (1969, 11, -31), (2024, 12, 20_089)]
        {
            assert_eq!(days_to(year, month), days, "{year} {month}");
        }
        for days in (-800_000_000..800_000_000).step_by(9_973) {
            let [.., day, month, year, _, _] = calendar(days * DAY);
            assert_eq!(days_to(year + 1900, month) + day - 1, days);
        }
    }

    /// The results of glibc 2.36: `mktime` of some dates with a `tm_isdst` of 1, 0 and -1.
    #[test]
    fn dates_mean_what_they_mean_in_glibc() {
        let dates = [
            (2024, 7, 1, 0, 0),
            (2024, 1, 1, 0, 0),
            // In Berlin, these occur never, and twice: for -1 glibc returns what it guessed last, which may be either.
            (2024, 3, 31, 2, 30),
            (2024, 10, 27, 2, 30),
            (9999, 7, 31, 0, 0),
            (9999, 12, 31, 23, 59),
            (1950, 7, 1, 0, 0),
        ];
        let zones = [
            (
                "UTC",
                [
                    [1_719_788_400, 1_719_792_000, 1_719_792_000],
                    [1_704_063_600, 1_704_067_200, 1_704_067_200],
                    [1_711_848_600, 1_711_852_200, 1_711_852_200],
                    [1_729_992_600, 1_729_996_200, 1_729_996_200],
                    [253_388_991_600, 253_388_995_200, 253_388_995_200],
                    [253_402_297_140, 253_402_300_740, 253_402_300_740],
                    [-615_517_200, -615_513_600, -615_513_600],
                ],
            ),
            (
                "Asia/Tokyo",
                [
                    [1_719_756_000, 1_719_759_600, 1_719_759_600],
                    [1_704_031_200, 1_704_034_800, 1_704_034_800],
                    [1_711_816_200, 1_711_819_800, 1_711_819_800],
                    [1_729_960_200, 1_729_963_800, 1_729_963_800],
                    [253_388_959_200, 253_388_962_800, 253_388_962_800],
                    [253_402_264_740, 253_402_268_340, 253_402_268_340],
                    [-615_549_600, -615_546_000, -615_549_600],
                ],
            ),
            (
                "Europe/Berlin",
                [
                    [1_719_784_800, 1_719_788_400, 1_719_784_800],
                    [1_704_060_000, 1_704_063_600, 1_704_063_600],
                    [1_711_845_000, 1_711_848_600, 1_711_848_600],
                    [1_729_989_000, 1_729_992_600, 1_729_989_000],
                    [253_388_988_000, 253_388_991_600, 253_388_988_000],
                    [253_402_293_540, 253_402_297_140, 253_402_297_140],
                    [-615_520_800, -615_517_200, -615_517_200],
                ],
            ),
            (
                "Europe/Moscow",
                [
                    [1_719_777_600, 1_719_781_200, 1_719_781_200],
                    [1_704_052_800, 1_704_056_400, 1_704_056_400],
                    [1_711_837_800, 1_711_841_400, 1_711_841_400],
                    [1_729_981_800, 1_729_985_400, 1_729_985_400],
                    [253_388_980_800, 253_388_984_400, 253_388_984_400],
                    [253_402_286_340, 253_402_289_940, 253_402_289_940],
                    [-615_528_000, -615_524_400, -615_524_400],
                ],
            ),
            (
                "America/New_York",
                [
                    [1_719_806_400, 1_719_810_000, 1_719_806_400],
                    [1_704_081_600, 1_704_085_200, 1_704_085_200],
                    [1_711_866_600, 1_711_870_200, 1_711_866_600],
                    [1_730_010_600, 1_730_014_200, 1_730_010_600],
                    [253_389_009_600, 253_389_013_200, 253_389_009_600],
                    [253_402_315_140, 253_402_318_740, 253_402_318_740],
                    [-615_499_200, -615_495_600, -615_499_200],
                ],
            ),
            (
                "Australia/Lord_Howe",
                [
                    [1_719_752_400, 1_719_754_200, 1_719_754_200],
                    [1_704_027_600, 1_704_029_400, 1_704_027_600],
                    [1_711_812_600, 1_711_814_400, 1_711_812_600],
                    [1_729_956_600, 1_729_958_400, 1_729_956_600],
                    [253_388_955_600, 253_388_957_400, 253_388_957_400],
                    [253_402_261_140, 253_402_262_940, 253_402_261_140],
                    [-615_553_200, -615_549_600, -615_549_600],
                ],
            ),
        ];
        for (name, times) in zones {
            let zone = TimeZone::get(name).unwrap();
            for ((year, month, day, hour, minute), times) in dates.iter().zip(times) {
                let shown = (days_to(*year, month - 1) + day - 1) * DAY + hour * 3600 + minute * 60;
                let found = [1, 0, -1].map(|is_daylight| time_of(&zone, shown, is_daylight));
                assert_eq!(found, times, "{name} {year}-{month}-{day} {hour}:{minute}");
            }
        }
    }

    #[test]
    fn rules_go_on_for_ever() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // 11476-08-24 and a winter's day of the year 20000, according to glibc.
        assert_eq!(local(&zone, 300_000_000_000), (true, 7200));
        assert_eq!(local(&zone, 568_971_820_800), (false, 3600));
        assert!(!local(&zone, i64::MIN).0 && local(&zone, i64::MAX).1 > 0);
        assert_eq!(time_of(&zone, i64::MIN, 1), i64::MIN);
    }
}
