//! What is true of every result's rows: as many as promised, cancelled when nobody reads on, and
//! of no columns when only a count was asked for.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use futures::stream::{self, Stream, StreamExt};
use orbit_core::{Context, Error, ErrorKind, Event, Result};

use crate::cancels::{CancelOnDrop, Cancels};

/// Rows of a batch that has only a count.
const COUNTED_ROWS: usize = 1 << 20;

/// Requires that a result has the rows that were promised.
///
/// # Errors
/// `Truncated` for fewer, `DataInvalid` for more.
pub fn all_there(rows: u64, promised: Option<u64>) -> Result<()> {
    let Some(promised) = promised.filter(|promised| *promised != rows) else { return Ok(()) };
    let (kind, message) = match rows < promised {
        true => (ErrorKind::Truncated, "the result has fewer rows than the source promised"),
        false => (ErrorKind::DataInvalid, "the result has more rows than the source promised"),
    };
    Err(Error::new(kind, message)
        .with_context("rows", rows.to_string())
        .with_context("promised", promised.to_string()))
}

/// Tells the rows, and lets the cancel go only once they have all been read. Closing ends them
/// in an error.
pub fn until_the_end(
    cx: &Context,
    cancels: &Cancels,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    guard: Option<CancelOnDrop>,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let state = (rows.boxed(), guard, cancels.clone(), cx.clone());
    stream::unfold(state, |(mut rows, mut guard, cancels, cx)| async move {
        let item = match cancels.until_closed(rows.next()).await {
            Ok(Some(item)) => item,
            Ok(None) => {
                guard.as_mut().map(CancelOnDrop::disarm);
                return None;
            }
            Err(closed) => Err(closed),
        };
        if let Ok(batch) = &item {
            cx.report(Event::Rows(batch.num_rows() as u64));
        }
        Some((item, (rows, guard, cancels, cx)))
    })
}

/// So many rows without columns.
pub fn without_columns(count: usize) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let schema = Arc::new(Schema::empty());
    stream::iter((0..count).step_by(COUNTED_ROWS).map(move |start| {
        let rows = COUNTED_ROWS.min(count - start);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "a count has no batch").with_source(e))
    }))
}
