//! Packages of Debian.

use std::path::Path;

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::Fixture;
use super::state::State;
use crate::shell;

/// Tools that are installed for the whole machine.
pub(super) struct Debian {
    name: &'static str,
    packages: &'static [&'static str],
    /// Names of commands or paths, all there once it is installed.
    files: &'static [&'static str],
}

/// PostgreSQL's ODBC driver with a driver manager, by which one peer reads.
pub(super) const PSQLODBC: Debian = Debian {
    name: "psqlodbc",
    packages: &["unixodbc", "odbc-postgresql"],
    files: &["/usr/bin/isql", "/usr/share/psqlodbc/odbcinst.ini.template"],
};

impl Fixture for Debian {
    fn name(&self) -> &'static str {
        self.name
    }

    fn by_default(&self) -> bool {
        false
    }

    fn installed(&self) -> Result<bool> {
        Ok(self.files.iter().all(|file| Path::new(file).exists()))
    }

    fn install(&self) -> Result<()> {
        apt_install(self.packages)
    }

    fn start(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn variables(&self, _: &State) -> Result<Vec<(&'static str, String)>> {
        Ok(Vec::new())
    }
}

/// Fails with what root has to do, for anybody else.
pub(super) fn require_root(packages: &[&str]) -> Result<()> {
    ensure!(geteuid().is_root(), "ask root to `apt-get install {}`", packages.join(" "));
    Ok(())
}

/// Installs packages, if root asks.
pub(super) fn apt_install(packages: &[&str]) -> Result<()> {
    require_root(packages)?;
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = shell::command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    shell::run(command.args(["--option", "Dpkg::Options::=--force-confold"]))
}
