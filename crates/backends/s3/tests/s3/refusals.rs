//! Settings and stores that cannot work, and what is said of them.

use std::sync::Arc;

use bytes::Bytes;
use insta::assert_snapshot;
use orbit_core::ErrorKind;
use orbit_testkit::servers::{HttpAnswer, HttpServer, free_port};

use crate::Outcome;
use crate::world::{Store, World, of_endpoint, problems, refused, settings};

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

pub(crate) async fn nobody_listens(_: Arc<World>) -> Outcome {
    let endpoint = format!("http://127.0.0.1:{}", free_port()?);
    let error = refused(of_endpoint(&endpoint, &[])).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_snapshot!(error, @"the service refused the connection (bucket: bucket); see `endpoint_url`");
    Ok(())
}

pub(crate) async fn the_name_does_not_resolve(_: Arc<World>) -> Outcome {
    let error = refused(of_endpoint("http://store.invalid", &[])).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_snapshot!(error, @"the service's name cannot be resolved (bucket: bucket); see `endpoint_url` and `region`");
    Ok(())
}

pub(crate) async fn it_speaks_no_tls(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await?;
    let endpoint = format!("https://127.0.0.1:{}", server.port());
    let error = refused(of_endpoint(&endpoint, &[])).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_snapshot!(error, @"no secure connection to the service came about (bucket: bucket); see whether `endpoint_url` speaks TLS");
    Ok(())
}

pub(crate) async fn it_is_no_store(_: Arc<World>) -> Outcome {
    let html = "<html><body>hello</body></html>";
    let server = HttpServer::start(move |_| HttpAnswer::new(200, html)).await?;
    let error = refused(of_endpoint(&server.endpoint(), &[])).await;
    assert_snapshot!(error, @"the service's answer makes no sense (bucket: bucket, code: 200); see whether `endpoint_url` is that of the service");
    let server = HttpServer::start(move |_| HttpAnswer::new(404, html)).await?;
    let error = refused(of_endpoint(&server.endpoint(), &[])).await;
    assert_snapshot!(error, @"no such bucket (bucket: bucket, code: 404); see `bucket_name` and `endpoint_url`");
    Ok(())
}

/// A store that says the bucket lies in `eu-west-3`, in the ways in which stores say it.
pub(crate) async fn the_bucket_lies_elsewhere(_: Arc<World>) -> Outcome {
    let moved = HttpAnswer::new(301, "<Error><Code>PermanentRedirect</Code></Error>")
        .with("x-amz-bucket-region", "eu-west-3");
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code>\
                     <Region>eu-west-3</Region></Error>";
    for answer in [moved, HttpAnswer::new(400, malformed)] {
        let server = HttpServer::start(move |request| {
            let signed = request.header("authorization").unwrap_or_default();
            match signed.contains("/eu-west-3/s3/") {
                true => HttpAnswer::new(200, EMPTY),
                false => answer.clone(),
            }
        });
        let server = server.await?;
        let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.list("").await.unwrap(), [""; 0]);
        }
        assert_eq!(server.seen().len(), 3, "a listing, the same elsewhere, and one there alone");
    }
    let nowhere = HttpServer::start(|_| HttpAnswer::new(301, "")).await?;
    let error = refused(of_endpoint(&nowhere.endpoint(), &[])).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_snapshot!(error, @"the bucket lies in another region (bucket: bucket, code: 301); set `region` to the bucket's own");
    Ok(())
}

/// Who may read and not list can read; what it may not is said.
pub(crate) async fn listing_may_be_denied(_: Arc<World>) -> Outcome {
    let server = HttpServer::start(|request| match request.path.starts_with("/bucket/open") {
        true => HttpAnswer::new(200, "open").with("etag", "\"1\""),
        false => HttpAnswer::new(403, "<Error><Code>AccessDenied</Code></Error>"),
    });
    let server = server.await?;
    let store = Store::connect(of_endpoint(&server.endpoint(), &[])).await.unwrap();
    assert_eq!(store.read("open").await.unwrap(), Bytes::from_static(b"open"));
    let told = [
        store.read("secret").await.unwrap_err(),
        store.stat("secret").await.unwrap_err(),
        store.list("").await.unwrap_err(),
        store.0.ping(&crate::world::cx()).await.unwrap_err(),
        store.put("secret", Bytes::new()).await.unwrap_err(),
    ];
    assert!(told.iter().all(|error| error.kind() == ErrorKind::PermissionDenied), "{told:?}");
    assert_snapshot!(told.map(|error| format!("{error}\n")).concat());
    Ok(())
}

pub(crate) async fn settings_that_do_not_fit(_: Arc<World>) -> Outcome {
    let cases: &[&[(&'static str, &str)]] = &[
        &[("bucket_name", "")],
        &[("bucket_name", "s3://bucket/folder")],
        &[("bucket_name", "b--use1-az4--x-s3")],
        &[("endpoint_url", "localhost:9000")],
        &[("endpoint_url", "https://key:secret@store.example.com")],
        &[("endpoint_url", "https://store.example.com?x=1")],
        &[("bucket_name", "arn:aws:s3:eu-west-3:1:accesspoint/a"), ("path_style", "true")],
        &[("access_key", "a")],
        &[("secret_key", "a")],
        &[("session_token", "a")],
        &[("profile", "p"), ("access_key", "a"), ("secret_key", "a")],
        &[("anonymous", "true"), ("profile", "p")],
        &[("external_id", "e")],
        &[("role_arn", "admin")],
        &[("sts_endpoint_url", "http://sts.lan")],
        &[("region", "Frankfurt")],
        &[("sse_kms_key_id", "k")],
        &[("sse", "c")],
        &[("sse", "c"), ("sse_customer_key", "c2hvcnQ=")],
        &[("sse", "kms"), ("sse_customer_key", "c2hvcnQ=")],
        &[("sse", "aes")],
        &[("request_payer", "owner")],
        &[("response_timeout_ms", "0")],
    ];
    let told = |case: &&[(&'static str, &str)]| {
        let found = problems(settings(&[("bucket_name", "b")], case));
        assert!(!found.is_empty(), "nothing is wrong with {case:?}");
        found.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    };
    assert_snapshot!(cases.iter().map(told).collect::<String>());
    Ok(())
}
