//! Finds tables among files: by the configuration's names, else by convention.
//!
//! By convention a file is a table named by what stands before its ending, a folder that holds
//! files of one format (perhaps below `name=value` folders) is a table, and any other folder
//! is a schema of the tables in it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::execution::object_store::ObjectStoreRegistry;
use glob::{MatchOptions, Pattern};
use orbit_core::{
    Context, Datasource, Error, ErrorKind, FileInfo, Operation, Result, Stat, Version,
};

use super::format::DataFormat;
use super::infer::SchemaCache;
use super::list::{self, Level};
use super::scan::{FolderScan, format_of};
use super::tail::read_tail;
use crate::name::{NamePart, pick};
use crate::{Faults, FileFormat, FormatTable, TableFormat, TableInfo, TableOptions};

/// What separates the folders of a glob.
const GLOB: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The tables of one file datasource, as one query sees them: nothing is listed twice.
pub(crate) struct Lake {
    cx: Context,
    name: String,
    cache_scope: String,
    datasource: Arc<dyn Datasource>,
    pub(super) tables: BTreeMap<String, TableOptions>,
    formats: Vec<Arc<dyn TableFormat>>,
    files_max: usize,
    levels: Mutex<HashMap<String, Arc<Level>>>,
}

/// A table that was found.
#[derive(Debug, Clone)]
pub(crate) struct FoundTable {
    /// Its name below the datasource, in exact case.
    pub(crate) parts: Vec<String>,
    /// How it is read.
    pub(crate) options: TableOptions,
    /// What it is made of.
    pub(crate) data: TableData,
}

/// What a table is made of.
#[derive(Debug, Clone)]
pub(crate) enum TableData {
    /// Files of one format; `prefix` is what all their keys begin with, up to a slash, and
    /// `tail` the end of the only file, where it was read to learn its size.
    Files { prefix: String, files: Vec<FileInfo>, format: DataFormat, tail: Option<Bytes> },
    /// A folder of another crate's format.
    Format { folder: String, format: Arc<dyn TableFormat> },
}

impl FoundTable {
    /// Its entry in a listing.
    pub(crate) fn info(&self, datasource: &str) -> TableInfo {
        let (kind, sizes) = match &self.data {
            TableData::Files { files, format, .. } => (format.name(), Some(files)),
            TableData::Format { format, .. } => (format.name(), None),
        };
        let (table, schema) =
            self.parts.split_last().map_or((String::new(), &[][..]), |(t, s)| (t.clone(), s));
        TableInfo {
            datasource: datasource.to_owned(),
            schema: schema.to_vec(),
            table,
            kind: kind.to_owned(),
            bytes: sizes.map(|files| files.iter().map(|f| f.size_bytes).sum()),
            files: sizes.map(|files| files.len() as u64),
        }
    }
}

impl Lake {
    /// The tables of `datasource`, which is known as `name`.
    pub(crate) fn new(
        cx: &Context,
        name: &str,
        cache_scope: String,
        datasource: Arc<dyn Datasource>,
        tables: BTreeMap<String, TableOptions>,
        formats: Vec<Arc<dyn TableFormat>>,
        files_max: usize,
    ) -> Self {
        let cx = cx.for_datasource(name);
        let (name, levels) = (name.to_owned(), Mutex::default());
        Self { cx, name, cache_scope, datasource, tables, formats, files_max, levels }
    }

    /// The datasource's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The datasource in its layers.
    pub(crate) fn datasource(&self) -> &Arc<dyn Datasource> {
        &self.datasource
    }

    /// The query, seen by this datasource.
    pub(crate) fn cx(&self) -> &Context {
        &self.cx
    }

    /// A table of another crate's format in it.
    pub(crate) fn format_table(
        &self,
        folder: &str,
        options: &TableOptions,
        version: Option<Version>,
        stores: &Arc<dyn ObjectStoreRegistry>,
    ) -> FormatTable {
        FormatTable {
            cx: self.cx.clone(),
            datasource: Arc::clone(&self.datasource),
            datasource_name: self.name.clone(),
            cache_scope: self.cache_scope.clone(),
            folder: folder.to_owned(),
            allowed_roots: options.allowed_roots.clone(),
            version,
            stores: Arc::clone(stores),
            faults: Faults::default(),
        }
    }

    /// Keys what may be kept of its files.
    pub(crate) fn cache_scope(&self) -> &str {
        &self.cache_scope
    }

    /// The names that were seen while looking for tables.
    pub(crate) fn seen(&self) -> Vec<String> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen: Vec<String> = self.tables.keys().cloned().collect();
        for (prefix, level) in levels.iter() {
            seen.extend(level.folders.iter().cloned());
            let stems =
                level.files.iter().filter_map(|f| DataFormat::of_name(&f.key[prefix.len()..]));
            seen.extend(stems.map(|(_, stem)| stem.to_owned()));
        }
        seen
    }

    /// The table of this name, if there is one; `learnt` are those that were read before.
    pub(crate) async fn find(
        &self,
        name: &[NamePart],
        learnt: &SchemaCache,
    ) -> Result<Option<FoundTable>> {
        let Some((table, schema)) = name.split_last() else { return Ok(None) };
        if schema.is_empty()
            && let Some(configured) = pick(table, self.tables.keys().map(String::as_str))?
        {
            let options = &self.tables[configured];
            return self.configured(configured, options, Some(learnt)).await.map(Some);
        }
        let mut prefix = String::new();
        let mut parts = Vec::new();
        for part in schema {
            let level = self.level(&prefix).await?;
            let Some(folder) = pick(part, level.folders.iter().map(String::as_str))? else {
                return Ok(None);
            };
            parts.push(folder.to_owned());
            prefix = format!("{prefix}{folder}/");
        }
        self.in_folder(&prefix, parts, table).await
    }

    /// The table `wanted` among what lies directly in `prefix`.
    async fn in_folder(
        &self,
        prefix: &str,
        mut parts: Vec<String>,
        wanted: &NamePart,
    ) -> Result<Option<FoundTable>> {
        let level = self.level(prefix).await?;
        let folders = level.folders.iter().map(String::as_str).filter(|f| !list::is_hidden(f));
        let files = level.files.iter().filter_map(|info| {
            let file_name = &info.key[prefix.len()..];
            let (format, stem) = DataFormat::of_name(file_name)?;
            (!list::is_hidden(file_name)).then_some((info, format, stem, file_name))
        });
        let files: Vec<_> = files.collect();
        let stems = files.iter().map(|(_, _, stem, _)| *stem);
        let whole_names = files.iter().map(|(_, _, _, file_name)| *file_name);
        let Some(found) = pick(wanted, folders.clone().chain(stems).chain(whole_names))? else {
            return Ok(None);
        };
        let matching: Vec<_> =
            files.iter().filter(|(_, _, stem, whole)| *stem == found || *whole == found).collect();
        let is_folder = folders.clone().any(|f| f == found);
        parts.push(found.to_owned());
        match (is_folder, matching.as_slice()) {
            (true, []) => {
                self.folder(parts, &format!("{prefix}{found}"), &TableOptions::default()).await
            }
            (false, [(info, format, ..)]) => Ok(Some(FoundTable {
                parts,
                options: TableOptions::default(),
                data: TableData::Files {
                    prefix: prefix.to_owned(),
                    files: vec![(*info).clone()],
                    format: *format,
                    tail: None,
                },
            })),
            _ => {
                let names: Vec<_> =
                    matching.iter().map(|(.., whole)| format!("\"{whole}\"")).collect();
                let message = format!("`{found}` is the name of more than one table");
                Err(self.error(ErrorKind::QueryInvalid, message).with_hint(format!(
                    "name the file, such as {}, or name the tables in the configuration",
                    names.join(" or ")
                )))
            }
        }
    }

    /// The table that a folder is, if it is one.
    pub(super) async fn folder(
        &self,
        parts: Vec<String>,
        folder: &str,
        options: &TableOptions,
    ) -> Result<Option<FoundTable>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut scan = FolderScan::new(&prefix, options, &self.formats);
        let take = |info| scan.take(info);
        let listed = list::deep(&self.cx, &*self.datasource, &prefix, self.files_max, take).await;
        if let Err(error) = listed {
            if error.kind() != ErrorKind::ResourceExhausted {
                return Err(error);
            }
            // In the order of keys a marker may come after more files than are listed.
            scan.table_format = self.marked(&prefix, options).await?;
            if scan.table_format.is_none() {
                return Err(error);
            }
        }
        let data = if let Some(format) = scan.table_format {
            TableData::Format { folder: folder.to_owned(), format }
        } else if let Some(format) = scan.format {
            if let Some(other) = scan.other_format {
                let message = format!(
                    "the folder `{folder}` holds {} and {} files",
                    format.name(),
                    other.name()
                );
                return Err(self
                    .error(ErrorKind::QueryInvalid, message)
                    .with_hint("name its tables under `tables:`, each with a path and a format"));
            }
            let files = scan.files;
            TableData::Files { prefix: prefix.clone(), files, format, tail: None }
        } else {
            return Ok(None);
        };
        Ok(Some(FoundTable { parts, options: options.clone(), data }))
    }

    /// The format whose marker lies in a folder.
    async fn marked(
        &self,
        prefix: &str,
        options: &TableOptions,
    ) -> Result<Option<Arc<dyn TableFormat>>> {
        if options.format.is_some_and(|format| format != FileFormat::Delta) {
            return Ok(None);
        }
        for format in &self.formats {
            let folder = format!("{prefix}{}/", format.marker());
            let mut is_there = false;
            let first = |_| {
                is_there = true;
                false
            };
            list::deep(&self.cx, &*self.datasource, &folder, usize::MAX, first).await?;
            if is_there {
                return Ok(Some(Arc::clone(format)));
            }
        }
        Ok(None)
    }

    /// The table at a key: a file, a folder or a glob.
    pub(crate) async fn at(
        &self,
        key: &str,
        learnt: Option<&SchemaCache>,
    ) -> Result<Option<FoundTable>> {
        let last = key.trim_end_matches('/').rsplit('/').next().unwrap_or(key);
        let name = DataFormat::of_name(last).map_or(last, |(_, stem)| stem);
        self.by_path(vec![name.to_owned()], key, &TableOptions::default(), learnt).await
    }

    async fn by_path(
        &self,
        parts: Vec<String>,
        path: &str,
        options: &TableOptions,
        learnt: Option<&SchemaCache>,
    ) -> Result<Option<FoundTable>> {
        let path = path.trim_matches('/');
        if path.contains(['*', '?', '[']) {
            self.glob(parts, path, options).await
        } else if DataFormat::of_name(path).is_some() {
            self.single(parts, path, options, learnt).await
        } else {
            self.folder(parts, path, options).await
        }
    }

    /// A table that the configuration names.
    pub(super) async fn configured(
        &self,
        name: &str,
        options: &TableOptions,
        learnt: Option<&SchemaCache>,
    ) -> Result<FoundTable> {
        let path = options.path.as_str();
        let found = self.by_path(vec![name.to_owned()], path, options, learnt).await?;
        found.ok_or_else(|| {
            self.error(ErrorKind::NotFound, format!("the table `{name}` has no files"))
                .with_context("path", path)
        })
    }

    /// The table of exactly one key. A Parquet file of which nothing was learnt before is read
    /// at once, where its rows are wanted.
    async fn single(
        &self,
        parts: Vec<String>,
        key: &str,
        options: &TableOptions,
        learnt: Option<&SchemaCache>,
    ) -> Result<Option<FoundTable>> {
        let Some(format) = format_of(key, options) else { return Ok(None) };
        let prefix = key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let is_new = learnt.is_some_and(|l| !l.knows(self, &prefix, &parts, options));
        let (info, tail) = if is_new && format.format == FileFormat::Parquet {
            let (info, tail) = read_tail(&self.cx, &*self.datasource, key).await?;
            (info, Some(tail))
        } else {
            let files = self.datasource.facets().files;
            let files = files.ok_or_else(|| Error::unsupported(Operation::Stat))?;
            (files.stat(&self.cx, Stat { key: key.to_owned() }).await?, None)
        };
        let data = TableData::Files { prefix, files: vec![info], format, tail };
        Ok(Some(FoundTable { parts, options: options.clone(), data }))
    }

    /// The table of all keys that a pattern matches; folders named `name=value` become columns.
    async fn glob(
        &self,
        parts: Vec<String>,
        pattern: &str,
        options: &TableOptions,
    ) -> Result<Option<FoundTable>> {
        let matcher = Pattern::new(pattern).map_err(|e| {
            self.error(ErrorKind::QueryInvalid, format!("`{pattern}` is not a pattern: {e}"))
        })?;
        let fixed = &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())];
        let prefix =
            fixed.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let (mut files, mut format, mut other) = (Vec::new(), None, None);
        list::deep(&self.cx, &*self.datasource, fixed, self.files_max, |info| {
            let relative = &info.key[prefix.len()..];
            if matcher.matches_with(&info.key, GLOB)
                && !list::is_hidden(relative)
                && let Some(this) = format_of(&info.key, options)
            {
                match format {
                    None => format = Some(this),
                    Some(first) if first != this => other = Some(this),
                    Some(_) => {}
                }
                files.push(info);
            }
            true
        })
        .await?;
        match (format, other) {
            (None, _) => Ok(None),
            (Some(a), Some(b)) => {
                let message = format!("`{pattern}` matches {} and {} files", a.name(), b.name());
                Err(self.error(ErrorKind::QueryInvalid, message).with_hint("say the format"))
            }
            (Some(format), None) => {
                let data = TableData::Files { prefix, files, format, tail: None };
                Ok(Some(FoundTable { parts, options: options.clone(), data }))
            }
        }
    }

    pub(super) async fn level(&self, prefix: &str) -> Result<Arc<Level>> {
        let known = self.levels.lock().unwrap_or_else(PoisonError::into_inner).get(prefix).cloned();
        if let Some(level) = known {
            return Ok(level);
        }
        let level = list::level(&self.cx, &*self.datasource, prefix, self.files_max).await?;
        let level = Arc::new(level);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.insert(prefix.to_owned(), Arc::clone(&level));
        Ok(level)
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).with_datasource(self.name())
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("name", &self.name).finish_non_exhaustive()
    }
}
