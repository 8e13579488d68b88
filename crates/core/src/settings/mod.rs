//! Settings as a tree that remembers where each value came from.
//!
//! Files, variables and flags are parsed elsewhere into [`Node`]s and merged; backends turn the
//! result into typed structs with [`Settings::parse`], which refuses unknown keys and says
//! where each problem lies. No message ever holds a value.

mod de;
mod node;
mod problem;
mod proxy;
mod secrecy;
mod tls;

pub use node::{Entry, Node, Origin, Value};
pub use problem::{KeyPath, Problem};
pub use proxy::ProxySettings;
pub use secrecy::keeps_secrets;
pub use tls::TlsSettings;

use serde::de::DeserializeOwned;

/// The settings of one datasource.
#[derive(Debug, Clone)]
pub struct Settings {
    path: KeyPath,
    root: Node,
    known_elsewhere: &'static [&'static str],
}

impl Settings {
    /// The settings under `path` of a configuration.
    pub fn new(path: KeyPath, root: Node) -> Self {
        Self { path, root, known_elsewhere: &[] }
    }

    /// Names keys that somebody else reads, so that suggestions may offer them.
    #[must_use]
    pub fn with_known_elsewhere(mut self, keys: &'static [&'static str]) -> Self {
        self.known_elsewhere = keys;
        self
    }

    /// Where in the configuration they stand.
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The settings as a typed value.
    ///
    /// Every struct refuses keys that it does not have; numbers and booleans are read from
    /// text, since a variable can only be text.
    ///
    /// # Errors
    /// All unknown keys, and the first value that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        de::parse(&self.path, &self.root, self.known_elsewhere)
    }

    /// A problem of the setting `key` (such as `paths[0]`), placed where the key stands.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let origin =
            self.root.find(key).map_or_else(|| self.root.origin.clone(), |n| n.origin.clone());
        Problem::new(self.path.key(key), origin, message)
    }

    /// Whether both say the same, wherever it was said.
    pub fn same_values(&self, other: &Self) -> bool {
        self.root.same_values(&other.root)
    }
}
