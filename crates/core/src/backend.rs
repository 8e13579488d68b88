//! What a backend crate exports, and the registry of those that are linked in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::Schema;

use crate::{
    Capability, Context, Datasource, Error, ErrorKind, Problem, Result, Settings, Sources,
    SqlDialect, closest,
};

/// How a backend speaks to its vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionKind {
    /// The database's own wire protocol.
    NativeSql,
    /// An HTTP API that runs statements.
    HttpApi,
    /// An object store or a file system.
    File,
}

impl fmt::Display for ConnectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NativeSql => "native SQL",
            Self::HttpApi => "HTTP API",
            Self::File => "file",
        })
    }
}

/// Turns settings into a typed value without I/O, or says all that is wrong with them.
pub type ParseSettings = fn(&Settings) -> Result<Box<dyn BackendConfig>, Vec<Problem>>;

/// A backend: the plugin for one vendor. Made and registered by
/// [`register_backend!`](crate::register_backend).
#[derive(Debug)]
pub struct Backend {
    /// Its name in YAML, such as `azure_blob`.
    pub name: &'static str,
    /// How it speaks to its vendor.
    pub kind: ConnectionKind,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// The most that a datasource of it can do.
    pub capability: Capability,
    /// The SQL it writes, unless a connected server says otherwise.
    pub dialect: Option<fn() -> SqlDialect>,
    /// Settings to a typed value, without I/O.
    pub parse: ParseSettings,
    /// The JSON schema of its settings.
    pub schema: fn() -> Schema,
}

/// The typed settings of one datasource.
#[async_trait]
pub trait BackendConfig: fmt::Debug + Send + Sync {
    /// All that is wrong and can be seen without I/O; `settings` places each problem, `names`
    /// are the datasources of the configuration.
    fn validate(&self, settings: &Settings, names: &[&str]) -> Vec<Problem>;

    /// Makes the datasource.
    ///
    /// # Behavior
    /// - Called once for each instance, when it is first used.
    /// - Fails when the source cannot be reached or refuses the credentials.
    async fn connect(&self, cx: &Context, sources: &Sources) -> Result<Arc<dyn Datasource>>;
}

/// A backend that is linked in.
pub struct Registration(pub &'static Backend);

inventory::collect!(Registration);

/// Defines the crate's `BACKEND` and registers it at link time.
///
/// The crate is linked only when somebody names that static: the facade's `link.rs` does.
#[macro_export]
macro_rules! register_backend {
    ($backend:expr) => {
        /// This crate's backend.
        pub static BACKEND: $crate::Backend = $backend;

        $crate::inventory::submit! { $crate::Registration(&BACKEND) }
    };
}

/// The backends by name.
#[derive(Debug, Clone)]
pub struct Registry(BTreeMap<&'static str, &'static Backend>);

impl Registry {
    /// The backends that are linked into this program.
    ///
    /// # Errors
    /// `Unexpected` when two of them share a name.
    pub fn linked() -> Result<Self> {
        Self::new(inventory::iter::<Registration>().map(|r| r.0))
    }

    /// A registry of these backends, for tests and for programs that choose.
    ///
    /// # Errors
    /// `Unexpected` when two of them share a name.
    pub fn new(backends: impl IntoIterator<Item = &'static Backend>) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        for backend in backends {
            if by_name.insert(backend.name, backend).is_some() {
                let message = format!("two backends are named `{}`", backend.name);
                return Err(Error::new(ErrorKind::Unexpected, message));
            }
        }
        Ok(Self(by_name))
    }

    /// The backend of this name.
    pub fn get(&self, name: &str) -> Option<&'static Backend> {
        self.0.get(name).copied()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Backend> {
        self.0.values().copied()
    }

    /// The backend of this name, or an error that offers the nearest.
    ///
    /// # Errors
    /// `ConfigInvalid` when there is none.
    pub fn require(&self, name: &str) -> Result<&'static Backend> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().copied().collect();
            let hint = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known backends: {}", known.join(", ")),
            };
            Error::new(ErrorKind::ConfigInvalid, format!("unknown backend `{name}`"))
                .with_hint(hint)
        })
    }
}
