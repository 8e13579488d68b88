//! The rule that puts checked functions in place of what wraps, cuts or answers NULL.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{BinaryExpr, Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::{CheckedArithmetic, CheckedNegation};
use super::casts::ExactCast;
use super::floats::{self, FloatComparison};
use super::functions::{self, EpochOfDifference};

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
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|e| rewrite(e, &schema))?;
        Ok(rewritten.update_data(|e| name.restore(e)))
    })?;
    rewritten.map_data(LogicalPlan::recompute_schema)
}

/// What the columns of a node's expressions refer to.
fn input_schema(plan: &LogicalPlan) -> Result<DFSchemaRef> {
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
        Expr::Negative(inner) if inner.get_type(schema)?.is_integer() => {
            let function = ScalarUDF::new_from_impl(CheckedNegation::default());
            Ok(Transformed::yes(function.call(vec![inner.as_ref().clone()])))
        }
        Expr::Cast(Cast { expr: inner, field }) => {
            let (from, to) = (inner.get_type(schema)?, field.data_type());
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
    if matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
        && data_type.is_integer()
        && right.get_type(schema)? == data_type
    {
        let function = ScalarUDF::new_from_impl(CheckedArithmetic::new(op));
        return Ok(Some(function.call(arguments())));
    }
    if data_type.is_floating() && floats::misread_by_statistics(left, op, right) {
        let function = ScalarUDF::new_from_impl(FloatComparison::new(op));
        return Ok(Some(function.call(arguments())));
    }
    Ok(None)
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
    if functions::has_poles(func.name()) && !args.iter().any(is_null_literal) {
        return functions::checked(func, args, schema);
    }
    Ok(None)
}

fn is_null_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if matches!(value, ScalarValue::Null))
}
