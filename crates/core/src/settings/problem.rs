//! What is wrong with a setting, and where.

use std::fmt;

use super::Origin;

/// The path of a setting, such as `datasources.lake.paths[0]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(String);

impl KeyPath {
    /// A path from its text.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The path of `key` under this one; the key may be a path itself.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        if self.0.is_empty() || key.is_empty() {
            return Self(format!("{}{key}", self.0));
        }
        Self(format!("{}.{key}", self.0))
    }

    /// The path of an item of the list under this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a setting. Holds no value, so it can be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub path: KeyPath,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(path: KeyPath, origin: Origin, message: impl Into<String>) -> Self {
        Self { path, origin, message: message.into(), hint: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.as_str().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
