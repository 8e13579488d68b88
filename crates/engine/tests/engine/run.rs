//! How a running statement ends: by its rows, a limit, its caller or a failure.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch, record_batch};
use futures::{StreamExt, TryStreamExt};
use orbit_core::{Context, Error, ErrorKind, Operation, Query, Truncation};
use orbit_engine::{Engine, Request, TableFilter, TableInfo};
use orbit_testkit::scripted::{Counts, Scripted, StreamFault};
use tokio_util::sync::CancellationToken;

use crate::support::{Setup, ask, context, put, request};

fn numbers(count: i64) -> RecordBatch {
    let ids: Int64Array = (0..count).collect();
    RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap()
}

/// A source of 64 rows in four batches, and an engine over it.
fn crm() -> (Scripted, Engine) {
    let source = Scripted::builder().table(["t"], numbers(64)).build();
    let engine = Setup::default().source("crm", &source).build();
    (source, engine)
}

/// Waits until nothing runs at the source.
async fn at_rest(source: &Scripted) -> Counts {
    for _ in 0..500 {
        if source.counts().running == 0 {
            return source.counts();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the source is still at work: {:?}", source.counts());
}

async fn limited(engine: &Engine, limit_rows: u64) -> (usize, Option<Truncation>) {
    let request = Request { limit_rows: Some(limit_rows), ..request("SELECT id FROM crm.t") };
    let stream = engine.query(&context(), request).await.unwrap();
    let summary = stream.summary_handle();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    (batches.iter().map(RecordBatch::num_rows).sum(), summary.get().truncation)
}

#[tokio::test]
async fn a_result_that_was_cut_says_so() {
    let (_source, engine) = crm();
    let cut = |limit_rows| Some(Truncation { limit_rows, total_rows: None });
    assert_eq!(limited(&engine, 20).await, (20, cut(20)));
    assert_eq!(limited(&engine, 16).await, (16, cut(16)));
    assert_eq!(limited(&engine, 0).await, (0, cut(0)));
    assert_eq!(limited(&engine, 64).await, (64, None));
    assert_eq!(limited(&engine, 65).await, (64, None));
}

#[tokio::test]
async fn a_caller_who_gives_up_stops_the_source() {
    let (source, engine) = crm();
    source.fault_streams(StreamFault::HangAfter { batches: 2 });
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let mut stream = engine.query(&cx, request("SELECT id FROM crm.t")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 16);
    token.cancel();
    let error = loop {
        match stream.next().await.expect("a cancelled stream ends in an error") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(stream.next().await.is_none());
    let counts = at_rest(&source).await;
    assert_eq!((counts.started, counts.finished), (1, 0));
}

#[tokio::test]
async fn time_runs_out_while_the_source_is_silent() {
    let (source, engine) = crm();
    source.fault_streams(StreamFault::HangAfter { batches: 1 });
    let cx = Context::builder().timeout(Duration::from_millis(300)).build();
    let stream = engine.query(&cx, request("SELECT sum(id) FROM crm.t")).await.unwrap();
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    at_rest(&source).await;
    source.hang(Operation::Describe, 1);
    let cx = Context::builder().timeout(Duration::from_millis(300)).build();
    let error = engine.query(&cx, request("SELECT id FROM crm.t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn dropping_the_stream_stops_the_source() {
    let (source, engine) = crm();
    source.fault_streams(StreamFault::HangAfter { batches: 1 });
    let sql = "SELECT a.id FROM crm.t a JOIN crm.t b ON a.id = b.id + 1";
    let mut stream = engine.query(&context(), request(sql)).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(waited.is_err(), "the sources are silent");
    assert!(source.counts().running > 0);
    drop(stream);
    assert_eq!(at_rest(&source).await.finished, 0);
}

#[tokio::test]
async fn a_limit_met_stops_the_source() {
    let (source, engine) = crm();
    source.fault_streams(StreamFault::HangAfter { batches: 2 });
    let batches = ask(&engine, "SELECT id FROM crm.t WHERE id + 1 > 0 LIMIT 20").await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20);
    at_rest(&source).await;
}

#[tokio::test]
async fn an_error_in_mid_stream_comes_through_whole() {
    let (source, engine) = crm();
    let error = Error::new(ErrorKind::Truncated, "the result was cut").with_vendor_code("57P01");
    source.fault_streams(StreamFault::ErrorAfter { batches: 1, error });
    for sql in
        ["SELECT id FROM crm.t", "SELECT max(id) FROM crm.t", "SELECT id FROM crm.t ORDER BY id"]
    {
        let error = ask(&engine, sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{sql}");
        assert_eq!(error.vendor_code(), Some("57P01"), "{sql}");
        at_rest(&source).await;
    }
}

#[tokio::test]
async fn a_dead_source_does_not_hide_the_tables_of_the_rest() {
    let (alive, _) = crm();
    let (dead, _) = crm();
    dead.fail(Operation::Connect, Error::new(ErrorKind::Unavailable, "no route"), usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "names.csv", "id,name\n1,ann\n");
    let setup = Setup::default().source("alive", &alive).source("dead", &dead);
    let engine = setup.folder("lake", folder.path()).build();
    let list = engine.tables(&context(), TableFilter::default()).await.unwrap();
    let names: Vec<_> = list.tables.iter().map(TableInfo::qualified_name).collect();
    assert_eq!(names, ["alive.t", "lake.names"]);
    let failed: Vec<_> = list.failures.iter().map(|(name, e)| (name.as_str(), e.kind())).collect();
    assert_eq!(failed, [("dead", ErrorKind::Unavailable)]);
    assert_eq!(ask(&engine, "SELECT 1 FROM names").await.unwrap().len(), 1);
    let filter = TableFilter { name_contains: Some("NAM".into()), ..TableFilter::default() };
    let list = engine.tables(&context(), filter).await.unwrap();
    assert_eq!(list.tables.len(), 1);
    let filter = TableFilter { datasource: Some("nothing".into()), ..TableFilter::default() };
    assert_eq!(engine.tables(&context(), filter).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_statement_in_the_sources_words_passes_through() {
    use orbit_core::Effect;
    use orbit_testkit::scripted::Statement;
    let rows = record_batch!(("n", Int32, [1, 2])).unwrap();
    let source = Scripted::builder()
        .statement("SHOW n", Statement::Rows(rows.clone()))
        .statement("WAIT", Statement::Endless(rows))
        .build();
    let engine = Setup::default().read_only_source("crm", &source).build();
    let read = |text: &str| Query::statement(text, Effect::Read);
    let stream = engine.pass_through(&context(), "crm", read("SHOW n")).await.unwrap();
    assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap()[0].num_rows(), 2);
    let mut stream = engine.pass_through(&context(), "crm", read("WAIT")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(at_rest(&source).await.started, 2);
    for effect in [Effect::Write, Effect::Unknown] {
        let query = Query::statement("SHOW n", effect);
        let error = engine.pass_through(&context(), "crm", query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
