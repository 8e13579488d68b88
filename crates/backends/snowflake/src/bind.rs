//! Values bound to the markers of a statement.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, Time64NanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use orbit_core::{Error, ErrorKind, Result};

use crate::dialect::{cast, displayed, hex};
use crate::protocol::{Binding, Bindings, BoundValue};

/// The values of a statement's parameters, in the order of the columns.
///
/// # Errors
/// `QueryInvalid` unless it is one row; `Unsupported` for a type that cannot be bound.
pub(crate) fn one_row(row: &RecordBatch) -> Result<Bindings> {
    if row.num_rows() != 1 {
        let message = format!("parameters are one row, not {}", row.num_rows());
        return Err(Error::new(ErrorKind::QueryInvalid, message));
    }
    numbered(row, bound, |mut texts| BoundValue::One(texts.pop().flatten()))
}

/// The values of many rows, for a statement that runs once for each. Days and moments travel
/// in their written form, whose fraction no number cuts.
///
/// # Errors
/// `Unsupported` for a type that cannot be bound.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Bindings> {
    numbered(batch, written, BoundValue::Rows)
}

/// The values of each column in their written form.
///
/// # Errors
/// `Unsupported` for a type that has none.
pub(crate) fn texts(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>> {
    batch.columns().iter().map(|array| written(array).map(|(_, texts)| texts)).collect()
}

type Texts = (&'static str, Vec<Option<String>>);

fn numbered(
    batch: &RecordBatch,
    bound: impl Fn(&ArrayRef) -> Result<Texts>,
    value: impl Fn(Vec<Option<String>>) -> BoundValue,
) -> Result<Bindings> {
    let bind = |(index, array): (usize, &ArrayRef)| {
        let (kind, texts) = bound(array)?;
        Ok(((index + 1).to_string(), Binding { kind, value: value(texts) }))
    };
    batch.columns().iter().enumerate().map(bind).collect()
}

fn written(array: &ArrayRef) -> Result<Texts> {
    let text = |array: &ArrayRef, suffix: &str| {
        let one = |row| match array.is_null(row) {
            true => Ok(None),
            false => Ok(Some(displayed(array, row)? + suffix)),
        };
        Ok(("TEXT", (0..array.len()).map(one).collect::<Result<Vec<_>>>()?))
    };
    match array.data_type() {
        DataType::Date32 | DataType::Time64(_) => text(array, ""),
        DataType::Timestamp(unit, zone) => {
            let plain = cast(array, &DataType::Timestamp(*unit, None))?;
            text(&plain, if zone.is_some() { "+00:00" } else { "" })
        }
        _ => bound(array),
    }
}

/// A value as the text in which bound values travel, and the vendor's name of its type.
///
/// # Errors
/// `Unsupported` for a type that cannot be bound.
fn bound(array: &ArrayRef) -> Result<Texts> {
    let rows = 0..array.len();
    let each = |text: &dyn Fn(usize) -> Result<String>| -> Result<Vec<Option<String>>> {
        let one = |row| if array.is_null(row) { Ok(None) } else { text(row).map(Some) };
        rows.clone().map(one).collect()
    };
    Ok(match array.data_type() {
        DataType::Null => ("TEXT", vec![None; array.len()]),
        DataType::Boolean => {
            ("BOOLEAN", each(&|row| Ok(array.as_boolean().value(row).to_string()))?)
        }
        kind if kind.is_integer() => ("FIXED", each(&|row| displayed(array, row))?),
        DataType::Decimal128(..) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            ("TEXT", each(&|row| Ok(decimals.value_as_string(row)))?)
        }
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(array, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            ("REAL", each(&|row| Ok(real(floats.value(row))))?)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast(array, &DataType::LargeUtf8)?;
            ("TEXT", each(&|row| Ok(texts.as_string::<i64>().value(row).to_owned()))?)
        }
        DataType::Binary | DataType::LargeBinary => {
            let bytes = cast(array, &DataType::LargeBinary)?;
            ("BINARY", each(&|row| Ok(hex(bytes.as_binary::<i64>().value(row))))?)
        }
        DataType::Date32 => {
            let days = cast(array, &DataType::Int32)?;
            let days = cast(&days, &DataType::Int64)?;
            let days = days.as_primitive::<Int64Type>();
            ("DATE", each(&|row| Ok((i128::from(days.value(row)) * 86_400_000).to_string()))?)
        }
        DataType::Time64(_) => {
            let nanos = cast(array, &DataType::Time64(TimeUnit::Nanosecond))?;
            let nanos = nanos.as_primitive::<Time64NanosecondType>();
            ("TIME", each(&|row| Ok(nanos.value(row).to_string()))?)
        }
        DataType::Timestamp(unit, zone) => {
            let kind = if zone.is_some() { "TIMESTAMP_LTZ" } else { "TIMESTAMP_NTZ" };
            let units = cast(array, &DataType::Int64)?;
            let units = units.as_primitive::<Int64Type>();
            let nanos = nanos_of(*unit);
            (kind, each(&|row| Ok((i128::from(units.value(row)) * nanos).to_string()))?)
        }
        other => {
            let message = format!("values of the type {other} cannot be bound");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

fn nanos_of(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    }
}

fn real(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        value => format!("{value:e}"),
    }
}
