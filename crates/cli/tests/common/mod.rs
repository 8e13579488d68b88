//! Runs the built binary in a folder of its own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a configuration and a small lake.
pub struct Place(TempDir);

/// How a run ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

const CONFIG: &str = "\
version: 1
datasources:
  lake:
    type: local
    path: lake
  drop:
    type: local
    path: drop
    allow_writes: true
";

impl Place {
    /// An empty folder.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A lake with a few small tables.
    pub fn lake() -> Self {
        let place = Self::empty();
        place.write("datasources.yaml", CONFIG);
        place.write(
            "lake/orders.csv",
            "id,customer,price,day\n1,ann,10.50,2026-01-31\n2,bob,,2026-02-01\n3,ann,7.25,2026-02-02\n",
        );
        place.write("lake/customers.csv", "name,city\nann,Oslo\nbob,Bergen\n");
        place.write("lake/notes/readme.txt", "hello\n");
        fs::create_dir(place.path("drop")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The binary, in this folder, with none of the user's settings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orbit"));
        command.args(args).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("COLUMNS", "100");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.clean(self.command(args).output().unwrap())
    }

    pub fn run_with_stdin(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        self.clean(child.wait_with_output().unwrap())
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// The output with this folder's own name replaced, and other folders kept out.
    pub fn clean(&self, output: Output) -> Ran {
        let real = fs::canonicalize(self.0.path()).unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            [real.as_path(), self.0.path()]
                .iter()
                .fold(text, |text, folder: &&Path| text.replace(folder.to_str().unwrap(), "[dir]"))
        };
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or("killed".to_owned(), |code| code.to_string());
        write!(f, "exit code {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}
