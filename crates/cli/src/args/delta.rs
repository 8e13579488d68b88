//! Options of `delta`: what is done to Delta tables.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Limits, Output, Parameter, RowsShown, value};

pub(super) const DELTA_EXAMPLES: &str = "\
Examples:
  orbit delta create lake.prices --column \"id bigint not null\" --column \"price decimal(9,2)\"
  orbit delta append lake.prices --from \"SELECT id, price FROM shop.prices\"
  orbit delta overwrite lake.prices --where \"id < 100\" --from \"SELECT * FROM 'new.csv'\"
  orbit delta merge lake.prices --on \"t.id = s.id\" --from \"SELECT * FROM 'new.csv'\" \\
      --matched update --not-matched insert
  orbit delta history lake.prices
  orbit delta vacuum lake.prices          # tells what would go; --yes deletes

A TABLE is named as in SQL, or is a path of this machine with a slash in it (./prices).
Expressions are SQL over the table's columns, named in their exact case.";

/// What is done to a Delta table.
#[derive(Debug, Subcommand)]
pub(crate) enum DeltaCommand {
    /// Show what a table is: columns, properties, constraints, protocol and size.
    #[command(after_help = "Examples:\n  orbit delta describe lake.prices\n  \
        orbit delta describe ./prices --json")]
    Describe(TableArgs),
    /// List the versions of a table, the newest first.
    #[command(after_help = "Examples:\n  orbit delta history lake.prices --limit 5")]
    History(HistoryArgs),
    /// Print the rows that changed, where the table records its changes.
    #[command(after_help = "Examples:\n  orbit delta set lake.prices \
        delta.enableChangeDataFeed=true\n  orbit delta changes lake.prices --since 3 --until 7")]
    Changes(ChangesArgs),
    /// Make a table, empty or with the rows of a query.
    #[command(after_help = "Examples:\n  orbit delta create lake.prices --column \
        \"id bigint not null\" --column \"day date\" --partition-by day\n  \
        orbit delta create lake.copy --from \"SELECT * FROM shop.prices\"")]
    Create(CreateArgs),
    /// Add the rows of a query.
    #[command(after_help = "Examples:\n  orbit delta append lake.prices --from \
        \"SELECT * FROM 'new.csv'\"\n  orbit delta append lake.prices --merge-schema \
        --from \"SELECT id, price, note FROM shop.prices\"")]
    Append(AppendArgs),
    /// Put the rows of a query in place of all rows, or of those that --where names.
    #[command(after_help = "Examples:\n  orbit delta overwrite lake.prices \
        --where \"day = '2026-01-31'\" --from \"SELECT * FROM 'day.csv'\"\n  \
        orbit delta overwrite lake.prices --yes --from \"SELECT * FROM 'all.csv'\"")]
    Overwrite(OverwriteArgs),
    /// Delete rows.
    #[command(after_help = "Examples:\n  orbit delta delete lake.prices --where \"price < 0\"")]
    Delete(DeleteArgs),
    /// Change rows.
    #[command(after_help = "Examples:\n  orbit delta update lake.prices \
        --assign \"price = price * 2\" --where \"id = 7\"")]
    Update(UpdateArgs),
    /// Join the table (t) with the rows of a query (s), and change it by what meets.
    #[command(after_help = "Examples:\n  orbit delta merge lake.prices --on \"t.id = s.id\" \
        --matched update --not-matched insert --from \"SELECT * FROM 'new.csv'\"\n  \
        orbit delta merge lake.prices --on \"t.id = s.id\" --assign \"price = t.price + s.price\" \
        --from \"SELECT * FROM 'rise.csv'\"")]
    Merge(MergeArgs),
    /// Rewrite many small files as few large ones; --zorder puts like rows together.
    #[command(after_help = "Examples:\n  orbit delta optimize lake.prices\n  \
        orbit delta optimize lake.prices --zorder id,day --target-size 256MiB")]
    Optimize(OptimizeArgs),
    /// Tell which files no version needs any more; --yes deletes them.
    #[command(after_help = "Examples:\n  orbit delta vacuum lake.prices\n  \
        orbit delta vacuum lake.prices --retention-hours 240 --yes")]
    Vacuum(VacuumArgs),
    /// Make an old version the newest again.
    #[command(after_help = "Examples:\n  orbit delta restore lake.prices --version 3")]
    Restore(RestoreArgs),
    /// Refuse rows for which an expression is not true, from now on.
    #[command(after_help = "Examples:\n  orbit delta add-constraint lake.prices positive \
        \"price > 0\"")]
    AddConstraint(AddConstraintArgs),
    /// Lift a constraint.
    #[command(after_help = "Examples:\n  orbit delta drop-constraint lake.prices positive")]
    DropConstraint(DropConstraintArgs),
    /// Add columns, which are NULL in the rows that are there.
    #[command(after_help = "Examples:\n  orbit delta add-columns lake.prices \"note varchar\"")]
    AddColumns(AddColumnsArgs),
    /// Set properties of a table.
    #[command(after_help = "Examples:\n  orbit delta set lake.prices \
        delta.enableChangeDataFeed=true")]
    Set(SetArgs),
    /// Make a Delta table of a folder of Parquet files, where they lie.
    #[command(after_help = "Examples:\n  orbit delta convert lake.old_prices")]
    Convert(ConvertArgs),
}

/// A table, named as in SQL or by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName(pub(crate) String);

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let quoted = text.starts_with(['\'', '"']);
        match text.contains('/') && !quoted {
            true => Ok(Self(format!("'{}'", text.replace('\'', "''")))),
            false => Ok(Self(text.to_owned())),
        }
    }
}

/// The table of a command.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The table, named as in SQL; with a slash in it, a path of this machine.
    #[arg(value_name = "TABLE")]
    pub(crate) table: TableName,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// The query whose rows are written.
#[derive(Debug, Args)]
pub(crate) struct RowsArgs {
    /// The query whose rows are written, over any datasources.
    #[arg(long, value_name = "SQL")]
    pub(crate) from: String,
    /// A value for `$NAME` in the query; may be given several times.
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<Parameter>,
}

/// Options of `delta history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// How many versions at most.
    #[arg(short, long, value_name = "VERSIONS", default_value = "20")]
    pub(crate) limit: usize,
}

/// Options of `delta changes`.
#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The first version whose changes are told.
    #[arg(long, value_name = "VERSION")]
    pub(crate) since: u64,
    /// The last one; the newest if not said.
    #[arg(long, value_name = "VERSION")]
    pub(crate) until: Option<u64>,
    /// How the rows look; told by the ending of --output, else a table.
    #[arg(short = 'F', long, value_enum, conflicts_with = "json")]
    pub(crate) format: Option<Format>,
    /// Write the rows to a file of this machine, which is replaced, or to NAME:PATH of a
    /// datasource; it appears once it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<Output>,
    /// Replace a file of a datasource that is there.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// How many rows a table shows on a terminal: a number or `all`.
    #[arg(long, value_name = "ROWS", default_value = "40")]
    pub(crate) show: RowsShown,
}

/// Options of `delta create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// A column: name, type and perhaps `not null`; may be given several times.
    #[arg(long = "column", value_name = "COLUMN", required_unless_present = "from")]
    pub(crate) columns: Vec<String>,
    /// Take columns and rows from a query.
    #[arg(long, value_name = "SQL", conflicts_with = "columns")]
    pub(crate) from: Option<String>,
    /// A value for `$NAME` in the query; may be given several times.
    #[arg(short, long = "param", value_name = "NAME=VALUE", requires = "from")]
    pub(crate) parameters: Vec<Parameter>,
    /// Keep the values of these columns in the names of folders.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) partition_by: Vec<String>,
    /// A property of the table; may be given several times.
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = value::property)]
    pub(crate) properties: Vec<(String, String)>,
    /// What the table is for.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
}

/// Options of `delta append`.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) rows: RowsArgs,
    /// Add columns that the table lacks.
    #[arg(long)]
    pub(crate) merge_schema: bool,
}

/// Options of `delta overwrite`.
#[derive(Debug, Args)]
pub(crate) struct OverwriteArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) rows: RowsArgs,
    /// Replace only rows for which this is true; it must be true for each new row, too.
    #[arg(long = "where", value_name = "PREDICATE")]
    pub(crate) predicate: Option<String>,
    /// What becomes of the table's columns.
    #[arg(long, value_enum, value_name = "COLUMNS", default_value = "keep")]
    pub(crate) schema: SchemaChange,
    /// Replace all rows without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What becomes of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaChange {
    /// They stay.
    Keep,
    /// Those of the query are added.
    Merge,
    /// They become those of the query.
    Replace,
}

/// Options of `delta delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Delete rows for which this is true.
    #[arg(long = "where", value_name = "PREDICATE")]
    pub(crate) predicate: Option<String>,
    /// Delete all rows without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Options of `delta update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// A column and its new value, as after SET in SQL; may be given several times.
    #[arg(long, value_name = "COLUMN=VALUE", required = true, value_parser = assignment)]
    pub(crate) assign: Vec<(String, String)>,
    /// Change only rows for which this is true.
    #[arg(long = "where", value_name = "PREDICATE")]
    pub(crate) predicate: Option<String>,
}

/// Options of `delta merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    #[command(flatten)]
    pub(crate) rows: RowsArgs,
    /// When a row of the table (t) and one of the query (s) meet.
    #[arg(long, value_name = "PREDICATE")]
    pub(crate) on: String,
    /// What becomes of a row that meets one.
    #[arg(long, value_enum, value_name = "ACTION", conflicts_with = "assign")]
    pub(crate) matched: Option<MatchedAction>,
    /// A column and its value in a row that meets one, as after SET in SQL; may be given several
    /// times.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = assignment)]
    pub(crate) assign: Vec<(String, String)>,
    /// Only rows that meet one and for which this is true.
    #[arg(long, value_name = "PREDICATE")]
    pub(crate) matched_if: Option<String>,
    /// What becomes of a row of the query that meets none.
    #[arg(long, value_enum, value_name = "ACTION")]
    pub(crate) not_matched: Option<NotMatchedAction>,
    /// Only rows that meet none and for which this is true.
    #[arg(long, value_name = "PREDICATE", requires = "not_matched")]
    pub(crate) not_matched_if: Option<String>,
    /// What becomes of a row of the table that meets none.
    #[arg(long, value_enum, value_name = "ACTION")]
    pub(crate) not_matched_by_source: Option<BySourceAction>,
    /// Add columns that the table lacks.
    #[arg(long)]
    pub(crate) merge_schema: bool,
}

/// What becomes of a row that meets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchedAction {
    /// It takes the values of the query, by name.
    Update,
    /// It goes.
    Delete,
}

/// What becomes of a row of the query that meets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotMatchedAction {
    /// It is added, by name.
    Insert,
}

/// What becomes of a row of the table that meets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BySourceAction {
    /// It goes.
    Delete,
}

/// Options of `delta optimize`.
#[derive(Debug, Args)]
pub(crate) struct OptimizeArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Put rows together that are alike in these columns.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) zorder: Vec<String>,
    /// How large a file shall be, such as 128MiB.
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    pub(crate) target_size: Option<u64>,
}

/// Options of `delta vacuum`.
#[derive(Debug, Args)]
pub(crate) struct VacuumArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// Keep files that a version of the last hours needs; what the table says if not said.
    #[arg(long, value_name = "HOURS")]
    pub(crate) retention_hours: Option<u64>,
    /// Allow fewer hours than the table says; queries under way may lose their files.
    #[arg(long)]
    pub(crate) force: bool,
    /// Delete files, too, that no version ever knew, such as those of writes that failed.
    #[arg(long)]
    pub(crate) full: bool,
    /// Delete the files.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Options of `delta restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The version.
    #[arg(long, value_name = "VERSION", required_unless_present = "time")]
    pub(crate) version: Option<u64>,
    /// The version of this moment, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "version", value_parser = value::moment)]
    pub(crate) time: Option<i64>,
}

/// Options of `delta add-constraint`.
#[derive(Debug, Args)]
pub(crate) struct AddConstraintArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The name of the constraint.
    pub(crate) name: String,
    /// What must be true for each row.
    pub(crate) expression: String,
}

/// Options of `delta drop-constraint`.
#[derive(Debug, Args)]
pub(crate) struct DropConstraintArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The name of the constraint.
    pub(crate) name: String,
}

/// Options of `delta add-columns`.
#[derive(Debug, Args)]
pub(crate) struct AddColumnsArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The columns, each a name and a type; they may be NULL.
    #[arg(required = true, value_name = "COLUMN")]
    pub(crate) columns: Vec<String>,
}

/// Options of `delta set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// The properties.
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = value::property)]
    pub(crate) properties: Vec<(String, String)>,
}

/// Options of `delta convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// A property of the table; may be given several times.
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = value::property)]
    pub(crate) properties: Vec<(String, String)>,
}

/// `COLUMN=VALUE`, where the value is an expression.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.trim().is_empty() && !value.trim().is_empty() => {
            Ok((column.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write COLUMN=VALUE, such as \"price = price * 2\"".to_owned()),
    }
}
