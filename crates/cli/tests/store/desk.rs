//! A folder with the program, a local lake and a store of its own.

use std::path::PathBuf;
use std::sync::Arc;

use orbit_testkit::servers::{S3s, ServerError};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::common::{Place, Ran};

/// The folder, the store, and what the test's own servers run on.
pub(crate) struct Desk {
    pub(crate) place: Place,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) server: S3s,
}

impl Desk {
    pub(crate) fn new(runtime: &Arc<Runtime>) -> Result<Self, ServerError> {
        let server = runtime.block_on(S3s::start())?;
        let desk = Self { place: Place::lake(), runtime: Arc::clone(runtime), server };
        desk.configure(&desk.server.endpoint(), "");
        Ok(desk)
    }

    /// Writes a configuration whose store is at `endpoint`, with `more` lines of settings.
    pub(crate) fn configure(&self, endpoint: &str, more: &str) {
        let (bucket, key) = (S3s::BUCKET, self.server.access_key());
        let config = format!(
            "version: 1
datasources:
  lake:
    type: local
    path: lake
  store:
    type: s3
    bucket_name: {bucket}
    endpoint_url: {endpoint}
    region: us-east-1
    access_key: {key}
    secret_key: ${{STORE_SECRET}}
    allow_writes: true
{more}"
        );
        self.place.write("datasources.yaml", &config);
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with_secret(args, self.server.secret_key())
    }

    pub(crate) fn run_with_secret(&self, args: &[&str], secret: &str) -> Ran {
        let mut command = self.place.command(args);
        command.env("STORE_SECRET", secret).env("AWS_EC2_METADATA_DISABLED", "true");
        let ran = self.place.clean(command.output().unwrap());
        let port = format!("127.0.0.1:{}", self.server.port());
        Ran {
            stdout: ran.stdout.replace(&port, "[store]"),
            stderr: ran.stderr.replace(&port, "[store]"),
            ..ran
        }
    }

    /// Runs the program, which must do its work; answers what it printed.
    pub(crate) fn orbit(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}\n{ran}");
        ran.stdout
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let answer = self.orbit(&[args, &["--json"]].concat());
        serde_json::from_str(&answer).unwrap()
    }

    /// The answer to a query as CSV.
    pub(crate) fn csv(&self, sql: &str) -> String {
        self.orbit(&["query", "--format", "csv", sql])
    }

    /// A file of the bucket, as the server keeps it.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.server.root().join(S3s::BUCKET).join(key)
    }

    /// Puts bytes under a key, past the program.
    pub(crate) fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.object(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The keys of the bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        let listed = self.json(&["ls", "--recursive", "store:"]);
        let entries = listed["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    }
}
