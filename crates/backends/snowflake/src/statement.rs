//! One statement: submitted, waited for, cancelled when its caller goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orbit_core::{Context, Error, ErrorKind, Event, Result, WriteEffect};
use orbit_http::{Backoff, CancelOnDrop, Method, Progress, Repeat, poll_until};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Api, Request};
use crate::error::{IN_PROGRESS, NOT_RUNNING, failure, malformed};
use crate::protocol::{Bindings, Envelope, QueryData, QueryRequest};
use crate::session::Lane;

/// The service holds a question for up to 45 s, so waits matter only while it does not.
const POLL: Backoff = Backoff { first: Duration::from_millis(250), max: Duration::from_secs(5) };
/// A cancel that comes before its statement finds nothing, and is tried again after these.
const CANCEL_WAITS_MS: &[u64] = &[0, 300, 900, 2000];
/// One that comes after the answer finds nothing either, which is then the end of it.
const CANCEL_ONCE_MS: &[u64] = &[0];
/// The longest limit that the service takes for a statement: a week.
const TIMEOUT_S_MAX: u64 = 604_800;

/// A statement to run.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    pub text: String,
    pub bindings: Option<Bindings>,
    /// Only its columns are asked for; it does not run.
    pub describe_only: bool,
    /// How many statements the text holds, where they are more than one.
    pub script: Option<usize>,
    /// It takes back what another did, so it runs while the datasource is closing too.
    pub cleans_up: bool,
    /// It may change something, of which its error tells.
    pub writes: bool,
}

impl Statement {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The error of one that may have run, without a word on how far it came.
    fn unanswered(&self, error: Error) -> Error {
        match self.writes && error.write_effect().is_none() {
            true => error.with_write_effect(WriteEffect::Unknown),
            false => error,
        }
    }
}

/// A statement that has ended well, and what it answered.
pub(crate) struct Executed {
    pub data: QueryData,
    /// Cancels it when the answer is not read to its end.
    pub guard: CancelOnDrop,
}

impl Executed {
    /// Its answer, when nothing of it lies elsewhere.
    pub(crate) fn finish(mut self) -> QueryData {
        self.guard.disarm();
        self.data
    }
}

/// Runs a statement to its end. The id by which it is cancelled is made before it is sent.
///
/// # Errors
/// Those of the statement and of sending it. A statement that was sent and not answered is not
/// sent again.
pub(crate) async fn execute(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    statement: &Statement,
) -> Result<Executed> {
    // A statement whose session is not to be had was not sent, so that nothing is cancelled.
    Box::pin(lane.session(cx, api)).await?;
    let request_id = Uuid::new_v4().to_string();
    let request = submission(cx, api, statement, &request_id)?;
    let cancel = |waits_ms| {
        let id = request_id.clone();
        lane.cancels().on_drop(cancel_request(Arc::clone(api), Arc::clone(lane), id, waits_ms))
    };
    let mut guard = cancel(CANCEL_WAITS_MS);
    // Whoever closes meanwhile either finds the guard or has been seen here.
    if !statement.cleans_up {
        api.check(cx).inspect_err(|_| guard.disarm())?;
    }
    let asked = cx.run(api.ask(cx, lane, &request)).await;
    let mut envelope: Envelope<QueryData> = asked.map_err(|error| match error.kind() {
        ErrorKind::Unauthenticated => {
            // It has not begun, and cancelling would show refused credentials once more.
            guard.disarm();
            error
        }
        ErrorKind::RateLimited => error,
        _ => statement.unanswered(error),
    })?;
    let told = envelope.data.as_ref().and_then(|data| data.query_id.clone());
    if let Some(id) = &told {
        cx.report(Event::Statement { id: id.clone() });
    }
    if let Some(url) = pending(&envelope).map_err(|e| statement.unanswered(e))? {
        envelope = wait(cx, api, lane, url).await.map_err(|e| statement.unanswered(e))?;
    }
    guard.disarm();
    let data = answered(envelope).map_err(|error| match statement.script {
        // Those before the one that failed have run.
        Some(_) => statement.unanswered(error),
        None => error,
    })?;
    if let (Some(id), None) = (&data.query_id, &told) {
        cx.report(Event::Statement { id: id.clone() });
    }
    Ok(Executed { data, guard: cancel(CANCEL_ONCE_MS) })
}

fn submission(cx: &Context, api: &Api, statement: &Statement, request_id: &str) -> Result<Request> {
    let mut parameters = BTreeMap::new();
    let tag = api.config.query_tag.clone().unwrap_or_else(|| format!("orbit {}", cx.query_id()));
    parameters.insert("QUERY_TAG", Value::from(tag));
    if let Some(remaining) = cx.remaining() {
        // The source stops it even if nobody is left to cancel it.
        let seconds = remaining.as_secs().saturating_add(5).min(TIMEOUT_S_MAX);
        parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS", Value::from(seconds));
    }
    if let Some(count) = statement.script {
        parameters.insert("MULTI_STATEMENT_COUNT", Value::from(count));
    }
    let body = QueryRequest {
        sql_text: &statement.text,
        async_exec: false,
        sequence_id: 1,
        is_internal: false,
        describe_only: statement.describe_only,
        parameters,
        bindings: statement.bindings.as_ref(),
    };
    let body = serde_json::to_vec(&body).map_err(|e| {
        Error::new(ErrorKind::Unexpected, "a statement cannot be written as JSON").with_source(e)
    })?;
    Ok(Request {
        method: Method::POST,
        path: "/queries/v1/query-request".to_owned(),
        parameters: vec![("requestId", request_id.to_owned())],
        body: body.into(),
        repeat: Repeat::WhenRefused,
        urgent: false,
        held: true,
    })
}

/// Where to ask for a statement that still runs.
fn pending(envelope: &Envelope<QueryData>) -> Result<Option<String>> {
    if !IN_PROGRESS.contains(&envelope.code().as_str()) {
        return Ok(None);
    }
    let url = envelope.data.as_ref().and_then(|data| data.get_result_url.clone());
    url.map(Some).ok_or_else(|| malformed("a running statement has no place to ask for it"))
}

async fn wait(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    url: String,
) -> Result<Envelope<QueryData>> {
    let place = std::sync::Mutex::new(url);
    let read = || place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    poll_until(cx, POLL, || async {
        cx.report(Event::Waiting { reason: "the statement runs at the source" });
        let envelope: Envelope<QueryData> = api.ask(cx, lane, &Request::get(&read())).await?;
        match pending(&envelope)? {
            Some(next) => {
                *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = next;
                Ok(Progress::Pending)
            }
            None => Ok(Progress::Done(envelope)),
        }
    })
    .await
}

/// The result of a statement that has ended, anew: its links are fresh.
///
/// # Errors
/// Those of asking; `NotFound` when the source keeps it no longer.
pub(crate) async fn result_of(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    id: &str,
) -> Result<QueryData> {
    let path = format!("/queries/{}/result", checked_id(id)?);
    let mut envelope: Envelope<QueryData> = api.ask(cx, lane, &Request::get(&path)).await?;
    if let Some(url) = pending(&envelope)? {
        envelope = wait(cx, api, lane, url).await?;
    }
    answered(envelope)
}

/// What a statement answered that runs no longer.
fn answered(envelope: Envelope<QueryData>) -> Result<QueryData> {
    let code = envelope.code();
    let data = envelope.data.unwrap_or_default();
    if envelope.success == Some(true) {
        return Ok(data);
    }
    let error = failure(&code, data.sql_state.as_deref(), envelope.message.as_deref());
    Err(match data.query_id {
        Some(id) => error.with_context("statement", id),
        None => error,
    })
}

/// An id is put into a path, so it holds nothing but what ids are made of.
fn checked_id(id: &str) -> Result<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !id.is_empty() && id.len() <= 64 && id.chars().all(allowed) {
        return Ok(id);
    }
    Err(Error::new(ErrorKind::NotFound, "this is no id of a statement of snowflake"))
}

/// Cancels by request id, which works before the statement has an id of its own.
async fn cancel_request(
    api: Arc<Api>,
    lane: Arc<Lane>,
    request_id: String,
    waits_ms: &'static [u64],
) {
    // The caller is gone, so this belongs to nobody's context.
    let cx = Context::builder().build();
    let body = json!({ "requestId": request_id });
    for wait_ms in waits_ms {
        tokio::time::sleep(Duration::from_millis(*wait_ms)).await;
        let request = Request::abort("/queries/v1/abort-request", &body);
        match api.ask::<IgnoredAny>(&cx, &lane, &request).await {
            Ok(envelope) if envelope.code() == NOT_RUNNING => {}
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(%error, "a cancel failed");
                // Each further try would show refused credentials once more, or find no session.
                if error.kind() == ErrorKind::Unauthenticated || lane.has_ended() {
                    return;
                }
            }
        }
    }
}

/// Cancels a statement by its own id. One that has ended, or that the service does not know,
/// is not an error.
///
/// # Errors
/// Those of sending.
pub(crate) async fn cancel(cx: &Context, api: &Arc<Api>, lane: &Lane, id: &str) -> Result<()> {
    let Ok(id) = checked_id(id) else { return Ok(()) };
    let path = format!("/queries/{id}/abort-request");
    let request = Request::abort(&path, &json!({}));
    match api.ask::<IgnoredAny>(cx, lane, &request).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        answered => answered.map(drop),
    }
}
