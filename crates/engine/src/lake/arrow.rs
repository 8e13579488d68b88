//! Arrow IPC files, read batch by batch: of the file format here, of the stream format by
//! [`arrow_stream`].
//!
//! DataFusion's reader takes the first message to begin at the eighth byte, where writers that
//! align to 64 bytes do not put it, reads whole files into memory, and takes the columns of
//! every file to stand in the order of the first.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_buffer::Buffer;
use arrow_cast::display::FormatOptions;
use arrow_cast::parse::string_to_datetime;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion, root_as_footer};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema, SchemaRef};
use chrono::{NaiveTime, Utc};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::error::{DataFusionError, Result};
use datafusion_datasource::file_stream::{FileOpenFuture, FileOpener};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use orbit_core::{Error, ErrorKind};

use super::arrow_packed::{check_block, check_stored};
use super::arrow_stream;
use crate::error::to_datafusion;

/// What a file of the file format begins and ends with.
const MAGIC: &[u8] = b"ARROW1";

/// The length of the footer and the magic, at the end of the file.
const TRAILER_BYTES: u64 = 10;

/// What a block begins with: a mark and the length of its metadata.
const PREFIX_BYTES: u64 = 8;

/// Batches that are fetched ahead of the one that is decoded.
const BATCHES_AHEAD: usize = 2;

/// A cast that fails where it could not keep a value.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// The end of a file of the file format: what is in it, and where.
struct Footer {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

/// The schema of a file.
pub(super) async fn schema(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<SchemaRef> {
    if let Some(footer) = footer(store, meta).await? {
        return Ok(footer.schema);
    }
    arrow_stream::schema(store, meta).await
}

/// The error of a file that is not what it should be.
pub(super) fn malformed(message: &str) -> DataFusionError {
    ArrowError::IpcError(message.to_owned()).into()
}

/// What a decoder answers. It asserts what files tell of their lengths: one that contradicts
/// itself must not end the process.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => Ok(decoded?),
        Err(_) => Err(malformed("the file contradicts itself")),
    }
}

/// The footer; none when the file is of the stream format.
async fn footer(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<Option<Footer>> {
    let start = store.get_range(&meta.location, 0..meta.size.min(MAGIC.len() as u64)).await?;
    if start.as_ref() != MAGIC {
        return Ok(None);
    }
    let cut = || malformed("the file ends before its footer");
    let trailer_start = meta.size.checked_sub(TRAILER_BYTES).ok_or_else(cut)?;
    let trailer = store.get_range(&meta.location, trailer_start..meta.size).await?;
    let trailer = trailer.as_ref().try_into().map_err(|_| cut())?;
    let footer_start = trailer_start.checked_sub(read_footer_length(trailer)? as u64);
    let footer_start = footer_start.ok_or_else(cut)?;
    let bytes = store.get_range(&meta.location, footer_start..trailer_start).await?;
    let footer = root_as_footer(&bytes).map_err(|_| malformed("the footer is unreadable"))?;
    let schema = footer.schema().ok_or_else(|| malformed("the footer has no schema"))?;
    Ok(Some(Footer {
        schema: Arc::new(guarded(|| Ok(fb_to_schema(schema)))?),
        version: footer.version(),
        dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
        batches: footer.recordBatches().iter().flatten().copied().collect(),
    }))
}

/// Opens files as batches of the columns `wanted`, which are found by name.
pub(super) struct ArrowOpener {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) wanted: SchemaRef,
    pub(super) batch_rows: usize,
}

impl FileOpener for ArrowOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let (store, wanted) = (Arc::clone(&self.store), Arc::clone(&self.wanted));
        let batch_rows = self.batch_rows;
        Ok(Box::pin(async move {
            let batches = match footer(&*store, &file.object_meta).await? {
                Some(footer) => read_blocks(store, file, footer, &wanted).await?,
                None if file.range.as_ref().is_some_and(|range| range.start > 0) => {
                    // The part that begins with the stream reads all of it.
                    stream::empty().boxed()
                }
                None => arrow_stream::read(&*store, &file.object_meta, &wanted).await?,
            };
            let split =
                move |batch| stream::iter(parts(batch, batch_rows).map(Ok::<_, DataFusionError>));
            let few = batches.map_ok(split).try_flatten();
            Ok(few.map(move |batch| select(&batch?, &wanted)).boxed())
        }))
    }
}

/// The batch in parts of few rows: a column that is made for them takes memory for each, and a few
/// bytes of a file tell any number of rows.
fn parts(batch: RecordBatch, rows_max: usize) -> impl Iterator<Item = RecordBatch> {
    let (rows, rows_max) = (batch.num_rows(), rows_max.max(1));
    let starts = (0..rows).step_by(rows_max);
    starts.map(move |start| batch.slice(start, rows_max.min(rows - start)))
}

/// The batches of the file format that begin in the part of the file that is asked for.
async fn read_blocks(
    store: Arc<dyn ObjectStore>,
    file: PartitionedFile,
    footer: Footer,
    wanted: &SchemaRef,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let ObjectMeta { location, size, .. } = file.object_meta;
    let needed = needed(&footer.schema, wanted);
    let mut decoder =
        FileDecoder::new(Arc::clone(&footer.schema), footer.version).with_projection(needed);
    for block in &footer.dictionaries {
        let bytes = store.get_range(&location, range(block, size)?).await?;
        check_block(block, &bytes)?;
        guarded(|| decoder.read_dictionary(block, &Buffer::from(bytes)))?;
    }
    let batches = footer.batches.into_iter().filter(move |block| is_within(block, &file.range));
    let fetched = stream::iter(batches).map(move |block| {
        let (store, location) = (Arc::clone(&store), location.clone());
        async move { Ok((block, store.get_range(&location, range(&block, size)?).await?)) }
    });
    let decoded = fetched.buffered(BATCHES_AHEAD).try_filter_map(move |(block, bytes)| {
        let checked = check_block(&block, &bytes);
        let decode = || decoder.read_record_batch(&block, &Buffer::from(bytes));
        futures::future::ready(checked.and_then(|()| guarded(decode)))
    });
    Ok(decoded.boxed())
}

/// The positions of the wanted columns in a file.
pub(super) fn needed(schema: &Schema, wanted: &Schema) -> Vec<usize> {
    let names: HashSet<_> = wanted.fields().iter().map(|field| field.name()).collect();
    let columns = schema.fields().iter().enumerate();
    let needed = columns.filter(|(_, field)| names.contains(field.name()));
    needed.map(|(index, _)| index).collect()
}

fn is_within(block: &Block, range: &Option<FileRange>) -> bool {
    range.as_ref().is_none_or(|range| (range.start..range.end).contains(&block.offset()))
}

/// The bytes of a block in a file of this size.
fn range(block: &Block, size_bytes: u64) -> Result<Range<u64>> {
    let lengths = [i64::from(block.metaDataLength()), block.bodyLength()];
    let [start, metadata, body] = [block.offset(), lengths[0], lengths[1]].map(u64::try_from);
    let place = || {
        let (start, metadata) = (start.ok()?, metadata.ok().filter(|n| *n >= PREFIX_BYTES)?);
        let end = start.checked_add(metadata)?.checked_add(body.ok()?)?;
        (end <= size_bytes).then_some(start..end)
    };
    let outside = || malformed("the footer places a batch outside the file");
    let range = place().ok_or_else(outside)?;
    check_stored(range.end - range.start)?;
    Ok(range)
}

/// The wanted columns of `batch`, by name; NULL where it has none. A value that does not fit its
/// column's type is an error.
pub(super) fn select(batch: &RecordBatch, wanted: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let schema = batch.schema_ref();
    let names = schema.fields().iter().map(|field| field.name());
    let present: HashMap<_, _> = names.zip(batch.columns()).collect();
    let column = |field: &FieldRef| match present.get(field.name()).copied() {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => cast_strictly(column, field.data_type())
            .map_err(|cause| to_datafusion(misfit(field, cause))),
        None => Ok(new_null_array(field.data_type(), rows)),
    };
    let columns = wanted.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(wanted), columns, &options)?)
}

/// Of a moment, a cast leaves out what a coarser unit or a day cannot hold; here that is an error.
fn cast_strictly(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let cast = cast_with_options(column, to, &STRICT)?;
    let is_cut = match (column.data_type(), to) {
        (DataType::Timestamp(..), DataType::Timestamp(..)) => {
            cast_with_options(&cast, column.data_type(), &STRICT)?.as_ref() != column.as_ref()
        }
        (DataType::Utf8, DataType::Date32) => {
            column.as_string::<i32>().iter().flatten().any(has_time)
        }
        _ => false,
    };
    match is_cut {
        true => Err(ArrowError::CastError("a moment is finer than its column".to_owned())),
        false => Ok(cast),
    }
}

/// Whether a text is a day and a time of it.
fn has_time(text: &str) -> bool {
    // Nothing is longer but years that have a sign.
    let may_have = text.len() > 10 && !text.starts_with(['+', '-']);
    may_have && string_to_datetime(&Utc, text).is_ok_and(|moment| moment.time() != NaiveTime::MIN)
}

fn misfit(field: &FieldRef, cause: ArrowError) -> Error {
    let message = format!("a value of the column `{}` is no {}", field.name(), field.data_type());
    Error::new(ErrorKind::DataInvalid, message)
        .with_hint("name its type under `columns` of the table, or raise its `infer_rows_max`")
        .with_source(cause)
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn a_batch_is_selected_in_parts() {
        let ids: ArrayRef = Arc::new((0..20).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let ranges = [(0, 8), (8, 8), (16, 4)].map(|(start, rows)| batch.slice(start, rows));
        assert_eq!(parts(batch, 8).collect::<Vec<_>>(), ranges);
    }

    #[test]
    fn a_block_that_is_too_long_is_refused() {
        let file_bytes = 4 << 30;
        assert_eq!(range(&Block::new(8, 64, 1000), file_bytes).unwrap(), 8..1072);
        let error = range(&Block::new(8, 64, 3 << 30), file_bytes).unwrap_err();
        assert!(error.to_string().contains("longer than 2 GiB"), "{error}");
        let error = range(&Block::new(8, 64, 5 << 30), file_bytes).unwrap_err();
        assert!(error.to_string().contains("outside the file"), "{error}");
    }
}
