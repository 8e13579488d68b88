//! Delta tables over any file datasource: the present state and every old one that the log
//! can still rebuild.
//!
//! [`format()`] gives the engine what it needs to open such tables. The log is read and replayed
//! by delta-rs, which also makes new versions; this crate decides what delta-rs may see: one
//! table of one query and nothing else, neither other folders nor other stores.

mod command;
mod engine;
mod error;
mod expression;
mod facts;
mod format;
mod load;
mod log;
mod log_store;
mod merge;
mod provider;
mod root;
mod roots;
mod rows;
mod snapshots;
mod store;
mod work;

use std::sync::Arc;

use orbit_engine::TableFormat;

/// The Delta format, with a cache of its own of the states that were read.
pub fn format() -> Arc<dyn TableFormat> {
    Arc::new(format::Delta::default())
}
