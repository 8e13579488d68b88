//! Integer arithmetic that refuses to wrap.

use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Arithmetic of two integers or two floats of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedArithmetic {
    op: Operator,
    signature: Signature,
}

impl CheckedArithmetic {
    pub(super) fn new(op: Operator) -> Self {
        Self { op, signature: Signature::any(2, Volatility::Immutable) }
    }

    /// Whether the result can leave the type without an error.
    pub(super) fn is_needed(op: Operator, data_type: &DataType) -> bool {
        let wraps = matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply);
        (wraps && data_type.is_integer())
            || ((wraps || op == Operator::Divide)
                && matches!(data_type, DataType::Float32 | DataType::Float64))
    }
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            Operator::Divide => "checked_divide",
            _ => "checked_multiply",
        }
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Int64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return exec_err!("arithmetic takes two values");
        };
        let kernel = match self.op {
            Operator::Plus => numeric::add,
            Operator::Minus => numeric::sub,
            Operator::Divide => numeric::div,
            _ => numeric::mul,
        };
        let data_type = left.data_type();
        let checked = datafusion::physical_expr_common::datum::apply(left, right, kernel);
        let Ok(result) = checked else {
            return exec_err!("{} out of range", type_name(&data_type));
        };
        if data_type.is_floating() && !all_finite(&result)? {
            let arrays = [&result, left, right].map(|v| v.to_array(args.number_rows));
            let [result, left, right] = arrays;
            if became_infinite(&result?, &[left?, right?])? {
                let what = if self.op == Operator::Divide { " (division by zero?)" } else { "" };
                return exec_err!("{} out of range{what}", type_name(&data_type));
            }
        }
        Ok(result)
    }
}

/// A decimal that must have at most 38 digits: sums and products are not checked themselves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct WithinDigits {
    signature: Signature,
}

impl Default for WithinDigits {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WithinDigits {
    fn name(&self) -> &'static str {
        "within_digits"
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
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.into_iter().next() else {
            return exec_err!("a check takes a value");
        };
        let array = value.to_array(args.number_rows)?;
        let DataType::Decimal128(precision, _) = array.data_type() else { return Ok(value) };
        match array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision) {
            Ok(()) => Ok(value),
            Err(_) => exec_err!("a decimal has more than {precision} digits"),
        }
    }
}

fn all_finite(value: &ColumnarValue) -> Result<bool> {
    let finite = |array: &ArrayRef| match array.data_type() {
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().values().iter().all(|v| v.is_finite())
        }
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().values().iter().all(|v| v.is_finite())
        }
        _ => true,
    };
    Ok(match value {
        ColumnarValue::Array(array) => finite(array),
        ColumnarValue::Scalar(scalar) => finite(&scalar.to_array()?),
    })
}

/// Whether a value is not finite though all that it was made of is.
pub(super) fn became_infinite(result: &ArrayRef, inputs: &[ArrayRef]) -> Result<bool> {
    let result = finite_rows(result)?;
    let inputs = inputs.iter().map(finite_rows).collect::<Result<Vec<_>>>()?;
    Ok((0..result.len()).any(|row| !result[row] && inputs.iter().all(|input| input[row])))
}

/// Which values are finite; a NULL counts as such.
fn finite_rows(array: &ArrayRef) -> Result<Vec<bool>> {
    match array.data_type() {
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            Ok(array.iter().map(|v| v.is_none_or(f64::is_finite)).collect())
        }
        DataType::Float32 => {
            let array = array.as_primitive::<Float32Type>();
            Ok(array.iter().map(|v| v.is_none_or(f32::is_finite)).collect())
        }
        _ => Ok(vec![true; array.len()]),
    }
}

/// Unary minus of an integer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedNegation {
    signature: Signature,
}

impl Default for CheckedNegation {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CheckedNegation {
    fn name(&self) -> &'static str {
        "checked_negate"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or(String::new(), |e| format!("(- {})", e.schema_name())))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Int64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [value] = arrays.as_slice() else { return exec_err!("negation takes one value") };
        match numeric::neg(value) {
            Ok(negated) => Ok(ColumnarValue::Array(negated)),
            Err(_) => exec_err!("{} out of range", type_name(value.data_type())),
        }
    }
}

fn infix(args: &[Expr], op: Operator) -> String {
    let names: Vec<_> = args.iter().map(|e| e.schema_name().to_string()).collect();
    names.join(&format!(" {op} "))
}

/// The type's name in SQL.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(p, s) => format!("decimal({p},{s})"),
        other => other.to_string().to_lowercase(),
    }
}
