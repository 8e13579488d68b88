//! The settings that every backend of this cloud has, and what can be wrong with them.

use std::time::Duration;

use orbit_core::{Problem, ProxySettings, Secret, Settings, TlsSettings, keeps_secrets};
use url::Url;

/// Who to be and where. With nothing said, the usual chain decides: variables, profiles, web
/// identity, the container's and the machine's role.
#[derive(Debug, Clone, Default)]
pub struct AwsAccess {
    /// The id of a key.
    pub access_key: Option<Secret>,
    /// Its secret.
    pub secret_key: Option<Secret>,
    /// The token that temporary keys come with.
    pub session_token: Option<Secret>,
    /// A profile of the shared configuration files, which may sign on or assume a role itself.
    pub profile: Option<String>,
    /// A role that is assumed with the credentials found so far.
    pub role_arn: Option<String>,
    /// What the role's owner wants to be told.
    pub external_id: Option<String>,
    /// No credentials at all: requests are not signed.
    pub anonymous: bool,
    /// The region; otherwise that of the variables or the profile, otherwise `us-east-1`.
    pub region: Option<String>,
    /// Where roles are assumed, if not at the region's own service.
    pub sts_endpoint_url: Option<String>,
    /// How certificates of servers are judged.
    pub tls: TlsSettings,
    /// The proxy in between.
    pub proxy: Option<ProxySettings>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
}

impl AwsAccess {
    /// Whether credentials that have run out may be followed by others: those of the settings
    /// stay as they are.
    pub fn renews(&self) -> bool {
        !self.anonymous && (self.access_key.is_none() || self.role_arn.is_some())
    }

    /// All settings that do not go together.
    pub fn validate(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, key: &str, message: &str| {
            if wrong {
                problems.push(settings.problem(key, message.to_owned()));
            }
        };
        let keys = self.access_key.is_some() || self.secret_key.is_some();
        refuse(
            self.access_key.is_some() && self.secret_key.is_none(),
            "access_key",
            "`secret_key` is missing beside it",
        );
        refuse(
            self.secret_key.is_some() && self.access_key.is_none(),
            "secret_key",
            "`access_key` is missing beside it",
        );
        refuse(
            self.session_token.is_some() && !keys,
            "session_token",
            "a token is of no use without `access_key` and `secret_key`",
        );
        refuse(
            keys && self.profile.is_some(),
            "profile",
            "`profile` and `access_key` exclude each other",
        );
        refuse(
            self.anonymous && (keys || self.profile.is_some() || self.role_arn.is_some()),
            "anonymous",
            "`anonymous` excludes keys, profiles and roles",
        );
        refuse(
            self.external_id.is_some() && self.role_arn.is_none(),
            "external_id",
            "`role_arn` is missing beside it",
        );
        refuse(
            self.role_arn.as_ref().is_some_and(|arn| !arn.starts_with("arn:")),
            "role_arn",
            "must begin with `arn:`",
        );
        refuse(
            self.region.as_ref().is_some_and(|region| !is_region(region)),
            "region",
            "must be small letters, digits and `-`, such as `eu-central-1`",
        );
        if let Some(url) = &self.sts_endpoint_url {
            problems.extend(check_secret_endpoint(settings, "sts_endpoint_url", url));
        }
        if let Some(proxy) = &self.proxy {
            problems.extend(proxy.validate("proxy", settings));
        }
        problems
    }
}

/// Whether it can be a region: it becomes a part of a host's name.
pub(crate) fn is_region(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && !text.starts_with('-') && text.chars().all(fits)
}

/// What is wrong with the URL of a service that gives out keys: nobody else may read them.
pub fn check_secret_endpoint(settings: &Settings, key: &str, text: &str) -> Option<Problem> {
    check_endpoint(settings, key, text).or_else(|| {
        let message = "by http keys and passwords are given out on this machine alone";
        (!keeps_secrets(text)).then(|| settings.problem(key, message).with_hint("use https"))
    })
}

/// What is wrong with the URL of a service.
pub fn check_endpoint(settings: &Settings, key: &str, text: &str) -> Option<Problem> {
    let problem = |message: &str| Some(settings.problem(key, message));
    let Ok(url) = Url::parse(text) else {
        return problem("must be a URL, such as `https://s3.example.com`");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return problem("must begin with `https://` or `http://` and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return problem("must not hold a user or a password; use `access_key` and `secret_key`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return problem("must end with its path");
    }
    None
}
