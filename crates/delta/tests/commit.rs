//! Commits whose answers are lost: each is read again before anybody is told of a conflict.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod support;
#[path = "support/write.rs"]
mod write;

use orbit_core::{Error, ErrorKind, WriteEffect};
use orbit_engine::{TableAnswer, TableCommand, TableWrite, WriteColumns, WriteMode};
use support::{Folder, Lost, Table};
use tempfile::TempDir;
use write::{append, rows};

const COUNT: &str = "SELECT count(id) FROM t";

async fn add(table: &Table, id: i64) -> Result<u64, Error> {
    let write = TableWrite { mode: WriteMode::Append, columns: WriteColumns::Keep };
    let answer = table.command(TableCommand::Write(write), Some(rows([id], Some("x")))).await?;
    match answer {
        TableAnswer::Changed(change) => Ok(change.version.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_stands_is_no_conflict() {
    for lost in [Lost::Written, Lost::SentAgain] {
        let home = TempDir::new().unwrap();
        append(&home.path().join("orders"), rows([1], Some("a"))).await;
        let lake = Folder::new(home.path());
        let table = Table::new(lake.clone(), "orders");
        lake.lose_commit(lost);
        assert_eq!(add(&table, 2).await.unwrap(), 1, "{lost:?}");
        assert_eq!(add(&table, 3).await.unwrap(), 2, "{lost:?}");
        assert_eq!(table.value(None, COUNT).await.unwrap(), "3", "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_which_nobody_knows_is_reported_so() {
    let home = TempDir::new().unwrap();
    append(&home.path().join("orders"), rows([1], Some("a"))).await;
    let lake = Folder::new(home.path());
    let table = Table::new(lake.clone(), "orders");
    lake.lose_commit(Lost::NotWritten);
    let error = add(&table, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.write_effect(), Some(WriteEffect::Unknown), "{error}");
    assert!(error.context().any(|c| c == ("version", "1")), "{error}");
    assert_eq!(table.value(None, COUNT).await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writers_commit_is_followed() {
    let home = TempDir::new().unwrap();
    append(&home.path().join("orders"), rows([1], Some("a"))).await;
    let table = Table::new(Folder::new(home.path()), "orders");
    assert_eq!(table.value(None, COUNT).await.unwrap(), "1");
    append(&home.path().join("orders"), rows([2], Some("a"))).await;
    assert_eq!(add(&table, 3).await.unwrap(), 2);
    append(&home.path().join("orders"), rows([4], Some("a"))).await;
    assert_eq!(table.value(None, COUNT).await.unwrap(), "4");
}
