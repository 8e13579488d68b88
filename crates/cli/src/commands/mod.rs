//! The commands, one module each.

pub(crate) mod backends;
mod capability;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod delta;
pub(crate) mod describe;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod files;
pub(crate) mod init;
mod prompt;
pub(crate) mod query;
pub(crate) mod schema;
pub(crate) mod sources;
pub(crate) mod sql;
mod statement;
pub(crate) mod tables;
