//! A scripted source as a backend, so that snapshots and registries can hold it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use orbit_core::{
    Backend, BackendConfig, Capability, Connect, ConnectionKind, Context, Datasource, Datasources,
    Error, ErrorKind, Instances, KeyPath, Layering, Node, Operation, Origin, Problem, Registry,
    Result, Secret, Settings, Sources,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{FULL_CAPABILITY, OpenFault, Scripted, Shared, dialect};
use crate::settings;

/// The backend of every scripted source. It is not registered: a test that wants it in a
/// registry names it.
pub static BACKEND: Backend = Backend {
    name: "scripted",
    kind: ConnectionKind::NativeSql,
    summary: "a SQL source in memory, for tests",
    capability: Capability { sql: Some(FULL_CAPABILITY), files: None },
    dialect: Some(dialect),
    parse: |settings| Ok(Box::new(settings.parse::<ScriptedConfig>()?)),
    schema: || schemars::schema_for!(ScriptedConfig),
};

/// The settings of a scripted datasource.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct ScriptedConfig {
    /// The number of the source, which its maker knows.
    source: u64,
    /// A password that the source asks for; any will do.
    #[serde(default)]
    #[expect(dead_code, reason = "it shows that a secret stays hidden")]
    password: Option<Secret>,
}

#[async_trait]
impl BackendConfig for ScriptedConfig {
    fn validate(&self, settings: &Settings, _: &[&str]) -> Vec<Problem> {
        match find(self.source) {
            Some(_) => Vec::new(),
            None => vec![settings.problem("source", "there is no such scripted source")],
        }
    }

    async fn connect(&self, cx: &Context, _: &Sources) -> Result<Arc<dyn Datasource>> {
        let source = find(self.source).ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, "there is no such scripted source")
        })?;
        match source.meet(Operation::Connect) {
            None => Ok(source.connect()),
            Some(OpenFault::Fail(error)) => Err(error),
            Some(OpenFault::Hang) => cx.run(std::future::pending()).await,
        }
    }
}

/// No layers at all.
#[derive(Debug, Clone, Copy)]
pub struct NoLayers;

#[async_trait]
impl Layering for NoLayers {
    async fn around_connect(
        &self,
        _: &str,
        cx: &Context,
        connect: Connect<'_>,
    ) -> Result<Arc<dyn Datasource>> {
        connect(cx.clone()).await
    }

    fn around_instance(&self, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        datasource
    }

    fn around_handle(&self, _: &str, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        datasource
    }
}

/// A snapshot of these sources by name, writable and without layers.
///
/// # Errors
/// Never for sources made here; those of building a snapshot.
pub fn datasources<'a>(
    sources: impl IntoIterator<Item = (&'a str, &'a Scripted)>,
) -> Result<Datasources> {
    layered_datasources(sources, &(Arc::new(NoLayers) as Arc<dyn Layering>))
}

/// A snapshot of these sources by name, writable, in layers.
///
/// # Errors
/// As for [`datasources`].
pub fn layered_datasources<'a>(
    sources: impl IntoIterator<Item = (&'a str, &'a Scripted)>,
    layering: &Arc<dyn Layering>,
) -> Result<Datasources> {
    let registry = Registry::new([&BACKEND])?;
    let mut builder = Datasources::builder(registry, Instances::default());
    for (name, source) in sources {
        let path = KeyPath::new(format!("datasources.{name}"));
        let settings = Settings::new(path, source.settings());
        let config = ScriptedConfig { source: source.0.id, password: None };
        builder.add(name, &BACKEND, settings, Box::new(config), true, Arc::clone(layering));
    }
    Ok(builder.build())
}

impl Scripted {
    /// The settings under which [`BACKEND`] connects to it.
    pub fn settings(&self) -> Node {
        settings::map([("source", Node::text(self.0.id.to_string(), Origin::Default))])
    }
}

/// The sources that are alive, by number: settings can hold nothing but text.
static ALIVE: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());

fn alive() -> MutexGuard<'static, BTreeMap<u64, Weak<Shared>>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn remember(source: &Scripted) {
    let mut alive = alive();
    alive.retain(|_, shared| shared.strong_count() > 0);
    alive.insert(source.0.id, Arc::downgrade(&source.0));
}

fn find(id: u64) -> Option<Scripted> {
    alive().get(&id).and_then(Weak::upgrade).map(Scripted)
}
