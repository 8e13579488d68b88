//! Requests to the service, each under a session that is renewed when it must be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use orbit_core::{Context, Error, ErrorKind, Result, Secret};
use orbit_http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use orbit_http::{
    Answer, Call, Cancels, Client, ClientOptions, Method, Repeat, RetryPolicy, StatusCode, Url,
    off_the_workers,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::auth::Credentials;
use crate::config::SnowflakeConfig;
use crate::error::{SESSION_EXPIRED, SESSION_GONE};
use crate::protocol::Envelope;
use crate::session::{Lane, Session};

/// The longest answer to a request; large results come in pieces from elsewhere.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// Larger answers are not parsed on a worker of the runtime.
const PARSE_BYTES_MAX: usize = 256 << 10;
/// The service holds a request for a statement's answer for up to this, beside the time that the
/// request itself takes.
const HELD: Duration = Duration::from_secs(45);
/// How long a cancel may take.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a request may find its session ended: once expired, once gone.
const RENEWALS_MAX: u32 = 2;

/// One service with one set of credentials.
#[derive(Debug)]
pub(crate) struct Api {
    pub client: Client,
    pub config: SnowflakeConfig,
    pub credentials: Credentials,
    /// What ends sessions that belong to one caller, and cleans up after them.
    pub ends: Cancels,
    base: Url,
    closed: AtomicBool,
}

/// A request under a session.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    /// The path and perhaps a query, from the root of the service.
    pub path: String,
    pub parameters: Vec<(&'static str, String)>,
    pub body: Bytes,
    pub repeat: Repeat,
    /// It stops work that others wait for.
    pub urgent: bool,
    /// The service may hold it while a statement runs.
    pub held: bool,
}

impl Request {
    /// A request that sends `body` and gets a request id of its own.
    pub(crate) fn post(path: &str, body: &serde_json::Value, repeat: Repeat) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            parameters: vec![("requestId", Uuid::new_v4().to_string())],
            body: body.to_string().into(),
            repeat,
            urgent: false,
            held: false,
        }
    }

    /// A request that stops work.
    pub(crate) fn abort(path: &str, body: &serde_json::Value) -> Self {
        Self { urgent: true, ..Self::post(path, body, Repeat::Always) }
    }

    /// A request that asks for a statement's answer.
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            parameters: Vec::new(),
            body: Bytes::new(),
            repeat: Repeat::Always,
            urgent: false,
            held: true,
        }
    }
}

impl Api {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// `ConfigInvalid` for settings that cannot be used.
    pub(crate) fn new(config: &SnowflakeConfig) -> Result<Self> {
        let client = Client::new(&ClientOptions {
            user_agent: concat!("orbit/", env!("CARGO_PKG_VERSION")),
            tls: &config.tls,
            proxy: config.proxy.as_ref(),
            connect_timeout: Duration::from_secs(config.api_timeout.min(30)),
            requests_at_once_max: config.connection_pool_size,
            requests_per_s_max: config.requests_per_s_max,
            retry: RetryPolicy::default(),
        })?;
        Ok(Self {
            client,
            credentials: Credentials::of(config)?,
            base: config.base()?,
            config: config.clone(),
            ends: Cancels::new(CANCEL_TIMEOUT),
            closed: AtomicBool::new(false),
        })
    }

    /// Refuses what comes after closing.
    ///
    /// # Errors
    /// `Unavailable` once it is closed; the context's own.
    pub(crate) fn check(&self, cx: &Context) -> Result<()> {
        cx.check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Unavailable, "the datasource is closed"));
        }
        Ok(())
    }

    /// Takes no more operations; whether it took some until now.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Sends a request under the lane's session. A request that was refused because the
    /// session had ended is sent again under a new one: it had not begun.
    ///
    /// # Errors
    /// `Unauthenticated` when the service refuses the new session too; those of sending.
    pub(crate) async fn ask<T: DeserializeOwned + Send + 'static>(
        self: &Arc<Self>,
        cx: &Context,
        lane: &Lane,
        request: &Request,
    ) -> Result<Envelope<T>> {
        let mut session = Box::pin(lane.session(cx, self)).await?;
        for _ in 0..RENEWALS_MAX {
            let call = self.call(request, Some(&session.value.token))?;
            let (status, envelope) = Box::pin(self.exchange(cx, &call)).await?;
            let Some(refusal) = Refusal::of(status, &envelope.code()) else { return Ok(envelope) };
            let expired = refusal == Refusal::Expired;
            session = Box::pin(lane.renewed(cx, self, &session, expired)).await?;
        }
        let call = self.call(request, Some(&session.value.token))?;
        let (status, envelope) = Box::pin(self.exchange(cx, &call)).await?;
        if Refusal::of(status, &envelope.code()).is_some() {
            let message = "the service refuses one new session after the other";
            return Err(Error::new(ErrorKind::Unauthenticated, message)
                .with_vendor_code(envelope.code())
                .with_hint("check the credentials and the account's policies on sessions"));
        }
        Ok(envelope)
    }

    /// Sends a request without a session, or under the given token.
    ///
    /// # Errors
    /// Those of sending, and of an answer that is none of the service.
    pub(crate) async fn ask_with<T: DeserializeOwned + Send + 'static>(
        &self,
        cx: &Context,
        request: &Request,
        token: Option<&Secret>,
    ) -> Result<Envelope<T>> {
        let call = self.call(request, token)?;
        Ok(Box::pin(self.exchange(cx, &call)).await?.1)
    }

    async fn exchange<T: DeserializeOwned + Send + 'static>(
        &self,
        cx: &Context,
        call: &Call,
    ) -> Result<(StatusCode, Envelope<T>)> {
        let answer = self.client.send(cx, call).await?;
        let status = answer.status;
        let parse = move |answer: Answer| match answer.json::<Envelope<T>>(ANSWER_BYTES_MAX) {
            Ok(envelope) if status.is_success() => Ok(envelope),
            // A refusal says why in the same frame.
            Ok(envelope) if status.is_client_error() && envelope.code.is_some() => Ok(envelope),
            Ok(_) => answer.success().and_then(|a| a.json(ANSWER_BYTES_MAX)),
            Err(unreadable) => Err(answer.success().err().unwrap_or(unreadable)),
        };
        let envelope = match answer.body.len() > PARSE_BYTES_MAX {
            true => cx.run(off_the_workers(move || parse(answer))).await?,
            false => parse(answer)?,
        };
        Ok((status, envelope))
    }

    fn call(&self, request: &Request, token: Option<&Secret>) -> Result<Call> {
        let mut url = self.own(&request.path)?;
        for (name, value) in &request.parameters {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/snowflake"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, authorization(token)?);
        }
        let timeout = Duration::from_secs(self.config.api_timeout);
        Ok(Call {
            method: request.method.clone(),
            url,
            headers,
            body: request.body.clone(),
            repeat: request.repeat,
            repeat_parameter: Some("retryCount"),
            urgent: request.urgent,
            timeout: if request.held { timeout.saturating_add(HELD) } else { timeout },
            answer_bytes_max: ANSWER_BYTES_MAX,
        })
    }

    /// A path of the service as an address. One that leads to another host is refused: the
    /// session's token would go there.
    fn own(&self, path: &str) -> Result<Url> {
        match self.base.join(path) {
            Ok(url) if url.origin() == self.base.origin() => Ok(url),
            _ => Err(Error::new(
                ErrorKind::DataInvalid,
                "the service's answer leads to another host, which is not followed",
            )),
        }
    }
}

/// Why a request was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The session's token ran out.
    Expired,
    /// The session is gone.
    Gone,
}

impl Refusal {
    fn of(status: StatusCode, code: &str) -> Option<Self> {
        match code {
            SESSION_EXPIRED => Some(Self::Expired),
            code if SESSION_GONE.contains(&code) => Some(Self::Gone),
            _ => (status == StatusCode::UNAUTHORIZED).then_some(Self::Gone),
        }
    }
}

fn authorization(token: &Secret) -> Result<HeaderValue> {
    let text = Secret::new(format!("Snowflake Token=\"{}\"", token.expose()));
    let mut value = HeaderValue::from_str(text.expose()).map_err(|_| {
        Error::new(ErrorKind::DataInvalid, "the session's token holds what no header may")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Session {
    /// Tells the service that the session is no longer needed.
    pub(crate) async fn end(&self, cx: &Context, api: &Api) {
        let mut request = Request::post("/session", &serde_json::json!({}), Repeat::Always);
        request.parameters.push(("delete", "true".to_owned()));
        let ended = api.ask_with::<serde::de::IgnoredAny>(cx, &request, Some(&self.token)).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a session could not be ended; it ends by itself");
        }
    }
}
