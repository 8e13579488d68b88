//! Footers without the bounds of old writers that are ordered otherwise than we compare.
//!
//! `min` and `max`, from before there were `min_value` and `max_value`, are the first and the
//! last of a column whose bytes and numbers are taken as signed. Texts, bytes, decimals of a
//! fixed length and unsigned numbers are not compared so: pruned by them, rows are lost.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::{
    DFParquetMetadata, ordering_from_parquet_metadata,
};
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::file_format::FileMeta;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::{SortOrder, Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

/// What the footer of a file says of its rows, in the columns of `schema`; `tail_bytes` of the
/// file are read at first, where the footer is not kept.
pub(super) fn known<'a>(
    session: &'a dyn Session,
    store: &'a dyn ObjectStore,
    file: &'a ObjectMeta,
    tail_bytes: Option<usize>,
    schema: &'a SchemaRef,
) -> BoxFuture<'a, DataFusionResult<FileMeta>> {
    let kept = session.runtime_env().cache_manager.get_file_metadata_cache();
    async move {
        let footer = DFParquetMetadata::new(store, file)
            .with_metadata_size_hint(tail_bytes)
            .with_file_metadata_cache(Some(kept));
        let footer = without_old_bounds(footer.fetch_metadata().await?)?;
        let statistics = DFParquetMetadata::statistics_from_parquet_metadata(&footer, schema)?;
        let ordering = ordering_from_parquet_metadata(&footer, schema)?;
        Ok(FileMeta::new(statistics).with_ordering(ordering))
    }
    .boxed()
}

/// The scan of Parquet files, in which nothing is pruned by such bounds; none for other files.
pub(super) fn scan(config: &FileScanConfig) -> Option<FileScanConfig> {
    let source = config.file_source().downcast_ref::<ParquetSource>()?;
    let readers = Readers(Arc::clone(source.parquet_file_reader_factory()?));
    let source = source.clone().with_parquet_file_reader_factory(Arc::new(readers));
    Some(FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build())
}

/// The footer without such bounds.
fn without_old_bounds(footer: Arc<ParquetMetaData>) -> ParquetResult<Arc<ParquetMetaData>> {
    if !footer.row_groups().iter().flat_map(RowGroupMetaData::columns).any(is_misordered) {
        return Ok(footer);
    }
    let mut footer = Arc::unwrap_or_clone(footer).into_builder();
    let groups = footer.take_row_groups().into_iter().map(|group| {
        let mut group = group.into_builder();
        let columns = group.take_columns().into_iter().map(|column| match is_misordered(&column) {
            true => column.into_builder().clear_statistics().build(),
            false => Ok(column),
        });
        let columns = columns.collect::<ParquetResult<_>>()?;
        group.set_column_metadata(columns).build()
    });
    let groups = groups.collect::<ParquetResult<_>>()?;
    Ok(Arc::new(footer.set_row_groups(groups).build()))
}

/// Whether a column has bounds of another order.
fn is_misordered(column: &ColumnChunkMetaData) -> bool {
    let Some(statistics) = column.statistics() else { return false };
    let has_bounds = statistics.min_bytes_opt().is_some() || statistics.max_bytes_opt().is_some();
    if !has_bounds || !statistics.is_min_max_deprecated() {
        return false;
    }
    let described = column.column_descr();
    match described.physical_type() {
        Type::BOOLEAN => false,
        Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE => {
            described.sort_order() != SortOrder::SIGNED
        }
        Type::INT96 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => true,
    }
}

/// Makes readers that see footers without such bounds.
#[derive(Debug)]
struct Readers(Arc<dyn ParquetFileReaderFactory>);

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        tail_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let reader = self.0.create_reader(partition, file, tail_bytes, metrics)?;
        Ok(Box::new(Reader(reader)))
    }
}

/// A reader that sees footers without such bounds.
struct Reader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let footer = self.0.get_metadata(options);
        async move { without_old_bounds(footer.await?) }.boxed()
    }
}
