//! A whole table from PostgreSQL into Arrow: ORBIT's two ways and other clients, taking turns.
//!
//! Each read is a process of its own that measures itself from before it connects: what an
//! interpreter costs to start is not what is compared. CPU seconds are what is judged.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::measured::{build, keep, python, told};
use crate::docs::table_row;
use crate::{shell, testbed};

#[derive(Args)]
pub(crate) struct Options {
    /// How many rows the table has
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// How often each client reads it; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only these, such as `orbit-copy,duckdb`
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// The cargo profile of ORBIT
    #[arg(long, default_value = "release")]
    cargo_profile: String,
}

/// The clients, and how each reads.
const CLIENTS: [(&str, &str); 7] = [
    ("orbit-copy", "ORBIT, binary COPY, as PostgreSQL serves it"),
    ("orbit-text", "ORBIT, rows as text, as Redshift serves them"),
    ("duckdb", "DuckDB's extension `postgres`, binary COPY, one thread"),
    ("connectorx-cursor", "connector-x, protocol `cursor`"),
    ("connectorx-binary", "connector-x, protocol `binary`"),
    ("adbc", "ADBC's PostgreSQL driver, binary COPY"),
    ("arrow-odbc", "arrow-odbc over psqlODBC"),
];

const TABLE: &str = "bench_rows";

/// What one read told of itself.
struct Reading {
    rows: u64,
    cpu_seconds: f64,
    wall_seconds: f64,
    first_batch_seconds: f64,
    rss_max_mb: f64,
}

struct Bench {
    example: PathBuf,
    python: PathBuf,
    /// Host, port, user and password.
    server: [String; 4],
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.runs > 0, "at least one run is needed");
    let known = |name: &String| CLIENTS.iter().any(|(client, _)| client == name);
    ensure!(options.clients.iter().all(known), "there is no such client");
    let binaries = build(&options.cargo_profile, &["--package=orbit-redshift", "--example=scan"])?;
    let peers = python("sql-peers", "ORBIT_SQL_PEERS_PYTHON")?;
    testbed::install(&["psqlodbc".to_owned()])?;
    let started = testbed::start(&["postgres".to_owned()])?;
    let measured =
        Bench { example: binaries.join("examples/scan"), python: peers, server: server()? }
            .measured(options);
    testbed::end(|name| started.iter().any(|s| s == name))?;
    let page = page(options, &measured?);
    if options.clients.is_empty() {
        return keep("bench-sql.md", &page);
    }
    println!("{page}");
    Ok(())
}

/// Where the testbed's server is, and as whom it is reached.
fn server() -> Result<[String; 4]> {
    let url = told("ORBIT_TESTBED_POSTGRES")?;
    let parts = url.strip_prefix("postgres://").and_then(|rest| {
        let (login, place) = rest.split_once('@')?;
        let ((user, password), (address, _)) = (login.split_once(':')?, place.split_once('/')?);
        let (host, port) = address.split_once(':')?;
        Some([host, port, user, password].map(str::to_owned))
    });
    parts.context("the testbed tells no address of PostgreSQL")
}

type Measured = Vec<(&'static str, Result<Vec<Reading>, String>)>;

impl Bench {
    /// All clients read once, then all again, so that a slow minute of the machine meets all.
    fn measured(&self, options: &Options) -> Result<Measured> {
        self.psql(&["-f", "benches/sql/table.sql", "-v", &format!("rows={}", options.rows)])?;
        let wanted = |name: &str| {
            options.clients.is_empty() || options.clients.iter().any(|client| client == name)
        };
        let chosen = CLIENTS.iter().map(|(name, _)| *name).filter(|name| wanted(name));
        let mut all: Measured = chosen.map(|name| (name, Ok(Vec::new()))).collect();
        for _ in 0..options.runs {
            for (name, seen) in &mut all {
                let Ok(readings) = seen else { continue };
                match self.read(name, options.rows) {
                    Ok(reading) => {
                        println!("{name}: {:.3} CPU s", reading.cpu_seconds);
                        readings.push(reading);
                    }
                    Err(error) => *seen = Err(format!("{error:#}")),
                }
            }
        }
        self.psql(&["-c", &format!("DROP TABLE {TABLE}")])?;
        Ok(all)
    }

    fn psql(&self, arguments: &[&str]) -> Result<()> {
        let [host, port, user, password] = &self.server;
        let mut psql = shell::command("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", user]);
        shell::run(psql.args(["-d", "postgres"]).args(arguments).env("PGPASSWORD", password))
    }

    fn read(&self, client: &str, rows: u64) -> Result<Reading> {
        let mut command;
        if let Some(way) = client.strip_prefix("orbit-") {
            command = shell::command(&self.example);
            command.arg(way);
        } else {
            command = shell::command(&self.python);
            command.args(["benches/sql/peers.py", client]);
        }
        let output = command.args(&self.server).arg(TABLE).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed");
        ensure!(output.status.success(), "{last}");
        let reading = Reading::parse(&String::from_utf8_lossy(&output.stdout))?;
        ensure!(reading.rows == rows, "{} rows of {rows}", reading.rows);
        Ok(reading)
    }
}

impl Reading {
    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("the client tells no figures")?;
        let number = |key: &str| value[key].as_f64().with_context(|| format!("no `{key}`"));
        Ok(Self {
            rows: value["rows"].as_u64().context("no `rows`")?,
            cpu_seconds: number("cpu_seconds")?,
            wall_seconds: number("wall_seconds")?,
            first_batch_seconds: number("first_batch_seconds")?,
            rss_max_mb: number("rss_max_mb")?,
        })
    }
}

fn page(options: &Options, measured: &Measured) -> String {
    let millions = options.rows as f64 / 1e6;
    let mut page = format!(
        "<!-- Generated by `cargo xtask bench sql`. -->\n\n# A table from PostgreSQL into Arrow\n\n\
         {millions} million rows of eight columns (bigint, integer, numeric, double precision, \
         boolean, date, timestamp, text with nulls) from PostgreSQL 15 on the same machine, \
         whose own work is not counted.\n\
         Medians of {} runs that took turns, each in a process of its own on {} cores, from \
         before it connects to the last row; starting the process is not counted.\n\
         Memory is the largest resident set of the whole process, with Python where a client \
         lives there.\n\n",
        options.runs,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let titles = ["CPU s for a million rows", "Rows/s", "First batch, ms", "Peak MB"];
    table_row(&mut page, "Client", titles.map(str::to_owned));
    table_row(&mut page, "---", titles.map(|_| "---:".to_owned()));
    let mut refused = Vec::new();
    for (client, readings) in measured {
        let title = CLIENTS.iter().find(|(name, _)| name == client).map_or("", |(_, title)| title);
        match readings {
            Ok(readings) => table_row(&mut page, title, cells(readings, options.rows)),
            Err(why) => refused.push(format!("\n{title} is left out: {why}.\n")),
        }
    }
    page + &refused.concat()
}

fn cells(readings: &[Reading], rows: u64) -> [String; 4] {
    let median = |of: fn(&Reading) -> f64| {
        let mut values: Vec<_> = readings.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let rows = rows as f64;
    [
        format!("{:.2}", median(|r| r.cpu_seconds) / (rows / 1e6)),
        format!("{:.0}", rows / median(|r| r.wall_seconds)),
        format!("{:.0}", median(|r| r.first_batch_seconds) * 1e3),
        format!("{:.0}", median(|r| r.rss_max_mb)),
    ]
}
