//! The behaviour suite on this backend, against fakesnow.

#[path = "common/fixture.rs"]
mod fixture;

use std::process::ExitCode;

use orbit_core::ErrorKind;
use orbit_snowflake::BACKEND;
use orbit_testkit::{Fixture, Subject, behaviour, settings};

const KEEPS_NOTHING: &str = "fakesnow keeps no results by their ids";
const KNOWN: &[(&str, &str)] = &[
    ("scan::partitions_hold_each_row_once", KEEPS_NOTHING),
    ("scan::partitions_keep_the_order", KEEPS_NOTHING),
    ("scan::partitions_are_of_one_snapshot", KEEPS_NOTHING),
];

fn main() -> ExitCode {
    let subject = Subject::new(&BACKEND, || async {
        let (server, sql) = fixture::server().await?;
        let nowhere = fixture::settings_of(&server, 1);
        Ok(Fixture {
            server: "fakesnow 0.12.1".to_owned(),
            settings: settings::texts(fixture::settings_of(&server, server.port())),
            refused: vec![(settings::texts(nowhere), ErrorKind::Unavailable)],
            sql: Some(sql),
            guard: Box::new(server),
        })
    });
    behaviour(subject.except(KNOWN))
}
