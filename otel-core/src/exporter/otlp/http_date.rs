//! Dates as HTTP writes them, in any of its three forms.
//!
//! Source: RFC 9110, section 5.6.7.

use std::time::{Duration, SystemTime};

/// Reads a date, always of Greenwich's time; `None` for anything else. A year of two digits is the one next to 1970 … 2069.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    if text.len() > LONGEST {
        return None;
    }
    // The weekday says nothing that the date does not say as well.
    let mut words = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).skip(1);
    let (first, second, third, fourth) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    let (day, month, year, time) = match first.as_bytes()[0].is_ascii_digit() {
        true => (first, second, third, fourth),
        // The form of `asctime`: month, day, time, year.
        false => (second, first, fourth, third),
    };
    match words.next() {
        Some(zone) if zone == "GMT" && words.next().is_none() => {}
        None => {}
        Some(_) => return None,
    }
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let year = match (year.len(), number(year)?) {
        (2, short) if short < 70 => 2000 + short,
        (2, short) => 1900 + short,
        (4, year) if year >= 1970 => year,
        _ => return None,
    };
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (day, hour, minute, second) =
        (number(day)?, number(hour)?, number(minute)?, number(second)?);
    // A leap second has the number 60.
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = 86_400 * days_since_1970(year, month, day) + 3600 * hour + 60 * minute + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Counts the days from 1970-01-01 to a day of the Gregorian calendar, from 1970 on.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Counted from 1 March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_BEFORE_1970
}

/// From 1 March of the year 0.
const DAYS_BEFORE_1970: u64 = 719_468;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// `Wednesday, 06-Nov-94 08:49:37 GMT` has 33.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn unix_seconds(text: &str) -> Option<u64> {
        Some(parse(text)?.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn a_date_is_read_in_each_of_its_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(unix_seconds(text), Some(784_111_777), "{text}");
        }
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800), // a leap second
            ("Mon, 28 Feb 2101 12:00:00 GMT", 4_139_035_200),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(unix_seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "Sun",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:99999999999999999999 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&" ".repeat(1 << 20)), None);
    }
}
