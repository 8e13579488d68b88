//! Rules for files by themselves: how they start, how long they are, what they must not name.

use crate::tidy::{Finding, TextFile, is_template};

const LINES_MAX: usize = 500;

/// Put together from halves, so that this file does not name them either.
const FORBIDDEN: [(&str, &str, &str); 9] = [
    ("/wor", "k/", "an absolute path of somebody's machine"),
    ("/roo", "t/", "an absolute path of somebody's machine"),
    ("index.", "crates.io", "the host of a package registry"),
    ("static.", "crates.io", "the host of a package registry"),
    ("pypi", ".org", "the host of a package registry"),
    ("python", "hosted.org", "the host of a package registry"),
    ("registry.", "npmjs.org", "the host of a package registry"),
    ("proxy.", "golang.org", "the host of a package registry"),
    ("repo1.", "maven.org", "the host of a package registry"),
];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let mut findings = forbidden(file);
    if file.has_extension("rs") && !is_template(&file.path) {
        let documented = ["//!", "#![doc = include_str!("];
        if !documented.iter().any(|start| file.text.starts_with(start)) {
            findings.push(Finding::line(&file.path, 1, "starts without `//!`"));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            let message = format!("{lines} lines; split it, {LINES_MAX} are enough");
            findings.push(Finding::file(&file.path, message));
        }
    }
    if file.path.ends_with("Cargo.toml") && file.text.contains("[package]") {
        let inherits = file.text.contains("[lints]\nworkspace = true");
        if !inherits {
            findings.push(Finding::file(&file.path, "does not inherit the workspace's lints"));
        }
    }
    findings
}

fn forbidden(file: &TextFile) -> Vec<Finding> {
    if file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let words: Vec<_> = FORBIDDEN.iter().map(|(a, b, why)| (format!("{a}{b}"), why)).collect();
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for (word, why) in &words {
            if line.contains(word) {
                findings.push(Finding::line(&file.path, number + 1, format!("names {why}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: path.into(), text: text.into() };
        check_file(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        assert_eq!(messages("a.rs", "fn a() {}\n"), ["a.rs:1: starts without `//!`"]);
        assert!(messages("a.rs", "//! What it is for.\n").is_empty());
        assert!(messages("lib.rs", "#![doc = include_str!(\"../README.md\")]\n").is_empty());
        assert!(messages("a.md", "fn a() {}\n").is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(messages("a.rs", &text), ["a.rs: 501 lines; split it, 500 are enough"]);
    }

    #[test]
    fn paths_of_a_machine_are_found_where_they_stand() {
        let text = format!("fine\nsee {}{}x\n", "/roo", "t/");
        assert_eq!(
            messages("a.md", &text),
            ["a.md:2: names an absolute path of somebody's machine"]
        );
    }

    #[test]
    fn a_crate_inherits_the_lints() {
        assert_eq!(messages("x/Cargo.toml", "[package]\n").len(), 1);
        assert!(messages("x/Cargo.toml", "[package]\n[lints]\nworkspace = true\n").is_empty());
    }
}
