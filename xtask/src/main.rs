//! The workspace's own commands: `cargo xtask --help` lists them.
//!
//! It depends on no orbit crate, so it builds in seconds; what it needs to know of ORBIT it
//! asks the built binary.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers speaks to the terminal"
)]

mod bench;
mod ci;
mod docs;
mod measure;
mod new_backend;
mod profile;
mod shell;
mod test;
mod testbed;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Commands for working on ORBIT")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the tests: of everything, of one profile, or of one backend
    Test(test::Options),
    /// Build the binary with one profile and prove that no other driver is in it
    Profile(profile::Options),
    /// Third-party servers and tools that tests run against
    #[command(subcommand)]
    Testbed(testbed::Command),
    /// Check what the compiler does not: arrows between crates, names, prose, links
    Tidy,
    /// Write a backend crate that compiles and registers
    NewBackend(new_backend::Options),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Command),
    /// Write docs/generated and the generated pages of the book
    Docs(docs::Options),
    /// Everything that has to hold before a change lands
    Ci,
    /// Write the generated files of config/sample-lake
    SampleLake,
    /// Run a command and print what it used, as one line of JSON on stderr
    #[command(hide = true)]
    Measure {
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Measure { .. }) {
        shell::find_root()?;
    }
    match command {
        Command::Test(options) => test::run(&options),
        Command::Profile(options) => profile::run(&options),
        Command::Testbed(command) => testbed::run(&command),
        Command::Tidy => tidy::run(),
        Command::NewBackend(options) => new_backend::run(&options),
        Command::Bench(command) => bench::run(&command),
        Command::Docs(options) => docs::run(&options),
        Command::Ci => ci::run(),
        Command::SampleLake => sample_lake(),
        Command::Measure { command } => measure::run(&command),
    }
}

fn sample_lake() -> anyhow::Result<()> {
    let out: PathBuf = shell::root().join("config/sample-lake");
    shell::run(shell::cargo(["run", "--package", "datagen", "--", "sample-lake", "--out"]).arg(out))
}
