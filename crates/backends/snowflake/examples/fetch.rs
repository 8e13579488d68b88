//! Reads a statement's whole answer from a server on this machine, as Arrow, and prints how
//! many rows it had: `fetch PORT batches STATEMENT`, or `all` in place of `batches` to keep all
//! rows until the end.

#![allow(clippy::print_stdout, reason = "what it says is its answer")]

use std::error::Error;
use std::time::Duration;

use futures::TryStreamExt;
use orbit_core::{Context, Effect, Entry, KeyPath, Node, Origin, Query, Settings, Sources};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, way, statement] = arguments.as_slice() else {
        return Err("give PORT, batches or all, and STATEMENT".into());
    };
    let cx = Context::builder().timeout(Duration::from_secs(600)).build();
    let config = (orbit_snowflake::BACKEND.parse)(&settings(port))
        .map_err(|problems| format!("{problems:?}"))?;
    let datasource = config.connect(&cx, &Sources::none()).await?;
    let sql = datasource.facets().sql.ok_or("no SQL facet")?;
    let mut stream = sql.query(&cx, Query::statement(statement, Effect::Read)).await?;
    let (mut rows, mut kept) = (0, Vec::new());
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows();
        if way == "all" {
            kept.push(batch);
        }
    }
    println!("{rows}");
    Ok(datasource.close().await?)
}

fn settings(port: &str) -> Settings {
    let texts = [
        ("account", "orbit"),
        ("user", "orbit"),
        ("password", "orbit"),
        ("host", "127.0.0.1"),
        ("port", port),
        ("protocol", "http"),
        ("database", "ORBIT"),
        ("schema", "PUBLIC"),
    ];
    let entry = |(key, text): (&str, &str)| Entry {
        key: key.to_owned(),
        key_origin: Origin::Default,
        node: Node::text(text, Origin::Default),
    };
    let node = Node::map(texts.into_iter().map(entry).collect(), Origin::Default);
    Settings::new(KeyPath::new("datasources.snow"), node)
}
