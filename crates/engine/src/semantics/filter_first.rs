//! Rows that a filter drops are not computed with.
//!
//! DataFusion moves a projection below a filter when that narrows the rows, whatever the
//! projection computes: `SELECT a / b ... WHERE b <> 0` then divides by zero. Columns may move,
//! computations stay above.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// Puts a filter back below the computations that were moved under it.
#[derive(Debug)]
pub(super) struct FilterFirst;

impl PhysicalOptimizerRule for FilterFirst {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let swap = |node: Arc<dyn ExecutionPlan>| {
            Ok(match swapped(&node)? {
                Some(plan) => Transformed::yes(plan),
                None => Transformed::no(node),
            })
        };
        plan.transform_down(swap).map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "orbit_filter_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn swapped(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(None) };
    let Some(projection) = filter.input().downcast_ref::<ProjectionExec>() else { return Ok(None) };
    if projection.expr().iter().all(|p| p.expr.is::<Column>()) {
        return Ok(None);
    }
    let Some(predicate) = below(filter.predicate(), projection)? else { return Ok(None) };
    let input = Arc::clone(projection.input());
    let filtered = FilterExecBuilder::new(predicate, input)
        .with_default_selectivity(filter.default_selectivity())
        .with_batch_size(filter.batch_size())
        .with_fetch(filter.fetch())
        .build()?;
    let kept: Vec<ProjectionExpr> = match filter.projection() {
        Some(kept) => kept.iter().map(|index| projection.expr()[*index].clone()).collect(),
        None => projection.expr().to_vec(),
    };
    Ok(Some(Arc::new(ProjectionExec::try_new(kept, Arc::new(filtered))?)))
}

/// The predicate over the projection's input; none when it reads something computed.
fn below(
    predicate: &Arc<dyn PhysicalExpr>,
    projection: &ProjectionExec,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let mut computed = false;
    let moved = Arc::clone(predicate).transform_up(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        let source = &projection.expr()[column.index()].expr;
        computed |= !source.is::<Column>();
        Ok(Transformed::yes(Arc::clone(source)))
    })?;
    Ok((!computed).then_some(moved.data))
}
