//! Scalar functions that PostgreSQL has and DataFusion lacks or answers otherwise.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::functions::math::{ceil, signum};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::arithmetic::became_infinite;

/// Functions by which a session is completed.
pub(super) fn all() -> Vec<ScalarUDF> {
    vec![
        ceil().as_ref().clone().with_aliases(["ceiling"]),
        signum().as_ref().clone().with_aliases(["sign"]),
        ScalarUDF::new_from_impl(Modulo::default()),
    ]
}

/// Whether a function has numbers for which it has no value; PostgreSQL refuses them.
pub(super) fn has_poles(name: &str) -> bool {
    matches!(
        name,
        "ln" | "log"
            | "log2"
            | "log10"
            | "sqrt"
            | "acos"
            | "asin"
            | "exp"
            | "power"
            | "sinh"
            | "cosh"
            | "acosh"
            | "atanh"
            | "cot"
    )
}

/// `func` that refuses where it has no value.
pub(super) fn checked(func: &ScalarUDF, args: &[Expr], schema: &DFSchema) -> Result<Option<Expr>> {
    let mut types = Vec::with_capacity(args.len());
    for arg in args {
        types.push(arg.get_type(schema)?);
    }
    if !types.iter().all(DataType::is_floating) {
        return Ok(None);
    }
    let value = func.call(args.to_vec());
    let check = ScalarUDF::new_from_impl(Defined::new(func.name()));
    Ok(Some(check.call([vec![value], args.to_vec()].concat())))
}

/// The first argument; an error where it is not finite though the others are.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Defined {
    function: String,
    signature: Signature,
}

impl Defined {
    fn new(function: &str) -> Self {
        let signature = Signature::variadic_any(Volatility::Immutable);
        Self { function: function.to_owned(), signature }
    }
}

impl ScalarUDFImpl for Defined {
    fn name(&self) -> &'static str {
        "defined"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or(String::new(), |e| e.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [value, inputs @ ..] = arrays.as_slice() else {
            return exec_err!("a check takes a value");
        };
        if became_infinite(value, inputs)? {
            return exec_err!("{} has no value for this number", self.function);
        }
        match args.args.into_iter().next() {
            Some(value) => Ok(value),
            None => exec_err!("a check takes a value"),
        }
    }
}

/// `mod(a, b)`: the sign of `a`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Modulo {
    signature: Signature,
}

impl Default for Modulo {
    fn default() -> Self {
        Self { signature: Signature::numeric(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Modulo {
    fn name(&self) -> &'static str {
        "mod"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(DataType::Float16 | DataType::Float32 | DataType::Float64) | None => {
                plan_err!("mod of floats is not defined")
            }
            Some(data_type) => Ok(data_type.clone()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return exec_err!("mod takes two values") };
        datafusion::physical_expr_common::datum::apply(left, right, numeric::rem)
            .or_else(|_| exec_err!("division by zero"))
    }
}

/// Seconds in a difference of two moments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct EpochOfDifference {
    signature: Signature,
}

impl Default for EpochOfDifference {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EpochOfDifference {
    fn name(&self) -> &'static str {
        "epoch"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [difference] = arrays.as_slice() else { return exec_err!("epoch takes one value") };
        let seconds: Float64Array = match difference.data_type() {
            DataType::Duration(unit) => {
                let per_second = match unit {
                    TimeUnit::Second => 1.0,
                    TimeUnit::Millisecond => 1e3,
                    TimeUnit::Microsecond => 1e6,
                    TimeUnit::Nanosecond => 1e9,
                };
                let ticks = cast(&cast(difference, &DataType::Int64)?, &DataType::Float64)?;
                ticks.as_primitive::<Float64Type>().unary(|ticks| ticks / per_second)
            }
            DataType::Interval(_) => {
                let to = DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano);
                let parts = cast(difference, &to)?;
                parts.as_primitive::<IntervalMonthDayNanoType>().unary(|v| {
                    // A year counts 365.25 days and a month that is no whole year 30, as in
                    // PostgreSQL.
                    let years = f64::from(v.months / 12) * 365.25 * 86_400.0;
                    let months = f64::from(v.months % 12) * 30.0 * 86_400.0;
                    years + months + f64::from(v.days) * 86_400.0 + v.nanoseconds as f64 / 1e9
                })
            }
            other => return exec_err!("{other} is not a difference of two moments"),
        };
        Ok(ColumnarValue::Array(Arc::new(seconds)))
    }
}

/// `round` of a float: half to even.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RoundToEven {
    signature: Signature,
}

impl Default for RoundToEven {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for RoundToEven {
    fn name(&self) -> &'static str {
        "round_to_even"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [value] = arrays.as_slice() else { return exec_err!("round takes one value") };
        let rounded: ArrayRef = match value.data_type() {
            DataType::Float32 => {
                let value = value.as_primitive::<Float32Type>();
                Arc::new(value.unary::<_, Float32Type>(f32::round_ties_even))
            }
            _ => {
                let value = value.as_primitive::<Float64Type>();
                Arc::new(value.unary::<_, Float64Type>(f64::round_ties_even))
            }
        };
        Ok(ColumnarValue::Array(rounded))
    }
}
