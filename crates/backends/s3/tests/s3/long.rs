//! Files that are long enough to be read in pieces, several at once.

use std::ops::Range;
use std::sync::Arc;

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_types::base64;
use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{ByteRange, Error, ErrorKind, Read, ReadRanges, Reporter, Tally};
use orbit_testkit::servers::{HttpAnswer, HttpServer, ServerError};

use crate::Outcome;
use crate::storms::ranged;
use crate::world::{Store, World, cx, of_endpoint, pattern};

const MEBIBYTE: usize = 1 << 20;
const LENGTH: usize = 36 * MEBIBYTE + 5;
const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

fn checksum(body: &Bytes) -> String {
    let mut sum = ChecksumAlgorithm::Crc64Nvme.into_impl();
    sum.update(body);
    base64::encode(sum.finalize())
}

/// A store with one file and its checksum.
async fn store(body: &Bytes, checksum: String) -> Result<(Store, HttpServer), ServerError> {
    let body = body.clone();
    let server = HttpServer::start(move |request| {
        if request.path.contains("list-type") {
            return HttpAnswer::new(200, EMPTY);
        }
        match request.header("range") {
            None => ranged(request, &body).with("x-amz-checksum-crc64nvme", &checksum),
            Some(_) => ranged(request, &body),
        }
    });
    let server = server.await?;
    Ok((Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap(), server))
}

/// The ranges that were asked for, in order.
fn asked(server: &HttpServer) -> Vec<String> {
    let ranges = server.seen().into_iter();
    let mut ranges: Vec<_> = ranges
        .map(|request| request.header("range").unwrap_or("whole").replace("bytes=", ""))
        .collect();
    ranges.sort_by_key(|range| range.split('-').next().and_then(|from| from.parse::<u64>().ok()));
    ranges
}

pub(crate) async fn a_long_file_comes_in_pieces_and_is_checked(_: Arc<World>) -> Outcome {
    let body = pattern(LENGTH);
    let (long, server) = store(&body, checksum(&body)).await?;
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&tally) as _;
    assert!(long.read_in(&cx().also_reporting_to(reporter), "long").await.unwrap() == body);
    assert_eq!(tally.snapshot()[""].bytes_read, LENGTH as u64);
    let pieces = [
        "whole",
        "8388608-16777215",
        "16777216-25165823",
        "25165824-33554431",
        "33554432-37748740",
    ];
    assert_eq!(asked(&server), pieces);
    let (damaged, _server) = store(&body, checksum(&body.slice(1..))).await?;
    let error = damaged.read("long").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert_eq!(error.message(), "the file's bytes do not fit their checksum");
    Ok(())
}

async fn read(store: &Store, range: Range<u64>) -> Result<Bytes, Error> {
    let request =
        Read { key: "long".to_owned(), range: Some(ByteRange::Bounded(range)), if_match: None };
    let read = store.files().read(&cx(), request).await?;
    let length = read.range.end - read.range.start;
    let chunks: Vec<Bytes> = read.bytes.try_collect().await?;
    let bytes = Bytes::from(chunks.concat());
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

pub(crate) async fn a_long_range_comes_in_pieces(_: Arc<World>) -> Outcome {
    let body = pattern(LENGTH);
    let (long, server) = store(&body, String::new()).await?;
    assert!(read(&long, 5..u64::MAX).await.unwrap() == body.slice(5..));
    assert_eq!(asked(&server)[..2], ["5-8388612", "8388613-16777220"]);
    // One that is long by its own account, and is not in the file.
    let (short, server) = store(&body.slice(..9 * MEBIBYTE), String::new()).await?;
    assert!(read(&short, 1..u64::MAX).await.unwrap() == body.slice(1..9 * MEBIBYTE));
    assert_eq!(asked(&server), ["1-8388608", "8388609-9437183"]);
    let (tiny, server) = store(&body.slice(..9), String::new()).await?;
    assert_eq!(read(&tiny, 1..u64::MAX).await.unwrap(), body.slice(1..9));
    assert_eq!(asked(&server).len(), 1);
    Ok(())
}

pub(crate) async fn what_lies_between_ranges_is_read_or_not(_: Arc<World>) -> Outcome {
    let body = pattern(3 * MEBIBYTE);
    let content = body.clone();
    let server = HttpServer::start(move |request| ranged(request, &content)).await?;
    let ranges = [0..10, 110..120, 2 * MEBIBYTE as u64..2 * MEBIBYTE as u64 + 9];
    for (gap, expected) in [(None, 2), (Some("100"), 2), (Some("99"), 3), (Some("0"), 3)] {
        let more: Vec<_> = gap.map(|gap| ("read_gap_bytes_max", gap)).into_iter().collect();
        let store = Store::connect(of_endpoint(&server.endpoint(), &more)).await.unwrap();
        let before = server.seen().len();
        let request = ReadRanges { key: "k".to_owned(), ranges: ranges.to_vec(), if_match: None };
        let read = store.files().read_ranges(&cx(), request).await.unwrap();
        let wanted = ranges.clone().map(|r| body.slice(r.start as usize..r.end as usize));
        assert_eq!(read, wanted);
        assert_eq!(server.seen().len() - before, expected, "{gap:?}");
    }
    Ok(())
}

pub(crate) async fn a_long_file_that_changes_is_a_conflict(_: Arc<World>) -> Outcome {
    let body = pattern(LENGTH);
    let server = HttpServer::start(move |request| {
        if request.path.contains("list-type") {
            return HttpAnswer::new(200, EMPTY);
        }
        match request.header("range") {
            // Not every store heeds the condition.
            Some("bytes=25165824-33554431") => {
                let mut answer = ranged(request, &body);
                answer.headers.retain(|(name, _)| name != "etag");
                answer.with("etag", "\"2\"")
            }
            _ => ranged(request, &body),
        }
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let error = store.read("long").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let conditions = server.seen().into_iter().filter(|r| r.header("range").is_some());
    assert!(conditions.into_iter().all(|r| r.header("if-match") == Some("\"1\"")));
    Ok(())
}
