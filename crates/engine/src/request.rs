//! What is asked of an engine, and what it says of its tables.

use arrow_schema::SchemaRef;
use orbit_core::{Error, TableDescription};

/// A statement and how to run it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// One SQL statement.
    pub sql: String,
    /// Values for `$name` in the statement.
    pub parameters: Vec<(String, ParameterValue)>,
    /// How many rows at most; a result that is cut says so in its summary.
    pub limit_rows: Option<u64>,
    /// Rows that are alike in these columns of the result come one after the other.
    pub clustered_by: Vec<String>,
    /// Statements that write may run, where the configuration allows writing to their target.
    pub writes_allowed: bool,
    /// Paths of this machine may stand in place of tables (`'x.parquet'`): for the command
    /// line, never for a server.
    pub paths_allowed: bool,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number in decimal notation, exactly.
    Decimal(String),
    /// A text.
    Text(String),
}

/// Which tables are listed.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {
    /// Only those of this datasource.
    pub datasource: Option<String>,
    /// Only those whose name contains this, without regard to case.
    pub name_contains: Option<String>,
}

/// The tables found, and the datasources that could not be asked.
#[derive(Debug, Default)]
pub struct TableList {
    /// The tables, by datasource and name.
    pub tables: Vec<TableInfo>,
    /// Datasources that failed: one dead source never hides the rest.
    pub failures: Vec<(String, Error)>,
}

/// A table in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// The datasource.
    pub datasource: String,
    /// The parts between datasource and table, none where the datasource has no schemas.
    pub schema: Vec<String>,
    /// The table.
    pub table: String,
    /// `table`, `view`, or the format of its files, such as `parquet` or `delta`.
    pub kind: String,
    /// Its size, where a listing says so.
    pub bytes: Option<u64>,
    /// The number of its files, where it has files.
    pub files: Option<u64>,
}

impl TableInfo {
    /// The name that finds it from anywhere, for people: `datasource.schema.table`, unquoted.
    pub fn qualified_name(&self) -> String {
        self.parts().collect::<Vec<_>>().join(".")
    }

    /// The parts of that name that are not empty.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        let schema = self.schema.iter().map(String::as_str);
        let parts = std::iter::once(self.datasource.as_str()).chain(schema);
        parts.chain([self.table.as_str()]).filter(|part| !part.is_empty())
    }
}

/// What a description holds beside the contract's.
#[derive(Debug, Clone)]
pub struct DescribedTable {
    /// Which table it turned out to be.
    pub table: TableInfo,
    /// Its columns as SQL sees them.
    pub schema: SchemaRef,
    /// What the source says of it.
    pub description: TableDescription,
}
