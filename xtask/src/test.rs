//! The tests of everything, of one profile, or of one backend, with the testbed installed.

use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::workspace::Workspace;
use crate::{profile, shell, testbed};

#[derive(Args)]
pub(crate) struct Options {
    /// Only what this profile contains, built with exactly its features
    #[arg(long, conflicts_with = "backend")]
    profile: Option<String>,
    /// Only this backend
    #[arg(long)]
    backend: Option<String>,
    /// Passed on to `cargo test`
    #[arg(last = true)]
    rest: Vec<String>,
}

/// The binary of a build of the whole workspace has every backend, so that its tests reach each.
pub(crate) const EVERY_BACKEND: [&str; 2] = ["--features", "orbit-cli/full"];

impl Options {
    /// All tests of the workspace.
    pub(crate) fn everything() -> Self {
        Self { profile: None, backend: None, rest: Vec::new() }
    }
}

/// Runs the tests, which start the servers that they need themselves.
///
/// What cannot be installed here is only reported, because each test says itself that it was
/// ignored for want of a server; `ORBIT_TEST_REQUIRE=all` makes that a failure.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut tests = selection(options)?;
    if let Err(error) = testbed::install(&[]) {
        ensure!(!required(), "the testbed cannot be installed: {error:#}");
        eprintln!("warning: the testbed cannot be installed: {error:#}");
    }
    let support = Workspace::read()?.support_folder();
    tests.args(["--locked", "--no-fail-fast"]).args(&options.rest);
    shell::run(tests.envs(testbed::variables()?).env("ORBIT_SUPPORT_DIR", support))
}

fn required() -> bool {
    shell::variable("ORBIT_TEST_REQUIRE").is_some_and(|v| v == "all")
}

fn selection(options: &Options) -> Result<Command> {
    if let Some(profile) = &options.profile {
        profile::prove(profile)?;
        let mut test = shell::cargo(["test", "--package", "orbit", "--package", "orbit-cli"]);
        test.args(profile::selection(profile));
        return Ok(test);
    }
    if let Some(backend) = &options.backend {
        let leaf = backend.replace('_', "-");
        let workspace = Workspace::read()?;
        let names: Vec<_> = workspace.backends().iter().map(|b| b.leaf().to_owned()).collect();
        ensure!(names.contains(&leaf), "no backend `{leaf}`; there are {}", names.join(", "));
        return Ok(shell::cargo(["test", "--package", &format!("orbit-{leaf}")]));
    }
    let mut test = shell::cargo(["test", "--workspace"]);
    test.args(EVERY_BACKEND);
    Ok(test)
}
