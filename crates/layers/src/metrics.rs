//! Counts operations, their time, rows and bytes, by datasource, operation and outcome.
//!
//! - `orbit_operations_total` and `orbit_operation_duration_seconds`, with the outcome;
//! - `orbit_rows_total` and `orbit_file_bytes_total`, for operations that have them.

use std::sync::Arc;

use metrics::{counter, histogram};
use orbit_core::{Context, Operation, Result};

use crate::answer::Answer;
use crate::layer::{Attempts, Call, Layer};
use crate::watch::{End, Observer, watched};

#[derive(Debug)]
pub(crate) struct MetricsLayer {
    name: Arc<str>,
}

impl MetricsLayer {
    pub(crate) fn new(name: &Arc<str>) -> Self {
        Self { name: Arc::clone(name) }
    }
}

impl Layer for MetricsLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        let observer = Count { name: Arc::clone(&self.name), operation: call.operation };
        watched(observer, attempts.last(cx)).await
    }
}

/// In what an operation's size is counted.
enum Unit {
    Rows,
    Bytes,
    None,
}

fn unit(operation: Operation) -> Unit {
    match operation {
        Operation::Query | Operation::ReadPartition | Operation::Insert => Unit::Rows,
        Operation::Read | Operation::ReadRanges => Unit::Bytes,
        Operation::Connect
        | Operation::Ping
        | Operation::ListTables
        | Operation::Describe
        | Operation::Estimate
        | Operation::Partitions
        | Operation::Cancel
        | Operation::ListFiles
        | Operation::Stat
        | Operation::Write
        | Operation::Copy
        | Operation::Delete
        | Operation::Presign => Unit::None,
    }
}

struct Count {
    name: Arc<str>,
    operation: Operation,
}

impl Observer for Count {
    fn first_item(&mut self) {}

    fn end(&mut self, end: End<'_>) {
        let labels = [
            ("datasource", metrics::SharedString::from(Arc::clone(&self.name))),
            ("operation", self.operation.as_str().into()),
        ];
        let outcome = ("outcome", metrics::SharedString::from(end.outcome.as_str()));
        let with_outcome = [labels[0].clone(), labels[1].clone(), outcome];
        counter!("orbit_operations_total", &with_outcome).increment(1);
        histogram!("orbit_operation_duration_seconds", &with_outcome).record(end.elapsed);
        match unit(self.operation) {
            Unit::Rows => counter!("orbit_rows_total", &labels).increment(end.size.rows),
            Unit::Bytes => counter!("orbit_file_bytes_total", &labels).increment(end.size.bytes),
            Unit::None => {}
        }
    }
}
