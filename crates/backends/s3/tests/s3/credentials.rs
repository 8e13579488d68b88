//! Roles, renewal, and what settings put on requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use futures::StreamExt;
use orbit_core::{ErrorKind, ListFiles, Presign, PresignMethod, ReadRanges, Retry};
use orbit_testkit::servers::{HttpAnswer, HttpServer, ServerError};

use crate::Outcome;
use crate::storms::ranged;
use crate::world::{Store, World, cx, of_endpoint, pattern, refused, settings};
use crate::writes::{BEGUN, ENDED};

const RUN_OUT: &str = "<Error><Code>ExpiredToken</Code></Error>";
const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Keys that run out in `seconds`.
fn role(number: u32, seconds: u64) -> HttpAnswer {
    let end = DateTime::from(SystemTime::now() + Duration::from_secs(seconds));
    let end = end.fmt(Format::DateTime).unwrap();
    HttpAnswer::new(
        200,
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
             <AccessKeyId>ROLE{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token-{number}</SessionToken><Expiration>{end}</Expiration>\
             </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

/// Renewal comes at a random time in the last ten seconds, and before the end in any case.
pub(crate) async fn a_role_is_assumed_and_renewed_in_the_middle_of_a_listing(
    _: Arc<World>,
) -> Outcome {
    let given = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&given);
    let sts = HttpServer::start(move |_| role(count.fetch_add(1, Ordering::SeqCst) + 1, 4)).await?;
    let store = HttpServer::start(|_| {
        let page = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                    <NextContinuationToken>NEXT</NextContinuationToken><Contents><Key>k</Key>\
                    <Size>1</Size></Contents></ListBucketResult>";
        // A token of its own for each page.
        let number = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        HttpAnswer::new(200, page.replace("NEXT", &number.to_string()))
    });
    let store = store.await?;
    let (sts_url, arn) = (sts.endpoint(), "arn:aws:iam::123456789012:role/reader");
    let more = [("role_arn", arn), ("external_id", "extern"), ("sts_endpoint_url", &sts_url)];
    let listed = Store::connect(of_endpoint(&store.endpoint(), &more)).await.unwrap();
    let mut pages = listed.files().list(&cx(), ListFiles::default()).await.unwrap();
    pages.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(4500)).await;
    pages.next().await.unwrap().unwrap();
    let signed: Vec<_> = store
        .seen()
        .iter()
        .map(|request| {
            let authorization = request.header("authorization").unwrap();
            let key = authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap();
            (key.to_owned(), request.header("x-amz-security-token").unwrap().to_owned())
        })
        .collect();
    assert_eq!(signed.len(), 2);
    assert_eq!(signed[0].0, "ROLE1");
    assert_ne!(signed[1].0, signed[0].0);
    let fits = |(key, token): &(String, String)| {
        key.trim_start_matches("ROLE") == token.trim_start_matches("token-")
    };
    assert!(signed.iter().all(fits), "{signed:?}");
    let asked = String::from_utf8(sts.seen()[0].body.clone()).unwrap();
    assert!(
        asked.contains("ExternalId=extern") && asked.contains("RoleSessionName=orbit"),
        "{asked}"
    );
    Ok(())
}

pub(crate) async fn a_role_that_is_refused_says_so(_: Arc<World>) -> Outcome {
    let sts = HttpServer::start(|_| {
        let text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message>\
                    </Error></ErrorResponse>";
        HttpAnswer::new(403, text)
    });
    let (sts, store) = (sts.await?, HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await?);
    let sts_url = sts.endpoint();
    let arn = "arn:aws:iam::123456789012:role/reader";
    let more = [("role_arn", arn), ("sts_endpoint_url", sts_url.as_str())];
    let error = refused(of_endpoint(&store.endpoint(), &more)).await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.message(), "the credentials were not given out");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("not you"), "{cause}");
    assert!(store.seen().is_empty());
    Ok(())
}

pub(crate) async fn what_is_wrong_with_credentials_is_said(_: Arc<World>) -> Outcome {
    let mut said = String::new();
    for (status, code) in [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "InvalidToken"),
        (403, "RequestTimeTooSkewed"),
        (403, "AllAccessDisabled"),
    ] {
        let text = format!("<Error><Code>{code}</Code><Message>detail</Message></Error>");
        let server = HttpServer::start(move |_| HttpAnswer::new(status, text.clone())).await?;
        let error = refused(of_endpoint(&server.endpoint(), &[])).await;
        said += &format!("{:?}: {error}\n", error.kind());
        assert_eq!(server.seen().len(), 1, "{code} was asked again");
    }
    insta::assert_snapshot!(said);
    Ok(())
}

/// Keys of the settings do not renew themselves.
pub(crate) async fn keys_that_run_out_in_the_middle_end_the_listing_in_an_error(
    _: Arc<World>,
) -> Outcome {
    let asked = AtomicU32::new(0);
    let server = HttpServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => HttpAnswer::new(
            200,
            "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key><Size>1</Size>\
             </Contents><NextContinuationToken>next</NextContinuationToken></ListBucketResult>",
        ),
        _ => HttpAnswer::new(400, RUN_OUT),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    let mut pages = store.files().list(&cx(), ListFiles::default()).await.unwrap();
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 1);
    let error = pages.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.message(), "the temporary credentials have run out");
    assert!(pages.next().await.is_none());
    assert_eq!(server.seen().len(), 2);
    Ok(())
}

/// A store of one file that after a while calls the first credentials of a role run out, long
/// before their end, and those that come next too if `forever`; and who gives them out.
async fn revoking(
    body: Bytes,
    forever: bool,
) -> Result<(Store, HttpServer, HttpServer), ServerError> {
    let given = AtomicU32::new(0);
    let sts = HttpServer::start(move |_| role(given.fetch_add(1, Ordering::SeqCst) + 1, 3600));
    let (sts, answered) = (sts.await?, AtomicU32::new(0));
    let store = HttpServer::start(move |request| {
        if request.path.contains("list-type") {
            return HttpAnswer::new(200, EMPTY);
        }
        let is_first = request.header("authorization").unwrap().contains("Credential=ROLE1/");
        match answered.fetch_add(1, Ordering::SeqCst) {
            2.. if is_first || forever => HttpAnswer::new(400, RUN_OUT),
            _ => ranged(request, &body),
        }
    });
    let (store, sts_url) = (store.await?, sts.endpoint());
    let arn = "arn:aws:iam::123456789012:role/reader";
    let more = [("role_arn", arn), ("sts_endpoint_url", sts_url.as_str())];
    let connected = Store::connect(of_endpoint(&store.endpoint(), &more)).await.unwrap();
    Ok((connected, store, sts))
}

pub(crate) async fn credentials_that_a_store_calls_run_out_are_asked_for_once_more(
    _: Arc<World>,
) -> Outcome {
    let body = pattern(12 << 20);
    let ranges: Vec<_> = (0..6_u64).map(|i| i << 21).map(|at| at..at + 1000).collect();
    let wanted = |key: &str| ReadRanges {
        key: key.to_owned(),
        ranges: ranges.clone(),
        if_match: Some("\"1\"".to_owned()),
    };
    let (store, _server, sts) = revoking(body.clone(), false).await?;
    let read = store.files().read_ranges(&cx(), wanted("file")).await.unwrap();
    let expected: Vec<_> =
        ranges.iter().map(|r| body.slice(r.start as usize..r.end as usize)).collect();
    assert_eq!(read, expected);
    assert_eq!(sts.seen().len(), 2);
    let (store, server, sts) = revoking(body, true).await?;
    let error = store.files().read_ranges(&cx(), wanted("file")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unauthenticated, Retry::Never));
    assert_eq!(error.message(), "the temporary credentials have run out");
    assert_eq!(sts.seen().len(), 2);
    // What was under way ends with the read.
    let asked = server.seen().len();
    assert!(asked <= 1 + 2 * ranges.len(), "{asked} requests");
    Ok(())
}

/// The answer to a HEAD has no room for a reason.
pub(crate) async fn a_refusal_without_a_body_is_asked_about(_: Arc<World>) -> Outcome {
    let missing = "<Error><Code>NoSuchBucket</Code></Error>";
    let unknown = "<Error><Code>InvalidAccessKeyId</Code></Error>";
    for (head, (status, reason), kind, message) in [
        (400, (400, RUN_OUT), ErrorKind::Unauthenticated, "the temporary credentials have run out"),
        (
            403,
            (403, unknown),
            ErrorKind::Unauthenticated,
            "the service does not know the access key",
        ),
        (404, (404, missing), ErrorKind::NotFound, "no such bucket"),
        (404, (200, EMPTY), ErrorKind::NotFound, "no such file"),
    ] {
        let server = HttpServer::start(move |request| match request.method.as_str() {
            "HEAD" => HttpAnswer::new(head, ""),
            _ => HttpAnswer::new(status, reason),
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        let error = store.stat("file").await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert_eq!(server.seen().len(), 2);
    }
    Ok(())
}

pub(crate) async fn anonymous_requests_are_not_signed(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await?;
    let endpoint = server.endpoint();
    let node = settings(
        &[],
        &[("bucket_name", "bucket"), ("endpoint_url", &endpoint), ("anonymous", "true")],
    );
    let store = Store::connect(node).await.unwrap();
    store.list("").await.unwrap();
    assert!(server.seen().iter().all(|request| request.header("authorization").is_none()));
    assert!(!store.files().capability().presign);
    Ok(())
}

pub(crate) async fn settings_put_their_headers_on_requests(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| match request.method.as_str() {
        "PUT" => HttpAnswer::new(200, "").with("etag", "\"1\""),
        "POST" if request.path.contains("uploadId=") => HttpAnswer::new(200, ENDED),
        "POST" => HttpAnswer::new(200, BEGUN),
        _ if request.path.contains("list-type") => HttpAnswer::new(200, EMPTY),
        _ => HttpAnswer::new(200, "x").with("etag", "\"1\""),
    });
    let server = server.await?;
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let more = [("request_payer", "requester"), ("sse", "c"), ("sse_customer_key", key)];
    let store = Store::connect(of_endpoint(&server.endpoint(), &more)).await.unwrap();
    store.put("file", Bytes::from_static(b"x")).await.unwrap();
    store.put("long", pattern(9 << 20)).await.unwrap();
    store.read("file").await.unwrap();
    const KEY: &str = "x-amz-server-side-encryption-customer-key";
    for request in server.seen() {
        assert_eq!(request.header("x-amz-request-payer"), Some("requester"));
        let is_list = request.path.contains("list-type");
        let (method, path) = (&request.method, &request.path);
        assert_eq!(request.header(KEY), (!is_list).then_some(key), "{method} {path}");
    }
    assert_eq!(server.seen().iter().filter(|request| request.method == "POST").count(), 2);
    let expires_in = Duration::from_secs(60);
    let request = Presign { key: "file".to_owned(), method: PresignMethod::Get, expires_in };
    let error = store.files().presign(&cx(), request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let more = [("sse", "kms"), ("sse_kms_key_id", "the-key")];
    let server = HttpServer::start(|_| HttpAnswer::new(200, EMPTY).with("etag", "\"1\"")).await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &more)).await.unwrap();
    store.put("file", Bytes::from_static(b"x")).await.unwrap();
    let put = server.seen().into_iter().find(|request| request.method == "PUT").unwrap();
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!(put.header("x-amz-server-side-encryption-aws-kms-key-id"), Some("the-key"));
    Ok(())
}
