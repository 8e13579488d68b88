//! Results that come as texts in JSON: of SHOW and its like, and of accounts without Arrow.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampNanosecondType,
};
use arrow_array::{
    ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{DataType, TimeUnit};
use orbit_core::{Error, ErrorKind, Result};

use crate::columns::{Column, Columns};
use crate::convert::{in_units, of_day};

/// A row of texts.
pub(crate) type TextRow = Vec<Option<String>>;

impl Columns {
    /// Rows of texts as a batch.
    ///
    /// # Errors
    /// `DataInvalid` for a row of another length, and a text that is no value of its column.
    pub(crate) fn parse(&self, rows: &[TextRow]) -> Result<RecordBatch> {
        if let Some(row) = rows.iter().find(|row| row.len() != self.columns.len()) {
            return Err(Error::new(ErrorKind::DataInvalid, "a row has other columns than told")
                .with_context("told", self.columns.len().to_string())
                .with_context("columns", row.len().to_string()));
        }
        let parse = |(index, column): (usize, &Column)| {
            let texts = || rows.iter().map(|row| row[index].as_deref());
            array(column, texts).map_err(|e| e.with_context("column", column.field.name().as_str()))
        };
        let arrays = self.columns.iter().enumerate().map(parse).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|e| {
            Error::new(ErrorKind::DataInvalid, "the rows do not fit the columns").with_source(e)
        })
    }
}

fn array<'a, I>(column: &Column, texts: impl Fn() -> I) -> Result<ArrayRef>
where
    I: Iterator<Item = Option<&'a str>>,
{
    let texts = texts();
    Ok(match column.field.data_type() {
        DataType::Utf8 => Arc::new(texts.collect::<StringArray>()),
        DataType::Boolean => {
            let booleans = texts.map(|text| text.map(boolean).transpose());
            Arc::new(booleans.collect::<Result<BooleanArray>>()?)
        }
        DataType::Int8 => primitive::<Int8Type, _>(texts, whole)?,
        DataType::Int16 => primitive::<Int16Type, _>(texts, whole)?,
        DataType::Int32 => primitive::<Int32Type, _>(texts, whole)?,
        DataType::Int64 => primitive::<Int64Type, _>(texts, whole)?,
        DataType::Float64 => primitive::<Float64Type, _>(texts, float)?,
        DataType::Date32 => primitive::<Date32Type, _>(texts, whole)?,
        DataType::Decimal128(precision, scale) => {
            let digits = u32::from(scale.unsigned_abs());
            let array = collect::<Decimal128Type, _>(texts, |t| point_shifted(t, digits))?;
            let array = array.with_precision_and_scale(*precision, *scale);
            Arc::new(array.map_err(|e| no_value().with_source(e))?)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            primitive::<Time64NanosecondType, _>(texts, |t| of_day(point_shifted(t, 9)?, 1))?
        }
        DataType::Time64(_) => {
            primitive::<Time64MicrosecondType, _>(texts, |t| of_day(point_shifted(t, 9)?, 1000))?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let array = collect::<TimestampNanosecondType, _>(texts, |t| in_units(nanos(t)?, 1))?;
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(_, zone) => {
            let array =
                collect::<TimestampMicrosecondType, _>(texts, |t| in_units(nanos(t)?, 1000))?;
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Binary => {
            let mut builder = BinaryBuilder::new();
            for text in texts {
                builder.append_option(text.map(unhex).transpose()?);
            }
            Arc::new(builder.finish())
        }
        other => {
            let message = format!("{other} cannot be read from texts");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

fn collect<'a, T: ArrowPrimitiveType, I: Iterator<Item = Option<&'a str>>>(
    texts: I,
    parse: impl Fn(&str) -> Result<T::Native>,
) -> Result<PrimitiveArray<T>> {
    texts.map(|text| text.map(&parse).transpose()).collect()
}

fn primitive<'a, T: ArrowPrimitiveType, I: Iterator<Item = Option<&'a str>>>(
    texts: I,
    parse: impl Fn(&str) -> Result<T::Native>,
) -> Result<ArrayRef> {
    Ok(Arc::new(collect::<T, I>(texts, parse)?))
}

fn no_value() -> Error {
    Error::new(ErrorKind::DataInvalid, "a text is no value of its column's type")
}

fn whole<N: std::str::FromStr>(text: &str) -> Result<N> {
    text.parse().map_err(|_| no_value())
}

fn float(text: &str) -> Result<f64> {
    // Rust's own names of the special ones are the source's too.
    text.parse().map_err(|_| no_value())
}

fn boolean(text: &str) -> Result<bool> {
    match text {
        "1" | "true" | "TRUE" => Ok(true),
        "0" | "false" | "FALSE" => Ok(false),
        _ => Err(no_value()),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().ok_or_else(no_value)
}

/// Seconds, their fraction and perhaps an offset, such as `12.5 1440`, as nanoseconds.
fn nanos(text: &str) -> Result<i128> {
    point_shifted(text.split(' ').next().unwrap_or_default(), 9)
}

/// The digits of a decimal text with its point `digits` places further right.
fn point_shifted(text: &str, digits: u32) -> Result<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let figures = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let kept = fraction.trim_end_matches('0');
    if whole.is_empty() || !figures(whole) || !figures(fraction) || kept.len() > digits as usize {
        return Err(no_value());
    }
    let figures = format!("{whole}{kept:0<width$}", width = digits as usize);
    let value: i128 = figures.parse().map_err(|_| no_value())?;
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use arrow_schema::Field;

    use super::*;
    use crate::columns::Form;

    #[test]
    fn points_are_shifted_exactly() {
        assert_eq!(point_shifted("1.5", 9).unwrap(), 1_500_000_000);
        assert_eq!(
            point_shifted("-62135596800.000000000", 9).unwrap(),
            -62_135_596_800_000_000_000
        );
        assert_eq!(point_shifted("-0.000000001", 9).unwrap(), -1);
        assert_eq!(point_shifted("12.30", 2).unwrap(), 1230);
        assert_eq!(point_shifted("7", 0).unwrap(), 7);
        for bad in ["", "-", ".5", "1.234", "1e3", "+1", "1_0"] {
            assert!(point_shifted(bad, 2).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_lies_within_its_day() {
        for unit in [TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            let column = Column {
                field: Field::new("t", DataType::Time64(unit), true),
                form: Form::Time { scale: 0 },
                source_type: "TIME(0)".to_owned(),
                binary_collation: true,
            };
            let read = |text| array(&column, || std::iter::once(Some(text)));
            assert!(read("86399.5").is_ok());
            for outside in ["86400", "-1"] {
                let error = read(outside).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DataInvalid, "{outside}");
            }
        }
    }

    #[test]
    fn hexadecimal_is_read_whole() {
        assert_eq!(unhex("00fFA1").unwrap(), [0, 0xff, 0xa1]);
        assert_eq!(unhex("").unwrap(), Vec::<u8>::new());
        assert!(unhex("abc").is_err());
        assert!(unhex("zz").is_err());
    }
}
