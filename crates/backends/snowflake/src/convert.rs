//! Values as the service sends them in Arrow, turned into the types of the columns.
//!
//! The service sends each piece of a result in the narrowest type that its own values need, so
//! two pieces of one column may differ.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Int32Type, Int64Type, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use orbit_core::{Error, ErrorKind, Result};

use crate::columns::{Column, Columns, Form};

/// Digits of a second's fraction in the source's finest unit.
const NANOS: i128 = 1_000_000_000;

impl Columns {
    /// `batch` in the columns' types. What is the same already is not copied.
    ///
    /// # Errors
    /// `DataInvalid` for other columns than were told, and for values that do not fit.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::new(
                ErrorKind::DataInvalid,
                "the result has other columns than told",
            )
            .with_context("told", self.columns.len().to_string())
            .with_context("columns", batch.num_columns().to_string()));
        }
        let arrays = self.columns.iter().zip(batch.columns());
        let arrays = arrays.map(|(column, array)| {
            convert(column, array)
                .map_err(|e| e.with_context("column", column.field.name().as_str()))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|e| misfit("the result does not fit the columns that were told", e))
    }
}

fn convert(column: &Column, array: &ArrayRef) -> Result<ArrayRef> {
    let target = column.field.data_type();
    match column.form {
        Form::Plain => plain(array, target),
        Form::Fixed { scale } => fixed(array, target, scale),
        Form::Time { scale } => time(array, target, scale),
        Form::Moment { scale, zoned } => moment(array, target, scale, zoned),
    }
}

fn plain(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::FixedSizeList(_, got), DataType::FixedSizeList(_, wanted)) if got != wanted => {
            Err(other_type(array, target))
        }
        // A column of nothing but nulls, a longer or a shorter form of the same values.
        (DataType::Null, _)
        | (DataType::LargeUtf8 | DataType::Utf8View, DataType::Utf8)
        | (DataType::LargeBinary | DataType::FixedSizeBinary(_), DataType::Binary)
        | (DataType::Float32 | DataType::Float16, DataType::Float64)
        | (DataType::FixedSizeList(..), DataType::FixedSizeList(..)) => checked_cast(array, target),
        _ => Err(other_type(array, target)),
    }
}

fn fixed(array: &ArrayRef, target: &DataType, scale: i8) -> Result<ArrayRef> {
    match (array.data_type(), target) {
        (got, wanted) if got == wanted => Ok(Arc::clone(array)),
        (DataType::Null, _) => checked_cast(array, target),
        (got, DataType::Decimal128(precision, _)) if got.is_integer() => {
            // The digits come without their point.
            let digits = checked_cast(array, &DataType::Int64)?;
            let digits = digits.as_primitive::<Int64Type>();
            let decimals: PrimitiveArray<Decimal128Type> = digits.unary(i128::from);
            decimal(&decimals, *precision, scale)
        }
        (DataType::Decimal128(_, got), DataType::Decimal128(precision, _)) if *got == scale => {
            decimal(array.as_primitive::<Decimal128Type>(), *precision, scale)
        }
        (DataType::Decimal128(_, 0), _) if target.is_integer() => {
            let digits = array.as_primitive::<Decimal128Type>();
            let whole: Int64Array =
                digits.try_unary(i64::try_from).map_err(|_: std::num::TryFromIntError| {
                    Error::new(ErrorKind::DataInvalid, "a whole number does not fit 64 bits")
                        .with_hint("set `wide_integers: decimal`, or cast the column")
                })?;
            let whole: ArrayRef = Arc::new(whole);
            checked_cast(&whole, target)
        }
        (got, _) if got.is_integer() && target.is_integer() => checked_cast(array, target),
        _ => Err(other_type(array, target)),
    }
}

fn decimal(array: &PrimitiveArray<Decimal128Type>, precision: u8, scale: i8) -> Result<ArrayRef> {
    let array = array.clone().with_precision_and_scale(precision, scale);
    let array = array.map_err(|e| misfit("a number has other digits than told", e))?;
    Ok(Arc::new(array))
}

fn time(array: &ArrayRef, target: &DataType, scale: u32) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    if !matches!(array.data_type(), DataType::Int32 | DataType::Int64 | DataType::Null) {
        return Err(other_type(array, target));
    }
    let units = checked_cast(array, &DataType::Int64)?;
    let units = units.as_primitive::<Int64Type>();
    let at_scale = i128::from(10_i64.pow(9 - scale));
    let of_day = |u, unit| of_day(i128::from(u) * at_scale, unit);
    Ok(match target {
        DataType::Time64(TimeUnit::Nanosecond) => {
            Arc::new(units.try_unary::<_, Time64NanosecondType, _>(|u| of_day(u, 1))?)
        }
        _ => Arc::new(units.try_unary::<_, Time64MicrosecondType, _>(|u| of_day(u, 1000))?),
    })
}

/// Nanoseconds since midnight in units of `unit` nanoseconds.
///
/// # Errors
/// `DataInvalid` for what is no time of a day, and as of [`in_units`].
pub(crate) fn of_day(nanos: i128, unit: i128) -> Result<i64> {
    match (0..86_400 * NANOS).contains(&nanos) {
        true => in_units(nanos, unit),
        false => Err(Error::new(ErrorKind::DataInvalid, "a time lies outside of a day")),
    }
}

fn moment(array: &ArrayRef, target: &DataType, scale: u32, zoned: bool) -> Result<ArrayRef> {
    let DataType::Timestamp(unit, zone) = target else { return Err(other_type(array, target)) };
    match unit {
        TimeUnit::Nanosecond => {
            let array = moments::<TimestampNanosecondType>(array, target, scale, zoned, 1)?;
            Ok(Arc::new(array.with_timezone_opt(zone.clone())))
        }
        _ => {
            let array = moments::<TimestampMicrosecondType>(array, target, scale, zoned, 1000)?;
            Ok(Arc::new(array.with_timezone_opt(zone.clone())))
        }
    }
}

/// Moments in units of `unit` nanoseconds. They come as one number at the column's scale, as
/// seconds and nanoseconds, or either of these with an offset, which is dropped: the moment is
/// the same.
fn moments<T: ArrowPrimitiveType<Native = i64>>(
    array: &ArrayRef,
    target: &DataType,
    scale: u32,
    zoned: bool,
    unit: i128,
) -> Result<PrimitiveArray<T>> {
    let at_scale = i128::from(10_i64.pow(9 - scale));
    let plain = array.data_type() == &DataType::Int64 && !zoned;
    if plain || array.data_type() == &DataType::Null {
        let units = checked_cast(array, &DataType::Int64)?;
        let units = units.as_primitive::<Int64Type>();
        return units.try_unary(|u| in_units(i128::from(u) * at_scale, unit));
    }
    let parts = array.as_struct_opt().ok_or_else(|| other_type(array, target))?;
    let part = |name: &str| parts.column_by_name(name);
    let epoch = part("epoch").and_then(|a| a.as_primitive_opt::<Int64Type>());
    let epoch = epoch.ok_or_else(|| other_type(array, target))?;
    let fraction = match part("fraction") {
        Some(array_of) => Some(
            array_of.as_primitive_opt::<Int32Type>().ok_or_else(|| other_type(array, target))?,
        ),
        None => None,
    };
    let value = |row: usize| {
        if parts.is_null(row) || epoch.is_null(row) {
            return Ok(None);
        }
        let whole = i128::from(epoch.value(row));
        let nanos = match fraction {
            Some(fraction) if fraction.is_null(row) => {
                let message = "a moment came without the fraction of its second";
                return Err(Error::new(ErrorKind::DataInvalid, message));
            }
            Some(fraction) => whole * NANOS + i128::from(fraction.value(row)),
            None => whole * at_scale,
        };
        in_units(nanos, unit).map(Some)
    };
    (0..array.len()).map(value).collect()
}

/// Nanoseconds since 1970 in units of `unit` nanoseconds.
///
/// # Errors
/// `DataInvalid` for what is finer than the unit or beyond its range.
pub(crate) fn in_units(nanos: i128, unit: i128) -> Result<i64> {
    if nanos % unit != 0 {
        let message = "a moment is finer than microseconds";
        let hint = "set `timestamps: nanosecond`, or cast the column to TIMESTAMP_NTZ(6)";
        return Err(Error::new(ErrorKind::DataInvalid, message).with_hint(hint));
    }
    i64::try_from(nanos / unit).map_err(|_| {
        let message = "a moment lies beyond what its unit reaches";
        let hint = "set `timestamps: microsecond`, which reaches the years 1 to 9999";
        Error::new(ErrorKind::DataInvalid, message).with_hint(hint)
    })
}

fn checked_cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, target, &options)
        .map_err(|e| misfit("a value does not fit its column's type", e))
}

fn misfit(message: &'static str, error: ArrowError) -> Error {
    Error::new(ErrorKind::DataInvalid, message).with_source(error)
}

fn other_type(array: &ArrayRef, target: &DataType) -> Error {
    Error::new(ErrorKind::DataInvalid, "a column came in another type than was told")
        .with_context("told", target.to_string())
        .with_context("type", array.data_type().to_string())
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, StructArray};

    use super::*;

    #[test]
    fn a_time_lies_within_its_day() {
        for target in [TimeUnit::Microsecond, TimeUnit::Nanosecond].map(DataType::Time64) {
            let of = |units: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![units])) };
            assert!(time(&of(86_399), &target, 0).is_ok());
            for outside in [-1, 86_400, i64::MAX] {
                let error = time(&of(outside), &target, 0).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DataInvalid, "{outside}");
            }
        }
    }

    #[test]
    fn a_moment_has_all_its_parts_or_none() {
        let target = DataType::Timestamp(TimeUnit::Microsecond, None);
        let of = |epoch: Option<i64>, fraction: Option<i32>| -> Result<ArrayRef> {
            let epoch: ArrayRef = Arc::new(Int64Array::from(vec![epoch]));
            let fraction: ArrayRef = Arc::new(Int32Array::from(vec![fraction]));
            let parts = StructArray::try_from(vec![("epoch", epoch), ("fraction", fraction)]);
            let parts: ArrayRef = Arc::new(parts.unwrap());
            moment(&parts, &target, 9, false)
        };
        let whole = of(Some(1), Some(5000)).unwrap();
        assert_eq!(whole.as_primitive::<TimestampMicrosecondType>().value(0), 1_000_005);
        assert!(of(None, None).unwrap().is_null(0));
        assert_eq!(of(Some(1), None).unwrap_err().kind(), ErrorKind::DataInvalid);
    }

    #[test]
    fn nothing_but_nulls_is_any_moment() {
        let nulls: ArrayRef = Arc::new(arrow_array::NullArray::new(2));
        let target = DataType::Timestamp(TimeUnit::Microsecond, None);
        for zoned in [false, true] {
            assert_eq!(moment(&nulls, &target, 9, zoned).unwrap().null_count(), 2);
        }
    }
}
