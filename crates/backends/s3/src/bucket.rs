//! The bucket: a client for its region, its keys, and the requests' common limits.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use orbit_aws::{Failure, KeptCredentials, SdkConfig, send};
use orbit_core::{Context, Result};

use crate::config::S3Config;
use crate::error;
use crate::headers::ExtraHeaders;

/// A request that moves bytes may take longer by this much for each of them.
const SLOWEST_BYTES_PER_SECOND: u64 = 256 << 10;

/// A bucket, or a folder of it.
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// What stands before every key.
    pub(crate) prefix: String,
    pub(crate) is_anonymous: bool,
    credentials: KeptCredentials,
    /// How long the store may be silent.
    pub(crate) silence_max: Duration,
    pub(crate) parallel_max: usize,
}

impl Bucket {
    /// Finds the bucket: where the store names another region, it is asked there, once.
    pub(crate) async fn find(cx: &Context, sdk: &SdkConfig, config: &S3Config) -> Result<Self> {
        let bucket = Self::in_region(sdk, config, sdk.region().cloned());
        let Err(failure) = bucket.look(cx).await else { return Ok(bucket) };
        let asked = sdk.region().map(AsRef::as_ref);
        match failure.region.clone() {
            Some(region) if asked != Some(region.as_str()) && error::is_elsewhere(&failure) => {
                tracing::debug!(bucket = bucket.name, region, "the bucket lies in another region");
                let bucket = Self::in_region(sdk, config, Some(Region::new(region)));
                match bucket.look(cx).await {
                    Ok(()) => Ok(bucket),
                    Err(failure) => bucket.unless_listing_is_denied(failure),
                }
            }
            _ => bucket.unless_listing_is_denied(failure),
        }
    }

    /// Who may read a file may not be allowed to list: that is no reason to refuse to connect.
    fn unless_listing_is_denied(self, failure: Failure) -> Result<Self> {
        match failure.is("AccessDenied") {
            true => Ok(self),
            false => Err(self.error(failure)),
        }
    }

    fn in_region(sdk: &SdkConfig, config: &S3Config, region: Option<Region>) -> Self {
        let credentials = config.credentials();
        let mut client = Builder::from(sdk)
            .region(region)
            .identity_cache(credentials.clone())
            .force_path_style(config.uses_path_style())
            .disable_s3_express_session_auth(true)
            .interceptor(ExtraHeaders::of(config));
        if let Some(url) = &config.endpoint_url {
            client = client.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(client.build()),
            name: config.bucket_name.clone(),
            prefix: config.key_prefix(),
            is_anonymous: config.is_anonymous(),
            credentials,
            silence_max: config.response_timeout(),
            parallel_max: config.parallel_requests_max(),
        }
    }

    pub(crate) async fn look(&self, cx: &Context) -> Result<(), Failure> {
        let list = self.client.list_objects_v2().bucket(&self.name).max_keys(1);
        self.send(cx, 0, list.prefix(&self.prefix).send()).await.map(drop)
    }

    /// The cheapest request whose answer tells wrong credentials from missing rights.
    pub(crate) async fn ping(&self, cx: &Context) -> Result<()> {
        self.look(cx).await.map_err(|failure| self.error(failure))
    }

    /// The store's key of a key of ours.
    pub(crate) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Our key of a key of the store.
    pub(crate) fn relative(&self, full: &str) -> Option<String> {
        full.strip_prefix(&self.prefix).map(str::to_owned)
    }

    /// Sends a request that moves `bytes` bytes before its answer begins.
    pub(crate) async fn send<T, E>(
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
        self.credentials.learn_from(send(cx, limit, Box::pin(request))).await
    }

    /// The failure of an operation on the bucket.
    pub(crate) fn error(&self, mut failure: Failure) -> orbit_core::Error {
        if failure.status == Some(404) {
            failure.code = Some("NoSuchBucket".to_owned());
        }
        error::of(failure).with_context("bucket", &self.name)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
