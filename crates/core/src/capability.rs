//! What a datasource can do, as data: docs, tables, planner and tests all read it.
//!
//! Options are nested, so that a detail cannot be claimed without its operation. Off means
//! `Unsupported`; on means never `Unsupported` for the behaviour suite's own tables.

/// The most a backend can do, or what a connected datasource does: one value per facet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capability {
    /// Tables and queries.
    pub sql: Option<SqlCapability>,
    /// Files.
    pub files: Option<FileCapability>,
}

/// What the SQL facet can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqlCapability {
    /// Listing tables.
    pub list: Option<ListTablesCapability>,
    /// Describing tables.
    pub describe: Option<DescribeCapability>,
    /// Reading tables.
    pub query: Option<QueryCapability>,
    /// Running statements in the source's own dialect.
    pub statement: Option<StatementCapability>,
    /// Saying what a query costs before it runs.
    pub estimate: Option<EstimateCapability>,
    /// Splitting a query into parts that are read in parallel.
    pub partitions: Option<PartitionCapability>,
    /// Writing rows into a table.
    pub insert: Option<InsertCapability>,
    /// Stopping a statement by its id.
    pub cancel: bool,
}

/// Details of listing tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListTablesCapability {
    /// Answered without starting a paused warehouse.
    pub without_waking: bool,
}

/// Details of describing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DescribeCapability {
    /// A statement's schema, without running it.
    pub statement: bool,
    /// Rows, bytes and keys that the source keeps.
    pub statistics: bool,
    /// Answered without starting a paused warehouse.
    pub without_waking: bool,
}

/// Details of reading a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueryCapability {
    /// The predicates it applies.
    pub predicate: Option<PredicateCapability>,
    /// It sorts.
    pub order: bool,
    /// It stops after a number of rows.
    pub limit: bool,
    /// Old states of a table.
    pub time_travel: bool,
}

/// Which predicates are applied at the source; all of them wholly or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PredicateCapability {
    /// Comparison of text, with the engine's own order: a binary collation.
    pub text_order: bool,
    /// `LIKE`.
    pub like: bool,
    /// `ILIKE`.
    pub like_ignore_case: bool,
    /// The most values of an `IN` list; zero is none at all.
    pub in_values_max: usize,
}

/// Details of statements in the source's own dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatementCapability {
    /// Values bound to its parameters.
    pub parameters: bool,
    /// Statements that write.
    pub write: bool,
}

/// What an estimate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EstimateCapability {
    /// Rows of the result.
    pub rows: bool,
    /// Bytes read at the source.
    pub bytes: bool,
    /// Money.
    pub money: bool,
}

/// What partitions promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionCapability {
    /// All parts show the same state of the table.
    pub one_snapshot: bool,
    /// Parts in order give the rows in order.
    pub ordered: bool,
}

/// How rows can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InsertCapability {
    /// Into a table that does not exist yet.
    pub create: bool,
    /// In place of all rows.
    pub overwrite: bool,
    /// A repeated insert with the same key is written once.
    pub idempotency_key: bool,
    /// All rows or none.
    pub atomic: bool,
}

/// What the file facet can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileCapability {
    /// Listing, stat and reading.
    pub read: Option<ReadCapability>,
    /// Writing.
    pub write: Option<WriteCapability>,
    /// Copying within the store.
    pub copy: bool,
    /// Deleting.
    pub delete: bool,
    /// URLs that need no further credentials.
    pub presign: bool,
}

/// Details of reading files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCapability {
    /// A read can be refused when the file is no longer the one that was listed.
    pub if_match: bool,
    /// Listing can begin after a key.
    pub start_after: bool,
}

/// Details of writing files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteCapability {
    /// Only if nothing is there, atomically: what a Delta commit needs.
    pub if_absent: bool,
    /// Only over the version that was read, atomically.
    pub if_match: bool,
}
