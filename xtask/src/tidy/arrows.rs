//! Dependencies go one way: which part of the house may know which.

use crate::tidy::Finding;
use crate::workspace::{Crate, DependencyKind};

/// A part of the house, told by the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Core,
    Kind,
    Cloud,
    Backend,
    Layers,
    Engine,
    Delta,
    Facade,
    Door,
    Testkit,
    Example,
    Tool,
}

impl Part {
    fn of(folder: &std::path::Path) -> Option<Self> {
        let parts: Vec<_> = folder.iter().filter_map(|p| p.to_str()).collect();
        Some(match parts.as_slice() {
            ["crates", "core"] => Self::Core,
            ["crates", "kinds", _] => Self::Kind,
            ["crates", "clouds", _] => Self::Cloud,
            ["crates", "backends", _] => Self::Backend,
            ["crates", "layers"] => Self::Layers,
            ["crates", "engine"] => Self::Engine,
            ["crates", "delta"] => Self::Delta,
            ["crates", "orbit"] => Self::Facade,
            ["crates", "cli" | "server"] => Self::Door,
            ["crates", "testkit"] => Self::Testkit,
            ["examples", ..] => Self::Example,
            ["xtask" | "benches", ..] => Self::Tool,
            _ => return None,
        })
    }

    /// What a normal or build dependency may point to.
    fn may_use(self, other: Self) -> bool {
        use Part::{Backend, Cloud, Core, Delta, Engine, Facade, Kind, Layers};
        match self {
            Self::Core | Self::Tool => false,
            Kind | Cloud | Layers | Engine => other == Core,
            Backend => matches!(other, Core | Kind | Cloud),
            Delta => matches!(other, Core | Engine),
            Self::Testkit => matches!(other, Core | Kind | Layers),
            Facade => {
                matches!(other, Core | Kind | Cloud | Backend | Layers | Engine | Delta)
            }
            Self::Door => matches!(other, Core | Engine | Facade),
            Self::Example => matches!(other, Core | Backend | Engine | Delta | Facade),
        }
    }

    /// Tests may use the testkit as well; those of the doors and the facade may use all.
    fn may_test_with(self, other: Self) -> bool {
        match self {
            Self::Facade | Self::Door | Self::Example => true,
            Self::Engine | Self::Delta => {
                self.may_use(other)
                    || matches!(other, Self::Testkit | Self::Backend | Self::Kind | Self::Layers)
            }
            Self::Backend | Self::Kind | Self::Cloud | Self::Layers | Self::Testkit => {
                self.may_use(other) || matches!(other, Self::Testkit | Self::Layers)
            }
            Self::Core => other == Self::Testkit,
            Self::Tool => false,
        }
    }

    /// Built, tested and measured without DataFusion.
    fn knows_no_datafusion(self) -> bool {
        matches!(
            self,
            Self::Core | Self::Kind | Self::Cloud | Self::Backend | Self::Layers | Self::Testkit
        )
    }
}

/// Crates in folders that nobody knows, names that the folder does not give, and arrows that go
/// the wrong way.
pub(super) fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in crates {
        let manifest = package.folder.join("Cargo.toml");
        let Some(part) = Part::of(&package.folder) else {
            findings.push(Finding::file(manifest, "no part of the house has its crates here"));
            continue;
        };
        if let Some(name) = expected_name(part, package.leaf())
            && package.name != name
        {
            let message = format!("the folder says `{name}`, the crate `{}`", package.name);
            findings.push(Finding::file(&manifest, message));
        }
        findings.extend(wrong_arrows(package, part, crates));
    }
    findings
}

fn expected_name(part: Part, leaf: &str) -> Option<String> {
    match part {
        Part::Facade => Some("orbit".to_owned()),
        Part::Tool | Part::Example => None,
        _ => Some(format!("orbit-{leaf}")),
    }
}

fn wrong_arrows(package: &Crate, part: Part, crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let manifest = package.folder.join("Cargo.toml");
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let brings_datafusion = name.starts_with("datafusion") || name.starts_with("deltalake");
        if brings_datafusion && part.knows_no_datafusion() {
            findings.push(Finding::file(&manifest, format!("must not know `{name}`")));
        }
        let other = crates.iter().find(|c| c.name == name).and_then(|c| Part::of(&c.folder));
        let Some(other) = other else { continue };
        let allowed = match dependency.kind {
            DependencyKind::Normal | DependencyKind::Build => part.may_use(other),
            DependencyKind::Dev => name == package.name || part.may_test_with(other),
        };
        if !allowed {
            let message = format!("`{}` must not depend on `{name}`", package.name);
            findings.push(Finding::file(&manifest, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, folder: &str, dependencies: &[(&str, DependencyKind)]) -> Crate {
        let dependency = |(name, kind): &(&str, DependencyKind)| Dependency {
            name: (*name).to_owned(),
            kind: *kind,
        };
        Crate {
            name: name.into(),
            folder: folder.into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            features: Vec::new(),
        }
    }

    fn messages(crates: &[Crate]) -> Vec<String> {
        check(crates).into_iter().map(|f| f.message).collect()
    }

    const NORMAL: DependencyKind = DependencyKind::Normal;
    const DEV: DependencyKind = DependencyKind::Dev;

    #[test]
    fn arrows_of_the_design_pass() {
        let crates = [
            package("orbit-core", "crates/core", &[]),
            package("orbit-file", "crates/kinds/file", &[("orbit-core", NORMAL)]),
            package("orbit-testkit", "crates/testkit", &[("orbit-core", NORMAL)]),
            package(
                "orbit-local",
                "crates/backends/local",
                &[("orbit-core", NORMAL), ("orbit-file", NORMAL), ("orbit-testkit", DEV)],
            ),
            package("orbit", "crates/orbit", &[("orbit-local", NORMAL)]),
            package("orbit-cli", "crates/cli", &[("orbit", NORMAL)]),
        ];
        assert_eq!(messages(&crates), [""; 0]);
    }

    #[test]
    fn every_wrong_arrow_is_named() {
        let crates = [
            package("orbit-core", "crates/core", &[]),
            package("orbit-s3", "crates/backends/s3", &[]),
            package("orbit-testkit", "crates/testkit", &[("datafusion", DEV)]),
            package("orbit-engine", "crates/engine", &[("orbit-s3", NORMAL)]),
            package("orbit-gcs", "crates/backends/gcs", &[("orbit-s3", NORMAL)]),
            package("orbit-cli", "crates/cli", &[("orbit-s3", NORMAL), ("orbit-testkit", NORMAL)]),
        ];
        assert_eq!(
            messages(&crates),
            [
                "must not know `datafusion`",
                "`orbit-engine` must not depend on `orbit-s3`",
                "`orbit-gcs` must not depend on `orbit-s3`",
                "`orbit-cli` must not depend on `orbit-s3`",
                "`orbit-cli` must not depend on `orbit-testkit`",
            ]
        );
    }

    #[test]
    fn the_folder_gives_the_name() {
        let crates = [
            package("orbit-blob", "crates/backends/azure-blob", &[]),
            package("x", "crates/x", &[]),
        ];
        assert_eq!(
            messages(&crates),
            [
                "the folder says `orbit-azure-blob`, the crate `orbit-blob`",
                "no part of the house has its crates here",
            ]
        );
    }
}
