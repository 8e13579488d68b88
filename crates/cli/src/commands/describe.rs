//! `orbit describe`: the columns of a table and what its source says of it.

use std::sync::Arc;

use orbit_core::{ColumnDescription, EstimateQuality, Statistic};
use orbit_engine::{DescribedTable, Engine};
use serde_json::{Value, json};

use super::tables::{qualified, table_json};
use crate::args::DescribeArgs;
use crate::failure::Result;
use crate::output::listing::{print_json, print_table, print_text, text};
use crate::output::text::{bytes, count, counted};
use crate::output::type_name;
use crate::session::Session;

/// Describes it.
pub(crate) async fn run(session: Session, args: DescribeArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let work = |engine: Arc<Engine>, cx| async move { engine.describe(&cx, &args.table).await };
    let described = session.on_workers(&cx, work).await?;
    match session.global.json {
        true => print_json(&described_json(&described)),
        false => print(&described),
    }
}

/// Prints a description for people.
pub(super) fn print(described: &DescribedTable) -> Result<()> {
    let DescribedTable { table, schema, description } = described;
    let statistics = &description.statistics;
    let files = table.files.map(|n| counted(n, "file", "files"));
    let facts = [
        Some(table.kind.clone()),
        files,
        statistics.rows.map(|rows| quantity(rows, |n| counted(n, "row", "rows"))),
        statistics.bytes.map(|size| quantity(size, bytes)).or(table.bytes.map(bytes)),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    print_text(&format!("{} ({})\n", qualified(table), facts.join(", ")))?;
    let rows: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let source = description.columns.iter().find(|c| c.name == *field.name());
            vec![
                field.name().clone(),
                type_name(field.data_type()),
                if field.is_nullable() { "" } else { "not null" }.to_owned(),
                source.map(|c| c.source_type.clone()).unwrap_or_default(),
                source.and_then(|c| c.comment.clone()).unwrap_or_default(),
            ]
        })
        .collect();
    print_table(&["column", "type", "null", "source type", "comment"].map(text), &rows)?;
    let keys = [("primary key", &statistics.primary_key), ("sorted by", &statistics.sort_key)];
    for (name, columns) in keys {
        if !columns.is_empty() {
            print_text(&format!("{name}: {}\n", columns.join(", ")))?;
        }
    }
    Ok(())
}

fn quantity(statistic: Statistic<u64>, show: impl Fn(u64) -> String) -> String {
    let text = show(statistic.value);
    match statistic.quality {
        EstimateQuality::Exact => text,
        EstimateQuality::UpperBound => format!("at most {text}"),
        EstimateQuality::Guess => format!("about {text}"),
    }
}

/// A number and how far it can be trusted, for people.
pub(super) fn rows_text(rows: Statistic<u64>) -> String {
    quantity(rows, |n| format!("{} rows", count(n)))
}

/// A size and how far it can be trusted, for people.
pub(super) fn bytes_text(size: Statistic<u64>) -> String {
    quantity(size, bytes)
}

/// A number and how far it can be trusted, as data.
pub(super) fn statistic_json<T: Copy + Into<Value>>(statistic: Option<Statistic<T>>) -> Value {
    let Some(Statistic { value, quality }) = statistic else { return Value::Null };
    let quality = match quality {
        EstimateQuality::Exact => "exact",
        EstimateQuality::UpperBound => "upper_bound",
        EstimateQuality::Guess => "guess",
    };
    json!({ "value": value.into(), "quality": quality })
}

fn described_json(described: &DescribedTable) -> Value {
    let DescribedTable { table, schema, description } = described;
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let source = description.columns.iter().find(|c| c.name == *field.name());
            json!({
                "name": field.name(),
                "type": type_name(field.data_type()),
                "nullable": field.is_nullable(),
                "source_type": source.map(|c| &c.source_type),
                "binary_collation": source.map(|c| c.binary_collation),
                "comment": source.and_then(|ColumnDescription { comment, .. }| comment.as_ref()),
            })
        })
        .collect();
    let statistics = &description.statistics;
    json!({
        "table": table_json(table),
        "columns": columns,
        "statistics": {
            "rows": statistic_json(statistics.rows),
            "bytes": statistic_json(statistics.bytes),
            "primary_key": statistics.primary_key,
            "sort_key": statistics.sort_key,
        },
    })
}
