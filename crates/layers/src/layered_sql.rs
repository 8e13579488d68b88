//! The SQL facet with one layer around it.

use std::sync::Arc;

use async_trait::async_trait;
use orbit_core::{
    BatchStream, Context, Datasource, Describe, Effect, Error, Estimate, Insert, InsertOutcome,
    ListTables, Operation, PartitionRead, PartitionSet, PartitionSource, Partitions, Query, Result,
    SqlCapability, SqlDatasource, SqlDialect, TableDescription, TablePage,
};

use crate::layer::{Attempts, Call, Layer};

pub(crate) struct LayeredSql<L> {
    layer: Arc<L>,
    datasource: Arc<dyn Datasource>,
    capability: SqlCapability,
    dialect: Arc<SqlDialect>,
}

impl<L> LayeredSql<L> {
    pub(crate) fn new(
        layer: &Arc<L>,
        datasource: &Arc<dyn Datasource>,
        facet: &dyn SqlDatasource,
    ) -> Self {
        Self {
            layer: Arc::clone(layer),
            datasource: Arc::clone(datasource),
            capability: facet.capability(),
            dialect: facet.dialect(),
        }
    }

    fn below(&self, operation: Operation) -> Result<&dyn SqlDatasource> {
        self.datasource.facets().sql.ok_or_else(|| Error::unsupported(operation))
    }
}

#[async_trait]
impl<L: Layer> SqlDatasource for LayeredSql<L> {
    fn capability(&self) -> SqlCapability {
        self.capability
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        Arc::clone(&self.dialect)
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        let call = Call::new(Operation::ListTables);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.list(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        let call = Call::new(Operation::Describe);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.describe(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        let call = Call::of_request(Operation::Query, request.effect);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.query(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        let call = Call::new(Operation::Estimate);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.estimate(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        let call = Call::of_request(Operation::Partitions, request.query.effect);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.partitions(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        let call =
            Call::of_request(Operation::ReadPartition, partition_effect(&request.partition.source));
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.read_partition(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome> {
        let call = Call::new(Operation::Insert);
        let attempts = Attempts::once(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.insert(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()> {
        let call = Call::new(Operation::Cancel);
        let attempts = Attempts::once((), move |cx, ()| {
            Box::pin(async move { self.below(call.operation)?.cancel(&cx, statement_id).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }
}

/// Rows that lie ready are only read; a part that is a query of its own does what that does.
fn partition_effect(source: &PartitionSource) -> Effect {
    match source {
        PartitionSource::Statement { .. } | PartitionSource::Files { .. } => Effect::Read,
        PartitionSource::Query { query, snapshot: _ } => query.effect,
    }
}
