//! From settings to the configuration of a client.

use std::time::SystemTime;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as ProvideCredentialsFuture;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use orbit_core::{Context, Result};

use crate::bounded::bounded;
use crate::{AwsAccess, proxy, quiet, trust};

/// Where requests go first when nobody says a region.
const REGION_DEFAULT: &str = "us-east-1";

/// What the sessions of assumed roles are called in the cloud's own logs.
const SESSION_NAME: &str = "orbit";

impl AwsAccess {
    /// The configuration of a client: credentials that are fetched when they are first needed
    /// and renewed before they run out, kept by this configuration alone; no retries and no
    /// limits on time but that of connecting.
    ///
    /// # Errors
    /// `ConfigInvalid` for certificates that cannot be read or a proxy that is none; when the wait
    /// of `cx` ends first.
    pub async fn load(&self, cx: &Context) -> Result<SdkConfig> {
        let tls = cx.run(trust::judged_by(&self.tls)).await?;
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        let http = match &self.proxy {
            None => Builder::new().tls_provider(provider).tls_context(tls).build_https(),
            Some(through) => proxy::client(through, provider, tls, self.connect_timeout)?,
        };
        cx.run(async {
            // Who gives out credentials answers briefly; of a client's own answers some are files.
            let config = Box::pin(quiet(self.config(bounded(http.clone())))).await;
            Ok(config.into_builder().http_client(http).build())
        })
        .await
    }

    async fn config(&self, http: SharedHttpClient) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().connect_timeout(self.connect_timeout).build();
        let region = self.region_chain().region().await;
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::lazy().build());
        let provider = ProviderConfig::without_region().with_region(region).with_http_client(http);
        let config = self.with_credentials(loader, &provider).load().await;
        match &self.role_arn {
            Some(arn) => self.assuming(arn, config).await,
            None => config,
        }
    }

    /// The machine's own region is not asked for: the service answers where a bucket lies, and
    /// outside the cloud the question costs seconds.
    fn region_chain(&self) -> RegionProviderChain {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile.build())
            .or_else(Region::new(REGION_DEFAULT))
    }

    fn with_credentials(&self, loader: ConfigLoader, provider: &ProviderConfig) -> ConfigLoader {
        if self.anonymous {
            return loader.no_credentials();
        }
        if let (Some(key), Some(secret)) = (&self.access_key, &self.secret_key) {
            let token = self.session_token.as_ref().map(|t| t.expose().to_owned());
            let never: Option<SystemTime> = None;
            let keys = Credentials::new(key.expose(), secret.expose(), token, never, "settings");
            return loader.credentials_provider(keys);
        }
        match &self.profile {
            // Asked alone: in the usual chain keys in variables would come before it.
            Some(name) => {
                let profile = ProfileFileCredentialsProvider::builder().profile_name(name);
                let inner = profile.configure(provider).build();
                loader
                    .profile_name(name)
                    .credentials_provider(Profile { name: name.clone(), inner })
            }
            None => loader,
        }
    }

    async fn assuming(&self, role_arn: &str, config: SdkConfig) -> SdkConfig {
        let sts = match &self.sts_endpoint_url {
            Some(url) => config.to_builder().endpoint_url(url).build(),
            None => config.clone(),
        };
        let mut role = AssumeRoleProvider::builder(role_arn).session_name(SESSION_NAME);
        if let Some(id) = &self.external_id {
            role = role.external_id(id);
        }
        let role = role.configure(&sts).build().await;
        // A cache of its own: the one of `config` holds the credentials that assume the role.
        config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(role))
            .identity_cache(IdentityCache::lazy().build())
            .build()
    }
}

/// A profile that settings name: without credentials in it the settings are wrong.
#[derive(Debug)]
struct Profile {
    name: String,
    inner: ProfileFileCredentialsProvider,
}

impl ProvideCredentials for Profile {
    fn provide_credentials<'a>(&'a self) -> ProvideCredentialsFuture<'a>
    where
        Self: 'a,
    {
        ProvideCredentialsFuture::new(async {
            match self.inner.provide_credentials().await {
                Err(CredentialsError::CredentialsNotLoaded(_)) => {
                    let told = format!("there is no profile `{}` with credentials", self.name);
                    Err(CredentialsError::invalid_configuration(told))
                }
                found => found,
            }
        })
    }
}
