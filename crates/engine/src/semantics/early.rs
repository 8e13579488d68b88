//! The rule that runs before types are coerced: what coercion itself would get wrong.

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, not_impl_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Exists, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, cast, lit};
use datafusion::optimizer::AnalyzerRule;

use super::bags::count_copies;
use super::rewrite::input_schema;
use super::zones::in_one_zone;

/// Runs first.
#[derive(Debug)]
pub(super) struct BeforeCoercion;

impl AnalyzerRule for BeforeCoercion {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            check_node(&plan)?;
            if let Some(counted) = count_copies(&plan)? {
                return Ok(Transformed::yes(counted));
            }
            let schema = input_schema(&plan)?;
            let names = NamePreserver::new(&plan);
            let rewritten = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|e| rewrite(e, &schema))?;
                Ok(rewritten.update_data(|e| name.restore(e)))
            })?;
            rewritten.map_data(LogicalPlan::recompute_schema)
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "orbit_before_coercion"
    }
}

/// Refuses a node whose meaning would be lost.
fn check_node(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Union(union) => {
            for index in 0..union.schema.fields().len() {
                let types = union.inputs.iter().map(|i| i.schema().field(index).data_type());
                let (mut numbers, mut texts) = (false, false);
                for data_type in types {
                    numbers |= data_type.is_numeric();
                    texts |= data_type.is_string();
                }
                if numbers && texts {
                    return plan_err!("a UNION of numbers and texts needs a cast");
                }
            }
        }
        LogicalPlan::Filter(filter) => {
            return split_conjunction(&filter.predicate).into_iter().try_for_each(check_conjunct);
        }
        _ => {}
    }
    let mut outcome = Ok(());
    plan.apply_expressions(|expr| {
        outcome = check_membership(expr);
        Ok(if outcome.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    outcome
}

/// A conjunct of a filter: `IN` and `NOT IN` a query may stand here, and `IN` below AND and OR,
/// where NULL and false come to the same.
fn check_conjunct(expr: &Expr) -> Result<()> {
    match expr {
        Expr::InSubquery(_) => Ok(()),
        Expr::Not(inner) if matches!(**inner, Expr::InSubquery(_)) => Ok(()),
        other => check_monotone(other),
    }
}

fn check_monotone(expr: &Expr) -> Result<()> {
    match expr {
        Expr::InSubquery(inner) if !inner.negated => Ok(()),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            check_monotone(left)?;
            check_monotone(right)
        }
        other => check_membership(other),
    }
}

/// Refuses `IN` a query where NULL and false differ: the join that it becomes tells no NULL.
fn check_membership(expr: &Expr) -> Result<()> {
    let mut found = false;
    expr.apply(|e| {
        found |= matches!(e, Expr::InSubquery(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if found {
        return not_impl_err!(
            "IN a query, where NULL counts (outside of WHERE, or negated below OR), is not supported; join instead"
        );
    }
    Ok(())
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Between(Between { expr, negated, low, high }) if is_float(&expr, schema)? => {
            let low = Box::new(as_float(*low, schema)?);
            let high = Box::new(as_float(*high, schema)?);
            Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
        }
        Expr::InList(InList { expr, list, negated }) if is_float(&expr, schema)? => {
            let list = list.into_iter().map(|e| as_float(e, schema)).collect::<Result<_>>()?;
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::Exists(exists) => {
            check_exists(&exists)?;
            Ok(Transformed::no(Expr::Exists(exists)))
        }
        Expr::ScalarFunction(function) => date_part(function, schema),
        other => in_one_zone(other, schema),
    }
}

/// The decimal as a float, so that a float is never compared as a decimal of fixed scale.
pub(super) fn as_float(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let is_decimal = matches!(expr.get_type(schema), Ok(DataType::Decimal128(..)));
    Ok(if is_decimal { cast(expr, DataType::Float64) } else { expr })
}

fn is_float(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(expr.get_type(schema)?.is_floating())
}

/// An aggregate without groups has a row whatever it counts, which decorrelation forgets.
fn check_exists(exists: &Exists) -> Result<()> {
    let mut plan = exists.subquery.subquery.as_ref();
    loop {
        match plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
                return not_impl_err!("EXISTS over an aggregate without GROUP BY is not supported");
            }
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Sort(_) => {
                match plan.inputs().first() {
                    Some(input) => plan = input,
                    None => return Ok(()),
                }
            }
            _ => return Ok(()),
        }
    }
}

/// Seconds keep their fraction, and a difference of moments has no fields but its epoch.
fn date_part(function: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let unchanged = |f| Ok(Transformed::no(Expr::ScalarFunction(f)));
    if function.func.name() != "date_part" {
        return unchanged(function);
    }
    let [Expr::Literal(part, metadata), moment] = function.args.as_slice() else {
        return unchanged(function);
    };
    let part = part.try_as_str().flatten().unwrap_or_default().to_lowercase();
    if matches!(moment.get_type(schema)?, DataType::Duration(_)) && part != "epoch" {
        return not_impl_err!(
            "the {part} of a difference of two moments is not supported; take its epoch"
        );
    }
    let per_unit = match part.as_str() {
        "second" | "seconds" | "sec" | "secs" => 1e6,
        "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => 1e3,
        _ => return unchanged(function),
    };
    let micros = Expr::Literal("microsecond".into(), metadata.clone());
    let micros = function.func.call(vec![micros, moment.clone()]);
    Ok(Transformed::yes(cast(micros, DataType::Float64) / lit(per_unit)))
}
