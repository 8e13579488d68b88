//! What is wrong with a configuration, all of it at once.

use std::fmt;

use orbit_core::{Error, ErrorKind, Origin, Problem};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::source::{Snippet, SourceFile};

/// A configuration that cannot be used, with every problem that could be seen.
///
/// Neither `Display`, `Debug` nor the JSON form holds a value of the configuration.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigError {
    /// The problems, by file and line.
    pub problems: Vec<ConfigProblem>,
}

/// A problem, and the line that it is about.
#[derive(Debug, Clone)]
pub struct ConfigProblem {
    /// What is wrong, and where.
    pub problem: Problem,
    /// The line of the file, with values masked.
    pub snippet: Option<Snippet>,
}

impl ConfigError {
    /// Orders the problems and shows each one's line.
    pub(crate) fn new(mut problems: Vec<Problem>, files: &[SourceFile]) -> Self {
        problems.sort_by_key(|problem| place(&problem.origin, files));
        let problems = problems
            .into_iter()
            .map(|problem| ConfigProblem { snippet: snippet(&problem.origin, files), problem });
        Self { problems: problems.collect() }
    }
}

/// Files in their order, then line and column; what stands in no file comes last.
fn place(origin: &Origin, files: &[SourceFile]) -> (usize, usize, usize) {
    match origin {
        Origin::File { file, line, column } => {
            let index = files.iter().position(|f| f.name == *file);
            (index.unwrap_or(files.len()), *line, *column)
        }
        _ => (files.len() + 1, 0, 0),
    }
}

fn snippet(origin: &Origin, files: &[SourceFile]) -> Option<Snippet> {
    let Origin::File { file, line, column } = origin else { return None };
    files.iter().find(|f| f.name == *file)?.snippet(*line, *column)
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if self.problem.origin != Origin::Default {
            write!(f, "\n  --> {}", self.problem.origin)?;
        }
        let Some(Snippet { line, text, caret }) = &self.snippet else { return Ok(()) };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        write!(f, "\n {margin} |\n {number} | {text}\n {margin} | ")?;
        write!(f, "{}{}", " ".repeat(caret.start), "^".repeat(caret.len()))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let message = match error.problems.as_slice() {
            [one] => format!("the configuration has a problem: {}", one.problem),
            [first, ..] => {
                let count = error.problems.len();
                format!("the configuration has {count} problems, the first: {}", first.problem)
            }
            [] => "the configuration cannot be used".to_owned(),
        };
        Self::new(ErrorKind::ConfigInvalid, message).with_source(error)
    }
}

impl Serialize for ConfigProblem {
    /// `path`, `message`, `hint`, where it stands (`file`, `line`, `column`, or `variable`, or
    /// `flag`), and the masked line as `snippet`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Problem { path, origin, message, hint } = &self.problem;
        let mut out = serializer.serialize_struct("ConfigProblem", 7)?;
        out.serialize_field("path", path.as_str())?;
        out.serialize_field("message", message)?;
        out.serialize_field("hint", hint)?;
        match origin {
            Origin::File { file, line, column } => {
                out.serialize_field("file", file.as_ref())?;
                out.serialize_field("line", line)?;
                out.serialize_field("column", column)?;
            }
            Origin::Variable(name) => out.serialize_field("variable", name.as_ref())?,
            Origin::Flag(name) => out.serialize_field("flag", name.as_ref())?,
            Origin::Default => {}
        }
        out.serialize_field("snippet", &self.snippet.as_ref().map(|s| &s.text))?;
        out.end()
    }
}
