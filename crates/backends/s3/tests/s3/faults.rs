//! Faults on the way: what breaks is mended or told, never short and never wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use orbit_core::{Context, Copy, ErrorKind, Read, ReadRanges, Reporter, Tally, WriteCondition};
use orbit_testkit::servers::{Fault, HttpAnswer, HttpServer, Proxy};

use crate::Outcome;
use crate::world::{Store, World, cx, of_endpoint, of_s3s, pattern};

const MEBIBYTE: usize = 1 << 20;

/// A file of four mebibytes, and a store behind a proxy that has done no harm yet.
async fn behind_proxy(
    world: &World,
    key: &str,
) -> Result<(Bytes, Store, Proxy), orbit_testkit::servers::ServerError> {
    let server = world.s3s().await?;
    let body = pattern(4 * MEBIBYTE);
    let direct = Store::connect(of_s3s(server, &[])).await.unwrap();
    direct.put(key, body.clone()).await.unwrap();
    let proxy = Proxy::start(server.port()).await?;
    let endpoint = proxy.endpoint();
    let changed = [("endpoint_url", endpoint.as_str()), ("response_timeout_ms", "1000")];
    let store = Store::connect(of_s3s(server, &changed)).await.unwrap();
    Ok((body, store, proxy))
}

pub(crate) async fn a_body_that_breaks_is_resumed(world: Arc<World>) -> Outcome {
    let (body, store, proxy) = behind_proxy(&world, "breaks").await?;
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&tally) as _;
    let cx = Context::builder().reporter(reporter).build().for_datasource("store");
    proxy.plan(Fault::Reset, MEBIBYTE as u64, 2);
    assert_eq!(store.read_in(&cx, "breaks").await.unwrap(), body);
    assert_eq!(proxy.done(), 2);
    let sums = tally.snapshot().remove("store").unwrap();
    assert_eq!((sums.requests, sums.retries), (3, 2));
    assert_eq!(sums.bytes_read, body.len() as u64);
    proxy.plan(Fault::Reset, 1000, 2);
    let ranges = vec![MEBIBYTE as u64..2 * MEBIBYTE as u64, 5..20];
    let request = ReadRanges { key: "breaks".to_owned(), ranges, if_match: None };
    let read = store.files().read_ranges(&cx, request).await.unwrap();
    assert_eq!(read, [body.slice(MEBIBYTE..2 * MEBIBYTE), body.slice(5..20)]);
    assert_eq!(proxy.done(), 2);
    Ok(())
}

pub(crate) async fn a_body_that_falls_silent_is_resumed(world: Arc<World>) -> Outcome {
    let (body, store, proxy) = behind_proxy(&world, "silent").await?;
    proxy.plan(Fault::Silence, MEBIBYTE as u64, 1);
    assert_eq!(store.read("silent").await.unwrap(), body);
    assert_eq!(proxy.done(), 1);
    // Silence before the answer is the retry layer's to mend, so here it is told.
    proxy.plan(Fault::Silence, 0, 1);
    assert_eq!(store.read("silent").await.unwrap_err().kind(), ErrorKind::Timeout);
    Ok(())
}

pub(crate) async fn a_body_that_is_damaged_is_an_error(world: Arc<World>) -> Outcome {
    let (body, store, proxy) = behind_proxy(&world, "damaged").await?;
    proxy.plan(Fault::Corrupt, MEBIBYTE as u64, 1);
    let error = store.read("damaged").await.unwrap_err();
    assert_eq!(proxy.done(), 1);
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
    assert_eq!(store.read("damaged").await.unwrap(), body);
    Ok(())
}

pub(crate) async fn a_file_that_changes_while_it_is_read_is_a_conflict(
    world: Arc<World>,
) -> Outcome {
    let (body, store, proxy) = behind_proxy(&world, "changes").await?;
    proxy.plan(Fault::Reset, 2 * MEBIBYTE as u64, 1);
    let request = Read { key: "changes".to_owned(), range: None, if_match: None };
    let mut read = store.files().read(&cx(), request).await.unwrap().bytes;
    let first = read.next().await.unwrap().unwrap();
    assert_eq!(first, body.slice(..first.len()));
    store.put("changes", pattern(4 * MEBIBYTE).slice(1..)).await.unwrap();
    let rest: Result<Vec<_>, _> = read.try_collect().await;
    assert_eq!(rest.unwrap_err().kind(), ErrorKind::Conflict);
    Ok(())
}

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

pub(crate) async fn a_store_that_asks_to_slow_down_is_asked_again(_: Arc<World>) -> Outcome {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let server = HttpServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0..3 => HttpAnswer::new(503, "<Error><Code>SlowDown</Code></Error>"),
        _ => HttpAnswer::new(200, EMPTY),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    Ok(())
}

pub(crate) async fn a_listing_in_a_circle_ends(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|_| {
        let page = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                    <NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
        HttpAnswer::new(200, page)
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.list("").await.unwrap_err().kind(), ErrorKind::DataInvalid);
    Ok(())
}

/// Whoever reads a listing takes for granted that each key begins with the prefix.
pub(crate) async fn a_listing_of_other_keys_is_refused(_: Arc<World>) -> Outcome {
    let beside = [
        "<Contents><Key>b</Key><Size>1</Size></Contents>",
        "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>",
    ];
    for entry in beside {
        let server = HttpServer::start(move |request| {
            match request.parameter("prefix").is_some_and(|prefix| !prefix.is_empty()) {
                true => HttpAnswer::new(200, EMPTY.replace("</List", &format!("{entry}</List"))),
                false => HttpAnswer::new(200, EMPTY),
            }
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        let error = store.list("folder/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert_eq!(error.message(), "the store listed a key that was not asked for");
    }
    Ok(())
}

/// What stands between may pack a body anew, and then no header says how long it is.
pub(crate) async fn a_file_of_unknown_length_is_not_taken_for_empty(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| match request.path.contains("list-type") {
        true => HttpAnswer::new(200, EMPTY),
        false => HttpAnswer::new(200, "4\r\nbody\r\n0\r\n\r\n")
            .with("etag", "\"1\"")
            .with("transfer-encoding", "chunked"),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let (from, to) = ("file".to_owned(), "copy".to_owned());
    let copy = Copy { from, to, condition: WriteCondition::IfAbsent };
    for told in [
        store.stat("file").await.map(drop),
        store.read("file").await.map(drop),
        store.files().copy(&cx(), copy).await,
    ] {
        let error = told.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert_eq!(error.message(), "the store's answer does not say how long the file is");
    }
    assert!(server.seen().iter().all(|request| request.method != "PUT"));
    Ok(())
}

/// A store that knows no ranges, or mixes them up.
pub(crate) async fn other_bytes_than_were_asked_for_are_refused(_: Arc<World>) -> Outcome {
    let wrong = ["bytes 0-9/100", "bytes 5-14", "bytes 5-14/*", "bytes 18446744073709551615-9/100"];
    for place in std::iter::once(None).chain(wrong.map(Some)) {
        let server = HttpServer::start(move |request| {
            let status = if place.is_some() { 206 } else { 200 };
            let answer = HttpAnswer::new(status, "0123456789").with("etag", "\"1\"");
            match place {
                _ if request.path.contains("list-type") => HttpAnswer::new(200, EMPTY),
                Some(place) => answer.with("content-range", place),
                None => answer,
            }
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        let request =
            ReadRanges { key: "file".to_owned(), ranges: vec![5..9, 12..15], if_match: None };
        let error = store.files().read_ranges(&cx(), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{place:?}: {error}");
        let seen = server.seen();
        assert_eq!(seen.iter().filter(|request| request.header("range").is_some()).count(), 1);
    }
    Ok(())
}
