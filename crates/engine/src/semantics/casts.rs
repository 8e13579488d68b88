//! Casts that round as PostgreSQL does and refuse what does not fit.
//!
//! A decimal becomes an integer by rounding half away from zero, a float by rounding half to
//! even; both of DataFusion's cut. A double beyond the range of a real is an error and not
//! infinity. A timestamp becomes text with a blank and without needless zeros.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Float32Array, Float64Array, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::type_name;

/// Fails on a value that does not fit.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// A cast to one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactCast {
    to: DataType,
    signature: Signature,
}

impl ExactCast {
    pub(super) fn new(to: DataType) -> Self {
        Self { to, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// Whether DataFusion's own cast answers something else.
    pub(super) fn is_needed(from: &DataType, to: &DataType) -> bool {
        match from {
            DataType::Float32 => to.is_integer(),
            DataType::Float64 => to.is_integer() || to == &DataType::Float32,
            DataType::Decimal128(_, scale) => *scale > 0 && to.is_integer(),
            DataType::Timestamp(..) => is_text(to),
            _ => false,
        }
    }

    fn cast(&self, value: &ArrayRef) -> Result<ArrayRef> {
        let rounded: ArrayRef = match (value.data_type(), &self.to) {
            (DataType::Timestamp(..), _) => timestamp_text(value)?,
            (DataType::Decimal128(..), _) => {
                cast_with_options(value, &DataType::Decimal128(38, 0), &STRICT)?
            }
            (DataType::Float64, DataType::Float32) => {
                let wide = value.as_primitive::<Float64Type>();
                let narrow: Float32Array = wide.unary(|v| v as f32);
                let lost = |(w, n): (Option<f64>, Option<f32>)| {
                    w.is_some_and(f64::is_finite) && n.is_some_and(|n| !n.is_finite())
                };
                if wide.iter().zip(narrow.iter()).any(lost) {
                    return exec_err!("real out of range");
                }
                Arc::new(narrow)
            }
            (DataType::Float64, _) => {
                let rounded: Float64Array =
                    value.as_primitive::<Float64Type>().unary(f64::round_ties_even);
                Arc::new(rounded)
            }
            (DataType::Float32, _) => {
                let rounded: Float32Array =
                    value.as_primitive::<Float32Type>().unary(f32::round_ties_even);
                Arc::new(rounded)
            }
            _ => Arc::clone(value),
        };
        match cast_with_options(&rounded, &self.to, &STRICT) {
            Ok(cast) => Ok(cast),
            Err(_) => exec_err!("{} out of range", type_name(&self.to)),
        }
    }
}

impl ScalarUDFImpl for ExactCast {
    fn name(&self) -> &'static str {
        "exact_cast"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let value = args.first().map_or(String::new(), ToString::to_string);
        Ok(format!("CAST({value} AS {})", self.to))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or(String::new(), |e| e.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => self.cast(array).map(ColumnarValue::Array),
            [ColumnarValue::Scalar(scalar)] => {
                let cast = self.cast(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&cast, 0)?))
            }
            _ => exec_err!("a cast takes one value"),
        }
    }
}

/// `2000-01-01 12:00:00.5`, with `+00` for an instant.
fn timestamp_text(value: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Timestamp(unit, zone) = value.data_type() else {
        return exec_err!("not a timestamp");
    };
    // An instant is shown in UTC, which is the session's time zone.
    let local = cast_with_options(value, &DataType::Timestamp(*unit, None), &STRICT)?;
    let format = FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let formatter = ArrayFormatter::try_new(local.as_ref(), &format)?;
    let text = |row: usize| {
        if local.is_null(row) {
            return Ok(None);
        }
        let text = formatter.value(row).try_to_string()?;
        let trimmed = match text.split_once('.') {
            Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
            None => &text,
        };
        Ok(Some(format!("{trimmed}{}", if zone.is_some() { "+00" } else { "" })))
    };
    let texts: StringArray = (0..local.len()).map(text).collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
