//! A walk through the commands with a Snowflake, a lake and a PostgreSQL, as a new user would.
//!
//! A proxy of ours before fakesnow stands in for the service.
#![cfg(unix)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Place, Ran};
use orbit_testkit::servers::{Fakesnow, Postgres, ServerError, SnowflakeWire};

const ORDERS: &[&str] = &[
    "CREATE TABLE ORDERS (ID NUMBER(18,0), CUSTOMER VARCHAR, AMOUNT NUMBER(12,2))",
    "INSERT INTO ORDERS VALUES (1, 'ann', 10.50), (2, 'bob', NULL), (3, 'ann', 7.25)",
];
const CITIES: &str = "CREATE TABLE cities (city text, country text);
    INSERT INTO cities VALUES ('Oslo', 'Norway'), ('Bergen', 'Norway'), ('Lund', 'Sweden');";

/// What the commands are tried on.
struct Stage {
    place: Place,
    wire: SnowflakeWire,
    _fakesnow: Fakesnow,
    _postgres: Postgres,
}

impl Stage {
    async fn new() -> Result<Self, ServerError> {
        let fakesnow = Fakesnow::start().await?;
        fakesnow.run(ORDERS.iter().map(|text| (*text).to_owned()).collect()).await?;
        let wire = SnowflakeWire::start(fakesnow.port()).await?;
        let postgres = Postgres::start().await?;
        postgres.run_script(CITIES, Duration::from_secs(30)).await?;
        let place = Place::lake();
        let config = format!(
            "version: 1\n\
             datasources:\n\
             \x20 lake:\n    type: local\n    path: lake\n\
             \x20 snow:\n    type: snowflake\n    account: orbit\n    user: orbit\n\
             \x20   password: a-secret\n    host: 127.0.0.1\n    port: {}\n    protocol: http\n\
             \x20   database: ORBIT\n    schema: PUBLIC\n\
             \x20 pg:\n    type: redshift\n    host: 127.0.0.1\n    port: {}\n\
             \x20   database: postgres\n    username: {}\n    sslmode: disable\n",
            wire.port(),
            postgres.port(),
            postgres.user(),
        );
        place.write("datasources.yaml", &config);
        Ok(Self { place, wire, _fakesnow: fakesnow, _postgres: postgres })
    }

    /// Runs the binary, which must succeed, while the proxy goes on answering.
    async fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.place.command(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let ran = self.place.clean(output);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran}");
        assert!(!format!("{ran}").contains("a-secret"), "{args:?}: {ran}");
        ran
    }
}

fn contains(ran: &Ran, texts: &[&str]) {
    for text in texts {
        assert!(ran.stdout.contains(text), "no `{text}` in {ran}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through() {
    let stage = match Stage::new().await {
        Ok(stage) => stage,
        Err(error) => {
            error.completion().map_or_else(|failed| panic!("{failed:?}"), drop);
            return;
        }
    };
    contains(&stage.run(&["check"]).await, &["lake", "snow", "pg"]);
    contains(&stage.run(&["tables", "snow"]).await, &["snow.\"ORBIT\".\"PUBLIC\".\"ORDERS\""]);
    let described = stage.run(&["describe", "snow.\"ORBIT\".\"PUBLIC\".\"ORDERS\""]).await;
    contains(&described, &["ID", "NUMBER(18,0)", "AMOUNT", "NUMBER(12,2)", "CUSTOMER"]);
    let sql = "SELECT COUNT(*) AS N, SUM(AMOUNT) AS S FROM ORDERS";
    let passed = stage.run(&["query", "--on", "snow", "-F", "csv", sql]).await;
    assert_eq!(passed.stdout, "N,S\n3,17.75\n");
    federated(&stage).await;
}

/// Rows of all three, and what each is asked for.
async fn federated(stage: &Stage) {
    let sql = "SELECT t.country, SUM(o.\"AMOUNT\") AS total
        FROM snow.\"ORBIT\".\"PUBLIC\".\"ORDERS\" o
        JOIN lake.customers c ON c.name = o.\"CUSTOMER\"
        JOIN pg.public.cities t ON t.city = c.city
        WHERE o.\"ID\" <> 2 GROUP BY t.country";
    let joined = stage.run(&["query", "-F", "csv", sql]).await;
    assert_eq!(joined.stdout, "country,total\nNorway,17.75\n");
    let explained = stage.run(&["explain", sql]).await;
    contains(&explained, &["snow.", "pg.", "customers.csv", "filter: ID <> 2", "estimate  about"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_the_statement_at_the_source() {
    let stage = Stage::new().await.unwrap();
    for statement in [SnowflakeWire::SLOW, SnowflakeWire::SLOW_ROWS] {
        interrupted(&stage, statement).await;
    }
}

async fn interrupted(stage: &Stage, statement: &str) {
    let child = stage.place.spawn(&["query", "--on", "snow", "-F", "csv", statement]);
    let working = stage.wire.working();
    until(|| working() == 1, "the statement does not begin").await;
    let begun = Instant::now();
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let waited = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ran = stage.place.clean(waited.await.unwrap());
    assert_eq!(ran.code, Some(130), "{ran}");
    until(|| working() == 0, "the statement is still at work at the source").await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

async fn until(done: impl Fn() -> bool, otherwise: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
