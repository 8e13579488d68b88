//! The engine itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use orbit_core::{BatchStream, Context, Datasources, Error, ErrorKind, Query, Result};

use crate::{
    DescribedTable, EngineOptions, Explanation, Request, TableFilter, TableFormat, TableList,
    TableOptions,
};

/// Answers SQL over the datasources of one configuration. Cheap to share.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// An engine over `datasources`; `tables` are the configured tables by datasource and name.
    ///
    /// # Errors
    /// `ConfigInvalid` for options that cannot be met.
    pub fn new(
        _options: EngineOptions,
        _datasources: Datasources,
        _formats: Vec<Arc<dyn TableFormat>>,
        _tables: BTreeMap<String, BTreeMap<String, TableOptions>>,
    ) -> Result<Self> {
        Ok(Self)
    }

    /// Runs a statement. Dropping the stream stops the work at every source.
    ///
    /// # Errors
    /// `QueryInvalid` for what cannot be planned; those of the sources.
    pub async fn query(&self, _cx: &Context, _request: Request) -> Result<BatchStream> {
        Err(Error::new(ErrorKind::Unsupported, "being built"))
    }

    /// What a statement will do; with `analyze` it runs and what it did is told too.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub async fn explain(
        &self,
        _cx: &Context,
        _request: Request,
        _analyze: bool,
    ) -> Result<Explanation> {
        Err(Error::new(ErrorKind::Unsupported, "being built"))
    }

    /// Runs a query in the source's own dialect on one datasource.
    ///
    /// # Errors
    /// `PermissionDenied` for a write that the configuration does not allow; the source's.
    pub async fn pass_through(
        &self,
        _cx: &Context,
        _datasource: &str,
        _query: Query,
    ) -> Result<BatchStream> {
        Err(Error::new(ErrorKind::Unsupported, "being built"))
    }

    /// The tables of every datasource.
    ///
    /// # Errors
    /// `NotFound` when the filter names a datasource that does not exist.
    pub async fn tables(&self, _cx: &Context, _filter: TableFilter) -> Result<TableList> {
        Err(Error::new(ErrorKind::Unsupported, "being built"))
    }

    /// What the table of this name looks like; names are resolved as in SQL.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn describe(&self, _cx: &Context, _name: &str) -> Result<DescribedTable> {
        Err(Error::new(ErrorKind::Unsupported, "being built"))
    }

    /// The datasources of the configuration.
    pub fn datasources(&self) -> &Datasources {
        unimplemented!()
    }
}
