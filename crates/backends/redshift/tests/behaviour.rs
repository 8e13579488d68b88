//! The behaviour suite on PostgreSQL, where tables are read by binary COPY.

#![expect(clippy::unwrap_used, reason = "a test that cannot be prepared fails")]

mod common;
#[path = "common/suite.rs"]
mod suite;

use std::process::ExitCode;

use orbit_core::ErrorKind;
use orbit_testkit::servers::{Postgres, free_port};
use orbit_testkit::{Subject, behaviour};

use common::reaching;
use suite::{fixture, stopped};

fn main() -> ExitCode {
    behaviour(Subject::new(&orbit_redshift::BACKEND, || async {
        let server = Postgres::start().await.map_err(stopped)?;
        let nobody = free_port().map_err(stopped)?.to_string();
        let refused = vec![
            (reaching(&server, [("port", nobody)]), ErrorKind::Unavailable),
            (reaching(&server, [("database", "missing".to_owned())]), ErrorKind::NotFound),
            (reaching(&server, [("username", "nobody".to_owned())]), ErrorKind::Unauthenticated),
            (reaching(&server, [("sslmode", "require".to_owned())]), ErrorKind::Unavailable),
        ];
        fixture(server, "", Vec::new(), refused, ()).await
    }))
}
