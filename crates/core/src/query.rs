//! One value for query, describe, estimate and partitions alike.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::Predicate;

/// A table's name in the source's exact case, outermost part first: one to three parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName(Vec<String>);

impl TableName {
    /// A name of these parts.
    pub fn new(parts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// The parts, outermost first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The last part: the table itself.
    pub fn table(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// All parts but the last.
    pub fn parent(&self) -> &[String] {
        self.0.split_last().map_or(&[], |(_, parent)| parent)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// An old state of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// The source's own count of changes.
    Number(u64),
    /// As it was at this moment, in microseconds since 1970 UTC.
    Timestamp(i64),
}

/// A table, perhaps as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// Its name.
    pub name: TableName,
    /// The state asked for; none is the present.
    pub version: Option<Version>,
}

impl TableRef {
    /// The table as it is now.
    pub fn new(name: TableName) -> Self {
        Self { name, version: None }
    }
}

/// What is read.
#[derive(Debug, Clone)]
pub enum Target {
    /// A table.
    Table(TableRef),
    /// A statement in the source's own dialect.
    Statement {
        /// One statement, without a trailing semicolon.
        text: String,
        /// The tables it touches, as far as the caller knows them.
        tables: Vec<TableRef>,
    },
}

/// What running it may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it may be repeated.
    Read,
    /// It writes.
    Write,
    /// Nobody has looked: treated as a write.
    Unknown,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
    /// Nulls before everything else.
    pub nulls_first: bool,
}

/// What is asked of a SQL datasource.
///
/// Predicate, order and limit are exact: a datasource applies each whole or refuses the query
/// with `Unsupported`. The limit counts rows after the predicate and the order.
#[derive(Debug, Clone)]
pub struct Query {
    /// What is read.
    pub target: Target,
    /// The columns wanted, in this order; none is all of them. An empty list asks for rows
    /// without columns, which is how rows are counted.
    pub columns: Option<Vec<String>>,
    /// Which rows.
    pub predicate: Option<Predicate>,
    /// In which order; empty is any.
    pub order: Vec<SortKey>,
    /// How many rows at most.
    pub limit: Option<u64>,
    /// The values of the statement's parameters, as one row.
    pub parameters: Option<RecordBatch>,
    /// What running it may change.
    pub effect: Effect,
    /// The schema that the caller planned with: delivered exactly or refused.
    pub schema: Option<SchemaRef>,
}

impl Query {
    /// The whole table, read only.
    pub fn table(table: TableRef) -> Self {
        Self::new(Target::Table(table), Effect::Read)
    }

    /// A statement in the source's own dialect.
    pub fn statement(text: impl Into<String>, effect: Effect) -> Self {
        Self::new(Target::Statement { text: text.into(), tables: Vec::new() }, effect)
    }

    fn new(target: Target, effect: Effect) -> Self {
        Self {
            target,
            columns: None,
            predicate: None,
            order: Vec::new(),
            limit: None,
            parameters: None,
            effect,
            schema: None,
        }
    }
}
