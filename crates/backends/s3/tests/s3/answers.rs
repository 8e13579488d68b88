//! Answers that are too long or go in a circle, and those that tell a region badly or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use insta::assert_snapshot;
use orbit_core::{Delete, ErrorKind, WriteEffect};
use orbit_testkit::servers::{HttpAnswer, HttpRequest, HttpServer};

use crate::Outcome;
use crate::world::{Store, World, cx, of_endpoint, pattern, refused};

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

const ELSEWHERE: &str =
    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";

/// More than is read of an answer that is no file.
const LENGTH: usize = 17 << 20;

pub(crate) async fn what_is_read_whole_is_bounded_and_a_file_is_not(_: Arc<World>) -> Outcome {
    let long = Bytes::from(vec![b' '; LENGTH]);
    let server = HttpServer::start(move |request| match request.route() {
        "/bucket/secret" => HttpAnswer::new(403, long.clone()),
        _ => HttpAnswer::new(200, long.clone()),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.read("file").await.unwrap().len(), LENGTH);
    let keys = vec!["file".to_owned()];
    let deleted = store.files().delete(&cx(), Delete { keys }).await.unwrap_err();
    assert_eq!(deleted.write_effect(), Some(WriteEffect::Unknown));
    let secret = store.read("secret").await.unwrap_err();
    let before = server.seen().len();
    let listed = store.list("").await.unwrap_err();
    assert_eq!(server.seen().len() - before, 1, "asked for once more it is as long");
    assert_snapshot!(listed, @"the service's answer has more than 16777216 bytes (bucket: bucket); see whether `endpoint_url` is that of the service");
    for error in [deleted, secret, listed] {
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    }
    Ok(())
}

pub(crate) async fn what_gives_out_credentials_is_bounded(_: Arc<World>) -> Outcome {
    let long = Bytes::from(vec![b' '; LENGTH]);
    let sts = HttpServer::start(move |_| HttpAnswer::new(200, long.clone())).await?;
    let store = HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await?;
    let url = sts.endpoint();
    let arn = "arn:aws:iam::123456789012:role/reader";
    let more = [("role_arn", arn), ("sts_endpoint_url", url.as_str())];
    let error = refused(of_endpoint(&store.endpoint(), &more)).await;
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(store.seen().is_empty());
    Ok(())
}

/// What breaks off may hold any key: only what cannot be parsed is asked for in an encoding,
/// which stores exist that do not know.
pub(crate) async fn a_listing_that_breaks_off_is_asked_for_again_as_it_was(
    _: Arc<World>,
) -> Outcome {
    let page =
        EMPTY.replace("</List", "<Contents><Key>a+b%20</Key><Size>1</Size></Contents></List");
    let (asked, whole) = (AtomicU32::new(0), page.clone());
    let server = HttpServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => HttpAnswer::new(200, whole.clone()).cut_at(40),
        _ => HttpAnswer::new(200, whole.clone()),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["a+b%20"]);
    assert!(server.seen().iter().all(|request| request.parameter("encoding-type").is_none()));
    let broken = HttpServer::start(move |_| HttpAnswer::new(200, page.clone()).cut_at(40)).await?;
    let store = Store::connect(of_endpoint(&broken.endpoint(), &[])).await.unwrap();
    let error = store.0.ping(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_snapshot!(error, @"the connection to the service broke (bucket: bucket)");
    Ok(())
}

/// The token that follows the one that was sent: three of them, of which the last two alternate.
pub(crate) async fn a_listing_in_a_longer_circle_ends(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| {
        let next = match request.parameter("continuation-token") {
            None => "first",
            Some("second") => "third",
            Some(_) => "second",
        };
        let page = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken>\
             <Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>"
        );
        HttpAnswer::new(200, page)
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let error = store.list("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert_eq!(error.message(), "the store's listing goes in a circle");
    assert!(server.seen().len() <= 9, "{} pages of three", server.seen().len());
    Ok(())
}

/// No request can be sent to such a region, so one such answer would stop all that come after.
pub(crate) async fn a_region_that_is_none_is_not_gone_to(_: Arc<World>) -> Outcome {
    let header = HttpAnswer::new(301, "").with("x-amz-bucket-region", "store.example.com/");
    let text = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>-</Region></Error>";
    for (answer, kind) in
        [(header, ErrorKind::ConfigInvalid), (HttpAnswer::new(400, text), ErrorKind::Unexpected)]
    {
        let asked = AtomicU32::new(0);
        let server = HttpServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => answer.clone(),
            _ => HttpAnswer::new(200, EMPTY),
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        assert_eq!(store.list("").await.unwrap_err().kind(), kind);
        assert_eq!(store.list("").await.unwrap(), [""; 0]);
        assert_eq!(server.seen().len(), 2);
    }
    Ok(())
}

/// The answer to a HEAD has a region only in a header, which not every store sends.
pub(crate) async fn a_stat_learns_the_region_from_another_answer(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| {
        let signed = request.header("authorization").unwrap_or_default();
        match (request.method.as_str(), signed.contains("/eu-west-3/s3/")) {
            ("HEAD", true) => HttpAnswer::new(200, "x").with("etag", "\"1\""),
            ("HEAD", false) => HttpAnswer::new(400, ""),
            (_, true) => HttpAnswer::new(200, EMPTY),
            (_, false) => HttpAnswer::new(400, ELSEWHERE),
        }
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.stat("file").await.unwrap().size_bytes, 1);
    let methods: Vec<_> = server.seen().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["HEAD", "GET", "GET", "HEAD"]);
    Ok(())
}

/// A store may refuse a long body before it has come whole, and then its answer is lost.
pub(crate) async fn no_long_body_is_sent_to_a_region_that_was_guessed(_: Arc<World>) -> Outcome {
    let is_there = |request: &HttpRequest| {
        request.header("authorization").is_some_and(|signed| signed.contains("/eu-west-3/s3/"))
    };
    let server = HttpServer::start(move |request| match request.method.as_str() {
        _ if !is_there(request) => HttpAnswer::new(400, ELSEWHERE),
        "GET" => HttpAnswer::new(200, EMPTY),
        _ => HttpAnswer::new(200, "").with("etag", "\"1\""),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    store.put("file", pattern(100 << 10)).await.unwrap();
    let puts: Vec<_> = server.seen().into_iter().filter(|r| r.method == "PUT").collect();
    assert_eq!(puts.len(), 1);
    assert!(is_there(&puts[0]));
    Ok(())
}
