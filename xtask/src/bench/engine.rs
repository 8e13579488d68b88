//! TPC-H over local Parquet: ORBIT, plain DataFusion, DuckDB and Polars, taking turns.
//!
//! Each answer comes from a process of its own, so start-up counts; the query `start` shows how
//! much that is. CPU seconds are what is judged, because wall time moves with the machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::answers::{Answer, compare};
use super::report;
use crate::shell;
use crate::testbed;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Scale factor: 1 is about 1 GB of data
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// How often each engine answers each query; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only these, such as `q01`
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Only these, such as `orbit,duckdb`
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// The cargo profile of the two Rust binaries
    #[arg(long, default_value = "release")]
    cargo_profile: String,
}

/// What one process used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    pub(super) rss_max_mb: f64,
}

/// How an engine did at one query.
pub(super) struct Outcome {
    pub(super) engine: &'static str,
    /// The medians, or why there are none.
    pub(super) usage: Result<Usage, String>,
    /// How the answer differs from DuckDB's, if at all.
    pub(super) difference: Option<String>,
}

/// The outcomes of one query, in the order of the engines.
pub(super) struct Row {
    pub(super) query: String,
    pub(super) outcomes: Vec<Outcome>,
}

struct Bench {
    data: PathBuf,
    /// Queries, configuration and answers of this run.
    scratch: PathBuf,
    binaries: PathBuf,
    python: PathBuf,
}

/// The first is the one whose answers are taken as right.
const ENGINES: [&str; 4] = ["duckdb", "polars", "datafusion", "orbit"];

pub(crate) fn run(options: &Options) -> Result<()> {
    let engines: Vec<_> = ENGINES
        .into_iter()
        .filter(|e| options.engines.is_empty() || options.engines.iter().any(|n| n == e))
        .collect();
    let bench = prepare(options, &engines)?;
    let mut rows = Vec::new();
    for query in queries(&options.queries)? {
        let sql = bench.write_query(&query, options.scale)?;
        rows.push(bench.row(&query, &sql, &engines, options.runs));
        if let Some(row) = rows.last() {
            println!("{}", report::line(row));
        }
    }
    let page = report::page(&rows, &engines, options.scale, options.runs);
    let path = shell::root().join("docs/generated/bench-engine.md");
    if options.queries.is_empty() && options.engines.is_empty() {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        std::fs::write(&path, &page)?;
    }
    println!("{page}");
    Ok(())
}

fn prepare(options: &Options, engines: &[&str]) -> Result<Bench> {
    ensure!(options.runs > 0, "at least one run is needed");
    testbed::install(&["peers".to_owned()])?;
    let variables = testbed::variables()?;
    let python = variables.into_iter().find(|(name, _)| *name == "ORBIT_PEERS_PYTHON");
    let profile = options.cargo_profile.as_str();
    let mut packages = vec![("datagen", "datagen")];
    let rust = [("orbit", "orbit-cli"), ("datafusion", "datafusion-plain")];
    packages.extend(rust.into_iter().filter(|(engine, _)| engines.contains(engine)));
    for (_, package) in packages {
        shell::run(&mut shell::cargo(["build", "--profile", profile, "--package", package]))?;
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    let binaries = Workspace::read()?.target.join(folder);
    let bench = Bench {
        data: shell::cache()?.join(format!("tpch-sf{}", options.scale)),
        scratch: shell::cache()?.join("bench-engine"),
        python: PathBuf::from(python.context("the peers are not installed")?.1),
        binaries,
    };
    bench.generate(options.scale)?;
    Ok(bench)
}

/// The names of the queries, with `start` in front: a query that reads nothing.
fn queries(wanted: &[String]) -> Result<Vec<String>> {
    let mut names = vec!["start".to_owned()];
    for entry in std::fs::read_dir(shell::root().join("benches/tpch"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "sql") {
            names.extend(path.file_stem().and_then(|s| s.to_str()).map(str::to_owned));
        }
    }
    names[1..].sort();
    if let Some(unknown) = wanted.iter().find(|w| !names.contains(w)) {
        anyhow::bail!("no query `{unknown}`");
    }
    names.retain(|n| wanted.is_empty() || wanted.contains(n));
    Ok(names)
}

impl Bench {
    /// Writes the tables unless an earlier run did so to the end.
    fn generate(&self, scale: f64) -> Result<()> {
        let complete = self.data.join("complete");
        if !complete.exists() {
            let mut datagen = shell::command(self.binaries.join("datagen"));
            datagen.args(["tpch", "--scale", &scale.to_string(), "--out"]).arg(&self.data);
            shell::run(&mut datagen)?;
            std::fs::write(complete, "")?;
        }
        std::fs::create_dir_all(&self.scratch)?;
        let tables = self.data.display();
        let config = format!("datasources:\n  tpch:\n    type: local\n    path: '{tables}'\n");
        std::fs::write(self.scratch.join("datasources.yaml"), config)?;
        Ok(())
    }

    fn write_query(&self, name: &str, scale: f64) -> Result<PathBuf> {
        let text = if name == "start" {
            "select 1 as one\n".to_owned()
        } else {
            let path = shell::root().join("benches/tpch").join(format!("{name}.sql"));
            std::fs::read_to_string(path)?
        };
        let fraction = format!("{:.10}", 0.0001 / scale);
        let path = self.scratch.join(format!("{name}.sql"));
        std::fs::write(&path, text.replace("{{fraction}}", &fraction))?;
        Ok(path)
    }

    /// All engines answer once, then all again, so that a slow minute of the machine meets all.
    fn row(&self, query: &str, sql: &Path, engines: &[&'static str], runs: usize) -> Row {
        let mut seen: Vec<Result<Vec<Usage>, String>> =
            engines.iter().map(|_| Ok(vec![])).collect();
        for _ in 0..runs {
            for (engine, seen) in engines.iter().zip(&mut seen) {
                let Ok(usages) = seen else { continue };
                match self.measure(engine, query, sql) {
                    Ok(usage) => usages.push(usage),
                    Err(error) => *seen = Err(format!("{error:#}")),
                }
            }
        }
        let outcome = |(engine, seen): (&&'static str, Result<Vec<Usage>, String>)| Outcome {
            engine,
            difference: seen.is_ok().then(|| self.difference(engine, query)).flatten(),
            usage: seen.map(|usages| medians(&usages)),
        };
        let outcomes = engines.iter().zip(seen).map(outcome).collect();
        Row { query: query.to_owned(), outcomes }
    }

    fn measure(&self, engine: &str, query: &str, sql: &Path) -> Result<Usage> {
        let answer = File::create(self.answer(engine, query))?;
        let mut measure = shell::command(std::env::current_exe()?);
        measure.arg("measure");
        self.arguments(engine, sql, &mut measure);
        let output = measure.stdin(Stdio::null()).stdout(answer).stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
        if !output.status.success() {
            let first = said.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
            let reason =
                if engine == "polars" || engine == "duckdb" { last_error(&said) } else { first };
            anyhow::bail!("{reason}");
        }
        usage(last).with_context(|| format!("`{last}` is not what a process used"))
    }

    fn arguments(&self, engine: &str, sql: &Path, command: &mut Command) {
        match engine {
            "orbit" => {
                command.arg(self.binaries.join("orbit"));
                command.arg("--config").arg(self.scratch.join("datasources.yaml"));
                command.args(["query", "--format", "csv", "--file"]).arg(sql);
            }
            "datafusion" => {
                command.arg(self.binaries.join("datafusion-plain")).arg(&self.data).arg(sql);
            }
            peer => {
                command.arg(&self.python).arg("benches/tpch/peers.py").arg(peer);
                command.arg(&self.data).arg(sql);
            }
        }
    }

    fn answer(&self, engine: &str, query: &str) -> PathBuf {
        self.scratch.join(format!("{query}-{engine}.csv"))
    }

    fn difference(&self, engine: &str, query: &str) -> Option<String> {
        let read = |engine| -> Result<Answer> {
            Answer::parse(&std::fs::read_to_string(self.answer(engine, query))?)
        };
        let compared = read(ENGINES[0]).and_then(|right| Ok(compare(&right, &read(engine)?)));
        compared.unwrap_or_else(|error| Some(format!("{error:#}")))
    }
}

/// Python says what went wrong in the line before ours.
fn last_error(said: &str) -> &str {
    said.lines().rev().find(|l| l.contains("Error")).unwrap_or("failed")
}

fn usage(line: &str) -> Result<Usage> {
    let value: Value = serde_json::from_str(line)?;
    let number = |key: &str| value[key].as_f64().with_context(|| format!("no `{key}`"));
    Ok(Usage {
        cpu_seconds: number("cpu_us")? / 1e6,
        wall_seconds: number("wall_us")? / 1e6,
        rss_max_mb: number("rss_max_kb")? / 1024.0,
    })
}

fn medians(usages: &[Usage]) -> Usage {
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
