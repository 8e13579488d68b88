//! Nothing secret reaches a log, at the finest level of every crate.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use orbit_testkit::servers::{HttpAnswer, HttpServer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::Outcome;
use crate::world::{Store, World, of_endpoint, of_s3s};

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Keeps every field of every span and event as text.
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Log {
    fn line(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut Line<'_>)) {
        let mut log = self.0.lock().unwrap();
        write!(log, "\n{} {}", metadata.level(), metadata.target()).unwrap();
        fields(&mut Line(&mut log));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.line(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Takes all that this process logs, at every level.
pub(crate) fn capture() -> Arc<Mutex<String>> {
    let log: Arc<Mutex<String>> = Arc::default();
    tracing::subscriber::set_global_default(Log(Arc::clone(&log))).unwrap();
    log
}

pub(crate) async fn no_credential_reaches_a_log(world: Arc<World>) -> Outcome {
    const SECRETS: [&str; 5] = [
        "canary-access-4b1d",
        "canary-secret-77aa",
        "canary-token-c0de",
        "canary-role-secret-91",
        "canary-body-5e5e",
    ];
    let sts = HttpServer::start(|_| {
        let credentials = "<AccessKeyId>canary-access-4b1d</AccessKeyId>\
            <SecretAccessKey>canary-role-secret-91</SecretAccessKey>\
            <SessionToken>canary-token-c0de</SessionToken>\
            <Expiration>2999-01-01T00:00:00Z</Expiration>";
        let text = format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>{credentials}\
            </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        HttpAnswer::new(200, text)
    });
    let sts = sts.await?;
    let server = HttpServer::start(|request| match request.path.as_str() {
        path if path.contains("list-type") => HttpAnswer::new(200, EMPTY),
        path if path.contains("missing") => {
            HttpAnswer::new(404, "<Error><Code>NoSuchKey</Code></Error>")
        }
        _ => HttpAnswer::new(200, "canary-body-5e5e").with("etag", "\"1\""),
    });
    let server = server.await?;
    let keys = [
        ("access_key", "canary-access-4b1d"),
        ("secret_key", "canary-secret-77aa"),
        ("session_token", "canary-token-c0de"),
    ];
    let url = sts.endpoint();
    let role = [("role_arn", "arn:aws:iam::1:role/r"), ("sts_endpoint_url", url.as_str())];
    for more in [keys.to_vec(), [keys.as_slice(), role.as_slice()].concat()] {
        let store = Store::connect(of_endpoint(&server.endpoint(), &more)).await.unwrap();
        store.put("file", Bytes::from_static(b"canary-body-5e5e")).await.unwrap();
        assert_eq!(store.read("file").await.unwrap(), b"canary-body-5e5e".as_slice());
        let error = store.read("missing").await.unwrap_err();
        let told = format!("{error} {error:?} {:?}", store.0);
        assert!(!SECRETS.iter().any(|secret| told.contains(secret)), "{told}");
    }
    assert!(!sts.seen().is_empty());
    // A refusal by a store that looks at the credentials.
    let wrong = [("secret_key", "canary-secret-77aa")];
    let error = crate::world::refused(of_s3s(world.s3s().await?, &wrong)).await;
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    // The log is taken at all, and at the finest level.
    tracing::trace!("canary of the log");
    let log = world.log.lock().unwrap().clone();
    assert!(log.contains("canary of the log"));
    let leaked: Vec<_> = SECRETS.iter().filter(|secret| log.contains(**secret)).collect();
    assert!(leaked.is_empty(), "the log holds {leaked:?}");
    Ok(())
}
