//! Delta tables through the facade: writers that meet, and logs that cannot be trusted.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use futures::TryStreamExt;
use orbit::Orbit;
use orbit::core::{Context, Error, ErrorKind, Result, WriteEffect};
use orbit::engine::{
    NewTable, Request, TableAnswer, TableCommand, TableRequest, TableWrite, Vacuum, WriteColumns,
    WriteMode,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A program of its own over a folder: nothing is shared with another one.
fn program(folder: &Path) -> Orbit {
    let path = folder.to_str().unwrap();
    let orbit = Orbit::builder().datasource("lake", "local", [("path", path)]);
    orbit.setting("datasources.lake.allow_writes", "true").open().unwrap()
}

async fn command(orbit: &Orbit, command: TableCommand, rows: Option<&str>) -> Result<TableAnswer> {
    let rows = rows.map(|sql| Request { sql: sql.to_owned(), ..Request::default() });
    let table = "lake.t".to_owned();
    let request = TableRequest { table, command, rows, paths_allowed: false };
    orbit.engine().command(&Context::builder().build(), request).await
}

async fn insert(orbit: &Orbit, values: &str) -> Result<()> {
    let sql = format!("INSERT INTO lake.t VALUES {values}");
    let request = Request { sql, writes_allowed: true, ..Request::default() };
    let stream = orbit.engine().query(&Context::builder().build(), request).await?;
    stream.try_collect::<Vec<_>>().await.map(|_| ())
}

/// The integers that `sql` answers in one row.
async fn integers(orbit: &Orbit, sql: &str) -> Result<Vec<i64>> {
    let request = Request { sql: sql.to_owned(), ..Request::default() };
    let stream = orbit.engine().query(&Context::builder().build(), request).await?;
    let batches: Vec<_> = stream.try_collect().await?;
    let batch = &batches[0];
    Ok(batch.columns().iter().map(|c| c.as_primitive::<Int64Type>().value(0)).collect())
}

async fn created(folder: &Path) -> Orbit {
    let orbit = program(folder);
    let columns = vec!["writer bigint".to_owned(), "id bigint".to_owned()];
    let new = NewTable { columns, ..NewTable::default() };
    command(&orbit, TableCommand::Create(new), None).await.unwrap();
    orbit
}

const EACH: i64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_lose_nothing_and_a_reader_sees_whole_versions() {
    let home = TempDir::new().unwrap();
    let reader = created(home.path()).await;
    let done = Arc::new(AtomicBool::new(false));
    let writers = [1_i64, 2].map(|writer| {
        let folder = home.path().to_owned();
        tokio::spawn(async move {
            let orbit = program(&folder);
            for id in 0..EACH {
                // Two rows a commit: half of one would be seen.
                insert(&orbit, &format!("({writer}, {id}), ({writer}, {id})")).await.unwrap();
            }
        })
    });
    let stop = Arc::clone(&done);
    let reading = tokio::spawn(async move {
        let (mut rounds, mut last) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let sql = "SELECT count(*), count(DISTINCT writer * 1000 + id), \
                count(CASE WHEN writer = 1 THEN 1 END) FROM lake.t";
            let [rows, pairs, of_first] = integers(&reader, sql).await.unwrap()[..] else {
                panic!("three counts");
            };
            assert_eq!(rows, 2 * pairs, "a commit is seen whole");
            assert_eq!(of_first % 2, 0);
            assert!(rows >= last, "a version that was seen stays");
            (rounds, last) = (rounds + 1, rows);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rounds
    });
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 0);

    let sql = "SELECT count(*), count(DISTINCT writer * 1000 + id) FROM lake.t";
    let counts = integers(&program(home.path()), sql).await.unwrap();
    assert_eq!(counts, [4 * EACH, 2 * EACH]);
    let commits = fs::read_dir(home.path().join("t/_delta_log")).unwrap();
    let commits =
        commits.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "json"));
    assert_eq!(commits.count() as i64, 1 + 2 * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_change_the_same_rows_one_wins() {
    let home = TempDir::new().unwrap();
    let first = created(home.path()).await;
    let second = program(home.path());
    for round in 0..10 {
        insert(&first, &format!("({round}, 1)")).await.unwrap();
        let predicate = Some(format!("writer = {round}"));
        let update = |value: &str| TableCommand::Update {
            predicate: predicate.clone(),
            set: vec![("id".to_owned(), format!("id + {value}"))],
        };
        let both = tokio::join!(
            command(&first, update("10"), None),
            command(&second, update("100"), None)
        );
        let sql = format!("SELECT id FROM lake.t WHERE writer = {round}");
        let value = integers(&first, &sql).await.unwrap()[0];
        match both {
            // One began after the other's end.
            (Ok(_), Ok(_)) => assert_eq!(value, 111),
            (Ok(_), Err(error)) => assert_conflict(&error, value, 11),
            (Err(error), Ok(_)) => assert_conflict(&error, value, 101),
            (Err(a), Err(b)) => panic!("neither won: {a}; {b}"),
        }
    }
}

fn assert_conflict(error: &Error, value: i64, winners: i64) {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.write_effect(), Some(WriteEffect::None), "{error}");
    assert_eq!(value, winners);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_make_a_table_one_wins() {
    for _ in 0..10 {
        let home = TempDir::new().unwrap();
        let programs = [program(home.path()), program(home.path())];
        let make = |orbit: &Orbit, column: &str| {
            let new = NewTable { columns: vec![format!("{column} bigint")], ..NewTable::default() };
            let orbit = program_engine(orbit);
            async move {
                let request = TableRequest {
                    table: "lake.t".to_owned(),
                    command: TableCommand::Create(new),
                    rows: None,
                    paths_allowed: false,
                };
                orbit.command(&Context::builder().build(), request).await
            }
        };
        let both = tokio::join!(make(&programs[0], "a"), make(&programs[1], "b"));
        let (won, error) = match both {
            (Ok(_), Err(error)) => ("a", error),
            (Err(error), Ok(_)) => ("b", error),
            other => panic!("{other:?}"),
        };
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        let sql = format!("SELECT count({won}) FROM lake.t");
        assert_eq!(integers(&programs[0], &sql).await.unwrap(), [0]);
    }
}

fn program_engine(orbit: &Orbit) -> Arc<orbit::engine::Engine> {
    orbit.engine()
}

fn commit(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("t/_delta_log/{version:020}.json"))
}

fn actions(folder: &Path, version: u64) -> Vec<Value> {
    let text = fs::read_to_string(commit(folder, version)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_actions(folder: &Path, version: u64, actions: &[Value]) {
    let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
    fs::write(commit(folder, version), lines).unwrap();
}

/// What each kind of write says of a table that `harm` has been done to.
async fn refusals(harm: impl Fn(&Path)) -> String {
    let home = TempDir::new().unwrap();
    let orbit = created(home.path()).await;
    for id in 0..2 {
        insert(&orbit, &format!("(1, {id})")).await.unwrap();
    }
    harm(home.path());
    let files = || walk(home.path());
    let before = files();
    let orbit = program(home.path());
    let append = TableWrite { mode: WriteMode::Append, columns: WriteColumns::Keep };
    let vacuum = Vacuum { retention_hours: Some(0), force: true, full: true, dry_run: false };
    let commands = [
        ("append", TableCommand::Write(append), Some("SELECT 1 AS writer, 9 AS id")),
        ("delete", TableCommand::Delete { predicate: Some("id = 1".to_owned()) }, None),
        ("optimize", TableCommand::Optimize { order_by: Vec::new(), file_bytes: None }, None),
        ("vacuum", TableCommand::Vacuum(vacuum), None),
    ];
    let mut said = String::new();
    for (name, asked, rows) in commands {
        let error = command(&orbit, asked, rows).await.unwrap_err();
        said += &format!("{name} ({}): {error}\n", error.kind().as_str());
    }
    assert_eq!(files(), before, "nothing was written or deleted");
    said
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_hole_is_not_written() {
    let said = refusals(|folder| fs::remove_file(commit(folder, 1)).unwrap()).await;
    insta::assert_snapshot!("a_hole", said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_torn_end_is_not_written() {
    let said = refusals(|folder| {
        let text = fs::read(commit(folder, 2)).unwrap();
        fs::write(commit(folder, 2), &text[..text.len() - 20]).unwrap();
    });
    insta::assert_snapshot!("a_torn_end", said.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_leads_outside_is_not_written() {
    let said = refusals(|folder| {
        let mut changed = actions(folder, 2);
        for action in &mut changed {
            if let Some(add) = action.get_mut("add") {
                add["path"] = json!("../secret/s.parquet");
            }
        }
        write_actions(folder, 2, &changed);
    });
    insta::assert_snapshot!("outside", said.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_that_cannot_be_written_are_named() {
    let said = refusals(|folder| {
        let mut first = actions(folder, 0);
        first.retain(|action| action.get("protocol").is_none());
        first.push(json!({"protocol": {
            "minReaderVersion": 1, "minWriterVersion": 7,
            "writerFeatures": ["identityColumns", "rowTracking"],
        }}));
        write_actions(folder, 0, &first);
    });
    insta::assert_snapshot!("features", said.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_feature_of_writers_is_known_or_named() {
    let known = [
        "appendOnly",
        "invariants",
        "checkConstraints",
        "generatedColumns",
        "changeDataFeed",
        "checkpointProtection",
    ];
    let others = [
        "identityColumns",
        "rowTracking",
        "domainMetadata",
        "clustering",
        "inCommitTimestamp",
        "icebergCompatV1",
        "icebergCompatV2",
        "allowColumnDefaults",
        "materializePartitionColumns",
    ];
    for feature in known.into_iter().chain(others) {
        let home = TempDir::new().unwrap();
        created(home.path()).await;
        let mut first = actions(home.path(), 0);
        first.retain(|action| action.get("protocol").is_none());
        first.push(json!({"protocol": {
            "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [feature],
        }}));
        write_actions(home.path(), 0, &first);
        let orbit = program(home.path());
        assert_eq!(integers(&orbit, "SELECT count(*) FROM lake.t").await.unwrap(), [0]);
        match insert(&orbit, "(1, 1)").await {
            Ok(()) => assert!(known.contains(&feature), "{feature} was written"),
            Err(error) => {
                assert!(!known.contains(&feature), "{feature}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{feature}: {error}");
                assert!(error.message().contains(feature), "{feature}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restoring_a_version_that_leads_outside_is_refused() {
    let home = TempDir::new().unwrap();
    let orbit = created(home.path()).await;
    insert(&orbit, "(1, 1)").await.unwrap();
    command(&orbit, TableCommand::Delete { predicate: None }, None).await.unwrap();
    for version in [1, 2] {
        let mut changed = actions(home.path(), version);
        for action in &mut changed {
            for kind in ["add", "remove"] {
                if let Some(file) = action.get_mut(kind) {
                    file["path"] = json!("../secret/s.parquet");
                }
            }
        }
        write_actions(home.path(), version, &changed);
    }
    let orbit = program(home.path());
    assert_eq!(integers(&orbit, "SELECT count(id) FROM lake.t").await.unwrap(), [0]);
    let restore = TableCommand::Restore { version: orbit::core::Version::Number(1) };
    let error = command(&orbit, restore, None).await.unwrap_err();
    assert!(error.message().contains("outside the table's folder"), "{error}");
}

/// In the order of keys its log comes after them.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_more_files_than_a_folder_may_have_is_found_by_its_log() {
    let home = TempDir::new().unwrap();
    let orbit = program(home.path());
    let columns = vec!["P bigint".to_owned(), "id bigint".to_owned()];
    let partition_by = vec!["P".to_owned()];
    let new = NewTable { columns, partition_by, ..NewTable::default() };
    command(&orbit, TableCommand::Create(new), None).await.unwrap();
    insert(&orbit, "(1, 1), (2, 2), (3, 3), (4, 4)").await.unwrap();
    let path = home.path().to_str().unwrap();
    let bounded = Orbit::builder().datasource("lake", "local", [("path", path)]);
    let bounded = bounded.setting("engine.limits.files_max", "2").open().unwrap();
    assert_eq!(integers(&bounded, "SELECT count(id) FROM lake.t").await.unwrap(), [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_told_by_what_the_source_said() {
    let home = TempDir::new().unwrap();
    insert(&created(home.path()).await, "(1, 1)").await.unwrap();
    let mut files = walk(home.path()).into_iter();
    let data = files.find(|path| path.extension().is_some_and(|e| e == "parquet")).unwrap();
    fs::remove_file(&data).unwrap();
    let asked = integers(&program(home.path()), "SELECT min(id + 1) FROM lake.t").await;
    let error = asked.unwrap_err();
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::NotFound, Some("lake")), "{error}");
    let name = data.file_name().unwrap().to_str().unwrap();
    assert!(error.context().any(|(k, key)| k == "key" && key.ends_with(name)), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("orbit delta restore")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_needs_the_configuration() {
    let home = TempDir::new().unwrap();
    created(home.path()).await;
    let path = home.path().to_str().unwrap();
    let orbit = Orbit::builder().datasource("lake", "local", [("path", path)]).open().unwrap();
    let delete = TableCommand::Delete { predicate: None };
    let error = command(&orbit, delete, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let dry = Vacuum { retention_hours: None, force: false, full: false, dry_run: true };
    command(&orbit, TableCommand::Vacuum(dry), None).await.unwrap();
    let history = command(&orbit, TableCommand::History { limit: 9 }, None).await.unwrap();
    assert!(matches!(history, TableAnswer::Facts(Value::Array(list)) if list.len() == 1));
}
