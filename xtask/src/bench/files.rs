//! Files of a store: listed, read whole, read one by one, and queried, by ORBIT and its peers
//! against one store in memory.
//!
//! CPU seconds of the client are what is judged; the store is another process, which counts
//! requests and bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::answers::{Answer, compare};
use super::measured::{Usage, build, generated, keep, measure, medians};
use super::store::{Store, Traffic};
use crate::docs::table_row;
use crate::shell;
use crate::testbed;

#[derive(Args)]
pub(crate) struct Options {
    /// How often each client does each work; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only these, such as `list,q06`
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// Only these, such as `orbit,obstore`
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// A built `orbit` for the queries, instead of building one
    #[arg(long)]
    orbit: Option<PathBuf>,
}

/// What is done: its name, its title, what it is done to, and the least that the store has to
/// send for it.
struct Work {
    name: &'static str,
    title: &'static str,
    subject: &'static str,
    bytes_min: u64,
}

const WORKS: [Work; 6] = [
    Work { name: "start", title: "list 8 keys", subject: "tpch/", bytes_min: 1 },
    Work { name: "list", title: "list 100,000 keys", subject: "many/", bytes_min: 10 << 20 },
    Work { name: "get", title: "get 1 GiB", subject: "large/file", bytes_min: 1 << 30 },
    Work { name: "each", title: "get 10,000 x 4 KiB", subject: "small/", bytes_min: 10_000 << 12 },
    Work { name: "q06", title: "TPC-H Q6", subject: "lineitem", bytes_min: 1 },
    Work { name: "q01", title: "TPC-H Q1", subject: "lineitem", bytes_min: 1 },
];

/// DuckDB's answers to queries are taken as right.
const CLIENTS: [&str; 8] =
    ["orbit", THRIFTY, "obstore", "rclone", "boto3", "duckdb", "polars", "datafusion"];

/// ORBIT, told to read no byte that lies between the columns of a query.
const THRIFTY: &str = "orbit, read_gap_bytes_max: 0";

impl Work {
    fn is_query(&self) -> bool {
        self.name.starts_with('q')
    }

    /// What the clients are told to do.
    fn verb(&self) -> &'static str {
        match self.name {
            "start" => "list",
            _ if self.is_query() => "query",
            name => name,
        }
    }

    fn clients<'a>(&self, wanted: &'a [String]) -> impl Iterator<Item = &'static str> + 'a {
        let is_query = self.is_query();
        let can = move |client: &&str| match *client {
            "orbit" | "duckdb" => true,
            THRIFTY | "polars" | "datafusion" => is_query,
            _ => !is_query,
        };
        let is_wanted = |c: &&str| wanted.is_empty() || wanted.iter().any(|name| name == c);
        CLIENTS.into_iter().filter(can).filter(is_wanted)
    }
}

/// How a client did at one work.
struct Outcome {
    client: &'static str,
    /// The medians, or why there are none.
    used: Result<(Usage, Traffic), String>,
    difference: Option<String>,
}

struct Bench {
    store: Store,
    scratch: PathBuf,
    binaries: PathBuf,
    orbit: PathBuf,
    python: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.runs > 0, "at least one run is needed");
    let chosen = |work: &&Work| {
        options.works.is_empty() || options.works.iter().any(|name| name == work.name)
    };
    let works: Vec<_> = WORKS.iter().filter(chosen).collect();
    let bench = Bench::prepare(options, works.iter().any(|work| work.is_query()))?;
    let mut page = head(options.runs);
    let mut notes = String::new();
    for work in works {
        let outcomes = bench.outcomes(work, options)?;
        for outcome in &outcomes {
            let cells = cells(outcome);
            println!("{}: {}", work.title, cells.join(" "));
            table_row(&mut page, work.title, cells);
        }
        notes += &verdict(work, &outcomes);
    }
    page += &format!("\n{notes}");
    if options.works.is_empty() && options.clients.is_empty() {
        return keep("bench-files.md", &page);
    }
    println!("{page}");
    Ok(())
}

impl Bench {
    fn prepare(options: &Options, with_queries: bool) -> Result<Self> {
        let packages = ["plain-store", "example-s3-transfer"];
        let binaries = build("release", &packages.map(|p| ["--package", p]).concat())?;
        if !shell::cache()?.join("tpch-sf1/complete").exists() {
            build("release", &["--package=datagen"])?;
        }
        let orbit = match &options.orbit {
            Some(built) => std::path::absolute(built)?,
            None if with_queries => build("release", &["--package=orbit-cli"])?.join("orbit"),
            None => PathBuf::new(),
        };
        let arguments = ["tpch", "--scale", "1", "--out", "."];
        let data = generated(&binaries, "tpch-sf1", &arguments)?;
        testbed::install(&["store-peers".to_owned()])?;
        let variables = testbed::variables()?;
        let python = variables.into_iter().find(|(name, _)| *name == "ORBIT_STORE_PEERS_PYTHON");
        let python = python.context("the peers are not installed")?.1;
        let bench = Self {
            store: Store::start(&binaries, &data)?,
            scratch: shell::cache()?.join("bench-files"),
            python: PathBuf::from(python),
            orbit,
            binaries,
        };
        std::fs::create_dir_all(&bench.scratch)?;
        for client in ["orbit", THRIFTY] {
            std::fs::write(bench.settings(client), bench.configuration(client))?;
        }
        Ok(bench)
    }

    fn settings(&self, client: &str) -> PathBuf {
        let name = if client == THRIFTY { "thrifty.yaml" } else { "datasources.yaml" };
        self.scratch.join(name)
    }

    /// As the others are told, the file of the only table.
    fn configuration(&self, client: &str) -> String {
        let gap = if client == THRIFTY { "    read_gap_bytes_max: 0\n" } else { "" };
        format!(
            "datasources:\n  tpch:\n    type: s3\n    bucket_name: bench\n    prefix: tpch\n    \
             endpoint_url: {}\n    region: us-east-1\n    access_key: anybody\n    \
             secret_key: anything\n{gap}    tables:\n      lineitem:\n        \
             path: lineitem.parquet\n",
            self.store.endpoint()
        )
    }

    /// All clients once, then all again, so that a slow minute of the machine meets all.
    fn outcomes(&self, work: &Work, options: &Options) -> Result<Vec<Outcome>> {
        let clients: Vec<_> = work.clients(&options.clients).collect();
        let mut seen: Vec<Result<Vec<(Usage, Traffic)>, String>> =
            clients.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..options.runs {
            for (client, seen) in clients.iter().zip(&mut seen) {
                let Ok(used) = seen else { continue };
                match self.measure(work, client) {
                    Ok(this) => used.push(this),
                    Err(error) => *seen = Err(format!("{error:#}")),
                }
            }
        }
        let outcome = |(client, seen): (&&'static str, Result<Vec<_>, String>)| {
            let compared = work.is_query() && seen.is_ok();
            let difference = compared.then(|| self.difference(work, client)).flatten();
            Outcome { client, used: seen.map(|used| middle(&used)), difference }
        };
        Ok(clients.iter().zip(seen).map(outcome).collect())
    }

    fn measure(&self, work: &Work, client: &str) -> Result<(Usage, Traffic)> {
        let command = self.command(work, client);
        self.store.traffic()?;
        let usage = measure(&command, File::create(self.answer(work, client))?)?;
        let traffic = self.store.traffic()?;
        let Traffic { bytes, .. } = traffic;
        ensure!(bytes >= work.bytes_min, "only {bytes} bytes were asked for");
        Ok((usage, traffic))
    }

    fn command(&self, work: &Work, client: &str) -> Command {
        let sql = || shell::root().join(format!("benches/tpch/{}.sql", work.name));
        match client {
            "orbit" | THRIFTY if work.is_query() => {
                let mut command = shell::command(&self.orbit);
                command.arg("--config").arg(self.settings(client));
                command.args(["query", "--format", "csv", "--file"]).arg(sql());
                command
            }
            "orbit" => {
                let mut command = shell::command(self.binaries.join("example-s3-transfer"));
                command.args([&self.store.endpoint(), "bench", work.verb(), work.subject]);
                command
            }
            "rclone" => self.rclone(work),
            peer => {
                let mut command = shell::command(&self.python);
                command.args(["benches/files/peer.py", peer, &self.store.port.to_string()]);
                command.arg(work.verb());
                match work.is_query() {
                    true => command.arg(sql()),
                    false => command.arg(work.subject),
                };
                command
            }
        }
    }

    fn rclone(&self, work: &Work) -> Command {
        let mut command = shell::command(self.python.with_file_name("rclone"));
        let verb: &[&str] = match work.verb() {
            "list" => &["lsf", "--recursive", "--fast-list"],
            "each" => &["cat", "--transfers", "16", "--checkers", "16"],
            _ => &["cat"],
        };
        let endpoint = self.store.endpoint();
        let remote = format!(
            ":s3,provider=Other,access_key_id=anybody,secret_access_key=anything,\
             region=us-east-1,list_version=2,endpoint='{endpoint}':bench/{}",
            work.subject
        );
        // No file of its own settings is read or written.
        command.args(["--config", ""]).args(verb).arg(remote);
        command
    }

    fn answer(&self, work: &Work, client: &str) -> PathBuf {
        match work.is_query() {
            true => {
                let client = client.replace([' ', ',', ':'], "-");
                self.scratch.join(format!("{}-{client}.csv", work.name))
            }
            false => PathBuf::from("/dev/null"),
        }
    }

    fn difference(&self, work: &Work, client: &str) -> Option<String> {
        let read = |path: &Path| Answer::parse(&std::fs::read_to_string(path)?);
        let right = read(&self.answer(work, "duckdb"));
        let other = read(&self.answer(work, client));
        let compared = right.and_then(|right| Ok(compare(&right, &other?)));
        compared.unwrap_or_else(|error| Some(format!("{error:#}")))
    }
}

fn middle(used: &[(Usage, Traffic)]) -> (Usage, Traffic) {
    let usages: Vec<_> = used.iter().map(|(usage, _)| *usage).collect();
    let median = |of: fn(&Traffic) -> u64| {
        let mut values: Vec<_> = used.iter().map(|(_, traffic)| of(traffic)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let traffic = Traffic { requests: median(|t| t.requests), bytes: median(|t| t.bytes) };
    (medians(&usages), traffic)
}

fn head(runs: usize) -> String {
    let mut page = format!(
        "<!-- Generated by `cargo xtask bench files`. -->\n\n# Files on S3\n\n\
         ORBIT and its peers against one store in memory, which checks and hashes nothing, over \
         plain HTTP on loopback; medians of {runs} runs that took turns, each in a process of its \
         own on {} cores.\n\
         CPU is the client's; requests and bytes of bodies are counted by the store.\n\
         Listing and reading is `examples/s3-transfer`, queries are the binary \
         `orbit` over TPC-H at scale factor 1; each engine is told the file of the table, \
         and DataFusion reads it through `object_store`.\n\
         Answers to queries are compared with DuckDB's.\n\n",
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let titles = ["Client", "CPU s", "Wall s", "Requests", "MB", "Peak MB"];
    table_row(&mut page, "Work", titles.map(str::to_owned));
    table_row(&mut page, "---", ["---", "---:", "---:", "---:", "---:", "---:"].map(str::to_owned));
    page
}

fn cells(outcome: &Outcome) -> Vec<String> {
    let mut cells = vec![outcome.client.to_owned()];
    match &outcome.used {
        Ok((usage, traffic)) => cells.extend([
            format!("{:.2}", usage.cpu_seconds),
            format!("{:.2}", usage.wall_seconds),
            traffic.requests.to_string(),
            format!("{:.1}", traffic.bytes as f64 / 1e6),
            format!("{:.0}", usage.rss_max_mb),
        ]),
        Err(_) => cells.extend(["refused", "", "", "", ""].map(str::to_owned)),
    }
    cells
}

/// How ORBIT did beside the best of the others, and who did not or did otherwise.
fn verdict(work: &Work, outcomes: &[Outcome]) -> String {
    let cpu = |outcome: &Outcome| Some(outcome.used.as_ref().ok()?.0.cpu_seconds);
    let orbit = outcomes.iter().find(|o| o.client == "orbit").and_then(cpu);
    let others =
        outcomes.iter().filter(|o| !o.client.starts_with("orbit") && o.difference.is_none());
    let others = others.filter_map(|outcome| Some((cpu(outcome)?, outcome.client)));
    let best = others.min_by(|a, b| a.0.total_cmp(&b.0));
    let mut text = String::new();
    if let (Some(orbit), Some((cpu, client))) = (orbit, best) {
        text += &format!(
            "- {}: ORBIT uses {:.2} times the CPU of {client}, the best peer.\n",
            work.title,
            orbit / cpu
        );
    }
    for outcome in outcomes {
        match (&outcome.used, &outcome.difference) {
            (Err(why), _) => text += &format!("- {} in {}: {why}\n", work.title, outcome.client),
            (_, Some(difference)) => {
                let client = outcome.client;
                text += &format!("- {} in {client}: another answer: {difference}\n", work.title);
            }
            _ => {}
        }
    }
    text
}
