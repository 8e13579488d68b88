//! Connections: how one is opened and set up, looked at and reset.
//!
//! Everything goes over the simple protocol (`raw_sql`), because for the other one the driver
//! asks catalogs for types in a way that Redshift refuses. What would change how the server
//! reads or writes values is pinned when a session begins.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::TryStreamExt;
use orbit_core::{Error, ErrorKind, Result, Secret, SqlForms};
use orbit_sql::Connect;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Row, ValueRef};

use crate::dialect::Forms;
use crate::error;

/// Which server is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Redshift,
    Postgresql,
}

/// User and password of a new connection.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// Where logins come from: each new connection asks again, so that what expires is renewed.
#[async_trait]
pub(crate) trait Logins: fmt::Debug + Send + Sync {
    async fn login(&self) -> Result<Login>;

    /// The server refused this login; answers whether another one might be had.
    async fn refused(&self, login: &Login) -> bool;
}

/// The login of the configuration.
#[async_trait]
impl Logins for Login {
    async fn login(&self) -> Result<Login> {
        Ok(self.clone())
    }

    async fn refused(&self, _: &Login) -> bool {
        false
    }
}

/// What every session is told when it begins.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    pub(crate) schema: String,
    pub(crate) query_group: Option<String>,
    /// Zero is no limit.
    pub(crate) statement_timeout_ms: u64,
    /// The server that is expected; none asks it.
    pub(crate) server: Option<Server>,
}

/// Opens connections.
pub(crate) struct Connector {
    options: PgConnectOptions,
    logins: Arc<dyn Logins>,
    settings: SessionSettings,
    /// Whether a backslash in a plain literal escapes, as the first session told.
    backslash_escapes: OnceLock<bool>,
}

/// A connection and what is known of it.
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    /// The server's process, by which a statement is cancelled.
    pub(crate) process: i32,
    pub(crate) server: Server,
    /// A backslash in a plain literal escapes.
    pub(crate) backslash_escapes: bool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The driver's options would show the password.
        f.debug_struct("Connector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A row of a small answer, as text.
pub(crate) type TextRow = Vec<Option<String>>;

/// The most rows that a question to a catalog may answer.
const ANSWER_ROWS_MAX: usize = 100_000;

/// Runs a statement of ours with a small answer.
pub(crate) async fn ask(connection: &mut PgConnection, sql: String) -> Result<Vec<TextRow>> {
    let mut answer = Vec::new();
    let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    while let Some(step) = rows.try_next().await.map_err(error::of)? {
        let Either::Right(row) = step else { continue };
        if answer.len() == ANSWER_ROWS_MAX {
            let message = format!("the catalog answers more than {ANSWER_ROWS_MAX} rows");
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        answer.push(texts(&row)?);
    }
    Ok(answer)
}

/// Runs a statement of ours and answers how many rows it changed.
pub(crate) async fn execute(connection: &mut PgConnection, sql: String) -> Result<u64> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    Ok(done.map_err(error::of)?.rows_affected())
}

fn texts(row: &PgRow) -> Result<TextRow> {
    let text = |index| {
        let value = row.try_get_raw(index).map_err(error::of)?;
        if value.is_null() {
            return Ok(None);
        }
        let text = value.as_str().map_err(|e| {
            Error::new(ErrorKind::DataInvalid, "the catalog's answer is not text").with_source(e)
        })?;
        Ok(Some(text.to_owned()))
    };
    (0..row.len()).map(text).collect()
}

impl Connector {
    pub(crate) fn new(
        options: PgConnectOptions,
        logins: Arc<dyn Logins>,
        settings: SessionSettings,
    ) -> Self {
        Self { options, logins, settings, backslash_escapes: OnceLock::new() }
    }

    /// What pins the session, and the limits that the configuration asks for.
    fn preamble(&self, server: Server) -> Result<String> {
        let forms = Forms::new(server, false);
        let SessionSettings { schema, query_group, statement_timeout_ms, server: _ } =
            &self.settings;
        let mut sql = format!("SET search_path TO {};", forms.dialect().quote(schema));
        sql.push_str(&format!("SET statement_timeout TO {statement_timeout_ms};"));
        match server {
            Server::Redshift => {
                if let Some(group) = query_group {
                    sql.push_str(&format!("SET query_group TO {};", forms.dialect().text(group)?));
                }
            }
            // The interval makes a server that knows it see that a client is gone while a
            // statement runs. On systems that cannot tell, it takes no value but zero.
            Server::Postgresql => sql.push_str(
                "SET standard_conforming_strings TO on;SET bytea_output TO hex;\
                 SET IntervalStyle TO postgres;SELECT set_config(name, '2000', false) \
                 FROM pg_settings WHERE name = 'client_connection_check_interval' \
                 AND version() LIKE '%linux%';",
            ),
        }
        Ok(sql)
    }

    /// The server's own limit of a statement that is set for every session; zero is none.
    pub(crate) fn statement_timeout_ms(&self) -> u64 {
        self.settings.statement_timeout_ms
    }

    /// When the server ends a statement that is sent now by this limit, if there is one.
    pub(crate) fn statement_limit(&self) -> Option<Instant> {
        let limit_ms = Some(self.statement_timeout_ms()).filter(|limit_ms| *limit_ms > 0)?;
        Instant::now().checked_add(Duration::from_millis(limit_ms))
    }

    /// A connection under a login that the server takes: a temporary one may have been withdrawn
    /// since it was given out.
    async fn connect(&self) -> Result<PgConnection> {
        let login = self.logins.login().await?;
        match self.connect_as(&login).await {
            Err(error)
                if error.kind() == ErrorKind::Unauthenticated
                    && self.logins.refused(&login).await =>
            {
                self.connect_as(&self.logins.login().await?).await
            }
            answer => answer,
        }
    }

    async fn connect_as(&self, login: &Login) -> Result<PgConnection> {
        let options = self.options.clone().username(&login.user);
        options.password(login.password.expose()).connect().await.map_err(error::of)
    }

    async fn set_up(&self, connection: &mut PgConnection, server: Server) -> Result<bool> {
        execute(connection, self.preamble(server)?).await?;
        // Two backslashes are one where they escape.
        let length = ask(connection, "SELECT LENGTH('\\\\')".to_owned()).await?;
        let escapes = length.first().and_then(|row| row.first()) == Some(&Some("1".to_owned()));
        if *self.backslash_escapes.get_or_init(|| escapes) == escapes {
            return Ok(escapes);
        }
        // A literal would end elsewhere than where it was scanned to end.
        let message = "this session reads backslashes otherwise than the first one";
        Err(Error::new(ErrorKind::Unavailable, message)
            .with_hint("set `standard_conforming_strings` alike for all sessions of the user"))
    }
}

/// The driver takes the provider of the process, and panics when several are compiled in and
/// none was chosen. A choice that was made before stands.
fn choose_tls_provider() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

#[async_trait]
impl Connect for Connector {
    type Connection = Session;

    async fn open(&self) -> Result<Session> {
        choose_tls_provider();
        let mut connection = self.connect().await?;
        let question = "SELECT pg_backend_pid(), version()".to_owned();
        let answer = ask(&mut connection, question).await?;
        let [Some(process), Some(version)] = answer.first().map_or(&[][..], Vec::as_slice) else {
            return Err(Error::new(ErrorKind::DataInvalid, "the server does not say what it is"));
        };
        let process = process.parse().map_err(|_| {
            Error::new(ErrorKind::DataInvalid, "the server's process has no number")
        })?;
        let told = if version.contains("Redshift") { Server::Redshift } else { Server::Postgresql };
        let server = self.settings.server.unwrap_or(told);
        let backslash_escapes = self.set_up(&mut connection, server).await?;
        Ok(Session { connection, process, server, backslash_escapes })
    }

    async fn check(&self, session: &mut Session) -> Result<()> {
        ask(&mut session.connection, "SELECT 1".to_owned()).await.map(drop)
    }

    async fn reset(&self, session: &mut Session) -> Result<()> {
        if session.server == Server::Redshift {
            // Redshift has no DISCARD, so nothing short of a new session is surely clean.
            let message = "a session of Redshift cannot be reset";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        execute(&mut session.connection, "DISCARD ALL".to_owned()).await?;
        self.set_up(&mut session.connection, session.server).await.map(drop)
    }
}

/// How long the socket may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Closes a connection without waiting for the server.
pub(crate) async fn close_hard(session: Session) {
    let closed = tokio::time::timeout(CLOSE_TIMEOUT, session.connection.close_hard()).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!("a connection was not closed in order");
    }
}
