//! Leaves a source alone that fails, and tries it with one operation before all come back.

use std::sync::Arc;

use orbit_core::{Context, Error, ErrorKind, Operation, Result, Retry};

use crate::CircuitBreakerSettings;
use crate::answer::Answer;
use crate::circuit::{Circuit, Permit, Refusal, Verdict};
use crate::layer::{Attempts, Call, Layer};
use crate::watch::{End, Observer, Outcome, watched};

#[derive(Debug)]
pub(crate) struct CircuitBreakerLayer {
    circuit: Arc<Circuit>,
}

impl CircuitBreakerLayer {
    pub(crate) fn new(settings: &CircuitBreakerSettings) -> Self {
        Self { circuit: Arc::new(Circuit::new(settings)) }
    }
}

impl Layer for CircuitBreakerLayer {
    async fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> Result<A> {
        if !is_guarded(call.operation) {
            return attempts.last(cx).await;
        }
        let permit = self.circuit.admit().map_err(refused)?;
        let circuit = Arc::clone(&self.circuit);
        let observer = Trial { circuit, permit: Some(permit), cx: cx.clone() };
        watched(observer, attempts.last(cx)).await
    }
}

fn is_guarded(operation: Operation) -> bool {
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
        // A check must reach the source to say how it is, a statement must be stoppable while
        // others fail, and a URL is signed here, which says nothing about the source.
        Operation::Ping | Operation::Cancel | Operation::Presign => false,
    }
}

fn refused(refusal: Refusal) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        "the source failed too often and is left alone for a while",
    )
    .with_retry(Retry::Exhausted);
    match refusal {
        Refusal::Open(wait) => {
            error.with_hint(format!("it is tried again in {} ms", wait.as_millis()))
        }
        Refusal::BeingTried => error.with_hint("it is being tried again now"),
    }
}

/// One operation that was let through. It speaks once: its first item, or else its end, says
/// how the source is.
struct Trial {
    circuit: Arc<Circuit>,
    permit: Option<Permit>,
    cx: Context,
}

impl Trial {
    fn settle(&mut self, verdict: Verdict) {
        let Some(permit) = self.permit.take() else { return };
        if self.circuit.settle(permit, verdict) {
            tracing::warn!(
                datasource = self.cx.datasource(),
                "the source fails and is left alone for a while",
            );
        }
    }

    fn verdict(&self, outcome: Outcome<'_>) -> Verdict {
        match outcome {
            Outcome::Ok => Verdict::Good,
            // The caller's own limits are no fault of the source.
            Outcome::Failed(_) if self.cx.check().is_err() => Verdict::None,
            Outcome::Failed(error) => verdict_of(error.kind()),
            Outcome::Abandoned => Verdict::None,
        }
    }
}

impl Observer for Trial {
    fn first_item(&mut self) {
        self.settle(Verdict::Good);
    }

    fn end(&mut self, end: End<'_>) {
        self.settle(self.verdict(end.outcome));
    }
}

fn verdict_of(kind: ErrorKind) -> Verdict {
    match kind {
        ErrorKind::Unavailable => Verdict::Unreachable,
        ErrorKind::Timeout | ErrorKind::Truncated => Verdict::Bad,
        // The source answered, if not what was hoped for.
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied
        | ErrorKind::RateLimited
        | ErrorKind::DataInvalid => Verdict::Good,
        // Who found it, the source or we, cannot be told.
        ErrorKind::ConfigInvalid
        | ErrorKind::QueryInvalid
        | ErrorKind::Cancelled
        | ErrorKind::Unsupported
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unexpected => Verdict::None,
    }
}
