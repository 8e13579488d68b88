//! Reading tables that delta-rs wrote: the present, old versions, partitions, commits that
//! come while queries run, names that need care.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;
#[path = "support/write.rs"]
mod write;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use arrow_array::RecordBatch;
use datafusion::prelude::{col, lit};
use deltalake::protocol::SaveMode;
use orbit_core::{Context, ErrorKind, Operation, Version};
use support::{Folder, Table};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use write::{append, rows, table};

const TOTALS: &str = "SELECT count(id) || ' ' || sum(value) FROM t";

/// Three versions: 1 and 2; and 3; without 1.
async fn three_versions(folder: &Path) {
    append(folder, rows([1, 2], Some("a"))).await;
    append(folder, rows([3], Some("b"))).await;
    table(folder).await.delete().with_predicate(col("id").eq(lit(1))).await.unwrap();
}

/// Appends as one commit to a table with partitions by `name`.
async fn append_by_name(folder: &Path, batches: Vec<RecordBatch>) {
    let write = table(folder).await.write(batches).with_partition_columns(["name"]);
    write.with_save_mode(SaveMode::Append).await.unwrap();
}

fn commit(folder: &Path, version: u64) -> std::path::PathBuf {
    folder.join(format!("_delta_log/{version:020}.json"))
}

/// Says when each version was committed: an hour apart.
fn committed_hourly(folder: &Path, versions: u64) -> i64 {
    let first = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for version in 0..versions {
        let at = first + Duration::from_secs(3600 * version);
        File::options()
            .write(true)
            .open(commit(folder, version))
            .unwrap()
            .set_modified(at)
            .unwrap();
    }
    1_700_000_000 * 1_000_000
}

#[tokio::test]
async fn every_version_is_read_by_number_and_by_time() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    three_versions(&folder).await;
    let first = committed_hourly(&folder, 3);
    let hour = 3_600_000_000;
    let t = Table::new(Folder::new(home.path()), "orders");

    assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 50");
    for (version, totals) in [(0, "2 30"), (1, "3 60"), (2, "2 50")] {
        let number = Some(Version::Number(version));
        assert_eq!(t.value(number, TOTALS).await.unwrap(), totals, "version {version}");
    }
    let times = [
        (first, "2 30"),
        (first + hour - 1, "2 30"),
        (first + hour, "3 60"),
        (first + 2 * hour, "2 50"),
        (first + 100 * hour, "2 50"),
    ];
    for (time, totals) in times {
        let version = Some(Version::Timestamp(time));
        assert_eq!(t.value(version, TOTALS).await.unwrap(), totals, "at {time}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_there_names_those_that_are() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    three_versions(&folder).await;
    let first = committed_hourly(&folder, 3);
    let t = Table::new(Folder::new(home.path()), "orders");

    let error = t.query(Some(Version::Number(3)), TOTALS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "lake: version 3 does not exist (table: orders); the table has versions 0 to 2"
    );
    let error = t.query(Some(Version::Timestamp(first - 1)), TOTALS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "lake: the table has no version that is as old as the time asked for (table: orders); \
         its oldest version is 0"
    );
}

#[tokio::test]
async fn a_new_commit_is_seen_at_once_and_an_old_log_is_not_read_again() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    append(&folder, rows([1, 2], Some("a"))).await;
    let lake = Folder::new(home.path());
    let t = Table::new(lake.clone(), "orders");

    assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 30");
    let lists = |requests: &[(Operation, String)]| {
        requests.iter().filter(|(operation, _)| *operation == Operation::ListFiles).count()
    };
    let logs = |requests: &[(Operation, String)]| {
        requests
            .iter()
            .filter(|(o, key)| *o == Operation::Read && key.contains("_delta_log"))
            .count()
    };
    let cold = lake.requests();
    assert_eq!(lists(&cold), 1, "{cold:?}");

    assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 30");
    let warm = lake.requests();
    assert_eq!((lists(&warm), logs(&warm)), (1, 0), "{warm:?}");

    append(&folder, rows([3], Some("b"))).await;
    assert_eq!(t.value(None, TOTALS).await.unwrap(), "3 60");
    assert_eq!(t.value(Some(Version::Number(0)), TOTALS).await.unwrap(), "2 30");
}

#[tokio::test]
async fn a_table_made_anew_is_not_mixed_with_the_one_before() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    three_versions(&folder).await;
    let t = Table::new(Folder::new(home.path()), "orders");
    assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 50");

    fs::remove_dir_all(&folder).unwrap();
    append(&folder, rows([7], Some("z"))).await;
    assert_eq!(t.value(None, TOTALS).await.unwrap(), "1 70");
    assert_eq!(t.value(Some(Version::Number(0)), TOTALS).await.unwrap(), "1 70");
}

#[tokio::test]
async fn only_the_partitions_and_files_that_matter_are_read() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    let batches = vec![rows(0..100, Some("a")), rows(100..200, Some("b")), rows(200..300, None)];
    append_by_name(&folder, batches).await;
    append_by_name(&folder, vec![rows(300..400, Some("a"))]).await;
    let lake = Folder::new(home.path());
    let t = Table::new(lake.clone(), "orders");
    let read = || {
        let keys = lake.requests().into_iter().map(|(_, key)| key);
        let mut data: Vec<_> = keys.filter(|key| key.ends_with(".parquet")).collect();
        data.sort_unstable();
        data.dedup();
        data
    };

    let sql = "SELECT count(id) || ' ' || sum(value) FROM t WHERE name = 'b'";
    assert_eq!(t.value(None, sql).await.unwrap(), "100 149500");
    let files = read();
    assert!(matches!(files.as_slice(), [key] if key.contains("name=b")), "{files:?}");

    let sql = "SELECT count(value) FROM t WHERE id >= 350";
    assert_eq!(t.value(None, sql).await.unwrap(), "50");
    let files = read();
    assert!(matches!(files.as_slice(), [key] if key.contains("name=a")), "{files:?}");

    // A null is neither equal nor unequal.
    for (filter, count) in [
        ("name <> 'a'", "100"),
        ("NOT (name = 'a')", "100"),
        ("name IS NULL", "100"),
        ("name IS NOT NULL", "300"),
        ("name IN ('a', 'c')", "200"),
        ("name NOT IN ('a')", "100"),
        ("coalesce(name, 'x') = 'x'", "100"),
        ("name = 'a' OR id = 150", "201"),
        ("name > 'a'", "100"),
        ("name LIKE 'a%'", "200"),
        ("name IS DISTINCT FROM 'a'", "200"),
    ] {
        let sql = format!("SELECT count(*) FROM t WHERE {filter}");
        assert_eq!(t.value(None, &sql).await.unwrap(), count, "{filter}");
    }
}

#[tokio::test]
async fn columns_that_are_not_asked_for_are_not_read() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    append(&folder, rows(0..20_000, Some("a"))).await;
    let t = Table::new(Folder::new(home.path()), "orders");
    let explain = t.query(None, "EXPLAIN SELECT id FROM t WHERE id > 5 LIMIT 3").await.unwrap();
    assert!(explain.contains("projection=[id]"), "{explain}");
}

#[tokio::test]
async fn names_with_spaces_and_signs_are_taken_as_they_are() {
    let home = TempDir::new().unwrap();
    let written = home.path().join("written");
    let values = vec![rows([1], Some("a b%/#é")), rows([2], Some("x=%20"))];
    append_by_name(&written, values).await;
    for name in ["my orders", "100%", "a%20b", "c#1?x=2", "größe/日本", "t+&=;:'"] {
        let folder = home.path().join(name);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        fs::rename(&written, &folder).unwrap();
        let t = Table::new(Folder::new(home.path()), name);
        assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 30", "{name}");
        let sql = "SELECT id FROM t WHERE name = 'a b%/#é'";
        assert_eq!(t.value(None, sql).await.unwrap(), "1", "{name}");
        fs::rename(&folder, &written).unwrap();
    }
}

#[tokio::test]
async fn a_table_at_the_root_of_its_datasource() {
    let home = TempDir::new().unwrap();
    append(home.path(), rows([1, 2], Some("a"))).await;
    let t = Table::new(Folder::new(home.path()), "");
    assert_eq!(t.value(None, TOTALS).await.unwrap(), "2 30");
}

#[tokio::test]
async fn two_datasources_with_the_same_names_do_not_mix() {
    let homes = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let format = orbit_delta::format();
    let mut tables = Vec::new();
    for (n, home) in (1..).zip(&homes) {
        let folder = home.path().join("orders");
        append(&folder, rows([n], Some("a"))).await;
        // The same file names and sizes, as a copy with other content has.
        let log = fs::read_to_string(commit(&folder, 0)).unwrap();
        let start = log.find("part-").unwrap();
        let name = &log[start..start + log[start..].find('"').unwrap()];
        fs::write(commit(&folder, 0), log.replace(name, "part-0.parquet")).unwrap();
        fs::rename(folder.join(name), folder.join("part-0.parquet")).unwrap();
        let mut t = Table::new(Folder::new(home.path()), "orders");
        t.format = format.clone();
        t.scope = format!("lake {n}");
        tables.push(t);
    }
    for _ in 0..2 {
        let (one, two) = tokio::join!(tables[0].value(None, TOTALS), tables[1].value(None, TOTALS));
        assert_eq!((one.unwrap().as_str(), two.unwrap().as_str()), ("1 10", "1 20"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_commits_while_others_write() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    append(&folder, rows([0], Some("a"))).await;
    let writer = {
        let folder = folder.clone();
        tokio::spawn(async move {
            for id in 1..15 {
                append(&folder, rows([id], Some("a"))).await;
            }
        })
    };
    let t = Table::new(Folder::new(home.path()), "orders");
    let mut seen = 0;
    while !writer.is_finished() {
        let sql = "SELECT count(id) - 1 - max(id), count(id) FROM t";
        let text = t.query(None, sql).await.unwrap();
        let cells: Vec<i64> =
            text.lines().nth(3).unwrap().split('|').flat_map(|c| c.trim().parse()).collect();
        assert_eq!(cells[0], 0, "a part of the commits is missing");
        assert!(cells[1] >= seen, "an older state after a newer one");
        seen = cells[1];
    }
    writer.await.unwrap();
    assert_eq!(t.value(None, "SELECT count(id) FROM t").await.unwrap(), "15");
}

#[tokio::test]
async fn checkpoints_are_used_and_may_stand_in_for_commits() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("orders");
    for id in 0..4 {
        append(&folder, rows([id], Some("a"))).await;
    }
    let latest = deltalake::open_table(
        url::Url::from_directory_path(folder.canonicalize().unwrap()).unwrap(),
    );
    deltalake::checkpoints::create_checkpoint(&latest.await.unwrap(), None).await.unwrap();
    append(&folder, rows([4], Some("a"))).await;
    for version in 0..3 {
        fs::remove_file(commit(&folder, version)).unwrap();
    }
    let t = Table::new(Folder::new(home.path()), "orders");
    assert_eq!(t.value(None, TOTALS).await.unwrap(), "5 100");
    assert_eq!(t.value(Some(Version::Number(3)), TOTALS).await.unwrap(), "4 60");
    let error = t.query(Some(Version::Number(2)), TOTALS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint(), Some("the table has versions 3 to 4"));
}

#[tokio::test]
async fn a_cancelled_query_says_so() {
    let home = TempDir::new().unwrap();
    append(&home.path().join("orders"), rows([1], Some("a"))).await;
    let t = Table::new(Folder::new(home.path()), "orders");
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    token.cancel();
    let error = t.query_in(&cx, None, TOTALS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// What is kept of tables is bounded: the one that was not used for longest is read anew.
#[tokio::test]
async fn a_state_beyond_what_is_kept_is_read_anew() {
    const TABLES: i64 = 8;
    let home = TempDir::new().unwrap();
    for n in 0..TABLES {
        let folder = home.path().join(n.to_string());
        append(&folder, rows([n], Some("a"))).await;
        let mut log = fs::read(commit(&folder, 0)).unwrap();
        log.resize(20 << 20, b'\n');
        fs::write(commit(&folder, 0), log).unwrap();
    }
    let folder = Folder::new(home.path());
    let mut t = Table::new(folder.clone(), "");
    let mut reads_of_log = async |n: i64| {
        t.folder = n.to_string();
        assert_eq!(t.value(None, TOTALS).await.unwrap(), format!("1 {}", n * 10));
        let requests = folder.requests().into_iter();
        requests
            .filter(|(op, key)| *op != Operation::ListFiles && key.contains("_delta_log"))
            .count()
    };
    for n in 0..TABLES {
        assert!(reads_of_log(n).await > 0, "table {n}");
    }
    assert_eq!(reads_of_log(TABLES - 1).await, 0);
    assert!(reads_of_log(0).await > 0);
}
