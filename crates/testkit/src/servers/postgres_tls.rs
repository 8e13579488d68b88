//! Encryption and a password for a running PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Postgres, ServerError, find_program, run_to_end};

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

impl Postgres {
    /// Makes certificates, turns encryption on, and adds a user who must use it (SCRAM). Others
    /// come in as before.
    ///
    /// # Errors
    /// `Missing` without `openssl`; `Failed` when a step fails.
    pub async fn secure(&self) -> Result<Secured, ServerError> {
        let openssl = find_program("openssl", &[])
            .ok_or_else(|| ServerError::Missing("openssl is not installed".to_owned()))?;
        let folder = self.cluster.path().join("tls");
        let failed = |e: std::io::Error| ServerError::failed("securing PostgreSQL", e);
        std::fs::create_dir(&folder).map_err(failed)?;
        self.account.own(&folder)?;
        let names = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
        std::fs::write(folder.join("names.ext"), names).map_err(failed)?;
        for step in STEPS {
            let mut command = Command::new(&openssl);
            command.args(step.split_whitespace()).current_dir(&folder);
            self.account.runs(&mut command);
            run_to_end(command, self.scratch.path(), LIMIT).await?;
        }
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
