//! Reading a state of a table from its log, by delta-rs.

use std::sync::Arc;

use delta_kernel::error::Error as KernelError;
use delta_kernel::history_manager::error::LogHistoryError;
use delta_kernel::history_manager::{HistoryCommitType, latest_version_as_of};
use delta_kernel::snapshot::Snapshot;
use deltalake::kernel::EagerSnapshot;
use deltalake::logstore::LogStore;
use deltalake::table::state::DeltaTableState;
use orbit_core::{Error, ErrorKind, Result};

use crate::error;
use crate::log::{Log, Segment};
use crate::log_store::TableLog;
use crate::store::TableStore;

/// A table of which states are read.
pub(crate) struct Loader {
    pub(crate) store: Arc<TableStore>,
    pub(crate) log: Arc<Log>,
}

impl Loader {
    /// The state of `version`, made of `segment`, or of an `earlier` state and the commits
    /// since then.
    pub(crate) async fn state(
        &self,
        version: u64,
        segment: &Segment,
        earlier: Option<&EagerSnapshot>,
    ) -> Result<EagerSnapshot> {
        let source = TableLog::new(&self.store)?;
        let advanced = match earlier {
            Some(earlier) => advanced(earlier, &source, version).await,
            None => None,
        };
        let state = match advanced {
            Some(state) => Ok(state),
            // What this says of a log that cannot be read is said of the whole.
            None => EagerSnapshot::try_new(&source, Some(version)).await,
        };
        match state {
            Ok(snapshot) => {
                error::refuse_foreign_files(&snapshot, self.store.allowed())?;
                Ok(snapshot)
            }
            Err(failure) => Err(error::of_log(failure, &self.store, segment).await),
        }
    }

    /// The newest version whose commit is not after `timestamp` (microseconds since 1970 UTC).
    pub(crate) async fn version_at(&self, timestamp: i64) -> Result<u64> {
        let last = self.log.last().unwrap_or_default();
        let segment = self.log.segment(last)?;
        let engine = TableLog::new(&self.store)?.engine(None);
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

/// `earlier` with the commits up to `version`; none where it cannot be carried on.
async fn advanced(
    earlier: &EagerSnapshot,
    source: &TableLog,
    version: u64,
) -> Option<EagerSnapshot> {
    let mut state = DeltaTableState::new(earlier.clone());
    match state.update(source, Some(version)).await {
        Ok(()) if state.version() == version => Some(state.snapshot().clone()),
        Ok(()) | Err(_) => {
            source.store().take_fault();
            None
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
