//! A server process: spawned, waited for, ended with the test.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::ServerError;
use super::command::tail;

const POLL: Duration = Duration::from_millis(50);
/// How long a server may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How a server is started.
#[derive(Debug)]
pub struct Launch {
    /// What it is called in messages.
    pub name: String,
    /// The command that stays in the foreground.
    pub command: Command,
    /// The file that takes its standard output and error.
    pub log: PathBuf,
    /// How long it may take until it is ready.
    pub ready_timeout: Duration,
    /// The signal that ends it in order, such as `QUIT`.
    pub stop_signal: &'static str,
}

/// A running server. Dropping it ends the process, also when the test panics.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    stop_signal: &'static str,
}

impl Server {
    /// Starts a server and waits until `ready` says so.
    ///
    /// # Errors
    /// `Failed` with the end of its log when it ends at once or is not ready in time.
    pub async fn start<F>(launch: Launch, ready: impl Fn() -> F) -> Result<Self, ServerError>
    where
        F: Future<Output = bool>,
    {
        let Launch { name, mut command, log, ready_timeout, stop_signal } = launch;
        let failed = |e: std::io::Error| ServerError::failed(format!("starting {name}"), e);
        let out = File::create(&log).map_err(failed)?;
        command.stdin(Stdio::null()).stderr(out.try_clone().map_err(failed)?).stdout(out);
        let child = command.spawn().map_err(failed)?;
        let mut server = Self { name, child, log, stop_signal };
        let end = Instant::now() + ready_timeout;
        while !ready().await {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(server.complaint(&format!("ended at its start with {status}")));
            }
            if Instant::now() > end {
                return Err(server.complaint(&format!("is not ready after {ready_timeout:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    fn complaint(&self, what: &str) -> ServerError {
        ServerError::Failed(format!("{} {what}; its log ends:\n{}", self.name, tail(&self.log)))
    }

    /// Asks it to end, and waits a little.
    fn ends_in_order(&mut self) -> bool {
        let signal = format!("-{}", self.stop_signal);
        let asked = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            return false;
        }
        let end = Instant::now() + GRACE;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            pause(POLL);
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ends_in_order() {
            // Nobody is left to tell if these fail.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "dropping cannot wait any other way")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A port of the loopback interface that nobody listened on a moment ago.
///
/// # Errors
/// `Failed` when there is none.
pub fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.map_err(|e| ServerError::failed("looking for a free port", e))?.port())
}

/// Whether a server on loopback takes connections.
pub(super) async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
