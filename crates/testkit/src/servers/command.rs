//! Programs that run to their end, within a limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{ServerError, variable};

const POLL: Duration = Duration::from_millis(20);

/// The program of this name in the search path or in one of `folders`.
pub fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let searched = std::env::split_paths(&path).chain(folders.iter().cloned());
    searched.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Runs `command` to its end and answers what it wrote to its standard output; `scratch` holds
/// its output meanwhile, so that no pipe can fill up.
///
/// # Errors
/// `Failed` with the end of its standard error when it fails or is still running at the limit.
pub async fn run_to_end(
    mut command: Command,
    scratch: &Path,
    limit: Duration,
) -> Result<String, ServerError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |e: std::io::Error| ServerError::failed(&name, e);
    let (out, err) = (scratch.join("out"), scratch.join("err"));
    command.stdin(Stdio::null());
    command.stdout(File::create(&out).map_err(failed)?);
    command.stderr(File::create(&err).map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() > end {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(ServerError::failed(&name, format!("no end after {limit:?}")));
        }
        tokio::time::sleep(POLL).await;
    };
    if !status.success() {
        return Err(ServerError::failed(&name, format!("{status}\n{}", tail(&err))));
    }
    fs::read_to_string(&out).map_err(failed)
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
