//! What `cargo metadata` says about the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The workspace's own crates.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
    pub(crate) target: PathBuf,
}

/// One crate of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Its folder, relative to the workspace's.
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: Vec<String>,
}

/// An edge to another crate, of the workspace or not.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Build,
    Dev,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self> {
        let text =
            shell::output(&mut shell::cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: Value = serde_json::from_str(&text)?;
        let packages = metadata["packages"].as_array().context("no packages in the metadata")?;
        Ok(Self {
            crates: packages.iter().map(parse).collect::<Result<_>>()?,
            target: PathBuf::from(text_of(&metadata["target_directory"])?),
        })
    }

    /// A binary that a build has made.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }

    /// Where the behaviour suite leaves what it found, one file for each backend.
    pub(crate) fn support_folder(&self) -> PathBuf {
        self.target.join("orbit-support")
    }

    /// The folders of the backends, by name.
    pub(crate) fn backends(&self) -> Vec<&Crate> {
        self.crates.iter().filter(|c| c.folder.starts_with("crates/backends")).collect()
    }
}

impl Crate {
    /// The last part of its folder.
    pub(crate) fn leaf(&self) -> &str {
        self.folder.file_name().and_then(|n| n.to_str()).unwrap_or_default()
    }
}

fn parse(package: &Value) -> Result<Crate> {
    let manifest = PathBuf::from(text_of(&package["manifest_path"])?);
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let dependencies = package["dependencies"].as_array().context("no dependencies")?;
    let features = package["features"].as_object().context("no features")?;
    Ok(Crate {
        name: text_of(&package["name"])?,
        folder: folder.strip_prefix(shell::root()).unwrap_or(folder).to_owned(),
        dependencies: dependencies.iter().map(parse_dependency).collect::<Result<_>>()?,
        features: features.keys().cloned().collect(),
    })
}

fn parse_dependency(dependency: &Value) -> Result<Dependency> {
    let kind = match dependency["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("build") => DependencyKind::Build,
        Some(_) => DependencyKind::Dev,
    };
    Ok(Dependency { name: text_of(&dependency["name"])?, kind })
}

fn text_of(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("cargo's metadata is not as expected")
}
