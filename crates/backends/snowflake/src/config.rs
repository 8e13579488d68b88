//! The settings, and connecting by them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use orbit_core::{
    BackendConfig, Context, Datasource, Error, ErrorKind, Problem, ProxySettings, Result, Secret,
    Settings, Sources, TlsSettings, keeps_secrets,
};
use orbit_http::{OauthSettings, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns::TypeRules;
use crate::datasource::SnowflakeDatasource;
use crate::session::PINNED_PARAMETERS;

/// The settings of a `snowflake` datasource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnowflakeConfig {
    /// The account's identifier, such as `myorg-account1` or `xy12345.eu-west-1`.
    pub account: String,
    /// The user. Not needed with a token.
    pub user: Option<String>,
    /// The user's password. A key pair or a token is better: the vendor is ending sign-in by
    /// password alone.
    pub password: Option<Secret>,
    /// A file with the user's private key: PKCS#8 in PEM, encrypted or not.
    pub private_key_path: Option<String>,
    /// What the private key is encrypted with.
    pub private_key_passphrase: Option<Secret>,
    /// An OAuth access token that somebody else renews.
    pub oauth_token: Option<Secret>,
    /// OAuth tokens that are asked for here, by client credentials.
    pub oauth: Option<OauthSettings>,
    /// A programmatic access token.
    pub access_token: Option<Secret>,
    /// The warehouse that runs the statements; the user's default if not said.
    pub warehouse: Option<String>,
    /// The database of names that do not say one.
    pub database: Option<String>,
    /// The schema of names that do not say one.
    pub schema: Option<String>,
    /// The role; the user's default if not said.
    pub role: Option<String>,
    /// Where the service is, instead of the account's own host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// `https`, or `http` for a server, or the end of a tunnel, on this machine.
    #[serde(default)]
    pub protocol: Protocol,
    /// How long one request may take, in seconds, beside the 45 for which the service holds one
    /// while a statement runs. A statement may take longer: it is asked for again and again until
    /// the query's own limit.
    #[serde(default = "api_timeout")]
    pub api_timeout: u64,
    /// Requests that are under way at once.
    #[serde(default = "connection_pool_size")]
    pub connection_pool_size: usize,
    /// Requests begun in a second.
    pub requests_per_s_max: Option<NonZeroU32>,
    /// Keeps the session alive while nothing is asked, by a request every 15 minutes.
    #[serde(default)]
    pub keep_alive: bool,
    /// Marks the statements in the account's history; `orbit` and the query's id if not said.
    pub query_tag: Option<String>,
    /// Parameters of the session. Those that change what a statement means cannot be set.
    #[serde(default)]
    pub session_parameters: BTreeMap<String, String>,
    /// Takes several statements at once, of which one may answer rows.
    #[serde(default)]
    pub multi_statement: bool,
    /// How rows are written.
    #[serde(default)]
    pub insert_by: InsertBy,
    /// How whole numbers of more than 18 digits are delivered.
    #[serde(default)]
    pub wide_integers: WideIntegers,
    /// How fine moments are delivered.
    #[serde(default)]
    pub timestamps: TimestampUnit,
    /// Pieces of a result that are fetched ahead of the reader.
    #[serde(default = "chunks_ahead_max")]
    pub chunks_ahead_max: usize,
    /// What they may take together, in MiB.
    #[serde(default = "chunk_memory_mb_max")]
    pub chunk_memory_mb_max: u64,
    /// How the server's certificate is judged.
    #[serde(default)]
    pub tls: TlsSettings,
    /// The proxy in between.
    pub proxy: Option<ProxySettings>,
}

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// Encrypted.
    #[default]
    Https,
    /// In the open.
    Http,
}

/// How rows travel that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InsertBy {
    /// As values bound to INSERT, many rows to a statement.
    #[default]
    Binding,
    /// As compressed files in a temporary stage of the table's schema, and one COPY: for
    /// millions of rows.
    Stage,
}

/// What becomes of `NUMBER(p, 0)` with p above 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WideIntegers {
    /// A decimal, which holds every value.
    #[default]
    Decimal,
    /// A 64-bit integer; a value that does not fit is an error.
    Int64,
}

/// What becomes of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimestampUnit {
    /// Microseconds, years 1 to 9999; a finer value is an error.
    #[default]
    Microsecond,
    /// Nanoseconds, years 1678 to 2261; a value outside is an error.
    Nanosecond,
}

fn api_timeout() -> u64 {
    300
}

fn connection_pool_size() -> usize {
    16
}

fn chunks_ahead_max() -> usize {
    4
}

fn chunk_memory_mb_max() -> u64 {
    128
}

impl SnowflakeConfig {
    /// Where requests go.
    pub(crate) fn base(&self) -> Result<Url> {
        let scheme = match self.protocol {
            Protocol::Https => "https",
            Protocol::Http => "http",
        };
        let host = match &self.host {
            Some(host) => host.clone(),
            // An underscore is no letter of a host's name.
            None => format!("{}.snowflakecomputing.com", self.account.replace('_', "-")),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        Url::parse(&format!("{scheme}://{host}{port}/")).map_err(|e| {
            Error::new(ErrorKind::ConfigInvalid, "account, host and port give no address")
                .with_source(e)
        })
    }

    /// What they say of types.
    pub(crate) fn rules(&self) -> TypeRules {
        TypeRules { wide_integers: self.wide_integers, timestamps: self.timestamps }
    }

    /// The account without its region, as signing in names it.
    pub(crate) fn account_name(&self) -> &str {
        self.account.split('.').next().unwrap_or(&self.account)
    }

    fn check_credentials(&self, settings: &Settings) -> Vec<Problem> {
        let given = [
            ("password", self.password.is_some()),
            ("private_key_path", self.private_key_path.is_some()),
            ("oauth_token", self.oauth_token.is_some()),
            ("oauth", self.oauth.is_some()),
            ("access_token", self.access_token.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
        let mut problems = Vec::new();
        match given.as_slice() {
            [] => {
                let problem = settings.problem("", "there are no credentials");
                problems.push(problem.with_hint(
                    "set one of private_key_path, oauth, oauth_token, access_token, password",
                ));
            }
            [one] => {
                if matches!(*one, "password" | "private_key_path") && self.user.is_none() {
                    problems.push(settings.problem(one, "the setting `user` is missing"));
                }
            }
            [first, others @ ..] => {
                for other in others {
                    let message = format!("`{first}` and `{other}` exclude each other");
                    problems.push(settings.problem(other, message));
                }
            }
        }
        if self.private_key_passphrase.is_some() && self.private_key_path.is_none() {
            let message = "there is a passphrase without `private_key_path`";
            problems.push(settings.problem("private_key_passphrase", message));
        }
        problems
    }

    fn check_address(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.account.is_empty() || !self.account.chars().all(allowed) {
            let problem = settings.problem("account", "this is no account identifier");
            problems.push(problem.with_hint("write it as organization-account, without a URL"));
        } else {
            match self.base() {
                Ok(base) if keeps_secrets(base.as_str()) => {}
                Ok(_) => {
                    let message = "by http credentials are sent to this machine alone";
                    let problem = settings.problem("protocol", message);
                    problems.push(problem.with_hint("use https, or a `host` on this machine"));
                }
                Err(_) => problems.push(settings.problem("host", "this is no name of a host")),
            }
        }
        if let Some(oauth) = &self.oauth {
            problems.extend(oauth.validate("oauth", settings));
        }
        if let Some(proxy) = &self.proxy {
            problems.extend(proxy.validate("proxy", settings));
        }
        problems
    }
}

#[async_trait]
impl BackendConfig for SnowflakeConfig {
    fn validate(&self, settings: &Settings, _: &[&str]) -> Vec<Problem> {
        let mut problems = self.check_address(settings);
        problems.extend(self.check_credentials(settings));
        for name in self.session_parameters.keys() {
            if PINNED_PARAMETERS.iter().any(|(pinned, _)| pinned.eq_ignore_ascii_case(name)) {
                let key = format!("session_parameters.{name}");
                let message = "this parameter changes what results mean and cannot be set";
                problems.push(settings.problem(&key, message));
            }
        }
        let positive = [
            ("api_timeout", self.api_timeout),
            ("connection_pool_size", self.connection_pool_size as u64),
            ("chunks_ahead_max", self.chunks_ahead_max as u64),
            ("chunk_memory_mb_max", self.chunk_memory_mb_max),
        ];
        for (key, value) in positive {
            if value == 0 {
                problems.push(settings.problem(key, "it must be at least 1"));
            }
        }
        problems
    }

    async fn connect(&self, cx: &Context, sources: &Sources) -> Result<Arc<dyn Datasource>> {
        Ok(Arc::new(SnowflakeDatasource::connect(cx, self, sources).await?))
    }
}
