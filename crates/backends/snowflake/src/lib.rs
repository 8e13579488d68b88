#![doc = include_str!("../README.md")]

mod api;
mod auth;
mod bind;
mod catalog;
mod columns;
mod config;
mod convert;
mod csv;
mod datasource;
mod dialect;
mod error;
mod estimate;
mod guard;
mod insert;
mod jwt;
mod links;
mod parts;
mod protocol;
mod result;
mod script;
mod session;
mod stage;
mod statement;
mod text_rows;

use orbit_core::{BackendConfig, Capability, ConnectionKind, register_backend};

use crate::config::SnowflakeConfig;

register_backend!(orbit_core::Backend {
    name: "snowflake",
    kind: ConnectionKind::HttpApi,
    summary: "Snowflake",
    capability: Capability { sql: Some(datasource::CAPABILITY), files: None },
    dialect: Some(dialect::dialect),
    parse: |settings| Ok(Box::new(settings.parse::<SnowflakeConfig>()?) as Box<dyn BackendConfig>),
    schema: || schemars::schema_for!(SnowflakeConfig),
});
