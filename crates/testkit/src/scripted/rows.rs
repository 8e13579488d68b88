//! The streams of a scripted source: counted, stoppable, and faulty on command.

use std::vec;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream;
use orbit_core::{BatchStream, Context, Error, ErrorKind, Event, Result, SummaryHandle, Target};
use tokio_util::sync::CancellationToken;

use super::{Counts, Scripted, StreamFault};

/// A statement at work, as seen from outside.
pub(super) struct Running {
    pub(super) target: String,
    pub(super) stop: CancellationToken,
}

/// A statement at work; dropping it without an outcome counts as dropped.
pub(super) struct Work {
    pub(super) id: String,
    source: Scripted,
    stop: CancellationToken,
    ended: bool,
}

impl Work {
    /// Begins a statement: it has an id before anything can go wrong.
    pub(super) fn begin(source: &Scripted, cx: &Context, target: &Target) -> Self {
        let target = match target {
            Target::Table(table) => table.name.to_string(),
            Target::Statement { text, .. } => text.clone(),
        };
        let mut state = source.state();
        state.statements += 1;
        let id = format!("scripted-{}", state.statements);
        let stop = CancellationToken::new();
        state.running.insert(id.clone(), Running { target, stop: stop.clone() });
        state.counts.started += 1;
        state.counts.running += 1;
        drop(state);
        cx.report(Event::Requests(1));
        cx.report(Event::Statement { id: id.clone() });
        Self { id, source: source.clone(), stop, ended: false }
    }

    /// Ends it, counted as `result` says.
    pub(super) fn end<T>(&mut self, result: &Result<T>) {
        match result.as_ref().map_err(Error::kind) {
            Ok(_) => self.count(|c| c.finished += 1),
            Err(ErrorKind::Cancelled | ErrorKind::Timeout) => self.count(|c| c.cancelled += 1),
            Err(_) => self.count(|c| c.failed += 1),
        }
    }

    fn count(&mut self, outcome: impl FnOnce(&mut Counts)) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut state = self.source.state();
        state.running.remove(&self.id);
        state.counts.running -= 1;
        outcome(&mut state.counts);
    }

    /// Waits for `future` until the caller or a cancel by id ends it.
    pub(super) async fn run<T>(
        &self,
        cx: &Context,
        future: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            result = cx.run(future) => result,
            () = self.stop.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "the statement was stopped by its id"))
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.count(|c| c.dropped += 1);
    }
}

/// The stream of `rows`, in batches; it ends unless it is `endless`.
pub(super) fn stream_of(
    cx: &Context,
    work: Work,
    rows: &RecordBatch,
    endless: bool,
) -> BatchStream {
    let size = work.source.script().batch_rows;
    let pieces: Vec<_> = (0..rows.num_rows())
        .step_by(size)
        .map(|from| rows.slice(from, size.min(rows.num_rows() - from)))
        .collect();
    let fault = if endless {
        StreamFault::HangAfter { batches: pieces.len() }
    } else {
        work.source.state().stream_fault.clone()
    };
    serve(cx, work, rows.schema(), pieces, fault)
}

fn serve(
    cx: &Context,
    work: Work,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    fault: StreamFault,
) -> BatchStream {
    let summary = SummaryHandle::default();
    summary.update(|s| s.statement_id = Some(work.id.clone()));
    let feed = Feed { cx: cx.clone(), work, batches: batches.into_iter(), fault, given: 0 };
    let items = stream::unfold(Some(feed), |feed| async { feed?.next().await });
    BatchStream::with_summary(schema, items, summary)
}

struct Feed {
    cx: Context,
    work: Work,
    batches: vec::IntoIter<RecordBatch>,
    fault: StreamFault,
    given: usize,
}

impl Feed {
    async fn next(mut self) -> Option<(Result<RecordBatch>, Option<Self>)> {
        let fault = faulted(&self.fault, self.given);
        if let Err(error) = self.work.run(&self.cx, fault).await {
            let result = Err(error);
            self.work.end(&result);
            return Some((result, None));
        }
        match self.batches.next() {
            Some(batch) => {
                self.given += 1;
                self.cx.report(Event::Rows(batch.num_rows() as u64));
                self.cx.report(Event::BytesRead(batch.get_array_memory_size() as u64));
                Some((Ok(batch), Some(self)))
            }
            None => {
                self.work.end(&Ok(()));
                None
            }
        }
    }
}

async fn faulted(fault: &StreamFault, given: usize) -> Result<()> {
    match fault {
        StreamFault::ErrorAfter { batches, error } if given >= *batches => Err(error.clone()),
        StreamFault::HangAfter { batches } if given >= *batches => std::future::pending().await,
        StreamFault::Pace(wait) => {
            tokio::time::sleep(*wait).await;
            Ok(())
        }
        StreamFault::None | StreamFault::ErrorAfter { .. } | StreamFault::HangAfter { .. } => {
            Ok(())
        }
    }
}
