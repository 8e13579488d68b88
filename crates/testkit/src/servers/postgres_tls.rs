//! Encryption and a password for a running PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificates::make;
use super::{Postgres, ServerError};

const LIMIT: Duration = Duration::from_secs(30);

/// How a server that was secured is reached.
#[derive(Debug)]
pub struct Secured {
    /// The name in its certificate, which is its only one: it is an address of loopback.
    pub host: &'static str,
    /// A user who needs a password and an encrypted connection.
    pub user: &'static str,
    /// The user's password.
    pub password: &'static str,
    /// The certificate of the authority that signed the server's.
    pub authority: PathBuf,
    /// That of another authority.
    pub other_authority: PathBuf,
}

impl Postgres {
    /// Makes certificates, turns encryption on, and adds a user who must use it (SCRAM). Others
    /// come in as before.
    ///
    /// # Errors
    /// `Missing` without `openssl`; `Failed` when a step fails.
    pub async fn secure(&self) -> Result<Secured, ServerError> {
        let folder = self.cluster.path().join("tls");
        let failed = |e: std::io::Error| ServerError::failed("securing PostgreSQL", e);
        std::fs::create_dir(&folder).map_err(failed)?;
        self.account.own(&folder)?;
        make(&folder, self.account, self.scratch.path()).await?;
        let guarded = "hostssl all guarded 127.0.0.1/32 scram-sha-256\n\
                       host all guarded 0.0.0.0/0 reject\n";
        self.put_rules_first(guarded)?;
        self.run_script(&settings(&folder), LIMIT).await?;
        Ok(Secured {
            host: "localhost",
            user: "guarded",
            password: "p@ss'w\\rd",
            authority: folder.join("ca.pem"),
            other_authority: folder.join("other.pem"),
        })
    }
}

fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "\\set ON_ERROR_STOP on\nCREATE ROLE guarded LOGIN PASSWORD 'p@ss''w\\rd';\n\
         ALTER SYSTEM SET ssl_cert_file = '{folder}/server.pem';\n\
         ALTER SYSTEM SET ssl_key_file = '{folder}/server.key';\n\
         ALTER SYSTEM SET ssl = on;\nSELECT pg_reload_conf();\n"
    )
}
