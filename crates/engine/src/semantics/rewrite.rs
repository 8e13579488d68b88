//! The rule that puts checked functions in place of what wraps, cuts or answers NULL.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, Result, ScalarValue, not_impl_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::{CheckedArithmetic, CheckedNegation, WithinDigits};
use super::casts::ExactCast;
use super::exact::DIGITS_MAX;
use super::floats::{self, FloatComparison};
use super::functions::{self, EpochOfDifference, RoundToEven};
use super::zones::is_utc;

/// Runs after types are coerced and before anything is folded.
#[derive(Debug)]
pub(super) struct RewriteSemantics;

impl AnalyzerRule for RewriteSemantics {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_node).map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "orbit_semantics"
    }
}

fn rewrite_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = input_schema(&plan)?;
    if let LogicalPlan::Sort(sort) = &plan {
        for key in &sort.expr {
            if matches!(key.expr.get_type(&schema)?, DataType::Interval(_)) {
                return not_impl_err!("intervals cannot be sorted; sort by their epochs");
            }
        }
    }
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|e| rewrite(e, &schema))?;
        Ok(rewritten.update_data(|e| name.restore(e)))
    })?;
    rewritten.map_data(LogicalPlan::recompute_schema)
}

/// What the columns of a node's expressions refer to.
pub(super) fn input_schema(plan: &LogicalPlan) -> Result<DFSchemaRef> {
    let mut schema = match plan {
        LogicalPlan::TableScan(scan) => {
            let all = scan.source.schema();
            return DFSchema::try_from_qualified_schema(scan.table_name.clone(), &all)
                .map(Arc::new);
        }
        _ => DFSchema::empty(),
    };
    for input in plan.inputs() {
        schema.merge(input.schema());
    }
    Ok(Arc::new(schema))
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Some(replaced) = binary(left, *op, right, schema)? else {
                return Ok(Transformed::no(expr));
            };
            Ok(Transformed::yes(replaced))
        }
        Expr::Negative(inner) if matches!(inner.get_type(schema)?, DataType::Interval(_)) => {
            not_impl_err!("the negative of an interval is not supported; subtract it")
        }
        Expr::Negative(inner) if inner.get_type(schema)?.is_integer() => {
            let function = ScalarUDF::new_from_impl(CheckedNegation::default());
            Ok(Transformed::yes(function.call(vec![inner.as_ref().clone()])))
        }
        Expr::Cast(Cast { expr: inner, field }) => {
            let (from, to) = (inner.get_type(schema)?, field.data_type());
            check_zones(&from, to)?;
            if !ExactCast::is_needed(&from, to) {
                return Ok(Transformed::no(expr));
            }
            let function = ScalarUDF::new_from_impl(ExactCast::new(to.clone()));
            Ok(Transformed::yes(function.call(vec![inner.as_ref().clone()])))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            Ok(match scalar_function(func, args, schema)? {
                Some(replaced) => Transformed::yes(replaced),
                None => Transformed::no(expr),
            })
        }
        _ => Ok(Transformed::no(expr)),
    }
}

fn binary(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let data_type = left.get_type(schema)?;
    let arguments = || vec![left.clone(), right.clone()];
    let right_type = right.get_type(schema)?;
    if op.supports_propagation() && matches!(data_type, DataType::Interval(_)) {
        return not_impl_err!("intervals cannot be compared; compare their epochs");
    }
    if right_type == data_type && CheckedArithmetic::is_needed(op, &data_type) {
        let function = ScalarUDF::new_from_impl(CheckedArithmetic::new(op));
        return Ok(Some(function.call(arguments())));
    }
    if digits_may_overflow(op, &data_type, &right_type) {
        let unchecked =
            Expr::BinaryExpr(BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone())));
        return Ok(Some(ScalarUDF::new_from_impl(WithinDigits::default()).call(vec![unchecked])));
    }
    if data_type.is_floating() && floats::misread_by_statistics(left, op, right) {
        let function = ScalarUDF::new_from_impl(FloatComparison::new(op));
        return Ok(Some(function.call(arguments())));
    }
    Ok(None)
}

/// Whether a result of `op` can have more digits than a decimal holds.
fn digits_may_overflow(op: Operator, left: &DataType, right: &DataType) -> bool {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left, right) else {
        return false;
    };
    let [p1, s1, p2, s2] = [i16::from(*p1), (*s1).into(), (*p2).into(), (*s2).into()];
    let digits = match op {
        Operator::Plus | Operator::Minus => (p1 - s1).max(p2 - s2) + s1.max(s2) + 1,
        Operator::Multiply => p1 + p2,
        _ => return false,
    };
    digits > i16::from(DIGITS_MAX)
}

/// `AT TIME ZONE` of an instant is its local time, which a cast between zones is not.
fn check_zones(from: &DataType, to: &DataType) -> Result<()> {
    let (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(zone))) = (from, to) else {
        return Ok(());
    };
    if is_utc(zone) {
        return Ok(());
    }
    not_impl_err!("AT TIME ZONE of an instant is not supported; use to_local_time")
}

fn scalar_function(func: &ScalarUDF, args: &[Expr], schema: &DFSchema) -> Result<Option<Expr>> {
    if func.name() == "date_part"
        && let [Expr::Literal(part, _), difference] = args
        && part.try_as_str().flatten().is_some_and(|p| p.eq_ignore_ascii_case("epoch"))
        && matches!(difference.get_type(schema)?, DataType::Duration(_) | DataType::Interval(_))
    {
        let function = ScalarUDF::new_from_impl(EpochOfDifference::default());
        return Ok(Some(function.call(vec![difference.clone()])));
    }
    if func.name() == "round"
        && let [value] = args
        && value.get_type(schema)?.is_floating()
    {
        let function = ScalarUDF::new_from_impl(RoundToEven::default());
        return Ok(Some(function.call(vec![value.clone()])));
    }
    if functions::has_poles(func.name()) && !args.iter().any(is_null_literal) {
        return functions::checked(func, args, schema);
    }
    Ok(None)
}

fn is_null_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if matches!(value, ScalarValue::Null))
}
