//! Values from Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    DurationMicrosecondType, Float32Type, Float64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};

use super::{Cell, Decimal, Row};

/// The rows of these batches.
///
/// # Errors
/// Of a value that has no microseconds, such as a date beyond the year 290,000.
pub fn batches_to_rows(batches: &[RecordBatch]) -> Result<Vec<Row>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        for at in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| cell(column, at)).collect::<Result<_, _>>()?);
        }
    }
    Ok(rows)
}

/// The column in the one type that stands for its kind.
fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let target = match column.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(Arc::clone(item)),
        _ => return Ok(Arc::clone(column)),
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = cast_with_options(column, &target, &options)?;
    // A dictionary's values may need a second step.
    if column.data_type() == &target { Ok(column) } else { plain(&column) }
}

fn cell(column: &ArrayRef, at: usize) -> Result<Cell, ArrowError> {
    if column.is_null(at) || column.data_type() == &DataType::Null {
        return Ok(Cell::Null);
    }
    let cell = match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(at)),
        DataType::Float16 | DataType::Float32 => single(column, at)?,
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(at), false),
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(at).to_string()),
        DataType::Binary => Cell::Bytes(column.as_binary::<i32>().value(at).to_vec()),
        DataType::Timestamp(..) => {
            Cell::Instant(column.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Time64(_) => Cell::Time(column.as_primitive::<Time64MicrosecondType>().value(at)),
        DataType::Duration(_) => {
            let micros = column.as_primitive::<DurationMicrosecondType>().value(at);
            Cell::Interval { months: 0, days: 0, micros }
        }
        DataType::Interval(_) => {
            let value = column.as_primitive::<IntervalMonthDayNanoType>().value(at);
            let (months, days) = (value.months.into(), value.days.into());
            Cell::Interval { months, days, micros: value.nanoseconds / 1000 }
        }
        DataType::List(_) => {
            let items = plain(&column.as_list::<i32>().value(at))?;
            Cell::List((0..items.len()).map(|at| cell(&items, at)).collect::<Result<_, _>>()?)
        }
        _ => printed(column, at)?,
    };
    Ok(cell)
}

/// A whole or decimal number, or whatever else prints.
fn printed(column: &ArrayRef, at: usize) -> Result<Cell, ArrowError> {
    let text = array_value_to_string(column, at)?;
    Ok(match Decimal::parse(&text) {
        Some(decimal) if column.data_type().is_numeric() => Cell::Exact(decimal, text),
        _ => Cell::Other(text),
    })
}

/// Single precision as the number that its shortest text stands for, as PostgreSQL prints it.
fn single(column: &ArrayRef, at: usize) -> Result<Cell, ArrowError> {
    let column = cast_with_options(column, &DataType::Float32, &CastOptions::default())?;
    let value = column.as_primitive::<Float32Type>().value(at);
    Ok(Cell::Float(value.to_string().parse().unwrap_or(f64::from(value)), true))
}
