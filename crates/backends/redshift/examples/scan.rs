//! Reads a table in one of two ways, and prints what that took as JSON, from before connecting
//! to the last row.
//!
//! `cargo run --release -p orbit-redshift --example scan -- copy|text HOST PORT USER PASSWORD TABLE`

use std::error::Error;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use orbit_core::{
    Context, Effect, Entry, KeyPath, Node, Origin, Query, Settings, Sources, TableName, TableRef,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [way, host, port, user, password, table] = arguments.as_slice() else {
        return Err("give copy|text HOST PORT USER PASSWORD TABLE".into());
    };
    let query = match *way {
        // A whole table is read by COPY where the server has it, a statement never.
        "copy" => Query::table(TableRef::new(TableName::new(table.split('.')))),
        _ => Query::statement(format!("SELECT * FROM {table}"), Effect::Read),
    };
    let settings = settings([
        ("host", *host),
        ("port", *port),
        ("database", "postgres"),
        ("username", *user),
        ("password", *password),
        ("sslmode", "disable"),
    ]);
    let cx = Context::builder().timeout(Duration::from_secs(3600)).build();
    let config = (orbit_redshift::BACKEND.parse)(&settings);
    let config = config.map_err(|problems| format!("{problems:?}"))?;
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    let datasource = config.connect(&cx, &Sources::none()).await?;
    let sql = datasource.facets().sql.ok_or("no SQL facet")?;
    let mut stream = sql.query(&cx, query).await?;
    let (mut rows, mut first) = (0_usize, None);
    while let Some(batch) = stream.try_next().await? {
        first.get_or_insert_with(|| begun.elapsed());
        rows += batch.num_rows();
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let first = first.unwrap_or_default().as_secs_f64();
    print(&format!(
        "{{\"rows\": {rows}, \"cpu_seconds\": {cpu:.2}, \"wall_seconds\": {wall:.4}, \
         \"first_batch_seconds\": {first:.4}, \"rss_max_mb\": {:.1}}}",
        peak_kb()? as f64 / 1024.0
    ));
    Ok(datasource.close().await?)
}

fn settings<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Settings {
    let entry = |(key, text): (&str, &str)| Entry {
        key: key.to_owned(),
        key_origin: Origin::Default,
        node: Node::text(text, Origin::Default),
    };
    let node = Node::map(texts.into_iter().map(entry).collect(), Origin::Default);
    Settings::new(KeyPath::new("datasources.scan"), node)
}

/// User and system time of this process, in ticks of a hundredth of a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no end of the name")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn peak_kb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|l| l.split_whitespace().next()).ok_or("no VmHWM")?.parse()?)
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn print(line: &str) {
    println!("{line}");
}
