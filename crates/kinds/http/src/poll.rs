//! Waiting for work at the source, with waits that grow.

use std::future::Future;
use std::time::Duration;

use futures::FutureExt;
use orbit_core::{Context, Result};

/// Waits between two questions.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first.
    pub first: Duration,
    /// The longest; each is half as long again as the one before.
    pub max: Duration,
}

/// What came of asking.
#[derive(Debug)]
pub enum Progress<T> {
    /// It is done.
    Done(T),
    /// It is not, and there is nothing to tell.
    Pending,
}

/// Asks until it is done. Asking may itself take long, when the service holds the question
/// until it has news: then the next one follows at once.
///
/// # Errors
/// Those of asking, and the context's.
pub async fn poll_until<T, F>(
    cx: &Context,
    backoff: Backoff,
    mut ask: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Progress<T>>>,
{
    let mut wait = backoff.first;
    loop {
        let asked = tokio::time::Instant::now();
        if let Progress::Done(done) = cx.run(ask()).await? {
            return Ok(done);
        }
        let rest = wait.saturating_sub(asked.elapsed());
        cx.run(tokio::time::sleep(rest).map(Ok)).await?;
        wait = wait.mul_f64(1.5).min(backoff.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_bound_and_a_long_answer_is_waiting_too() {
        let cx = Context::builder().build();
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(4) };
        let begun = tokio::time::Instant::now();
        let mut asked = Vec::new();
        let done = poll_until(&cx, backoff, || {
            asked.push(begun.elapsed().as_millis());
            let count = asked.len();
            async move {
                if count == 5 {
                    tokio::time::sleep(Duration::from_secs(9)).await;
                }
                Ok(if count == 7 { Progress::Done(count) } else { Progress::Pending })
            }
        });
        assert_eq!(done.await.unwrap(), 7);
        assert_eq!(asked, [0, 1000, 2500, 4750, 8125, 17125, 21125]);
    }
}
