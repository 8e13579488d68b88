//! One run of a program, and what it used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::testbed;
use crate::workspace::Workspace;

/// What one process used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    pub(super) rss_max_mb: f64,
}

impl Usage {
    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)
            .with_context(|| format!("`{line}` is not what a process used"))?;
        let number = |key: &str| value[key].as_f64().with_context(|| format!("no `{key}`"));
        Ok(Self {
            cpu_seconds: number("cpu_us")? / 1e6,
            wall_seconds: number("wall_us")? / 1e6,
            rss_max_mb: number("rss_max_kb")? / 1024.0,
        })
    }
}

/// Runs a command whose answer goes to `answer`.
///
/// # Errors
/// What the command said when it failed: its last error in Python, else its first line.
pub(super) fn measure(command: &Command, answer: impl Into<Stdio>) -> Result<Usage> {
    let mut measure = shell::command(std::env::current_exe()?);
    measure.arg("measure").arg(command.get_program()).args(command.get_args());
    let output = measure.stdin(Stdio::null()).stdout(answer).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = || said.lines().filter(|line| !line.trim().is_empty());
    if output.status.success() {
        return Usage::parse(lines().next_back().unwrap_or_default());
    }
    let is_python = said.contains("Traceback");
    let reason = if is_python { lines().rfind(|l| l.contains("Error")) } else { lines().next() };
    bail!("{}", reason.unwrap_or("failed"))
}

pub(super) fn medians(usages: &[Usage]) -> Usage {
    let median = |of: fn(&Usage) -> f64| {
        let mut values: Vec<_> = usages.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Usage {
        cpu_seconds: median(|u| u.cpu_seconds),
        wall_seconds: median(|u| u.wall_seconds),
        rss_max_mb: median(|u| u.rss_max_mb),
    }
}

/// What is measured: `orbit` with every backend, DataFusion as it comes, and the generator of
/// their data. All benchmarks build the same, so that one compiled DataFusion serves them.
pub(super) const PROGRAMS: [&str; 4] = [
    "--package=datagen",
    "--package=orbit-cli",
    "--package=datafusion-plain",
    "--features=orbit-cli/full",
];

/// Builds with a cargo profile; answers the folder of the binaries.
pub(super) fn build(profile: &str, arguments: &[&str]) -> Result<PathBuf> {
    shell::run(shell::cargo(["build", "--profile", profile]).args(arguments))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(Workspace::read()?.target.join(folder))
}

/// The Python that has the engines.
pub(super) fn peers_python() -> Result<PathBuf> {
    python("peers", "ORBIT_PEERS_PYTHON")
}

/// The Python of the testbed's `fixture`, which tells of it by `variable`.
pub(super) fn python(fixture: &str, variable: &str) -> Result<PathBuf> {
    testbed::install(&[fixture.to_owned()])?;
    told(variable).map(PathBuf::from)
}

/// What the testbed tells by `variable`.
pub(super) fn told(variable: &str) -> Result<String> {
    let found = testbed::variables()?.into_iter().find(|(name, _)| *name == variable);
    Ok(found.with_context(|| format!("the testbed does not tell {variable}"))?.1)
}

/// Makes the folder `name` of generated data with these arguments of `datagen`, unless an
/// earlier run did so to the end.
pub(super) fn generated(binaries: &Path, name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let folder = shell::cache()?.join(name);
    let complete = folder.join("complete");
    if !complete.exists() {
        std::fs::create_dir_all(&folder)?;
        let mut datagen = shell::command(binaries.join("datagen"));
        shell::run(datagen.args(arguments).current_dir(&folder))?;
        std::fs::write(complete, "")?;
    }
    Ok(folder)
}

/// Prints a page and keeps it in `docs/generated`.
pub(super) fn keep(name: &str, page: &str) -> Result<()> {
    let folder = shell::root().join("docs/generated");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), page)?;
    println!("{page}");
    Ok(())
}
