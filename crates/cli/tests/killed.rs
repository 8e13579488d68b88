//! The program is killed with no chance to say so while a warehouse works for it: what the
//! server's own limits then do, seen in `pg_stat_activity`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::time::{Duration, Instant};

use common::Place;
use orbit_testkit::servers::{Postgres, RedshiftWire, ServerError};

const SLOW: &str = "SELECT pg_sleep(600)";
/// The limit of the statements that have one, by the settings or by the caller's deadline.
const LIMIT: Duration = Duration::from_secs(10);
/// PostgreSQL looks this often whether its client is there, if it is told to.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How much later something may be seen.
const SLACK: Duration = Duration::from_secs(2);

struct Stage {
    place: Place,
    postgres: Postgres,
    _wire: RedshiftWire,
}

impl Stage {
    /// `pg` is PostgreSQL, the others are behind a proxy that refuses what Redshift refuses, so
    /// that the server is not told to look whether its client is there.
    async fn new() -> Result<Self, ServerError> {
        let postgres = Postgres::start().await?;
        let wire = RedshiftWire::start(postgres.port()).await?;
        let source = |name: &str, port: u16, more: &str| {
            format!(
                "\x20 {name}:\n    type: redshift\n    host: 127.0.0.1\n    port: {port}\n\
                 \x20   database: postgres\n    username: {}\n    sslmode: disable\n\
                 \x20   application_name: orbit-{name}\n{more}",
                postgres.user()
            )
        };
        let limit = format!("    statement_timeout_ms: {}\n", LIMIT.as_millis());
        let sources = [
            source("pg", postgres.port(), ""),
            source("limited", wire.port(), &limit),
            source("told", wire.port(), ""),
            source("unlimited", wire.port(), ""),
        ];
        let place = Place::empty();
        place.write("datasources.yaml", &format!("version: 1\ndatasources:\n{}", sources.concat()));
        Ok(Self { place, postgres, _wire: wire })
    }

    /// Whether the statement of the datasource is at work.
    async fn works(&self, source: &str) -> bool {
        let count = format!(
            "\\t on\nSELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
             AND application_name = 'orbit-{source}' AND query LIKE '%pg_sleep%';\n"
        );
        let told = self.postgres.run_script(&count, Duration::from_secs(10)).await.unwrap();
        told.trim().parse::<u32>().unwrap() > 0
    }

    /// Kills the program while the statement works.
    async fn kill_at_work(&self, source: &str, options: &[&str]) {
        let mut child = self.place.spawn(&[&["query", "--on", source, SLOW][..], options].concat());
        self.until(source, true, 5 * SLACK).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    async fn until(&self, source: &str, works: bool, limit: Duration) {
        let begun = Instant::now();
        while self.works(source).await != works {
            assert!(begun.elapsed() < limit, "{source}: after {limit:?} not at work = {works}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_leaves_behind() {
    let stage = match Stage::new().await {
        Ok(stage) => stage,
        Err(error) => return drop(error.completion().unwrap()),
    };
    stage.kill_at_work("pg", &[]).await;
    stage.until("pg", false, LOOK_EVERY + SLACK).await;
    stage.kill_at_work("limited", &[]).await;
    stage.kill_at_work("told", &["--timeout", "10s"]).await;
    stage.kill_at_work("unlimited", &[]).await;
    tokio::time::sleep(LOOK_EVERY + Duration::from_millis(500)).await;
    for source in ["limited", "told", "unlimited"] {
        assert!(stage.works(source).await, "{source}: it was not its limit that ended it");
    }
    // Meanwhile: who waits in vain is told for whom.
    let late = stage.place.run(&["query", "--on", "pg", SLOW, "--timeout", "1s"]);
    assert_eq!(late.code, Some(8), "{late}");
    assert!(late.stderr.starts_with("error: pg: "), "{late}");
    stage.until("limited", false, LIMIT + SLACK).await;
    stage.until("told", false, LIMIT + SLACK).await;
    assert!(stage.works("unlimited").await, "nothing should have ended it");
}
