//! Comparisons of floats that file statistics would decide wrongly.
//!
//! NaN equals itself and is greater than every number, as in PostgreSQL; the minimum and
//! maximum in a Parquet footer leave it out. A comparison that NaN can satisfy is therefore
//! hidden from pruning.

use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Whether a column of floats is compared so that NaN may match.
pub(super) fn misread_by_statistics(left: &Expr, op: Operator, right: &Expr) -> bool {
    let op = match (left, right) {
        (Expr::Column(_), _) => op,
        (_, Expr::Column(_)) => match op.swap() {
            Some(swapped) => swapped,
            None => return false,
        },
        _ => return false,
    };
    match op {
        Operator::Gt | Operator::GtEq | Operator::NotEq => true,
        Operator::Eq => [left, right].iter().any(|e| is_nan(e)),
        _ => false,
    }
}

/// NaN, perhaps as a text that is cast: what is not a plain number may be NaN.
fn is_nan(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => false,
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => value.is_nan(),
        Expr::Literal(..) => false,
        _ => true,
    }
}

/// One comparison of two floats.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FloatComparison {
    op: Operator,
    signature: Signature,
}

impl FloatComparison {
    pub(super) fn new(op: Operator) -> Self {
        Self { op, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for FloatComparison {
    fn name(&self) -> &'static str {
        "float_comparison"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let texts: Vec<_> = args.iter().map(ToString::to_string).collect();
        Ok(texts.join(&format!(" {} ", self.op)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return exec_err!("a comparison takes two values");
        };
        datafusion::physical_expr_common::datum::apply_cmp(self.op, left, right)
    }
}
