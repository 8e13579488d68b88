//! Ends operations whose source says nothing for too long.
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

/// How long the source may be silent within one operation.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until the answer, and its first item, are here.
    first: Limit,
    /// Between two items.
    next: Limit,
    /// Work may be under way at the source when the time is up.
    starts_work: bool,
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
        match operation {
            Operation::Connect
            | Operation::Ping
            | Operation::ListTables
            | Operation::Describe
            | Operation::Estimate
            | Operation::Cancel
            | Operation::ListFiles
            | Operation::Stat
            | Operation::Read
            | Operation::ReadRanges
            | Operation::Presign => {
                Some(Patience { first: request, next: request, starts_work: false })
            }
            Operation::Query
            | Operation::Partitions
            | Operation::ReadPartition
            | Operation::Copy
            | Operation::Delete => Some(Patience { first: open, next: batch, starts_work: true }),
            // Their pace is that of the rows and bytes which the caller sends.
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
        let answer = signs.within(patience.first.time, attempts.last(cx)).await;
        let answer = answer.unwrap_or_else(|| Err(silent(call, patience, patience.first)))?;
        let (answer, items) = answer.split();
        Ok(match items {
            Some(items) => answer.join(within(patience, call, signs, items)),
            None => answer,
        })
    }
}

fn within<T: Send + 'static>(
    patience: Patience,
    call: Call,
    signs: Arc<SignsOfLife>,
    items: Items<T>,
) -> Items<T> {
    let state = Some((items, signs, patience.first));
    let limited = stream::unfold(state, move |state| async move {
        let (mut items, signs, limit) = state?;
        signs.seen();
        match signs.within(limit.time, items.next()).await {
            Some(Some(Ok(item))) => Some((Ok(item), Some((items, signs, patience.next)))),
            Some(Some(Err(error))) => Some((Err(error), None)),
            Some(None) => None,
            None => Some((Err(silent(call, patience, limit)), None)),
        }
    });
    limited.boxed()
}

fn silent(call: Call, patience: Patience, limit: Limit) -> Error {
    let Limit { time, setting } = limit;
    let error = Error::new(
        ErrorKind::Timeout,
        format!("the source gave no sign for {} ms", time.as_millis()),
    )
    .with_hint(format!("see whether it is well, or raise `{setting}`"));
    // Work that was submitted may still run, so that asking again could do it twice.
    let retry = if patience.starts_work { Retry::Never } else { Retry::After(Duration::ZERO) };
    let error = error.with_retry(retry);
    match call.effect {
        Effect::Read => error,
        Effect::Write | Effect::Unknown => error.with_write_effect(WriteEffect::Unknown),
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

    /// Waits for `work` as long as no silence is longer than `limit`.
    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            let seen = self.last();
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = tokio::time::sleep_until(seen + limit) => {
                    if self.last() == seen {
                        return None;
                    }
                }
            }
        }
    }
}

impl Reporter for SignsOfLife {
    fn report(&self, _: &str, _: Event) {
        self.seen();
    }
}
