//! PostgreSQL 15 with an empty cluster of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::account::Account;
use super::{Launch, Server, ServerError, find_program, free_port, run_to_end};

/// The server's own words, in the scratch folder.
const LOG: &str = "server.log";
const MAJOR: &str = "15";
const SUPERUSER: &str = "orbit";
const INITDB_TIMEOUT: Duration = Duration::from_secs(60);
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running PostgreSQL: UTF-8, text in byte order, time zone UTC, anybody on loopback is its
/// superuser. Ended and removed when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    psql: PathBuf,
    // The server ends before its files go.
    _server: Server,
    pub(super) scratch: TempDir,
    pub(super) cluster: TempDir,
    pub(super) account: Account,
}

impl Postgres {
    /// Makes a cluster and starts a server on a free port.
    ///
    /// # Errors
    /// `Missing` without PostgreSQL 15; `Failed` when it does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let folders = [PathBuf::from(format!("/usr/lib/postgresql/{MAJOR}/bin"))];
        let program = |name: &str| {
            let missing = || ServerError::Missing(format!("{name} of PostgreSQL is not installed"));
            find_program(name, &folders).ok_or_else(missing)
        };
        let (initdb, postgres, psql) = (program("initdb")?, program("postgres")?, program("psql")?);
        let scratch = folder()?;
        version(&postgres, scratch.path()).await?;
        let cluster = folder()?;
        let account = Account::owning(cluster.path())?;
        let data = cluster.path().join("data");
        make_cluster(&initdb, &data, account, scratch.path()).await?;
        let port = free_port()?;
        let mut command = Command::new(&postgres);
        command.current_dir(cluster.path()).arg("-D").arg(&data).arg("-k").arg(cluster.path());
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in ["fsync=off", "full_page_writes=off", "TimeZone=UTC"] {
            command.args(["-c", setting]);
        }
        account.runs(&mut command);
        let launch = Launch {
            name: "PostgreSQL".to_string(),
            command,
            log: scratch.path().join(LOG),
            ready_timeout: READY_TIMEOUT,
            stop_signal: "QUIT",
        };
        let server = Server::start(launch, || {
            let mut probe = client(&psql, port);
            probe.args(["-c", "SELECT 1"]);
            let scratch = scratch.path();
            async move { run_to_end(probe, scratch, READY_TIMEOUT).await.is_ok() }
        });
        let server = server.await?;
        Ok(Self { port, psql, _server: server, scratch, cluster, account })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's name; there is no password.
    pub fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join(LOG)).unwrap_or_default()
    }

    /// Lets these users in by their password alone (SCRAM); others come in as before.
    ///
    /// # Errors
    /// `Failed` when the rules cannot be written or read again.
    pub async fn ask_password_of(&self, users: &[&str]) -> Result<(), ServerError> {
        let rule = |user: &&str| format!("host all \"{user}\" 127.0.0.1/32 scram-sha-256\n");
        self.put_rules_first(&users.iter().map(rule).collect::<String>())?;
        let limit = READY_TIMEOUT;
        self.run_script("SELECT pg_reload_conf();", limit).await.map(drop)
    }

    /// Puts rules before those by which everybody on loopback is let in.
    pub(super) fn put_rules_first(&self, rules: &str) -> Result<(), ServerError> {
        let file = self.cluster.path().join("data/pg_hba.conf");
        let open = std::fs::read_to_string(&file);
        let written = open.and_then(|open| std::fs::write(&file, format!("{rules}{open}")));
        written.map_err(|e| ServerError::failed("writing who is let in", e))
    }

    /// Runs a `psql` script and answers what it printed. A statement that fails does not end it.
    ///
    /// # Errors
    /// `Failed` when `psql` itself fails or is not done within `limit`.
    pub async fn run_script(&self, script: &str, limit: Duration) -> Result<String, ServerError> {
        let file = self.scratch.path().join("script.sql");
        std::fs::write(&file, script).map_err(|e| ServerError::failed(file.display(), e))?;
        let mut command = client(&self.psql, self.port);
        command.arg("-f").arg(&file);
        run_to_end(command, self.scratch.path(), limit).await
    }
}

fn client(psql: &Path, port: u16) -> Command {
    let mut command = Command::new(psql);
    command.args(["-X", "-q", "-h", "127.0.0.1", "-U", SUPERUSER, "-d", "postgres"]);
    command.args(["-p", &port.to_string()]);
    command.env("PGCLIENTENCODING", "UTF8").env("PGCONNECT_TIMEOUT", "5");
    command
}

async fn version(postgres: &Path, scratch: &Path) -> Result<(), ServerError> {
    let mut command = Command::new(postgres);
    command.arg("--version");
    let said = run_to_end(command, scratch, READY_TIMEOUT).await?;
    let number =
        said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    match number.and_then(|number| number.split('.').next()) {
        Some(MAJOR) => Ok(()),
        _ => {
            Err(ServerError::Missing(format!("PostgreSQL {MAJOR} is wanted, not {}", said.trim())))
        }
    }
}

async fn make_cluster(
    initdb: &Path,
    data: &Path,
    account: Account,
    scratch: &Path,
) -> Result<(), ServerError> {
    let mut command = Command::new(initdb);
    command.current_dir("/").arg("-D").arg(data).args(["-A", "trust", "-U", SUPERUSER]);
    command.args(["-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8", "--no-sync"]);
    account.runs(&mut command);
    run_to_end(command, scratch, INITDB_TIMEOUT).await.map(drop)
}

fn folder() -> Result<TempDir, ServerError> {
    let made = tempfile::Builder::new().prefix("orbit-postgres-").tempdir();
    made.map_err(|e| ServerError::failed("making a temporary folder", e))
}
