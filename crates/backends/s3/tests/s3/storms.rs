//! Stores and ways that fail again and again: what comes through is that of a calm day, or an
//! error says in time that it did not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orbit_core::{
    Context, ErrorKind, Read, ReadRanges, Reporter, Retry, Tally, WriteCondition, WriteEffect,
};
use orbit_testkit::servers::{Fault, HttpAnswer, HttpRequest, HttpServer, Proxy, ServerError};

use crate::Outcome;
use crate::world::{Store, World, cx, of_endpoint, of_moto, of_s3s, pattern};

const MEBIBYTE: usize = 1 << 20;
const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code></Error>";

fn within(timeout: Duration) -> Context {
    Context::builder().timeout(timeout).build()
}

/// The range of a request for a file that holds `body`, as a store answers it.
pub(crate) fn ranged(request: &HttpRequest, body: &Bytes) -> HttpAnswer {
    let asked = request.header("range").and_then(|text| text.strip_prefix("bytes="));
    let Some((from, to)) = asked.and_then(|range| range.split_once('-')) else {
        return HttpAnswer::new(200, body.to_vec()).with("etag", "\"1\"");
    };
    let from: usize = from.parse().unwrap();
    let to = body.len().min(to.parse().map_or(body.len(), |to: usize| to + 1));
    HttpAnswer::new(206, body.slice(from..to).to_vec())
        .with("etag", "\"1\"")
        .with("content-range", format!("bytes {from}-{}/{}", to - 1, body.len()))
}

/// Every other answer is a refusal.
pub(crate) async fn ranges_through_a_storm_are_those_of_the_calm(_: Arc<World>) -> Outcome {
    let body = pattern(8 * MEBIBYTE);
    let (asked, content) = (AtomicU32::new(0), body.clone());
    let server = HttpServer::start(move |request| {
        if request.path.contains("list-type") {
            return HttpAnswer::new(200, EMPTY);
        }
        match asked.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => HttpAnswer::new(503, SLOW_DOWN),
            _ => ranged(request, &content),
        }
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&tally) as _;
    let cx = Context::builder().reporter(reporter).timeout(Duration::from_secs(60)).build();
    let ranges: Vec<_> = (0..4).map(|i| i << 21).map(|at| at..at + 1000).collect();
    let request = ReadRanges { key: "file".to_owned(), ranges: ranges.clone(), if_match: None };
    let read = store.files().read_ranges(&cx, request).await.unwrap();
    let expected: Vec<_> =
        ranges.iter().map(|r| body.slice(r.start as usize..r.end as usize)).collect();
    assert_eq!(read, expected);
    let sums = tally.snapshot().into_values().next().unwrap();
    assert_eq!(sums.bytes_read, 4000);
    assert!(sums.retries >= 3 && sums.requests == 4 + sums.retries, "{sums:?}");
    Ok(())
}

pub(crate) async fn a_storm_without_end_is_told_in_time(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|_| HttpAnswer::new(503, SLOW_DOWN)).await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let begin = Instant::now();
    let error = store.list("").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Exhausted));
    assert_eq!(server.seen().len(), 6, "once, and five times again");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let begin = Instant::now();
    let request = ReadRanges { key: "k".to_owned(), ranges: vec![0..4, 9..12], if_match: None };
    let read = store.files().read_ranges(&within(Duration::from_millis(500)), request).await;
    // Nobody waits for what the time does not suffice for; it may run out in a request all the same.
    let kind = read.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::RateLimited | ErrorKind::Timeout), "{kind}");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    Ok(())
}

async fn dripping(
    world: &World,
    key: &str,
    from_byte: usize,
) -> Result<(Bytes, Store, Proxy), ServerError> {
    let server = world.s3s().await?;
    let body = pattern(4 * MEBIBYTE);
    Store::connect(of_s3s(server, &[])).await.unwrap().put(key, body.clone()).await.unwrap();
    let proxy = Proxy::start(server.port()).await?;
    let endpoint = proxy.endpoint();
    let changed = [("endpoint_url", endpoint.as_str()), ("response_timeout_ms", "1000")];
    let store = Store::connect(of_s3s(server, &changed)).await.unwrap();
    proxy.plan(Fault::Drip, from_byte as u64, 1);
    Ok((body, store, proxy))
}

/// Slow is not silent: nothing is asked for again, and the caller's own limit is what ends it.
pub(crate) async fn a_body_that_drips_comes_whole_or_ends_in_time(world: Arc<World>) -> Outcome {
    let (body, store, proxy) = dripping(&world, "drips", 3 * MEBIBYTE).await?;
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&tally) as _;
    let cx = Context::builder().reporter(reporter).build();
    let begin = Instant::now();
    assert_eq!(store.read_in(&cx, "drips").await.unwrap(), body);
    assert!(begin.elapsed() > Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!((proxy.done(), tally.snapshot()[""].retries), (1, 0));
    let (_, store, proxy) = dripping(&world, "drips on", MEBIBYTE).await?;
    let begin = Instant::now();
    let read = store.read_in(&within(Duration::from_millis(1500)), "drips on").await;
    assert_eq!((read.unwrap_err().kind(), proxy.done()), (ErrorKind::Timeout, 1));
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    Ok(())
}

/// A store whose answers promise more bytes than they have.
pub(crate) async fn a_body_that_is_always_short_is_an_error(_: Arc<World>) -> Outcome {
    let body = pattern(1000);
    let server = HttpServer::start(move |request| {
        if request.path.contains("list-type") {
            return HttpAnswer::new(200, EMPTY);
        }
        let mut answer = ranged(request, &body);
        let promised = answer.body.len();
        let from = 1000 - promised;
        answer.body.truncate(500_usize.saturating_sub(from));
        answer.with("content-length", promised.to_string())
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let error = store.read("file").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert!(error.to_string().contains("key: file"), "{error}");
    let asked: Vec<_> =
        server.seen().iter().map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(asked.len(), 6, "once, and five times from where it stopped");
    assert!(asked[1..].iter().all(|r| r.as_deref() == Some("bytes=500-999")), "{asked:?}");
    Ok(())
}

pub(crate) async fn a_file_that_changed_since_it_was_listed_is_a_conflict(
    world: Arc<World>,
) -> Outcome {
    // One of the two stores does not heed the condition of a read.
    for node in [of_s3s(world.s3s().await?, &[]), of_moto(world.moto().await?, &[])] {
        let store = Store::connect(node).await.unwrap();
        let listed = store.put("listed", pattern(100)).await.unwrap();
        store.put("listed", pattern(200)).await.unwrap();
        let (key, if_match) = (listed.key, listed.etag);
        assert!(if_match.is_some());
        let read = Read { key: key.clone(), range: None, if_match: if_match.clone() };
        let error = store.files().read(&cx(), read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let ranges = ReadRanges { key, ranges: vec![0..10, 50..60], if_match };
        let error = store.files().read_ranges(&cx(), ranges).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains("key: listed"), "{error}");
    }
    Ok(())
}

/// The store's 409 says that nothing was written and that another write is under way.
pub(crate) async fn a_write_that_meets_another_is_sent_again(_: Arc<World>) -> Outcome {
    const CONFLICT: &str = "<Error><Code>ConditionalRequestConflict</Code></Error>";
    for (conflicts, works) in [(2, true), (u32::MAX, false)] {
        let puts = AtomicU32::new(0);
        let server = HttpServer::start(move |request| match request.method.as_str() {
            "PUT" if puts.fetch_add(1, Ordering::SeqCst) < conflicts => {
                HttpAnswer::new(409, CONFLICT)
            }
            "GET" => HttpAnswer::new(200, EMPTY),
            _ => HttpAnswer::new(200, "").with("etag", "\"1\""),
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        let put = store.put_if("commit", Bytes::from_static(b"x"), WriteCondition::IfAbsent).await;
        let sent: Vec<_> = server.seen().into_iter().filter(|r| r.method == "PUT").collect();
        assert!(sent.iter().all(|r| r.header("if-none-match") == Some("*")));
        match works {
            true => assert_eq!((put.unwrap().size_bytes, sent.len()), (1, 3)),
            false => {
                let error = put.unwrap_err();
                assert_eq!((error.kind(), sent.len()), (ErrorKind::Conflict, 6));
                assert_eq!(error.write_effect(), Some(WriteEffect::None));
            }
        }
    }
    Ok(())
}
