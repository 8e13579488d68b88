//! fakesnow, which answers Snowflake's clients from DuckDB, by its Python wheel in the testbed's
//! folder.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{Launch, Server, ServerError, free_port, run_to_end, variable};

const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// The one database and schema that there are.
const DATABASE: &str = "ORBIT";
const SCHEMA: &str = "PUBLIC";
/// Has a byte for each request.
const REQUESTS: &str = "requests";

/// Serves on the port that is its first argument and counts requests in the file that is its
/// second, a byte for each. A null among bound values is let through, which the server itself
/// takes for a text and fails on; and requests are taken one by one, since it refuses a second
/// statement of a session, which the service runs beside the first.
const SERVE: &str = r"
import asyncio
import sys
import uvicorn
import fakesnow.server as server

alone = asyncio.Lock()
count = open(sys.argv[2], 'ab', buffering=0)

async def one_by_one(scope, receive, send):
    if scope['type'] != 'http':
        return await server.app(scope, receive, send)
    count.write(b'.')
    async with alone:
        await server.app(scope, receive, send)

read = server.from_binding
server.from_binding = lambda binding: None if binding['value'] is None else read(binding)
uvicorn.run(one_by_one, host='127.0.0.1', port=int(sys.argv[1]), log_level='warning')
";

/// Runs the statements of a JSON file through the vendor's own client.
const RUN: &str = r"
import json
import sys
import snowflake.connector

connection = snowflake.connector.connect(
    account='orbit', user='orbit', password='orbit', host='127.0.0.1', port=int(sys.argv[1]),
    protocol='http', database=sys.argv[2], schema=sys.argv[3], login_timeout=20)
cursor = connection.cursor()
with open(sys.argv[4]) as statements:
    for statement in json.load(statements):
        cursor.execute(statement)
";

/// A running server with the database `ORBIT` and its schema `PUBLIC`. It takes any password.
#[derive(Debug)]
pub struct Fakesnow {
    python: PathBuf,
    port: u16,
    _server: Server,
    scratch: TempDir,
}

impl Fakesnow {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// `Missing` when it is not installed; `Failed` when it does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let python = variable("ORBIT_FAKESNOW_PYTHON").map_or_else(installed, PathBuf::from);
        if !python.is_file() {
            let hint = "run `cargo xtask testbed install fakesnow`";
            let message = format!("{} is not there; {hint}", python.display());
            return Err(ServerError::Missing(message));
        }
        let scratch = tempfile::Builder::new().prefix("orbit-fakesnow-").tempdir();
        let scratch = scratch.map_err(|e| ServerError::failed("making a temporary folder", e))?;
        let port = free_port()?;
        let mut command = Command::new(&python);
        command.args(["-c", SERVE]).arg(port.to_string()).arg(scratch.path().join(REQUESTS));
        command.current_dir(scratch.path());
        let launch = Launch {
            name: "fakesnow".to_owned(),
            command,
            log: scratch.path().join("server.log"),
            ready_timeout: READY_TIMEOUT,
            stop_signal: "TERM",
        };
        let ready = move || async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
        let server = Server::start(launch, ready).await?;
        let server = Self { python, port, _server: server, scratch };
        server.run(Vec::new()).await?;
        Ok(server)
    }

    /// The port on 127.0.0.1, for plain HTTP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The names of database and schema, outermost first.
    pub fn parent(&self) -> [&'static str; 2] {
        [DATABASE, SCHEMA]
    }

    /// How many requests there were.
    ///
    /// # Errors
    /// `Failed` when they were not counted.
    pub fn requests(&self) -> Result<u64, ServerError> {
        let counted = std::fs::metadata(self.scratch.path().join(REQUESTS));
        Ok(counted.map_err(|e| ServerError::failed("counting requests", e))?.len())
    }

    /// Runs statements through the vendor's own client.
    ///
    /// # Errors
    /// `Failed` when one of them does.
    pub async fn run(&self, statements: Vec<String>) -> Result<(), ServerError> {
        let file = self.scratch.path().join("statements.json");
        let failed = |e: std::io::Error| ServerError::failed(file.display(), e);
        let text = serde_json::to_string(&statements).map_err(std::io::Error::from);
        text.and_then(|text| std::fs::write(&file, text)).map_err(failed)?;
        let mut command = Command::new(&self.python);
        command.args(["-c", RUN]).arg(self.port.to_string()).args(self.parent()).arg(&file);
        run_to_end(command, self.scratch.path(), READY_TIMEOUT).await.map(drop)
    }
}

fn installed() -> PathBuf {
    let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".cache");
    let cache = variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join("orbit/testbed/fakesnow/bin/python")
}
