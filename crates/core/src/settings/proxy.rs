//! The block `proxy`, which means the same for every connection over HTTP.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{Problem, Secret, Settings};

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
