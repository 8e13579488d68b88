//! A table of files that DataFusion scans.
//!
//! The files are those that were listed when the name was resolved: planning and reading see
//! one state, and nothing is listed again.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Statistics};
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::FileFormat as DataFusionFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::{expr_applicable_for_cols, filter_partitioned_file};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion_datasource::compute_all_files_statistics;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use orbit_core::{Error, ErrorKind, FileStore, Result};
use regex::Regex;

use super::find::{FoundTable, Lake, TableData};
use super::format::infer_rows_max;
use super::infer::{Known, Opening, SchemaCache};
use super::json::Shape;
use super::old_bounds;
use super::partition::{self, PartitionColumns};
use super::source::{LakeSource, Reading};
use super::store::LakeStore;
use super::tail::tail_bytes;
use crate::error::{of_file, to_datafusion};
use crate::{FileFormat, TableOptions};

/// Files whose footers are read at once.
pub(super) const FOOTERS_MAX: usize = 32;

/// A table of files of one format.
pub(crate) struct FileTable {
    datasource: String,
    files: Vec<PartitionedFile>,
    format: Arc<dyn DataFusionFormat>,
    kind: FileFormat,
    /// Of JSON.
    shape: Option<Shape>,
    table_schema: TableSchema,
}

impl FileTable {
    /// Learns the schema of a table that was found; `types` are the configuration's, parsed.
    pub(crate) async fn open(
        session: &dyn Session,
        store: &Arc<LakeStore>,
        lake: &Lake,
        found: &FoundTable,
        types: &DeclaredTypes,
        schemas: &SchemaCache,
    ) -> Result<Self> {
        let TableData::Files { prefix, files, format, tail } = &found.data else {
            return Err(Error::new(ErrorKind::Unexpected, "not a table of files"));
        };
        let scope = lake.cache_scope();
        store.add_scope(scope, FileStore::new(Arc::clone(lake.datasource()), lake.cx().clone())?);
        let relative = |key: &str| key[prefix.len()..].to_owned();
        let keys: Vec<_> = files.iter().map(|f| relative(&f.key)).collect();
        let columns = partition::infer(keys.iter().map(String::as_str), &types.partitions)?;
        let metas = files.iter().map(|f| LakeStore::meta(scope, f)).collect::<Result<Vec<_>>>()?;
        if format.format == FileFormat::Parquet {
            store.add_footers(&metas);
        }
        let opening = Opening {
            lake,
            session,
            prefix,
            options: &found.options,
            kind: format.format,
            packing: format.compression(),
            infer_rows_max: infer_rows_max(&found.options),
            files: Arc::clone(store),
            store: Arc::clone(store) as Arc<dyn ObjectStore>,
            metas,
        };
        let tail_bytes = match (tail, opening.metas.as_slice()) {
            (Some(tail), [meta]) => {
                store.keep_tail(meta, tail);
                tail.len()
            }
            _ => tail_bytes(&opening.metas),
        };
        let reader = format.reader(&found.options, tail_bytes)?;
        let Known { schema, shape } = opening.learn(&*reader, &found.parts, schemas).await?;
        let file_schema = types.apply(&schema, &columns, shape.is_some())?;
        let parts = opening.metas.iter().zip(&keys).map(|(meta, key)| {
            let mut file = PartitionedFile::new_from_meta(meta.clone());
            file.partition_values = partition::values(key, &columns)?;
            Ok(file)
        });
        let fields = columns.iter().map(|(name, data_type)| {
            Arc::new(Field::new(name, data_type.clone(), true)) as FieldRef
        });
        Ok(Self {
            datasource: lake.name().to_owned(),
            files: parts.collect::<Result<_>>()?,
            kind: format.format,
            shape,
            format: reader,
            table_schema: TableSchema::builder(file_schema)
                .with_table_partition_cols(fields.collect::<Vec<_>>())
                .build(),
        })
    }

    fn partition_names(&self) -> Vec<&str> {
        self.table_schema.table_partition_cols().iter().map(|f| f.name().as_str()).collect()
    }

    /// The files whose folders can match `filters`.
    fn matching_files(&self, filters: &[Expr]) -> DataFusionResult<Vec<PartitionedFile>> {
        let names = self.partition_names();
        let on_folders = filters.iter().filter(|f| on_partitions(&names, f));
        // DataFusion takes an unknown answer for any: of a folder that is NULL most are unknown.
        let on_folders: Vec<Expr> = on_folders.map(|f| f.clone().is_true()).collect();
        let fields = self.table_schema.table_partition_cols();
        let schema = DFSchema::try_from(Schema::new(fields.clone()))?;
        let files = self.files.iter().cloned();
        files.filter_map(|f| filter_partitioned_file(f, &on_folders, &schema).transpose()).collect()
    }

    /// Each file with its statistics, from footers that are read once and kept.
    async fn with_statistics(
        &self,
        session: &dyn Session,
        files: Vec<PartitionedFile>,
    ) -> DataFusionResult<Vec<PartitionedFile>> {
        if self.kind != FileFormat::Parquet {
            let unknown = Arc::new(Statistics::new_unknown(self.table_schema.file_schema()));
            return Ok(files
                .into_iter()
                .map(|f| f.with_statistics(Arc::clone(&unknown)))
                .collect());
        }
        let store = session.runtime_env().object_store(LakeStore::url())?;
        let schema = self.table_schema.file_schema();
        let parquet = self.format.downcast_ref::<ParquetFormat>();
        let tail_bytes = parquet.and_then(ParquetFormat::metadata_size_hint);
        stream::iter(files)
            .map(|file| async {
                let known =
                    old_bounds::known(session, &*store, &file.object_meta, tail_bytes, schema);
                let known = known.await.map_err(|e| self.unreadable(&e, &file))?;
                let statistics = without_float_bounds(known.statistics, schema);
                Ok(file.with_statistics(Arc::new(statistics)).with_ordering(known.ordering))
            })
            .buffered(FOOTERS_MAX)
            .try_collect()
            .await
    }
}

impl FileTable {
    /// Says which file's footer could not be read.
    fn unreadable(&self, error: &DataFusionError, file: &PartitionedFile) -> DataFusionError {
        let key = LakeStore::key(file.object_meta.location.as_ref());
        to_datafusion(
            of_file(error).with_datasource(self.datasource.as_str()).with_context("file", key),
        )
    }

    /// The scan, with failures that name the file.
    async fn scan_of(
        &self,
        session: &dyn Session,
        config: FileScanConfig,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (config, reading) = match self.kind {
            FileFormat::Arrow => (config, Reading::Arrow),
            kind => {
                let plan = self.format.create_physical_plan(session, config).await?;
                let Some(config) = file_scan(&plan) else { return Ok(plan) };
                if matches!(kind, FileFormat::Parquet | FileFormat::Delta) {
                    let config = old_bounds::scan(config).unwrap_or_else(|| config.clone());
                    return Ok(DataSourceExec::from_data_source(config));
                }
                (config.clone(), self.text_reading()?)
            }
        };
        let source = LakeSource::new(Arc::clone(&config.file_source), reading, &self.datasource);
        let config = FileScanConfigBuilder::from(config).with_source(Arc::new(source)).build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn text_reading(&self) -> DataFusionResult<Reading> {
        if let Some(shape) = self.shape {
            return Ok(Reading::Json(shape));
        }
        let Some(csv) = self.format.downcast_ref::<CsvFormat>() else {
            return Ok(Reading::Plain);
        };
        let null = csv.options().null_regex.as_ref().map(|pattern| Regex::new(pattern));
        let null = null.transpose().map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(Reading::Csv { null })
    }
}

/// The files that a plan scans, where it is nothing but a scan.
fn file_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source = plan.downcast_ref::<DataSourceExec>()?.data_source();
    (source.as_ref() as &dyn Any).downcast_ref::<FileScanConfig>()
}

/// The statistics without the bounds of floats, which leave NaN out: it is the largest value.
fn without_float_bounds(mut statistics: Statistics, schema: &Schema) -> Statistics {
    for (column, field) in statistics.column_statistics.iter_mut().zip(schema.fields()) {
        if field.data_type().is_floating() {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
        }
    }
    statistics
}

/// Whether `filter` is decided by folder names alone.
fn on_partitions(names: &[&str], filter: &Expr) -> bool {
    !names.is_empty() && expr_applicable_for_cols(names, filter)
}

/// The types that the configuration names for a table's columns.
#[derive(Debug, Default)]
pub(crate) struct DeclaredTypes {
    /// Of columns in the files.
    pub(crate) columns: BTreeMap<String, DataType>,
    /// Of columns in folder names.
    pub(crate) partitions: BTreeMap<String, DataType>,
}

impl DeclaredTypes {
    /// The schema of the files with the declared types, without the columns of folder names;
    /// one that was not seen is added, where rows may have it further on.
    fn apply(
        &self,
        inferred: &Schema,
        partitions: &PartitionColumns,
        may_add: bool,
    ) -> Result<SchemaRef> {
        let mut added = Vec::new();
        for (name, data_type) in &self.columns {
            if inferred.field_with_name(name).is_ok() {
                continue;
            }
            if may_add {
                added.push(Arc::new(Field::new(name, data_type.clone(), true)));
            } else {
                let message =
                    format!("the configuration types a column `{name}` that is not there");
                return Err(Error::new(ErrorKind::ConfigInvalid, message));
            }
        }
        let in_folders =
            |field: &&FieldRef| partitions.iter().any(|(name, _)| name == field.name());
        let fields = inferred.fields().iter().filter(|f| !in_folders(f)).map(|field| {
            match self.columns.get(field.name()) {
                Some(data_type) => {
                    Arc::new(field.as_ref().clone().with_data_type(data_type.clone()))
                }
                None => Arc::clone(field),
            }
        });
        let fields: Vec<FieldRef> = fields.chain(added).collect();
        Ok(Arc::new(Schema::new_with_metadata(fields, inferred.metadata().clone())))
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.table_schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let names = self.partition_names();
        let judge = |filter: &&Expr| match on_partitions(&names, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(judge).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let files = self.matching_files(filters)?;
        let names = self.partition_names();
        let filtered = filters.iter().any(|f| !on_partitions(&names, f));
        let files = self.with_statistics(session, files).await?;
        let schema = self.schema();
        if files.is_empty() {
            let projected = datafusion::physical_plan::project_schema(&schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(projected)));
        }
        let groups = FileGroup::new(files).split_files(session.config().target_partitions());
        let (groups, statistics) =
            compute_all_files_statistics(groups, Arc::clone(&schema), true, false)?;
        let source = self.format.file_source(self.table_schema.clone());
        let config = FileScanConfigBuilder::new(LakeStore::url(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit.filter(|_| !filtered))
            .build();
        self.scan_of(session, config).await
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable")
            .field("datasource", &self.datasource)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// A type's name in SQL as DataFusion understands it, such as `decimal(12,2)`.
///
/// # Errors
/// `ConfigInvalid` when there is no such type.
pub(crate) fn declared_types(
    session: &datafusion::execution::SessionState,
    options: &TableOptions,
) -> Result<DeclaredTypes> {
    let parse = |types: &BTreeMap<String, String>| {
        let parse_one = |(column, name): (&String, &String)| {
            let invalid = |e: Option<DataFusionError>| {
                let message = format!("`{name}` of column `{column}` is not a type");
                let error = Error::new(ErrorKind::ConfigInvalid, message);
                e.map_or(error.clone(), |e| error.with_source(e))
            };
            let schema = DFSchema::empty();
            let expr = session.create_logical_expr(&format!("CAST(NULL AS {name})"), &schema);
            match expr.map_err(|e| invalid(Some(e)))? {
                Expr::Cast(cast) => Ok((column.clone(), cast.field.data_type().clone())),
                _ => Err(invalid(None)),
            }
        };
        types.iter().map(parse_one).collect::<Result<BTreeMap<_, _>>>()
    };
    Ok(DeclaredTypes { columns: parse(&options.columns)?, partitions: parse(&options.partitions)? })
}
