//! A span for each operation and an event at its end, and the names on its errors.
//!
//! Neither holds a statement, a value or the text of an error, which may quote both.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use orbit_core::{Context, Error, Operation, Result};
use tracing::{Instrument, Span, debug, debug_span, info, info_span};

use crate::answer::{Answer, Items};
use crate::layer::{Attempts, Call, Layer};
use crate::watch::{End, Observer, Outcome, watched};

#[derive(Debug)]
pub(crate) struct TraceLayer {
    name: Arc<str>,
}

impl TraceLayer {
    pub(crate) fn new(name: &Arc<str>) -> Self {
        Self { name: Arc::clone(name) }
    }
}

impl Layer for TraceLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        let cx = cx.for_datasource(Arc::clone(&self.name));
        let names = Names { datasource: Arc::clone(&self.name), operation: call.operation };
        let grade = grade(call.operation);
        let span = span(grade, &cx, &names);
        let observer = Report { grade, span: span.clone() };
        let answer = attempts.last(cx).instrument(span.clone());
        let named = async { answer.await.map_err(|error| names.on(error)) };
        let (answer, items) = watched(observer, named).await?.split();
        Ok(match items {
            Some(items) => answer.join(traced(names.clone(), span, items)),
            None => answer,
        })
    }
}

/// How loudly an operation is told.
#[derive(Debug, Clone, Copy)]
enum Grade {
    /// Work that a person asked for.
    Work,
    /// One of many steps towards it.
    Step,
}

fn grade(operation: Operation) -> Grade {
    match operation {
        Operation::Connect
        | Operation::Query
        | Operation::Insert
        | Operation::Cancel
        | Operation::Write
        | Operation::Copy
        | Operation::Delete => Grade::Work,
        Operation::Ping
        | Operation::ListTables
        | Operation::Describe
        | Operation::Estimate
        | Operation::Partitions
        | Operation::ReadPartition
        | Operation::ListFiles
        | Operation::Stat
        | Operation::Read
        | Operation::ReadRanges
        | Operation::Presign => Grade::Step,
    }
}

/// What an error is given, where it does not say so itself.
#[derive(Debug, Clone)]
struct Names {
    datasource: Arc<str>,
    operation: Operation,
}

impl Names {
    fn on(&self, error: Error) -> Error {
        error.with_datasource(self.datasource.as_ref()).with_operation(self.operation)
    }
}

fn span(grade: Grade, cx: &Context, names: &Names) -> Span {
    let query_id = tracing::field::display(cx.query_id());
    let datasource = names.datasource.as_ref();
    let operation = names.operation.as_str();
    match grade {
        Grade::Work => info_span!("operation", query_id, datasource, operation),
        Grade::Step => debug_span!("operation", query_id, datasource, operation),
    }
}

/// The source works when its items are asked for, so that happens within the span.
fn traced<T: Send + 'static>(names: Names, span: Span, mut items: Items<T>) -> Items<T> {
    let traced = stream::poll_fn(move |task| {
        let _entered = span.enter();
        items.poll_next_unpin(task).map_err(|error| names.on(error))
    });
    traced.boxed()
}

struct Report {
    grade: Grade,
    span: Span,
}

impl Observer for Report {
    fn first_item(&mut self) {}

    fn end(&mut self, end: End<'_>) {
        let _entered = self.span.enter();
        let outcome = end.outcome.as_str();
        let vendor_code = match end.outcome {
            Outcome::Failed(error) => error.vendor_code(),
            Outcome::Ok | Outcome::Abandoned => None,
        };
        let (rows, bytes) = (end.size.rows, end.size.bytes);
        let duration_ms = u64::try_from(end.elapsed.as_millis()).unwrap_or(u64::MAX);
        match self.grade {
            Grade::Work => info!(outcome, vendor_code, rows, bytes, duration_ms, "ended"),
            Grade::Step => debug!(outcome, vendor_code, rows, bytes, duration_ms, "ended"),
        }
    }
}
