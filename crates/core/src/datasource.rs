//! What every datasource answers, whatever its kind.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, FileDatasource, Result, SqlDatasource};

/// The facets of a datasource.
///
/// Layers destructure it in full, so that a facet that is added does not compile until each
/// layer has decided about it.
#[derive(Clone, Copy)]
pub struct Facets<'a> {
    /// Tables and queries.
    pub sql: Option<&'a dyn SqlDatasource>,
    /// Files.
    pub files: Option<&'a dyn FileDatasource>,
}

/// A connected source: a warehouse, a store, or both.
///
/// It has no name: the handle through which it is used has.
#[async_trait]
pub trait Datasource: Debug + Send + Sync {
    /// The facets it has.
    fn facets(&self) -> Facets<'_>;

    /// Whether the source answers with these credentials.
    ///
    /// # Behavior
    /// - Sends the cheapest request that proves the credentials.
    /// - Does not start a paused warehouse when the context forbids it: it answers `Ok` when
    ///   the service around it answers.
    async fn ping(&self, cx: &Context) -> Result<()>;

    /// Ends it: waits up to 5 s for cancels that are under way, then closes connections.
    ///
    /// # Behavior
    /// - Operations after it answer `Unavailable`.
    /// - Closing twice is closing once.
    async fn close(&self) -> Result<()>;
}
