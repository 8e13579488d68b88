//! Everything that has to hold before a change lands, in the order in which it fails fastest.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{docs, profile, shell, test, tidy, workspace};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 8] = [
    ("fmt", fmt),
    ("tidy", tidy::run),
    ("deny", deny),
    ("clippy", clippy),
    ("test", tests),
    ("docs", docs_are_current),
    ("rustdoc", rustdoc),
    ("profile minimal", minimal),
];

/// Runs every step, also after one has failed, and prints how long each took.
///
/// # Errors
/// Names the steps that failed.
pub(crate) fn run() -> Result<()> {
    let mut times: Vec<(&str, Duration, bool)> = Vec::new();
    for (name, step) in STEPS {
        eprintln!("== {name}");
        let begin = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("{name}: {error:#}");
        }
        times.push((name, begin.elapsed(), outcome.is_ok()));
    }
    println!("{:<16} {:>8}  result", "step", "seconds");
    for (name, time, passed) in &times {
        let result = if *passed { "passed" } else { "FAILED" };
        println!("{name:<16} {:>8.1}  {result}", time.as_secs_f64());
    }
    let failed: Vec<_> = times.iter().filter(|t| !t.2).map(|t| t.0).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn fmt() -> Result<()> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let mut clippy = shell::cargo(["clippy", "--workspace", "--all-targets", "--locked"]);
    shell::run(clippy.args(test::EVERY_BACKEND).args(["--", "--deny", "warnings"]))
}

/// Advisories need a database that cannot be reached from everywhere: the release workflow
/// checks them.
fn deny() -> Result<()> {
    shell::run(&mut shell::cargo(["deny", "check", "bans", "licenses", "sources"]))
}

fn tests() -> Result<()> {
    test::run(&test::Options::everything())
}

/// With the binary that the tests have just built, whose features are the workspace's: another
/// selection of packages would compile the dependencies anew.
fn docs_are_current() -> Result<()> {
    let binary = workspace::Workspace::read()?.binary("debug", "orbit");
    docs::write(&binary, docs::Mode::Check)
}

fn rustdoc() -> Result<()> {
    let mut doc = shell::cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    shell::run(doc.args(test::EVERY_BACKEND).env("RUSTDOCFLAGS", "--deny warnings"))
}

fn minimal() -> Result<()> {
    for profile in ["minimal", "datawarehouse", "datalake", "full"] {
        profile::prove(profile)?;
    }
    profile::check("minimal")
}
