//! Snowflake's SQL.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field};
use orbit_core::{
    BooleanForm, DialectLimits, Error, ErrorKind, IdentifierCase, IntegerDivision, LimitForm,
    NullOrder, ParameterMarker, Result, SqlDialect, SqlForms, TimeTravelForm, Version,
};

/// The dialect. No server here runs the vendor's engine, so no function is pushed.
pub(crate) fn dialect() -> SqlDialect {
    SqlDialect {
        name: "snowflake",
        quote_open: '"',
        quote_close: '"',
        identifier_case: IdentifierCase::Upper,
        limit: LimitForm::Limit,
        boolean: BooleanForm::Keyword,
        null_order: NullOrder::Explicit,
        integer_division: IntegerDivision::Fraction,
        backslash_escapes: true,
        parameter_marker: ParameterMarker::Question,
        time_travel: Some(TimeTravelForm::SnowflakeAt),
        limits: DialectLimits {
            statement_bytes_max: 1 << 20,
            in_values_max: 10_000,
            identifier_bytes_max: 255,
        },
        functions: &[],
    }
}

/// How it writes values.
#[derive(Debug)]
pub(crate) struct Forms(Arc<SqlDialect>);

impl Forms {
    pub(crate) fn new(dialect: SqlDialect) -> Self {
        Self(Arc::new(dialect))
    }

    pub(crate) fn shared(&self) -> Arc<SqlDialect> {
        Arc::clone(&self.0)
    }
}

impl SqlForms for Forms {
    fn dialect(&self) -> &SqlDialect {
        &self.0
    }

    fn literal(&self, array: &dyn Array, index: usize) -> Result<String> {
        literal(&self.0, array, index)
    }

    /// Without a collation, which tables rarely have, text is compared by its bytes.
    fn in_byte_order(&self, name: String, _: &Field) -> String {
        name
    }

    fn in_patterns(&self, name: String, _: &Field) -> String {
        name
    }

    fn lookup(&self, _: String, _: &dyn Array) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The clause for an old state.
///
/// # Errors
/// `QueryInvalid` for a number: tables here have moments, not numbers.
pub(crate) fn time_travel(version: Version) -> Result<String> {
    match version {
        Version::Timestamp(micros) => {
            let moment: ArrayRef =
                Arc::new(arrow_array::TimestampMicrosecondArray::from(vec![micros]));
            let text = displayed(moment.as_ref(), 0)?;
            Ok(format!(" AT (TIMESTAMP => '{text} +0000'::TIMESTAMP_TZ(9))"))
        }
        Version::Number(_) => {
            Err(Error::new(ErrorKind::QueryInvalid, "tables of snowflake have no version numbers")
                .with_hint("ask for a moment: TIMESTAMP AS OF"))
        }
    }
}

/// One value with its type, so that the source converts nothing by rules of its own.
fn literal(dialect: &SqlDialect, array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("NULL".to_owned());
    }
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string().to_uppercase(),
        kind if kind.is_integer() => displayed(array, row)?,
        DataType::Decimal128(precision, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value_as_string(row);
            format!("'{value}'::NUMBER({precision},{scale})")
        }
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => dialect.text(array.as_string::<i32>().value(row))?,
        DataType::LargeUtf8 => dialect.text(array.as_string::<i64>().value(row))?,
        DataType::Utf8View => dialect.text(array.as_string_view().value(row))?,
        DataType::Binary => format!("X'{}'", hex(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => format!("X'{}'", hex(array.as_binary::<i64>().value(row))),
        DataType::Date32 => format!("'{}'::DATE", displayed(array, row)?),
        DataType::Time64(_) | DataType::Time32(_) => {
            format!("'{}'::TIME(9)", displayed(array, row)?)
        }
        DataType::Timestamp(unit, zone) => {
            let plain = cast(array, &DataType::Timestamp(*unit, None))?;
            let text = displayed(plain.as_ref(), row)?;
            match zone {
                Some(_) => format!("'{text} +0000'::TIMESTAMP_TZ(9)"),
                None => format!("'{text}'::TIMESTAMP_NTZ(9)"),
            }
        }
        other => {
            let message = format!("values of the type {other} cannot be compared at the source");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => "'NaN'::FLOAT".to_owned(),
        f64::INFINITY => "'inf'::FLOAT".to_owned(),
        f64::NEG_INFINITY => "'-inf'::FLOAT".to_owned(),
        // The shortest text that means this very number.
        value => format!("'{value:e}'::FLOAT"),
    }
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// One value as a text.
///
/// # Errors
/// `QueryInvalid` for one out of its type's range.
pub(crate) fn displayed(array: &dyn Array, row: usize) -> Result<String> {
    let options = FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_display_error(false);
    let formatter = ArrayFormatter::try_new(array, &options);
    formatter.and_then(|f| f.value(row).try_to_string()).map_err(|e| {
        Error::new(ErrorKind::QueryInvalid, "a value cannot be written as SQL").with_source(e)
    })
}

/// The same values in another type.
///
/// # Errors
/// `QueryInvalid` for one that does not fit.
pub(crate) fn cast(array: &dyn Array, target: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, target, &options).map_err(|e| {
        Error::new(ErrorKind::QueryInvalid, "a value is out of its type's range").with_source(e)
    })
}
