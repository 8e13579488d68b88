//! What an engine may use, and which tables the configuration names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What an engine may use: the `engine:` section of a configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EngineOptions {
    /// Memory for all running queries together, in bytes; what does not fit is spilled.
    pub memory_bytes_max: u64,
    /// Disk for spilled rows, in bytes.
    pub spill_bytes_max: u64,
    /// The folder for spilled rows; the system's temporary folder if not said.
    pub spill_path: Option<PathBuf>,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Parts of a plan that run at once; the number of processors if not said.
    pub target_partitions: Option<usize>,
    /// Parts in which a table of a warehouse is read at once, where its source can: more than
    /// one is faster for large results, and may show different moments of the table unless the
    /// source keeps one snapshot.
    pub source_partitions_max: usize,
    /// The datasource whose tables may be named without it, beside those of file sources.
    pub default_datasource: Option<String>,
    /// What a statement may ask.
    pub limits: StatementLimits,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            spill_bytes_max: 100 << 30,
            spill_path: None,
            batch_rows: 8192,
            target_partitions: None,
            source_partitions_max: 1,
            default_datasource: None,
            limits: StatementLimits::default(),
        }
    }
}

/// What a statement may ask: no short text may take the process down.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StatementLimits {
    /// Bytes of the text.
    pub bytes_max: usize,
    /// Tokens of the text.
    pub tokens_max: usize,
    /// Joins, by `JOIN` or by a comma.
    pub joins_max: usize,
    /// Levels of parentheses and subqueries.
    pub depth_max: usize,
    /// Files of one table.
    pub files_max: usize,
}

impl Default for StatementLimits {
    fn default() -> Self {
        Self {
            bytes_max: 1 << 20,
            tokens_max: 100_000,
            joins_max: 512,
            depth_max: 2048,
            files_max: 1_000_000,
        }
    }
}

/// The format of a table's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Values between commas.
    Csv,
    /// Values between tabs.
    Tsv,
    /// One JSON object a line, or an array of them.
    Json,
    /// Arrow IPC, file or stream.
    Arrow,
    /// Delta Lake.
    Delta,
}

/// A table that the configuration names: an entry of a file datasource's `tables:`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TableOptions {
    /// A file, a folder or a glob, such as `sales/*/part-*.parquet`.
    pub path: String,
    /// The format; by the files' extension if not said.
    pub format: Option<FileFormat>,
    /// Text files begin with a line of names.
    pub header: Option<bool>,
    /// What stands between the values of a text file, one character.
    pub delimiter: Option<char>,
    /// What quotes a value of a text file, one character.
    pub quote: Option<char>,
    /// What escapes inside a quoted value, one character.
    pub escape: Option<char>,
    /// Lines that begin with it are left out.
    pub comment: Option<char>,
    /// Texts that mean NULL in a text file.
    pub null_values: Vec<String>,
    /// Types of columns, by name, such as `price: decimal(12,2)`; the others are inferred.
    pub columns: BTreeMap<String, String>,
    /// Columns read from `name=value` folders, by name, with their types.
    pub partitions: BTreeMap<String, String>,
    /// Where a Delta table may have files outside of its folder, as a shallow clone has: a URL
    /// that its log begins paths with, and the folder of this datasource that it means.
    pub allowed_roots: BTreeMap<String, String>,
    /// Rows from which the types of a text file are inferred.
    pub infer_rows_max: Option<usize>,
}
