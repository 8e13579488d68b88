//! Ends operations whose source says nothing for too long, or whose caller gave up.
//!
//! What a source reports meanwhile (progress, requests, a warehouse that starts) is a sign of
//! life; the whole is bounded by the context's deadline alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use orbit_core::{
    Context, Effect, Error, ErrorKind, Event, Operation, Reporter, Result, Retry, WriteEffect,
};
use tokio::time::Instant;

use crate::TimeoutSettings;
use crate::answer::{Answer, Items};
use crate::layer::{Attempts, Call, Layer};

#[derive(Debug)]
pub(crate) struct TimeoutLayer {
    request: Duration,
    open: Duration,
    batch: Duration,
}

/// How one operation is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// How long until the answer, and its first item, are here.
    first: Limit,
    /// How long between two items.
    next: Limit,
    /// Work may be under way at the source when the time is up.
    starts_work: bool,
    /// The wait ends when the caller gives up.
    heeds_caller: bool,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    time: Duration,
    setting: &'static str,
}

impl TimeoutLayer {
    pub(crate) fn new(settings: &TimeoutSettings) -> Self {
        let TimeoutSettings { request_ms, open_ms, batch_ms } = settings;
        Self {
            request: Duration::from_millis(request_ms.get()),
            open: Duration::from_millis(open_ms.get()),
            batch: Duration::from_millis(batch_ms.get()),
        }
    }

    fn patience(&self, operation: Operation) -> Option<Patience> {
        let request = Limit { time: self.request, setting: "limits.timeout.request_ms" };
        let open = Limit { time: self.open, setting: "limits.timeout.open_ms" };
        let batch = Limit { time: self.batch, setting: "limits.timeout.batch_ms" };
        let ask =
            Patience { first: request, next: request, starts_work: false, heeds_caller: true };
        match operation {
            Operation::Connect
            | Operation::Ping
            | Operation::ListTables
            | Operation::Describe
            | Operation::Estimate
            | Operation::ListFiles
            | Operation::Stat
            | Operation::Read
            | Operation::ReadRanges
            | Operation::Presign => Some(ask),
            // Callers that gave up are those who cancel.
            Operation::Cancel => Some(Patience { heeds_caller: false, ..ask }),
            Operation::Query
            | Operation::Partitions
            | Operation::ReadPartition
            | Operation::Copy
            | Operation::Delete => {
                Some(Patience { first: open, next: batch, starts_work: true, ..ask })
            }
            // Their pace is that of the rows and bytes which the caller sends, and only the
            // source can say what a write that was cut left behind.
            Operation::Insert | Operation::Write => None,
        }
    }
}

impl Layer for TimeoutLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        let Some(patience) = self.patience(call.operation) else {
            return attempts.last(cx).await;
        };
        let signs = Arc::new(SignsOfLife::new());
        let cx = cx.also_reporting_to(Arc::clone(&signs) as _);
        let wait = Wait { cx: cx.clone(), call, patience, signs };
        let (answer, items) = wait.within(patience.first, attempts.last(cx)).await?.split();
        Ok(match items {
            Some(items) => answer.join(limited(wait, items)),
            None => answer,
        })
    }
}

fn limited<T: Send + 'static>(wait: Wait, items: Items<T>) -> Items<T> {
    let first = wait.patience.first;
    let limited = stream::unfold(Some((wait, items, first)), |state| async move {
        let (wait, mut items, limit) = state?;
        wait.signs.seen();
        match wait.within(limit, async { items.next().await.transpose() }).await {
            Ok(item) => item.map(|item| {
                let next = wait.patience.next;
                (Ok(item), Some((wait, items, next)))
            }),
            Err(error) => Some((Err(error), None)),
        }
    });
    limited.boxed()
}

/// The wait for one operation.
struct Wait {
    cx: Context,
    call: Call,
    patience: Patience,
    signs: Arc<SignsOfLife>,
}

impl Wait {
    /// Waits for `work` until the caller gives up, or the source was silent for `limit`.
    async fn within<T>(&self, limit: Limit, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let ended = self.cx.ended();
        tokio::pin!(ended);
        loop {
            let seen = self.signs.last();
            tokio::select! {
                biased;
                done = &mut work => return done,
                error = &mut ended, if self.patience.heeds_caller => return Err(self.cut(error)),
                () = tokio::time::sleep_until(seen + limit.time) => {
                    if self.signs.last() == seen {
                        return Err(self.cut(self.silent(limit)));
                    }
                }
            }
        }
    }

    fn silent(&self, limit: Limit) -> Error {
        let Limit { time, setting } = limit;
        let message = format!("the source gave no sign for {} ms", time.as_millis());
        // Work that was submitted may still run, so that asking again could do it twice.
        let retry = match self.patience.starts_work {
            true => Retry::Never,
            false => Retry::After(Duration::ZERO),
        };
        Error::new(ErrorKind::Timeout, message)
            .with_retry(retry)
            .with_hint(format!("see whether it is well, or raise `{setting}`"))
    }

    fn cut(&self, error: Error) -> Error {
        match self.call.effect {
            Effect::Read => error,
            Effect::Write | Effect::Unknown => error.with_write_effect(WriteEffect::Unknown),
        }
    }
}

/// When the source last said something.
struct SignsOfLife(Mutex<Instant>);

impl SignsOfLife {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn seen(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for SignsOfLife {
    fn report(&self, _: &str, _: Event) {
        self.seen();
    }
}
