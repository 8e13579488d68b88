//! Opening a table: one listing, then the state that was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::TableProvider;
use deltalake::kernel::EagerSnapshot;
use orbit_core::{Context, Error, ErrorKind, FileStore, Result, Version, WriteEffect};
use orbit_engine::{FormatCommand, FormatTable, TableAnswer, TableFormat};

use crate::load::Loader;
use crate::log::{LOG_FOLDER, Log, Segment};
use crate::provider::StateTable;
use crate::root::Root;
use crate::roots::AllowedRoots;
use crate::snapshots::{Seen, Snapshots, TableKey};
use crate::store::TableStore;

/// The Delta format, and what it keeps between queries.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    snapshots: Snapshots,
}

#[async_trait]
impl TableFormat for Delta {
    fn name(&self) -> &'static str {
        "delta"
    }

    fn marker(&self) -> &'static str {
        LOG_FOLDER
    }

    async fn open(&self, table: FormatTable) -> Result<Arc<dyn TableProvider>> {
        let cx = table.cx.for_datasource(table.datasource_name.as_str());
        let opened = cx.run(self.opened(&cx, &table)).await;
        let provided = opened.and_then(|Opened { loader, snapshot }| {
            let provider = StateTable::new(snapshot, Arc::clone(&loader.store))?;
            let url = loader.store.root().url().clone();
            table.stores.register_store(&url, loader.store);
            Ok(Arc::new(provider) as Arc<dyn TableProvider>)
        });
        provided.map_err(|error| named(error, table))
    }

    async fn command(
        &self,
        table: FormatTable,
        session: Arc<dyn Session>,
        command: FormatCommand,
    ) -> Result<TableAnswer> {
        let cx = table.cx.for_datasource(table.datasource_name.as_str());
        let writes = command.command.writes();
        let answer = cx.run(self.run(&cx, &table, session, command)).await;
        answer.map_err(|error| {
            let given_up = matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout);
            let error = match error.write_effect() {
                None if writes && given_up => error.with_write_effect(WriteEffect::Unknown),
                _ => error,
            };
            named(error, table)
        })
    }
}

fn named(error: Error, table: FormatTable) -> Error {
    let name = if table.folder.is_empty() { "/".to_owned() } else { table.folder };
    error.with_datasource(table.datasource_name).with_context("table", name)
}

/// A table that was opened: its log, and one state of it.
pub(crate) struct Opened {
    pub(crate) loader: Loader,
    pub(crate) snapshot: Arc<EagerSnapshot>,
}

impl Delta {
    /// The table as it is, or as the version that is asked for.
    pub(crate) async fn opened(&self, cx: &Context, table: &FormatTable) -> Result<Opened> {
        let key = (table.cache_scope.clone(), table.folder.clone());
        if let Some(seen) = self.snapshots.seen(&key) {
            match self.open_seen(cx, table, &key, seen).await {
                Ok(Some(opened)) => return Ok(opened),
                // What was kept no longer fits what is there: a table made anew, or a log
                // that was cleaned up.
                Err(error) if !matters(&error) => return Err(error),
                Ok(None) | Err(_) => self.snapshots.forget(&key),
            }
        }
        let folder = prefix(&table.folder);
        let log = Log::list(cx, table.datasource.as_ref(), &folder, None).await?;
        let seen = Seen { root: Root::next()?, log: Arc::new(log.unwrap_or_default()) };
        self.state(cx, table, &key, seen).await
    }

    /// The table if it still is the one that was seen.
    async fn open_seen(
        &self,
        cx: &Context,
        table: &FormatTable,
        key: &TableKey,
        seen: Seen,
    ) -> Result<Option<Opened>> {
        let folder = prefix(&table.folder);
        let log = Log::list(cx, table.datasource.as_ref(), &folder, Some(&seen.log)).await?;
        match log {
            Some(log) => {
                let seen = Seen { log: Arc::new(log), ..seen };
                self.state(cx, table, key, seen).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn state(
        &self,
        cx: &Context,
        table: &FormatTable,
        key: &TableKey,
        seen: Seen,
    ) -> Result<Opened> {
        let files = FileStore::new(Arc::clone(&table.datasource), cx.clone())?;
        let Seen { root, log } = seen.clone();
        let allowed = Arc::new(AllowedRoots::new(&table.allowed_roots)?);
        let folder = prefix(&table.folder);
        let faults = table.faults.clone();
        let log_seen = Some(Arc::clone(&log));
        let store = TableStore::new(files, folder, root, log_seen, allowed, faults);
        let loader = Loader { store: Arc::new(store), log };
        let version = match table.version {
            None => loader.log.last().unwrap_or_default(),
            Some(Version::Number(number)) => number,
            Some(Version::Timestamp(timestamp)) => loader.version_at(timestamp).await?,
        };
        let segment = loader.log.segment(version)?;
        self.snapshots.see(key, seen);
        let snapshot = self.snapshot(key, &loader, version, &segment).await?;
        Ok(Opened { loader, snapshot })
    }

    /// Another state of an opened table.
    pub(crate) async fn snapshot_of(
        &self,
        table: &FormatTable,
        opened: &Opened,
        version: u64,
    ) -> Result<Arc<EagerSnapshot>> {
        let key = (table.cache_scope.clone(), table.folder.clone());
        let segment = opened.loader.log.segment(version)?;
        self.snapshot(&key, &opened.loader, version, &segment).await
    }

    async fn snapshot(
        &self,
        key: &TableKey,
        loader: &Loader,
        version: u64,
        segment: &Segment,
    ) -> Result<Arc<EagerSnapshot>> {
        let root = loader.store.root();
        if let Some(snapshot) = self.snapshots.state(key, root, version) {
            return Ok(snapshot);
        }
        let earlier = self.snapshots.before(key, root, version);
        let state = loader.state(version, segment, earlier.as_deref()).await?;
        let snapshot = Arc::new(state);
        self.snapshots.keep(key, root, &snapshot, segment.size_bytes);
        if let Some(earlier) = earlier {
            self.snapshots.drop_state(key, root, earlier.version());
        }
        Ok(snapshot)
    }
}

/// The keys of a folder begin with this.
pub(crate) fn prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

/// Whether reading the log anew may mend it.
fn matters(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DataInvalid)
}
