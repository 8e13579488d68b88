//! Stopping at the source what a caller left behind.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The cancels of one datasource: those that are under way, and those that may still come.
#[derive(Debug, Clone)]
pub struct Cancels {
    runtime: Handle,
    tasks: TaskTracker,
    timeout: Duration,
}

impl Cancels {
    /// Cancels run on the runtime of the caller, each no longer than `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { runtime: Handle::current(), tasks: TaskTracker::new(), timeout }
    }

    /// A guard that starts `cancel` when it is dropped, unless the work has ended by then.
    pub fn on_drop(&self, cancel: impl Future<Output = ()> + Send + 'static) -> CancelOnDrop {
        let cancel = Mutex::new(Some(cancel.boxed()));
        CancelOnDrop { cancel, cancels: self.clone(), _awaited: self.tasks.token() }
    }

    /// Waits until no guard is left and all cancels are done, but no longer than `limit`.
    pub async fn finish(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "statements may still run at the source");
        }
        self.tasks.reopen();
    }
}

/// Cancels work when it is dropped.
pub struct CancelOnDrop {
    // Never locked by two; it makes the guard one that threads may share.
    cancel: Mutex<Option<BoxFuture<'static, ()>>>,
    cancels: Cancels,
    // A task that is aborted drops its guard some time later, when its datasource may be closing.
    _awaited: TaskTrackerToken,
}

impl CancelOnDrop {
    /// The work has ended: nothing is left to cancel.
    pub fn disarm(&mut self) {
        self.take();
    }

    fn take(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.cancel.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(cancel) = self.take() else { return };
        let Cancels { runtime, tasks, timeout } = &self.cancels;
        let timeout = *timeout;
        let bounded = async move {
            if tokio::time::timeout(timeout, cancel).await.is_err() {
                tracing::warn!("a statement could not be cancelled in time");
            }
        };
        tasks.spawn_on(bounded, runtime);
    }
}

impl std::fmt::Debug for CancelOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelOnDrop").finish_non_exhaustive()
    }
}
