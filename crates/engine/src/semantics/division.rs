//! Division of decimals that keeps its digits.
//!
//! PostgreSQL chooses the scale of a quotient by its value, so that it has at least 16
//! significant digits. A type knows its scale before any value is seen, so here it is as large
//! as the operands' digits leave room for in 38, at least 16; a quotient that then has too many
//! digits is an error and never cut.

use arrow_array::Decimal128Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::early::as_float;
use super::exact::{DIGITS_MAX, divide};

/// Digits after the point that a quotient has at least.
const SCALE_MIN: i32 = 16;

/// The scale of an average over decimals of this type.
pub(super) fn average_scale(precision: u8, scale: i8) -> i8 {
    let (precision, scale) = (i32::from(precision), i32::from(scale));
    let room = i32::from(DIGITS_MAX) - (precision - scale);
    i8::try_from((scale + SCALE_MIN).min(room).max(scale)).unwrap_or(0)
}

fn quotient_scale((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> i8 {
    let [p1, p2] = [p1, p2].map(i32::from);
    let [s1, s2] = [s1, s2].map(i32::from);
    let wanted = (s1 + p2 - s2 + SCALE_MIN).clamp(SCALE_MIN, i32::from(DIGITS_MAX));
    let room = i32::from(DIGITS_MAX) - (p1 - s1 + s2);
    i8::try_from(room.clamp(SCALE_MIN, wanted)).unwrap_or(0)
}

/// Plans `/` of decimals, and keeps floats floats where a decimal takes part.
#[derive(Debug)]
pub(super) struct PlanDecimals;

impl ExprPlanner for PlanDecimals {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else { return Ok(PlannerResult::Original(expr)) };
        let is_decimal = |t: &DataType| matches!(t, DataType::Decimal128(..));
        if (left.is_floating() && is_decimal(&right)) || (is_decimal(&left) && right.is_floating())
        {
            // Otherwise both would be compared as decimals of a fixed scale.
            let RawBinaryExpr { op, left, right } = expr;
            let (left, right) = (as_float(left, schema)?, as_float(right, schema)?);
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        if expr.op != BinaryOperator::Divide {
            return Ok(PlannerResult::Original(expr));
        }
        if !(is_decimal(&left) || is_decimal(&right))
            || as_decimal(&left).is_none()
            || as_decimal(&right).is_none()
        {
            return Ok(PlannerResult::Original(expr));
        }
        let function = ScalarUDF::new_from_impl(DecimalDivision::default());
        Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right])))
    }
}

/// Precision and scale of a number as a decimal.
fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        DataType::Null => Some((1, 0)),
        DataType::Int8 | DataType::UInt8 => Some((3, 0)),
        DataType::Int16 | DataType::UInt16 => Some((5, 0)),
        DataType::Int32 | DataType::UInt32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::UInt64 => Some((20, 0)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DecimalDivision {
    signature: Signature,
}

impl Default for DecimalDivision {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DecimalDivision {
    fn name(&self) -> &'static str {
        "decimal_divide"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<_> = args.iter().map(|e| e.schema_name().to_string()).collect();
        Ok(names.join(" / "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let decimal = |t: &DataType| match as_decimal(t) {
            Some((precision, scale)) => Ok(DataType::Decimal128(precision, scale)),
            None => plan_err!("cannot divide {t} as a decimal"),
        };
        types.iter().map(decimal).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] => match (as_decimal(left), as_decimal(right)) {
                (Some(left), Some(right)) => {
                    Ok(DataType::Decimal128(DIGITS_MAX, quotient_scale(left, right)))
                }
                _ => plan_err!("cannot divide {left} by {right} as decimals"),
            },
            _ => plan_err!("division takes two values"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let DataType::Decimal128(precision, to) = *args.return_field.data_type() else {
            return exec_err!("a quotient of decimals is a decimal");
        };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return exec_err!("division takes two values");
        };
        let (left, right) =
            (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
        let (left_scale, right_scale) = (left.scale(), right.scale());
        let quotient = |(left, right): (Option<i128>, Option<i128>)| match (left, right) {
            (Some(left), Some(right)) => divide(left, left_scale, right, right_scale, to).map(Some),
            _ => Ok(None),
        };
        let quotients: Decimal128Array =
            left.iter().zip(right.iter()).map(quotient).collect::<Result<_>>()?;
        let quotients = quotients.with_precision_and_scale(precision, to)?;
        if all_scalar && quotients.len() == 1 {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&quotients, 0)?));
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(quotients)))
    }
}
