//! Servers that only crates.io has: built once, from a pinned version and its own lock file.

use std::path::PathBuf;

use anyhow::Result;

use super::Fixture;
use super::state::State;
use crate::shell;

/// A program of a crate.
pub(super) struct CargoTool {
    name: &'static str,
    version: &'static str,
    features: &'static str,
}

pub(super) const S3S: CargoTool =
    CargoTool { name: "s3s-fs", version: "0.14.1", features: "binary" };

impl Fixture for CargoTool {
    fn name(&self) -> &'static str {
        self.name
    }

    fn by_default(&self) -> bool {
        true
    }

    fn installed(&self) -> Result<bool> {
        let complete = std::fs::read_to_string(self.folder()?.join("complete"));
        Ok(complete.is_ok_and(|version| version == self.version))
    }

    fn install(&self) -> Result<()> {
        let folder = self.folder()?;
        let mut cargo = shell::cargo(["install", self.name, "--locked", "--debug", "--quiet"]);
        cargo.args(["--version", self.version, "--features", self.features]);
        cargo.arg("--root").arg(&folder);
        // Apart from the workspace, so that neither waits for the other.
        cargo.env("CARGO_TARGET_DIR", shell::cache()?.join("tools-target"));
        shell::run(cargo.env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
        std::fs::write(folder.join("complete"), self.version)?;
        Ok(())
    }

    fn start(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn variables(&self, _: &State) -> Result<Vec<(&'static str, String)>> {
        Ok(Vec::new())
    }
}

impl CargoTool {
    /// The testkit looks for it here.
    fn folder(&self) -> Result<PathBuf> {
        Ok(shell::cache()?.join("testbed").join(self.name))
    }
}
