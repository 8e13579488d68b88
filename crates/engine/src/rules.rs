//! Rules that keep planning fast and running plans interruptible.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, FieldRef, Schema};
use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, LogicalPlan};
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
    PiecewiseMergeJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use orbit_core::Context;

use crate::error::to_datafusion;

/// DataFusion's rule that gives cross joins their conditions.
const ELIMINATE_CROSS_JOIN: &str = "eliminate_cross_join";

/// Joins within joins that yield. Each takes one of the 128 units that a task may spend before
/// it must yield: were all of them spent on the way to a scan, it would never be read.
const YIELDING_JOINS_MAX: usize = 64;

/// Adds the rules; the plan ends with `cx`.
pub(crate) fn with_rules(mut builder: SessionStateBuilder, cx: &Context) -> SessionStateBuilder {
    let optimizer = builder.optimizer().get_or_insert_with(Optimizer::new);
    for rule in &mut optimizer.rules {
        if rule.name() == ELIMINATE_CROSS_JOIN {
            *rule = Arc::new(WhereCrossJoins(Arc::clone(rule)));
        }
    }
    builder.with_physical_optimizer_rule(Arc::new(Interruptible(cx.clone())))
}

/// A rule for cross joins, which takes time cubic in the number of joins, where there are some.
#[derive(Debug)]
struct WhereCrossJoins(Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for WhereCrossJoins {
    fn name(&self) -> &'static str {
        ELIMINATE_CROSS_JOIN
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= matches!(node, LogicalPlan::Join(join)
                if join.join_type == JoinType::Inner && join.on.is_empty());
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if found { self.0.rewrite(plan, config) } else { Ok(Transformed::no(plan)) }
    }
}

/// Lets joins, which can compute for long between two reads, hear that their query has ended.
#[derive(Debug)]
struct Interruptible(Context);

impl PhysicalOptimizerRule for Interruptible {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.wrapped(plan, 0)
    }

    fn name(&self) -> &'static str {
        "orbit_interruptible"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl Interruptible {
    /// The plan with joins that yield; `joins_above` is how many of them stand above it.
    fn wrapped(
        &self,
        mut node: Arc<dyn ExecutionPlan>,
        joins_above: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let is_join = is_join(&node);
        let joins = joins_above + usize::from(is_join);
        let children = node.children().into_iter();
        let children = children.map(|child| self.wrapped(Arc::clone(child), joins));
        let children = children.collect::<Result<Vec<_>>>()?;
        if !children.is_empty() {
            node = replace_children_if_necessary(node, children)?;
        }
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            node = self.checked(join)?;
        }
        if is_join && joins <= YIELDING_JOINS_MAX {
            node = Arc::new(CooperativeExec::new(node));
        }
        Ok(node)
    }

    /// The join with a look at the clock each time that its condition is computed: rows that do
    /// not match never leave it.
    fn checked(&self, join: &NestedLoopJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
        let filter = join.filter().map(|filter| {
            let condition: Arc<dyn PhysicalExpr> =
                Arc::new(Checked { cx: self.0.clone(), inner: Arc::clone(filter.expression()) });
            let columns = filter.column_indices().to_vec();
            JoinFilter::new(condition, columns, Arc::clone(filter.schema()))
        });
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let builder = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
            .with_projection_ref(join.projection().clone())
            .with_filter(filter);
        Ok(Arc::new(builder.build()?))
    }
}

fn is_join(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<HashJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>()
}

/// A condition that fails once its query has ended.
#[derive(Debug)]
struct Checked {
    cx: Context,
    inner: Arc<dyn PhysicalExpr>,
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Checked {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }

    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.cx.check().map_err(to_datafusion)?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { cx: self.cx.clone(), inner }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
