//! Writes: whole or not at all, with nothing left of those that fail.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use aws_smithy_types::base64;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use insta::{allow_duplicates, assert_snapshot};
use md5::{Digest, Md5};
use orbit_core::{
    ByteStream, Copy, Delete, Error, ErrorKind, Node, Origin, Presign, PresignMethod, Result,
    Retry, Write, WriteCondition, WriteEffect,
};
use orbit_testkit::servers::{
    Fault, HttpAnswer, HttpRequest, HttpServer, Moto, Proxy, S3s, ServerError, http,
};
use orbit_testkit::settings::{map, texts};

use crate::Outcome;
use crate::world::{Store, World, cx, of_endpoint, of_moto, of_s3s, pattern};

const MEBIBYTE: usize = 1 << 20;

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
pub(crate) const BEGUN: &str =
    "<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>";
pub(crate) const ENDED: &str =
    "<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>";

/// More than two parts.
const LARGE: usize = 20 * MEBIBYTE + 7;

fn write(key: &str, body: ByteStream, condition: WriteCondition) -> Write {
    Write { key: key.to_owned(), condition, body, size_hint_bytes: None }
}

fn pieces(body: &Bytes) -> ByteStream {
    let pieces: Vec<Result<Bytes>> = (0..body.len())
        .step_by(MEBIBYTE)
        .map(|at| Ok(body.slice(at..body.len().min(at + MEBIBYTE))))
        .collect();
    stream::iter(pieces).boxed()
}

/// Whether the store has an upload that was neither completed nor removed.
async fn has_uploads(moto: &Moto) -> std::result::Result<bool, ServerError> {
    let answer = moto.ask("GET", &format!("/{}?uploads", Moto::BUCKET)).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("ListMultipartUploadsResult"), "{text}");
    Ok(text.contains("<Upload>"))
}

pub(crate) async fn a_large_file_comes_back(world: Arc<World>) -> Outcome {
    let body = pattern(LARGE);
    // The second leaves the size of the parts to a hint that is wrong.
    for size_hint_bytes in [None, Some(1)] {
        let store = Store::connect(of_s3s(world.s3s().await?, &[])).await.unwrap();
        let request = write("large", pieces(&body), WriteCondition::Always);
        let request = Write { size_hint_bytes, ..request };
        let info = store.files().write(&cx(), request).await.unwrap();
        assert_eq!(info.size_bytes, LARGE as u64);
        assert_eq!(store.stat("large").await.unwrap().size_bytes, info.size_bytes);
        assert_eq!(store.read("large").await.unwrap(), body);
    }
    Ok(())
}

pub(crate) async fn nothing_is_left_of_a_broken_upload(world: Arc<World>) -> Outcome {
    let moto = world.moto().await?;
    let store = Store::connect(of_moto(moto, &[])).await.unwrap();
    let fault = Error::new(ErrorKind::DataInvalid, "the test breaks this body");
    let body = pieces(&pattern(LARGE)).chain(stream::iter([Err(fault)])).boxed();
    let request = write("broken", body, WriteCondition::Always);
    let error = store.files().write(&cx(), request).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.write_effect()),
        (ErrorKind::DataInvalid, Some(WriteEffect::None))
    );
    store.0.close().await.unwrap();
    assert!(!has_uploads(moto).await?);
    Ok(())
}

pub(crate) async fn nothing_is_left_of_a_dropped_upload(world: Arc<World>) -> Outcome {
    let moto = world.moto().await?;
    // Left while it is begun, while parts are sent, and while the body is waited for.
    for milliseconds in [1, 20, 60, 400] {
        let store = Store::connect(of_moto(moto, &[])).await.unwrap();
        let body = pieces(&pattern(LARGE)).chain(stream::pending()).boxed();
        let cx = cx();
        let writing = store.files().write(&cx, write("dropped", body, WriteCondition::Always));
        let ended = tokio::time::timeout(Duration::from_millis(milliseconds), writing).await;
        assert!(ended.is_err(), "the write ended before its body");
        store.0.close().await.unwrap();
        assert!(!has_uploads(moto).await?, "left after {milliseconds} ms");
    }
    let store = Store::connect(of_moto(moto, &[])).await.unwrap();
    assert_eq!(store.stat("dropped").await.unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

pub(crate) async fn a_condition_holds_at_the_end_of_an_upload(_: Arc<World>) -> Outcome {
    // A server of its own: other tests leave uploads for a moment.
    let server = S3s::start().await?;
    let store = Store::connect(of_s3s(&server, &[])).await.unwrap();
    let body = pattern(LARGE);
    let create = || write("once", pieces(&body), WriteCondition::IfAbsent);
    let first = store.files().write(&cx(), create()).await.unwrap();
    let error = store.files().write(&cx(), create()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.write_effect(), Some(WriteEffect::None));
    let replace = |tag: &str| WriteCondition::IfMatch(tag.to_owned());
    let small = Bytes::from_static(b"small");
    store.put_if("once", small.clone(), replace(first.etag.as_deref().unwrap())).await.unwrap();
    let stale = write("once", pieces(&body), replace(first.etag.as_deref().unwrap()));
    let error = store.files().write(&cx(), stale).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.read("once").await.unwrap(), small);
    store.0.close().await.unwrap();
    assert_eq!(server.left_of_uploads(), [""; 0].map(std::path::PathBuf::from));
    Ok(())
}

/// A store that takes uploads in parts, and asks to wait this often at their beginning and at
/// their end; `end` is its answer when one is to become a file.
async fn taking_parts(
    asks_to_wait: u32,
    end: HttpAnswer,
) -> std::result::Result<(Store, HttpServer), ServerError> {
    let busy = [AtomicU32::new(asks_to_wait), AtomicU32::new(asks_to_wait)];
    let server = HttpServer::start(move |request| {
        let step = request.path.split_once('?').map_or("", |(_, query)| query);
        let begins = request.method == "POST" && step.starts_with("uploads");
        let ends = request.method == "POST" && step.contains("uploadId=one");
        let waits = |left: u32| left.checked_sub(1);
        let is_busy = || busy[usize::from(ends)].fetch_update(SeqCst, SeqCst, waits).is_ok();
        if (begins || ends) && is_busy() {
            return HttpAnswer::new(503, "<Error><Code>SlowDown</Code></Error>");
        }
        match request.method.as_str() {
            _ if begins => HttpAnswer::new(200, BEGUN),
            _ if ends => end.clone(),
            "DELETE" => HttpAnswer::new(204, ""),
            "GET" => HttpAnswer::new(200, EMPTY),
            _ => HttpAnswer::new(200, "").with("etag", "\"1\""),
        }
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    Ok((store, server))
}

/// How often a method was asked for with this in its query.
fn asked(server: &HttpServer, method: &str, part: &str) -> usize {
    let seen = server.seen();
    seen.iter().filter(|request| request.method == method && request.path.contains(part)).count()
}

/// The store's documentation wants the upload to begin anew, which only its caller can do.
pub(crate) async fn an_upload_that_meets_another_write_at_its_end_is_told(
    _: Arc<World>,
) -> Outcome {
    let conflict = "<Error><Code>ConditionalRequestConflict</Code></Error>";
    for condition in [WriteCondition::IfAbsent, WriteCondition::IfMatch("\"0\"".to_owned())] {
        let (store, server) = taking_parts(0, HttpAnswer::new(409, conflict)).await?;
        let request = write("met", pieces(&pattern(LARGE)), condition.clone());
        let error = store.files().write(&cx(), request).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::Never), "{error}");
        assert_eq!(error.write_effect(), Some(WriteEffect::None));
        allow_duplicates! {
            assert_snapshot!(error, @"somebody else writes the file now (key: met, code: ConditionalRequestConflict); nothing was written; write it again");
        }
        store.0.close().await.unwrap();
        assert_eq!(asked(&server, "POST", "uploadId=one"), 1);
        assert_eq!(asked(&server, "DELETE", "uploadId=one"), 1);
        let end = server
            .seen()
            .into_iter()
            .find(|r| r.path.contains("uploadId=one") && r.method == "POST");
        let header =
            if condition == WriteCondition::IfAbsent { "if-none-match" } else { "if-match" };
        assert!(end.unwrap().header(header).is_some());
    }
    Ok(())
}

/// A store that has said 200 may fail all the same, and says so in the body.
pub(crate) async fn an_upload_whose_end_fails_after_all_is_told(_: Arc<World>) -> Outcome {
    let failed = HttpAnswer::new(200, "<Error><Code>InternalError</Code></Error>");
    let (store, server) = taking_parts(0, failed).await?;
    let request = write("failed", pieces(&pattern(LARGE)), WriteCondition::Always);
    let error = store.files().write(&cx(), request).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never), "{error}");
    assert_eq!(error.write_effect(), Some(WriteEffect::Unknown));
    store.0.close().await.unwrap();
    assert_eq!(asked(&server, "POST", "uploadId=one"), 1);
    assert_eq!(asked(&server, "DELETE", "uploadId=one"), 1);
    Ok(())
}

/// A refusal that says that nothing was done is no end, neither at the beginning nor at the end.
pub(crate) async fn an_upload_that_is_asked_to_wait_goes_on(_: Arc<World>) -> Outcome {
    let (store, server) = taking_parts(1, HttpAnswer::new(200, ENDED)).await?;
    let request = write("busy", pieces(&pattern(LARGE)), WriteCondition::IfAbsent);
    assert_eq!(store.files().write(&cx(), request).await.unwrap().size_bytes, LARGE as u64);
    assert_eq!(asked(&server, "POST", "uploads"), 2);
    assert_eq!(asked(&server, "POST", "uploadId=one"), 2);
    assert_eq!(asked(&server, "DELETE", ""), 0);
    Ok(())
}

pub(crate) async fn a_lost_answer_is_told_as_unknown(world: Arc<World>) -> Outcome {
    let server = world.s3s().await?;
    let proxy = Proxy::start(server.port()).await?;
    let endpoint = proxy.endpoint();
    let store = Store::connect(of_s3s(server, &[("endpoint_url", &endpoint)])).await.unwrap();
    proxy.plan(Fault::Reset, 0, 1);
    let error = store.put("lost", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(proxy.done(), 1);
    assert_eq!(error.write_effect(), Some(WriteEffect::Unknown), "{error}");
    // It was written, and nobody wrote it a second time.
    assert_eq!(store.read("lost").await.unwrap(), b"x".as_slice());
    Ok(())
}

pub(crate) async fn copies_keep_conditions(world: Arc<World>) -> Outcome {
    let store = Store::connect(of_s3s(world.s3s().await?, &[])).await.unwrap();
    for (from, body) in [("copy/empty", Bytes::new()), ("copy/full", pattern(6 * MEBIBYTE))] {
        store.put(from, body.clone()).await.unwrap();
        let to = format!("{from}.copy");
        let copy = |condition| {
            let request = Copy { from: from.to_owned(), to: to.clone(), condition };
            let store = &store;
            async move { store.files().copy(&cx(), request).await }
        };
        copy(WriteCondition::IfAbsent).await.unwrap();
        assert_eq!(store.read(&to).await.unwrap(), body);
        let again = copy(WriteCondition::IfAbsent).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        let tag = store.stat(&to).await.unwrap().etag.unwrap();
        copy(WriteCondition::IfMatch(tag)).await.unwrap();
        let stale = copy(WriteCondition::IfMatch("\"0\"".to_owned())).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::Conflict);
        copy(WriteCondition::Always).await.unwrap();
    }
    Ok(())
}

pub(crate) async fn a_list_of_keys_to_delete_brings_its_digest(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| match request.method.as_str() {
        "POST" => HttpAnswer::new(200, "<DeleteResult></DeleteResult>"),
        _ => HttpAnswer::new(200, EMPTY),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let request = Delete { keys: vec!["a".to_owned(), "b c".to_owned()] };
    let outcomes = store.files().delete(&cx(), request).await.unwrap();
    assert!(outcomes.len() == 2 && outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let sent = server.seen().into_iter().find(|request| request.method == "POST").unwrap();
    let digest = base64::encode(Md5::digest(&sent.body));
    assert_eq!(sent.header("content-md5"), Some(digest.as_str()));
    Ok(())
}

/// The store's documentation wants `ARN/object/key` there, all of it encoded.
pub(crate) async fn a_copy_through_an_access_point_names_its_source(_: Arc<World>) -> Outcome {
    const COPIED: &str = "<CopyObjectResult><ETag>\"1\"</ETag></CopyObjectResult>";
    let server = HttpServer::start(|request| match request.method.as_str() {
        "GET" => HttpAnswer::new(200, EMPTY),
        "PUT" => HttpAnswer::new(200, COPIED),
        _ => HttpAnswer::new(200, "x").with("etag", "\"1\""),
    });
    let server = server.await?;
    let text = |text: &str| Node::text(text, Origin::Default);
    // The host of an access point begins with its name, so it is reached through a proxy.
    let settings = map([
        ("bucket_name", text("arn:aws:s3:eu-central-1:123456789012:accesspoint/reader")),
        ("endpoint_url", text("http://store.invalid")),
        ("region", text("eu-central-1")),
        ("access_key", text("anybody")),
        ("secret_key", text("anything")),
        ("proxy", texts([("url", server.endpoint())])),
    ]);
    let store = Store::connect(settings).await.unwrap();
    let (from, to) = ("a b/c".to_owned(), "d".to_owned());
    let request = Copy { from, to, condition: WriteCondition::Always };
    store.files().copy(&cx(), request).await.unwrap();
    let copy = server.seen().into_iter().find(|request| request.method == "PUT").unwrap();
    assert_eq!(copy.path.split('?').next(), Some("http://reader-123456789012.store.invalid/d"));
    assert_eq!(
        copy.header("x-amz-copy-source"),
        Some("arn%3Aaws%3As3%3Aeu-central-1%3A123456789012%3Aaccesspoint/reader/object/a%20b/c")
    );
    Ok(())
}

pub(crate) async fn lent_files_are_read_and_written_without_credentials(
    world: Arc<World>,
) -> Outcome {
    let server = world.s3s().await?;
    let store = Store::connect(of_s3s(server, &[])).await.unwrap();
    store.put("lent ü", Bytes::from_static(b"lent")).await.unwrap();
    let lend = |method, expires_in| {
        let request = Presign { key: "lent ü".to_owned(), method, expires_in };
        let store = &store;
        async move { store.files().presign(&cx(), request).await }
    };
    let (start, minute) = (server.endpoint().len(), Duration::from_secs(60));
    let url = lend(PresignMethod::Get, minute).await.unwrap();
    let answer = http(server.port(), &HttpRequest::new("GET", &url.expose()[start..])).await?;
    assert_eq!((answer.status, answer.body.as_ref()), (200, b"lent".as_slice()));
    let tampered = url.expose().replace("lent", "sent");
    let answer = http(server.port(), &HttpRequest::new("GET", &tampered[start..])).await?;
    assert_eq!(answer.status, 403);
    let url = lend(PresignMethod::Put, minute).await.unwrap();
    let request =
        HttpRequest { body: b"put".to_vec(), ..HttpRequest::new("PUT", &url.expose()[start..]) };
    assert_eq!(http(server.port(), &request).await?.status, 200);
    assert_eq!(store.read("lent ü").await.unwrap(), b"put".as_slice());
    for milliseconds in [0, 999, 8 * 24 * 60 * 60 * 1000] {
        let expires_in = Duration::from_millis(milliseconds);
        let error = lend(PresignMethod::Get, expires_in).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueryInvalid);
    }
    Ok(())
}
