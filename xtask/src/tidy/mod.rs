//! What has to hold and the compiler does not check. Every finding is reported, not the first.

mod arrows;
mod backends;
mod prose;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Something that does not hold.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: PathBuf,
    /// From 1; none when it concerns the whole file.
    line: Option<usize>,
    message: String,
}

impl Finding {
    fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into() }
    }

    fn line(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Relative to the workspace's folder.
    path: PathBuf,
    text: String,
}

impl TextFile {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|e| e == extension)
    }
}

/// Prints every finding.
///
/// # Errors
/// When there is any.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::read()?;
    let files = text_files()?;
    let mut findings = arrows::check(&workspace.crates);
    findings.extend(backends::check(&workspace, shell::root()));
    findings.extend(sources::check(&files));
    findings.extend(prose::check(&files, shell::root()));
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, nothing found", files.len()),
        count => bail!("tidy: {count} findings"),
    }
    Ok(())
}

/// What git keeps or would keep, without what is binary.
fn text_files() -> Result<Vec<TextFile>> {
    let mut git = shell::command("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = shell::output(&mut git)?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|n| !n.is_empty()) {
        // A file that is deleted but not yet committed is still listed.
        let Ok(bytes) = std::fs::read(shell::root().join(name)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: PathBuf::from(name), text });
        }
    }
    Ok(files)
}

/// Templates are not code yet.
fn is_template(path: &Path) -> bool {
    path.starts_with("xtask/templates")
}
