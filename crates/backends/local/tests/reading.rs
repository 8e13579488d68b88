//! Reading: ranges, tags, and what is told of it.

mod common;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use common::{Lake, cx};
use futures::{StreamExt, TryStreamExt};
use orbit_core::{
    ByteRange, Context, ErrorKind, Operation, Presign, PresignMethod, Read, ReadRanges, Result,
    Tally, WriteCondition,
};
use tokio_util::sync::CancellationToken;

fn read(key: &str, range: Option<Range<u64>>, if_match: Option<&str>) -> Read {
    Read {
        key: key.to_owned(),
        range: range.map(ByteRange::Bounded),
        if_match: if_match.map(str::to_owned),
    }
}

async fn ranges(
    lake: &Lake,
    ranges: &[Range<u64>],
    if_match: Option<String>,
) -> Result<Vec<Bytes>> {
    let request = ReadRanges { key: "k".to_owned(), ranges: ranges.to_vec(), if_match };
    lake.files().read_ranges(&cx(), request).await
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_and_refused_after_it() {
    let lake = Lake::new().await;
    lake.plant("k", "0123456789");
    let part = async |range| lake.read_with(read("k", Some(range), None)).await;
    assert_eq!(part(2..5).await.unwrap(), "234");
    assert_eq!(part(8..u64::MAX).await.unwrap(), "89");
    assert_eq!(part(10..20).await.unwrap(), "");
    assert_eq!(part(11..20).await.unwrap_err().kind(), ErrorKind::QueryInvalid);
    let several = ranges(&lake, &[7..10, 0..1, 4..4, 0..10], None).await.unwrap();
    assert_eq!(several, ["789", "0", "", "0123456789"]);
    let beyond = ranges(&lake, &[0..1, 9..11], None).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::QueryInvalid);
    insta::assert_snapshot!(beyond, @"the range does not lie within the file (range: 9..11, size_bytes: 10, key: k)");
    assert_eq!(lake.read("folder").await.unwrap_err().kind(), ErrorKind::NotFound);
    lake.plant("folder/x", "");
    assert_eq!(lake.read("folder").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(lake.read("folder/x").await.unwrap(), "");
    assert_eq!(lake.read("folder/x/y").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_long_file_streams_in_chunks_and_is_counted() {
    let lake = Lake::new().await;
    let content: Vec<u8> = (0..5_000_001_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(lake.root().join("k"), &content).unwrap();
    let tally = Arc::new(Tally::default());
    let cx = Context::builder().reporter(Arc::clone(&tally) as _).build().for_datasource("lake");
    let body = lake.files().read(&cx, read("k", Some(7..u64::MAX), None)).await.unwrap();
    assert_eq!((body.range, body.info.size_bytes), (7..5_000_001, 5_000_001));
    let chunks: Vec<Bytes> = body.bytes.try_collect().await.unwrap();
    assert_eq!(chunks.iter().map(Bytes::len).max(), Some(1 << 20));
    assert_eq!(chunks.concat(), content[7..]);
    let sums = tally.snapshot()["lake"].clone();
    assert_eq!((sums.requests, sums.bytes_read), (1, 4_999_994));
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_listed_is_a_conflict() {
    let lake = Lake::new().await;
    let first = lake.write("k", "old content", WriteCondition::Always).await.unwrap();
    let tag = first.etag.as_deref();
    assert_eq!(lake.read_with(read("k", None, tag)).await.unwrap(), "old content");
    assert_eq!(ranges(&lake, &[4..7, 0..3], first.etag.clone()).await.unwrap(), ["con", "old"]);

    // The same length, by another program, into the same file.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    std::fs::write(lake.root().join("k"), "new content").unwrap();
    let changed = lake.read_with(read("k", Some(0..3), tag)).await.unwrap_err();
    assert_eq!(changed.kind(), ErrorKind::Conflict);
    insta::assert_snapshot!(changed, @"the file has changed (key: k); list or stat it again and repeat");
    let changed = ranges(&lake, &[4..7, 0..3], first.etag.clone()).await.unwrap_err();
    assert_eq!(changed.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_file_that_is_changed_while_it_is_read_is_a_conflict() {
    let lake = Lake::new().await;
    std::fs::write(lake.root().join("k"), vec![7; 8 << 20]).unwrap();
    let tag = lake.stat("k").await.unwrap().etag;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let body = lake.files().read(&cx(), read("k", None, tag.as_deref())).await.unwrap();
    std::fs::write(lake.root().join("k"), vec![8; 8 << 20]).unwrap();
    let outcome: Result<Vec<Bytes>> = body.bytes.try_collect().await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_ends_in_an_error() {
    let lake = Lake::new().await;
    std::fs::write(lake.root().join("k"), vec![7; 8 << 20]).unwrap();
    let body = lake.files().read(&cx(), read("k", None, None)).await.unwrap();
    std::fs::write(lake.root().join("k"), "short").unwrap();
    let outcome: Result<Vec<Bytes>> = body.bytes.try_collect().await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_stays_the_old_one() {
    let lake = Lake::new().await;
    std::fs::write(lake.root().join("k"), vec![7; 3 << 20]).unwrap();
    let body = lake.files().read(&cx(), read("k", None, None)).await.unwrap();
    lake.write("k", "new", WriteCondition::Always).await.unwrap();
    let chunks: Vec<Bytes> = body.bytes.try_collect().await.unwrap();
    assert_eq!(chunks.concat(), vec![7; 3 << 20]);
    assert_eq!(lake.read("k").await.unwrap(), "new");
}

#[tokio::test]
async fn a_cancelled_read_ends_in_an_error() {
    let lake = Lake::new().await;
    std::fs::write(lake.root().join("k"), vec![7; 8 << 20]).unwrap();
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let mut body = lake.files().read(&cx, read("k", None, None)).await.unwrap();
    assert!(body.bytes.next().await.unwrap().is_ok());
    token.cancel();
    let ends = body.bytes.map_err(|e| e.kind()).collect::<Vec<_>>().await;
    assert_eq!(ends.last().unwrap(), &Err(ErrorKind::Cancelled));
    assert!(ends.len() <= 2);
}

#[tokio::test]
async fn there_is_no_url_for_a_local_file() {
    let lake = Lake::new().await;
    let (key, method) = ("k".to_owned(), PresignMethod::Get);
    let expires_in = std::time::Duration::from_secs(60);
    let error = lake.files().presign(&cx(), Presign { key, method, expires_in }).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unsupported, Some(Operation::Presign))
    );
}
