//! The block `proxy` of a datasource, and where secrets may be sent.

use orbit_core::{Problem, Secret, Settings};
use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

/// The proxy between here and the service. Variables such as `HTTPS_PROXY` are not read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxySettings {
    /// Where it is, such as `http://proxy.example.com:3128`.
    pub url: String,
    /// The user that it asks for.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// Hosts that are reached without it; a name stands for everything below it.
    #[serde(default)]
    pub except: Vec<String>,
}

impl ProxySettings {
    /// What is wrong with the block under `key`.
    pub fn validate(&self, key: &str, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let url = format!("{key}.url");
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {}
            _ => {
                let problem = settings.problem(&url, "this is no URL of a proxy");
                problems.push(problem.with_hint("write it as http://host:port"));
            }
        }
        if self.password.is_some() && self.user.is_none() {
            let key = format!("{key}.password");
            problems.push(settings.problem(&key, "there is a password without a user"));
        }
        problems
    }
}

/// Whether what is sent to `url` stays a secret on its way: it is encrypted, or does not leave
/// this machine.
pub fn keeps_secrets(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", _) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_encrypted_or_stay_here() {
        for (url, kept) in [
            ("https://example.com/", true),
            ("http://localhost:8080/", true),
            ("http://127.0.0.9/", true),
            ("http://[::1]/", true),
            ("http://example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost@example.com/", false),
            ("ftp://localhost/", false),
        ] {
            assert_eq!(keeps_secrets(&Url::parse(url).unwrap()), kept, "{url}");
        }
    }
}
