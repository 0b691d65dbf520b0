//! Dates as clients write them.

use crate::cursor::{Cursor, Parsed, Refusal};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};

/// Months as IMAP spells them.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const BAD_DATE: Refusal = Refusal::bad("Not a date");

/// `date`: `1-Feb-1994`, quoted or not.
pub(crate) fn date(cursor: &mut Cursor<'_>) -> Parsed<NaiveDate> {
    let quoted = cursor.take(b'"');
    let day = digits(cursor, 1, 2)?;
    let date = month_and_year(cursor, day)?;
    if quoted {
        cursor.byte(b'"')?;
    }
    Ok(date)
}

/// `date-time`: `" 7-Feb-1994 21:52:25 -0800"`.
pub(crate) fn date_time(cursor: &mut Cursor<'_>) -> Parsed<DateTime<FixedOffset>> {
    cursor.byte(b'"')?;
    let day = if cursor.take(b' ') { digits(cursor, 1, 1)? } else { digits(cursor, 1, 2)? };
    let date = month_and_year(cursor, day)?;
    cursor.space()?;
    let time = time(cursor)?;
    cursor.space()?;
    let zone = zone(cursor)?;
    cursor.byte(b'"')?;
    date.and_time(time).and_local_timezone(zone).single().ok_or(BAD_DATE)
}

fn month_and_year(cursor: &mut Cursor<'_>, day: u32) -> Parsed<NaiveDate> {
    cursor.byte(b'-')?;
    let month = MONTHS.iter().position(|month| cursor.take_word(month)).ok_or(BAD_DATE)?;
    cursor.byte(b'-')?;
    let year = digits(cursor, 4, 4)?;
    let year = i32::try_from(year).map_err(|_| BAD_DATE)?;
    NaiveDate::from_ymd_opt(year, month as u32 + 1, day).ok_or(BAD_DATE)
}

fn time(cursor: &mut Cursor<'_>) -> Parsed<NaiveTime> {
    let hours = digits(cursor, 2, 2)?;
    cursor.byte(b':')?;
    let minutes = digits(cursor, 2, 2)?;
    cursor.byte(b':')?;
    // A leap second is stored as the one before.
    let seconds = match digits(cursor, 2, 2)? {
        60 => 59,
        seconds => seconds,
    };
    NaiveTime::from_hms_opt(hours, minutes, seconds).ok_or(BAD_DATE)
}

fn zone(cursor: &mut Cursor<'_>) -> Parsed<FixedOffset> {
    let west = cursor.take(b'-');
    if !west {
        cursor.byte(b'+')?;
    }
    let (hours, minutes) = (digits(cursor, 2, 2)?, digits(cursor, 2, 2)?);
    if minutes > 59 {
        return Err(BAD_DATE);
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).map_err(|_| BAD_DATE)?;
    FixedOffset::east_opt(if west { -seconds } else { seconds }).ok_or(BAD_DATE)
}

fn digits(cursor: &mut Cursor<'_>, least: u32, most: u32) -> Parsed<u32> {
    let (mut value, mut count) = (0, 0);
    while let Some(digit) = cursor.peek().filter(|byte| byte.is_ascii_digit() && count < most) {
        cursor.take(digit);
        value = value * 10 + u32::from(digit - b'0');
        count += 1;
    }
    if count < least { Err(BAD_DATE) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::grammar;

    #[test]
    fn dates_with_time() {
        let read = |text: &str| date_time(&mut Cursor::new(text.as_bytes(), grammar()));
        let shown = |text: &str| read(text).unwrap().to_rfc3339();
        assert_eq!(shown("\" 7-Feb-1994 21:52:25 -0800\""), "1994-02-07T21:52:25-08:00");
        assert_eq!(shown("\"29-feb-2024 00:00:60 +0530\""), "2024-02-29T00:00:59+05:30");
        assert_eq!(shown("\"7-Feb-1994 21:52:25 +0000\""), "1994-02-07T21:52:25+00:00");
        for broken in [
            "\"29-Feb-2023 00:00:00 +0000\"",
            "\"01-Foo-2023 00:00:00 +0000\"",
            "\"01-Jan-2023 24:00:00 +0000\"",
            "\"01-Jan-2023 00:00:00 +0060\"",
            "\"01-Jan-2023 00:00:00 +2400\"",
            "\"01-Jan-2023 00:00:00\"",
            "\"001-Jan-2023 00:00:00 +0000\"",
            "\"01-Jan-20230 00:00:00 +0000\"",
            "01-Jan-2023 00:00:00 +0000",
            "\"01-Jan-2023 00:00:00 +0000",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn dates() {
        let read = |text: &str| date(&mut Cursor::new(text.as_bytes(), grammar()));
        assert_eq!(read("1-Feb-1994"), Ok(NaiveDate::from_ymd_opt(1994, 2, 1).unwrap()));
        assert_eq!(read("\"01-DEC-9999\""), Ok(NaiveDate::from_ymd_opt(9999, 12, 1).unwrap()));
        for broken in ["", "1", "1-Feb", "32-Jan-2000", "1-Feb-94", "\"1-Feb-1994", "0-Feb-1994"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
