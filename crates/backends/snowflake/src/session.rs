//! Sessions: signing in, renewing, and what is fixed in each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use orbit_core::{Context, Error, ErrorKind, Result, Secret, WriteEffect};
use orbit_http::{CancelOnDrop, Cancels, Kept, Renewing, Repeat};
use serde_json::{Value, json};

use crate::api::{Api, CANCEL_TIMEOUT, Request};
use crate::auth::Proof;
use crate::config::SnowflakeConfig;
use crate::error::{TOKEN_REFUSED, failure, malformed};
use crate::protocol::{LoginData, RenewData};

/// Parameters that decide what a statement or a value means, and their values in every session.
pub(crate) const PINNED_PARAMETERS: &[(&str, &str)] = &[
    ("AUTOCOMMIT", "true"),
    ("BINARY_INPUT_FORMAT", "HEX"),
    ("BINARY_OUTPUT_FORMAT", "HEX"),
    ("DATE_INPUT_FORMAT", "AUTO"),
    ("GEOGRAPHY_OUTPUT_FORMAT", "GeoJSON"),
    ("GEOMETRY_OUTPUT_FORMAT", "GeoJSON"),
    ("GO_QUERY_RESULT_FORMAT", "ARROW"),
    ("MULTI_STATEMENT_COUNT", "1"),
    ("QUOTED_IDENTIFIERS_IGNORE_CASE", "false"),
    // Any other value would cut results without a word.
    ("ROWS_PER_RESULTSET", "0"),
    ("TIMESTAMP_INPUT_FORMAT", "AUTO"),
    ("TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_NTZ"),
    ("TIMEZONE", "UTC"),
    ("TIME_INPUT_FORMAT", "AUTO"),
    ("TWO_DIGIT_CENTURY_START", "1970"),
    ("WEEK_OF_YEAR_POLICY", "0"),
    ("WEEK_START", "0"),
];

/// The service chooses the form of results by the client's name; this one gets Arrow.
const CLIENT: (&str, &str) = ("Go", "2.1.0");
/// How long ending a session waits for the cancels of its statements.
const CANCELS_TIMEOUT: Duration = Duration::from_secs(2);

/// A session at the service.
#[derive(Clone)]
pub(crate) struct Session {
    /// Shown with each request.
    pub token: Secret,
    /// Renews it.
    master: Option<Secret>,
}

/// A session and its successors. The shared lane runs any number of statements at once; one
/// with a transaction belongs to whoever opened it.
pub(crate) struct Lane {
    state: Arc<State>,
    in_transaction: AtomicBool,
    /// Ends the session of a lane that nobody ends by name.
    _end: Option<CancelOnDrop>,
}

/// What ending a lane needs of it.
struct State {
    session: Renewing<Session>,
    ended: AtomicBool,
    /// Those of its statements.
    cancels: Cancels,
}

impl Lane {
    /// A lane that signs in when it is first used.
    pub(crate) fn new() -> Arc<Self> {
        let (state, in_transaction) = (Arc::new(State::new()), AtomicBool::new(false));
        Arc::new(Self { state, in_transaction, _end: None })
    }

    /// The same for one statement: the session ends with the lane.
    pub(crate) fn of_one(api: &Arc<Api>) -> Arc<Self> {
        let state = Arc::new(State::new());
        let (ending, of) = (Arc::clone(&state), Arc::clone(api));
        let end = api.ends.on_drop(async move {
            ending.end(&Context::builder().build(), &of).await;
        });
        let in_transaction = AtomicBool::new(false);
        Arc::new(Self { state, in_transaction, _end: Some(end) })
    }

    /// The cancels of its statements.
    pub(crate) fn cancels(&self) -> &Cancels {
        &self.state.cancels
    }

    /// Whether it has no session and gets none any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.ended.load(Ordering::Acquire)
    }

    /// Whether a transaction is open, which a new session would lose.
    pub(crate) fn set_in_transaction(&self, open: bool) {
        self.in_transaction.store(open, Ordering::Release);
    }

    /// The session.
    ///
    /// # Errors
    /// Those of signing in; `Unavailable` when the lane has ended.
    pub(crate) async fn session(&self, cx: &Context, api: &Arc<Api>) -> Result<Kept<Session>> {
        let make = |_| async move {
            self.state.check()?;
            sign_in(cx, api).await
        };
        self.state.session.get(cx, make).await
    }

    /// A session other than `stale`, which was refused; `expired` when its master token may
    /// still be good.
    ///
    /// # Errors
    /// As of [`session`](Self::session); `Conflict` when a transaction was lost with it.
    pub(crate) async fn renewed(
        &self,
        cx: &Context,
        api: &Arc<Api>,
        stale: &Kept<Session>,
        expired: bool,
    ) -> Result<Kept<Session>> {
        let make = |old: Option<Arc<Session>>| async move {
            self.state.check()?;
            if let Some(old) = old.filter(|_| expired)
                && let Some(session) = renew(cx, api, &old).await?
            {
                return Ok(session);
            }
            if self.in_transaction.load(Ordering::Acquire) {
                let message = "the session ended within a transaction, which was rolled back";
                return Err(
                    Error::new(ErrorKind::Conflict, message).with_write_effect(WriteEffect::None)
                );
            }
            sign_in(cx, api).await
        };
        self.state.session.renewed(cx, stale.generation, make).await
    }

    /// Keeps the session from ending for want of requests.
    pub(crate) async fn beat(&self, cx: &Context, api: &Arc<Api>) -> Result<()> {
        if self.state.session.current().is_none() {
            return Ok(());
        }
        let request = Request::post("/session/heartbeat", &json!({}), Repeat::Always);
        api.ask::<serde::de::IgnoredAny>(cx, self, &request).await.map(drop)
    }

    /// Ends the session, if there is one. The lane gets no other.
    pub(crate) async fn end(&self, cx: &Context, api: &Api) {
        self.state.end(cx, api).await;
    }
}

impl State {
    fn new() -> Self {
        let (session, ended) = (Renewing::default(), AtomicBool::new(false));
        Self { session, ended, cancels: Cancels::new(CANCEL_TIMEOUT) }
    }

    fn check(&self) -> Result<()> {
        match self.ended.load(Ordering::Acquire) {
            true => Err(Error::new(ErrorKind::Unavailable, "the session has been ended")),
            false => Ok(()),
        }
    }

    /// The cancels of statements come first, since they are sent under the session.
    async fn end(&self, cx: &Context, api: &Api) {
        self.cancels.finish(CANCELS_TIMEOUT).await;
        self.ended.store(true, Ordering::Release);
        // Signing in, which others may be at, can take longer than ending may.
        let taken = cx.run(async { Ok(self.session.take().await) }).await;
        if let Ok(Some(session)) = taken {
            session.end(cx, api).await;
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lane")
    }
}

/// Signs in. A token that can be had anew is, once, when the service refuses it before its end.
async fn sign_in(cx: &Context, api: &Arc<Api>) -> Result<Session> {
    match attempt(cx, api).await {
        Err(error) if error.vendor_code().is_some_and(|code| TOKEN_REFUSED.contains(&code)) => {
            match api.credentials.forget().await {
                true => attempt(cx, api).await,
                false => Err(error),
            }
        }
        signed_in => signed_in,
    }
}

/// Signs in once. A caller who goes meanwhile would leave a session behind that nobody knows: it
/// is waited for without them then, and ended.
async fn attempt(cx: &Context, api: &Arc<Api>) -> Result<Session> {
    let proof = api.credentials.prove(cx, &api.client, &api.config).await?;
    let request = login(&api.config, &proof);
    // Whoever waits has a limit: the caller here, and those who are gone in their guard.
    let (own, of) = (cx.detached(Duration::MAX), Arc::clone(api));
    let opened = async move { open(&own, &of, &request).await }.boxed().shared();
    let (left, of) = (opened.clone(), Arc::clone(api));
    let mut guard = api.ends.on_drop(async move {
        if let Ok(session) = left.await {
            session.end(&Context::builder().build(), &of).await;
        }
    });
    let session = opened.await;
    guard.disarm();
    session
}

fn login(config: &SnowflakeConfig, proof: &Proof) -> Request {
    let mut data = json!({
        "CLIENT_APP_ID": CLIENT.0,
        "CLIENT_APP_VERSION": CLIENT.1,
        "ACCOUNT_NAME": config.account_name(),
        "CLIENT_ENVIRONMENT": { "APPLICATION": "ORBIT", "OS": std::env::consts::OS },
        "SESSION_PARAMETERS": parameters(&config.session_parameters),
    });
    data[proof.field] = Value::from(proof.secret.expose());
    if let Some(user) = &config.user {
        data["LOGIN_NAME"] = Value::from(user.as_str());
    }
    if let Some(authenticator) = proof.authenticator {
        data["AUTHENTICATOR"] = Value::from(authenticator);
    }
    let body = json!({ "data": data });
    let mut request = Request::post("/session/v1/login-request", &body, Repeat::WhenRefused);
    let names = [
        ("databaseName", &config.database),
        ("schemaName", &config.schema),
        ("warehouse", &config.warehouse),
        ("roleName", &config.role),
    ];
    for (name, value) in names {
        if let Some(value) = value {
            request.parameters.push((name, value.clone()));
        }
    }
    request
}

async fn open(cx: &Context, api: &Api, request: &Request) -> Result<Session> {
    let envelope = api.ask_with::<LoginData>(cx, request, None).await.map_err(no_such_account)?;
    if envelope.success != Some(true) {
        let error = failure(&envelope.code(), None, envelope.message.as_deref());
        return Err(match error.kind() {
            // Whatever else is wrong with signing in, it is the credentials' side.
            ErrorKind::QueryInvalid => {
                Error::new(ErrorKind::Unauthenticated, error.message().to_owned())
                    .with_vendor_code(envelope.code())
            }
            _ => error,
        });
    }
    let data = envelope.data.ok_or_else(|| malformed("signing in was answered without data"))?;
    let token = data.token.ok_or_else(|| malformed("signing in was answered without a token"))?;
    tracing::debug!(account = api.config.account, "signed in");
    Ok(Session { token: Secret::new(token), master: data.master_token.map(Secret::new) })
}

/// An account that does not exist is a host that answers with 403 or 404.
fn no_such_account(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            error.with_hint("check `account` and `host`: nobody signs in there")
        }
        _ => error,
    }
}

fn parameters(own: &BTreeMap<String, String>) -> Value {
    let own = own.iter().map(|(name, value)| (name.to_uppercase(), value.clone()));
    let pinned = PINNED_PARAMETERS.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let typed = |(name, value): (String, String)| {
        let value = match value.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        };
        (name, value)
    };
    Value::Object(own.chain(pinned).map(typed).collect())
}

/// A session from the old one's master token; none when that has ended too.
async fn renew(cx: &Context, api: &Api, old: &Session) -> Result<Option<Session>> {
    let Some(master) = &old.master else { return Ok(None) };
    let body = json!({ "oldSessionToken": old.token.expose(), "requestType": "RENEW" });
    let request = Request::post("/session/token-request", &body, Repeat::WhenRefused);
    let envelope = api.ask_with::<RenewData>(cx, &request, Some(master)).await?;
    let Some(data) = envelope.data.filter(|_| envelope.success == Some(true)) else {
        return Ok(None);
    };
    let Some(token) = data.session_token else { return Ok(None) };
    let master = data.master_token.map(Secret::new).or_else(|| old.master.clone());
    tracing::debug!("the session was renewed");
    Ok(Some(Session { token: Secret::new(token), master }))
}
