//! Casts that round as PostgreSQL does and refuse what does not fit.
//!
//! A decimal becomes an integer by rounding half away from zero, a float by rounding half to
//! even; both of DataFusion's cut. A double beyond the range of a real is an error and not
//! infinity. A timestamp becomes text with a blank and without needless zeros.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Float32Array, Float64Array, StringArray};
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
            DataType::Float32 => to.is_integer() || is_text(to),
            DataType::Float64 => to.is_integer() || is_text(to) || to == &DataType::Float32,
            text if is_text(text) => matches!(to, DataType::Binary | DataType::BinaryView),
            DataType::Decimal128(_, scale) => *scale > 0 && to.is_integer(),
            DataType::Timestamp(..) => is_text(to),
            _ => false,
        }
    }

    fn cast(&self, value: &ArrayRef) -> Result<ArrayRef> {
        let rounded: ArrayRef = match (value.data_type(), &self.to) {
            (DataType::Timestamp(..), _) => timestamp_text(value)?,
            (DataType::Float32, to) if is_text(to) => {
                let texts = value.as_primitive::<Float32Type>().iter();
                Arc::new(
                    texts
                        .map(|v| v.map(|v| float_text(v.into(), &format!("{v:e}"))))
                        .collect::<StringArray>(),
                )
            }
            (DataType::Float64, to) if is_text(to) => {
                let texts = value.as_primitive::<Float64Type>().iter();
                Arc::new(
                    texts
                        .map(|v| v.map(|v| float_text(v, &format!("{v:e}"))))
                        .collect::<StringArray>(),
                )
            }
            (text, _) if is_text(text) => bytes_of(value)?,
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

/// A float as PostgreSQL writes it; `scientific` is its shortest form, such as `1.5e3`.
fn float_text(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..15).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    let point = exponent + 1;
    let text = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
        _ => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    };
    format!("{sign}{text}")
}

/// The bytes of texts as PostgreSQL reads them: `\\x` and hexadecimal digits, or plain text.
fn bytes_of(value: &ArrayRef) -> Result<ArrayRef> {
    let texts = cast_with_options(value, &DataType::Utf8, &STRICT)?;
    let bytes = |text: &str| match text.strip_prefix("\\x") {
        None if text.contains('\\') => {
            exec_err!("a backslash in the text of bytes is not supported")
        }
        None => Ok(text.as_bytes().to_vec()),
        Some(hex) => {
            let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
            match digits.filter(|d| d.len() % 2 == 0) {
                Some(digits) => Ok(digits.chunks(2).map(|p| (p[0] * 16 + p[1]) as u8).collect()),
                None => exec_err!("invalid hexadecimal digits in the text of bytes"),
            }
        }
    };
    let values = texts.as_string::<i32>().iter().map(|t| t.map(bytes).transpose());
    let values = values.collect::<Result<Vec<Option<Vec<u8>>>>>()?;
    Ok(Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>()))
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
