//! The Parquet files that a source wrote in place of an answer, read under their own
//! datasource's identity and limits.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use futures::{FutureExt, TryFutureExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use orbit_core::{Context, Datasources, FileStore, Result};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::{inner, of_file};

/// What is read of a file's end at first; a longer footer takes a second request.
const FOOTER_BYTES: usize = 64 << 10;

/// The files of the datasource `name`, for the query of `cx`.
pub(super) async fn store(
    cx: &Context,
    datasources: &Datasources,
    name: &str,
) -> Result<FileStore> {
    let opened = datasources.require(name)?.open(cx).await?;
    FileStore::new(opened, cx.for_datasource(name)).map_err(|e| e.with_datasource(name))
}

/// The rows of the files, one after the other, in the columns of `schema`.
pub(super) fn read(
    store: FileStore,
    keys: Vec<String>,
    schema: SchemaRef,
    batch_rows: usize,
) -> impl Stream<Item = Result<RecordBatch>> {
    let open = move |key: String| {
        let (store, schema) = (store.clone(), Arc::clone(&schema));
        async move {
            let name = store.datasource().to_owned();
            // What the store says of a file names it already.
            let place = move |error: DataFusionError, key: &str| match inner(&error) {
                Some(said) => said.clone().with_datasource(name.as_str()),
                None => of_file(&error).with_datasource(name.as_str()).with_context("key", key),
            };
            let file = ParquetFile::open(store, &key).await;
            let batches = match file {
                Ok(file) => batches(file, Arc::clone(&schema), batch_rows).await,
                Err(error) => Err(error),
            };
            let batches = batches.map_err(|e| place(e, &key))?;
            Ok(batches.map_err(move |e| place(e, &key)))
        }
    };
    stream::iter(keys).then(open).try_flatten()
}

async fn batches(
    mut file: ParquetFile,
    schema: SchemaRef,
    batch_rows: usize,
) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>>, DataFusionError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load_async(&mut file, options).await?;
    let metadata = with_units_of(metadata, &schema)?;
    check(metadata.schema(), &schema)?;
    let batches = ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata)
        .with_batch_size(batch_rows)
        .build()?;
    let converted = move |batch| futures::future::ready(convert(&batch, &schema));
    Ok(batches.map_err(DataFusionError::from).and_then(converted))
}

/// Reads the old timestamps of 96 bits in the unit that is wanted: nanoseconds, which they
/// become otherwise, do not reach beyond the year 2262.
fn with_units_of(
    metadata: ArrowReaderMetadata,
    schema: &Schema,
) -> ParquetResult<ArrowReaderMetadata> {
    let columns = metadata.parquet_schema().columns();
    if columns.len() != schema.fields().len()
        || !columns.iter().any(|column| column.physical_type() == PhysicalType::INT96)
    {
        return Ok(metadata);
    }
    let fields = metadata.schema().fields().iter().zip(columns).zip(schema.fields());
    let fields = fields.map(|((field, column), wanted)| match wanted.data_type() {
        DataType::Timestamp(unit, _) if column.physical_type() == PhysicalType::INT96 => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Timestamp(*unit, None)))
        }
        _ => Arc::clone(field),
    });
    let hint = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(hint);
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
}

/// Whether the file has the columns of `schema`, whatever their case, in types that hold the
/// same values.
fn check(file: &Schema, schema: &Schema) -> Result<(), ArrowError> {
    let fits = |(field, wanted): (&Arc<Field>, &Arc<Field>)| {
        field.name().eq_ignore_ascii_case(wanted.name())
            && is_alike(field.data_type(), wanted.data_type())
    };
    let same_number = file.fields().len() == schema.fields().len();
    if same_number && file.fields().iter().zip(schema.fields()).all(fits) {
        return Ok(());
    }
    let columns = |schema: &Schema| {
        let shown = schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type()));
        shown.collect::<Vec<_>>().join(", ")
    };
    Err(ArrowError::SchemaError(format!(
        "the file has the columns {}, and the query has {}",
        columns(file),
        columns(schema)
    )))
}

/// Whether values of the one type are values of the other, unless they are out of its range.
fn is_alike(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let is_text = |t: &T| matches!(t, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let is_bytes = |t: &T| matches!(t, T::Binary | T::LargeBinary | T::BinaryView);
    match (from, to) {
        (T::Decimal128(_, from), T::Decimal128(_, to)) => from <= to,
        (T::Timestamp(_, from), T::Timestamp(_, to)) => from.is_none() || to.is_some(),
        _ => {
            from == to
                || (from.is_integer() && to.is_integer())
                || (is_text(from) && is_text(to))
                || (is_bytes(from) && is_bytes(to))
        }
    }
}

/// The batch in the types of `schema`; a value that does not fit is an error.
fn convert(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Result<Vec<_>, _> =
        columns.map(|(column, f)| cast_with_options(column, f.data_type(), &strict)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns?, &options)?)
}

/// A Parquet file as it was when it was opened.
struct ParquetFile {
    store: FileStore,
    path: Path,
    size_bytes: u64,
    etag: Option<String>,
}

impl ParquetFile {
    async fn open(store: FileStore, key: &str) -> Result<Self, DataFusionError> {
        let path = Path::parse(key).map_err(object_store::Error::from)?;
        let meta = store.head(&path).await?;
        Ok(Self { store, path, size_bytes: meta.size, etag: meta.e_tag })
    }
}

impl AsyncFileReader for ParquetFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let missing = || ParquetError::General("a range was not answered".to_owned());
        self.get_byte_ranges(vec![range])
            .map(move |ranges| ranges?.pop().ok_or_else(missing))
            .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let etag = self.etag.clone();
        async move { self.store.get_ranges_if_match(&self.path, &ranges, etag).await }
            .map_err(|error| ParquetError::External(Box::new(error)))
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let (size_bytes, reader) = (self.size_bytes, ParquetMetaDataReader::new());
        let reader = reader.with_prefetch_hint(Some(FOOTER_BYTES));
        reader.load_and_finish(self, size_bytes).map_ok(Arc::new).boxed()
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::is_alike;

    #[test]
    fn values_are_never_rounded() {
        let micros =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        assert!(is_alike(&DataType::Decimal128(10, 2), &DataType::Decimal128(12, 2)));
        assert!(!is_alike(&DataType::Decimal128(10, 4), &DataType::Decimal128(12, 2)));
        assert!(is_alike(&DataType::Int32, &DataType::Int16));
        assert!(!is_alike(&DataType::Float64, &DataType::Int64));
        assert!(!is_alike(&DataType::Utf8, &DataType::Int64));
        assert!(is_alike(&micros(None), &micros(Some("UTC"))));
        assert!(!is_alike(&micros(Some("UTC")), &micros(None)));
    }
}
