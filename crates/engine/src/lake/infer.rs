//! The columns of a table of files, learnt from footers or from a part of the rows, and kept as
//! long as the files do not change.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, Fields, SchemaRef};
use datafusion::catalog::Session;
use datafusion::datasource::file_format::FileFormat as DataFusionFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};
use orbit_core::{Error, Result};

use super::csv_rows::in_rows;
use super::find::Lake;
use super::json::{self, Shape};
use super::merge::Merged;
use super::store::LakeStore;
use super::table::FOOTERS_MAX;
use super::{arrow, text};
use crate::error::{is_of_a_file, of_file};
use crate::{FileFormat, TableOptions};

/// Rows of each CSV file from which types are inferred, at least.
const INFER_ROWS_MIN: usize = 100;

/// Schemas that are kept.
const SCHEMAS_MAX: usize = 4096;

/// What was learnt of a table's files.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) schema: SchemaRef,
    /// Of JSON.
    pub(super) shape: Option<Shape>,
}

/// What was learnt of tables, as long as their files do not change.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache(Mutex<HashMap<String, (u64, Known)>>);

impl SchemaCache {
    /// Names a table of a lake.
    fn key(lake: &Lake, prefix: &str, parts: &[String], options: &TableOptions) -> String {
        format!("{}/{prefix}/{}/{options:?}", lake.cache_scope(), parts.join("."))
    }

    /// Whether something was learnt of a table, so that its footers are probably kept.
    pub(super) fn knows(
        &self,
        lake: &Lake,
        prefix: &str,
        parts: &[String],
        options: &TableOptions,
    ) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(&Self::key(lake, prefix, parts, options))
    }

    fn get(&self, table: &str, files: u64) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(table).filter(|(of, _)| *of == files).map(|(_, known)| known.clone())
    }

    fn put(&self, table: String, files: u64, learnt: Known) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SCHEMAS_MAX {
            known.clear();
        }
        known.insert(table, (files, learnt));
    }
}

/// A lake's table on the way to its schema.
pub(super) struct Opening<'a> {
    pub(super) lake: &'a Lake,
    pub(super) session: &'a dyn Session,
    pub(super) prefix: &'a str,
    pub(super) options: &'a TableOptions,
    pub(super) kind: FileFormat,
    pub(super) packing: FileCompressionType,
    pub(super) infer_rows_max: usize,
    pub(super) files: Arc<LakeStore>,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) metas: Vec<ObjectMeta>,
}

impl Opening<'_> {
    /// What the files have in common.
    pub(super) async fn learn(
        &self,
        format: &dyn DataFusionFormat,
        parts: &[String],
        cache: &SchemaCache,
    ) -> Result<Known> {
        let table = SchemaCache::key(self.lake, self.prefix, parts, self.options);
        let mut hasher = DefaultHasher::new();
        for meta in &self.metas {
            (meta.location.as_ref(), meta.size, meta.last_modified).hash(&mut hasher);
        }
        let files = hasher.finish();
        if let Some(known) = cache.get(&table, files) {
            return Ok(known);
        }
        let known = match self.kind {
            FileFormat::Json => self.sample_json().await?,
            _ => Known { schema: self.infer(format).await?, shape: None },
        };
        cache.put(table, files, known.clone());
        Ok(known)
    }

    /// The columns of the first rows of each file, as far as the rows to be looked at last.
    async fn sample_json(&self) -> Result<Known> {
        let each = (self.infer_rows_max / self.metas.len().max(1)).max(1);
        let mut samples = stream::iter(self.metas.iter().take(self.infer_rows_max.max(1)))
            .map(|meta| async move {
                let text = text::open(&*self.store, &meta.location, self.packing);
                let sampled = async { json::sample(text.await?, each).await }.await;
                sampled.map_err(|e| self.unreadable(e, slice::from_ref(meta)))
            })
            .boxed()
            .buffered(FOOTERS_MAX);
        let mut rows = DataType::Struct(Fields::empty());
        let is_sample = self.metas.len() > self.infer_rows_max.max(1);
        let mut shape = Shape { is_sample, is_lines: true };
        while let Some((columns, Shape { is_sample, is_lines })) = samples.try_next().await? {
            let both = json::type_of_both(&rows, &columns);
            rows = both.map_err(|e| self.unreadable(e, &self.metas))?;
            shape.is_sample |= is_sample;
            shape.is_lines &= is_lines;
        }
        Ok(Known { schema: json::schema(rows), shape: Some(shape) })
    }

    /// The schema that all files have in common.
    async fn infer(&self, format: &dyn DataFusionFormat) -> Result<SchemaRef> {
        let csv = format.downcast_ref::<CsvFormat>();
        let mut merged = if csv.is_some() { Merged::of_text() } else { Merged::default() };
        let mut schemas = stream::iter(&self.metas)
            .map(|meta| async move {
                let schema = match (self.kind, csv) {
                    (FileFormat::Arrow, _) => arrow::schema(&*self.store, meta).await,
                    (_, Some(csv)) => self.infer_csv(csv, meta).await,
                    (_, None) => {
                        format.infer_schema(self.session, &self.store, slice::from_ref(meta)).await
                    }
                };
                schema.map_err(|e| self.unreadable(e, slice::from_ref(meta)))
            })
            .boxed()
            .buffered(FOOTERS_MAX);
        while let Some(schema) = schemas.try_next().await? {
            merged.add(&schema).map_err(|e| self.placed(e, &self.metas))?;
        }
        Ok(merged.finish())
    }

    /// The columns of a CSV file by its share of the rows to be looked at.
    async fn infer_csv(&self, csv: &CsvFormat, meta: &ObjectMeta) -> DataFusionResult<SchemaRef> {
        let text = text::open(&*self.store, &meta.location, self.packing).await?;
        let rows_max = self.infer_rows_max;
        let rows = (rows_max / self.metas.len().max(1)).max(INFER_ROWS_MIN).min(rows_max);
        let whole_rows = in_rows(text::in_lines(text), csv.options(), rows);
        let (schema, _) = csv.infer_schema_from_stream(self.session, rows, whole_rows).await?;
        Ok(Arc::new(schema))
    }

    /// Says which of the table's files could not be read.
    fn unreadable(&self, error: DataFusionError, metas: &[ObjectMeta]) -> Error {
        if is_of_a_file(&error) {
            return self.placed(self.files.cause(error), metas);
        }
        self.placed(of_file(&error), metas)
    }

    fn placed(&self, error: Error, metas: &[ObjectMeta]) -> Error {
        let error = error.with_datasource(self.lake.name());
        let is_placed = error.context().any(|(name, _)| name == "file");
        match metas {
            _ if is_placed => error,
            [meta] => error.with_context("file", LakeStore::key(meta.location.as_ref())),
            _ => error.with_context("folder", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::Schema;

    use super::*;

    #[test]
    fn what_is_kept_of_tables_is_bounded() {
        let cache = SchemaCache::default();
        let known = Known { schema: Arc::new(Schema::empty()), shape: None };
        for table in 0..3 * SCHEMAS_MAX {
            cache.put(table.to_string(), 7, known.clone());
            assert!(cache.0.lock().unwrap().len() <= SCHEMAS_MAX);
            assert!(cache.get(&table.to_string(), 7).is_some());
            assert!(cache.get(&table.to_string(), 8).is_none(), "its files have changed");
        }
    }
}
