//! What every operation is given: who asks, until when, and how to stop.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Error, ErrorKind, Event, Reporter, Result, RetryBudget, Secret};

/// The id of one query, in time order, the same in logs, audit and at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId(Uuid);

impl QueryId {
    /// A new id.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for QueryId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who asks, as ORBIT knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// A principal by its name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Whoever runs the process: the command line and the library.
    pub fn local() -> Self {
        Self::new("local")
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The identity that is shown to the source.
///
/// Whatever an instance keeps is keyed by [`cache_key`](Self::cache_key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The credentials of the configuration.
    Configured,
    /// The user's own, passed on.
    Delegated {
        /// The user's name at the source; it keys what is cached.
        subject: Arc<str>,
        /// What proves it.
        token: Secret,
    },
}

impl Identity {
    /// A text that differs for each identity and holds no secret.
    pub fn cache_key(&self) -> &str {
        match self {
            Self::Configured => "",
            Self::Delegated { subject, .. } => subject,
        }
    }
}

/// Whether a paused warehouse may be started for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// It may, and it may cost money.
    Allowed,
    /// Answer from what is known without it, or refuse.
    Forbidden,
}

/// Who asks, until when, and how to stop. Cheap to clone, always passed explicitly.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    datasource: Option<Arc<str>>,
    reporter: Option<Arc<dyn Reporter>>,
    retry_budget: Option<Arc<dyn RetryBudget>>,
    deadline: Option<Instant>,
    cancellation: CancellationToken,
}

struct Shared {
    query_id: QueryId,
    principal: Principal,
    identity: Identity,
    wake: Wake,
}

/// Tells two.
struct Both(Arc<dyn Reporter>, Arc<dyn Reporter>);

impl Reporter for Both {
    fn report(&self, datasource: &str, event: Event) {
        self.0.report(datasource, event.clone());
        self.1.report(datasource, event);
    }
}

/// Makes a [`Context`].
#[derive(Default)]
pub struct ContextBuilder {
    query_id: QueryId,
    principal: Option<Principal>,
    identity: Option<Identity>,
    wake: Option<Wake>,
    reporter: Option<Arc<dyn Reporter>>,
    deadline: Option<Instant>,
    cancellation: CancellationToken,
}

impl ContextBuilder {
    /// Who asks; whoever runs the process if not said.
    #[must_use]
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// The identity shown to the source; the configured one if not said.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Whether a paused warehouse may be started; it may if not said.
    #[must_use]
    pub fn wake(mut self, wake: Wake) -> Self {
        self.wake = Some(wake);
        self
    }

    /// Who is told of progress, requests and bytes.
    #[must_use]
    pub fn reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = Some(reporter);
        self
    }

    /// The whole must end within this time from now.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// The token by which the caller gives up.
    #[must_use]
    pub fn cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// The context.
    pub fn build(self) -> Context {
        Context {
            shared: Arc::new(Shared {
                query_id: self.query_id,
                principal: self.principal.unwrap_or_else(Principal::local),
                identity: self.identity.unwrap_or(Identity::Configured),
                wake: self.wake.unwrap_or(Wake::Allowed),
            }),
            datasource: None,
            reporter: self.reporter,
            retry_budget: None,
            deadline: self.deadline,
            cancellation: self.cancellation,
        }
    }
}

impl Context {
    /// Starts a context: a new query id, no deadline, nobody told.
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// The id of the query this belongs to.
    pub fn query_id(&self) -> QueryId {
        self.shared.query_id
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.shared.principal
    }

    /// The identity shown to the source.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Whether a paused warehouse may be started.
    pub fn wake(&self) -> Wake {
        self.shared.wake
    }

    /// The datasource whose handle this context passed through.
    pub fn datasource(&self) -> Option<&str> {
        self.datasource.as_deref()
    }

    /// The moment at which the whole must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time left until the deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// The token by which the caller gives up.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// The same, seen by the datasource `name`: what is reported belongs to it.
    #[must_use]
    pub fn for_datasource(&self, name: impl Into<Arc<str>>) -> Self {
        Self { datasource: Some(name.into()), ..self.clone() }
    }

    /// The same, telling `reporter` too what is reported.
    #[must_use]
    pub fn also_reporting_to(&self, reporter: Arc<dyn Reporter>) -> Self {
        let reporter = match &self.reporter {
            Some(first) => Arc::new(Both(Arc::clone(first), reporter)),
            None => reporter,
        };
        Self { reporter: Some(reporter), ..self.clone() }
    }

    /// The same, whose repeated requests `budget` pays for.
    #[must_use]
    pub fn with_retry_budget(&self, budget: Arc<dyn RetryBudget>) -> Self {
        Self { retry_budget: Some(budget), ..self.clone() }
    }

    /// Whether a request that failed with `error` may be sent once more; asking pays for it.
    pub fn pay_for_retry(&self, error: &Error) -> bool {
        self.retry_budget.as_ref().is_none_or(|budget| budget.pay(error))
    }

    /// The same, ending after `timeout` if that is sooner.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        let sooner = match (self.deadline, Instant::now().checked_add(timeout)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { deadline: sooner, ..self.clone() }
    }

    /// The same with a token of its own: cancelling it leaves the parent running, cancelling
    /// the parent cancels it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { cancellation: self.cancellation.child_token(), ..self.clone() }
    }

    /// The same for work that goes on when the caller has left, such as cleaning up: it ends
    /// after `timeout`, and neither by the caller's token nor by the caller's deadline.
    #[must_use]
    pub fn detached(&self, timeout: Duration) -> Self {
        Self {
            cancellation: CancellationToken::new(),
            deadline: Instant::now().checked_add(timeout),
            ..self.clone()
        }
    }

    /// Tells the reporter, if there is one.
    pub fn report(&self, event: Event) {
        if let Some(reporter) = &self.reporter {
            reporter.report(self.datasource.as_deref().unwrap_or(""), event);
        }
    }

    /// Whether the work may go on.
    ///
    /// # Errors
    /// `Cancelled` when the caller gave up, `Timeout` after the deadline.
    pub fn check(&self) -> Result<()> {
        if self.cancellation.is_cancelled() {
            return Err(self.cancelled());
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(self.timed_out()),
            _ => Ok(()),
        }
    }

    /// Waits for `future`, but no longer than the caller does; the future is dropped then.
    ///
    /// # Errors
    /// Those of the future; `Cancelled` or `Timeout` when the caller's wait ended first.
    pub async fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        tokio::select! {
            biased;
            result = future => result,
            error = self.ended() => Err(error),
        }
    }

    /// Resolves once the caller gave up or the deadline passed, with the error that says so.
    pub async fn ended(&self) -> Error {
        match self.deadline {
            Some(deadline) => {
                tokio::select! {
                    () = self.cancellation.cancelled() => self.cancelled(),
                    () = tokio::time::sleep_until(deadline.into()) => self.timed_out(),
                }
            }
            None => {
                self.cancellation.cancelled().await;
                self.cancelled()
            }
        }
    }

    fn cancelled(&self) -> Error {
        self.named(Error::new(ErrorKind::Cancelled, "cancelled by the caller"))
    }

    fn timed_out(&self) -> Error {
        self.named(
            Error::new(ErrorKind::Timeout, "the time limit ran out")
                .with_hint("raise the limit or ask for less"),
        )
    }

    fn named(&self, error: Error) -> Error {
        match &self.datasource {
            Some(name) => error.with_datasource(name.as_ref()),
            None => error,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("query_id", &self.shared.query_id)
            .field("principal", &self.shared.principal)
            .field("datasource", &self.datasource)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
