//! The behaviour suite behind a proxy that refuses what Redshift refuses: catalogs of Redshift's
//! names, rows as text, and a server whose literals take a backslash as an escape.

#![expect(clippy::unwrap_used, reason = "a test that cannot be prepared fails")]

mod common;
#[path = "common/suite.rs"]
mod suite;

use std::process::ExitCode;

use orbit_testkit::servers::{Postgres, REDSHIFT_CATALOG, RedshiftWire};
use orbit_testkit::{Subject, behaviour};

use suite::{fixture, stopped};

fn main() -> ExitCode {
    let subject = Subject::new(&orbit_redshift::BACKEND, || async {
        let server = Postgres::start().await.map_err(stopped)?;
        let proxy = RedshiftWire::start(server.port()).await.map_err(stopped)?;
        let changed = vec![("port", proxy.port().to_string())];
        let first = format!(
            "{REDSHIFT_CATALOG}\nALTER DATABASE postgres SET standard_conforming_strings = off;\n\
             ALTER DATABASE postgres SET escape_string_warning = off;"
        );
        fixture(server, &first, changed, Vec::new(), proxy).await
    });
    behaviour(subject.against("the wire of Redshift"))
}
