//! Requests that cannot start work twice, sent again while their failure may be mended.

use std::time::Duration;

use futures::FutureExt;
use orbit_core::{Context, Error, Event, Result, Retry, RetryBackoff};

/// How long a repeated request waits.
const BACKOFF: RetryBackoff =
    RetryBackoff { first: Duration::from_millis(100), max: Duration::from_secs(5) };

/// How long a store may ask to be left alone; when it asks for more, the request has failed.
const ASKED_MAX: Duration = Duration::from_secs(60);

/// Sends a request, and up to `attempts_max` times again when its error says that this may help:
/// a page, a range, a part, of which one operation has many.
///
/// # Errors
/// That of the last request, marked as exhausted; `Cancelled` and `Timeout` of `cx`.
pub async fn repeat<T, F, Fut>(cx: &Context, attempts_max: u32, request: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::new(attempts_max);
    loop {
        match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => backoff.wait(cx, error).await?,
        }
    }
}

/// Waits that grow while the same request fails.
#[derive(Debug)]
pub(crate) struct Backoff {
    failed: u32,
    attempts_max: u32,
}

impl Backoff {
    pub(crate) fn new(attempts_max: u32) -> Self {
        Self { failed: 0, attempts_max }
    }

    /// Something worked: the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.failed = 0;
    }

    /// Waits until the next attempt, or gives up with the error.
    pub(crate) async fn wait(&mut self, cx: &Context, error: Error) -> Result<()> {
        let Retry::After(asked) = error.retry() else { return Err(error) };
        let wait = BACKOFF.wait(self.failed + 1).saturating_add(asked);
        let out_of_time = cx.remaining().is_some_and(|left| left <= wait);
        let spent = self.failed >= self.attempts_max || asked > ASKED_MAX || out_of_time;
        if spent || !cx.pay_for_retry(&error) {
            return Err(error.with_retry(Retry::Exhausted));
        }
        self.failed += 1;
        cx.report(Event::Retried);
        cx.run(tokio::time::sleep(wait).map(Ok)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use orbit_core::ErrorKind;

    use super::*;

    async fn attempts(retry: Retry, attempts_max: u32, works_at: u32) -> (u32, Result<u32>) {
        let (cx, sent) = (Context::builder().build(), AtomicU32::new(0));
        let answer = repeat(&cx, attempts_max, || async {
            let attempt = sent.fetch_add(1, Ordering::SeqCst) + 1;
            let error = || Error::new(ErrorKind::Unavailable, "it failed").with_retry(retry);
            if attempt == works_at { Ok(attempt) } else { Err(error()) }
        });
        let answer = answer.await;
        (sent.into_inner(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_be_mended_is_repeated_and_not_for_ever() {
        let again = Retry::After(Duration::ZERO);
        assert_eq!(attempts(again, 2, 3).await.1.unwrap(), 3);
        let (sent, answer) = attempts(again, 2, 4).await;
        assert_eq!((sent, answer.unwrap_err().retry()), (3, Retry::Exhausted));
        let (sent, answer) = attempts(Retry::Never, 2, 3).await;
        assert_eq!((sent, answer.unwrap_err().retry()), (1, Retry::Never));
        let later = Retry::After(Duration::from_secs(3600));
        let (sent, answer) = attempts(later, 2, 3).await;
        assert_eq!((sent, answer.unwrap_err().retry()), (1, Retry::Exhausted));
    }
}
