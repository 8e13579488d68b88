//! What a backend says of itself so that the suite can run on it.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use orbit_core::{
    Backend, Capability, Context, Datasource, Error, ErrorKind, KeyPath, Node, Query, Result,
    Settings, Sources, TableName, TableRef,
};

use crate::servers::ServerError;
use crate::settings;

/// Why a trial, or the preparation of all of them, did not pass.
#[derive(Debug, Clone)]
pub enum Stop {
    /// It is wrong.
    Failed(String),
    /// It cannot be tried here, because of this.
    Ignored(String),
}

impl Stop {
    /// It is wrong: `message` says what was expected and what came.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// It cannot be tried here: `reason` goes on after "because".
    pub fn ignored(reason: impl Into<String>) -> Self {
        Self::Ignored(reason.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(format!("unexpected error: {error:?}"))
    }
}

impl From<ServerError> for Stop {
    /// A server that is not installed is no failure of the backend.
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Missing(reason) => Self::Ignored(reason),
            ServerError::Failed(message) => Self::Failed(message),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => f.write_str(message),
            Self::Ignored(reason) => write!(f, "because {reason}"),
        }
    }
}

/// How a trial ends.
pub type Verdict<T = ()> = std::result::Result<T, Stop>;

/// What the trials of one run share: a server or a folder, prepared.
pub struct Fixture {
    /// What it is, for the support table, such as `PostgreSQL 15.14`.
    pub server: String,
    /// Settings under which the datasource connects to it.
    pub settings: Node,
    /// Settings under which connecting or pinging fails, and how, such as a wrong password.
    pub refused: Vec<(Node, ErrorKind)>,
    /// What the trials of tables need.
    pub sql: Option<SqlFixture>,
    /// Ends the server or removes the folder when it is dropped.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// Tables and statements, prepared at the source by its own means.
#[derive(Default)]
pub struct SqlFixture {
    /// Where the suite may create tables, and finds its own: the parts before a table's name.
    pub parent: Vec<String>,
    /// The table of [`tables::rows`](crate::tables::rows), and its rows as the datasource is
    /// to deliver them.
    pub rows: Option<(TableName, RecordBatch)>,
    /// One table for each of [`tables::types`](crate::tables::types) that the source has, by
    /// the case's name, and its rows as the datasource is to deliver them.
    pub types: BTreeMap<&'static str, (TableName, RecordBatch)>,
    /// An old state of a table, and its rows.
    pub old_state: Option<(TableRef, RecordBatch)>,
    /// Statements in the source's dialect.
    pub statements: Statements,
    /// A query that works for a minute or more, and how many such are at work at the source.
    pub slow: Option<(Query, Running)>,
}

/// Counts the slow queries that are at work at the source now, seen by other means than the
/// datasource's.
pub type Running = Box<dyn Fn() -> BoxFuture<'static, Verdict<u64>> + Send + Sync>;

/// Statements in the source's own dialect.
#[derive(Debug, Default)]
pub struct Statements {
    /// One that reads, and its rows.
    pub read: Option<(String, RecordBatch)>,
    /// One that answers the values of its parameters, and a row for it.
    pub parameters: Option<(String, RecordBatch)>,
    /// One that writes as often as it runs, and how many rows it says it changed.
    pub write: Option<(String, u64)>,
    /// One with two results.
    pub two_results: Option<String>,
}

type Prepare = Box<dyn Fn() -> BoxFuture<'static, Verdict<Fixture>> + Send + Sync>;

/// A backend under test.
pub struct Subject {
    pub(crate) backend: &'static Backend,
    pub(crate) variant: Option<&'static str>,
    pub(crate) exceptions: &'static [(&'static str, &'static str)],
    pub(crate) one_at_a_time: bool,
    pub(crate) capability: Capability,
    pub(crate) prepare: Prepare,
}

impl Subject {
    /// A backend whose fixture `prepare` makes; it answers [`Stop::Ignored`] when the server
    /// is not to be had here.
    pub fn new<F>(
        backend: &'static Backend,
        prepare: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Verdict<Fixture>> + Send + 'static,
    {
        let prepare: Prepare = Box::new(move || Box::pin(prepare()));
        let capability = backend.capability;
        Self { backend, variant: None, exceptions: &[], one_at_a_time: false, capability, prepare }
    }

    /// A backend over a folder of this machine, which the setting `path` names.
    pub fn folder(backend: &'static Backend, path: &'static str) -> Self {
        Self::new(backend, move || async move {
            let folder = tempfile::tempdir()
                .map_err(|e| Stop::failed(format!("no temporary folder: {e}")))?;
            let here = folder.path().join("lake");
            std::fs::create_dir(&here).map_err(|e| Stop::failed(format!("no folder: {e}")))?;
            let missing = folder.path().join("missing");
            let setting =
                |at: &std::path::Path| settings::texts([(path, at.display().to_string())]);
            Ok(Fixture {
                server: "a folder".to_owned(),
                settings: setting(&here),
                refused: vec![(setting(&missing), ErrorKind::NotFound)],
                sql: None,
                guard: Box::new(folder),
            })
        })
    }

    /// The same, one trial after the other: for a server that mixes up requests.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Self {
        self.one_at_a_time = true;
        self
    }

    /// The same against a further server, by whose name its findings are kept apart.
    #[must_use]
    pub fn against(mut self, server: &'static str) -> Self {
        self.variant = Some(server);
        self
    }

    /// The same, when the server itself is known to fail some trials (`group::trial`), each for
    /// a reason that goes on after "because": they are ignored and say so.
    #[must_use]
    pub fn except(mut self, exceptions: &'static [(&'static str, &'static str)]) -> Self {
        self.exceptions = exceptions;
        self
    }

    /// The same, when this datasource is known to do less than its backend: trials are chosen
    /// by `capability`.
    #[must_use]
    pub fn narrowed(mut self, capability: Capability) -> Self {
        self.capability = capability;
        self
    }
}

/// The datasource of `settings`, connected and without layers.
pub(crate) async fn connect(
    backend: &'static Backend,
    cx: &Context,
    node: &Node,
) -> Result<std::sync::Arc<dyn Datasource>> {
    let settings = Settings::new(KeyPath::new("datasources.subject"), node.clone());
    let config = (backend.parse)(&settings).map_err(|problems| {
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Error::new(ErrorKind::ConfigInvalid, text)
    })?;
    config.connect(cx, &Sources::none()).await
}
