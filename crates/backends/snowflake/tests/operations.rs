//! Results in parts, scripts, estimates, and rows that go through a stage. Against the responder
//! of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use common::scripted::{SELECT, Stage, ids, pieces, row_type};
use futures::{TryStreamExt, stream};
use orbit_core::{
    BatchStream, Context, Effect, ErrorKind, Insert, InsertMode, Partition, PartitionRead,
    PartitionSource, Partitions, Query, Result, TableName, WriteEffect,
};
use orbit_testkit::responders::{Answer, Snowflake};
use orbit_testkit::servers::HttpAnswer;
use serde_json::{Value, json};

fn cx() -> Context {
    Context::builder().build()
}

fn texts(names: &[&str], rows: &Value) -> Answer {
    let row_type = names.iter().map(|name| json!({ "name": name, "type": "text" })).collect();
    let total = rows.as_array().map_or(0, Vec::len) as u64;
    let fields = json!({ "queryResultFormat": "json", "rowset": rows, "rowsetBase64": null });
    Answer { row_type, total, fields, ..Answer::default() }
}

#[tokio::test]
async fn parts_give_each_row_once_and_in_order() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(7, &[10, 20, 30, 1, 1]));
    for (partitions_max, parts) in [(1, 1), (2, 2), (3, 3), (100, 6)] {
        let query = Query::statement(SELECT, Effect::Read);
        let request = Partitions { query, partitions_max };
        let set = stage.sql().partitions(&cx(), request).await.unwrap();
        assert_eq!(set.partitions.len(), parts, "{:?}", set.partitions);
        assert!(set.ordered && set.one_snapshot && set.expires_at.is_some());
        stage.responder.expire_links();
        let mut all = Vec::new();
        for partition in set.partitions {
            let told = partition.rows.unwrap();
            let read = PartitionRead { schema: Arc::clone(&set.schema), partition };
            let rows = ids(stage.sql().read_partition(&cx(), read).await.unwrap()).await.unwrap();
            assert_eq!(rows.len() as u64, told);
            all.extend(rows);
        }
        assert_eq!(all, (0..69).collect::<Vec<_>>());
    }
    assert!(stage.responder.seen().aborted.is_empty(), "what has ended is not cancelled");
}

#[tokio::test]
async fn a_result_is_read_by_the_statements_id() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(7, &[10]));
    let schema = stage.query(&cx()).await.unwrap().schema();
    let counted = |id: &str, pieces, rows| {
        let source = PartitionSource::Statement { id: id.to_owned(), pieces };
        let partition = Partition { source, rows };
        PartitionRead { schema: Arc::clone(&schema), partition }
    };
    let read = |id: &str, pieces| counted(id, pieces, None);
    let whole = stage.sql().read_partition(&cx(), read("01-0", 0..u64::MAX)).await.unwrap();
    assert_eq!(ids(whole).await.unwrap().len(), 17);
    let other = stage.sql().read_partition(&cx(), counted("01-0", 1..2, Some(11))).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Truncated, "the pieces are not those");
    for (id, pieces) in [("01-9", 0..1), ("01-0", 2..3), ("../../session", 0..1)] {
        let error = stage.sql().read_partition(&cx(), read(id, pieces)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test]
async fn a_session_that_a_statement_may_change_is_not_shared() {
    let stage = Stage::new().await;
    stage.responder.answer("DELETE*", texts(&["number of rows deleted"], &json!([["2"]])));
    stage.responder.answer("CREATE*", texts(&["status"], &json!([["done"]])));
    for (text, sessions) in [("DELETE FROM t", 1), ("CREATE SCHEMA s", 2), ("DELETE FROM t", 2)] {
        let query = Query::statement(text, Effect::Write);
        drop(stage.sql().query(&cx(), query).await.unwrap());
        assert_eq!(stage.responder.seen().logins.len(), sessions, "{text}");
    }
    stage.datasource.close().await.unwrap();
    assert_eq!(stage.responder.seen().logouts, 2);
}

const SCRIPT: &str = "UPDATE t SET x = 1; SELECT id FROM numbers; INSERT INTO t SELECT 1;";

/// The first answers come under the texts that sort so, since ids are numbers of answers.
fn script(responder: &Snowflake, ids: &str) {
    let changed = |name: &str, count: &str| Answer {
        fields: json!({ "statementTypeId": 0x3100, "queryResultFormat": "json",
            "rowset": [[count]], "rowsetBase64": null }),
        row_type: json!([{ "name": name, "type": "fixed", "precision": 19, "scale": 0 }]),
        total: 1,
        ..Answer::default()
    };
    responder.answer("A", changed("number of rows updated", "3"));
    responder.answer("B", pieces(4, &[5]));
    responder.answer("C", changed("number of rows inserted", "2"));
    let fields = json!({ "resultIds": ids, "statementTypeId": 0xA000, "rowset": [],
        "queryResultFormat": "json", "rowsetBase64": null });
    responder.answer("UPDATE*", Answer { fields, row_type: row_type(), ..Answer::default() });
}

#[tokio::test]
async fn a_script_runs_only_where_the_settings_say_so() {
    let stage = Stage::with(&[("multi_statement", "true".to_owned())]).await;
    script(&stage.responder, "01-0,01-1,01-2");
    let query = |effect| Query::statement(SCRIPT, effect);
    let stream = stage.sql().query(&cx(), query(Effect::Write)).await.unwrap();
    assert_eq!(stream.summary().rows_affected, Some(5));
    assert_eq!(ids(stream).await.unwrap(), (0..9).collect::<Vec<_>>());
    let sent = stage.responder.seen().statements;
    assert_eq!(sent[0]["parameters"]["MULTI_STATEMENT_COUNT"], 3);
    assert!(stage.sql().query(&cx(), query(Effect::Read)).await.is_err(), "one of them writes");
    let session = Query::statement("SELECT 1; USE ROLE x", Effect::Write);
    assert!(stage.sql().query(&cx(), session).await.is_err());
    assert_eq!(stage.responder.seen().statements.len(), 1);

    let plain = Stage::new().await;
    let error = plain.sql().query(&cx(), query(Effect::Write)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(plain.responder.seen().statements.is_empty());
}

#[tokio::test]
async fn a_second_result_of_a_script_is_refused() {
    let stage = Stage::with(&[("multi_statement", "true".to_owned())]).await;
    script(&stage.responder, "01-1,01-0,01-1");
    let query = Query::statement(SCRIPT, Effect::Write);
    let error = stage.sql().query(&cx(), query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn what_a_script_shows_is_its_result() {
    // Commands are numbered otherwise than queries, or not at all.
    for kind in [json!(null), json!(0x6000)] {
        let stage = Stage::with(&[("multi_statement", "true".to_owned())]).await;
        script(&stage.responder, "01-0,01-1,01-2");
        let mut shown = texts(&["name"], &json!([["A"], ["B"]]));
        shown.fields["statementTypeId"] = kind.clone();
        stage.responder.answer("B", shown);
        let query = || Query::statement(SCRIPT, Effect::Write);
        let stream = stage.sql().query(&cx(), query()).await.unwrap();
        assert_eq!(stream.summary().rows_affected, Some(5));
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        let names = batches[0].column(0).as_string::<i32>();
        assert_eq!(names.iter().flatten().collect::<Vec<_>>(), ["A", "B"]);

        let mut done = texts(&["status"], &json!([["Table T successfully created."]]));
        done.fields["statementTypeId"] = kind;
        stage.responder.answer("B", done);
        let stream = stage.sql().query(&cx(), query()).await.unwrap();
        assert!(stream.schema().fields().is_empty(), "that it is done is no result");
    }
}

#[tokio::test]
async fn a_write_that_nobody_answers_is_unknown() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, _| {
        request.route().ends_with("query-request").then(|| HttpAnswer::new(502, ""))
    });
    let cases = [
        ("DELETE FROM t", Effect::Write, Some(WriteEffect::Unknown)),
        ("CREATE TABLE t AS SELECT 1", Effect::Write, Some(WriteEffect::Unknown)),
        (SELECT, Effect::Unknown, Some(WriteEffect::Unknown)),
        (SELECT, Effect::Read, None),
    ];
    for (text, effect, left) in cases {
        let error = stage.sql().query(&cx(), Query::statement(text, effect)).await.unwrap_err();
        assert_eq!((error.kind(), error.write_effect()), (ErrorKind::Unavailable, left), "{text}");
    }
    assert_eq!(stage.responder.seen().count("/queries/v1/query-request"), 4, "each is sent once");
}

#[tokio::test]
async fn how_far_a_script_came_that_failed_is_unknown() {
    let stage = Stage::with(&[("multi_statement", "true".to_owned())]).await;
    let failure = Some(("002003".to_owned(), "no such table".to_owned()));
    stage.responder.answer("UPDATE*", Answer { failure, ..Answer::default() });
    for (text, left) in [(SCRIPT, Some(WriteEffect::Unknown)), ("UPDATE t SET x = 1", None)] {
        let query = Query::statement(text, Effect::Write);
        let error = stage.sql().query(&cx(), query).await.unwrap_err();
        assert_eq!((error.kind(), error.write_effect()), (ErrorKind::NotFound, left), "{error}");
    }
}

#[tokio::test]
async fn what_may_write_has_no_parts() {
    let stage = Stage::new().await;
    for effect in [Effect::Write, Effect::Unknown] {
        let query = Query::statement("DELETE FROM t", effect);
        let request = Partitions { query, partitions_max: 2 };
        let error = stage.sql().partitions(&cx(), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueryInvalid, "{error}");
    }
    assert!(stage.responder.seen().statements.is_empty());
}

#[tokio::test]
async fn a_script_has_no_parts() {
    let stage = Stage::with(&[("multi_statement", "true".to_owned())]).await;
    let query = Query::statement("SELECT 1; SELECT 2", Effect::Read);
    let request = Partitions { query, partitions_max: 2 };
    let error = stage.sql().partitions(&cx(), request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(stage.responder.seen().statements.is_empty());
}

#[tokio::test]
async fn an_estimate_tells_the_warehouses_credits() {
    let cases = [
        (json!(["WH", "X-Large", "STANDARD", ""]), Some(16.0)),
        (json!(["WH", "Medium", "STANDARD", "STANDARD_GEN_1"]), Some(4.0)),
        (json!(["WH", "Medium", "STANDARD", "STANDARD_GEN_2"]), None),
        (json!(["WH", "Medium", "SNOWPARK-OPTIMIZED", ""]), None),
        (json!(["OTHER", "Medium", "STANDARD", ""]), None),
    ];
    for (warehouse, credits) in cases {
        let stage = Stage::new().await;
        let plan = r#"{"GlobalStats":{"partitionsTotal":9,"bytesAssigned":4096}}"#;
        let mut answer = texts(&["content"], &json!([[plan]]));
        answer.fields["finalWarehouseName"] = json!("WH");
        stage.responder.answer("EXPLAIN USING JSON *", answer);
        let names = ["name", "size", "type", "resource_constraint"];
        stage.responder.answer("SHOW WAREHOUSES LIKE 'WH'", texts(&names, &json!([warehouse])));
        let query = Query::statement(SELECT, Effect::Read);
        let estimate = stage.sql().estimate(&cx(), query).await.unwrap();
        assert_eq!(estimate.bytes.unwrap().value, 4096);
        assert_eq!(estimate.rate.as_ref().map(|rate| rate.amount), credits, "{warehouse}");
        assert!(estimate.rate.is_none_or(|rate| rate.unit == "credits"));
    }
}

/// Files by their paths, with what was shown for them.
type Files = Arc<Mutex<BTreeMap<String, (String, Vec<u8>)>>>;

/// A responder that takes rows through a stage in the store that `place` tells, and says that
/// it loaded so many.
async fn taking(place: impl Fn(u16) -> Value, loaded: &str) -> (Stage, Files) {
    let stage = Stage::with(&[("insert_by", "stage".to_owned())]).await;
    let columns = [("ID", "fixed"), ("TEXT", "text"), ("BYTES", "binary")];
    let column = |(name, kind)| json!({ "name": name, "type": kind, "precision": 18, "scale": 0 });
    let row_type: Value = columns.into_iter().map(column).collect();
    stage.responder.answer("SELECT *", Answer { row_type, ..Answer::default() });
    let done = || texts(&["status"], &json!([["done"]]));
    for text in ["CREATE TEMPORARY STAGE*", "BEGIN TRANSACTION", "DELETE FROM*", "COMMIT"] {
        stage.responder.answer(text, done());
    }
    let mut put = done();
    put.fields["stageInfo"] = place(stage.responder.port());
    stage.responder.answer("PUT*", put);
    let names = ["file", "status", "rows_parsed", "rows_loaded"];
    let row = json!([["000001.csv.gz", "LOADED", loaded, loaded]]);
    stage.responder.answer("COPY INTO*", texts(&names, &row));
    let files = Files::default();
    let seen = Arc::clone(&files);
    stage.responder.fault(move |request, _| {
        (request.method == "PUT").then(|| {
            let of = |name: &str| request.header(name).unwrap_or_default().to_owned();
            let shown = format!("{} {}", of("authorization"), of("x-ms-blob-type"));
            let file = (shown.trim().to_owned(), request.body.clone());
            seen.lock().unwrap().insert(request.path.clone(), file);
            HttpAnswer::new(200, "")
        })
    });
    (stage, files)
}

async fn insert_all(stage: &Stage, mode: InsertMode, batch: RecordBatch) -> Result<u64> {
    let rows = BatchStream::new(batch.schema(), stream::iter([Ok(batch)]));
    let table = TableName::new(["DB", "S", "T"]);
    let request = Insert { table, mode, rows, idempotency_key: None };
    Ok(stage.sql().insert(&cx(), request).await?.rows_written)
}

/// Three rows with what is odd in lines of text.
async fn insert(stage: &Stage, mode: InsertMode) -> Result<u64> {
    let id: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let odd = vec![Some("a \"quoted\", long\nline \\N"), Some(""), None];
    let text: ArrayRef = Arc::new(StringArray::from(odd));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(b"\0\xff".as_slice()), None, None]));
    let batch = RecordBatch::try_from_iter([("ID", id), ("TEXT", text), ("BYTES", bytes)]).unwrap();
    insert_all(stage, mode, batch).await
}

fn unpacked(file: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn sent(stage: &Stage) -> Vec<String> {
    let statements = stage.responder.seen().statements;
    let word = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    statements.iter().map(|s| word(s["sqlText"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn rows_go_through_a_stage_of_each_store() {
    let signed = |port| {
        let url = format!("http://127.0.0.1:{port}/bucket/signed?X-Goog-Signature=canary");
        json!({ "locationType": "GCS", "location": "bucket/x/", "presignedUrl": url })
    };
    let lent = |port| {
        json!({ "locationType": "GCS", "location": "bucket/x/", "creds":
            { "GCS_ACCESS_TOKEN": "lent" }, "endPoint": format!("127.0.0.1:{port}") })
    };
    let azure = |port| {
        json!({ "locationType": "AZURE", "location": "container/x", "storageAccount": "127",
            "endPoint": format!("0.0.1:{port}"), "creds": { "AZURE_SAS_TOKEN": "?sig=lent" } })
    };
    type Place = fn(u16) -> Value;
    let stores: [(Place, &str, &str); 3] = [
        (signed, "/bucket/signed?X-Goog-Signature=canary", ""),
        (lent, "/bucket/x/000001.csv.gz", "Bearer lent"),
        (azure, "/container/x/000001.csv.gz?sig=lent", "BlockBlob"),
    ];
    for (place, path, shown) in stores {
        let (stage, files) = taking(place, "3").await;
        assert_eq!(insert(&stage, InsertMode::Overwrite).await.unwrap(), 3);
        let files = files.lock().unwrap();
        let (header, file) = files.get(path).unwrap_or_else(|| panic!("{:?}", files.keys()));
        assert_eq!(header, shown);
        let lines = "\"1\",\"a \"\"quoted\"\", long\nline \\N\",\"00FF\"\n,\"\",\n\"3\",,\n";
        assert_eq!(unpacked(file), lines);
        let order = [
            "SELECT *",
            "CREATE TEMPORARY",
            "PUT 'file:///orbit/000001.csv.gz'",
            "BEGIN TRANSACTION",
            "DELETE FROM",
            "COPY INTO",
            "COMMIT",
        ];
        assert_eq!(sent(&stage), order);
    }
}

/// A place in a store of the responder's own.
fn signed_place(port: u16) -> Value {
    let url = format!("http://127.0.0.1:{port}/signed");
    json!({ "locationType": "GCS", "location": "b/", "presignedUrl": url })
}

#[tokio::test]
async fn a_null_alone_in_its_line_is_no_blank_line() {
    let (stage, files) = taking(signed_place, "3").await;
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
    let batch = RecordBatch::try_from_iter([("TEXT", text)]).unwrap();
    assert_eq!(insert_all(&stage, InsertMode::Append, batch).await.unwrap(), 3);
    let files = files.lock().unwrap();
    let text = unpacked(&files["/signed"].1);
    let lines: Vec<_> = text.lines().collect();
    let [first, null, last] = lines[..] else { panic!("{lines:?}") };
    assert_eq!((first, last), ("\"a\"", "\"\""));
    assert!(null.len() > 32, "{null} may be a value");
    let statements = stage.responder.seen().statements;
    let texts: Vec<_> = statements.iter().filter_map(|s| s["sqlText"].as_str()).collect();
    let copy = texts.iter().find(|text| text.starts_with("COPY INTO")).unwrap();
    assert!(copy.contains(&format!("NULL_IF = ('{null}')")), "{copy}");
}

#[tokio::test]
async fn a_copy_that_left_rows_out_is_taken_back() {
    let (stage, _) = taking(signed_place, "2").await;
    let error = insert(&stage, InsertMode::Append).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
    assert_eq!(error.write_effect(), Some(WriteEffect::None));
    assert!(!sent(&stage).contains(&"COMMIT".to_owned()));
    assert_eq!(stage.responder.seen().logouts, 1, "its session ended, which rolls back");
}

#[tokio::test]
async fn a_table_that_may_have_been_made_is_told() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, _| {
        request.route().ends_with("query-request").then(|| HttpAnswer::new(502, ""))
    });
    let error = insert(&stage, InsertMode::Create).await.unwrap_err();
    let told = (error.kind(), error.write_effect());
    assert_eq!(told, (ErrorKind::Unavailable, Some(WriteEffect::Unknown)), "{error}");
}

#[tokio::test]
async fn a_table_that_may_be_left_is_told() {
    let gone = || HttpAnswer::new(502, "");
    let refused = || {
        let body = json!({ "data": null, "code": "003001", "message": "no", "success": false });
        HttpAnswer::new(200, body.to_string())
    };
    type Reply = fn() -> HttpAnswer;
    let drops: [(Option<Reply>, WriteEffect); 3] = [
        (None, WriteEffect::None),
        (Some(refused as Reply), WriteEffect::Partial),
        (Some(gone as Reply), WriteEffect::Unknown),
    ];
    for (reply, effect) in drops {
        // It knows no INSERT.
        let stage = Stage::new().await;
        for text in ["CREATE TABLE*", "BEGIN TRANSACTION", "DROP TABLE*"] {
            stage.responder.answer(text, texts(&["status"], &json!([["done"]])));
        }
        stage.responder.fault(move |request, _| {
            let drops = String::from_utf8_lossy(&request.body).contains("DROP TABLE");
            reply.filter(|_| drops).map(|reply| reply())
        });
        let error = insert(&stage, InsertMode::Create).await.unwrap_err();
        assert_eq!((error.kind(), error.write_effect()), (ErrorKind::QueryInvalid, Some(effect)));
        let left = error.context().any(|(key, _)| key == "table_left");
        assert_eq!(left, effect != WriteEffect::None, "{error}");
    }
}

#[tokio::test]
async fn closing_takes_back_what_is_being_written() {
    let stage = Stage::new().await;
    for text in ["CREATE TABLE*", "BEGIN TRANSACTION", "DROP TABLE*"] {
        stage.responder.answer(text, texts(&["status"], &json!([["done"]])));
    }
    let schema = Arc::new(Schema::new(vec![Field::new("ID", DataType::Int64, true)]));
    // They never come, so the insert does not see by itself that all is closed.
    let rows = BatchStream::new(schema, stream::pending());
    let table = TableName::new(["DB", "S", "T"]);
    let request = Insert { table, mode: InsertMode::Create, rows, idempotency_key: None };
    let close = async {
        while !sent(&stage).contains(&"BEGIN TRANSACTION".to_owned()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stage.datasource.close().await.unwrap();
    };
    let context = cx();
    let inserting = stage.sql().insert(&context, request);
    let both = futures::future::select(inserting, Box::pin(close));
    drop(both.await);
    assert_eq!(sent(&stage).last().map(String::as_str), Some("DROP TABLE"));
    assert_eq!(stage.responder.seen().logouts, 2);
}

#[tokio::test]
async fn stages_that_cannot_be_used_are_refused_by_name() {
    let places: [(Value, ErrorKind); 4] = [
        (json!({ "locationType": "LOCAL_FS", "location": "/etc" }), ErrorKind::Unsupported),
        (json!({ "locationType": "GCS", "isClientSideEncrypted": true }), ErrorKind::Unsupported),
        (json!({ "locationType": "GCS", "location": "b/" }), ErrorKind::DataInvalid),
        (json!({ "locationType": "S3", "location": "b/x/" }), ErrorKind::ConfigInvalid),
    ];
    for (place, kind) in places {
        let (stage, files) = taking(move |_| place.clone(), "3").await;
        let error = insert(&stage, InsertMode::Append).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.write_effect(), Some(WriteEffect::None));
        assert!(files.lock().unwrap().is_empty());
    }
}
