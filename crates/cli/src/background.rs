//! Work where queries compute, so that whoever waits for it hears a signal or a clock at once.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use orbit_core::{BatchStream, Error};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Batches that may be ready before they are asked for.
const BATCHES_AHEAD_MAX: usize = 2;

/// Where queries compute, and what is at work there.
#[derive(Debug, Clone)]
pub(crate) struct Workers {
    runtime: Handle,
    tasks: TaskTracker,
}

impl Workers {
    /// Workers of `runtime`.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, tasks: TaskTracker::new() }
    }

    /// Starts work, which is stopped when its handle is dropped.
    pub(crate) fn start<F>(&self, work: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        AbortOnDropHandle::new(self.tasks.spawn_on(work, &self.runtime))
    }

    /// The same stream, computed here until it is dropped; `fault` tells of a panic.
    pub(crate) fn stream(
        &self,
        mut stream: BatchStream,
        fault: fn(JoinError) -> Error,
    ) -> BatchStream {
        let (schema, summary) = (stream.schema(), stream.summary_handle());
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
        let task = self.start(async move {
            while let Some(item) = stream.next().await {
                if sender.send(item).await.is_err() {
                    break;
                }
            }
        });
        let batches = stream::unfold(Some((receiver, task)), move |state| async move {
            let (mut receiver, task) = state?;
            if let Some(item) = receiver.recv().await {
                return Some((item, Some((receiver, task))));
            }
            // Without this, a worker that panicked would look like the end of the rows.
            let cause = task.await.err()?;
            Some((Err(fault(cause)), None))
        });
        BatchStream::with_summary(schema, batches, summary)
    }

    /// Waits until everything that was started is gone, but no longer than `limit`. What was
    /// stopped goes when its thread comes to it, and only then begins to cancel at its sources.
    pub(crate) async fn finish(&self, limit: Duration) {
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.ok();
    }
}
