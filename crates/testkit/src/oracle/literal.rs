//! Values from the text in which PostgreSQL and DuckDB print them.

use super::{Cell, Decimal};

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// What a column holds, by the name of its type in either engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Exact,
    Float,
    Single,
    Text,
    Bytes,
    Instant,
    Time,
    Interval,
    Other,
}

impl Kind {
    /// The kind of a type named without `[]`, such as `numeric(12,2)` or `TIMESTAMP_NS`.
    pub(super) fn of(type_name: &str) -> Self {
        let name = type_name.to_ascii_lowercase();
        let base = name.split(['(', '_']).next().unwrap_or_default();
        match base.trim() {
            "boolean" | "bool" => Self::Bool,
            "smallint" | "integer" | "bigint" | "hugeint" | "tinyint" | "usmallint"
            | "uinteger" | "ubigint" | "utinyint" | "uhugeint" | "numeric" | "decimal" | "int2"
            | "int4" | "int8" | "int" => Self::Exact,
            "double precision" | "double" | "float8" => Self::Float,
            "real" | "float" | "float4" => Self::Single,
            "text" | "varchar" | "character" | "character varying" | "bpchar" | "name"
            | "\"char\"" => Self::Text,
            "bytea" | "blob" => Self::Bytes,
            "date"
            | "timestamp"
            | "timestamp without time zone"
            | "timestamp with time zone"
            | "timestamptz" => Self::Instant,
            "time" | "time without time zone" => Self::Time,
            interval if interval.starts_with("interval") => Self::Interval,
            _ => Self::Other,
        }
    }

    /// The value that `text` stands for; [`Cell::Other`] when it cannot be read as this kind.
    pub(super) fn read(self, text: &str) -> Cell {
        let cell = match self {
            Self::Bool => boolean(text).map(Cell::Bool),
            Self::Exact => number(text),
            Self::Float => text.parse().ok().map(|value| Cell::Float(value, false)),
            Self::Single => text.parse().ok().map(|value| Cell::Float(value, true)),
            Self::Text => Some(Cell::Text(text.to_string())),
            Self::Bytes => bytes(text).map(Cell::Bytes),
            Self::Instant => instant(text).map(Cell::Instant),
            Self::Time => clock(text).map(Cell::Time),
            Self::Interval => interval(text),
            Self::Other => None,
        };
        cell.unwrap_or_else(|| Cell::Other(text.to_string()))
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Cell> {
    match Decimal::parse(text) {
        Some(decimal) => Some(Cell::Exact(decimal, text.to_string())),
        None => text.parse().ok().map(|value| Cell::Float(value, false)),
    }
}

/// Bytes in hexadecimal, with or without `\x` before them.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}

/// `2024-02-29`, `2024-02-29 12:34:56.789` or the same with `+00`.
pub(super) fn instant(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let time = time.strip_suffix("+00").unwrap_or(time);
    let mut parts = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() {
        return None;
    }
    days_since_epoch(year, month, day).checked_mul(DAY_MICROS)?.checked_add(clock(time)?)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, whose years begin in March here.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `12:34:56.789` in microseconds.
pub(super) fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds = (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60
        + whole.parse::<i64>().ok()?;
    let fraction = format!("{fraction:0<6}");
    Some(seconds * SECOND_MICROS + fraction.get(..6)?.parse::<i64>().ok()?)
}

/// `1 year 2 mons -3 days +04:05:06.5`, in either engine's words.
fn interval(text: &str) -> Option<Cell> {
    let (mut months, mut days, mut micros) = (0, 0, 0);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let unsigned = word.trim_start_matches(['-', '+']);
            let time = clock(unsigned)?;
            micros = if word.starts_with('-') { -time } else { time };
            continue;
        }
        let count: i64 = word.parse().ok()?;
        match words.next()?.trim_end_matches('s') {
            "year" => months += 12 * count,
            "mon" | "month" => months += count,
            "day" => days += count,
            _ => return None,
        }
    }
    Some(Cell::Interval { months, days, micros })
}

#[cfg(test)]
mod tests {
    use super::{Kind, instant};
    use crate::oracle::Cell;

    #[test]
    fn instants_count_from_the_epoch() {
        assert_eq!(instant("1970-01-01"), Some(0));
        assert_eq!(instant("2000-02-29 00:00:00.5+00"), Some(951_782_400_500_000));
        assert_eq!(instant("0001-01-01"), Some(-62_135_596_800_000_000));
        assert_eq!(instant("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(instant("soon"), None);
    }

    #[test]
    fn intervals_are_read_in_both_spellings() {
        let parts = |text| match Kind::Interval.read(text) {
            Cell::Interval { months, days, micros } => Some((months, days, micros)),
            _ => None,
        };
        assert_eq!(parts("1 year 2 mons -3 days +00:00:01.5"), Some((14, -3, 1_500_000)));
        assert_eq!(parts("-1 day -02:00:00"), Some((0, -1, -7_200_000_000)));
        assert_eq!(parts("a while"), None);
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_text() {
        assert_eq!(Kind::of("point").read("(1,2)"), Cell::Other("(1,2)".to_string()));
        assert_eq!(Kind::of("bytea").read("\\x0"), Cell::Other("\\x0".to_string()));
    }
}
