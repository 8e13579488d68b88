//! The bucket: a client for its region, its keys, and the requests' common limits.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use orbit_aws::{Failure, KeptCredentials, SdkConfig, send};
use orbit_core::{Context, ErrorKind, Result};
use orbit_file::{Coalescing, repeat};

use crate::answers::BoundedAnswers;
use crate::config::S3Config;
use crate::error;
use crate::headers::ExtraHeaders;

/// How often one of many requests of an operation is sent again.
pub(crate) const ATTEMPTS_MAX: u32 = 5;

/// A request that moves bytes may take longer by this much for each of them.
const SLOWEST_BYTES_PER_SECOND: u64 = 256 << 10;

/// A bucket, or a folder of it.
///
/// Nothing is asked before the first operation: where the store names another region then, the
/// bucket is asked for there from that request on.
pub(crate) struct Bucket {
    client: Mutex<Client>,
    pub(crate) name: String,
    /// What stands before every key.
    pub(crate) prefix: String,
    pub(crate) is_anonymous: bool,
    credentials: KeptCredentials,
    /// How long the store may be silent.
    pub(crate) silence_max: Duration,
    pub(crate) parallel_max: usize,
    pub(crate) coalescing: Coalescing,
    /// Something answered, be it with a refusal.
    is_reached: AtomicBool,
    /// A request was answered as it should be.
    is_found: AtomicBool,
}

impl Bucket {
    pub(crate) fn new(sdk: &SdkConfig, config: &S3Config) -> Self {
        let credentials = config.credentials();
        let mut client = Builder::from(sdk)
            .identity_cache(credentials.clone())
            .force_path_style(config.uses_path_style())
            .disable_s3_express_session_auth(true)
            .interceptor(ExtraHeaders::of(config))
            .interceptor(BoundedAnswers);
        if let Some(url) = &config.endpoint_url {
            client = client.endpoint_url(url);
        }
        Self {
            client: Mutex::new(Client::from_conf(client.build())),
            name: config.bucket_name.clone(),
            prefix: config.key_prefix(),
            is_anonymous: config.is_anonymous(),
            credentials,
            silence_max: config.response_timeout(),
            parallel_max: config.parallel_requests_max(),
            coalescing: config.coalescing(),
            is_reached: AtomicBool::new(false),
            is_found: AtomicBool::new(false),
        }
    }

    /// The client of the region where the bucket is taken to lie.
    pub(crate) fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The region where the bucket is taken to lie.
    pub(crate) fn region(&self) -> Option<String> {
        region_of(&self.client())
    }

    /// Whether the bucket is known to be there, and to be asked for where it lies.
    pub(crate) fn is_found(&self) -> bool {
        self.is_found.load(Ordering::Relaxed)
    }

    /// The cheapest request whose answer tells wrong credentials from missing rights.
    pub(crate) async fn look(&self, cx: &Context) -> Result<(), Failure> {
        let list = |client: Client| {
            let list = client.list_objects_v2().bucket(&self.name).max_keys(1);
            list.prefix(&self.prefix).send()
        };
        self.send(cx, 0, list).await.map(drop).map_err(of_bucket)
    }

    pub(crate) async fn ping(&self, cx: &Context) -> Result<()> {
        self.look(cx).await.map_err(|failure| self.error(failure))
    }

    /// Finds out where the bucket lies, for what is not asked of the store itself, or not twice.
    pub(crate) async fn locate(&self, cx: &Context) -> Result<()> {
        if self.is_found() {
            return Ok(());
        }
        let Err(failure) = self.look(cx).await else { return Ok(()) };
        // Who may read or write a file may not be allowed to list.
        let is_known = failure.error.kind() != ErrorKind::Unauthenticated;
        match failure.status == Some(403) && is_known {
            true => Ok(()),
            false => Err(self.error(failure)),
        }
    }

    /// The store's key of a key of ours.
    pub(crate) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Our key of a key of the store.
    pub(crate) fn relative(&self, full: &str) -> Option<String> {
        full.strip_prefix(&self.prefix).map(str::to_owned)
    }

    /// Sends a request that moves `bytes` bytes before its answer begins; in another region, once
    /// more, where the store names one.
    pub(crate) async fn send<T, E, Fut>(
        &self,
        cx: &Context,
        bytes: u64,
        request: impl Fn(Client) -> Fut,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let client = self.client();
        let sent = self.send_once(cx, bytes, request(client.clone())).await;
        let Err(failure) = sent else { return sent };
        match self.moved(&client, &failure) {
            Some(client) => self.send_once(cx, bytes, request(client)).await,
            None => Err(failure),
        }
    }

    async fn send_once<T, E>(
        &self,
        cx: &Context,
        bytes: u64,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let limit = self.silence_max + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        // The client's futures are tens of kilobytes, and deep stacks would copy them.
        let answer = self.credentials.learn_from(send(cx, limit, Box::pin(request))).await;
        match &answer {
            Ok(_) => {
                self.is_reached.store(true, Ordering::Relaxed);
                self.is_found.store(true, Ordering::Relaxed);
            }
            Err(failure) if failure.status.is_some() => {
                self.is_reached.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        answer
    }

    /// Repeats one of many requests of an operation while its failure may be mended. A store that
    /// never answered is more likely not there than busy: that is left to who repeats operations.
    pub(crate) async fn repeat<T, Fut>(&self, cx: &Context, request: impl Fn() -> Fut) -> Result<T>
    where
        Fut: Future<Output = Result<T>>,
    {
        let once = || async {
            match request().await {
                Err(error) if !self.is_reached.load(Ordering::Relaxed) => Ok(Err(error)),
                answer => answer.map(Ok),
            }
        };
        repeat(cx, ATTEMPTS_MAX, once).await?
    }

    /// The client of the region that the store names in place of that of `asked`, or that another
    /// request has learnt meanwhile: not every answer has room for a region.
    fn moved(&self, asked: &Client, failure: &Failure) -> Option<Client> {
        if !error::is_elsewhere(failure) {
            return None;
        }
        let asked = region_of(asked);
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let named = failure.region.as_ref().filter(|region| asked.as_ref() != Some(*region));
        if let Some(region) = named
            && region_of(&client).as_ref() != Some(region)
        {
            tracing::debug!(bucket = self.name, region, "the bucket lies in another region");
            let config = client.config().to_builder().region(Region::new(region.clone()));
            *client = Client::from_conf(config.build());
        }
        (region_of(&client) != asked).then(|| client.clone())
    }

    /// The failure of an operation on the bucket.
    pub(crate) fn error(&self, failure: Failure) -> orbit_core::Error {
        error::of(of_bucket(failure)).with_context("bucket", &self.name)
    }
}

fn region_of(client: &Client) -> Option<String> {
    client.config().region().map(ToString::to_string)
}

/// What is missed by a request for no file in particular is the bucket.
fn of_bucket(mut failure: Failure) -> Failure {
    if failure.status == Some(404) {
        failure.code = Some("NoSuchBucket".to_owned());
    }
    failure
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
