//! INSERT and CREATE TABLE AS: where they may write, what they write and what a failure leaves.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, record_batch};
use futures::TryStreamExt;
use orbit_core::{Error, ErrorKind, Operation, WriteEffect};
use orbit_engine::Engine;
use orbit_testkit::scripted::{FULL_CAPABILITY, Scripted};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::{
    Setup, context, lines, put, put_parquet, refusal_text, request, rows, sorted, transcript,
    writing,
};

fn people() -> RecordBatch {
    record_batch!(("id", Int32, [Some(1), Some(2)]), ("name", Utf8, [Some("ann"), Some("bob")]))
        .unwrap()
}

fn crm() -> Scripted {
    Scripted::builder().table(["people"], people()).build()
}

/// The rows that a statement wrote.
async fn write(engine: &Engine, sql: &str) -> Result<u64, Error> {
    let mut stream = engine.query(&context(), writing(sql)).await?;
    while stream.try_next().await?.is_some() {}
    Ok(stream.summary().rows_affected.expect("a write says how many rows it wrote"))
}

/// For each statement the rows written or the refusal.
async fn written(engine: &Engine, statements: &[&str]) -> String {
    let mut text = String::new();
    for sql in statements {
        let said = match write(engine, sql).await {
            Ok(rows) => format!("{rows} rows"),
            Err(error) => format!("{}: {error}", error.kind()),
        };
        text.push_str(&format!("{sql}\n    {said}\n\n"));
    }
    text
}

fn files_of(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn rows_are_inserted_in_the_tables_columns() {
    let source = crm();
    let engine = Setup::default().source("crm", &source).build();
    assert_eq!(write(&engine, "INSERT INTO crm.people VALUES (3, 'cyd')").await.unwrap(), 1);
    let given =
        "INSERT INTO crm.people (NAME, id) SELECT 'dora', id + 3 FROM crm.people WHERE id = 1";
    assert_eq!(write(&engine, given).await.unwrap(), 1);
    assert_eq!(write(&engine, "INSERT INTO crm.people (id) VALUES (5)").await.unwrap(), 1);
    let table = source.table(["people"]).unwrap();
    assert_eq!(lines(&[table]), ["1|ann", "2|bob", "3|cyd", "4|dora", "5|NULL"]);
}

#[tokio::test]
async fn columns_that_take_no_null_get_none() {
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int32Array::from(vec![1])) as ArrayRef, false),
        ("name", Arc::new(StringArray::from(vec!["ann"])) as ArrayRef, true),
    ]);
    let source = Scripted::builder().table(["people"], rows.unwrap()).build();
    let engine = Setup::default().source("crm", &source).build();
    assert_eq!(write(&engine, "INSERT INTO crm.people VALUES (2, NULL)").await.unwrap(), 1);
    let insert = "INSERT INTO crm.people SELECT nullif(id, 9) + 5, name FROM crm.people";
    assert_eq!(write(&engine, insert).await.unwrap(), 2);
    let error = write(&engine, "INSERT INTO crm.people (name) VALUES ('x')").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryInvalid, "{error}");
    assert!(error.message().contains("`id`"), "{error}");
    let table = source.table(["people"]).unwrap();
    assert_eq!(lines(&[table]), ["1|ann", "2|NULL", "6|ann", "7|NULL"]);
}

#[tokio::test]
async fn a_folder_takes_rows_and_tables() {
    let source = crm();
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "people/a.parquet", &people());
    let engine = Setup::default().source("crm", &source).folder("lake", folder.path()).build();
    let insert = "INSERT INTO lake.people SELECT id + 10, upper(name) FROM crm.people";
    assert_eq!(write(&engine, insert).await.unwrap(), 2);
    assert_eq!(
        sorted(&engine, "SELECT * FROM people").await,
        ["11|ANN", "12|BOB", "1|ann", "2|bob"]
    );
    let create = "CREATE TABLE lake.reports.Big AS SELECT name FROM people WHERE id > 10";
    assert_eq!(write(&engine, create).await.unwrap(), 2);
    assert_eq!(sorted(&engine, "SELECT * FROM lake.reports.big").await, ["ANN", "BOB"]);
    let empty = "CREATE TABLE lake.empty AS SELECT id FROM people WHERE id > 100";
    assert_eq!(write(&engine, empty).await.unwrap(), 0);
    assert_eq!(
        transcript(&engine, &["SELECT count(*), max(id) FROM empty"]).await.trim(),
        "SELECT count(*), max(id) FROM empty\n    0|NULL"
    );
}

#[tokio::test]
async fn a_table_is_created_from_a_query() {
    let source = crm();
    let engine = Setup::default().source("crm", &source).build();
    let sql = "CREATE TABLE crm.Copy AS SELECT id * 10 AS tens FROM crm.people ORDER BY id";
    assert_eq!(write(&engine, sql).await.unwrap(), 2);
    assert_eq!(lines(&[source.table(["copy"]).unwrap()]), ["10", "20"]);
    assert_eq!(rows(&engine, "SELECT max(tens) FROM crm.copy").await, "20");
}

#[tokio::test]
async fn writing_needs_the_configuration_and_the_request() {
    let source = crm();
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "people/a.parquet", &people());
    let setup = Setup::default().read_only_source("crm", &source);
    let read_only = setup.read_only_folder("lake", folder.path()).build();
    let writable = Setup::default().source("crm", &source).folder("lake", folder.path()).build();
    let statements = [
        "INSERT INTO crm.people VALUES (3, 'cyd')",
        "CREATE TABLE crm.copy AS SELECT 1 AS a",
        "INSERT INTO lake.people VALUES (3, 'cyd')",
        "CREATE TABLE lake.copy AS SELECT 1 AS a",
    ];
    for sql in statements {
        let by_config = write(&read_only, sql).await.unwrap_err();
        assert_eq!(by_config.kind(), ErrorKind::PermissionDenied, "{sql}: {by_config}");
        let by_request = engine_error(&writable, sql).await;
        assert_eq!(by_request.kind(), ErrorKind::PermissionDenied, "{sql}: {by_request}");
    }
    assert_eq!(source.table(["people"]).unwrap().num_rows(), 2);
    assert_eq!(files_of(folder.path()), 1);
}

async fn engine_error(engine: &Engine, sql: &str) -> Error {
    engine.query(&context(), request(sql)).await.expect_err("the request does not allow writes")
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let source = crm();
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "people/a.parquet", &people());
    put_parquet(folder.path(), "single.parquet", &people());
    put_parquet(folder.path(), "parts/y=1/a.parquet", &people());
    put(folder.path(), "text/a.csv", "id\n1\n");
    let engine = Setup::default().source("crm", &source).folder("lake", folder.path()).build();
    let statements = [
        "INSERT INTO crm.people VALUES (3)",
        "INSERT INTO crm.people (id, nothing) VALUES (3, 'x')",
        "INSERT INTO crm.people (id, ID) VALUES (3, 4)",
        "INSERT INTO crm.people VALUES ('three', 'x')",
        "INSERT INTO crm.people VALUES (3000000000, 'x')",
        "INSERT INTO crm.nobody VALUES (3, 'x')",
        "CREATE TABLE crm.people AS SELECT 1 AS a",
        "CREATE TABLE crm.PEOPLE AS SELECT 1 AS a",
        "CREATE TABLE lake.people AS SELECT 1 AS a",
        "CREATE TABLE copy AS SELECT 1 AS a",
        "CREATE TABLE nowhere.copy AS SELECT 1 AS a",
        "CREATE TABLE crm.copy (a INT)",
        "INSERT INTO lake.people VALUES (3000000000, 'x')",
        "INSERT INTO lake.single VALUES (3, 'x')",
        "INSERT INTO lake.parts VALUES (3, 'x', 1)",
        "INSERT INTO lake.text VALUES (3)",
        "DELETE FROM crm.people",
        "UPDATE crm.people SET id = 1",
        "DROP TABLE crm.people",
    ];
    insta::assert_snapshot!(written(&engine, &statements).await);
    assert_eq!(source.table(["people"]).unwrap().num_rows(), 2);
    assert!(source.table(["copy"]).is_none());
    assert_eq!(files_of(&folder.path().join("people")), 1);
    assert_eq!(files_of(folder.path()), 4);
}

#[tokio::test]
async fn a_failure_says_what_it_left() {
    let source = crm();
    let engine = Setup::default().source("crm", &source).build();
    let broken = Error::new(ErrorKind::Unavailable, "the line went dead")
        .with_write_effect(WriteEffect::Unknown);
    source.fail(Operation::Insert, broken, 1);
    let error = write(&engine, "INSERT INTO crm.people VALUES (3, 'cyd')").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.write_effect()),
        (ErrorKind::Unavailable, Some(WriteEffect::Unknown))
    );
    assert_eq!(error.datasource(), Some("crm"));
}

#[tokio::test]
async fn a_query_that_fails_half_way_writes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "people/a.parquet", &people());
    put(folder.path(), "words.csv", "w\n1\n2\nthree\n");
    let engine = Setup::default().folder("lake", folder.path()).build();
    let sql = "INSERT INTO lake.people SELECT CAST(w AS INT), w FROM words";
    let error = write(&engine, sql).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryInvalid, "{error}");
    assert_eq!(files_of(&folder.path().join("people")), 1);
    assert_eq!(rows(&engine, "SELECT count(*) FROM people").await, "2");
}

#[tokio::test]
async fn a_source_that_cannot_insert_is_not_asked() {
    let capability = orbit_core::SqlCapability { insert: None, ..FULL_CAPABILITY };
    let source = Scripted::builder().capability(capability).table(["people"], people()).build();
    let engine = Setup::default().source("crm", &source).build();
    let error = write(&engine, "INSERT INTO crm.people VALUES (3, 'c')").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = refusal_text(&engine, "INSERT INTO crm.people VALUES (3, 'c')").await;
    assert!(error.starts_with("permission_denied"), "{error}");
}

#[tokio::test]
async fn a_folder_of_parquet_is_created_and_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Setup::default().folder("lake", folder.path()).build();
    for sql in [
        "CREATE TABLE lake.made AS SELECT 1 AS id, 'ann' AS name UNION ALL SELECT 2, 'bob'",
        "INSERT INTO lake.made (name, id) VALUES ('cyd', 3)",
    ] {
        let request = orbit_engine::Request { writes_allowed: true, ..request(sql) };
        let written = engine.query(&context(), request).await.unwrap();
        assert!(written.summary().rows_affected.is_some_and(|rows| rows > 0), "{sql}");
    }
    let sql = "SELECT id, name FROM lake.made ORDER BY id";
    assert_eq!(rows(&engine, sql).await, "1|ann\n2|bob\n3|cyd");
}

#[tokio::test]
async fn wide_rows_are_written_in_groups_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(0..9000));
    put_parquet(folder.path(), "seed.parquet", &RecordBatch::try_from_iter([("id", ids)]).unwrap());
    let engine = Setup::default().folder("lake", folder.path()).build();
    let sql = "CREATE TABLE lake.wide AS \
        SELECT repeat(CAST(id + 1000 AS varchar) || '-', 2000) AS text FROM lake.seed";
    assert_eq!(write(&engine, sql).await.unwrap(), 9000);
    let mut files = std::fs::read_dir(folder.path().join("wide")).unwrap();
    let file = std::fs::File::open(files.next().unwrap().unwrap().path()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    assert!(reader.metadata().num_row_groups() > 1, "one group holds some 90 MB");
}
