//! The seam for table formats that are more than a folder of files, such as Delta.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::datasource::TableProvider;
use datafusion::execution::object_store::ObjectStoreRegistry;
use orbit_core::{Context, Datasource, Result, Version};

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
    /// The state asked for; none is the present.
    pub version: Option<Version>,
    /// Where the query's plan finds object stores: what the table's scan reads through is
    /// registered here.
    pub stores: Arc<dyn ObjectStoreRegistry>,
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
