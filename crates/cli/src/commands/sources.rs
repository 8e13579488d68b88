//! `orbit sources`: the configured datasources, without connecting to any.

use orbit::{ConfigSource, DatasourceConfig};
use serde_json::json;

use crate::args::Global;
use crate::failure::{Result, note};
use crate::output::listing::{number, print_json, print_table, text};
use crate::session;

/// Lists them.
pub(crate) fn run(global: &Global) -> Result<()> {
    let config = session::load(global)?;
    let files = match config.source() {
        ConfigSource::Files(files) => files.iter().map(|f| f.display().to_string()).collect(),
        ConfigSource::Nowhere { .. } | ConfigSource::Program => Vec::new(),
    };
    if global.json {
        let datasources: Vec<_> = config
            .datasources()
            .iter()
            .map(|source| {
                json!({
                    "name": source.name,
                    "backend": source.backend.name,
                    "kind": source.backend.kind.to_string(),
                    "allow_writes": source.allow_writes,
                    "tables": source.tables.keys().collect::<Vec<_>>(),
                })
            })
            .collect();
        return print_json(&json!({ "files": files, "datasources": datasources }));
    }
    if let ConfigSource::Nowhere { searched } = config.source() {
        let places: Vec<_> = searched.iter().map(|p| p.display().to_string()).collect();
        note("note", format_args!("no configuration in {}", places.join(", ")));
        note("hint", "`orbit init` writes one with a sample lake");
    }
    let row = |source: &DatasourceConfig| {
        vec![
            source.name.clone(),
            source.backend.name.to_owned(),
            source.backend.kind.to_string(),
            if source.allow_writes { "allowed" } else { "refused" }.to_owned(),
            source.tables.len().to_string(),
        ]
    };
    let rows: Vec<_> = config.datasources().iter().map(row).collect();
    let headings =
        [text("datasource"), text("backend"), text("kind"), text("writes"), number("tables named")];
    print_table(&headings, &rows)
}
