//! Arrow values as SQL literals.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use orbit_core::{BooleanForm, Error, ErrorKind, Result, SqlForms};

use crate::calendar::{DAY_US, write_date, write_time};

/// How a source writes types and bytes.
pub trait ValueForms: SqlForms {
    /// Its name for a type, such as `numeric(18,2)`; none when it has no such type.
    fn type_name(&self, data_type: &DataType) -> Option<String>;

    /// Bytes as an expression; none when it has no bytes.
    fn binary_literal(&self, bytes: &[u8]) -> Option<String>;
}

/// A value as a literal that takes its type from where it stands: compared with a column, or
/// put into one. Numbers stand bare, everything else is quoted.
///
/// # Errors
/// `Unsupported` for a type without a literal, `QueryInvalid` for text with a NUL character.
pub fn plain_literal(forms: &dyn ValueForms, array: &dyn Array, index: usize) -> Result<String> {
    if array.is_null(index) {
        return Ok("NULL".to_owned());
    }
    match array.data_type() {
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(index);
            forms.binary_literal(bytes).ok_or_else(|| unsupported(array.data_type()))
        }
        DataType::LargeBinary => {
            let bytes = array.as_binary::<i64>().value(index);
            forms.binary_literal(bytes).ok_or_else(|| unsupported(array.data_type()))
        }
        DataType::Boolean => Ok(boolean(forms, array.as_boolean().value(index)).to_owned()),
        data_type => {
            let text = written(array, index)?;
            let bare = data_type.is_integer() || matches!(data_type, DataType::Decimal128(..));
            if bare { Ok(text) } else { forms.dialect().text(&text) }
        }
    }
}

/// A value as a literal of its own type, wherever it stands.
///
/// # Errors
/// As for [`plain_literal`], and `Unsupported` for a type that the source does not have.
pub fn typed_literal(forms: &dyn ValueForms, array: &dyn Array, index: usize) -> Result<String> {
    let data_type = array.data_type();
    let name = forms.type_name(data_type).ok_or_else(|| unsupported(data_type))?;
    let plain = plain_literal(forms, array, index)?;
    let quoted = data_type.is_integer() || matches!(data_type, DataType::Decimal128(..));
    let plain = if quoted && array.is_valid(index) { format!("'{plain}'") } else { plain };
    Ok(format!("CAST({plain} AS {name})"))
}

fn boolean(forms: &dyn ValueForms, value: bool) -> &'static str {
    match (forms.dialect().boolean, value) {
        (BooleanForm::Keyword, true) => "TRUE",
        (BooleanForm::Keyword, false) => "FALSE",
        (BooleanForm::Bit, true) => "1",
        (BooleanForm::Bit, false) => "0",
    }
}

fn unsupported(data_type: &DataType) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this source has no values of the type {data_type}"))
}

/// Appends a value to a line of delimited text as PostgreSQL and its kin write it: `\N` for NULL,
/// a backslash before whatever would end the value.
///
/// # Errors
/// `Unsupported` for bytes and types without a text, `DataInvalid` for a NUL character.
pub fn append_delimited(
    array: &dyn Array,
    index: usize,
    delimiter: char,
    out: &mut String,
) -> Result<()> {
    if array.is_null(index) {
        out.push_str("\\N");
        return Ok(());
    }
    if let Some(truths) = array.as_boolean_opt() {
        out.push(if truths.value(index) { 't' } else { 'f' });
        return Ok(());
    }
    for c in written(array, index)?.chars() {
        match c {
            '\0' => {
                let message = "text with a NUL character cannot be sent to this source";
                return Err(Error::new(ErrorKind::DataInvalid, message));
            }
            '\\' | '\n' | '\r' => out.extend(['\\', c]),
            c if c == delimiter => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Ok(())
}

/// The value's text, without quotes.
fn written(array: &dyn Array, i: usize) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(i).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(i).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(i).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(i).to_string(),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(i);
            float(f64::from(value), &format!("{value:e}"))
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(i);
            float(value, &format!("{value:e}"))
        }
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(i),
        DataType::Utf8 => array.as_string::<i32>().value(i).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(i).to_owned(),
        DataType::Utf8View => array.as_string_view().value(i).to_owned(),
        DataType::Date32 => date(i64::from(array.as_primitive::<Date32Type>().value(i))),
        DataType::Time64(TimeUnit::Microsecond) => {
            let mut out = String::new();
            write_time(array.as_primitive::<Time64MicrosecondType>().value(i), &mut out);
            out
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(i);
            moment(us, if zone.is_some() { "+00" } else { "" })
        }
        other => return Err(unsupported(other)),
    })
}

/// `exact` is the shortest text that reads back as the same value.
fn float(value: f64, exact: &str) -> String {
    match value {
        v if v.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => exact.to_owned(),
    }
}

fn date(days: i64) -> String {
    let mut out = String::new();
    if write_date(days, &mut out) {
        out.push_str(" BC");
    }
    out
}

fn moment(us: i64, zone: &str) -> String {
    let mut out = String::new();
    let before_christ = write_date(us.div_euclid(DAY_US), &mut out);
    out.push(' ');
    write_time(us.rem_euclid(DAY_US), &mut out);
    out.push_str(zone);
    if before_christ {
        out.push_str(" BC");
    }
    out
}
