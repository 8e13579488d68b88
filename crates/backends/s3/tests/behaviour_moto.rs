//! The behaviour suite on a store in memory, which keeps every key and every condition.

use std::process::ExitCode;

use orbit_core::ErrorKind;
use orbit_testkit::servers::Moto;
use orbit_testkit::settings::texts;
use orbit_testkit::{Fixture, Stop, Subject, Verdict, behaviour};

fn main() -> ExitCode {
    behaviour(
        Subject::new(&orbit_s3::BACKEND, prepare).against("moto").except(KNOWN).one_at_a_time(),
    )
}

const END: &str = "moto ends an upload in parts with an answer that is not S3's";

/// What this server does otherwise than the stores it stands for; the other one shows it.
const KNOWN: &[(&str, &str)] = &[
    ("files::large_file_comes_in_pieces", END),
    ("files::cancelled_read_ends_in_an_error", END),
    ("files::copy_if_absent_keeps_what_is_there", END),
    ("files::store_copies", END),
    ("files::store_uploads_in_parts", END),
];

async fn prepare() -> Verdict<Fixture> {
    let server = Moto::start().await.map_err(Stop::from)?;
    let settings = |bucket: &str| {
        texts([
            ("bucket_name", bucket.to_owned()),
            ("endpoint_url", server.endpoint()),
            ("region", "us-east-1".to_owned()),
            ("access_key", "anybody".to_owned()),
            ("secret_key", "anything".to_owned()),
        ])
    };
    Ok(Fixture {
        server: "moto 5.2.1".to_owned(),
        settings: settings(Moto::BUCKET),
        refused: vec![(settings("missing"), ErrorKind::NotFound)],
        sql: None,
        guard: Box::new(server),
    })
}
