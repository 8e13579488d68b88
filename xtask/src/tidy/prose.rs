//! Prose that names a file must name one that exists, and links must lead somewhere.

use std::path::{Component, Path, PathBuf};

use crate::tidy::{Finding, TextFile, is_template};

/// A word in backticks that starts with one of these is a path from the workspace's folder.
const TOP: [&str; 9] = [
    "crates/",
    "config/",
    "docs/",
    "examples/",
    "xtask/",
    "benches/",
    ".ci/",
    ".github/",
    ".cargo/",
];

pub(super) fn check(files: &[TextFile], root: &Path) -> Vec<Finding> {
    let prose = files.iter().filter(|f| f.has_extension("md") && !is_template(&f.path));
    prose.flat_map(|file| check_file(file, root)).collect()
}

fn check_file(file: &TextFile, root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let paths = named_paths(line).into_iter().map(PathBuf::from);
        let links = link_targets(line).into_iter().map(|l| normal(&folder.join(l)));
        for path in paths.chain(links) {
            if !root.join(&path).exists() {
                let message = format!("`{}` does not exist", path.display());
                findings.push(Finding::line(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// Words in backticks that are paths. One with a placeholder or a pattern names no file.
fn named_paths(line: &str) -> Vec<&str> {
    let words = line.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        TOP.iter().any(|top| word.starts_with(top))
            && !word.contains(|c: char| c.is_whitespace() || "*<>{}$…".contains(c))
            && word.chars().all(|c| !c.is_ascii_uppercase() || word.contains('.'))
    };
    words.filter(is_path).map(without_line).collect()
}

/// `file.rs:12` names the file.
fn without_line(word: &str) -> &str {
    match word.rsplit_once(':') {
        Some((path, line)) if line.chars().all(|c| c.is_ascii_digit()) => path,
        _ => word,
    }
}

/// The targets of links that stay within the repository, without their anchors.
fn link_targets(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find("](") {
        rest = &rest[start + 2..];
        let Some(end) = rest.find(')') else { break };
        let target = rest[..end].split(['#', ' ']).next().unwrap_or_default();
        let outside = target.contains("://") || target.starts_with("mailto:");
        if !target.is_empty() && !outside {
            targets.push(target);
        }
        rest = &rest[end..];
    }
    targets
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_backticks_that_are_paths() {
        let line = "See `crates/core/src/lib.rs:12`, `cargo test`, `crates/backends/<name>` and \
                    `docs/adr`; plain crates/x is not looked at.";
        assert_eq!(named_paths(line), ["crates/core/src/lib.rs", "docs/adr"]);
    }

    #[test]
    fn links_within_the_repository() {
        let line = "[a](../b.md#part) [c](https://example.com) [d](#here) ![e](e.png)";
        assert_eq!(link_targets(line), ["../b.md", "e.png"]);
    }

    #[test]
    fn what_does_not_exist_is_found() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("docs/book")).unwrap();
        std::fs::write(root.path().join("docs/a.md"), "").unwrap();
        let text = "[a](../a.md)\n`docs/gone.md`\n```\n`docs/fenced.md`\n```\n[b](b.md)\n";
        let file = TextFile { path: "docs/book/x.md".into(), text: text.into() };
        let found: Vec<_> =
            check_file(&file, root.path()).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/book/x.md:2: `docs/gone.md` does not exist",
                "docs/book/x.md:6: `docs/book/b.md` does not exist",
            ]
        );
    }
}
