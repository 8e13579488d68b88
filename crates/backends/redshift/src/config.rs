//! The settings, and connecting by them.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orbit_core::{
    BackendConfig, Context, Datasource, Error, ErrorKind, Problem, Result, Secret, Settings,
    Sources,
};
use orbit_sql::{Pool, PoolLimits};
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::datasource::RedshiftDatasource;
use crate::iam::IamConfig;
use crate::session::{Connector, Login, Logins, Server, SessionSettings};
use crate::staging::StagingConfig;

/// An idle connection is looked at before it is lent when nobody used it for this long.
const CHECK_AFTER: Duration = Duration::from_secs(30);
/// Connections are replaced after this, so that a changed password or host is noticed.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);

/// The settings of a `redshift` datasource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedshiftConfig {
    /// The name or address of the server.
    host: String,
    /// Its port.
    #[serde(default = "default_port")]
    port: NonZeroU16,
    /// The database.
    database: String,
    /// The user; not with `iam`.
    username: Option<String>,
    /// The user's password.
    password: Option<Secret>,
    /// Temporary logins of an identity in Amazon's cloud, in place of `username` and `password`.
    iam: Option<IamConfig>,
    /// Whether the connection is encrypted, and whether the server must prove who it is.
    #[serde(default)]
    sslmode: SslMode,
    /// A file of certificates, in PEM, that are trusted beside the usual authorities.
    ssl_root_cert: Option<String>,
    /// How many connections at most; one more is kept for cancelling.
    #[serde(default = "default_pool_size")]
    connection_pool_size: NonZeroU16,
    /// The schema in which a bare table name is looked up.
    #[serde(default = "default_schema")]
    schema: String,
    /// The query group of every statement, by which Redshift chooses a queue.
    query_group: Option<String>,
    /// The server ends a statement after this; none leaves it to the query's own deadline.
    statement_timeout_ms: Option<NonZeroU64>,
    /// How long a new connection may take.
    #[serde(default = "default_connect_timeout")]
    connect_timeout_ms: NonZeroU64,
    /// How long a query waits for a connection when all are busy.
    #[serde(default = "default_acquire_timeout")]
    acquire_timeout_ms: NonZeroU64,
    /// An idle connection is closed after this.
    #[serde(default = "default_idle_timeout")]
    idle_timeout_ms: NonZeroU64,
    /// How the server's own lists name these connections.
    #[serde(default = "default_application")]
    application_name: String,
    /// The bucket through which Redshift and ORBIT hand whole files to each other.
    staging: Option<StagingConfig>,
    /// Which server it is; `auto` asks it.
    #[serde(default)]
    server: ServerKind,
}

/// Whether the connection is encrypted, and whether the server must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SslMode {
    /// Plain text.
    Disable,
    /// Encrypted where the server can, by whoever answers.
    Prefer,
    /// Encrypted, by whoever answers.
    Require,
    /// Encrypted, by a server with a trusted certificate of any name.
    VerifyCa,
    /// Encrypted, by a server with a trusted certificate of its own name.
    #[default]
    VerifyFull,
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ServerKind {
    /// The server says it.
    #[default]
    Auto,
    /// Amazon Redshift.
    Redshift,
    /// PostgreSQL.
    Postgresql,
}

fn default_port() -> NonZeroU16 {
    NonZeroU16::new(5439).unwrap_or(NonZeroU16::MIN)
}

fn default_pool_size() -> NonZeroU16 {
    NonZeroU16::new(10).unwrap_or(NonZeroU16::MIN)
}

fn default_schema() -> String {
    "public".to_owned()
}

fn default_connect_timeout() -> NonZeroU64 {
    NonZeroU64::new(10_000).unwrap_or(NonZeroU64::MIN)
}

fn default_acquire_timeout() -> NonZeroU64 {
    NonZeroU64::new(60_000).unwrap_or(NonZeroU64::MIN)
}

fn default_idle_timeout() -> NonZeroU64 {
    NonZeroU64::new(600_000).unwrap_or(NonZeroU64::MIN)
}

fn default_application() -> String {
    "orbit".to_owned()
}

impl RedshiftConfig {
    fn texts(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("host", Some(&self.host)),
            ("database", Some(&self.database)),
            ("username", self.username.as_deref()),
            ("password", self.password.as_ref().map(Secret::expose)),
            ("ssl_root_cert", self.ssl_root_cert.as_deref()),
            ("schema", Some(&self.schema)),
            ("query_group", self.query_group.as_deref()),
            ("application_name", Some(&self.application_name)),
        ]
    }

    fn options(&self) -> Result<PgConnectOptions> {
        let options = PgConnectOptions::new_without_pgpass();
        if options.get_options().is_some() {
            let message = "the variable PGOPTIONS is set, and the driver would send it";
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint("unset it"));
        }
        // What is not set here, the driver takes from variables of its own.
        let options = options
            .host(&self.host)
            .port(self.port.get())
            .database(&self.database)
            .application_name(&self.application_name)
            .extra_float_digits(2)
            .statement_cache_capacity(0)
            .disable_statement_logging()
            .ssl_mode(match self.sslmode {
                SslMode::Disable => PgSslMode::Disable,
                SslMode::Prefer => PgSslMode::Prefer,
                SslMode::Require => PgSslMode::Require,
                SslMode::VerifyCa => PgSslMode::VerifyCa,
                SslMode::VerifyFull => PgSslMode::VerifyFull,
            });
        Ok(match &self.ssl_root_cert {
            Some(path) => options.ssl_root_cert(Path::new(path)),
            None => options.ssl_root_cert_from_pem(Vec::new()),
        })
    }

    fn check_login(&self, settings: &Settings) -> Vec<Problem> {
        let Some(iam) = &self.iam else {
            let message = "either `username` or `iam` is needed";
            return Vec::from_iter(self.username.is_none().then(|| settings.problem("", message)));
        };
        let excluded =
            [("username", self.username.is_some()), ("password", self.password.is_some())];
        let refused = excluded.iter().filter(|(_, is_set)| *is_set);
        let problem = |(key, _): &(&str, bool)| settings.problem(key, "`iam` excludes it");
        let mut problems: Vec<_> = refused.map(problem).collect();
        if let Some(section) = section(settings, "iam") {
            problems.extend(iam.validate(&section));
        }
        problems
    }

    async fn logins(&self, cx: &Context) -> Result<Arc<dyn Logins>> {
        if let Some(iam) = &self.iam {
            return Ok(Arc::new(iam.logins(cx, &self.database).await?));
        }
        let password = self.password.clone().unwrap_or_else(|| Secret::new(String::new()));
        Ok(Arc::new(Login { user: self.username.clone().unwrap_or_default(), password }))
    }

    /// Whether the warehouse wakes for a question. A host of one's own name does not tell.
    fn is_serverless(&self) -> bool {
        self.host.contains(".redshift-serverless.")
            || self.iam.as_ref().is_some_and(IamConfig::is_serverless)
    }

    fn limits(&self) -> PoolLimits {
        PoolLimits {
            connections_max: self.connection_pool_size.get().into(),
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms.get()),
            connect_timeout: Duration::from_millis(self.connect_timeout_ms.get()),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms.get()),
            check_after: CHECK_AFTER,
            lifetime_max: LIFETIME_MAX,
        }
    }

    fn session(&self) -> SessionSettings {
        SessionSettings {
            schema: self.schema.clone(),
            query_group: self.query_group.clone(),
            statement_timeout_ms: self.statement_timeout_ms.map_or(0, NonZeroU64::get),
            server: match self.server {
                ServerKind::Auto => None,
                ServerKind::Redshift => Some(Server::Redshift),
                ServerKind::Postgresql => Some(Server::Postgresql),
            },
        }
    }
}

/// The settings under one key.
fn section(settings: &Settings, key: &str) -> Option<Settings> {
    let node = settings.root().get(key)?.clone();
    Some(Settings::new(settings.path().key(key), node))
}

#[async_trait]
impl BackendConfig for RedshiftConfig {
    fn validate(&self, settings: &Settings, names: &[&str]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, text) in self.texts() {
            if text.is_some_and(str::is_empty) {
                problems.push(settings.problem(key, "the text is empty"));
            }
            if text.is_some_and(|text| text.contains('\0')) {
                problems.push(settings.problem(key, "the text holds a NUL character"));
            }
        }
        problems.extend(self.check_login(settings));
        if let (Some(staging), Some(section)) = (&self.staging, section(settings, "staging")) {
            problems.extend(staging.validate(&section, names));
        }
        let verifies = matches!(self.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
        if self.ssl_root_cert.is_some() && !verifies {
            let message = "the certificates are not looked at under this `sslmode`";
            let hint = "set `sslmode` to `verify-full` or `verify-ca`, or leave this out";
            problems.push(settings.problem("ssl_root_cert", message).with_hint(hint));
        }
        problems
    }

    async fn connect(&self, cx: &Context, sources: &Sources) -> Result<Arc<dyn Datasource>> {
        let connector = Connector::new(self.options()?, self.logins(cx).await?, self.session());
        let pool = Pool::new(connector, self.limits());
        let serverless = self.is_serverless();
        let first = cx.run(pool.open()).await?;
        let staging = match &self.staging {
            Some(_) if first.server == Server::Postgresql => {
                let message = "PostgreSQL reads and writes no bucket, so it has no `staging`";
                return Err(Error::new(ErrorKind::ConfigInvalid, message));
            }
            Some(staging) => Some(staging.open(cx, sources).await?),
            None => None,
        };
        let schema = self.schema.clone();
        Ok(Arc::new(RedshiftDatasource::new(pool, first, schema, staging, serverless)))
    }
}
