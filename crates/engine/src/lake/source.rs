//! Reads of files whose failures name the file.
//!
//! DataFusion's sources plan the reads; the formats of which its readers read too little are
//! opened here.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{CsvSource, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::file_stream::{FileOpenFuture, FileOpener};
use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use regex::Regex;

use super::arrow::ArrowOpener;
use super::csv::CsvOpener;
use super::json::{JsonOpener, Shape};
use super::store::LakeStore;
use crate::error::{of_file, to_datafusion};

/// Who opens the files.
#[derive(Clone)]
pub(super) enum Reading {
    /// DataFusion.
    Plain,
    /// CSV, by the names of columns; these texts are NULL.
    Csv { null: Option<Regex> },
    /// JSON, of this shape.
    Json(Shape),
    /// Arrow IPC.
    Arrow,
}

/// A source whose failures name the file.
#[derive(Clone)]
pub(super) struct LakeSource {
    inner: Arc<dyn FileSource>,
    reading: Reading,
    datasource: Arc<str>,
    batch_rows: usize,
}

impl LakeSource {
    /// What `inner` plans, read from `datasource`.
    pub(super) fn new(inner: Arc<dyn FileSource>, reading: Reading, datasource: &str) -> Self {
        Self { inner, reading, datasource: datasource.into(), batch_rows: 8192 }
    }

    /// What opens files as batches of the columns `wanted`.
    fn opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        wanted: SchemaRef,
    ) -> Arc<dyn FileOpener> {
        let packing = config.file_compression_type;
        match (&self.reading, self.inner.downcast_ref::<CsvSource>()) {
            (Reading::Csv { null }, Some(csv)) => Arc::new(CsvOpener {
                store,
                csv: csv.clone(),
                null: null.clone(),
                wanted,
                batch_rows: self.batch_rows,
                packing,
            }),
            (Reading::Json(shape), _) => Arc::new(JsonOpener {
                store,
                columns: Arc::clone(self.table_schema().file_schema()),
                wanted,
                shape: *shape,
                batch_rows: self.batch_rows,
                packing,
            }),
            _ => Arc::new(ArrowOpener { store, wanted, batch_rows: self.batch_rows }),
        }
    }
}

impl FileSource for LakeSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let opener = if matches!(self.reading, Reading::Plain) {
            self.inner.create_file_opener(store, config, partition)?
        } else {
            let schema = self.table_schema().file_schema();
            let projection = match self.inner.projection() {
                Some(projection) => SplitProjection::new(schema, projection),
                None => SplitProjection::unprojected(self.table_schema()),
            };
            let wanted = Arc::new(schema.project(&projection.file_indices)?);
            let opener = self.opener(store, config, wanted);
            ProjectionOpener::try_new(projection, opener, schema)?
        };
        Ok(Arc::new(NamingOpener { opener, datasource: Arc::clone(&self.datasource) }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        let inner = self.inner.with_batch_size(batch_rows);
        Arc::new(Self { inner, batch_rows, ..self.clone() })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(form, f)
    }

    fn supports_repartitioning(&self) -> bool {
        let is_whole = matches!(&self.reading, Reading::Json(shape) if !shape.is_lines);
        !is_whole && self.inner.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        partitions: usize,
        file_size_min: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        if !self.supports_repartitioning() {
            return Ok(None);
        }
        self.inner.repartitioned(partitions, file_size_min, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        options: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut pushed = self.inner.try_pushdown_filters(filters, options)?;
        pushed.updated_node =
            pushed.updated_node.map(|inner| Arc::new(Self { inner, ..self.clone() }) as _);
        Ok(pushed)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let inner = self.inner.try_pushdown_projection(projection)?;
        Ok(inner.map(|inner| Arc::new(Self { inner, ..self.clone() }) as _))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(visit)
    }
}

/// Says which file could not be opened or read.
struct NamingOpener {
    opener: Arc<dyn FileOpener>,
    datasource: Arc<str>,
}

impl FileOpener for NamingOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let key = LakeStore::key(file.object_meta.location.as_ref()).to_owned();
        let datasource = Arc::clone(&self.datasource);
        let named = move |error: DataFusionError| {
            let error = of_file(&error).with_datasource(&*datasource);
            to_datafusion(error.with_context("file", key.as_str()))
        };
        let opening = self.opener.open(file)?;
        Ok(Box::pin(async move {
            let batches = opening.await.map_err(&named)?;
            Ok(batches.map_err(named).boxed())
        }))
    }
}
