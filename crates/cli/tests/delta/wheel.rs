//! delta-rs' Python wheel: another build of the library, which reads what we wrote through its
//! own file system and its own readers, and writes what we read.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed};

/// What each script begins with: `path` is the table's, `rows` its rows as sorted JSON.
const PRELUDE: &str = "
import os, sys, json, decimal, datetime
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

path = sys.argv[1]

def plain(value):
    return value if isinstance(value, (int, str, bool, type(None))) else str(value)

def rows(version=None):
    table = DeltaTable(path, version=version).to_pyarrow_table()
    found = [[plain(v) for v in row.values()] for row in table.to_pylist()]
    return json.dumps(sorted(found, key=repr))
";

/// Threads of the wheel abort now and then when the interpreter ends in order.
const END: &str = "sys.stdout.flush()\nos._exit(0)";

/// A Python in which `import deltalake` works.
#[derive(Clone)]
pub(crate) struct Wheel(PathBuf);

impl Wheel {
    /// Finds it where `cargo xtask testbed install deltalake` puts it.
    pub(crate) fn find() -> Result<Self, String> {
        let python = variable("ORBIT_DELTALAKE_PYTHON").map_or_else(installed, PathBuf::from);
        match python.is_file() {
            true => Ok(Self(python)),
            false => Err(format!(
                "{} is not there; run `cargo xtask testbed install deltalake`",
                python.display()
            )),
        }
    }

    /// Runs a script on the table at `path`, and answers what it printed.
    pub(crate) fn run(&self, path: &Path, script: &str) -> String {
        let ran = Command::new(&self.0)
            .args(["-c", &format!("{PRELUDE}\n{script}\n{END}")])
            .arg(path)
            .env("PYTHONIOENCODING", "utf-8")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{script}\n{stderr}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// The rows of a table, as sorted JSON.
    pub(crate) fn rows(&self, path: &Path) -> String {
        self.run(path, "print(rows())")
    }
}

/// How a trial ends for which the wheel is missing.
pub(crate) fn missing(why: &str) -> Result<Completion, Failed> {
    match variable("ORBIT_TEST_REQUIRE").as_deref() {
        Some("all") => Err(format!("ORBIT_TEST_REQUIRE=all, but {why}").into()),
        _ => Ok(Completion::ignored_with(format!("ignored, because {why}"))),
    }
}

fn installed() -> PathBuf {
    let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".cache");
    let cache = variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join("orbit/testbed/deltalake/bin/python")
}

#[expect(clippy::disallowed_methods, reason = "a test is told by variables where tools are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
