#![doc = include_str!("../README.md")]

mod answers;
mod bucket;
mod checksum;
mod config;
mod copying;
mod datasource;
mod error;
mod headers;
mod reading;
mod writing;

use orbit_core::{BackendConfig, Capability, ConnectionKind, register_backend};

use crate::config::S3Config;

register_backend!(orbit_core::Backend {
    name: "s3",
    kind: ConnectionKind::File,
    summary: "Amazon S3 and what speaks like it",
    capability: Capability { sql: None, files: Some(datasource::CAPABILITY) },
    dialect: None,
    parse: |settings| Ok(Box::new(settings.parse::<S3Config>()?) as Box<dyn BackendConfig>),
    schema: || schemars::schema_for!(S3Config),
});
