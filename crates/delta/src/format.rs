//! Opening a table: one listing, then the state that was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::datasource::TableProvider;
use orbit_core::{Context, Error, ErrorKind, FileStore, Result, Version};
use orbit_engine::{FormatTable, TableFormat};

use crate::load::Loader;
use crate::log::{LOG_FOLDER, Log};
use crate::provider::StateTable;
use crate::root::Root;
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
        let opened = cx.run(self.open_table(&cx, &table)).await;
        opened.map_err(|error| {
            let name = if table.folder.is_empty() { "/" } else { &table.folder };
            error.with_datasource(table.datasource_name).with_context("table", name)
        })
    }
}

impl Delta {
    async fn open_table(
        &self,
        cx: &Context,
        table: &FormatTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let key = (table.cache_scope.clone(), table.folder.clone());
        if let Some(seen) = self.snapshots.seen(&key) {
            match self.open_seen(cx, table, &key, seen).await {
                Ok(Some(provider)) => return Ok(provider),
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
    ) -> Result<Option<Arc<dyn TableProvider>>> {
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
    ) -> Result<Arc<dyn TableProvider>> {
        let files = FileStore::new(Arc::clone(&table.datasource), cx.clone())?;
        let Seen { root, log } = seen.clone();
        let store = TableStore::new(files, prefix(&table.folder), root.clone(), Arc::clone(&log));
        let loader = Loader { store: Arc::new(store), log };
        let version = match table.version {
            None => loader.log.last().unwrap_or_default(),
            Some(Version::Number(number)) => number,
            Some(Version::Timestamp(timestamp)) => loader.version_at(timestamp).await?,
        };
        let segment = loader.log.segment(version)?;
        self.snapshots.see(key, seen);
        let snapshot = match self.snapshots.state(key, &root, version) {
            Some(snapshot) => snapshot,
            None => {
                let snapshot = Arc::new(loader.state(version, &segment).await?);
                self.snapshots.keep(key, &root, &snapshot, segment.size_bytes);
                snapshot
            }
        };
        let provider = StateTable::new(snapshot, Arc::clone(&loader.store))?;
        table.stores.register_store(root.url(), loader.store);
        Ok(Arc::new(provider))
    }
}

/// The keys of a folder begin with this.
fn prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

/// Whether reading the log anew may mend it.
fn matters(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DataInvalid)
}
