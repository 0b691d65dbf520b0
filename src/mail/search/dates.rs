//! The day in a Date field.

use chrono::NaiveDate;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The day of a Date field (RFC 5322 §3.3, obsolete forms included) as its writer saw it: SENTON and its kin
/// are "disregarding time and timezone" (RFC 9051 §6.4.4).
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    // Day of week, comma, day, month, year; the first and second may be missing.
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split([' ', '\t', '-']).filter(|word| !word.is_empty());
    let day: u32 = words.next()?.parse().ok()?;
    let month = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|known| *known == month)? as u32 + 1;
    let year = words.next()?;
    let number: i32 = year.parse().ok()?;
    // RFC 5322 §4.3: "If a two digit year is encountered whose value is between 00 and 49 … 2000 is added".
    let year = match (year.len(), number) {
        (2, 0..=49) => number + 2_000,
        (2 | 3, _) => number + 1_900,
        _ => number,
    };
    NaiveDate::from_ymd_opt(year, month, day)
}

/// The moment of a Date field in seconds since 1970, in UTC. "If the time zone is invalid, the date and time SHOULD be
/// treated as UTC. If the time is also invalid, the time SHOULD be treated as 00:00:00" (RFC 5256 §2.2). `None`: not
/// even the date is valid.
pub(crate) fn moment(text: &str) -> Option<i64> {
    let date = day(text)?;
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace().skip_while(|word| !word.contains(':'));
    let time = words.next().and_then(time).unwrap_or(0);
    let zone = words.next().and_then(zone).unwrap_or(0);
    Some(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() + time - zone)
}

/// `HH:MM[:SS]`, in seconds.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let legal =
        (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    legal.then_some(hours * 3_600 + minutes * 60 + seconds)
}

/// `+HHMM`, or one of the names of RFC 5322 §4.3, in seconds east.
fn zone(text: &str) -> Option<i64> {
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => {
            let (sign, digits) = match text.split_at_checked(1)? {
                ("+", digits) => (1, digits),
                ("-", digits) => (-1, digits),
                _ => return None,
            };
            let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
            let (hours, minutes) = (number / 100, number % 100);
            return (minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60));
        }
    };
    Some(hours * 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc() {
        // RFC 5256 §2.2: "equivalent to the UTC date and time of 1 Jan 2001 00:01:33 +0000"
        let new_year = 978_307_293;
        assert_eq!(moment("31 Dec 2000 16:01:33 -0800"), Some(new_year));
        assert_eq!(moment("Sun, 31 Dec 2000 16:01:33 PST (rain)"), Some(new_year));
        assert_eq!(moment("Mon, 1 Jan 2001 00:01:33"), Some(new_year));
        assert_eq!(moment("1 Jan 2001 00:01:33 nowhere"), Some(new_year));
        assert_eq!(moment("1 Jan 2001 25:01:33 -0800"), Some(new_year - 93 + 8 * 3_600));
        assert_eq!(moment("1 Jan 2001"), Some(new_year - 93));
        assert_eq!(moment("1 Jan 2001 00:01 +0000"), Some(new_year - 33));
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn days_are_found() {
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d);
        assert_eq!(day("Fri, 21 Nov 1997 09:55:06 -0600"), date(1997, 11, 21));
        assert_eq!(day("1 jan 2026 23:00 +1400"), date(2026, 1, 1));
        assert_eq!(day("Thu, 13 Feb 69 23:32 EST"), date(1969, 2, 13));
        assert_eq!(day("3 Dec 07 1:1"), date(2007, 12, 3));
        for bad in ["", "Mon,", "32 Jan 2020", "1 Xyz 2020", "1 ü", "x"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
