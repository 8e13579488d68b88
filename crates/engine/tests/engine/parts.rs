//! Tables of a source that are read in parts.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use orbit_core::{Error, ErrorKind, Operation, SqlCapability};
use orbit_engine::{Engine, EngineOptions};
use orbit_testkit::scripted::{Builder, FULL_CAPABILITY, Scripted};

use crate::support::{Setup, asked, context, put_parquet, refusal, request, rows, sorted};

const PARTS: usize = 4;

fn numbers(ids: std::ops::Range<i64>) -> RecordBatch {
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("name", Arc::new(StringArray::from_iter_values(ids.map(|id| format!("n{id}"))))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn crm() -> Builder {
    Scripted::builder().table(["sales", "orders"], numbers(0..1000))
}

fn setup(source: &Scripted) -> Setup {
    let mut setup = Setup::default();
    setup.options = EngineOptions { source_partitions_max: PARTS, ..EngineOptions::default() };
    setup.source("crm", source)
}

async fn reads(engine: &Engine, sql: &str) -> String {
    let explanation = engine.explain(&context(), request(sql), false).await.unwrap();
    let reads = explanation.sources.iter().map(|source| source.reads.as_str());
    reads.collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_is_read_once() {
    let source = crm().build();
    let engine = setup(&source).build();
    let sql = "SELECT count(*), count(DISTINCT id), sum(id) FROM crm.orders WHERE id >= 10";
    assert_eq!(rows(&engine, sql).await, "990|990|499455");
    assert_eq!(asked(&source), "", "the table is asked for in parts alone");
    let counts = source.counts();
    assert_eq!((counts.started, counts.running, counts.finished), (PARTS + 1, 0, PARTS + 1));
    assert_eq!(reads(&engine, sql).await, "up to 4 parts at once, of one snapshot");
}

#[tokio::test]
async fn what_is_cut_short_is_one_query() {
    let source = crm().build();
    let engine = setup(&source).build();
    for sql in
        ["SELECT id FROM crm.orders LIMIT 2", "SELECT id FROM crm.orders ORDER BY id LIMIT 2"]
    {
        assert_eq!(sorted(&engine, sql).await, ["0", "1"]);
        assert_eq!(reads(&engine, sql).await, "one query");
    }
    let undivided = SqlCapability { partitions: None, ..FULL_CAPABILITY };
    let source = crm().capability(undivided).build();
    let engine = setup(&source).build();
    assert_eq!(reads(&engine, "SELECT id FROM crm.orders").await, "one query");
}

/// Each round of the recursion runs the scan again.
#[tokio::test]
async fn a_plan_that_runs_again_asks_again() {
    let source = crm().build();
    let engine = setup(&source).build();
    let sql = "WITH RECURSIVE walk AS (SELECT CAST(0 AS bigint) AS id UNION ALL \
               SELECT o.id FROM walk AS w JOIN crm.orders AS o ON o.id = w.id + 1 WHERE w.id < 20) \
               SELECT count(*), max(id) FROM walk";
    assert_eq!(rows(&engine, sql).await, "21|20");
}

#[tokio::test]
async fn one_failed_part_fails_the_query() {
    let source = crm().build();
    let fault = Error::new(ErrorKind::Unavailable, "the part is gone");
    source.fail(Operation::ReadPartition, fault, 1);
    let engine = setup(&source).build();
    let error = refusal(&engine, "SELECT sum(id) FROM crm.orders").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "the part is gone");
}

#[tokio::test]
async fn files_of_another_datasource_are_parts() {
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "export/a.parquet", &numbers(0..600));
    put_parquet(folder.path(), "export/b.parquet", &numbers(600..1000));
    let parts = [("export/a.parquet", 600), ("export/b.parquet", 400)];
    let source = crm().exports("lake", parts).build();
    let engine = setup(&source).folder("lake", folder.path()).build();
    let sql = "SELECT count(*), sum(id), max(name) FROM crm.orders";
    assert_eq!(rows(&engine, sql).await, "1000|499500|n999");
}

/// What was exported has other types than the table's where values still fit.
#[tokio::test]
async fn files_are_read_in_the_types_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let decimal = |values: Vec<i128>, precision, scale| {
        let values = Decimal128Array::from(values);
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    let table: [(&str, ArrayRef); 3] = [
        ("units", Arc::new(Int64Array::from(vec![1]))),
        ("price", decimal(vec![150], 12, 2)),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![0]))),
    ];
    let table = RecordBatch::try_from_iter(table).unwrap();
    let file: [(&str, ArrayRef); 3] = [
        ("UNITS", Arc::new(Int32Array::from(vec![7]))),
        ("price", decimal(vec![25], 8, 1)),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_000_000]))),
    ];
    put_parquet(folder.path(), "a.parquet", &RecordBatch::try_from_iter(file).unwrap());
    let orders = |rows| {
        let source = Scripted::builder().table(["sales", "orders"], table.clone());
        source.exports("lake", [("a.parquet", rows)]).build()
    };
    let source = orders(1);
    let engine = setup(&source).folder("lake", folder.path()).build();
    let answer = rows(&engine, "SELECT * FROM crm.orders").await;
    assert_eq!(answer, "7|2.50|1970-01-01T00:00:01");

    let source = orders(2);
    let engine = setup(&source).folder("lake", folder.path()).build();
    let error = refusal(&engine, "SELECT * FROM crm.orders").await;
    insta::assert_snapshot!(error, @"a part of 2 rows ended after 1");
    assert_eq!(error.kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn files_that_are_not_the_table_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "a.parquet", &numbers(0..3));
    std::fs::write(folder.path().join("torn.parquet"), b"PAR1 and no more").unwrap();
    let other: [(&str, ArrayRef); 1] = [("id", Arc::new(StringArray::from(vec!["1"])))];
    put_parquet(folder.path(), "other.parquet", &RecordBatch::try_from_iter(other).unwrap());
    let mut said = String::new();
    for (datasource, key) in [
        ("lake", "gone.parquet"),
        ("lake", "torn.parquet"),
        ("lake", "other.parquet"),
        ("lost", "a"),
    ] {
        let source = crm().exports(datasource, [(key, 3)]).build();
        let engine = setup(&source).folder("lake", folder.path()).build();
        let error = refusal(&engine, "SELECT id, name FROM crm.orders").await;
        let place = error.datasource().unwrap_or_default().to_owned();
        said.push_str(&format!("{place} {key}: {}: {error}\n", error.kind()));
    }
    insta::assert_snapshot!(said);
}
