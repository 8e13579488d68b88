//! TPC-H over local Parquet: ORBIT, plain DataFusion, DuckDB and Polars, taking turns.
//!
//! Each answer comes from a process of its own, so start-up counts; the query `start` shows how
//! much that is. CPU seconds are what is judged, because wall time moves with the machine.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

use super::answers::{Answer, compare};
use super::measured::{self, PROGRAMS, Usage, build, generated, keep, medians, peers_python};
use super::report;
use crate::shell;

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
    ensure!(options.runs > 0, "at least one run is needed");
    let bench = prepare(options)?;
    let mut rows = Vec::new();
    for query in queries(&options.queries)? {
        let sql = bench.write_query(&query, options.scale)?;
        rows.push(bench.row(&query, &sql, &engines, options.runs));
        if let Some(row) = rows.last() {
            println!("{}", report::line(row));
        }
    }
    let page = report::page(&rows, &engines, options.scale, options.runs);
    if options.queries.is_empty() && options.engines.is_empty() {
        return keep("bench-engine.md", &page);
    }
    println!("{page}");
    Ok(())
}

fn prepare(options: &Options) -> Result<Bench> {
    let binaries = build(&options.cargo_profile, &PROGRAMS)?;
    let scale = options.scale.to_string();
    let arguments = ["tpch", "--scale", &scale, "--out", "."];
    let bench = Bench {
        data: generated(&binaries, &format!("tpch-sf{scale}"), &arguments)?,
        scratch: shell::cache()?.join("bench-engine"),
        python: peers_python()?,
        binaries,
    };
    std::fs::create_dir_all(&bench.scratch)?;
    let tables = bench.data.display();
    let config = format!("datasources:\n  tpch:\n    type: local\n    path: '{tables}'\n");
    std::fs::write(bench.scratch.join("datasources.yaml"), config)?;
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
        let command = match engine {
            "orbit" => {
                let mut command = shell::command(self.binaries.join("orbit"));
                command.arg("--config").arg(self.scratch.join("datasources.yaml"));
                command.args(["query", "--format", "csv", "--file"]).arg(sql);
                command
            }
            "datafusion" => {
                let mut command = shell::command(self.binaries.join("datafusion-plain"));
                command.arg(&self.data).arg(sql);
                command
            }
            peer => {
                let mut command = shell::command(&self.python);
                command.args(["benches/tpch/peers.py", peer]).arg(&self.data).arg(sql);
                command
            }
        };
        measured::measure(&command, File::create(self.answer(engine, query))?)
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
