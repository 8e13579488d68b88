//! The answer to a query: the schema first, then batches, then what is known at the end.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::{BoxStream, Stream, StreamExt};

use crate::{Context, Result};

/// A limit that the caller set has cut the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncation {
    /// The limit, in rows.
    pub limit_rows: u64,
    /// How many rows there are in all, when the source says so.
    pub total_rows: Option<u64>,
}

/// What is known beside the rows; complete once the stream has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The source's id of the statement, as soon as it is known.
    pub statement_id: Option<String>,
    /// Rows that a write changed.
    pub rows_affected: Option<u64>,
    /// Bytes that the source says it processed.
    pub bytes_processed: Option<u64>,
    /// What the source wants to be read by a person.
    pub warnings: Vec<String>,
    /// Set when a limit of the caller's cut the result.
    pub truncation: Option<Truncation>,
}

/// Shared between the stream and whoever fills the summary in.
#[derive(Debug, Clone, Default)]
pub struct SummaryHandle(Arc<Mutex<Summary>>);

impl SummaryHandle {
    /// Changes the summary.
    pub fn update(&self, change: impl FnOnce(&mut Summary)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The summary as it is now.
    pub fn get(&self) -> Summary {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Record batches of one schema.
///
/// No batch at all is a result. A stream that was cancelled, ran out of time or was cut by the
/// source ends in an error item; nothing follows an error. Dropping it stops the work.
pub struct BatchStream {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    summary: SummaryHandle,
    ended: bool,
}

impl BatchStream {
    /// A stream of batches that all have `schema`.
    pub fn new(
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        Self::with_summary(schema, batches, SummaryHandle::default())
    }

    /// The same, with a summary that the source fills in.
    pub fn with_summary(
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
        summary: SummaryHandle,
    ) -> Self {
        Self { schema, batches: batches.boxed(), summary, ended: false }
    }

    /// Batches at hand.
    pub fn from_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::new(schema, futures::stream::iter(batches.into_iter().map(Ok)))
    }

    /// A result without columns, as a write answers.
    pub fn affected(rows: u64) -> Self {
        let stream = Self::from_batches(Arc::new(arrow_schema::Schema::empty()), Vec::new());
        stream.summary.update(|s| s.rows_affected = Some(rows));
        stream
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// What is known beside the rows so far.
    pub fn summary(&self) -> Summary {
        self.summary.get()
    }

    /// The handle by which the summary is read after the stream was consumed.
    pub fn summary_handle(&self) -> SummaryHandle {
        self.summary.clone()
    }

    /// The same schema and summary around other batches, for layers.
    #[must_use]
    pub fn map_batches<S>(
        self,
        wrap: impl FnOnce(BoxStream<'static, Result<RecordBatch>>) -> S,
    ) -> Self
    where
        S: Stream<Item = Result<RecordBatch>> + Send + 'static,
    {
        let Self { schema, batches, summary, ended } = self;
        Self { schema, batches: wrap(batches).boxed(), summary, ended }
    }

    /// Ends in an error item when the caller gives up or the deadline passes, also while the
    /// source is silent.
    #[must_use]
    pub fn bounded_by(self, cx: &Context) -> Self {
        let cx = cx.clone();
        self.map_batches(move |batches| context_bound(cx, batches))
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = self.batches.poll_next_unpin(task);
        if let Poll::Ready(None | Some(Err(_))) = item {
            self.ended = true;
        }
        item
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("schema", &self.schema)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// Ends `stream` with the context's error once the context has ended.
pub(crate) fn context_bound<T: Send + 'static>(
    cx: Context,
    stream: BoxStream<'static, Result<T>>,
) -> impl Stream<Item = Result<T>> + Send + 'static {
    futures::stream::unfold(Some((cx, stream)), |state| async move {
        let (cx, mut stream) = state?;
        let next = cx.run(async { Ok(stream.next().await) }).await;
        match next {
            Ok(Some(Ok(item))) => Some((Ok(item), Some((cx, stream)))),
            Ok(Some(Err(error))) | Err(error) => Some((Err(error), None)),
            Ok(None) => None,
        }
    })
}
