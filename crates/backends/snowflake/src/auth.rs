//! What a user proves their identity with.

use std::time::Duration;

use orbit_core::{Context, Error, ErrorKind, Result, Secret};
use orbit_http::{Client, Oauth};

use crate::config::SnowflakeConfig;
use crate::jwt::SigningKey;

/// How signing in is proved.
#[derive(Debug)]
pub(crate) enum Credentials {
    Password(Secret),
    KeyPair(Box<SigningKey>),
    OauthToken(Secret),
    Oauth(Oauth),
    AccessToken(Secret),
}

/// What goes into the request that signs in.
pub(crate) struct Proof {
    /// The vendor's name of the way; none for a password.
    pub authenticator: Option<&'static str>,
    /// The field that holds the secret.
    pub field: &'static str,
    pub secret: Secret,
}

impl Credentials {
    /// Those of the settings.
    ///
    /// # Errors
    /// `ConfigInvalid` when a key cannot be read.
    pub(crate) fn of(config: &SnowflakeConfig) -> Result<Self> {
        if let Some(path) = &config.private_key_path {
            let key = SigningKey::read(path, config.private_key_passphrase.as_ref())?;
            return Ok(Self::KeyPair(Box::new(key)));
        }
        if let Some(settings) = &config.oauth {
            let timeout = Duration::from_secs(config.api_timeout);
            return Ok(Self::Oauth(Oauth::new(settings.clone(), timeout)));
        }
        if let Some(token) = &config.oauth_token {
            return Ok(Self::OauthToken(token.clone()));
        }
        if let Some(token) = &config.access_token {
            return Ok(Self::AccessToken(token.clone()));
        }
        let Some(password) = &config.password else {
            return Err(Error::new(ErrorKind::ConfigInvalid, "there are no credentials"));
        };
        tracing::warn!(
            account = config.account,
            "signing in by password alone is being ended by the vendor; use a key pair or a token"
        );
        Ok(Self::Password(password.clone()))
    }

    /// What proves it now.
    ///
    /// # Errors
    /// Those of signing and of the token service.
    pub(crate) async fn prove(
        &self,
        cx: &Context,
        client: &Client,
        config: &SnowflakeConfig,
    ) -> Result<Proof> {
        let (authenticator, field, secret) = match self {
            Self::Password(password) => (None, "PASSWORD", password.clone()),
            Self::KeyPair(key) => {
                let user = config.user.as_deref().unwrap_or_default();
                (Some("SNOWFLAKE_JWT"), "TOKEN", key.token(config.account_name(), user)?)
            }
            Self::OauthToken(token) => (Some("OAUTH"), "TOKEN", token.clone()),
            Self::AccessToken(token) => (Some("PROGRAMMATIC_ACCESS_TOKEN"), "TOKEN", token.clone()),
            Self::Oauth(oauth) => (Some("OAUTH"), "TOKEN", oauth.token(cx, client).await?),
        };
        Ok(Proof { authenticator, field, secret })
    }

    /// Forgets what can be had anew, since the service refused it; whether there was any.
    pub(crate) async fn forget(&self) -> bool {
        let Self::Oauth(oauth) = self else { return false };
        oauth.forget().await;
        true
    }
}
