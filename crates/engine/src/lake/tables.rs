//! Lists the tables of a lake, those of the configuration and those by convention.

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{ErrorKind, Result};

use super::find::{FoundTable, Lake};
use super::format::DataFormat;
use super::list;
use crate::{TableInfo, TableOptions};

/// Folders within folders that a listing of tables looks into.
const SCHEMA_DEPTH_MAX: usize = 3;

/// Folders looked into at once.
const LISTINGS_MAX: usize = 8;

impl Lake {
    /// Every table, in the order of their names.
    pub(crate) async fn tables(&self) -> Result<Vec<TableInfo>> {
        // Boxed one by one: a closure that borrows would keep this future off other threads.
        let mut configured = Vec::with_capacity(self.tables.len());
        for (name, options) in &self.tables {
            configured.push(self.configured(name, options, None).boxed());
        }
        let mut configured = stream::iter(configured).buffered(LISTINGS_MAX);
        let mut tables = Vec::new();
        while let Some(found) = configured.try_next().await? {
            tables.push(found.info(self.name()));
        }
        let mut pending = vec![Vec::<String>::new()];
        while let Some(schema) = pending.pop() {
            let (found, schemas) = self.tables_in(&schema).await?;
            tables.extend(found);
            if schema.len() < SCHEMA_DEPTH_MAX {
                pending.extend(schemas);
            }
        }
        tables.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
        tables.dedup_by(|a, b| (&a.schema, &a.table) == (&b.schema, &b.table));
        Ok(tables)
    }

    /// The tables directly in a schema, and the folders in it that are schemas.
    async fn tables_in(&self, schema: &[String]) -> Result<(Vec<TableInfo>, Vec<Vec<String>>)> {
        let prefix: String = schema.iter().map(|part| format!("{part}/")).collect();
        let level = self.level(&prefix).await?;
        let mut tables = Vec::new();
        for info in &level.files {
            let file_name = &info.key[prefix.len()..];
            if list::is_hidden(file_name) {
                continue;
            }
            if let Some((format, stem)) = DataFormat::of_name(file_name) {
                tables.push(TableInfo {
                    datasource: self.name().to_owned(),
                    schema: schema.to_vec(),
                    table: stem.to_owned(),
                    kind: format.name().to_owned(),
                    bytes: Some(info.size_bytes),
                    files: Some(1),
                });
            }
        }
        let options = TableOptions::default();
        let (mut names, mut within) = (Vec::new(), Vec::new());
        for folder in &level.folders {
            if folder.is_empty() {
                self.left_out(&prefix, "a key with an empty segment is no part of a table");
            } else if !list::is_hidden(folder) {
                let parts: Vec<String> = schema.iter().cloned().chain([folder.clone()]).collect();
                within.push(self.folder_at(parts.clone(), format!("{prefix}{folder}"), &options));
                names.push(parts);
            }
        }
        let mut within = stream::iter(within).buffered(LISTINGS_MAX);
        let mut schemas = Vec::new();
        for parts in names {
            match within.next().await {
                Some(Ok(Some(found))) => tables.push(found.info(self.name())),
                Some(Ok(None)) => schemas.push(parts),
                // It hides no other folder; who asks for it is refused.
                Some(Err(error)) if error.kind() == ErrorKind::QueryInvalid => {
                    self.left_out(&prefix, error.message());
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok((tables, schemas))
    }

    /// Tells of what lies in `folder` and is not listed.
    fn left_out(&self, folder: &str, why: &str) {
        tracing::warn!(datasource = self.name(), folder, "left out of the tables: {why}");
    }

    /// [`folder`](Self::folder), boxed.
    fn folder_at<'a>(
        &'a self,
        parts: Vec<String>,
        folder: String,
        options: &'a TableOptions,
    ) -> BoxFuture<'a, Result<Option<FoundTable>>> {
        async move { self.folder(parts, &folder, options).await }.boxed()
    }
}
