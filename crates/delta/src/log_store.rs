//! A table's log as delta-rs asks for it: reading through fenced engines, and commits that are
//! written once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use delta_kernel::Engine;
use deltalake::DeltaResult;
use deltalake::delta_datafusion::engine::DataFusionEngine;
use deltalake::kernel::Version;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{
    CommitOrBytes, LogStore, LogStoreConfig, StorageConfig, default_logstore, get_latest_version,
    read_commit_entry,
};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as StoreError, ObjectStore, PutMode, PutOptions};
use orbit_core::{Error, ErrorKind, Result, WriteEffect};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::engine::LogEngine;
use crate::error::orbit_cause;
use crate::log::{LOG_FOLDER, commit_name};
use crate::store::{OnlyStore, TableStore};

/// The name by which delta-rs knows stores that take a commit as bytes, to be created as one.
const TAKES_BYTES: &str = "DefaultLogStore";

/// A commit that this log wrote.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) version: u64,
    pub(crate) actions: Bytes,
}

/// The log of one table, for one query.
pub(crate) struct TableLog {
    store: Arc<TableStore>,
    prefixed: Arc<dyn ObjectStore>,
    engine: Arc<LogEngine>,
    config: LogStoreConfig,
    /// Only the first version may be written.
    creates: bool,
    committed: Mutex<Vec<Committed>>,
}

impl TableLog {
    /// The log of the table in `store`.
    pub(crate) fn new(store: &Arc<TableStore>) -> Result<Self> {
        let runtime = fenced_runtime(store, None).map_err(|failure| {
            Error::new(ErrorKind::Unexpected, "no runtime for reading a log").with_source(failure)
        })?;
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        let reads = Arc::new(DataFusionEngine::new(context, Handle::current()));
        let url = store.root().url();
        let prefixed = prefixed(store);
        let root = Arc::clone(store) as Arc<dyn ObjectStore>;
        let storage = StorageConfig::default();
        let writes = default_logstore(Arc::clone(&prefixed), root, url, &storage).engine(None);
        Ok(Self {
            store: Arc::clone(store),
            prefixed,
            engine: Arc::new(LogEngine::new(reads, writes.as_ref(), store.root().clone())),
            config: LogStoreConfig::new(url, storage),
            creates: false,
            committed: Mutex::default(),
        })
    }

    /// The same, for making the table: another writer's first commit is never followed by ours.
    pub(crate) fn creating(self) -> Self {
        Self { creates: true, ..self }
    }

    /// The table's files.
    pub(crate) fn store(&self) -> &TableStore {
        &self.store
    }

    /// The commits that were written, in order.
    pub(crate) fn committed(&self) -> Vec<Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wrote(&self, version: u64, actions: Bytes) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.push(Committed { version, actions });
    }

    /// Writes a commit; true when it stands, false when the version is another writer's.
    async fn commit(&self, version: u64, actions: &Bytes) -> Result<bool> {
        let path = Path::from_iter([LOG_FOLDER, &commit_name(version)]);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.prefixed.put_opts(&path, actions.clone().into(), options).await;
        let Err(failure) = put else { return Ok(true) };
        // The answer may have been lost on its way, also where a request was sent again below.
        match read_commit_entry(self.prefixed.as_ref(), version).await {
            Ok(Some(there)) if there == actions => {
                self.store.take_fault();
                Ok(true)
            }
            Ok(Some(_)) => {
                self.store.take_fault();
                Ok(false)
            }
            Ok(None) | Err(_) => Err(unanswered(version, failure)),
        }
    }
}

/// A commit of which nobody knows whether it stands, unless the store said so.
fn unanswered(version: u64, failure: StoreError) -> Error {
    let cause = orbit_cause(&failure).cloned();
    let error = cause.unwrap_or_else(|| {
        Error::new(ErrorKind::Unexpected, "the commit was not written").with_source(failure)
    });
    let effect = error.write_effect().unwrap_or(WriteEffect::Unknown);
    error.with_write_effect(effect).with_context("version", version.to_string())
}

/// The table's files by their names in the log.
fn prefixed(store: &Arc<TableStore>) -> Arc<dyn ObjectStore> {
    Arc::new(PrefixStore::new(Arc::clone(store), store.root().path().clone()))
}

/// A runtime in which the table's store is the only one; the rest is `base`'s, if given.
pub(crate) fn fenced_runtime(
    store: &Arc<TableStore>,
    base: Option<&RuntimeEnv>,
) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    let builder = base.map_or_else(RuntimeEnvBuilder::new, RuntimeEnvBuilder::from_runtime_env);
    let only = OnlyStore { store: Arc::clone(store), prefixed: prefixed(store) };
    builder.with_object_store_registry(Arc::new(only)).build_arc()
}

impl fmt::Debug for TableLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TableLog").field(&self.store).finish()
    }
}

#[async_trait]
impl LogStore for TableLog {
    fn name(&self) -> String {
        TAKES_BYTES.to_owned()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        read_commit_entry(self.prefixed.as_ref(), version).await
    }

    async fn write_commit_entry(
        &self,
        version: Version,
        commit: CommitOrBytes,
        _: Uuid,
    ) -> Result<(), TransactionError> {
        let CommitOrBytes::LogBytes(actions) = commit else {
            let message = "a commit is written from its bytes";
            return Err(refused(Error::new(ErrorKind::Unexpected, message)));
        };
        match self.commit(version, &actions).await {
            Ok(true) => {
                self.wrote(version, actions);
                Ok(())
            }
            Ok(false) if self.creates => {
                let message = "another writer has made the table meanwhile";
                let error = Error::new(ErrorKind::AlreadyExists, message);
                Err(refused(error.with_write_effect(WriteEffect::None)))
            }
            Ok(false) => Err(TransactionError::VersionAlreadyExists(version)),
            Err(error) => Err(refused(error)),
        }
    }

    async fn abort_commit_entry(
        &self,
        _: Version,
        _: CommitOrBytes,
        _: Uuid,
    ) -> Result<(), TransactionError> {
        Ok(())
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        get_latest_version(self, start_version).await
    }

    fn object_store(&self, _: Option<Uuid>) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.prefixed)
    }

    fn root_object_store(&self, _: Option<Uuid>) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }

    fn engine(&self, _: Option<Uuid>) -> Arc<dyn Engine> {
        Arc::clone(&self.engine) as Arc<dyn Engine>
    }

    fn config(&self) -> &LogStoreConfig {
        &self.config
    }
}

fn refused(error: Error) -> TransactionError {
    TransactionError::LogStoreError { msg: error.to_string(), source: Box::new(error) }
}
