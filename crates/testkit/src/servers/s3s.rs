//! s3s-fs: a store that speaks S3 over a folder, and checks signatures and checksums.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{Launch, Server, ServerError, free_port, in_testbed, listens};

const ACCESS_KEY: &str = "orbit-test-key";
const SECRET_KEY: &str = "orbit-test-secret-8f2c61";
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// A running store with one key and one empty bucket. Ended and removed when it is dropped.
#[derive(Debug)]
pub struct S3s {
    port: u16,
    // The server ends before its files go.
    _server: Server,
    folder: TempDir,
}

impl S3s {
    /// Starts a store on a free port; `ORBIT_S3S_FS` names another program.
    ///
    /// # Errors
    /// `Missing` when it is not installed; `Failed` when it does not start.
    pub async fn start() -> Result<Self, ServerError> {
        let program = in_testbed("s3s-fs", "bin/s3s-fs", "ORBIT_S3S_FS")?;
        let folder = tempfile::Builder::new().prefix("orbit-s3s-").tempdir();
        let folder = folder.map_err(|e| ServerError::failed("making a temporary folder", e))?;
        let root = folder.path().join("buckets");
        std::fs::create_dir_all(root.join(Self::BUCKET))
            .map_err(|e| ServerError::failed("making a bucket", e))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        command.arg(&root).env_remove("RUST_LOG");
        let launch = Launch {
            name: "s3s-fs".to_owned(),
            command,
            log: folder.path().join("log"),
            ready_timeout: READY_TIMEOUT,
            stop_signal: "INT",
        };
        let server = Server::start(launch, move || listens(port)).await?;
        Ok(Self { port, _server: server, folder })
    }

    /// The bucket that is there.
    pub const BUCKET: &str = "orbit-test";

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for a client.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The one access key that it knows.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of that key.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The folder that holds the buckets and what is left of uploads.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("buckets")
    }

    /// The files in the store's own folder, whose names begin with a dot where they are no keys.
    pub fn left_of_uploads(&self) -> Vec<PathBuf> {
        let is_of_upload = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(".upload") || name.starts_with(".upload_id")
        };
        files_below(&self.root()).into_iter().filter(is_of_upload).collect()
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}
