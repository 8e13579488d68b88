//! The seam for table formats that are more than a folder of files, such as Delta.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::TableProvider;
use datafusion::execution::object_store::ObjectStoreRegistry;
use orbit_core::{Context, Datasource, Error, Result, Version};

use crate::{FormatCommand, TableAnswer};

/// A table of a format, as one query sees it.
#[derive(Debug, Clone)]
pub struct FormatTable {
    /// The query.
    pub cx: Context,
    /// The datasource that holds it, in its layers.
    pub datasource: Arc<dyn Datasource>,
    /// The datasource's name.
    pub datasource_name: String,
    /// Keys what may be kept between queries: it differs for each instance and identity.
    pub cache_scope: String,
    /// The key of the table's folder, without a trailing slash; empty is the root.
    pub folder: String,
    /// Where files may lie outside of that folder: URLs, and the folders of the same datasource
    /// that they mean.
    pub allowed_roots: BTreeMap<String, String>,
    /// The state asked for; none is the present.
    pub version: Option<Version>,
    /// Where the query's plan finds object stores: what the table's scan reads through is
    /// registered here.
    pub stores: Arc<dyn ObjectStoreRegistry>,
    /// Where what is registered there keeps why a read of rows failed.
    pub faults: Faults,
}

/// What a source said first of a read that failed: readers of footers pass on its words alone,
/// and the query tells the whole.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Option<Error>>>);

impl Faults {
    /// Keeps `fault`, unless another is kept.
    pub fn note(&self, fault: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// What is kept.
    pub fn first(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Opens tables of one format. The facade hands the formats that are compiled in to the engine.
#[async_trait]
pub trait TableFormat: Debug + Send + Sync {
    /// Its name, such as `delta`.
    fn name(&self) -> &'static str;

    /// The folder inside a table's folder that shows the format, such as `_delta_log`.
    fn marker(&self) -> &'static str;

    /// The table, ready to be scanned.
    ///
    /// # Errors
    /// `NotFound` when the version does not exist, `Unsupported` naming a feature of the table
    /// that cannot be read, `DataInvalid` when its log is broken.
    async fn open(&self, table: FormatTable) -> Result<Arc<dyn TableProvider>>;

    /// Does something with the table; whether it may be written was asked before. What is
    /// computed is computed within the limits of `session`, whose stores are the query's.
    ///
    /// # Behavior
    /// - A change is one version, seen whole or not at all; an error says by its write effect
    ///   whether it may be there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); `Conflict` when another writer changed what this one
    /// read, `Unsupported` naming a feature of the table that cannot be written.
    async fn command(
        &self,
        table: FormatTable,
        session: Arc<dyn Session>,
        command: FormatCommand,
    ) -> Result<TableAnswer>;
}

/// A path of this machine that stands in place of a table.
#[derive(Debug)]
pub struct OpenedPath {
    /// A datasource over the folder in which it lies.
    pub datasource: Arc<dyn Datasource>,
    /// The file, folder or glob within it.
    pub key: String,
}

/// Opens paths that stand in place of tables: for the command line, never for a server.
#[async_trait]
pub trait PathTables: Debug + Send + Sync {
    /// The folder and the key of `path`.
    ///
    /// # Errors
    /// `NotFound` when the folder does not exist.
    async fn open(&self, cx: &Context, path: &str) -> Result<OpenedPath>;
}
