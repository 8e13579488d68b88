//! A statement's answer as a stream of batches.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use orbit_core::{BatchStream, Context, Error, ErrorKind, Event, Result, Summary, SummaryHandle};
use orbit_http::{CancelOnDrop, Chunk, ChunkLimits, in_order, off_the_workers};

use crate::api::Api;
use crate::columns::{Columns, TypeRules};
use crate::error::malformed;
use crate::links::{Links, arrow_rows};
use crate::protocol::QueryData;
use crate::session::Lane;
use crate::statement::Executed;

/// Kinds of statements, by the number that the service gives each.
const DML: std::ops::Range<u64> = 0x3000..0x4000;
/// Rows of a batch that has only a count.
const COUNTED_ROWS: usize = 1 << 20;

/// Whether a statement changed rows, and how many it says it changed.
pub(crate) fn rows_affected(data: &QueryData) -> Result<Option<u64>> {
    if !data.statement_type_id.is_some_and(|kind| DML.contains(&kind)) {
        return Ok(None);
    }
    let counts = data.row_type.iter().enumerate();
    let counts = counts.filter(|(_, told)| told.name.to_lowercase().starts_with("number of rows"));
    let row = data.row_set.as_ref().and_then(|rows| rows.first());
    let mut sum = 0_u64;
    let mut counted = false;
    for (index, _) in counts {
        let text = row.and_then(|row| row.get(index)).and_then(Option::as_deref);
        let count = text.and_then(|text| text.parse::<u64>().ok());
        sum += count.ok_or_else(|| malformed("a count of changed rows is none"))?;
        counted = true;
    }
    Ok(counted.then_some(sum))
}

/// The answer of a statement that was asked for rows.
///
/// # Errors
/// `Unsupported` for columns without a type here, `DataInvalid` when `planned` is another
/// schema.
pub(crate) async fn stream(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    executed: Executed,
    planned: Option<&SchemaRef>,
) -> Result<BatchStream> {
    let summary = told(&executed);
    if let Some(rows) = rows_affected(&executed.data)? {
        summary.update(|s| s.rows_affected = Some(rows));
        executed.finish();
        let none = stream::empty();
        return Ok(BatchStream::with_summary(Arc::new(Schema::empty()), none, summary));
    }
    let rules =
        TypeRules { wide_integers: api.config.wide_integers, timestamps: api.config.timestamps };
    let columns = Columns::of(&executed.data.row_type, rules)?.planned(planned)?;
    let schema = Arc::clone(&columns.schema);
    let Executed { mut data, guard } = executed;
    let rows = pieces(cx, api, lane, &Arc::new(columns), &mut data).await?;
    let rows = until_the_end(cx, rows, guard);
    Ok(BatchStream::with_summary(schema, rows, summary).bounded_by(cx))
}

/// Rows without columns, as many as the statement's one value says.
///
/// # Errors
/// `DataInvalid` for an answer that is no count.
pub(crate) async fn counted(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    executed: Executed,
) -> Result<BatchStream> {
    let summary = told(&executed);
    let rules = TypeRules {
        wide_integers: crate::config::WideIntegers::Int64,
        timestamps: api.config.timestamps,
    };
    let Executed { mut data, mut guard } = executed;
    let columns = Arc::new(Columns::of(&data.row_type, rules)?);
    let batches = pieces(cx, api, lane, &columns, &mut data).await?;
    let batches: Vec<_> = batches.collect().await;
    guard.disarm();
    let value = |batch: Result<RecordBatch>| -> Result<Option<usize>> {
        let batch = batch?;
        let text = batch.columns().first().filter(|c| c.len() == 1);
        let text = text.and_then(|c| arrow_cast::display::array_value_to_string(c, 0).ok());
        Ok(text.and_then(|text| text.parse().ok()))
    };
    let first = batches.into_iter().next().map(value).transpose()?.flatten();
    let count = first.ok_or_else(|| malformed("a count of rows is none"))?;
    let schema = Arc::new(Schema::empty());
    let batch_schema = Arc::clone(&schema);
    let starts = (0..count).step_by(COUNTED_ROWS);
    let batches = starts.map(move |start| {
        let rows = COUNTED_ROWS.min(count - start);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&batch_schema), Vec::new(), &options)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "a count has no batch").with_source(e))
    });
    Ok(BatchStream::with_summary(schema, stream::iter(batches), summary))
}

fn told(executed: &Executed) -> SummaryHandle {
    let summary = SummaryHandle::default();
    let statement_id = executed.id().map(str::to_owned);
    summary.update(|s| *s = Summary { statement_id, ..Summary::default() });
    summary
}

impl Columns {
    /// The same under the schema that the caller planned with, which may only say other things
    /// of nulls: each batch is checked against it.
    fn planned(mut self, planned: Option<&SchemaRef>) -> Result<Self> {
        let Some(planned) = planned else { return Ok(self) };
        let same = |schema: &SchemaRef| -> Vec<_> {
            let fields = schema.fields().iter();
            fields.map(|f| (f.name().clone(), f.data_type().clone())).collect()
        };
        if same(planned) == same(&self.schema) {
            self.schema = Arc::clone(planned);
            return Ok(self);
        }
        Err(Error::new(ErrorKind::DataInvalid, "the result has other columns than were planned")
            .with_hint("the table may have changed; plan the query anew"))
    }
}

/// The rows in the answer, then those that lie elsewhere; all of them as many as promised.
pub(crate) async fn pieces(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    columns: &Arc<Columns>,
    data: &mut QueryData,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + use<>> {
    let arrow = match data.query_result_format.as_deref() {
        Some("arrow" | "arrow_force") => true,
        Some("json") | None => false,
        Some(other) => {
            let message = format!("results in the form `{}` are not read", other.escape_debug());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let first = inline(cx, columns, data, arrow).await?;
    let inline_rows: u64 = first.iter().map(|batch| batch.num_rows() as u64).sum();
    let elsewhere: u64 = data.chunks.iter().map(|chunk| chunk.row_count).sum();
    let promised = data.total.and_then(|total| u64::try_from(total).ok());
    all_there(inline_rows + elsewhere, promised)?;
    let links = Arc::new(Links::new(api, lane, columns, data, arrow)?);
    let chunk = |(source, told): (usize, &crate::protocol::ChunkData)| Chunk {
        source,
        rows: told.row_count,
        bytes: told.uncompressed_size,
    };
    let chunks: Vec<_> = data.chunks.iter().enumerate().map(chunk).collect();
    let limits = ChunkLimits {
        ahead_max: api.config.chunks_ahead_max,
        memory_max: api.config.chunk_memory_mb_max.saturating_mul(1 << 20),
    };
    let cx = cx.clone();
    let rest = in_order(chunks, limits, move |_, index| {
        let (cx, links) = (cx.clone(), Arc::clone(&links));
        async move { links.fetch(&cx, index).await }
    });
    Ok(stream::iter(first.into_iter().map(Ok)).chain(rest))
}

async fn inline(
    cx: &Context,
    columns: &Arc<Columns>,
    data: &mut QueryData,
    arrow: bool,
) -> Result<Vec<RecordBatch>> {
    if arrow {
        let body = data.row_set_base64.take().map_or_else(Bytes::new, |b| b.0);
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let columns = Arc::clone(columns);
        return cx.run(off_the_workers(move || arrow_rows(&columns, body))).await;
    }
    match data.row_set.take() {
        Some(rows) if !rows.is_empty() => Ok(vec![columns.parse(&rows)?]),
        _ => Ok(Vec::new()),
    }
}

fn all_there(rows: u64, promised: Option<u64>) -> Result<()> {
    let Some(promised) = promised.filter(|promised| *promised != rows) else { return Ok(()) };
    let (kind, message) = match rows < promised {
        true => (ErrorKind::Truncated, "the result has fewer rows than the source promised"),
        false => (ErrorKind::DataInvalid, "the result has more rows than the source promised"),
    };
    Err(Error::new(kind, message)
        .with_context("rows", rows.to_string())
        .with_context("promised", promised.to_string()))
}

/// Tells the rows, and lets the cancel go only once they have all been read.
fn until_the_end(
    cx: &Context,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    guard: CancelOnDrop,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let state = (rows.boxed(), guard, cx.clone());
    stream::unfold(state, |(mut rows, mut guard, cx)| async move {
        match rows.next().await {
            Some(item) => {
                if let Ok(batch) = &item {
                    cx.report(Event::Rows(batch.num_rows() as u64));
                }
                Some((item, (rows, guard, cx)))
            }
            None => {
                guard.disarm();
                None
            }
        }
    })
}
