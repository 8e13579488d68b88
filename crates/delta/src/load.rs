//! Reading a state of a table from its log, by delta-rs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use delta_kernel::Engine;
use delta_kernel::error::Error as KernelError;
use delta_kernel::history_manager::error::LogHistoryError;
use delta_kernel::history_manager::{HistoryCommitType, latest_version_as_of};
use delta_kernel::snapshot::Snapshot;
use deltalake::DeltaResult;
use deltalake::delta_datafusion::engine::DataFusionEngine;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{EagerSnapshot, Version};
use deltalake::logstore::{
    CommitOrBytes, LogStore, LogStoreConfig, StorageConfig, get_latest_version, read_commit_entry,
};
use object_store::ObjectStore;
use orbit_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::error;
use crate::log::{Log, Segment};
use crate::store::{OnlyStore, TableStore};

/// A table of which states are read.
pub(crate) struct Loader {
    pub(crate) store: Arc<TableStore>,
    pub(crate) log: Arc<Log>,
}

impl Loader {
    /// The state of `version`, made of `segment`.
    pub(crate) async fn state(&self, version: u64, segment: &Segment) -> Result<EagerSnapshot> {
        let source = LogSource::new(&self.store)?;
        match EagerSnapshot::try_new(&source, Some(version)).await {
            Ok(snapshot) => {
                error::refuse_foreign_files(&snapshot)?;
                Ok(snapshot)
            }
            Err(failure) => Err(error::of_log(failure, &self.store, segment).await),
        }
    }

    /// The newest version whose commit is not after `timestamp` (microseconds since 1970 UTC).
    pub(crate) async fn version_at(&self, timestamp: i64) -> Result<u64> {
        let last = self.log.last().unwrap_or_default();
        let segment = self.log.segment(last)?;
        let engine = LogSource::new(&self.store)?.engine(None);
        let url = self.store.root().url().clone();
        let search = move || {
            let snapshot = Snapshot::builder_for(url).at_version(last).build(engine.as_ref())?;
            // The log's clock ticks in milliseconds.
            let millis = timestamp.div_euclid(1000);
            let recreatable = HistoryCommitType::Recreatable;
            latest_version_as_of(&snapshot, engine.as_ref(), millis, recreatable)
        };
        let found = tokio::task::spawn_blocking(search).await.map_err(|join| {
            Error::new(ErrorKind::Unexpected, "looking for a version by time failed")
                .with_source(join)
        })?;
        match found {
            Ok(commit) => Ok(commit.version),
            Err(KernelError::LogHistory(history)) => Err(before_first(&history, &self.log)),
            Err(failure) => Err(error::of_log(failure.into(), &self.store, &segment).await),
        }
    }
}

fn before_first(history: &LogHistoryError, log: &Log) -> Error {
    match history {
        LogHistoryError::TimestampOutOfRange { .. } => {
            let first = log.first().unwrap_or_default();
            let message = "the table has no version that is as old as the time asked for";
            Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("its oldest version is {first}"))
        }
        other => Error::new(ErrorKind::DataInvalid, other.to_string()),
    }
}

/// A runtime in which the table's store is the only one; the rest is `base`'s, if given.
pub(crate) fn fenced_runtime(
    store: &Arc<TableStore>,
    base: Option<&RuntimeEnv>,
) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    let builder = base.map_or_else(RuntimeEnvBuilder::new, RuntimeEnvBuilder::from_runtime_env);
    let only = Arc::new(OnlyStore(Arc::clone(store)));
    builder.with_object_store_registry(only).build_arc()
}

/// The log as delta-rs asks for it. Its engine looks every file up by scheme and authority, and
/// so cannot be led to another store; delta-rs' default engine looks at paths alone, and sends
/// requests of its own to URLs that are presigned.
struct LogSource {
    store: Arc<TableStore>,
    engine: Arc<DataFusionEngine>,
    config: LogStoreConfig,
}

impl LogSource {
    fn new(store: &Arc<TableStore>) -> Result<Self> {
        let runtime = fenced_runtime(store, None).map_err(|failure| {
            Error::new(ErrorKind::Unexpected, "no runtime for reading a log").with_source(failure)
        })?;
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        Ok(Self {
            store: Arc::clone(store),
            engine: Arc::new(DataFusionEngine::new(context, Handle::current())),
            config: LogStoreConfig::new(store.root().url(), StorageConfig::default()),
        })
    }
}

impl fmt::Debug for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogSource").field(&self.store).finish()
    }
}

#[async_trait]
impl LogStore for LogSource {
    fn name(&self) -> String {
        "orbit".to_owned()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        read_commit_entry(self.store.as_ref(), version).await
    }

    async fn write_commit_entry(
        &self,
        _: Version,
        _: CommitOrBytes,
        _: Uuid,
    ) -> Result<(), TransactionError> {
        Err(read_only())
    }

    async fn abort_commit_entry(
        &self,
        _: Version,
        _: CommitOrBytes,
        _: Uuid,
    ) -> Result<(), TransactionError> {
        Err(read_only())
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        get_latest_version(self, start_version).await
    }

    fn object_store(&self, _: Option<Uuid>) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
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

fn read_only() -> TransactionError {
    let source = Error::new(ErrorKind::Unsupported, "a Delta table is only read here");
    TransactionError::LogStoreError { msg: source.to_string(), source: Box::new(source) }
}
