//! Runs a stream on a worker, so that whoever waits for it hears a signal or a clock at once.

use futures::StreamExt;
use futures::stream;
use orbit_core::{BatchStream, Error};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// Batches that may be ready before they are asked for.
const BATCHES_AHEAD_MAX: usize = 2;

/// The same stream, computed by `workers` until it is dropped; `fault` tells of a panic.
pub(crate) fn spawn(
    workers: &Handle,
    mut stream: BatchStream,
    fault: fn(JoinError) -> Error,
) -> BatchStream {
    let (schema, summary) = (stream.schema(), stream.summary_handle());
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
    let task = AbortOnDropHandle::new(workers.spawn(async move {
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    }));
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
