//! Listings and descriptions as the service sends them: texts, in pieces when they are long.
//! Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use common::scripted::Stage;
use orbit_core::{Context, Describe, ErrorKind, ListTables, Query, TableKind, TableName, TableRef};
use orbit_testkit::responders::Answer;
use serde_json::{Value, json};

fn texts(names: &[&str]) -> Value {
    let column = |name: &&str| json!({ "name": name, "type": "text", "nullable": true });
    names.iter().map(column).collect()
}

/// An answer of texts, the rows of `elsewhere` in a piece of their own.
#[expect(clippy::needless_pass_by_value, reason = "the rows are made in place")]
fn shown(columns: &[&str], rows: Value, elsewhere: &[Value]) -> Answer {
    let piece: Vec<_> = elsewhere.iter().map(Value::to_string).collect();
    let count = elsewhere.len() as u64;
    let chunks = if count == 0 { Vec::new() } else { vec![(piece.join(",").into(), count)] };
    let total = rows.as_array().map_or(0, Vec::len) as u64 + count;
    let fields = json!({ "queryResultFormat": "json", "rowset": rows, "rowsetBase64": null });
    Answer { row_type: texts(columns), chunks, total, fields, ..Answer::default() }
}

/// The tables of a schema, page by page.
async fn listed(stage: &Stage, page_size_max: Option<usize>) -> Vec<(String, TableKind)> {
    let cx = Context::builder().build();
    let parent = vec!["DB".to_owned(), "S".to_owned()];
    let mut request = ListTables { parent, page_size_max, ..ListTables::default() };
    let mut tables = Vec::new();
    loop {
        let page = stage.sql().list(&cx, request.clone()).await.unwrap();
        tables.extend(page.tables.into_iter().map(|t| (t.name.table().to_owned(), t.kind)));
        request.page = page.next_page;
        if request.page.is_none() {
            return tables;
        }
    }
}

#[tokio::test]
async fn long_listings_come_in_pieces_and_leave_by_pages() {
    let stage = Stage::new().await;
    let rows = json!([["b", "TABLE"], ["B", "VIEW"]]);
    let elsewhere = [json!(["c", "MATERIALIZED_VIEW"]), json!(["a\"1", "EXTERNAL_TABLE"])];
    let objects = shown(&["name", "kind"], rows, &elsewhere);
    stage.responder.answer("SHOW TERSE OBJECTS*", objects);
    let tables = listed(&stage, Some(3)).await;
    let kinds =
        [TableKind::View, TableKind::External, TableKind::Table, TableKind::MaterializedView];
    let names = ["B", "a\"1", "b", "c"].map(str::to_owned);
    assert_eq!(tables, names.into_iter().zip(kinds).collect::<Vec<_>>());
    let sent: Vec<_> =
        stage.responder.seen().statements.into_iter().map(|s| s["sqlText"].clone()).collect();
    assert_eq!(sent[1], "SHOW TERSE OBJECTS IN SCHEMA \"DB\".\"S\" LIMIT 10000 FROM 'b'");
}

#[tokio::test]
async fn a_schema_of_more_tables_than_are_told_at_once() {
    let stage = Stage::new().await;
    // Whether the source begins with the name that it is given or after it.
    for (from, rows) in [
        ("", 0..10_000),
        (" FROM 'T09999'", 9_999..19_999),
        (" FROM 'T19998'", 19_999..29_999),
        (" FROM 'T29998'", 29_998..30_000),
    ] {
        let rows: Value = rows.map(|i| json!([format!("T{i:05}"), "TABLE"])).collect();
        let text = format!("SHOW TERSE OBJECTS IN SCHEMA \"DB\".\"S\" LIMIT 10000{from}");
        stage.responder.answer(&text, shown(&["name", "kind"], rows, &[]));
    }
    let names: Vec<_> = listed(&stage, None).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, (0..30_000).map(|i| format!("T{i:05}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_schemas_than_are_told_are_an_error() {
    let stage = Stage::new().await;
    let rows: Value = (0..10_000).map(|i| json!([format!("S{i}"), "DB"])).collect();
    stage.responder.answer("SHOW TERSE SCHEMAS*", shown(&["name", "database_name"], rows, &[]));
    let listed = stage.sql().list(&Context::builder().build(), ListTables::default()).await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::ResourceExhausted);
}

#[tokio::test]
async fn describing_runs_nothing() {
    let stage = Stage::new().await;
    let row_type = json!([
        { "name": "id", "type": "fixed", "precision": 38, "scale": 0, "nullable": false },
        { "name": "v", "type": "variant", "nullable": true },
        { "name": "t", "type": "text", "length": 10, "nullable": true, "collation": "en-ci" },
    ]);
    let answer = Answer { row_type, ..Answer::default() };
    stage.responder.answer("SELECT * FROM*", answer);
    let rows = json!([["t_other", "1", "2"], ["T", "42", "4096"]]);
    stage.responder.answer("SHOW TABLES LIKE*", shown(&["name", "rows", "bytes"], rows, &[]));
    let name = TableName::new(["DB", "S", "T"]);
    let request = Describe { query: Query::table(TableRef::new(name)) };
    let described = stage.sql().describe(&Context::builder().build(), request).await.unwrap();
    assert_eq!(described.statistics.rows.unwrap().value, 42);
    assert_eq!(described.statistics.bytes.unwrap().value, 4096);
    insta::assert_debug_snapshot!(described.columns);
    let statements = stage.responder.seen().statements;
    assert_eq!(statements[0]["describeOnly"], true);
}
