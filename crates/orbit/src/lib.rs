//! ORBIT as a library: settings to datasources, and SQL over all of them.
//!
//! A program that has a configuration file loads it; one that has none names its datasources
//! itself with [`Orbit::builder`].
//!
//! ```no_run
//! use orbit::core::Context;
//! use orbit::engine::Request;
//! use orbit::{Config, LoadOptions};
//!
//! # async fn run() -> Result<(), orbit::core::Error> {
//! let orbit = Config::load(LoadOptions::default())?.open()?;
//! let request = Request { sql: "SELECT 1".to_owned(), ..Request::default() };
//! let rows = orbit.engine().query(&Context::builder().build(), request).await?;
//! # drop(rows);
//! orbit.close().await
//! # }
//! ```
//!
//! Backends are Cargo features of the same name (`local`), and profiles are sets of them
//! (`minimal`, `datawarehouse`, `datalake`, `full`); `delta` adds Delta tables.

mod backends;
mod config;
mod environment;
mod error;
mod expand;
mod link;
mod locate;
mod orbit;
mod overlay;
mod resolve;
mod schema;
mod source;
mod yaml;

pub use orbit_core as core;
pub use orbit_engine as engine;

pub use crate::backends::{Availability, KNOWN_BACKENDS, KnownBackend, known_backends};
pub use crate::config::{Config, ConfigSource, LoadOptions};
pub use crate::environment::Environment;
pub use crate::error::{ConfigError, ConfigProblem};
pub use crate::link::{LINKED, table_formats};
pub use crate::orbit::{Orbit, OrbitBuilder, connect_unnamed};
pub use crate::resolve::DatasourceConfig;
pub use crate::schema::config_schema;
pub use crate::source::Snippet;
