//! Options of `query` and `explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Limits, Output, Parameter, RowsShown};

pub(super) const QUERY_EXAMPLES: &str = "\
Examples:
  orbit query \"SELECT * FROM lake.orders LIMIT 5\"
  orbit query \"SELECT count(*) FROM 'data/*.parquet'\"
  orbit query --file report.sql --param day=2026-01-31 --param min=10.50
  orbit query --format csv --output orders.csv \"SELECT * FROM lake.orders\"
  orbit query --output store:out/orders.parquet \"SELECT * FROM lake.orders\"
  orbit query --output store:sales --partition-by year,month \"SELECT * FROM lake.sales\"
  echo \"SELECT 1\" | orbit query --json -
  orbit query --on warehouse \"SHOW TABLES\"

Values of --param NAME=VALUE:
  null, true, false      NULL and truth
  42, -7                 a whole number
  10.50                  a decimal number, exactly
  'text'                 a text; anything not listed above is one too
  NAME:text=42           the type said: text, integer, decimal or boolean

Formats:
  table    for people; a long result is cut in the middle on a terminal, and says so
  json     an array of row objects        ndjson   one row object a line
  csv      with a header; NULL is empty, an empty text is \"\"
  arrow    an IPC stream to stdout, an IPC file to --output
  parquet  compressed with zstd
In JSON a decimal is a number with all its digits, a binary value is hexadecimal text, a time
is ISO 8601 text, and a float that is no number is the text NaN, Infinity or -Infinity.";

/// Where a statement comes from, and its parameters.
#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    /// The statement; `-` reads it from stdin.
    #[arg(required_unless_present = "file")]
    pub(crate) sql: Option<String>,
    /// Read the statement from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    /// A value for `$NAME` in the statement; may be given several times.
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<Parameter>,
}

/// Options of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) statement: StatementArgs,
    /// Pass the statement through to this datasource, in its own dialect.
    #[arg(long, value_name = "NAME")]
    pub(crate) on: Option<String>,
    /// Let the statement write, where the configuration allows it too.
    #[arg(long)]
    pub(crate) write: bool,
    /// How the result looks; told by the ending of --output, else a table.
    #[arg(short = 'F', long, value_enum, conflicts_with = "json")]
    pub(crate) format: Option<Format>,
    /// Write the result to a file of this machine, which is replaced, or to NAME:PATH of a
    /// datasource; it appears once it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<Output>,
    /// Make --output a folder with a file for each value of these columns, as in
    /// `year=2026/part-0.parquet`.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "output",
        conflicts_with_all = ["on", "force", "write"]
    )]
    pub(crate) partition_by: Vec<String>,
    /// Replace a file of a datasource that is there.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Stop after this many rows, and say so if there were more.
    #[arg(short, long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
    /// How many rows a table shows on a terminal: a number or `all`.
    #[arg(long, value_name = "ROWS", default_value = "40")]
    pub(crate) show: RowsShown,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) statement: StatementArgs,
    /// Run the statement, and tell what was really moved.
    #[arg(long)]
    pub(crate) analyze: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// How a result looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// An array of row objects.
    Json,
    /// One row object a line.
    Ndjson,
    /// Values between commas.
    Csv,
    /// Arrow IPC.
    Arrow,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format that the ending of a file's name tells.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "txt" => Self::Table,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "csv" => Self::Csv,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }

    /// What the names of its files end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// Whether its bytes would garble a terminal.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}
