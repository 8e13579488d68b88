//! Stopping at the source what a caller left behind, and what still runs when all is closed.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orbit_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Cancel = BoxFuture<'static, ()>;

/// The cancels of a datasource or of a session: those that are under way, and those that may
/// still come.
#[derive(Clone)]
pub struct Cancels(Arc<Shared>);

struct Shared {
    runtime: Handle,
    timeout: Duration,
    tasks: TaskTracker,
    closing: CancellationToken,
    ids: AtomicU64,
    /// Of the guards whose work has not ended. They lie here, so that closing can start them
    /// while somebody still holds the guard.
    armed: Mutex<HashMap<u64, Cancel>>,
}

impl Cancels {
    /// Cancels run on the runtime of the caller, each no longer than `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self(Arc::new(Shared {
            runtime: Handle::current(),
            timeout,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            ids: AtomicU64::new(0),
            armed: Mutex::default(),
        }))
    }

    /// A guard that starts `cancel` when it is dropped, unless the work has ended by then.
    pub fn on_drop(&self, cancel: impl Future<Output = ()> + Send + 'static) -> CancelOnDrop {
        let id = self.0.ids.fetch_add(1, Ordering::Relaxed);
        self.armed().insert(id, cancel.boxed());
        CancelOnDrop { id, cancels: self.clone() }
    }

    /// Ends all: starts the cancel of each guard whose work has not ended, and waits until all
    /// cancels are done, but no longer than `limit`.
    pub async fn finish(&self, limit: Duration) {
        let Shared { tasks, closing, .. } = self.0.as_ref();
        closing.cancel();
        let armed = std::mem::take(&mut *self.armed());
        armed.into_values().for_each(|cancel| self.start(cancel));
        // A closed tracker takes tasks all the same, and can be waited for.
        tasks.close();
        if tokio::time::timeout(limit, tasks.wait()).await.is_err() {
            tracing::warn!(left = tasks.len(), "statements may still run at the source");
        }
    }

    /// What `future` answers.
    ///
    /// # Errors
    /// `Unavailable` once [`finish`](Self::finish) was called.
    pub async fn until_closed<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.0.closing.cancelled() => {
                Err(Error::new(ErrorKind::Unavailable, "the datasource is closed"))
            }
            answer = future => Ok(answer),
        }
    }

    fn start(&self, cancel: Cancel) {
        let timeout = self.0.timeout;
        let bounded = async move {
            if tokio::time::timeout(timeout, cancel).await.is_err() {
                tracing::warn!("a statement could not be cancelled in time");
            }
        };
        self.0.tasks.spawn_on(bounded, &self.0.runtime);
    }

    fn armed(&self) -> MutexGuard<'_, HashMap<u64, Cancel>> {
        self.0.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cancels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancels").finish_non_exhaustive()
    }
}

/// Cancels work when it is dropped.
pub struct CancelOnDrop {
    id: u64,
    cancels: Cancels,
}

impl CancelOnDrop {
    /// The work has ended: nothing is left to cancel.
    pub fn disarm(&mut self) {
        drop(self.take());
    }

    /// The cancel, unless the work has ended or closing has started it. It is dropped by the
    /// caller, without the lock: what it holds may be guarded itself.
    fn take(&mut self) -> Option<Cancel> {
        self.cancels.armed().remove(&self.id)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Between taking it and starting it, whoever closes would see nothing to wait for.
        let _awaited = self.cancels.0.tasks.token();
        if let Some(cancel) = self.take() {
            self.cancels.start(cancel);
        }
    }
}

impl std::fmt::Debug for CancelOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelOnDrop").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn counted(cancels: &Cancels) -> (CancelOnDrop, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&count);
        let guard = cancels.on_drop(async move {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        (guard, count)
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_nobody_who_holds_a_guard() {
        let cancels = Cancels::new(LIMIT);
        let (held, cancelled) = counted(&cancels);
        let (mut ended, never) = counted(&cancels);
        ended.disarm();
        let begun = tokio::time::Instant::now();
        cancels.finish(LIMIT).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop((held, ended));
        cancels.finish(LIMIT).await;
        assert_eq!(cancelled.load(Ordering::SeqCst), 1);
        assert_eq!(never.load(Ordering::SeqCst), 0);
        assert!(cancels.until_closed(std::future::ready(())).await.is_err());
    }

    #[tokio::test]
    async fn a_guard_that_is_dropped_cancels_once() {
        let cancels = Cancels::new(LIMIT);
        let (guard, cancelled) = counted(&cancels);
        drop(guard);
        cancels.finish(LIMIT).await;
        assert_eq!(cancelled.load(Ordering::SeqCst), 1);
    }
}
