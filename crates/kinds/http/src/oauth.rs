//! OAuth access tokens by client credentials.

use std::time::{Duration, Instant};

use bytes::Bytes;
use orbit_core::{Context, Error, ErrorKind, Problem, Result, Secret, Settings, keeps_secrets};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::client::{Call, Client, Repeat};
use crate::credential::Renewing;

/// The longest answer of a token service.
const TOKEN_BYTES_MAX: usize = 1 << 20;
/// A token is no longer used when it ends within this.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token is taken to live that does not say.
const LIFETIME: Duration = Duration::from_secs(600);

/// OAuth by client credentials.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OauthSettings {
    /// Where tokens are given out: by https, or on this machine.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// What is asked for, such as `session:role:READER`.
    pub scope: Option<String>,
}

impl OauthSettings {
    /// What is wrong with the block under `key`.
    pub fn validate(&self, key: &str, settings: &Settings) -> Vec<Problem> {
        let key = format!("{key}.token_url");
        match Url::parse(&self.token_url) {
            Ok(_) if keeps_secrets(&self.token_url) => Vec::new(),
            Ok(url) if url.scheme() == "http" => {
                let message = "by http the client's secret is sent to this machine alone";
                vec![settings.problem(&key, message).with_hint("use https")]
            }
            _ => {
                let problem = settings.problem(&key, "this is no URL of a token service");
                vec![problem.with_hint("write it as https://host/path")]
            }
        }
    }
}

/// The tokens of one client, asked for when they are needed.
///
/// `Debug` shows neither token nor secret.
#[derive(Debug)]
pub struct Oauth {
    settings: OauthSettings,
    token: Renewing<Token>,
    timeout: Duration,
}

struct Token {
    secret: Secret,
    ends: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// A number, which some services write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Answer {
    /// How long the token lives, as far as the service says so.
    fn lifetime(&self) -> Duration {
        let seconds = match self.expires_in.as_ref() {
            Some(Seconds::Number(seconds)) => Some(*seconds),
            Some(Seconds::Text(text)) => text.trim().parse().ok(),
            None => None,
        };
        seconds.map_or(LIFETIME, Duration::from_secs)
    }
}

impl Oauth {
    /// No token is asked for yet; each request for one may take `timeout`.
    pub fn new(settings: OauthSettings, timeout: Duration) -> Self {
        Self { settings, token: Renewing::default(), timeout }
    }

    /// A token that is good for a minute or more.
    ///
    /// # Errors
    /// `Unauthenticated` when the client is refused; those of sending.
    pub async fn token(&self, cx: &Context, client: &Client) -> Result<Secret> {
        let make = |_| self.ask(cx, client);
        let mut token = self.token.get(cx, make).await?;
        if token.value.ends < Instant::now() + MARGIN {
            token = self.token.renewed(cx, token.generation, make).await?;
        }
        Ok(token.value.secret.clone())
    }

    /// Forgets the token, which the service refused before its end.
    pub async fn forget(&self) {
        self.token.take().await;
    }

    async fn ask(&self, cx: &Context, client: &Client) -> Result<Token> {
        let answer = client.send(cx, &self.call()?).await?;
        if matches!(answer.status.as_u16(), 400 | 401 | 403) {
            let message = "the token service refused the client";
            let error = answer.told(Error::new(ErrorKind::Unauthenticated, message));
            return Err(error.with_hint("check `oauth.client_id` and its secret"));
        }
        let answer: Answer = answer.success()?.json(TOKEN_BYTES_MAX)?;
        let ends = Instant::now().checked_add(answer.lifetime());
        let ends = ends.unwrap_or_else(|| Instant::now() + LIFETIME);
        Ok(Token { secret: Secret::new(answer.access_token), ends })
    }

    fn call(&self) -> Result<Call> {
        let settings = &self.settings;
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
        Ok(Call {
            method: Method::POST,
            body: Bytes::from(form.query().unwrap_or_default().to_owned()),
            url,
            headers,
            repeat: Repeat::WhenRefused,
            repeat_parameter: None,
            urgent: false,
            timeout: self.timeout,
            answer_bytes_max: TOKEN_BYTES_MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_or_a_text() {
        for (told, seconds) in [
            (r#","expires_in":3599"#, 3599),
            (r#","expires_in":"3599""#, 3599),
            (r#","expires_in":"soon""#, LIFETIME.as_secs()),
            (r#","expires_in":null"#, LIFETIME.as_secs()),
            ("", LIFETIME.as_secs()),
        ] {
            let answer = format!(r#"{{"access_token":"t"{told}}}"#);
            let answer: Answer = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer.lifetime(), Duration::from_secs(seconds), "{told}");
        }
    }
}
