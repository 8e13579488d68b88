//! PostgreSQL 15 from Debian: a cluster of its own, made anew each time.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{Uid, User, geteuid};

use super::Fixture;
use super::debian::{apt_install, require_root};
use super::state::{Server, State, process_started};
use crate::shell;

const BINARIES: &str = "/usr/lib/postgresql/15/bin";
const PACKAGE: &str = "postgresql-15";
/// Debian's package makes and starts a cluster on the usual port unless this file says no.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";
/// The superuser of the cluster and, when root asks, the user that the server runs as.
const DATABASE_USER: &str = "orbit";
const SYSTEM_USER: &str = "postgres";
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Postgres;

impl Fixture for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn by_default(&self) -> bool {
        true
    }

    fn installed(&self) -> Result<bool> {
        Ok(binary("initdb").exists() && binary("postgres").exists())
    }

    fn install(&self) -> Result<()> {
        require_root(&[PACKAGE])?;
        let conf = Path::new(CREATE_CLUSTER);
        if !conf.exists() {
            std::fs::create_dir_all(conf.parent().unwrap_or(conf))?;
            std::fs::write(conf, "create_main_cluster = false\n")?;
        }
        apt_install(&[PACKAGE])
    }

    fn start(&self, state: &mut State) -> Result<()> {
        let user = server_user()?;
        let folder = server_folder(user.as_ref())?;
        let password = random_hex()?;
        init_cluster(&folder, &password, user.as_ref())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let pid = spawn(&folder, port, user.as_ref())?;
        let started = process_started(pid).with_context(|| log_of(&folder))?;
        let name = self.name().to_owned();
        let server = Server { name, pid, started, port, password, folder };
        // Known before it answers, so that a start that fails half-way can still be ended.
        state.add(server.clone());
        state.write()?;
        wait_until_ready(&server)
    }

    fn variables(&self, state: &State) -> Result<Vec<(&'static str, String)>> {
        let server = state.running().find(|s| s.name == self.name());
        let url = |s: &Server| {
            format!("postgres://{DATABASE_USER}:{}@127.0.0.1:{}/postgres", s.password, s.port)
        };
        Ok(server.map(|s| ("ORBIT_TESTBED_POSTGRES", url(s))).into_iter().collect())
    }
}

fn binary(name: &str) -> PathBuf {
    Path::new(BINARIES).join(name)
}

/// PostgreSQL refuses to run as root, so root hands it to Debian's own user for it.
fn server_user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name(SYSTEM_USER)?;
    Ok(Some(user.with_context(|| format!("no system user `{SYSTEM_USER}`"))?))
}

/// A folder that the server's user can reach: root's cache folder is closed to others.
fn server_folder(user: Option<&User>) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("orbit-postgres-{}", random_hex()?));
    std::fs::create_dir(&folder)?;
    if let Some(user) = user {
        chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(folder)
}

fn init_cluster(folder: &Path, password: &str, user: Option<&User>) -> Result<()> {
    let password_file = folder.join("password");
    std::fs::write(&password_file, password)?;
    let mut initdb = server_command("initdb", user);
    initdb.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(&password_file);
    initdb.args(["--username", DATABASE_USER, "--auth", "scram-sha-256"]);
    initdb.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    let output = initdb.output().context("cannot run initdb")?;
    std::fs::remove_file(&password_file)?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn spawn(folder: &Path, port: u16, user: Option<&User>) -> Result<i32> {
    let log = File::create(folder.join("log"))?;
    let mut postgres = server_command("postgres", user);
    postgres.arg("-D").arg(folder.join("data"));
    let port = format!("port={port}");
    for setting in [
        "listen_addresses=127.0.0.1",
        &port,
        "unix_socket_directories=",
        "fsync=off",
        "max_connections=50",
        "timezone=UTC",
    ] {
        postgres.args(["-c", setting]);
    }
    postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let child = postgres.spawn().context("cannot run postgres")?;
    Ok(i32::try_from(child.id())?)
}

fn server_command(name: &str, user: Option<&User>) -> Command {
    let mut command = shell::command(binary(name));
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(Uid::as_raw(user.uid)).gid(user.gid.as_raw());
    }
    command
}

fn wait_until_ready(server: &Server) -> Result<()> {
    let begin = Instant::now();
    let port = server.port.to_string();
    while begin.elapsed() < READY_TIMEOUT {
        let mut ready = shell::command(binary("pg_isready"));
        if shell::succeeds(ready.args(["--quiet", "--host", "127.0.0.1", "--port", &port])) {
            return Ok(());
        }
        if !server.runs() {
            bail!("postgres ended: {}", log_of(&server.folder));
        }
        shell::pause(LOOK_EVERY);
    }
    bail!("postgres does not answer after {READY_TIMEOUT:?}: {}", log_of(&server.folder))
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default().trim().to_owned()
}

fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
