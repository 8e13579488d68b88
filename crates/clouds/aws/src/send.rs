//! One request, within the limits of its caller and unseen by any log.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use orbit_core::{Context, Error, ErrorKind, Event, Result, Retry};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::Failure;

/// Runs a client's work without its logs: at the finest level they hold credentials and data.
pub fn quiet<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_subscriber(Dispatch::none())
}

/// Sends a request and counts it: no longer than `limit`, and no longer than the caller waits.
///
/// # Errors
/// What the service answered, or why it did not; `Timeout` and `Cancelled` of `cx`.
pub async fn send<T, E>(
    cx: &Context,
    limit: Duration,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    cx.check().map_err(Failure::never_sent)?;
    cx.report(Event::Requests(1));
    let within = async {
        match tokio::time::timeout(limit, quiet(request)).await {
            Ok(Ok(answer)) => Ok(Ok(answer)),
            Ok(Err(error)) => Ok(Err(Failure::of(&error))),
            Err(_) => Ok(Err(Failure::without_answer(silent(limit)))),
        }
    };
    cx.run(within).await.unwrap_or_else(|error| Err(Failure::without_answer(error)))
}

fn silent(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "the service did not answer in time")
        .with_context("limit_ms", limit.as_millis().to_string())
        .with_retry(Retry::After(Duration::ZERO))
}
