//! Reads a table of a PostgreSQL on this machine both ways, and tells what each cost: rows a
//! second, CPU seconds of this process for a million rows, and its largest size.
//!
//! `cargo run --release -p orbit-redshift --example scan -- PORT USER SCHEMA.TABLE`

use std::error::Error;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use orbit_core::{
    Context, Datasource, Effect, Entry, KeyPath, Node, Origin, Query, Settings, Sources, TableName,
    TableRef,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, user, table] = arguments.as_slice() else {
        return Err("give PORT USER SCHEMA.TABLE".into());
    };
    let cx = Context::builder().timeout(Duration::from_secs(3600)).build();
    let config = (orbit_redshift::BACKEND.parse)(&settings(port, user))
        .map_err(|problems| format!("{problems:?}"))?;
    let datasource = config.connect(&cx, &Sources::none()).await?;
    let whole = Query::table(TableRef::new(TableName::new(table.split('.'))));
    let passed = Query::statement(format!("SELECT * FROM {table}"), Effect::Read);
    for (way, query) in [("binary COPY", whole), ("text rows", passed)] {
        let line = measured(&cx, datasource.as_ref(), query).await?;
        print(&format!("{way}: {line}"));
    }
    Ok(datasource.close().await?)
}

async fn measured(
    cx: &Context,
    datasource: &dyn Datasource,
    query: Query,
) -> Result<String, Box<dyn Error>> {
    let sql = datasource.facets().sql.ok_or("no SQL facet")?;
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    let mut stream = sql.query(cx, query).await?;
    let (mut rows, mut first) = (0_usize, None);
    while let Some(batch) = stream.try_next().await? {
        first.get_or_insert_with(|| begun.elapsed());
        rows += batch.num_rows();
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let (per_second, millions) = (rows as f64 / wall, rows as f64 / 1e6);
    Ok(format!(
        "{rows} rows, {per_second:.0} rows/s, {:.3} CPU s per million, first batch after {:?}, \
         largest size {} kB",
        cpu / millions,
        first.unwrap_or_default(),
        peak_kb()?
    ))
}

fn settings(port: &str, user: &str) -> Settings {
    let texts = [
        ("host", "127.0.0.1"),
        ("port", port),
        ("database", "postgres"),
        ("username", user),
        ("sslmode", "disable"),
    ];
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
