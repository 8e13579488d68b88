//! `ORDER BY ... LIMIT n` directly over a source's table is done by the source.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use orbit_core::SortKey;

use super::exec::RemoteExec;
use super::predicate::is_text;

/// Replaces a bounded sort over a source by a query that is sorted and cut there.
#[derive(Debug)]
pub(super) struct PushTop;

impl PhysicalOptimizerRule for PushTop {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match pushed(&node) {
                Some(remote) => Transformed::yes(Arc::new(remote) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })
        .map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "orbit_push_top"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn pushed(node: &Arc<dyn ExecutionPlan>) -> Option<RemoteExec> {
    let sort = node.downcast_ref::<SortExec>()?;
    let limit = sort.fetch()?;
    let input = sort.input();
    // A source's stream is wrapped so that it yields now and then.
    let input = input.downcast_ref::<CooperativeExec>().map_or(input, |wrapped| wrapped.input());
    let remote = input.downcast_ref::<RemoteExec>()?;
    let query = remote.query();
    let capability = remote.datasource().facets().sql?.capability().query?;
    if !capability.order || !capability.limit || query.limit.is_some() || !query.order.is_empty() {
        return None;
    }
    let order = keys(sort.expr(), remote, capability.predicate.is_some_and(|p| p.text_order))?;
    Some(remote.with_top(order, limit as u64, sort.expr().clone()))
}

/// The keys by column name; none when the source could sort one of them otherwise.
fn keys(ordering: &LexOrdering, remote: &RemoteExec, text_order: bool) -> Option<Vec<SortKey>> {
    let key = |sort: &datafusion::physical_expr::PhysicalSortExpr| {
        let column = sort.expr.downcast_ref::<Column>()?;
        let schema = remote.schema();
        let data_type = schema.field(column.index()).data_type();
        let binary = remote.columns().iter().any(|c| c.name == column.name() && c.binary_collation);
        let equal = match data_type {
            // Sources do not agree on where NaN goes.
            DataType::Float16 | DataType::Float32 | DataType::Float64 => false,
            text if is_text(text) => text_order && binary,
            nested => !nested.is_nested(),
        };
        equal.then(|| SortKey {
            column: column.name().to_owned(),
            descending: sort.options.descending,
            nulls_first: sort.options.nulls_first,
        })
    };
    ordering.iter().map(key).collect()
}
