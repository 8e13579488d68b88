//! The behaviour suite behind a proxy of ours, which answers as the service does where fakesnow
//! does not: in pieces, not at once, by the statement's id, and with work to cancel.

#[path = "common/fixture.rs"]
mod fixture;

use std::process::ExitCode;

use orbit_core::{Effect, Query};
use orbit_snowflake::BACKEND;
use orbit_testkit::servers::SnowflakeWire;
use orbit_testkit::{Fixture, Running, SqlFixture, Subject, behaviour, settings};

fn main() -> ExitCode {
    let subject = Subject::new(&BACKEND, || async {
        let (server, sql) = fixture::server().await?;
        let wire = SnowflakeWire::start(server.port()).await?;
        let count = wire.working();
        let running: Running = Box::new(move || {
            let count = count();
            Box::pin(async move { Ok(count) })
        });
        let slow = Query::statement(SnowflakeWire::SLOW, Effect::Read);
        Ok(Fixture {
            server: "a proxy of ours before fakesnow 0.12.1".to_owned(),
            settings: settings::texts(fixture::settings_of(&server, wire.port())),
            refused: Vec::new(),
            sql: Some(SqlFixture { slow: Some((slow, running)), ..sql }),
            guard: Box::new((server, wire)),
        })
    });
    behaviour(subject.against("the wire of Snowflake"))
}
