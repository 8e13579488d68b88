//! Measurements, each with its peers in one run.

mod answers;
mod engine;
mod files;
mod http;
mod measured;
mod memory;
mod report;
mod sql;
mod start;
mod store;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The 22 queries of TPC-H beside DataFusion, DuckDB and Polars
    Engine(engine::Options),
    /// Files of a store listed, read and queried, beside rclone, boto3, obstore, DuckDB, Polars
    /// and DataFusion
    Files(files::Options),
    /// A million rows and ten of Snowflake's protocol to Arrow, beside its connector and ADBC
    Http(http::Options),
    /// Ten million rows grouped, sorted and handed on under a memory budget, beside DuckDB
    Memory(memory::Options),
    /// Five million rows from PostgreSQL into Arrow, beside other clients
    Sql(sql::Options),
    /// Size and start of the binary of each profile
    Start(start::Options),
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Engine(options) => engine::run(options),
        Command::Files(options) => files::run(options),
        Command::Http(options) => http::run(options),
        Command::Memory(options) => memory::run(options),
        Command::Sql(options) => sql::run(options),
        Command::Start(options) => start::run(options),
    }
}
