//! DuckDB, by its Python wheel in the testbed's folder.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{ServerError, in_testbed, run_to_end};

/// A Python in which `import duckdb` works.
#[derive(Debug, Clone)]
pub struct Duckdb {
    python: PathBuf,
}

impl Duckdb {
    /// Finds it: `ORBIT_DUCKDB_PYTHON`, else where `cargo xtask testbed install duckdb` puts it.
    ///
    /// # Errors
    /// `Missing` when it is not there.
    pub fn find() -> Result<Self, ServerError> {
        let python = in_testbed("duckdb", "bin/python", "ORBIT_DUCKDB_PYTHON")?;
        Ok(Self { python })
    }

    /// Runs a Python script on the file `input` and answers what it printed.
    ///
    /// # Errors
    /// `Failed` when the script fails or is not done within `limit`.
    pub async fn run_script(
        &self,
        script: &str,
        input: &str,
        limit: Duration,
    ) -> Result<String, ServerError> {
        let scratch =
            tempfile::tempdir().map_err(|e| ServerError::failed("making a temporary folder", e))?;
        let file = scratch.path().join("input");
        std::fs::write(&file, input).map_err(|e| ServerError::failed(file.display(), e))?;
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(script).arg(&file).env("PYTHONIOENCODING", "utf-8");
        run_to_end(command, scratch.path(), limit).await
    }
}
