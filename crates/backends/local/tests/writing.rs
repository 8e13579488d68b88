//! Writing: whole or not at all, under its condition, and nothing left behind.

mod common;

use std::sync::Arc;
use std::time::Duration;

use WriteCondition::{Always, IfAbsent, IfMatch};
use bytes::Bytes;
use common::{Lake, connect, cx, on_disk};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use orbit_core::{
    Context, Copy, Delete, Error, ErrorKind, Tally, Write, WriteCondition, WriteEffect,
};

fn streaming(key: &str, body: Vec<orbit_core::Result<Bytes>>, ends: bool) -> Write {
    let body = stream::iter(body);
    let body = if ends { body.boxed() } else { body.chain(stream::pending()).boxed() };
    Write { key: key.to_owned(), condition: Always, body, size_hint_bytes: None }
}

#[tokio::test]
async fn a_write_makes_its_folders_and_replaces_what_was_there() {
    let lake = Lake::new().await;
    let first = lake.write("a/b c/ü#%20.csv", "one", Always).await.unwrap();
    assert_eq!(lake.read("a/b c/ü#%20.csv").await.unwrap(), "one");
    let second = lake.write("a/b c/ü#%20.csv", "two!", Always).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(second.size_bytes, 4);
    assert_eq!(on_disk(&lake.root()), ["a/b c/ü#%20.csv"]);
    assert_eq!(lake.write("empty", "", Always).await.unwrap().size_bytes, 0);
}

#[tokio::test]
async fn a_long_body_is_written_in_order_and_counted() {
    let lake = Lake::new().await;
    let tally = Arc::new(Tally::default());
    let cx = Context::builder().reporter(Arc::clone(&tally) as _).build().for_datasource("lake");
    let chunks: Vec<_> = (0..50_u8).map(|i| Bytes::from(vec![i; 77_777])).collect();
    let body = chunks.iter().cloned().map(Ok).collect();
    let info = lake.files().write(&cx, streaming("k", body, true)).await.unwrap();
    assert_eq!(info.size_bytes, 50 * 77_777);
    assert_eq!(lake.read("k").await.unwrap(), chunks.concat());
    let sums = tally.snapshot()["lake"].clone();
    assert_eq!((sums.requests, sums.bytes_written), (1, 50 * 77_777));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_writers_that_want_to_be_first_one_wins() {
    let lake = Arc::new(Lake::new().await);
    for round in 0..20 {
        let key = format!("_delta_log/{round:020}.json");
        let writers = (0..16).map(|i| {
            let (lake, key) = (Arc::clone(&lake), key.clone());
            tokio::spawn(async move { lake.write(&key, &i.to_string(), IfAbsent).await })
        });
        let outcomes: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..16).filter(|i| outcomes[*i].is_ok()).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(lake.read(&key).await.unwrap(), winners[0].to_string());
        let lost = outcomes.into_iter().filter_map(Result::err);
        for error in lost {
            let effect = Some(WriteEffect::None);
            assert_eq!((error.kind(), error.write_effect()), (ErrorKind::AlreadyExists, effect));
        }
    }
    assert_eq!(on_disk(&lake.root()).len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_writers_over_one_tag_one_wins() {
    let lake = Arc::new(Lake::new().await);
    let mut tag = lake.write("k", "start", Always).await.unwrap().etag.unwrap();
    for round in 0..20 {
        let writers = (0..16).map(|i| {
            let (lake, condition) = (Arc::clone(&lake), IfMatch(tag.clone()));
            let content = format!("{round:02}-{i:02} {}", "x".repeat(round));
            tokio::spawn(async move { lake.write("k", &content, condition).await })
        });
        let outcomes = join_all(writers).await.into_iter().map(Result::unwrap);
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|e| e.unwrap_err().kind() == ErrorKind::Conflict));
        tag = lake.stat("k").await.unwrap().etag.unwrap();
    }
    let missing = lake.write("missing", "", IfMatch(tag)).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Conflict);
    assert_eq!(on_disk(&lake.root()), ["k"]);
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_nothing() {
    let lake = Lake::new().await;
    lake.write("t/k", "old", Always).await.unwrap();
    let part = || Ok(Bytes::from(vec![1; 3 << 20]));

    // Dropped while it waits for more.
    let slow_cx = cx();
    let write = lake.files().write(&slow_cx, streaming("t/k", vec![part()], false));
    let dropped = tokio::time::timeout(Duration::from_millis(200), write).await;
    assert!(dropped.is_err());
    assert_eq!(on_disk(&lake.root()), ["t/k"]);

    // Out of time, and told so.
    let cx = Context::builder().timeout(Duration::from_millis(200)).build();
    let late = lake.files().write(&cx, streaming("t/k", vec![part()], false)).await.unwrap_err();
    assert_eq!((late.kind(), late.write_effect()), (ErrorKind::Timeout, Some(WriteEffect::None)));

    // A body that fails.
    let fault = Err(Error::new(ErrorKind::DataInvalid, "the body broke"));
    let write = streaming("t/new", vec![part(), fault], true);
    let failed = lake.files().write(&common::cx(), write).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::DataInvalid);

    assert_eq!(on_disk(&lake.root()), ["t/k"]);
    assert_eq!(lake.read("t/k").await.unwrap(), "old");
}

#[tokio::test]
async fn a_draft_is_never_seen() {
    let lake = Lake::new().await;
    let slow_cx = cx();
    let body = vec![Ok(Bytes::from(vec![1; 3 << 20]))];
    let write = lake.files().write(&slow_cx, streaming("t/k", body, false));
    tokio::pin!(write);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut write).await.is_err());
    assert_eq!(on_disk(&lake.root()).len(), 1);
    assert_eq!(lake.all().await, [""; 0]);
    assert_eq!(lake.stat("t/k").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn files_and_folders_do_not_take_each_others_names() {
    let lake = Lake::new().await;
    lake.write("a/b", "file", Always).await.unwrap();
    let over_folder = lake.write("a", "new", Always).await.unwrap_err();
    assert_eq!(over_folder.kind(), ErrorKind::Unsupported);
    insta::assert_snapshot!(over_folder, @"a folder has this name, so no file can (key: a)");
    let under_file = lake.write("a/b/c/d", "new", Always).await.unwrap_err();
    assert_eq!(under_file.kind(), ErrorKind::Unsupported);
    insta::assert_snapshot!(under_file, @"a file stands where the key needs a folder (key: a/b/c/d)");
    let taken = lake.write("a/b", "new", IfAbsent).await.unwrap_err();
    insta::assert_snapshot!(taken, @"the file exists already (key: a/b)");
    assert_eq!(on_disk(&lake.root()), ["a/b"]);
}

#[tokio::test]
async fn a_copy_is_a_file_of_its_own() {
    let lake = Lake::new().await;
    lake.write("a", "content", Always).await.unwrap();
    let copy = async |from: &str, to: &str, condition| {
        let (from, to) = (from.to_owned(), to.to_owned());
        lake.files().copy(&cx(), Copy { from, to, condition }).await
    };
    copy("a", "deep/b", IfAbsent).await.unwrap();
    let taken = copy("a", "deep/b", IfAbsent).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    copy("a", "a", Always).await.unwrap();
    let missing = copy("missing", "c", Always).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.write_effect(), Some(WriteEffect::None));
    lake.write("a", "changed", Always).await.unwrap();
    assert_eq!(lake.read("deep/b").await.unwrap(), "content");
    assert_eq!(on_disk(&lake.root()), ["a", "deep/b"]);
}

#[tokio::test]
async fn deleting_answers_for_each_key() {
    let lake = Lake::new().await;
    for key in ["a", "t/b", "t/c"] {
        lake.write(key, "", Always).await.unwrap();
    }
    let keys = ["t/b", "missing", "t", "a/under/a/file", "../x", "a"].map(str::to_owned);
    let outcomes = lake.files().delete(&cx(), Delete { keys: keys.to_vec() }).await.unwrap();
    assert!(outcomes.iter().map(|o| &o.key).eq(&keys));
    let kinds: Vec<_> = outcomes.iter().map(|o| o.result.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [None, None, None, None, Some(ErrorKind::NotFound), None]);
    assert_eq!(on_disk(&lake.root()), ["t/c"]);
    lake.files().delete(&cx(), Delete { keys: vec!["t/c".to_owned()] }).await.unwrap();
    assert!(lake.root().join("t").is_dir());
    assert_eq!(lake.all().await, [""; 0]);
}

#[tokio::test]
async fn writes_can_wait_for_the_disk() {
    let lake = Lake::new().await;
    let root = lake.root().display().to_string();
    let datasource = connect(&[("path", &[&root]), ("sync_writes", &["true"])]).await.unwrap();
    let lake = Lake { datasource, ..lake };
    lake.write("t/k", "one", IfAbsent).await.unwrap();
    let tag = lake.stat("t/k").await.unwrap().etag.unwrap();
    lake.write("t/k", "two", IfMatch(tag)).await.unwrap();
    assert_eq!(lake.read("t/k").await.unwrap(), "two");
}
