//! Measurements, each with its peers in one run.

mod answers;
mod engine;
mod http;
mod measured;
mod memory;
mod report;
mod sql;
mod start;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The 22 queries of TPC-H beside DataFusion, DuckDB and Polars
    Engine(engine::Options),
    /// Ten million rows grouped, sorted and handed on under a memory budget, beside DuckDB
    Memory(memory::Options),
    /// A million rows and ten of Snowflake's protocol to Arrow, beside its connector and ADBC
    Http(http::Options),
    /// Five million rows from PostgreSQL into Arrow, beside other clients
    Sql(sql::Options),
    /// Size and start of the binary of each profile
    Start(start::Options),
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Engine(options) => engine::run(options),
        Command::Memory(options) => memory::run(options),
        Command::Http(options) => http::run(options),
        Command::Sql(options) => sql::run(options),
        Command::Start(options) => start::run(options),
    }
}
