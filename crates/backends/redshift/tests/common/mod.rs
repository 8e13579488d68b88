//! A PostgreSQL that tests start themselves, and settings that reach it.

use orbit_core::Node;
use orbit_testkit::servers::Postgres;
use orbit_testkit::settings;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

/// Settings that reach `server`, with some changed.
pub(crate) fn reaching<'a>(
    server: &Postgres,
    changed: impl IntoIterator<Item = (&'a str, String)>,
) -> Node {
    reaching_port(&server.port().to_string(), server.user(), changed)
}

/// Settings that reach a port of loopback as `user`, with some changed.
pub(crate) fn reaching_port<'a>(
    port: &str,
    user: &str,
    changed: impl IntoIterator<Item = (&'a str, String)>,
) -> Node {
    let mut node = settings::texts([
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_owned()),
        ("database", "postgres".to_owned()),
        ("username", user.to_owned()),
        ("sslmode", "disable".to_owned()),
    ]);
    node.merge(settings::texts(changed));
    node
}

/// A plain connection of the test's own.
pub(crate) async fn observer(port: u16, user: &str) -> sqlx::Result<sqlx::PgConnection> {
    let options = PgConnectOptions::new_without_pgpass();
    let options = options.host("127.0.0.1").port(port).username(user).password("");
    options.database("postgres").ssl_mode(PgSslMode::Disable).connect().await
}

/// The number that a query answers.
pub(crate) async fn count(connection: &mut sqlx::PgConnection, sql: &str) -> sqlx::Result<i64> {
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?;
    row.try_get_unchecked::<String, _>(0).map(|n| n.parse().unwrap_or(-1))
}
