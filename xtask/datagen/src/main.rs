//! Generates the data that tests, benchmarks and the sample lake are made of.
//!
//! A program of its own beside `xtask`, so that `xtask` builds without arrow and parquet. All
//! of it is deterministic: the same arguments write the same rows.

mod messy;
mod rows;
mod sample;
mod table;
mod tpch;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The eight tables of TPC-H, one Parquet file each
    Tpch {
        /// Scale factor: 1 is about 6 million line items
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Folder to write to
        #[arg(long)]
        out: PathBuf,
    },
    /// One wide Parquet table of many rows, for tests of memory
    Rows {
        /// How many rows
        #[arg(long, default_value_t = 10_000_000)]
        rows: u64,
        /// File to write
        #[arg(long)]
        out: PathBuf,
    },
    /// The sample lake: TPC-H at a tiny scale as Parquet and CSV, and a messy CSV
    SampleLake {
        /// Folder to write to
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Tpch { scale, out } => tpch::write(scale, &out),
        Command::Rows { rows, out } => rows::write(rows, &out),
        Command::SampleLake { out } => sample::write(&out),
    }
}
