//! Work that goes on when its caller has left: removing what an upload left behind.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// How long closing waits for what is under way.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// The clean-ups of one datasource.
#[derive(Debug, Clone)]
pub struct Cleanups {
    tracker: TaskTracker,
    runtime: Handle,
}

impl Cleanups {
    /// None yet. They run on the runtime that calls this, also when they are begun elsewhere.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Runs `work`, whoever waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(work, &self.runtime);
    }

    /// Waits until all have ended, or a few seconds.
    pub async fn close(&self) {
        self.tracker.close();
        if tokio::time::timeout(CLOSE_WAIT, self.tracker.wait()).await.is_err() {
            tracing::warn!("closed before every unfinished upload was removed");
        }
    }
}

impl Default for Cleanups {
    fn default() -> Self {
        Self::new()
    }
}
