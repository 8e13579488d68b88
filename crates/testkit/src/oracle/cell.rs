//! Values of every engine in one form.

use std::fmt;

use super::Decimal;

/// How far floats may differ, relative to the larger.
const FLOAT_TOLERANCE: f64 = 1e-9;
/// The same where one of the two has single precision.
const SINGLE_TOLERANCE: f64 = 1e-6;
const DAY_MICROS: i128 = 86_400_000_000;

/// The values of a row.
pub type Row = Vec<Cell>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole or decimal number.
    Exact(Decimal, String),
    /// A floating-point number, and whether it has single precision.
    Float(f64, bool),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date or a timestamp: microseconds since 1970-01-01 00:00 UTC.
    Instant(i64),
    /// A time of day in microseconds.
    Time(i64),
    /// A length of time.
    Interval {
        /// Months.
        months: i64,
        /// Days.
        days: i64,
        /// Microseconds.
        micros: i64,
    },
    /// An array.
    List(Vec<Cell>),
    /// A value of a type that the oracle does not know, as text; equal to nothing.
    Other(String),
}

impl Cell {
    /// Whether two engines said the same.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Exact(a, _), Self::Exact(b, _)) => a.agrees_with(b),
            (Self::Float(a, single), Self::Float(b, other_single)) => {
                close(*a, *b, *single || *other_single)
            }
            (Self::Float(float, single), Self::Exact(_, text))
            | (Self::Exact(_, text), Self::Float(float, single)) => {
                text.parse::<f64>().is_ok_and(|exact| close(*float, exact, *single))
            }
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Instant(a), Self::Instant(b)) | (Self::Time(a), Self::Time(b)) => a == b,
            (
                Self::Interval { months, days, micros },
                Self::Interval { months: other_months, days: other_days, micros: other_micros },
            ) => {
                let span =
                    |days: i64, micros: i64| i128::from(days) * DAY_MICROS + i128::from(micros);
                months == other_months && span(*days, *micros) == span(*other_days, *other_micros)
            }
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            _ => false,
        }
    }
}

fn close(a: f64, b: f64, single: bool) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let tolerance = if single { SINGLE_TOLERANCE } else { FLOAT_TOLERANCE };
    a.is_finite() && b.is_finite() && (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Exact(_, text) | Self::Other(text) => f.write_str(text),
            Self::Float(value, _) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => {
                f.write_str("\\x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Instant(micros) => write!(f, "instant {micros} us"),
            Self::Time(micros) => write!(f, "time {micros} us"),
            Self::Interval { months, days, micros } => {
                write!(f, "interval {months} months {days} days {micros} us")
            }
            Self::List(cells) => {
                let cells: Vec<_> = cells.iter().map(Self::to_string).collect();
                write!(f, "[{}]", cells.join(", "))
            }
        }
    }
}
