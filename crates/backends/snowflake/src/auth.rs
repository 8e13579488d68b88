//! What a user proves their identity with.

use std::time::{Duration, Instant};

use bytes::Bytes;
use orbit_core::{Context, Error, ErrorKind, Result, Secret};
use orbit_http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use orbit_http::{Call, Client, Method, Renewing, Repeat, Url};
use serde::Deserialize;

use crate::config::{OauthSettings, SnowflakeConfig};
use crate::jwt::SigningKey;

/// The longest answer of a token service.
const TOKEN_BYTES_MAX: usize = 1 << 20;
/// A token is no longer used when it ends within this.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// How signing in is proved.
#[derive(Debug)]
pub(crate) enum Credentials {
    Password(Secret),
    KeyPair(Box<SigningKey>),
    OauthToken(Secret),
    Oauth { settings: OauthSettings, token: Renewing<OauthToken> },
    AccessToken(Secret),
}

/// A token that was given out to us.
pub(crate) struct OauthToken {
    token: Secret,
    ends: Instant,
}

/// What goes into the request that signs in.
pub(crate) struct Proof {
    /// The vendor's name of the way; none for a password.
    pub authenticator: Option<&'static str>,
    /// The field that holds the secret.
    pub field: &'static str,
    pub secret: Secret,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
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
            return Ok(Self::Oauth { settings: settings.clone(), token: Renewing::default() });
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
            Self::Oauth { settings, token } => {
                let timeout = Duration::from_secs(config.api_timeout);
                (Some("OAUTH"), "TOKEN", current(cx, client, settings, token, timeout).await?)
            }
        };
        Ok(Proof { authenticator, field, secret })
    }
}

async fn current(
    cx: &Context,
    client: &Client,
    settings: &OauthSettings,
    kept: &Renewing<OauthToken>,
    timeout: Duration,
) -> Result<Secret> {
    let make = |_| async { ask(cx, client, settings, timeout).await };
    let mut token = kept.get(cx, make).await?;
    if token.value.ends < Instant::now() + TOKEN_MARGIN {
        token = kept.renewed(cx, token.generation, make).await?;
    }
    Ok(token.value.token.clone())
}

async fn ask(
    cx: &Context,
    client: &Client,
    settings: &OauthSettings,
    timeout: Duration,
) -> Result<OauthToken> {
    let url = Url::parse(&settings.token_url).map_err(|e| {
        Error::new(ErrorKind::ConfigInvalid, "the token service's URL is none").with_source(e)
    })?;
    // An address that only writes the form: the encoding of a query is that of a form.
    let mut form = url.clone();
    form.set_query(None);
    form.query_pairs_mut()
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &settings.client_id)
        .append_pair("client_secret", settings.client_secret.expose());
    if let Some(scope) = &settings.scope {
        form.query_pairs_mut().append_pair("scope", scope);
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, kind);
    let call = Call {
        method: Method::POST,
        body: Bytes::from(form.query().unwrap_or_default().to_owned()),
        url,
        headers,
        repeat: Repeat::WhenRefused,
        repeat_parameter: None,
        timeout,
        answer_bytes_max: TOKEN_BYTES_MAX,
    };
    let answer = client.send(cx, &call).await?;
    if matches!(answer.status.as_u16(), 400 | 401 | 403) {
        let error = Error::new(ErrorKind::Unauthenticated, "the token service refused the client");
        return Err(answer.told(error).with_hint("check `oauth.client_id` and its secret"));
    }
    let answer: TokenAnswer = answer.success()?.json(TOKEN_BYTES_MAX)?;
    let lives = Duration::from_secs(answer.expires_in.unwrap_or(600));
    Ok(OauthToken { token: Secret::new(answer.access_token), ends: Instant::now() + lives })
}
