//! Repeats what failed, when it only reads and nothing of it has been handed on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, ready};
use futures::stream::{self, StreamExt};
use orbit_core::{Context, Effect, Error, Event, Operation, Result, Retry, RetryBackoff};

use crate::RetrySettings;
use crate::answer::Answer;
use crate::budget::Budget;
use crate::layer::{Attempts, Call, Layer};

#[derive(Debug)]
pub(crate) struct RetryLayer {
    settings: RetrySettings,
    budget: Arc<Budget>,
}

impl RetryLayer {
    pub(crate) fn new(settings: &RetrySettings) -> Self {
        Self { settings: settings.clone(), budget: Arc::new(Budget::new(&settings.budget)) }
    }

    /// The wait before the attempt after `attempt`: a random part of a doubling time, on top of
    /// what the source asks for.
    fn wait(&self, attempt: u32, asked: Duration) -> Duration {
        let RetrySettings { backoff_ms_min, backoff_ms_max, retry_after_ms_max, .. } =
            self.settings;
        let backoff = RetryBackoff {
            first: Duration::from_millis(backoff_ms_min),
            max: Duration::from_millis(backoff_ms_max),
        };
        asked.min(Duration::from_millis(retry_after_ms_max)) + backoff.wait(attempt)
    }

    /// How long to wait before the next attempt, or why there is none.
    fn next(
        &self,
        cx: &Context,
        attempt: u32,
        asked: Duration,
        error: &Error,
    ) -> Result<Duration, &'static str> {
        if attempt >= self.settings.attempts_max.get() {
            return Err("attempts");
        }
        let wait = self.wait(attempt, asked);
        if cx.remaining().is_some_and(|left| left <= wait) {
            return Err("time");
        }
        if !cx.pay_for_retry(error) {
            return Err("budget");
        }
        Ok(wait)
    }
}

impl Layer for RetryLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        let cx = cx.with_retry_budget(Arc::clone(&self.budget) as _);
        if !may_repeat(call) {
            return attempts.last(cx).await;
        }
        let mut attempt = 1;
        loop {
            let Some(answer) = attempts.again(cx.clone()) else {
                return attempts.last(cx).await;
            };
            let error = match with_first_item(&cx, answer).await {
                Ok(answer) => {
                    self.budget.succeeded();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let Retry::After(asked) = error.retry() else { return Err(error) };
            let wait = match self.next(&cx, attempt, asked, &error) {
                Ok(wait) => wait,
                Err(spent) => return Err(exhausted(error, attempt, spent)),
            };
            tracing::debug!(
                query_id = %cx.query_id(),
                datasource = cx.datasource(),
                operation = call.operation.as_str(),
                attempt,
                error = error.kind().as_str(),
                ?wait,
                "repeating",
            );
            cx.report(Event::Retried);
            cx.run(tokio::time::sleep(wait).map(Ok)).await?;
            attempt += 1;
        }
    }
}

fn may_repeat(call: Call) -> bool {
    match call.operation {
        Operation::Connect
        | Operation::ListTables
        | Operation::Describe
        | Operation::Estimate
        | Operation::ListFiles
        | Operation::Stat
        | Operation::Read
        | Operation::ReadRanges
        | Operation::Presign => true,
        Operation::Query | Operation::Partitions | Operation::ReadPartition => {
            call.effect == Effect::Read
        }
        // A check says how the source is now.
        Operation::Ping => false,
        Operation::Insert
        | Operation::Cancel
        | Operation::Write
        | Operation::Copy
        | Operation::Delete => false,
    }
}

/// Waits for the answer and for the first of its items, up to which repeating is safe.
async fn with_first_item<A: Answer>(
    cx: &Context,
    answer: impl Future<Output = Result<A>>,
) -> Result<A> {
    let (answer, items) = answer.await?.split();
    let Some(mut items) = items else { return Ok(answer) };
    let first = cx.run(async { items.next().await.transpose() }).await?;
    Ok(match first {
        Some(first) => answer.join(stream::once(ready(Ok(first))).chain(items).boxed()),
        None => answer,
    })
}

fn exhausted(error: Error, attempt: u32, spent: &'static str) -> Error {
    error
        .with_retry(Retry::Exhausted)
        .with_context("attempts", attempt.to_string())
        .with_context("out_of", spent)
}
