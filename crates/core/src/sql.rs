//! The SQL facet: tables, queries, estimates, partitions and inserts.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use tokio_util::sync::DropGuard;

use crate::{BatchStream, Context, Query, Result, SqlCapability, SqlDialect, TableName, TableRef};

/// Asks for a page of tables.
#[derive(Debug, Clone, Default)]
pub struct ListTables {
    /// Only below these parts, in exact case; empty is everywhere.
    pub parent: Vec<String>,
    /// Only tables whose own name contains this, without regard to case.
    pub name_contains: Option<String>,
    /// Continues after an earlier page.
    pub page: Option<String>,
    /// How many at most; the source may answer fewer.
    pub page_size_max: Option<usize>,
}

/// A page of tables.
#[derive(Debug, Clone, Default)]
pub struct TablePage {
    /// The tables.
    pub tables: Vec<TableEntry>,
    /// Asks for the next page; none at the end.
    pub next_page: Option<String>,
}

/// A table in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// Its name in the source's exact case.
    pub name: TableName,
    /// What it is.
    pub kind: TableKind,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Rows kept by the source.
    Table,
    /// A query that looks like a table.
    View,
    /// A view whose rows are kept.
    MaterializedView,
    /// Rows kept elsewhere.
    External,
}

/// Asks what a table or statement looks like.
#[derive(Debug, Clone)]
pub struct Describe {
    /// The table, or the statement with its parameters.
    pub query: Query,
}

/// What a table looks like.
#[derive(Debug, Clone)]
pub struct TableDescription {
    /// The columns as Arrow sees them.
    pub schema: SchemaRef,
    /// The columns as the source sees them, in the same order.
    pub columns: Vec<ColumnDescription>,
    /// What the source knows of the rows.
    pub statistics: TableStatistics,
}

/// A column as the source sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// Its name in the source's exact case.
    pub name: String,
    /// The Arrow type it is read as.
    pub data_type: DataType,
    /// The source's own type, such as `numeric(18,2)`.
    pub source_type: String,
    /// Text compares by its bytes here; where it does not, equality on text is not pushed.
    pub binary_collation: bool,
    /// The source's comment.
    pub comment: Option<String>,
}

/// How far a number can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EstimateQuality {
    /// It is so.
    Exact,
    /// It is no more than that.
    UpperBound,
    /// It may be wrong either way.
    Guess,
}

/// A number and how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistic<T> {
    /// The number.
    pub value: T,
    /// How far it can be trusted.
    pub quality: EstimateQuality,
}

/// What the source knows of a table's rows.
#[derive(Debug, Clone, Default)]
pub struct TableStatistics {
    /// Rows.
    pub rows: Option<Statistic<u64>>,
    /// Bytes as the source keeps them.
    pub bytes: Option<Statistic<u64>>,
    /// The columns that identify a row.
    pub primary_key: Vec<String>,
    /// The columns by which rows are sorted or clustered.
    pub sort_key: Vec<String>,
}

/// What an hour of a source's work costs, where it is time that is paid for.
#[derive(Debug, Clone, PartialEq)]
pub struct HourlyRate {
    /// How much.
    pub amount: f64,
    /// Of what, in the source's own word, such as `credits`.
    pub unit: &'static str,
}

/// What a query costs, before it runs.
#[derive(Debug, Clone, Default)]
pub struct Estimate {
    /// Rows of the result.
    pub rows: Option<Statistic<u64>>,
    /// Bytes read at the source.
    pub bytes: Option<Statistic<u64>>,
    /// Money in US dollars.
    pub cost_usd: Option<Statistic<f64>>,
    /// What an hour of it costs.
    pub rate: Option<HourlyRate>,
}

/// Asks for a query in parts.
#[derive(Debug, Clone)]
pub struct Partitions {
    /// The query.
    pub query: Query,
    /// How many parts at most.
    pub partitions_max: usize,
}

/// A query in parts.
#[derive(Debug, Clone)]
pub struct PartitionSet {
    /// The schema of every part.
    pub schema: SchemaRef,
    /// The parts; reading each once gives each row once.
    pub partitions: Vec<Partition>,
    /// Parts in order give the rows in the query's order.
    pub ordered: bool,
    /// All parts show the same state of the tables.
    pub one_snapshot: bool,
    /// They cannot be read after this.
    pub expires_at: Option<SystemTime>,
    /// What the source keeps for them, such as a snapshot, until the last clone is dropped: a
    /// part that was opened before is read to its end.
    pub kept: Option<Arc<DropGuard>>,
}

/// One part: a value that can travel, so it never holds a URL, token or key.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Where its rows are.
    pub source: PartitionSource,
    /// How many rows, if known.
    pub rows: Option<u64>,
}

/// Where the rows of a part are.
#[derive(Debug, Clone)]
pub enum PartitionSource {
    /// Pieces of a result that the source keeps.
    Statement {
        /// The source's id of the statement.
        id: String,
        /// Which pieces, one after the other; those beyond the last are left out.
        pieces: Range<u64>,
    },
    /// A query of its own, such as one key range.
    Query {
        /// The query.
        query: Box<Query>,
        /// The state of the tables that it is answered from, by the source's own id.
        snapshot: Option<String>,
    },
    /// Files that another datasource has, such as an export.
    Files {
        /// The datasource by its name.
        datasource: String,
        /// Keys of Parquet files.
        keys: Vec<String>,
    },
}

impl PartitionSource {
    /// A query of its own, of whatever state the tables have when it runs.
    pub fn query(query: Query) -> Self {
        Self::Query { query: Box::new(query), snapshot: None }
    }
}

/// Asks for the rows of one part.
#[derive(Debug, Clone)]
pub struct PartitionRead {
    /// The schema of the set.
    pub schema: SchemaRef,
    /// The part.
    pub partition: Partition,
}

/// How rows are put into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertMode {
    /// After those that are there.
    Append,
    /// In place of those that are there.
    Overwrite,
    /// Into a table that must not exist yet.
    Create,
}

/// Asks to write rows.
#[derive(Debug)]
pub struct Insert {
    /// Into this table.
    pub table: TableName,
    /// How.
    pub mode: InsertMode,
    /// The rows.
    pub rows: BatchStream,
    /// A second insert with the same key is written once, where the source can.
    pub idempotency_key: Option<String>,
}

/// What an insert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InsertOutcome {
    /// Rows written.
    pub rows_written: u64,
    /// Rows that the source refused while it took others.
    pub rows_rejected: u64,
}

/// Tables and queries of a connected source.
///
/// Each operation is a transaction of its own. What `capability` says is off answers
/// `Unsupported`.
#[async_trait]
pub trait SqlDatasource: Send + Sync {
    /// What this datasource can do, now that it is connected.
    fn capability(&self) -> SqlCapability;

    /// The SQL of the connected server.
    fn dialect(&self) -> Arc<SqlDialect>;

    /// A page of tables.
    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage>;

    /// Columns and statistics.
    ///
    /// # Behavior
    /// - A statement is described without running it.
    /// - `NotFound` when there is no such table.
    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription>;

    /// Runs a query.
    ///
    /// # Behavior
    /// - The work's id is known before it is submitted, or submitting runs on detached and
    ///   cancels itself: dropping the future or the stream, the token and the deadline all
    ///   stop it at the source.
    /// - Predicate, order and limit are applied whole, or the query is refused as
    ///   `Unsupported` before anything runs.
    /// - The stream's schema is `request.schema` where that was given.
    /// - A second result of a script is refused.
    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream>;

    /// Rows, bytes and money of a query, without running it.
    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate>;

    /// A query in parts.
    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet>;

    /// The rows of one part; the same rules as for a query.
    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream>;

    /// Writes rows.
    ///
    /// # Behavior
    /// - An error item in `rows` ends it, and an atomic insert leaves nothing behind.
    /// - A failure says what was written: none, a part, or unknown.
    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome>;

    /// Stops a statement that no stream owns. A statement that has ended is not an error.
    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()>;
}

impl From<TableRef> for Describe {
    fn from(table: TableRef) -> Self {
        Self { query: Query::table(table) }
    }
}
