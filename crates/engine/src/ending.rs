//! Planning that ends with its query: the rules, which can compute for long, look at the clock.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::{PhysicalOptimizer, PhysicalOptimizerContext};
use datafusion::physical_plan::ExecutionPlan;
use orbit_core::Context;

use crate::error::to_datafusion;

/// Lets DataFusion's own rules end with `cx`.
pub(crate) fn with_rules_that_end(
    mut builder: SessionStateBuilder,
    cx: &Context,
) -> SessionStateBuilder {
    for rule in &mut builder.optimizer().get_or_insert_with(Optimizer::new).rules {
        *rule = Arc::new(Ending { cx: cx.clone(), rule: Arc::clone(rule) });
    }
    for rule in &mut builder.physical_optimizers().get_or_insert_with(PhysicalOptimizer::new).rules
    {
        *rule = Arc::new(Ending { cx: cx.clone(), rule: Arc::clone(rule) });
    }
    builder
}

/// A rule that fails once its query has ended.
#[derive(Debug)]
struct Ending<R: ?Sized> {
    cx: Context,
    rule: Arc<R>,
}

impl OptimizerRule for Ending<dyn OptimizerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        self.cx.check().map_err(to_datafusion)?;
        self.rule.rewrite(plan, config)
    }
}

impl PhysicalOptimizerRule for Ending<dyn PhysicalOptimizerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn schema_check(&self) -> bool {
        self.rule.schema_check()
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.cx.check().map_err(to_datafusion)?;
        self.rule.optimize(plan, config)
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.cx.check().map_err(to_datafusion)?;
        self.rule.optimize_with_context(plan, context)
    }
}
