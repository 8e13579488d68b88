//! A statement's answer as a stream of batches.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use orbit_core::{BatchStream, Context, Error, ErrorKind, Result, Summary, SummaryHandle};
use orbit_http::{
    Chunk, ChunkLimits, all_there, in_order, off_the_workers, until_the_end, without_columns,
};

use crate::api::Api;
use crate::columns::{Columns, TypeRules};
use crate::config::WideIntegers;
use crate::datasource::Connected;
use crate::error::malformed;
use crate::links::{Links, arrow_rows};
use crate::protocol::QueryData;
use crate::script;
use crate::session::Lane;
use crate::statement::Executed;

/// Kinds of statements, by the number that the service gives each.
const DML: std::ops::Range<u64> = 0x3000..0x4000;
/// Every piece of a result.
pub(crate) const ALL: Range<u64> = 0..u64::MAX;

/// Whether a statement changed rows, and how many it says it changed.
pub(crate) fn rows_affected(data: &QueryData) -> Result<Option<u64>> {
    if !data.statement_type_id.is_some_and(|kind| DML.contains(&kind)) {
        return Ok(None);
    }
    let counts = data.row_type.iter().enumerate();
    let counts = counts.filter(|(_, told)| told.name.to_lowercase().starts_with("number of rows"));
    let row = data.row_set.as_ref().and_then(|rows| rows.first());
    let mut sum = None;
    for (index, _) in counts {
        let text = row.and_then(|row| row.get(index)).and_then(Option::as_deref);
        let count = text.and_then(|text| text.parse::<u64>().ok());
        let all = count.and_then(|count| sum.unwrap_or(0_u64).checked_add(count));
        sum = Some(all.ok_or_else(|| malformed("a count of changed rows is none"))?);
    }
    Ok(sum)
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
    mut executed: Executed,
    planned: Option<&SchemaRef>,
) -> Result<BatchStream> {
    let summary = told(&executed.data);
    let mut affected = rows_affected(&executed.data)?;
    let mut has_rows = affected.is_none();
    if let Some(ids) = executed.data.result_ids.take() {
        let script = script::answer(cx, api, lane, &ids).await?;
        (affected, has_rows) = (script.rows_affected, script.rows.is_some());
        executed.data = script.rows.unwrap_or_default();
    }
    summary.update(|s| s.rows_affected = affected);
    if !has_rows {
        executed.finish();
        let none = stream::empty();
        return Ok(BatchStream::with_summary(Arc::new(Schema::empty()), none, summary));
    }
    let columns = Columns::of(&executed.data.row_type, api.config.rules())?.planned(planned)?;
    let schema = Arc::clone(&columns.schema);
    let Executed { mut data, guard } = executed;
    let rows = pieces(cx, api, lane, &Arc::new(columns), &mut data, ALL).await?;
    let rows = until_the_end(cx, lane.cancels(), rows, Some(guard));
    Ok(BatchStream::with_summary(schema, rows, summary).bounded_by(cx))
}

/// Some pieces of a result that the service keeps: nothing runs that could be cancelled.
///
/// # Errors
/// As of [`stream`].
pub(crate) async fn kept(
    cx: &Context,
    connected: &Connected,
    mut data: QueryData,
    planned: &SchemaRef,
    wanted: Range<u64>,
) -> Result<BatchStream> {
    let summary = told(&data);
    let (api, lane) = (&connected.api, &connected.lane);
    let columns = Columns::of(&data.row_type, api.config.rules())?.planned(Some(planned))?;
    let rows = pieces(cx, api, lane, &Arc::new(columns), &mut data, wanted).await?;
    let rows = until_the_end(cx, lane.cancels(), rows, None);
    Ok(BatchStream::with_summary(Arc::clone(planned), rows, summary).bounded_by(cx))
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
    let summary = told(&executed.data);
    let rules = TypeRules { wide_integers: WideIntegers::Int64, ..api.config.rules() };
    let Executed { mut data, mut guard } = executed;
    let columns = Arc::new(Columns::of(&data.row_type, rules)?);
    let batches = pieces(cx, api, lane, &columns, &mut data, ALL).await?;
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
    Ok(BatchStream::with_summary(schema, without_columns(count), summary))
}

fn told(data: &QueryData) -> SummaryHandle {
    let summary = SummaryHandle::default();
    let statement_id = data.query_id.clone();
    summary.update(|s| *s = Summary { statement_id, ..Summary::default() });
    summary
}

impl Columns {
    /// The same under the schema that the caller planned with, which may only say other things
    /// of nulls: each batch is checked against it.
    pub(crate) fn planned(mut self, planned: Option<&SchemaRef>) -> Result<Self> {
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

/// The rows that are promised in the answer itself, then those in each piece that lies elsewhere.
pub(crate) fn rows_of_pieces(data: &QueryData) -> Result<Vec<u64>> {
    let elsewhere: Vec<_> = data.chunks.iter().map(|chunk| chunk.row_count).collect();
    let total = data.total.and_then(|total| u64::try_from(total).ok());
    let total = total.ok_or_else(|| malformed("a result does not say how many rows it has"))?;
    let inline = elsewhere.iter().try_fold(total, |left, rows| left.checked_sub(*rows));
    let inline =
        inline.ok_or_else(|| malformed("the pieces of a result have more rows than it"))?;
    Ok([vec![inline], elsewhere].concat())
}

/// The rows in the answer, then those that lie elsewhere, as far as they are wanted; all of
/// them as many as promised.
pub(crate) async fn pieces(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    columns: &Arc<Columns>,
    data: &mut QueryData,
    wanted: Range<u64>,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + use<>> {
    let arrow = match data.query_result_format.as_deref() {
        Some("arrow" | "arrow_force") => true,
        Some("json") | None => false,
        Some(other) => {
            let message = format!("results in the form `{}` are not read", other.escape_debug());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let mut first = Vec::new();
    if wanted.contains(&0) {
        first = inline(cx, columns, data, arrow).await?;
        let rows: usize = first.iter().map(RecordBatch::num_rows).sum();
        all_there(rows as u64, rows_of_pieces(data)?.first().copied())?;
    }
    let links = Arc::new(Links::new(api, lane, columns, data, arrow)?);
    let chunk = |(source, told): (usize, &crate::protocol::ChunkData)| Chunk {
        source,
        rows: told.row_count,
        bytes: told.uncompressed_size,
    };
    let chunks = (1..).zip(data.chunks.iter().enumerate());
    let chunks = chunks.filter(|(piece, _)| wanted.contains(piece)).map(|(_, told)| chunk(told));
    let chunks: Vec<_> = chunks.collect();
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
