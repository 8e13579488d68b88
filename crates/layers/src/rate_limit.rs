//! Lets operations start no faster than the settings say.

use std::fmt;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use orbit_core::{Context, Event, Operation, Result};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::RateLimitSettings;
use crate::answer::Answer;
use crate::layer::{Attempts, Call, Layer};

#[derive(Debug)]
pub(crate) struct RateLimitLayer(Option<Gate>);

impl RateLimitLayer {
    pub(crate) fn new(settings: Option<&RateLimitSettings>) -> Self {
        Self(settings.map(Gate::new))
    }
}

impl Layer for RateLimitLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        if let Some(gate) = self.0.as_ref().filter(|_| needs_permit(call.operation)) {
            gate.pass(&cx).await?;
        }
        attempts.last(cx).await
    }
}

fn needs_permit(operation: Operation) -> bool {
    match operation {
        Operation::Connect
        | Operation::ListTables
        | Operation::Describe
        | Operation::Query
        | Operation::Estimate
        | Operation::Partitions
        | Operation::ReadPartition
        | Operation::Insert
        | Operation::ListFiles
        | Operation::Stat
        | Operation::Read
        | Operation::ReadRanges
        | Operation::Write
        | Operation::Copy
        | Operation::Delete => true,
        // A cancel takes load off the source, a check must not wait behind the queries that it
        // looks into, and a URL is signed here.
        Operation::Cancel | Operation::Ping | Operation::Presign => false,
    }
}

struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    /// Held while waiting, so that permits go to those who came first.
    turn: Mutex<()>,
}

impl Gate {
    fn new(settings: &RateLimitSettings) -> Self {
        let RateLimitSettings { operations_per_second, burst } = *settings;
        let quota = Quota::per_second(operations_per_second)
            .allow_burst(burst.unwrap_or(operations_per_second));
        let clock = SinceStart(Instant::now());
        let limiter = RateLimiter::direct_with_clock(quota, clock);
        Self { limiter, clock, turn: Mutex::new(()) }
    }

    async fn pass(&self, cx: &Context) -> Result<()> {
        let permit = async {
            let _turn = self.turn.lock().await;
            while let Err(not_until) = self.limiter.check() {
                cx.report(Event::Waiting { reason: "rate limit" });
                tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await;
            }
            Ok(())
        };
        let waited = cx.run(permit).await;
        waited.map_err(|e| e.with_context("waiting_for", "limits.rate_limit.operations_per_second"))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// The runtime's clock, by which the waits are measured too.
#[derive(Debug, Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
