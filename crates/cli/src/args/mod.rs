//! The command line: every option, its help and its examples.

pub(crate) mod delta;
mod files;
mod query;
mod value;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use files::{CatArgs, GetArgs, LsArgs, PutArgs, RmArgs};
pub(crate) use query::{ExplainArgs, Format, QueryArgs, StatementArgs};
pub(crate) use value::{FileRef, Output, Parameter, RowsShown};

use crate::exit;

/// SQL over the data warehouses and lakes that a configuration names, and over files.
#[derive(Debug, Parser)]
#[command(
    name = "orbit",
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read this configuration; given several times, later files change earlier ones.
    ///
    /// Without it: the file named by ORBIT_CONFIG_FILE, ./datasources.yaml,
    /// ./config/datasources.yaml, then the user's config folder.
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub(crate) config: Vec<PathBuf>,
    /// Set one setting, such as datasources.lake.path=data; it changes every file.
    #[arg(long = "set", value_name = "PATH=VALUE", global = true, value_parser = value::setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Answer, and fail, in JSON for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more of ORBIT's own work: -v informs, -vv debugs, -vvv traces.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Log ORBIT's own work from this level on, to stderr.
    #[arg(long, value_enum, value_name = "LEVEL", global = true, env = "ORBIT_LOG_LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// How a line of the log looks.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        global = true,
        env = "ORBIT_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,
    /// Colour the output; `auto` does on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: Color,
}

/// From which level on ORBIT logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When the output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How long a command may take.
#[derive(Debug, Clone, Args)]
pub(crate) struct Limits {
    /// Give up after this time, such as 500ms, 30s, 5m or 1h.
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration and the sample lake into a folder.
    #[command(after_help = "Examples:\n  orbit init\n  orbit init demo && cd demo && orbit check")]
    Init(InitArgs),
    /// Test the configuration, then each datasource apart.
    #[command(after_help = "Examples:\n  orbit check\n  orbit check lake --timeout 5s\n  \
        orbit check --config-only --json")]
    Check(CheckArgs),
    /// List the backends of this program and what each can do.
    #[command(after_help = "Examples:\n  orbit backends\n  orbit backends --json")]
    Backends,
    /// List the configured datasources, without connecting to any.
    #[command(after_help = "Examples:\n  orbit sources\n  orbit sources --json")]
    Sources,
    /// List the tables of the datasources.
    #[command(after_help = "Examples:\n  orbit tables\n  orbit tables lake --like order")]
    Tables(TablesArgs),
    /// Show the columns of a table and what its source says of it.
    #[command(after_help = "Examples:\n  orbit describe lake.orders\n  \
        orbit describe lake.orders --json")]
    Describe(DescribeArgs),
    /// Run a SQL statement over the datasources and print its result.
    #[command(after_help = query::QUERY_EXAMPLES)]
    Query(QueryArgs),
    /// Show what a statement pushes to each source, and what it will cost.
    #[command(after_help = "Examples:\n  orbit explain \"SELECT * FROM lake.orders\"\n  \
        orbit explain --analyze --file report.sql")]
    Explain(ExplainArgs),
    /// Ask questions at a prompt.
    #[command(after_help = "Examples:\n  orbit sql\n  orbit sql < script.sql\n\n\
        A statement ends at `;`. \\? lists the commands of the prompt.\n\
        Ctrl-C stops the statement that runs, Ctrl-D leaves.")]
    Sql(SqlArgs),
    /// List files of a datasource.
    #[command(after_help = "Examples:\n  orbit ls lake:\n  orbit ls lake:orders/ --recursive")]
    Ls(LsArgs),
    /// Print a file of a datasource.
    #[command(after_help = "Examples:\n  orbit cat lake:notes.csv | head")]
    Cat(CatArgs),
    /// Copy a file of a datasource to this machine.
    #[command(after_help = "Examples:\n  orbit get lake:notes.csv\n  \
        orbit get lake:notes.csv /tmp/n.csv --force")]
    Get(GetArgs),
    /// Copy a file of this machine to a datasource.
    #[command(after_help = "Examples:\n  orbit put notes.csv lake:inbox/\n  \
        orbit put - lake:inbox/notes.csv < notes.csv")]
    Put(PutArgs),
    /// Delete files of a datasource.
    #[command(after_help = "Examples:\n  orbit rm lake:inbox/notes.csv\n  \
        orbit rm --recursive lake:inbox/")]
    Rm(RmArgs),
    /// Change and look after Delta tables.
    #[command(after_help = delta::DELTA_EXAMPLES)]
    Delta {
        /// What is done.
        #[command(subcommand)]
        command: delta::DeltaCommand,
    },
    /// Print the JSON schema of the configuration, for editors.
    #[command(after_help = "Examples:\n  orbit schema > datasources.schema.json")]
    Schema,
    /// Print a completion script for a shell.
    #[command(after_help = "Examples:\n  orbit completions bash > \
        ~/.local/share/bash-completion/completions/orbit\n  \
        orbit completions fish > ~/.config/fish/completions/orbit.fish")]
    Completions(CompletionsArgs),
    /// Print generated documentation.
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder; made if it is not there.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only these datasources.
    #[arg(value_name = "NAME")]
    pub(crate) datasources: Vec<String>,
    /// Check the configuration alone and connect to nothing.
    #[arg(long, conflicts_with = "datasources")]
    pub(crate) config_only: bool,
    /// Give up on a datasource after this time.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::duration)]
    pub(crate) timeout: Duration,
}

/// Options of `tables`.
#[derive(Debug, Args)]
pub(crate) struct TablesArgs {
    /// Only tables of this datasource.
    #[arg(value_name = "NAME")]
    pub(crate) datasource: Option<String>,
    /// Only tables whose name contains this text, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) like: Option<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The table, named as in SQL.
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// Let statements write where the configuration allows it.
    #[arg(long)]
    pub(crate) write: bool,
    /// Give up on a statement after this time.
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `docs`.
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Which documentation.
    pub(crate) topic: DocsTopic,
}

/// What `docs` can print; with `--json` as data, else as Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocsTopic {
    /// The command line, from its parser.
    Cli,
    /// The backends: what each can do, and its settings.
    Backends,
}

/// The parser, with the version and the help that the program composes.
pub(crate) fn command() -> clap::Command {
    static VERSION: LazyLock<String> = LazyLock::new(crate::version::long);
    static AFTER_HELP: LazyLock<String> = LazyLock::new(|| {
        format!(
            "Examples:\n  orbit init demo && cd demo\n  orbit check\n  \
             orbit query \"SELECT 42 AS answer\"\n\nExit codes:\n{}",
            exit::table_text()
        )
    });
    Cli::command()
        .version(env!("CARGO_PKG_VERSION"))
        .long_version(VERSION.as_str())
        .after_help(AFTER_HELP.as_str())
}

/// The command line of this process.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches()?;
    Cli::from_arg_matches(&matches)
}
