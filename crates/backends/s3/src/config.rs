//! The settings, and connecting by them.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orbit_aws::{AwsAccess, KeptCredentials, check_endpoint};
use orbit_core::{
    BackendConfig, Context, Datasource, Problem, ProxySettings, Result, Secret, Settings, Sources,
    TlsSettings,
};
use orbit_file::Coalescing;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bucket::Bucket;
use crate::datasource::S3Datasource;
use crate::headers::ExtraHeaders;

/// The settings of an `s3` datasource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Config {
    /// The bucket whose files the datasource has, or the ARN of an access point.
    pub(crate) bucket_name: String,
    /// Only the files below this folder of the bucket; keys begin after it.
    prefix: Option<String>,
    /// The region of the bucket. Without it that of the variables or the profile is tried
    /// first, and the store says where the bucket lies.
    region: Option<String>,
    /// Where the store is, if it is not Amazon's own.
    pub(crate) endpoint_url: Option<String>,
    /// Whether the bucket stands in the path of a URL and not in its host; yes by default with
    /// an `endpoint_url`. An access point always stands in the host.
    path_style: Option<bool>,
    /// The id of an access key.
    access_key: Option<Secret>,
    /// Its secret.
    secret_key: Option<Secret>,
    /// The token that temporary keys come with.
    session_token: Option<Secret>,
    /// A profile of the shared configuration files.
    profile: Option<String>,
    /// A role to assume with the credentials found so far.
    role_arn: Option<String>,
    /// What the role's owner wants to be told when it is assumed.
    external_id: Option<String>,
    /// Where the role is assumed, if not at the region's own service.
    sts_endpoint_url: Option<String>,
    /// Whether requests are sent without credentials, for public buckets.
    #[serde(default)]
    anonymous: bool,
    /// Who pays for requests, where that is not the bucket's owner.
    pub(crate) request_payer: Option<RequestPayer>,
    /// How the store encrypts what is written; as the bucket says by default.
    pub(crate) sse: Option<Sse>,
    /// The key of `sse: kms`; the account's own by default.
    pub(crate) sse_kms_key_id: Option<String>,
    /// The key of `sse: c`, 32 bytes in base64, with which files are written and read.
    pub(crate) sse_customer_key: Option<Secret>,
    /// How the certificates of the store and of the service of roles are judged.
    #[serde(default)]
    tls: TlsSettings,
    /// The proxy in between.
    proxy: Option<ProxySettings>,
    /// How long a connection may take to come about.
    connect_timeout_ms: Option<NonZeroU64>,
    /// How long the store may be silent, before it answers and while it does.
    response_timeout_ms: Option<NonZeroU64>,
    /// How many requests one operation sends at once.
    parallel_requests_max: Option<NonZeroUsize>,
    /// Ranges of a file with at most this many bytes between them are read by one request: 1 MiB
    /// by default, which costs less time than a request. With 0 only bytes that are wanted
    /// travel, by more requests, where each byte is paid for.
    read_gap_bytes_max: Option<u64>,
}

/// Who pays for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestPayer {
    /// Whoever sends them.
    Requester,
}

/// How the store encrypts what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sse {
    /// With keys of the store.
    S3,
    /// With a key of the key management service.
    Kms,
    /// With a key that each request brings.
    C,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const PARALLEL_REQUESTS_MAX: usize = 8;

fn milliseconds(set: Option<NonZeroU64>, default: Duration) -> Duration {
    set.map_or(default, |ms| Duration::from_millis(ms.get()))
}

impl S3Config {
    fn access(&self) -> AwsAccess {
        AwsAccess {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
            profile: self.profile.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            anonymous: self.anonymous,
            region: self.region.clone(),
            sts_endpoint_url: self.sts_endpoint_url.clone(),
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            connect_timeout: milliseconds(self.connect_timeout_ms, CONNECT_TIMEOUT),
        }
    }

    /// What stands before every key: nothing, or a folder with its slash.
    pub(crate) fn key_prefix(&self) -> String {
        match self.prefix.as_deref() {
            None | Some("") => String::new(),
            Some(prefix) if prefix.ends_with('/') => prefix.to_owned(),
            Some(prefix) => format!("{prefix}/"),
        }
    }

    pub(crate) fn uses_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint_url.is_some() && !self.is_access_point())
    }

    fn is_access_point(&self) -> bool {
        self.bucket_name.starts_with("arn:")
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    pub(crate) fn credentials(&self) -> KeptCredentials {
        KeptCredentials::new(self.access().renews())
    }

    pub(crate) fn response_timeout(&self) -> Duration {
        milliseconds(self.response_timeout_ms, RESPONSE_TIMEOUT)
    }

    pub(crate) fn parallel_requests_max(&self) -> usize {
        self.parallel_requests_max.map_or(PARALLEL_REQUESTS_MAX, NonZeroUsize::get)
    }

    /// How ranges become requests.
    pub(crate) fn coalescing(&self) -> Coalescing {
        let default = Coalescing::default();
        Coalescing {
            gap_max_bytes: self.read_gap_bytes_max.unwrap_or(default.gap_max_bytes),
            parallel_max: self.parallel_requests_max(),
            ..default
        }
    }

    fn check_bucket(&self, settings: &Settings) -> Option<Problem> {
        let name = &self.bucket_name;
        let problem = |message: &str| Some(settings.problem("bucket_name", message));
        if name.is_empty() {
            return problem("the name is empty");
        }
        if name.ends_with("--x-s3") {
            return problem("directory buckets are not supported: they do not list in order");
        }
        if name.ends_with(".mrap") {
            return problem("access points of several regions are not supported");
        }
        if !self.is_access_point() && name.contains(|c: char| c == '/' || c.is_whitespace()) {
            let problem = problem("a bucket's name has no slash and no space")?;
            return Some(problem.with_hint("put a folder into `prefix`, and leave out `s3://`"));
        }
        None
    }

    fn check_path_style(&self, settings: &Settings) -> Option<Problem> {
        let is_wrong = self.is_access_point() && self.path_style == Some(true);
        let message = "an access point stands in the host of a URL, not in its path";
        is_wrong.then(|| settings.problem("path_style", message).with_hint("leave it out"))
    }

    fn check_encryption(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sse_kms_key_id.is_some() && self.sse != Some(Sse::Kms) {
            problems.push(settings.problem("sse_kms_key_id", "is for `sse: kms` alone"));
        }
        match (&self.sse_customer_key, self.sse) {
            (None, Some(Sse::C)) => {
                problems.push(settings.problem("sse", "`sse_customer_key` is missing beside it"));
            }
            (Some(_), sse) if sse != Some(Sse::C) => {
                problems.push(settings.problem("sse_customer_key", "is for `sse: c` alone"));
            }
            (Some(key), _) if ExtraHeaders::customer_key(key).is_none() => {
                let message = "must be 32 bytes in base64";
                problems.push(settings.problem("sse_customer_key", message));
            }
            _ => {}
        }
        problems
    }
}

#[async_trait]
impl BackendConfig for S3Config {
    fn validate(&self, settings: &Settings, _: &[&str]) -> Vec<Problem> {
        let mut problems: Vec<_> = self.check_bucket(settings).into_iter().collect();
        if let Some(url) = &self.endpoint_url {
            problems.extend(check_endpoint(settings, "endpoint_url", url));
        }
        problems.extend(self.check_path_style(settings));
        problems.extend(self.access().validate(settings));
        problems.extend(self.check_encryption(settings));
        problems
    }

    async fn connect(&self, cx: &Context, _: &Sources) -> Result<Arc<dyn Datasource>> {
        let sdk = self.access().load(cx).await?;
        Ok(Arc::new(S3Datasource::new(Bucket::new(&sdk, self))))
    }
}
