//! From a name in a statement to a table of a datasource.
//!
//! A first part that names a datasource decides; any other name looks only at file datasources
//! and the configured default, so that a bare name wakes no warehouse.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::datasource::TableProvider;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::session_state::SessionState;
use futures::future::join_all;
use orbit_core::{Context, Datasources, Error, ErrorKind, Handle, Result, Version, closest};

use crate::lake::{
    FileTable, FoundTable, Lake, LakeStore, SchemaCache, TableData, TableStores, declared_types,
};
use crate::name::{NamePart, pick};
use crate::remote::{self, PartReading, RemoteTable};
use crate::sql::{Names, TableUse, split_suffix};
use crate::{EngineOptions, FormatTable, PathTables, TableFormat, TableInfo, TableOptions};

/// Stands for the schema of a table that has none.
const NO_SCHEMA: &str = "main";

/// What resolving a query's names needs and keeps.
pub(crate) struct Catalog<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) options: &'a EngineOptions,
    pub(crate) datasources: &'a Datasources,
    pub(crate) tables: &'a BTreeMap<String, BTreeMap<String, TableOptions>>,
    pub(crate) formats: &'a [Arc<dyn TableFormat>],
    pub(crate) paths: Option<&'a dyn PathTables>,
    pub(crate) schemas: &'a SchemaCache,
    lakes: Mutex<HashMap<String, Arc<Lake>>>,
}

/// A table that a name turned out to be.
#[derive(Clone)]
pub(crate) enum Resolved {
    /// Files of a datasource.
    File { lake: Arc<Lake>, found: Box<FoundTable>, version: Option<Version> },
    /// A table of a warehouse.
    Remote(Arc<RemoteTable>),
}

impl<'a> Catalog<'a> {
    /// A catalog for one query.
    pub(crate) fn new(
        cx: &'a Context,
        options: &'a EngineOptions,
        datasources: &'a Datasources,
        tables: &'a BTreeMap<String, BTreeMap<String, TableOptions>>,
        formats: &'a [Arc<dyn TableFormat>],
        paths: Option<&'a dyn PathTables>,
        schemas: &'a SchemaCache,
    ) -> Self {
        let lakes = Mutex::default();
        Self { cx, options, datasources, tables, formats, paths, schemas, lakes }
    }

    /// The table that `used` means.
    pub(crate) async fn resolve(&self, used: &TableUse) -> Result<Resolved> {
        if used.is_path {
            return self.path(used).await;
        }
        if let Some(found) = self.look_up(&used.parts, used.version).await? {
            return Ok(found);
        }
        // `"orders@v3"`: only when no table has the whole name.
        let mut parts = used.parts.clone();
        if used.version.is_none()
            && let Some(last) = parts.last_mut()
            && let Some((table, version)) = split_suffix(&last.text)
        {
            let version = version?;
            last.text = table.to_owned();
            if let Some(found) = self.look_up(&parts, Some(version)).await? {
                return Ok(found);
            }
        }
        Err(self.not_found(&used.parts))
    }

    async fn look_up(
        &self,
        parts: &[NamePart],
        version: Option<Version>,
    ) -> Result<Option<Resolved>> {
        if let Some((first, rest)) = parts.split_first().filter(|(_, rest)| !rest.is_empty())
            && let Some(name) = pick(first, self.datasources.iter().map(|h| h.name()))?
        {
            return self.in_datasource(self.datasources.require(name)?, rest, version).await;
        }
        let searched = self.datasources.iter().filter(|handle| self.is_searched(handle));
        let answers = join_all(searched.map(|handle| self.in_datasource(handle, parts, version)));
        let (mut hits, mut failure) = (Vec::new(), None);
        for answer in answers.await {
            match answer {
                Ok(hit) => hits.extend(hit),
                Err(error) => failure = Some(error),
            }
        }
        match (hits.pop(), hits.pop(), failure) {
            (Some(a), Some(b), _) => {
                let [a, b] = [&a, &b].map(|t| t.info().qualified_name());
                let name = parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(".");
                let message = format!("the table `{name}` could be {a} or {b}");
                Err(Error::new(ErrorKind::QueryInvalid, message).with_hint("name its datasource"))
            }
            (Some(hit), None, _) => Ok(Some(hit)),
            (None, _, Some(error)) => Err(error),
            (None, _, None) => Ok(None),
        }
    }

    /// Whether names without a datasource are looked for here.
    fn is_searched(&self, handle: &Handle) -> bool {
        handle.backend().capability.files.is_some()
            || self.options.default_datasource.as_deref() == Some(handle.name())
    }

    async fn in_datasource(
        &self,
        handle: &Arc<Handle>,
        parts: &[NamePart],
        version: Option<Version>,
    ) -> Result<Option<Resolved>> {
        let datasource = handle.open(self.cx).await?;
        let named = |e: Error| e.with_datasource(handle.name());
        if datasource.facets().sql.is_some() {
            let reading = self.part_reading();
            let found = remote::find(self.cx, handle, &datasource, parts, version, reading).await;
            return Ok(found.map_err(named)?.map(|table| Resolved::Remote(Arc::new(table))));
        }
        let lake = self.lake(handle).await?;
        let mut found = lake.find(parts, self.schemas).await.map_err(named)?;
        if let ([schema, rest @ ..], None) = (parts, &found)
            && !rest.is_empty()
            && schema.text == NO_SCHEMA
        {
            found = lake.find(rest, self.schemas).await.map_err(named)?;
        }
        found.map(|found| Resolved::file(lake, found, version)).transpose()
    }

    /// How tables of warehouses are read in parts, if they are.
    fn part_reading(&self) -> Option<PartReading> {
        let parts_max = self.options.source_partitions_max;
        (parts_max > 1).then(|| PartReading {
            parts_max,
            batch_rows: self.options.batch_rows,
            datasources: self.datasources.clone(),
        })
    }

    /// The lake of a file datasource, one for the whole query.
    pub(crate) async fn lake(&self, handle: &Arc<Handle>) -> Result<Arc<Lake>> {
        let datasource = handle.open(self.cx).await?;
        let mut lakes = self.lakes.lock().unwrap_or_else(PoisonError::into_inner);
        let lake = lakes.entry(handle.name().to_owned()).or_insert_with(|| {
            let tables = self.tables.get(handle.name()).cloned().unwrap_or_default();
            Arc::new(Lake::new(
                self.cx,
                handle.name(),
                handle.cache_scope(self.cx),
                datasource,
                tables,
                self.formats.to_vec(),
                self.options.limits.files_max,
            ))
        });
        Ok(Arc::clone(lake))
    }

    /// A path of this machine in place of a table.
    async fn path(&self, used: &TableUse) -> Result<Resolved> {
        let path = used.parts.first().map_or("", |p| p.text.as_str());
        let (lake, key) = self.open_path(path).await?;
        let found =
            lake.at(&key, Some(self.schemas)).await.map_err(|e| e.with_context("path", path))?;
        match found {
            Some(found) => Resolved::file(lake, found, used.version),
            None => {
                let message = format!("there is no table at '{path}'");
                Err(Error::new(ErrorKind::NotFound, message).with_hint(
                    "a path names a file, a folder or a glob of Parquet, CSV, JSON, Arrow or Delta",
                ))
            }
        }
    }

    /// The folder in which a path of this machine lies, and the key within it.
    pub(crate) async fn open_path(&self, path: &str) -> Result<(Arc<Lake>, String)> {
        let Some(paths) = self.paths else {
            let message = "a path in place of a table is only allowed on the command line";
            return Err(Error::new(ErrorKind::PermissionDenied, message)
                .with_hint("name a table of a configured datasource"));
        };
        let opened = paths.open(self.cx, path).await?;
        let lake = Arc::new(Lake::new(
            self.cx,
            path,
            format!("path.{path}"),
            opened.datasource,
            BTreeMap::new(),
            self.formats.to_vec(),
            self.options.limits.files_max,
        ));
        Ok((lake, opened.key))
    }

    /// Whether a datasource has a table of this name.
    pub(crate) async fn exists(&self, handle: &Arc<Handle>, parts: &[NamePart]) -> Result<bool> {
        Ok(self.in_datasource(handle, parts, None).await?.is_some())
    }

    fn not_found(&self, parts: &[NamePart]) -> Error {
        let name = parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(".");
        let error = Error::new(ErrorKind::NotFound, format!("there is no table `{name}`"));
        let [first, rest @ ..] = parts else { return error };
        let names = self.datasources.iter().map(|h| h.name());
        let hint = match (rest, closest(&first.text, names)) {
            ([_, ..], Some(near)) if near != first.text => {
                format!("did you mean the datasource `{near}`?")
            }
            _ => {
                let lakes = self.lakes.lock().unwrap_or_else(PoisonError::into_inner);
                let seen: Vec<_> = lakes.values().flat_map(|lake| lake.seen()).collect();
                let last = parts.last().map_or("", |p| p.text.as_str());
                match closest(last, seen.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`orbit tables` lists what there is".to_owned(),
                }
            }
        };
        error.with_hint(hint)
    }
}

impl Resolved {
    /// A table of files; only formats of another crate know versions.
    fn file(lake: Arc<Lake>, found: FoundTable, version: Option<Version>) -> Result<Self> {
        if version.is_some() && matches!(found.data, TableData::Files { .. }) {
            let info = found.info(lake.name());
            let message =
                format!("the {} table `{}` keeps no versions", info.kind, info.qualified_name());
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("time travel needs a Delta table"));
        }
        Ok(Self::File { lake, found: Box::new(found), version })
    }

    /// Its entry in a listing.
    pub(crate) fn info(&self) -> TableInfo {
        match self {
            Self::File { lake, found, .. } => found.info(lake.name()),
            Self::Remote(table) => table.info(),
        }
    }

    /// The names by which the plan will know it, and it alone: a second table of the same names
    /// would be read as the first.
    pub(crate) fn reference(&self) -> [String; 3] {
        let TableInfo { datasource, schema, table, .. } = self.info();
        let version = match self {
            Self::File { version, .. } => *version,
            Self::Remote(remote) => remote.table().version,
        };
        let table = match version {
            None if table.contains('@') => quoted(&table),
            None => table,
            Some(Version::Number(number)) => format!("{table}@v{number}"),
            Some(Version::Timestamp(micros)) => format!("{table}@{micros}us"),
        };
        [datasource, one_schema(&schema), table]
    }

    /// The table as DataFusion scans it.
    pub(crate) async fn provider(
        &self,
        catalog: &Catalog<'_>,
        session: &SessionState,
        store: &Arc<LakeStore>,
        stores: &Arc<dyn ObjectStoreRegistry>,
    ) -> Result<Arc<dyn TableProvider>> {
        match self {
            Self::Remote(table) => Ok(Arc::clone(table) as Arc<dyn TableProvider>),
            Self::File { lake, found, version } => match &found.data {
                TableData::Files { .. } => {
                    let types = declared_types(session, &found.options)?;
                    let opened =
                        FileTable::open(session, store, lake, found, &types, catalog.schemas);
                    Ok(Arc::new(opened.await?))
                }
                TableData::Format { folder, format } => {
                    let stores: Arc<dyn ObjectStoreRegistry> = Arc::new(TableStores {
                        stores: Arc::clone(stores),
                        files: Arc::clone(store),
                        datasource: lake.name().to_owned(),
                        folder: folder.clone(),
                    });
                    let table = lake.format_table(folder, &found.options, *version, &stores);
                    let table = FormatTable { faults: store.faults(), ..table };
                    format.open(table).await.map_err(|e| e.with_datasource(lake.name()))
                }
            },
        }
    }
}

/// The parts of a schema as one name, which no other parts have.
fn one_schema(parts: &[String]) -> String {
    let is_plain = |part: &str| !part.is_empty() && part != NO_SCHEMA && !part.contains(['.', '"']);
    let part = |part: &String| if is_plain(part) { part.clone() } else { quoted(part) };
    match parts {
        [] => NO_SCHEMA.to_owned(),
        parts => parts.iter().map(part).collect::<Vec<_>>().join("."),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names to be put into the statement for `used`.
pub(crate) fn names(used: &TableUse, resolved: &Resolved, provider: &dyn TableProvider) -> Names {
    let alias = if used.is_path {
        resolved.info().table
    } else {
        let last = used.parts.last().cloned().unwrap_or(NamePart::exact(""));
        let text = match split_suffix(&last.text) {
            Some((table, Ok(_))) if used.version.is_none() => table.to_owned(),
            _ => last.text,
        };
        if last.quoted { text } else { text.to_lowercase() }
    };
    let columns = provider.schema().fields().iter().map(|f| f.name().clone()).collect();
    Names { reference: resolved.reference(), alias, columns }
}
