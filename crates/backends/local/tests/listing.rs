//! Listing: order, pages, prefixes, and what is left out.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use common::Lake;
use futures::StreamExt;
use orbit_core::{Context, ErrorKind, FileEntry, ListFiles, WriteCondition};
use tokio_util::sync::CancellationToken;

fn asked(prefix: &str, delimited: bool, start_after: Option<&str>) -> ListFiles {
    let start_after = start_after.map(str::to_owned);
    ListFiles { prefix: prefix.to_owned(), delimited, start_after }
}

/// What a listing must say, worked out from all keys.
fn expected(keys: &BTreeSet<String>, request: &ListFiles) -> Vec<String> {
    let wanted = keys.iter().filter(|key| {
        key.starts_with(&request.prefix)
            && request.start_after.as_deref().is_none_or(|start| key.as_str() > start)
    });
    let mut entries: Vec<String> = Vec::new();
    for key in wanted {
        let slash = key[request.prefix.len()..].find('/');
        let entry = match slash {
            Some(slash) if request.delimited => &key[..=request.prefix.len() + slash],
            _ => key,
        };
        if entries.last().is_none_or(|last| last != entry) {
            entries.push(entry.to_owned());
        }
    }
    entries
}

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes_whatever_is_asked() {
    let lake = Lake::new().await;
    let keys = [
        "a.b",
        "a/b",
        "a0",
        "a/b.c/d",
        "a/b/c",
        "a/ b",
        "a!/x",
        "A/z",
        "ä/ö ü.csv",
        "z%20/%/#1",
        "a-/b",
        "b c/d#e",
        "ab/c",
        "a/b-/x",
        ".hidden",
        ".orbit-draft-1/x",
        "日本/語",
    ];
    let keys: BTreeSet<_> = keys.iter().filter(|k| **k != "a/b").map(|k| (*k).to_owned()).collect();
    for key in &keys {
        lake.plant(key, "");
    }
    std::fs::create_dir_all(lake.root().join("empty/inside")).unwrap();
    assert_eq!(lake.all().await, keys.iter().cloned().collect::<Vec<_>>());

    let prefixes = ["", "a", "a/", "a/b", "a/b/", "a.b", "ab", "ä", "nothing/", "a/b/c/", "z%20/%"];
    let starts = keys.iter().map(String::as_str).chain(["", "a/", "a/b", "a/b/", "b", "~", "語"]);
    let starts: Vec<_> = starts.map(Some).chain([None]).collect();
    for prefix in prefixes {
        for start in &starts {
            for delimited in [false, true] {
                let request = asked(prefix, delimited, *start);
                let expected = expected(&keys, &request);
                assert_eq!(lake.list(request.clone()).await, expected, "{request:?}");
            }
        }
    }
}

#[tokio::test]
async fn names_before_and_after_the_slash_are_not_mixed_up() {
    let lake = Lake::new().await;
    for key in ["a.b", "a/b", "a0"] {
        lake.plant(key, "");
    }
    assert_eq!(lake.all().await, ["a.b", "a/b", "a0"]);
}

#[tokio::test]
async fn ten_thousand_files_come_in_pages() {
    let lake = Lake::new().await;
    // Names of one file: much quicker to make than as many files.
    lake.plant("one", "");
    for part in 0..4 {
        let folder = lake.root().join(format!("t/part={part}"));
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..2500 {
            let name = folder.join(format!("{i:05}.parquet"));
            std::fs::hard_link(lake.root().join("one"), name).unwrap();
        }
    }
    let pages = lake.pages(asked("t/", false, None)).await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).max(), Some(1000));
    assert_eq!(pages.len(), 10);
    let keys: Vec<_> = pages
        .into_iter()
        .flatten()
        .map(|entry| match entry {
            FileEntry::File(info) => info.key,
            FileEntry::Prefix(prefix) => panic!("a prefix {prefix}"),
        })
        .collect();
    assert!(keys.is_sorted() && keys.len() == 10_000, "{}", keys.len());

    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let mut stream = lake.files().list(&cx, ListFiles::default()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    token.cancel();
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn strange_prefixes_are_empty_listings() {
    let lake = Lake::new().await;
    lake.plant("a/b", "");
    lake.plant("../outside.csv", "");
    let long = format!("{}/", "x".repeat(300));
    for prefix in ["..", "../", "/", "a//", "./", "a/../", "a/b/", "a\0/", "c/d/e", &long] {
        assert_eq!(lake.list(asked(prefix, false, None)).await, [""; 0], "{prefix:?}");
        assert_eq!(lake.list(asked(prefix, true, None)).await, [""; 0], "{prefix:?}");
    }
}

#[tokio::test]
async fn links_inside_are_followed_and_circles_end() {
    let lake = Lake::new().await;
    lake.plant("v2/x.csv", "1");
    symlink("v2", lake.root().join("current")).unwrap();
    symlink("../v2/x.csv", lake.root().join("v2/same.csv")).unwrap();
    symlink("..", lake.root().join("v2/up")).unwrap();
    symlink(".", lake.root().join("v2/self")).unwrap();
    symlink("loop", lake.root().join("loop")).unwrap();
    symlink("nowhere", lake.root().join("dangling")).unwrap();
    let keys = ["current/same.csv", "current/x.csv", "v2/same.csv", "v2/x.csv"];
    assert_eq!(lake.all().await, keys);
    assert_eq!(lake.list(asked("v2/", false, None)).await, keys[2..]);
    assert_eq!(lake.list(asked("", true, None)).await, ["current/", "v2/"]);
    assert_eq!(lake.list(asked("v2/", true, None)).await, keys[2..]);
    assert_eq!(lake.list(asked("v2/up/", false, None)).await, [""; 0]);
    assert_eq!(lake.read("current/same.csv").await.unwrap(), "1");
    lake.write("current/deep/y.csv", "2", WriteCondition::IfAbsent).await.unwrap();
    assert_eq!(lake.read("v2/deep/y.csv").await.unwrap(), "2");
    for missing in ["loop", "dangling"] {
        assert_eq!(lake.stat(missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_is_no_regular_file_or_no_text_is_left_out() {
    let lake = Lake::new().await;
    lake.plant("x.csv", "");
    std::fs::write(lake.root().join(OsStr::from_bytes(b"\xff.csv")), "").unwrap();
    let pipe = lake.root().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let _socket = UnixListener::bind(lake.root().join("socket")).unwrap();
    assert_eq!(lake.all().await, ["x.csv"]);
    assert_eq!(lake.read("socket").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(lake.stat("pipe").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(lake.read("pipe").await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_listing_tells_what_stat_tells() {
    let lake = Lake::new().await;
    let written = lake.write("t/x.csv", "12345", WriteCondition::Always).await.unwrap();
    let stat = lake.stat("t/x.csv").await.unwrap();
    let pages = lake.pages(ListFiles::default()).await.unwrap();
    assert_eq!(pages, [[FileEntry::File(stat.clone())]]);
    assert_eq!(stat, written);
    assert_eq!(stat.size_bytes, 5);
    assert!(stat.modified.elapsed().unwrap().as_secs() < 60);
    assert_eq!(lake.files().capability(), orbit_local::BACKEND.capability.files.unwrap());
}
