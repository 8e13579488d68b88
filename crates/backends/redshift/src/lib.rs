#![doc = include_str!("../README.md")]

mod binary;
mod catalog;
mod columns;
mod config;
mod datasource;
mod dialect;
mod error;
mod estimate;
mod iam;
mod insert;
mod load;
mod partitions;
mod query;
mod redshift_catalog;
mod scan;
mod session;
mod shared;
mod snapshot;
mod staging;
mod statement;
mod types;
mod unload;
mod work;

use orbit_core::{BackendConfig, Capability, ConnectionKind, register_backend};

use crate::config::RedshiftConfig;

register_backend!(orbit_core::Backend {
    name: "redshift",
    kind: ConnectionKind::NativeSql,
    summary: "Amazon Redshift, and PostgreSQL",
    capability: Capability { sql: Some(datasource::CAPABILITY), files: None },
    dialect: Some(dialect::redshift),
    parse: |settings| Ok(Box::new(settings.parse::<RedshiftConfig>()?) as Box<dyn BackendConfig>),
    schema: || schemars::schema_for!(RedshiftConfig),
});
