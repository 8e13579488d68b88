//! A datasource in a process of its own: where credentials come from is told by variables and by
//! files below the home folder, and a process cannot change its own safely.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use orbit_testkit::servers::{HttpServer, ServerError, run_to_end};
use orbit_testkit::settings::texts;
use tempfile::TempDir;

use crate::world::Store;

/// The first argument of the child.
const FLAG: &str = "--list-as-child";

const LIMIT: Duration = Duration::from_secs(60);

/// A process that connects, lists, and says what came of it.
pub(crate) struct Child {
    home: TempDir,
    variables: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    pause: Duration,
}

impl Child {
    /// With the bucket, the place and the region set, and nothing that says who asks.
    pub(crate) fn of(store: &HttpServer) -> Self {
        Self::at(&store.endpoint(), "bucket")
    }

    pub(crate) fn at(endpoint: &str, bucket: &str) -> Self {
        let child = Self {
            home: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
            settings: Vec::new(),
            pause: Duration::ZERO,
        };
        let child = child.setting("bucket_name", bucket).setting("endpoint_url", endpoint);
        child.setting("region", "us-east-1").variable("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// A setting; a later value stands.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable; a later value stands.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file below the home folder.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Lists a second time after this long.
    pub(crate) fn listing_again_after(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// What it says: `listed`, once or twice, or the error with its causes.
    pub(crate) async fn run(self) -> Result<String, ServerError> {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.arg(FLAG).arg(self.pause.as_millis().to_string());
        command.args(self.settings.iter().map(|(name, value)| format!("{name}={value}")));
        command.env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        run_to_end(command, self.home.path(), LIMIT).await
    }
}

/// Does the child's work, if these are the child's arguments.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn ran_as_child() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [flag, pause, settings @ ..] = arguments.as_slice() else { return None };
    if flag != FLAG {
        return None;
    }
    let node = texts(settings.iter().map(|setting| {
        let (name, value) = setting.split_once('=').unwrap();
        (name, value.to_owned())
    }));
    let pause = Duration::from_millis(pause.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let worked = runtime.block_on(async {
        let store = Store::connect(node).await?;
        store.list("").await?;
        println!("listed");
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
            store.list("").await?;
            println!("listed");
        }
        Ok::<_, orbit_core::Error>(())
    });
    if let Err(error) = worked {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        println!("{:?}: {error}{cause}", error.kind());
    }
    Some(ExitCode::SUCCESS)
}
