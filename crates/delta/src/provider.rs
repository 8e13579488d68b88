//! A state of a table as DataFusion scans it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use deltalake::kernel::EagerSnapshot;
use orbit_core::{Error, ErrorKind, Result};

use crate::error;
use crate::expression;
use crate::log_store::fenced_runtime;
use crate::store::TableStore;

/// delta-rs' own scan, kept to the table's files.
pub(crate) struct StateTable {
    scan: DeltaScanNext,
    store: Arc<TableStore>,
}

impl StateTable {
    /// The rows of `snapshot`, read through `store`.
    pub(crate) fn new(snapshot: Arc<EagerSnapshot>, store: Arc<TableStore>) -> Result<Self> {
        let config = DeltaScanConfig::new().with_wrap_partition_values(false);
        let scan = DeltaScanNext::new(snapshot, config).map_err(|failure| {
            let delta = match failure {
                DataFusionError::External(inner) => inner.downcast().map(|error| *error),
                other => Err(Box::new(other) as _),
            };
            match delta {
                Ok(delta) => match error::unsupported(&delta, "reader") {
                    Some(unsupported) => unsupported.with_source(delta),
                    None => unreadable().with_source(delta),
                },
                Err(other) => unreadable().with_source(other),
            }
        })?;
        Ok(Self { scan, store })
    }

    /// `session` with a runtime that knows no store but the table's: the log may name files
    /// that other tables of the query could read.
    fn fenced(&self, session: &dyn Session) -> DataFusionResult<SessionState> {
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
            let message = "a Delta table needs DataFusion's own session";
            let error = Error::new(ErrorKind::Unexpected, message);
            return Err(DataFusionError::External(Box::new(error)));
        };
        let runtime = fenced_runtime(&self.store, Some(session.runtime_env()))?;
        let builder = SessionStateBuilder::new_from_existing(state.clone());
        Ok(builder.with_runtime_env(runtime).build())
    }

    /// Whether the filter is on a column whose statistics may be rounded.
    fn is_rounded(&self, filter: &Expr) -> bool {
        let schema = self.scan.schema();
        let is_rounded = |name: &str| {
            schema.field_with_name(name).is_ok_and(|f| expression::is_rounded(f.data_type()))
        };
        filter.column_refs().iter().any(|column| is_rounded(&column.name))
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::DataInvalid, "the table cannot be read")
}

impl fmt::Debug for StateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateTable").field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for StateTable {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let session = self.fenced(session)?;
        let plan = self.scan.scan(&session, projection, filters, limit).await;
        plan.map_err(|failure| match self.store.take_fault() {
            Some(fault) if error::orbit_cause(&failure).is_none() => {
                DataFusionError::External(Box::new(fault))
            }
            _ => failure,
        })
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let answers = self.scan.supports_filters_pushdown(filters)?.into_iter();
        let answers = answers.zip(filters).map(|(answer, filter)| match answer {
            // Rounded statistics would skip files that hold the rows.
            _ if self.is_rounded(filter) => TableProviderFilterPushDown::Unsupported,
            // delta-rs calls filters on partition columns exact, but keeps a file when the
            // filter is undecided for it, as with a null.
            TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
            other => other,
        });
        Ok(answers.collect())
    }
}
