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

#[cfg(test)]
mod tests {
    use super::*;

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
