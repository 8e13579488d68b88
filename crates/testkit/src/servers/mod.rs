//! Servers that tests start themselves, on loopback, and end with the test.
//!
//! A server that is not installed is [`ServerError::Missing`]: the test is ignored and says why,
//! unless `ORBIT_TEST_REQUIRE=all` makes that a failure.

mod account;
mod certificates;
mod command;
mod duckdb;
mod fakesnow;
mod http;
mod moto;
mod postgres;
mod postgres_tls;
mod proxy;
mod redshift_wire;
mod s3s;
mod server;
mod snowflake_wire;

use std::fmt;
use std::path::PathBuf;

use libtest_mimic::{Completion, Failed};

pub use certificates::Certificates;
pub use command::{find_program, run_to_end};
pub use duckdb::Duckdb;
pub use fakesnow::Fakesnow;
pub use http::{HttpAnswer, HttpRequest, HttpServer, http};
pub use moto::Moto;
pub use postgres::Postgres;
pub use postgres_tls::Secured;
pub use proxy::{Fault, Proxy};
pub use redshift_wire::{REDSHIFT_CATALOG, RedshiftWire};
pub use s3s::S3s;
use server::listens;
pub use server::{Launch, Server, free_port};
pub use snowflake_wire::SnowflakeWire;

/// Set to `all`, a missing server is a failure.
const REQUIRE: &str = "ORBIT_TEST_REQUIRE";

/// Why a server cannot be used.
#[derive(Debug, Clone)]
pub enum ServerError {
    /// It is not installed here.
    Missing(String),
    /// It is installed, and did not start or do its work.
    Failed(String),
}

impl ServerError {
    /// Of an operation on files or processes, said in words.
    pub fn failed(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// How a trial ends that needs the server.
    ///
    /// # Errors
    /// The trial fails when the server failed, or is missing where all are required.
    pub fn completion(&self) -> Result<Completion, Failed> {
        match self {
            Self::Missing(why) if !required() => {
                Ok(Completion::ignored_with(format!("ignored, because {why}")))
            }
            Self::Missing(why) => Err(format!("{REQUIRE}=all, but {why}").into()),
            Self::Failed(why) => Err(why.into()),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ServerError {}

/// A file of what `cargo xtask testbed install NAME` has installed, or the file that `variable`
/// names instead.
fn in_testbed(name: &str, file: &str, variable_name: &str) -> Result<PathBuf, ServerError> {
    let installed = || {
        let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".cache");
        let cache = variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        cache.join("orbit/testbed").join(name).join(file)
    };
    let path = variable(variable_name).map_or_else(installed, PathBuf::from);
    if path.is_file() {
        return Ok(path);
    }
    let hint = format!("run `cargo xtask testbed install {name}`");
    Err(ServerError::Missing(format!("{} is not there; {hint}", path.display())))
}

fn required() -> bool {
    variable(REQUIRE).is_some_and(|value| value == "all")
}

#[expect(clippy::disallowed_methods, reason = "a test is told by variables where servers are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
