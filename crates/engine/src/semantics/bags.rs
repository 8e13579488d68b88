//! `EXCEPT ALL` and `INTERSECT ALL`, which count how often a row stands on each side.
//!
//! DataFusion plans them as joins that only ask whether a row is there. Numbering the copies of
//! each row on both sides makes every copy a row of its own, and the same joins right.

use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::logical_plan::Join;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, col,
};

/// The column that numbers the copies of a row.
const COPY: &str = "__orbit_copy";

/// The set operation of `plan` with its copies numbered; none when it is something else.
pub(super) fn count_copies(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Join(join) = plan else { return Ok(None) };
    if !is_bag_operation(join) {
        return Ok(None);
    }
    let left = numbered(&join.left)?;
    let right = numbered(&join.right)?;
    let keys = |plan: &LogicalPlan| plan.schema().columns();
    let joined = LogicalPlanBuilder::from(left.clone()).join_detailed(
        right.clone(),
        join.join_type,
        (keys(&left), keys(&right)),
        None,
        NullEquality::NullEqualsNull,
    )?;
    joined.project(plan.schema().columns().into_iter().map(Expr::Column))?.build().map(Some)
}

/// A join that only a set operation makes: on every column, with NULL equal to NULL, and its
/// left side still with its copies.
fn is_bag_operation(join: &Join) -> bool {
    let columns = join.left.schema().fields().len();
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == columns
        && join.right.schema().fields().len() == columns
        && !matches!(*join.left, LogicalPlan::Distinct(_))
}

/// The rows of `plan`, each copy with its number.
fn numbered(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let columns: Vec<Column> = plan.schema().columns();
    let all: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    let number = row_number().partition_by(all.clone()).build()?;
    let name = number.schema_name().to_string();
    let copy = col(Column::from_name(name)).alias(COPY);
    LogicalPlanBuilder::from(plan.clone())
        .window([number])?
        .project(all.into_iter().chain([copy]))?
        .build()
}
