//! Integer arithmetic that refuses to wrap.

use std::hash::Hash;

use arrow_schema::DataType;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// `+`, `-` or `*` of two integers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedArithmetic {
    op: Operator,
    signature: Signature,
}

impl CheckedArithmetic {
    pub(super) fn new(op: Operator) -> Self {
        Self { op, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
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
            _ => numeric::mul,
        };
        let checked = datafusion::physical_expr_common::datum::apply(left, right, kernel);
        checked.or_else(|_| exec_err!("{} out of range", type_name(&left.data_type())))
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
