#![doc = include_str!("../README.md")]

mod config;
mod datasource;
mod draft;
mod error;
mod reader;
mod tree;
mod walk;

use orbit_core::{BackendConfig, Capability, ConnectionKind, register_backend};

use crate::config::LocalConfig;

register_backend!(orbit_core::Backend {
    name: "local",
    kind: ConnectionKind::File,
    summary: "folders and files of this machine",
    capability: Capability { sql: None, files: Some(datasource::CAPABILITY) },
    dialect: None,
    parse: |settings| Ok(Box::new(settings.parse::<LocalConfig>()?) as Box<dyn BackendConfig>),
    schema: || schemars::schema_for!(LocalConfig),
});
