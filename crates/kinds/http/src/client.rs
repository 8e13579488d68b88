//! One client for each datasource: pool, limits, and repeating what is safe to repeat.

use std::fmt;
use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use orbit_core::{Context, Error, ErrorKind, Event, ProxySettings, Result, Retry, TlsSettings};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Method, NoProxy, Proxy, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::answer::Answer;
use crate::retry::{RetryPolicy, retry_after};

/// A body whose length is told is given its memory at once, up to this.
const RESERVE_BYTES_MAX: usize = 64 << 20;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientOptions<'a> {
    /// Said to the service.
    pub user_agent: &'a str,
    /// How certificates are judged.
    pub tls: &'a TlsSettings,
    /// The proxy in between.
    pub proxy: Option<&'a ProxySettings>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Requests that are under way at once.
    pub requests_at_once_max: usize,
    /// Requests begun in a second; none is no limit.
    pub requests_per_s_max: Option<NonZeroU32>,
    /// Bounds on repeating.
    pub retry: RetryPolicy,
}

/// When a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// When nothing of it can have reached the service, or the service says that it was refused.
    WhenRefused,
    /// Whatever happened: it cannot start work, or cannot start it twice.
    Always,
}

/// A request.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The address; only its host is ever shown.
    pub url: Url,
    /// The headers. Those that hold a secret are marked as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it may be sent again.
    pub repeat: Repeat,
    /// The query parameter that counts repeats, if the service wants to know.
    pub repeat_parameter: Option<&'static str>,
    /// It waits neither for its turn nor for the rate: it stops work that others wait for.
    pub urgent: bool,
    /// How long one attempt may take, its body included.
    pub timeout: Duration,
    /// The longest answer that is read.
    pub answer_bytes_max: usize,
}

/// A client of one datasource.
pub struct Client {
    http: reqwest::Client,
    at_once: Semaphore,
    rate: Option<RateLimiter<NotKeyed, InMemoryState, DefaultClock>>,
    retry: RetryPolicy,
}

/// Why an attempt gave no answer that can be used.
struct Failed {
    error: Error,
    /// It may be sent again.
    again: bool,
    /// The service asks to wait this long.
    wait: Option<Duration>,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// `ConfigInvalid` for certificates that cannot be read or a proxy that is none.
    pub fn new(options: &ClientOptions<'_>) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .connect_timeout(options.connect_timeout)
            // A redirect would carry credentials and statements to another host.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .tcp_keepalive(Duration::from_secs(60))
            .pool_max_idle_per_host(options.requests_at_once_max);
        if let Some(path) = &options.tls.ca_path {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        if let Some(settings) = options.proxy {
            builder = builder.proxy(proxy(settings)?);
        }
        let http = builder.build().map_err(|e| {
            let message = "the HTTP client cannot be made from these settings";
            Error::new(ErrorKind::ConfigInvalid, message).with_source(e.without_url())
        })?;
        Ok(Self {
            http,
            at_once: Semaphore::new(options.requests_at_once_max.clamp(1, Semaphore::MAX_PERMITS)),
            rate: options.requests_per_s_max.map(|n| RateLimiter::direct(Quota::per_second(n))),
            retry: options.retry,
        })
    }

    /// Sends a request until it is answered: any answer but "too many", "busy" and the like is
    /// one, also of failure.
    ///
    /// # Errors
    /// `Unavailable` when the service cannot be reached or stays busy, `RateLimited` when it
    /// asks to wait longer than is allowed, `Timeout`, `ResourceExhausted` for an answer that
    /// is too long; the context's own.
    pub async fn send(&self, cx: &Context, call: &Call) -> Result<Answer> {
        let mut waited = Duration::ZERO;
        for attempt in 1.. {
            let failed = match cx.run(async { Ok(self.attempt(cx, call, attempt).await) }).await? {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let wait = failed.wait.unwrap_or_else(|| self.retry.wait(attempt));
            let too_long = waited.saturating_add(wait) > self.retry.wait_total_max;
            let spent = !failed.again || attempt >= self.retry.attempts_max || too_long;
            if spent || !cx.pay_for_retry(&failed.error) {
                return Err(gave_up(failed, attempt));
            }
            waited += wait;
            cx.report(Event::Retried);
            tracing::debug!(host = call.host(), attempt, ?wait, "a request is sent again");
            cx.run(tokio::time::sleep(wait).map(Ok)).await?;
        }
        Err(Error::new(ErrorKind::Unexpected, "the attempts at a request are counted wrongly"))
    }

    async fn attempt(&self, cx: &Context, call: &Call, number: u32) -> Result<Answer, Failed> {
        let permit = match call.urgent {
            true => None,
            false => self.turn().await,
        };
        cx.report(Event::Requests(1));
        let begun = Instant::now();
        let exchange = self.exchange(cx, call, number);
        let answered = tokio::time::timeout(call.timeout, exchange).await;
        drop(permit);
        let answered = answered.unwrap_or_else(|_| Err(call.timed_out()));
        let status = answered.as_ref().ok().map(|a| a.status.as_u16());
        let elapsed_ms = begun.elapsed().as_millis();
        tracing::debug!(method = %call.method, host = call.host(), status, elapsed_ms, "request");
        match answered {
            Ok(answer) => call.judge(answer),
            Err(failed) => Err(failed),
        }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.at_once.acquire().await.ok();
        if let Some(rate) = &self.rate {
            rate.until_ready().await;
        }
        permit
    }

    async fn exchange(&self, cx: &Context, call: &Call, number: u32) -> Result<Answer, Failed> {
        let mut url = call.url.clone();
        if let (Some(name), 2..) = (call.repeat_parameter, number) {
            url.query_pairs_mut().append_pair(name, &(number - 1).to_string());
        }
        let request = self.http.request(call.method.clone(), url).headers(call.headers.clone());
        let sent = request.body(call.body.clone()).send().await;
        let mut response = sent.map_err(|e| call.broke(e))?;
        let told = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if told > call.answer_bytes_max {
            return Err(call.too_long());
        }
        let mut body = Vec::with_capacity(told.min(RESERVE_BYTES_MAX));
        while let Some(piece) = response.chunk().await.map_err(|e| call.broke(e))? {
            if body.len() + piece.len() > call.answer_bytes_max {
                return Err(call.too_long());
            }
            cx.report(Event::BytesRead(piece.len() as u64));
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.into(),
            host: call.host().to_owned(),
        })
    }
}

impl Call {
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    fn error(&self, kind: ErrorKind, message: &'static str) -> Error {
        Error::new(kind, message).with_context("host", self.host())
    }

    /// Of a request that got no answer, or not all of it.
    fn broke(&self, error: reqwest::Error) -> Failed {
        let unsent = error.is_connect();
        let message = match unsent {
            true => "the service cannot be reached",
            false => "the connection to the service broke",
        };
        let again = unsent || self.repeat == Repeat::Always;
        // The address may hold a signature.
        let error = self.error(ErrorKind::Unavailable, message).with_source(error.without_url());
        Failed { error, again, wait: None }
    }

    fn timed_out(&self) -> Failed {
        let error = self
            .error(ErrorKind::Timeout, "the service did not answer in time")
            .with_context("limit_s", self.timeout.as_secs().to_string());
        Failed { error, again: self.repeat == Repeat::Always, wait: None }
    }

    fn too_long(&self) -> Failed {
        let error = self
            .error(ErrorKind::ResourceExhausted, "the service's answer is too long")
            .with_context("limit_bytes", self.answer_bytes_max.to_string());
        Failed { error, again: false, wait: None }
    }

    /// Takes "come again later" apart from real answers.
    fn judge(&self, answer: Answer) -> Result<Answer, Failed> {
        let again = match answer.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
            StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                self.repeat == Repeat::Always
            }
            _ => return Ok(answer),
        };
        let wait = retry_after(&answer.headers, SystemTime::now());
        let error = match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                self.error(ErrorKind::RateLimited, "the service asks to slow down")
            }
            _ => self.error(ErrorKind::Unavailable, "the service is not available now"),
        };
        let error = error.with_context("status", answer.status.as_u16().to_string());
        Err(Failed { error, again, wait })
    }
}

fn gave_up(failed: Failed, attempts: u32) -> Error {
    let Failed { error, again, wait } = failed;
    let error = match wait {
        Some(wait) => error.with_context("retry_after_s", wait.as_secs().to_string()),
        None => error,
    };
    match again {
        true => error.with_retry(Retry::Exhausted).with_context("attempts", attempts.to_string()),
        false => error,
    }
}

fn certificates(path: &str) -> Result<Vec<Certificate>> {
    let unreadable = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::ConfigInvalid, "the certificates cannot be read")
            .with_context("path", path)
            .with_source(e)
    };
    let pem = std::fs::read(path).map_err(|e| unreadable(e.into()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| unreadable(e.into()))?;
    if certificates.is_empty() {
        return Err(unreadable("there is no certificate in it".into()));
    }
    Ok(certificates)
}

fn proxy(settings: &ProxySettings) -> Result<Proxy> {
    let proxy = Proxy::all(settings.url.as_str()).map_err(|e| {
        Error::new(ErrorKind::ConfigInvalid, "the proxy's URL cannot be used")
            .with_source(e.without_url())
    })?;
    let password = settings.password.as_ref().map_or("", |p| p.expose());
    let proxy = match &settings.user {
        Some(user) => proxy.basic_auth(user, password),
        None => proxy,
    };
    Ok(proxy.no_proxy(NoProxy::from_string(&settings.except.join(","))))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("retry", &self.retry).finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("host", &self.host())
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}
