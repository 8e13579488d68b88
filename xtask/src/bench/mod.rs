//! Measurements, each with its peers in one run.

mod answers;
mod engine;
mod report;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The 22 queries of TPC-H beside DataFusion, DuckDB and Polars
    Engine(engine::Options),
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Engine(options) => engine::run(options),
    }
}
