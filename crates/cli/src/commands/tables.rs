//! `orbit tables`: the tables of the datasources.

use orbit_engine::{TableFilter, TableInfo, TableList};
use serde_json::{Value, json};

use crate::args::TablesArgs;
use crate::failure::{Failure, Result};
use crate::output::listing::{number, print_json, print_table, text};
use crate::output::text::{bytes, count};
use crate::session::Session;

/// Lists them. A datasource that fails is told and decides the exit code; the rest is listed.
pub(crate) async fn run(session: Session, args: TablesArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let filter = TableFilter { datasource: args.datasource, name_contains: args.like };
    let TableList { tables, failures } = cx.run(session.engine.tables(&cx, filter)).await?;
    let failures: Vec<_> =
        failures.into_iter().map(|(name, error)| (name, Failure::Orbit(error))).collect();
    if session.global.json {
        let failures_json: Vec<_> = failures
            .iter()
            .map(|(name, failure)| json!({ "datasource": name, "error": failure.json() }))
            .collect();
        let tables: Vec<_> = tables.iter().map(table_json).collect();
        print_json(&json!({ "tables": tables, "failures": failures_json }))?;
    } else {
        print(&tables)?;
        failures.iter().for_each(|(_, failure)| failure.tell(false));
    }
    match failures.first() {
        Some((_, failure)) => Err(Failure::Told(failure.exit_code())),
        None => Ok(()),
    }
}

/// Prints tables for people.
pub(super) fn print(tables: &[TableInfo]) -> Result<()> {
    let row = |table: &TableInfo| {
        vec![
            qualified(table),
            table.kind.clone(),
            table.files.map(count).unwrap_or_default(),
            table.bytes.map(bytes).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = tables.iter().map(row).collect();
    print_table(&[text("table"), text("kind"), number("files"), number("size")], &rows)
}

/// The name as it is written in SQL.
pub(super) fn qualified(table: &TableInfo) -> String {
    table.parts().map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(part: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if part.chars().all(plain) && !part.starts_with(|c: char| c.is_ascii_digit()) {
        return part.to_owned();
    }
    format!("\"{}\"", part.replace('"', "\"\""))
}

/// A table as data.
pub(super) fn table_json(table: &TableInfo) -> Value {
    let TableInfo { datasource, schema, table: name, kind, bytes, files } = table;
    json!({
        "datasource": datasource,
        "schema": schema,
        "table": name,
        "kind": kind,
        "bytes": bytes,
        "files": files,
    })
}
