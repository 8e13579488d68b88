//! A backend that is not linked vanishes without a word, so each is looked for where the facade
//! and the binary must name it, and its README among the pages of the book.

use std::path::Path;

use crate::tidy::Finding;
use crate::workspace::{Crate, Workspace};

const LINK: &str = "crates/orbit/src/link.rs";

const BOOK: &str = "docs/book/src";

/// The rooms that every backend has.
const ROOMS: [&str; 4] = ["README.md", "src/lib.rs", "src/config.rs", "tests/behaviour.rs"];

pub(super) fn check(workspace: &Workspace, root: &Path) -> Vec<Finding> {
    let text_of = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let link = text_of(LINK);
    let summary_path = format!("{BOOK}/SUMMARY.md");
    let summary = text_of(&summary_path);
    let mut findings = Vec::new();
    for backend in workspace.backends() {
        findings.extend(unlinked(backend, &link));
        for (name, feature) in [("orbit", backend.leaf()), ("orbit-cli", backend.leaf())] {
            findings.extend(missing_feature(workspace, name, feature));
        }
        let missing =
            ROOMS.iter().map(|r| backend.folder.join(r)).filter(|r| !root.join(r).exists());
        findings.extend(missing.map(|r| Finding::file(r, "every backend has this file")));
        let leaf = backend.leaf();
        let (page, readme) = (format!("backends/{leaf}.md"), format!("backends/{leaf}/README.md"));
        let page_path = format!("{BOOK}/{page}");
        if !text_of(&page_path).contains(&readme) {
            findings.push(Finding::file(page_path, format!("this page includes `{readme}`")));
        }
        if !summary.contains(&format!("]({page})")) {
            findings.push(Finding::file(&summary_path, format!("no page `{page}`")));
        }
    }
    findings
}

fn unlinked(backend: &Crate, link: &str) -> Option<Finding> {
    let path = format!("{}::BACKEND", backend.name.replace('-', "_"));
    (!link.contains(&path)).then(|| Finding::file(LINK, format!("LINKED does not name `{path}`")))
}

fn missing_feature(workspace: &Workspace, name: &str, feature: &str) -> Option<Finding> {
    let package = workspace.crates.iter().find(|c| c.name == name)?;
    let found = package.features.iter().any(|f| f == feature);
    let manifest = package.folder.join("Cargo.toml");
    (!found).then(|| Finding::file(manifest, format!("no feature `{feature}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_nowhere_named_is_found_everywhere() {
        let package = |name: &str, folder: &str, features: &[&str]| Crate {
            name: name.into(),
            folder: folder.into(),
            dependencies: Vec::new(),
            features: features.iter().map(ToString::to_string).collect(),
        };
        let workspace = Workspace {
            crates: vec![
                package("orbit", "crates/orbit", &[]),
                package("orbit-cli", "crates/cli", &["demo"]),
                package("orbit-demo", "crates/backends/demo", &[]),
            ],
            target: "target".into(),
        };
        let empty = tempfile::tempdir().unwrap();
        let found: Vec<_> =
            check(&workspace, empty.path()).iter().map(ToString::to_string).collect();
        assert_eq!(
            found[0],
            "crates/orbit/src/link.rs: LINKED does not name `orbit_demo::BACKEND`"
        );
        assert_eq!(found[1], "crates/orbit/Cargo.toml: no feature `demo`");
        let pages = [
            "docs/book/src/backends/demo.md: this page includes `backends/demo/README.md`",
            "docs/book/src/SUMMARY.md: no page `backends/demo.md`",
        ];
        assert_eq!(found[2 + ROOMS.len()..], pages);
    }
}
