//! Runs a stream on a worker, so that whoever waits for it hears a signal at once: a plan may
//! compute for long without giving way.

use futures::StreamExt;
use futures::stream;
use orbit_core::{BatchStream, Context, Error, ErrorKind};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Batches that may be ready before they are asked for.
const BATCHES_AHEAD_MAX: usize = 2;

/// The same stream, computed on a worker until it is dropped or the context ends.
pub(crate) fn in_background(mut stream: BatchStream, cx: &Context) -> BatchStream {
    let (schema, summary) = (stream.schema(), stream.summary_handle());
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    }));
    let batches = stream::unfold(Some((receiver, task)), |state| async move {
        let (mut receiver, task) = state?;
        if let Some(item) = receiver.recv().await {
            return Some((item, Some((receiver, task))));
        }
        // Without this, a worker that panicked would look like the end of the rows.
        let cause = task.await.err()?;
        let error = Error::new(ErrorKind::Unexpected, "the query ended by a fault in ORBIT");
        Some((Err(error.with_source(cause)), None))
    });
    BatchStream::with_summary(schema, batches, summary).bounded_by(cx)
}
