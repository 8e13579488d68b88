//! Logs that are broken, lie, or lead elsewhere: each is refused with an error that names the
//! table and the file, and nothing outside the table's folder is read.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;
#[path = "support/write.rs"]
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use orbit_core::{Error, ErrorKind, Version};
use orbit_engine::TableCommand;
use serde_json::{Value, json};
use support::{Folder, Table};
use tempfile::TempDir;
use write::{append, rows};

const COUNT: &str = "SELECT count(id), sum(value) FROM t";

fn commit(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("_delta_log/{version:020}.json"))
}

/// `orders` with two good commits beside `secret`, another table of the same datasource.
async fn lake() -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    append(&folder, rows([1, 2], Some("a"))).await;
    append(&folder, rows([3], Some("a"))).await;
    append(&home.path().join("secret"), rows([1, 2, 3, 4], Some("s"))).await;
    let data = data_file(&home.path().join("secret"));
    fs::rename(&data, home.path().join("secret/s.parquet")).unwrap();
    (home, folder)
}

fn data_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|e| e == "parquet")).unwrap()
}

/// The actions of a commit.
fn actions(folder: &Path, version: u64) -> Vec<Value> {
    let text = fs::read_to_string(commit(folder, version)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_actions(folder: &Path, version: u64, actions: &[Value]) {
    let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
    fs::write(commit(folder, version), lines).unwrap();
}

/// Changes the `add` of a commit.
fn change_add(folder: &Path, version: u64, change: impl Fn(&mut Value)) {
    let mut actions = actions(folder, version);
    for action in &mut actions {
        if let Some(add) = action.get_mut("add") {
            change(add);
        }
    }
    write_actions(folder, version, &actions);
}

async fn refused(home: &TempDir, sql: &str) -> (Error, Vec<String>) {
    let lake = Folder::new(home.path());
    let error = Table::new(lake.clone(), "orders").query(None, sql).await.unwrap_err();
    (error, lake.requests().into_iter().map(|(_, key)| key).collect())
}

fn assert_inside(keys: &[String], case: &str) {
    assert!(keys.iter().all(|key| key.starts_with("orders/")), "{case}: {keys:?}");
}

#[tokio::test]
async fn no_file_outside_the_folder_is_read() {
    let (home, folder) = lake().await;
    let good = actions(&folder, 1);
    let secret = home.path().join("secret/s.parquet");
    let secret = secret.to_str().unwrap();
    for path in [
        "../secret/s.parquet".to_owned(),
        "a/../../secret/s.parquet".to_owned(),
        "%2e%2e/secret/s.parquet".to_owned(),
        "..%2fsecret%2fs.parquet".to_owned(),
        "%2E%2E%2Fsecret/s.parquet".to_owned(),
        "..\\secret\\s.parquet".to_owned(),
        "/secret/s.parquet".to_owned(),
        "//t0/secret/s.parquet".to_owned(),
        secret.to_owned(),
        format!("file://{secret}"),
        format!("file:{secret}"),
        format!("FILE://{secret}"),
        "s3://bucket/s.parquet".to_owned(),
        "http://127.0.0.1:9/s.parquet?X-Amz-Signature=1&X-Amz-Credential=2".to_owned(),
        "orbit-delta://t0/secret/s.parquet".to_owned(),
        "memory:///s.parquet".to_owned(),
        "orbit://files/secret/s.parquet".to_owned(),
    ] {
        write_actions(&folder, 1, &good);
        let size = fs::metadata(secret).unwrap().len();
        change_add(&folder, 1, |add| {
            add["path"] = json!(path);
            add["size"] = json!(size);
        });
        for sql in [COUNT, "SELECT count(*) FROM t", "SELECT * FROM t WHERE id = 3"] {
            let (error, keys) = refused(&home, sql).await;
            assert_eq!(error.kind(), ErrorKind::DataInvalid, "{path}: {error:?}");
            assert!(error.message().contains("outside the table's folder"), "{path}: {error}");
            assert!(error.context().any(|c| c == ("table", "orders")), "{path}: {error}");
            assert_inside(&keys, &path);
        }
    }
}

#[tokio::test]
async fn no_deletion_vector_outside_the_folder_is_read() {
    let (home, folder) = lake().await;
    let protocol = json!({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"],
    }});
    let mut first = actions(&folder, 0);
    first.retain(|action| action.get("protocol").is_none());
    first.push(protocol);
    write_actions(&folder, 0, &first);
    let good = actions(&folder, 1);
    let secret = home.path().join("secret/s.parquet");
    for (storage, place) in [
        ("p", format!("file://{}", secret.display())),
        ("p", "http://127.0.0.1:9/x?X-Amz-Signature=1".to_owned()),
        ("p", "orbit-delta://t0/secret/s.parquet".to_owned()),
        ("u", "../secret/vBn[lx{q8@P<9BNH/isA".to_owned()),
        ("u", "..%2fvBn[lx{q8@P<9BNH/isA".to_owned()),
        ("u", "file:///x/vBn[lx{q8@P<9BNH/isA".to_owned()),
    ] {
        write_actions(&folder, 1, &good);
        change_add(&folder, 1, |add| {
            add["deletionVector"] = json!({
                "storageType": storage, "pathOrInlineDv": place, "offset": 1,
                "sizeInBytes": 36, "cardinality": 1,
            });
        });
        let (error, keys) = refused(&home, COUNT).await;
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{place}: {error:?}");
        assert!(error.message().contains("outside the table's folder"), "{place}: {error}");
        assert_inside(&keys, &place);
    }
}

#[tokio::test]
async fn a_clone_reads_its_source_where_that_is_allowed() {
    let (home, folder) = lake().await;
    let secret = home.path().join("secret/s.parquet");
    let place = format!("file://{}", secret.display());
    let size = fs::metadata(&secret).unwrap().len();
    change_add(&folder, 1, |add| {
        add["path"] = json!(place);
        add["size"] = json!(size);
        add["stats"] = json!(null);
    });
    let mut table = Table::new(Folder::new(home.path()), "orders");
    let error = table.query(None, COUNT).await.unwrap_err();
    assert!(error.to_string().contains("allowed_roots"), "{error}");
    let other = format!("file://{}/other", home.path().display());
    table.allowed_roots = [(other, "secret".to_owned())].into();
    assert!(table.query(None, COUNT).await.is_err());
    let root = format!("file://{}/secret", home.path().display());
    table.allowed_roots = [(root, "secret".to_owned())].into();
    let counts = table.value(None, "SELECT count(id) || ' ' || sum(value) FROM t").await;
    assert_eq!(counts.unwrap(), "6 130");
    let delete = TableCommand::Delete { predicate: None };
    let error = table.command(delete, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn broken_logs_are_named() {
    let file = |version: u64| format!("_delta_log/{version:020}.json");
    type Breaks = fn(&Path);
    let cases: [(&str, String, Breaks); 9] = [
        ("hole", file(1), |folder| fs::remove_file(commit(folder, 1)).unwrap()),
        ("no beginning", file(0), |folder| fs::remove_file(commit(folder, 0)).unwrap()),
        ("torn last entry", file(2), |folder| {
            let text = fs::read(commit(folder, 2)).unwrap();
            fs::write(commit(folder, 2), &text[..text.len() - 20]).unwrap();
        }),
        ("torn middle entry", file(1), |folder| {
            let text = fs::read(commit(folder, 1)).unwrap();
            fs::write(commit(folder, 1), &text[..text.len() / 2]).unwrap();
        }),
        ("empty entry", file(2), |folder| fs::write(commit(folder, 2), "").unwrap()),
        ("not JSON", file(1), |folder| fs::write(commit(folder, 1), "PAR1\0\u{1}").unwrap()),
        ("not actions", file(1), |folder| fs::write(commit(folder, 1), "[1, 2]\n3\n").unwrap()),
        ("no log", "_delta_log".to_owned(), |folder| {
            (0..3).for_each(|version| fs::remove_file(commit(folder, version)).unwrap());
        }),
        (
            "empty checkpoint",
            "_delta_log/00000000000000000002.checkpoint.parquet".to_owned(),
            |f| {
                fs::write(f.join("_delta_log/00000000000000000002.checkpoint.parquet"), "")
                    .unwrap();
            },
        ),
    ];
    for (case, file, breaks) in cases {
        let (home, folder) = lake().await;
        append(&folder, rows([4], Some("a"))).await;
        breaks(&folder);
        let (error, _) = refused(&home, COUNT).await;
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{case}: {error:?}");
        let context: Vec<_> = error.context().collect();
        assert!(context.contains(&("table", "orders")), "{case}: {error}");
        assert!(context.contains(&("log file", &file)), "{case}: {error}");
    }
}

#[tokio::test]
async fn what_stands_before_a_hole_can_be_read() {
    let (home, folder) = lake().await;
    append(&folder, rows([4], Some("a"))).await;
    fs::remove_file(commit(&folder, 1)).unwrap();
    let t = Table::new(Folder::new(home.path()), "orders");
    let sql = "SELECT count(id) FROM t";
    assert_eq!(t.value(Some(Version::Number(0)), sql).await.unwrap(), "2");
    let error = t.query(Some(Version::Number(2)), sql).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
}

#[tokio::test]
async fn a_checkpoint_that_is_no_parquet_is_named() {
    let (home, folder) = lake().await;
    let name = "_delta_log/00000000000000000001.checkpoint.parquet";
    fs::write(folder.join(name), "this is not parquet, but long enough to look like it").unwrap();
    let (error, _) = refused(&home, COUNT).await;
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    assert!(error.context().any(|c| c == ("log file", name)), "{error}");
}

#[tokio::test]
async fn a_hint_that_lies_about_checkpoints_changes_nothing() {
    let (home, folder) = lake().await;
    fs::write(folder.join("_delta_log/_last_checkpoint"), r#"{"version":9,"size":3}"#).unwrap();
    let t = Table::new(Folder::new(home.path()), "orders");
    assert_eq!(t.value(None, "SELECT count(id) FROM t").await.unwrap(), "3");
}

#[tokio::test]
async fn features_that_cannot_be_read_are_named() {
    for feature in [
        "sendTheRowsByPigeon",
        "catalogManaged",
        "typeWidening",
        "vacuumProtocolCheck",
        "variantShredding-preview",
    ] {
        let (home, folder) = lake().await;
        let mut first = actions(&folder, 0);
        first.retain(|action| action.get("protocol").is_none());
        first.push(json!({"protocol": {
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": [feature], "writerFeatures": [feature],
        }}));
        write_actions(&folder, 0, &first);
        let (error, _) = refused(&home, COUNT).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains(feature), "{error}");
    }
}

#[tokio::test]
async fn a_missing_data_file_fails_the_query() {
    let (home, folder) = lake().await;
    let file = data_file(&folder);
    let name = file.file_name().unwrap();
    fs::remove_file(&file).unwrap();
    let (error, _) = refused(&home, COUNT).await;
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::NotFound, Some("lake")));
    let key = format!("orders/{}", name.to_str().unwrap());
    assert!(error.context().any(|c| c == ("key", key.as_str())), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("orbit delta restore")), "{error:?}");
}
