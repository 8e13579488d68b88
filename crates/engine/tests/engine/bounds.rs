//! Bounds of memory and time, and what a plan says of itself.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use orbit_core::{Context, ErrorKind};
use orbit_engine::{Engine, EngineOptions, TableFilter};
use orbit_testkit::scripted::Scripted;
use tokio_util::sync::CancellationToken;

use crate::support::{Setup, context, lake, put, put_parquet, refusal, request, rows};

fn bounded(folder: &Path, memory_bytes_max: u64, spill_bytes_max: u64) -> Engine {
    let options = EngineOptions {
        memory_bytes_max,
        spill_bytes_max,
        spill_path: Some(folder.join("spilled/rows")),
        target_partitions: Some(2),
        ..EngineOptions::default()
    };
    let mut setup = Setup::default();
    setup.options = options;
    setup.folder("lake", folder).build()
}

/// A table of `rows` ids in no order, each beside a text of 100 bytes.
fn put_big(folder: &Path, rows: i64) {
    let ids: Int64Array = (0..rows).map(|i| i * 7_919 % rows).collect();
    let texts: StringArray = (0..rows).map(|i| Some(format!("{i:0>100}"))).collect();
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("pad", Arc::new(texts))];
    put_parquet(folder, "big.parquet", &RecordBatch::try_from_iter(columns).unwrap());
}

const SPILLED: &str = "SELECT id, pad FROM big ORDER BY id";

#[tokio::test]
async fn a_sort_beyond_the_memory_is_spilled_and_right() {
    const ROWS: i64 = 600_000;
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), ROWS);
    let engine = bounded(folder.path(), 64 << 20, 1 << 30);
    let mut stream = engine.query(&context(), request(SPILLED)).await.unwrap();
    let mut next = 0;
    while let Some(batch) = stream.try_next().await.unwrap() {
        let names = std::fs::read_dir(folder.path().join("spilled/rows")).unwrap().count();
        assert_eq!(names, 0, "somebody else could read what is spilled, or find it later");
        let ids = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        for id in ids.values() {
            assert_eq!(*id, next);
            next += 1;
        }
    }
    assert_eq!(next, ROWS);
}

#[tokio::test]
async fn spilled_rows_take_no_more_disk_than_they_may() {
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 600_000);
    let engine = bounded(folder.path(), 64 << 20, 8 << 20);
    let error = refusal(&engine, SPILLED).await;
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("spill_bytes_max")), "{error}");
}

#[tokio::test]
async fn a_query_that_ended_gives_its_disk_back() {
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 600_000);
    let engine = bounded(folder.path(), 64 << 20, 100 << 20);
    for _ in 0..3 {
        let stream = engine.query(&context(), request(SPILLED)).await.unwrap();
        stream.try_for_each(async |_| Ok(())).await.unwrap();
    }
}

#[tokio::test]
async fn a_group_beyond_the_memory_is_right() {
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 600_000);
    let engine = bounded(folder.path(), 64 << 20, 1 << 30);
    let sql = "SELECT count(*), sum(n), max(pad) FROM \
               (SELECT pad, count(*) AS n FROM big GROUP BY pad) g";
    assert_eq!(rows(&engine, sql).await, format!("600000|600000|{:0>100}", 599_999));
}

#[tokio::test]
async fn what_fits_neither_memory_nor_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 50_000);
    let engine = bounded(folder.path(), 256 << 10, 1 << 30);
    let error = refusal(&engine, "SELECT id, pad FROM big ORDER BY pad DESC, id").await;
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("memory_bytes_max")), "{error}");
    assert_eq!(rows(&engine, "SELECT count(*) FROM big").await, "50000");
}

/// Joins that would compute for hours without a look at a source or a row that leaves them.
const ENDLESS: [&str; 3] = [
    "SELECT count(*) FROM big a JOIN big b ON a.id + b.id < 0",
    "SELECT max(a.id + b.id + c.id) FROM big a CROSS JOIN big b CROSS JOIN big c",
    "SELECT max(a.pad || b.pad) FROM big a JOIN big b ON a.id % 2 = b.id % 2",
];

/// How long a statement takes to end, with the kind of its error.
async fn end_of(engine: &Engine, cx: &Context, sql: &str) -> ErrorKind {
    let stream = engine.query(cx, request(sql)).await.unwrap();
    stream.try_collect::<Vec<_>>().await.unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_computes_hears_that_its_time_is_up() {
    const LATE: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 200_000);
    let engine = lake(folder.path());
    for sql in ENDLESS {
        let cx = Context::builder().timeout(Duration::from_secs(2)).build();
        let start = Instant::now();
        assert_eq!(end_of(&engine, &cx, sql).await, ErrorKind::Timeout, "{sql}");
        assert!(start.elapsed() < Duration::from_secs(2) + LATE, "{sql}: {:?}", start.elapsed());
        let token = CancellationToken::new();
        let cx = Context::builder().cancellation(token.clone()).build();
        let cancelled = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            token.cancel();
            Instant::now()
        });
        assert_eq!(end_of(&engine, &cx, sql).await, ErrorKind::Cancelled, "{sql}");
        let late = cancelled.await.unwrap().elapsed();
        assert!(late < LATE, "{sql}: {late:?}");
    }
}

#[tokio::test]
async fn listings_may_run_on_another_thread() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "names.csv", "id,name\n1,ann\n");
    let engine = lake(folder.path());
    let listed = tokio::spawn(async move {
        engine.tables(&context(), TableFilter::default()).await.unwrap().tables.len()
    });
    assert_eq!(listed.await.unwrap(), 1);
}

#[tokio::test]
async fn a_plan_says_what_is_pushed_and_what_stays() {
    let ids: Int64Array = (0..64).collect();
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef)]).unwrap();
    let source = Scripted::builder().table(["t"], rows).build();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "names.csv", "id,name\n1,ann\n2,bob\n");
    let mut setup = Setup::default();
    setup.options.target_partitions = Some(1);
    let engine = setup.source("crm", &source).folder("lake", folder.path()).build();
    let sql = "SELECT n.name, t.id FROM crm.t JOIN names n ON n.id = t.id \
               WHERE t.id > 0 AND t.id + 1 < 9 AND n.name <> 'x' ORDER BY t.id LIMIT 5";
    let explained = engine.explain(&context(), request(sql), false).await.unwrap();
    assert!(explained.measured.is_empty() && explained.rows.is_none());
    insta::assert_snapshot!(format!("{:#?}\n{}", explained.sources, explained.plan));
    let ran = engine.explain(&context(), request(sql), true).await.unwrap();
    assert_eq!(ran.rows, Some(2));
    assert!(ran.measured["lake"].bytes_read > 0);
}

/// Statements that are planned for long.
fn slow_to_plan() -> String {
    let joins: Vec<_> = (0..400).map(|i| format!("JOIN big t{i} ON t{i}.id = big.id")).collect();
    format!("SELECT count(*) FROM big {}", joins.join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planning_hears_that_its_time_is_up() {
    const LATE: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 10);
    let engine = lake(folder.path());
    let cx = Context::builder().timeout(Duration::from_millis(500)).build();
    let start = Instant::now();
    let error = engine.query(&cx, request(slow_to_plan())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(start.elapsed() < Duration::from_millis(500) + LATE, "{:?}", start.elapsed());
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let cancelled = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel();
        Instant::now()
    });
    let error = engine.query(&cx, request(slow_to_plan())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let late = cancelled.await.unwrap().elapsed();
    assert!(late < LATE, "{late:?}");
}

#[tokio::test]
async fn a_plan_counts_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    put_big(folder.path(), 200_000);
    let bytes = std::fs::metadata(folder.path().join("big.parquet")).unwrap().len();
    let engine = bounded(folder.path(), 64 << 20, 1 << 30);
    let cx = context();
    let explained = engine.explain(&cx, request("SELECT sum(id % 7) FROM big"), false);
    let explained = explained.await.unwrap();
    assert!(explained.plan.contains("2 groups"), "the file is not split: {}", explained.plan);
    let source = &explained.sources[0];
    assert_eq!(source.reads, format!("1 parquet file, {bytes} bytes"));
    assert_eq!(source.estimate.bytes.as_ref().unwrap().value, bytes);
}

#[tokio::test]
async fn a_plan_says_each_part_once() {
    let ids: Int64Array = (0..64).collect();
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef)]).unwrap();
    let source = Scripted::builder().table(["t"], rows).build();
    let engine = Setup::default().source("crm", &source).build();
    let mut said = String::new();
    for sql in [
        "SELECT id FROM crm.t ORDER BY id DESC LIMIT 2",
        "SELECT id FROM crm.t ORDER BY id LIMIT 2 OFFSET 3",
        "SELECT id FROM crm.t LIMIT 4",
        "SELECT id FROM (SELECT id FROM crm.t ORDER BY id DESC LIMIT 5) x ORDER BY id LIMIT 3",
    ] {
        let explained = engine.explain(&context(), request(sql), false).await.unwrap();
        let source = &explained.sources[0];
        said += &format!("{sql}\n  pushed {:?}\n  stayed {:?}\n", source.pushed, source.stayed);
    }
    insta::assert_snapshot!(said);
}
