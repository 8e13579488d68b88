//! Scans are not pruned by statistics that leave NaN out.
//!
//! NaN equals itself and is greater than every number, as in PostgreSQL; the minimum and maximum
//! in a Parquet footer leave it out. A condition that NaN may satisfy is not handed to the reader,
//! however it came to be: of a `NOT`, of a list, of the keys of a join, or of the largest values
//! that a sort has seen so far.

use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// Takes conditions that statistics would decide wrongly from the scans.
#[derive(Debug)]
pub(super) struct Unpruned;

impl PhysicalOptimizerRule for Unpruned {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let take = |node: Arc<dyn ExecutionPlan>| {
            Ok(match without_misread(&node) {
                Some(scan) => Transformed::yes(scan),
                None => Transformed::no(node),
            })
        };
        plan.transform_down(take).map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "orbit_unpruned"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scan without such conditions; none where it has none.
fn without_misread(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = node.downcast_ref::<DataSourceExec>()?;
    let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
    let predicate = source.filter()?;
    if source.table_parquet_options().global.pushdown_filters {
        // Nothing else filters the rows.
        return None;
    }
    let schema = source.table_schema().table_schema();
    let conditions = split_conjunction(&predicate);
    let kept = conditions.iter().copied().filter(|condition| is_read_rightly(condition, schema));
    let kept: Vec<_> = kept.cloned().collect();
    if kept.len() == conditions.len() {
        return None;
    }
    let source = Arc::new(source.with_predicate(conjunction(kept)));
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source).build();
    Some(DataSourceExec::from_data_source(config))
}

/// Whether the statistics of a column of floats, if there is one, decide a condition rightly.
fn is_read_rightly(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let is_float = |column: &Column| {
        schema.field_with_name(column.name()).is_ok_and(|field| field.data_type().is_floating())
    };
    if !collect_columns(condition).iter().any(is_float) {
        return true;
    }
    let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return false };
    let (left, op, right) = (binary.left(), *binary.op(), binary.right());
    match op {
        Operator::And | Operator::Or => {
            is_read_rightly(left, schema) && is_read_rightly(right, schema)
        }
        _ if left.is::<Column>() => leaves_nan_out(Some(op), right),
        _ if right.is::<Column>() => leaves_nan_out(op.swap(), left),
        _ => false,
    }
}

/// Whether `op` of a column and this value holds for numbers alone.
fn leaves_nan_out(op: Option<Operator>, value: &Arc<dyn PhysicalExpr>) -> bool {
    let number = match value.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::Float64(Some(number))) => *number,
        Some(ScalarValue::Float32(Some(number))) => f64::from(*number),
        _ => return false,
    };
    match op {
        Some(Operator::Lt | Operator::LtEq) => !number.is_nan(),
        // Zero has two signs, which a Bloom filter takes for two values.
        Some(Operator::Eq) => !number.is_nan() && number != 0.0,
        _ => false,
    }
}
