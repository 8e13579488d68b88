//! Certificates for `localhost`, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::account::Account;
use super::{ServerError, find_program, run_to_end};

const LIMIT: Duration = Duration::from_secs(30);

/// What `openssl` is asked for, in order; each runs in the folder of the certificates.
const STEPS: [&str; 4] = [
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem \
     -days 3650 -subj /CN=orbit-test",
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out \
     other.pem -days 3650 -subj /CN=orbit-other",
    "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out \
     server.csr -subj /CN=localhost",
    "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile \
     names.ext -out server.pem",
];

/// A server's certificate for `localhost` alone, and who signed it. Removed when it is dropped.
#[derive(Debug)]
pub struct Certificates {
    /// The certificate of the authority that signed the server's.
    pub authority: PathBuf,
    /// That of another authority.
    pub other_authority: PathBuf,
    /// The server's.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    _folder: TempDir,
}

impl Certificates {
    /// Makes them in a folder of their own.
    ///
    /// # Errors
    /// `Missing` without `openssl`; `Failed` when a step fails.
    pub async fn new() -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new().prefix("orbit-tls-").tempdir();
        let folder = folder.map_err(|e| ServerError::failed("making a temporary folder", e))?;
        make(folder.path(), Account::Own, folder.path()).await?;
        let path = |name| folder.path().join(name);
        Ok(Self {
            authority: path("ca.pem"),
            other_authority: path("other.pem"),
            certificate: path("server.pem"),
            key: path("server.key"),
            _folder: folder,
        })
    }
}

/// Makes `ca.pem`, `other.pem`, `server.pem` and `server.key` in `folder`, as `account`.
pub(super) async fn make(
    folder: &Path,
    account: Account,
    scratch: &Path,
) -> Result<(), ServerError> {
    let openssl = find_program("openssl", &[])
        .ok_or_else(|| ServerError::Missing("openssl is not installed".to_owned()))?;
    let names = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
    std::fs::write(folder.join("names.ext"), names)
        .map_err(|e| ServerError::failed("making certificates", e))?;
    for step in STEPS {
        let mut command = Command::new(&openssl);
        command.args(step.split_whitespace()).current_dir(folder);
        account.runs(&mut command);
        run_to_end(command, scratch, LIMIT).await?;
    }
    Ok(())
}
