//! The way to a store: it is spoken to when somebody who is trusted says that it is the one, and
//! through the proxy of the settings.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use insta::{allow_duplicates, assert_snapshot};
use orbit_core::{Error, ErrorKind, Node, Origin};
use orbit_testkit::servers::{Certificates, HttpAnswer, HttpServer};
use orbit_testkit::settings::{map, texts};

use crate::Outcome;
use crate::world::{Store, World, of_endpoint, problems, refused};

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Settings for a store whose certificate `authority` has signed.
fn trusting(endpoint: &str, authority: &Path) -> Node {
    let text = |text: &str| Node::text(text, Origin::Default);
    map([
        ("bucket_name", text("bucket")),
        ("endpoint_url", text(endpoint)),
        ("region", text("us-east-1")),
        ("access_key", text("anybody")),
        ("secret_key", text("anything")),
        ("tls", texts([("ca_path", authority.display().to_string())])),
    ])
}

/// A refusal, which must not take the time that a silent store is given.
async fn refused_soon(node: Node) -> Error {
    let begin = Instant::now();
    let error = refused(node).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    error
}

pub(crate) async fn only_a_trusted_certificate_is_spoken_to(_: Arc<World>) -> Outcome {
    let made = Certificates::new().await?;
    let server = HttpServer::start_secured(&made, |_| HttpAnswer::new(200, EMPTY)).await?;
    let endpoint = server.endpoint();
    for node in [of_endpoint(&endpoint, &[]), trusting(&endpoint, &made.other_authority)] {
        let error = refused_soon(node).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        allow_duplicates! { assert_snapshot!(error, @"nobody who is trusted has signed the service's certificate (bucket: bucket); name the authority that has in `tls.ca_path`, if it is yours"); }
    }
    let other_name = endpoint.replace("localhost", "127.0.0.1");
    let error = refused_soon(trusting(&other_name, &made.authority)).await;
    assert_snapshot!(error, @"the service's certificate is not valid for it (bucket: bucket); see its names and its dates, and the host in `endpoint_url`");
    assert!(server.seen().is_empty());
    let store = Store::connect(trusting(&endpoint, &made.authority)).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    assert_eq!(server.seen().len(), 1);
    Ok(())
}

pub(crate) async fn requests_take_the_proxy(_: Arc<World>) -> Outcome {
    let proxy = HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await?;
    let text = |text: &str| Node::text(text, Origin::Default);
    let through = [
        ("url", proxy.endpoint()),
        ("user", "me".to_owned()),
        ("password", "p@ss/word".to_owned()),
    ];
    let settings = map([
        ("bucket_name", text("bucket")),
        ("endpoint_url", text("http://store.invalid")),
        ("region", text("us-east-1")),
        ("access_key", text("anybody")),
        ("secret_key", text("anything")),
        ("proxy", texts(through)),
    ]);
    let store = Store::connect(settings).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    let seen = proxy.seen();
    assert_eq!(seen.len(), 1);
    for request in seen {
        assert!(request.path.starts_with("http://store.invalid/bucket"), "{}", request.path);
        assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6cEBzcy93b3Jk"));
    }
    let wrong = [("url", "proxy.example.com:3128".to_owned())];
    let node = map([("bucket_name", text("bucket")), ("proxy", texts(wrong))]);
    let told: Vec<_> = problems(node).iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("proxy.url"), "{told:?}");
    Ok(())
}

pub(crate) async fn certificates_that_cannot_be_read_are_told(_: Arc<World>) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let wrapped =
        |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    for path in [
        folder.path().join("missing.pem"),
        write("empty.pem", ""),
        write("text.pem", "no certificate\n"),
        write("letters.pem", &wrapped("??")),
        write("bytes.pem", &wrapped("bm8gY2VydGlmaWNhdGU=")),
    ] {
        let error = refused_soon(trusting("https://127.0.0.1:1", &path)).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert_eq!(error.message(), "the certificates cannot be read");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    Ok(())
}
