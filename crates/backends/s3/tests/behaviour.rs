//! The behaviour suite on a store that checks signatures and checksums.

use std::process::ExitCode;

use orbit_core::{ErrorKind, Node};
use orbit_testkit::servers::{S3s, free_port};
use orbit_testkit::settings::texts;
use orbit_testkit::{Fixture, Stop, Subject, Verdict, behaviour};

fn main() -> ExitCode {
    behaviour(Subject::new(&orbit_s3::BACKEND, prepare).except(KNOWN))
}

/// What this server does otherwise than the stores it stands for; the other one shows it.
const KNOWN: &[(&str, &str)] = &[
    ("files::stat_tells_what_list_tells", "s3s-fs lists no tags"),
    ("files::prefix_is_no_file", "s3s-fs fails on a key that is a folder on its disk"),
    ("files::long_keys_are_held_or_refused", "s3s-fs holds no key longer than a file name"),
    ("files::one_of_many_creates", "s3s-fs looks and writes in two steps"),
    ("files::one_of_many_replaces", "s3s-fs looks and writes in two steps"),
];

/// The settings of a bucket, with one of them changed.
fn settings(server: &S3s, change: (&str, &str)) -> Node {
    let settings = [
        ("bucket_name", S3s::BUCKET.to_owned()),
        ("endpoint_url", server.endpoint()),
        ("region", "us-east-1".to_owned()),
        ("access_key", server.access_key().to_owned()),
        ("secret_key", server.secret_key().to_owned()),
        ("prefix", "below/here".to_owned()),
    ];
    let (key, value) = change;
    texts(settings.map(|(k, v)| if k == key { (k, value.to_owned()) } else { (k, v) }))
}

async fn prepare() -> Verdict<Fixture> {
    let server = S3s::start().await.map_err(Stop::from)?;
    let closed = format!("http://127.0.0.1:{}", free_port().map_err(Stop::from)?);
    let refused = vec![
        (settings(&server, ("secret_key", "wrong")), ErrorKind::Unauthenticated),
        (settings(&server, ("access_key", "nobody")), ErrorKind::Unauthenticated),
        (settings(&server, ("bucket_name", "missing")), ErrorKind::NotFound),
        (settings(&server, ("endpoint_url", &closed)), ErrorKind::Unavailable),
        (settings(&server, ("endpoint_url", "http://nowhere.invalid")), ErrorKind::Unavailable),
    ];
    Ok(Fixture {
        server: "s3s-fs 0.14.1".to_owned(),
        settings: settings(&server, ("", "")),
        refused,
        sql: None,
        guard: Box::new(server),
    })
}
