//! The rows of a query as delta-rs takes them: a table that can be read once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use orbit_core::{BatchStream, Error, ErrorKind};

/// Rows that come while they are written.
pub(crate) struct Rows {
    schema: SchemaRef,
    stream: Mutex<Option<BatchStream>>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Rows {
    /// The rows of `stream`.
    pub(crate) fn new(stream: BatchStream) -> Arc<Self> {
        // Whether a value may be missing is the table's to say, not the query's.
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let given = stream.schema();
        let fields: Vec<_> = given.fields().iter().map(nullable).collect();
        let schema = Arc::new(Schema::new(fields));
        Arc::new(Self { schema, stream: Mutex::new(Some(stream)), failure: Arc::default() })
    }

    /// They as a table.
    pub(crate) fn table(self: &Arc<Self>) -> DataFusionResult<Arc<dyn TableProvider>> {
        let partition = Arc::clone(self) as Arc<dyn PartitionStream>;
        Ok(Arc::new(StreamingTable::try_new(Arc::clone(&self.schema), vec![partition])?))
    }

    /// Why the rows ended early. delta-rs keeps only the text of some errors.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let taken = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(stream) = taken else {
            let message = "the rows of a query are read a second time";
            let error =
                DataFusionError::External(Box::new(Error::new(ErrorKind::Unexpected, message)));
            let once = futures::stream::iter([Err(error)]);
            return Box::pin(RecordBatchStreamAdapter::new(schema, once));
        };
        let failure = Arc::clone(&self.failure);
        let as_told = Arc::clone(&schema);
        let batches = stream.map(move |batch| match batch {
            Ok(batch) => Ok(RecordBatch::try_new(Arc::clone(&as_told), batch.columns().to_vec())?),
            Err(error) => {
                let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.clone());
                Err(DataFusionError::External(Box::new(error)))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}
