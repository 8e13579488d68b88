//! The node of a plan that runs a query at a source.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, Statistics};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, SendableRecordBatchStream,
};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use orbit_core::{
    ColumnDescription, Context, Datasource, Error, ErrorKind, EstimateQuality, Operation, Query,
    Result, SortKey, Statistic, Target,
};

use super::parts::{PartReading, Parts};
use crate::error::to_datafusion;

/// Runs one query at a source, whole or in parts.
#[derive(Debug, Clone)]
pub(crate) struct RemoteExec {
    cx: Context,
    datasource: Arc<dyn Datasource>,
    query: Query,
    schema: SchemaRef,
    columns: Vec<ColumnDescription>,
    rows: Option<Statistic<u64>>,
    parts: Option<Arc<Parts>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RemoteExec {
    /// Runs `query`, whose result has `schema`; `rows` are those of the whole table.
    pub(crate) fn new(
        cx: Context,
        datasource: Arc<dyn Datasource>,
        query: Query,
        schema: SchemaRef,
        rows: Option<Statistic<u64>>,
    ) -> Self {
        let properties = properties(EquivalenceProperties::new(Arc::clone(&schema)), 1);
        Self {
            cx,
            datasource,
            query,
            schema,
            columns: Vec::new(),
            rows,
            parts: None,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same, knowing how the source sees its columns.
    #[must_use]
    pub(crate) fn with_columns(self, columns: Vec<ColumnDescription>) -> Self {
        Self { columns, ..self }
    }

    /// The same, read in parts.
    #[must_use]
    pub(crate) fn in_parts(self, reading: PartReading) -> Self {
        let parts = Parts::new(reading);
        let equivalence = EquivalenceProperties::new(Arc::clone(&self.schema));
        let properties = properties(equivalence, parts.readers_max());
        Self { parts: Some(Arc::new(parts)), properties, ..self }
    }

    /// The same, sorted and cut at the source.
    #[must_use]
    pub(crate) fn with_top(&self, order: Vec<SortKey>, limit: u64, ordering: LexOrdering) -> Self {
        let query = Query { order, limit: Some(limit), ..self.query.clone() };
        let sorted =
            EquivalenceProperties::new_with_orderings(Arc::clone(&self.schema), [ordering]);
        Self { query, parts: None, properties: properties(sorted, 1), ..self.clone() }
    }

    /// The query as the source gets it.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// How the source sees its columns.
    pub(crate) fn columns(&self) -> &[ColumnDescription] {
        &self.columns
    }

    /// In how many requests its rows come, as a person reads it.
    pub(crate) fn reads(&self) -> String {
        let Some(parts) = &self.parts else { return "one query".to_owned() };
        let sql = self.datasource.facets().sql;
        let capability = sql.and_then(|sql| sql.capability().partitions);
        let snapshot = match capability {
            Some(capability) if capability.one_snapshot => "of one snapshot",
            _ => "which may show different moments",
        };
        format!("up to {} parts at once, {snapshot}", parts.readers_max())
    }

    /// The query's context, which names the datasource.
    pub(crate) fn cx(&self) -> &Context {
        &self.cx
    }

    /// The source.
    pub(crate) fn datasource(&self) -> &Arc<dyn Datasource> {
        &self.datasource
    }

    /// The table's name at the source.
    pub(crate) fn table(&self) -> String {
        match &self.query.target {
            Target::Table(table) => table.name.to_string(),
            Target::Statement { .. } => "a statement".to_owned(),
        }
    }
}

fn properties(equivalence: EquivalenceProperties, readers: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        equivalence,
        Partitioning::UnknownPartitioning(readers),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

/// The rows of the whole query.
async fn whole(
    cx: Context,
    datasource: Arc<dyn Datasource>,
    query: Query,
) -> Result<impl Stream<Item = Result<RecordBatch>>> {
    let sql = datasource.facets().sql.ok_or_else(|| Error::unsupported(Operation::Query))?;
    sql.query(&cx, query).await
}

/// The rows of one part after the other, until no part is left.
fn in_turns(
    cx: Context,
    datasource: Arc<dyn Datasource>,
    query: Query,
    parts: Arc<Parts>,
) -> impl Stream<Item = Result<RecordBatch>> {
    let next = move |()| {
        let (cx, datasource) = (cx.clone(), Arc::clone(&datasource));
        let (query, parts) = (query.clone(), Arc::clone(&parts));
        async move {
            let sql = datasource.facets().sql;
            let sql = sql.ok_or_else(|| Error::unsupported(Operation::Partitions))?;
            Ok(parts.next(&cx, sql, &query).await?.map(|batches| (batches, ())))
        }
    };
    stream::try_unfold((), next).try_flatten()
}

/// The batch under the plan's schema; a source that answers with other types is refused.
fn conform(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let (rows, columns) = (batch.num_rows(), batch.columns().to_vec());
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| {
        let message = "the source answered with other columns than it described";
        Error::new(ErrorKind::DataInvalid, message).with_source(e)
    })
}

impl ExecutionPlan for RemoteExec {
    fn name(&self) -> &'static str {
        "RemoteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let parts = self.parts.as_ref().map(|parts| Arc::new(parts.afresh()));
        Ok(Arc::new(Self { parts, ..self.as_ref().clone() }))
    }

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> DataFusionResult<SendableRecordBatchStream> {
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        // Dropping the stream cancels what it started, and nothing else of the query.
        let cx = self.cx.child();
        let guard = cx.cancellation().clone().drop_guard();
        let name = cx.datasource().unwrap_or_default().to_owned();
        let (datasource, query) = (Arc::clone(&self.datasource), self.query.clone());
        let batches = match &self.parts {
            None => stream::once(whole(cx, datasource, query)).try_flatten().boxed(),
            Some(parts) => {
                parts.begin(partition).map_err(to_datafusion)?;
                in_turns(cx, datasource, query, Arc::clone(parts)).boxed()
            }
        };
        let schema = Arc::clone(&self.schema);
        let batches = batches.and_then(move |batch| {
            let batch = conform(batch, &schema).map_err(|e| e.with_datasource(name.as_str()));
            futures::future::ready(batch)
        });
        let batches = batches.map_err(to_datafusion).inspect_ok(move |batch| {
            let _held = &guard;
            baseline.record_output(batch.num_rows());
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        let statistics = Statistics::new_unknown(&self.schema);
        let whole = self.query.predicate.is_none() && self.query.limit.is_none();
        let rows = match self.rows {
            Some(Statistic { value, quality: EstimateQuality::Exact }) if whole => {
                Precision::Exact(usize::try_from(value).unwrap_or(usize::MAX))
            }
            Some(Statistic { value, .. }) => {
                let most = self.query.limit.map_or(value, |limit| value.min(limit));
                Precision::Inexact(usize::try_from(most).unwrap_or(usize::MAX))
            }
            None => Precision::Absent,
        };
        Ok(Arc::new(statistics.with_num_rows(rows)))
    }
}

impl DisplayAs for RemoteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.cx.datasource().unwrap_or_default();
        write!(f, "RemoteExec: {name}.{}", self.table())?;
        if let Some(columns) = &self.query.columns {
            write!(f, ", columns=[{}]", columns.join(", "))?;
        }
        if let Some(predicate) = &self.query.predicate {
            write!(f, ", predicate={}", crate::explain::predicate_text(predicate))?;
        }
        if !self.query.order.is_empty() {
            write!(f, ", order=[{}]", crate::explain::order_text(&self.query.order))?;
        }
        match self.query.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}
