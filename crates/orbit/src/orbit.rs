//! A running ORBIT: the datasources of a configuration in their layers, and the engine over
//! them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use orbit_core::{
    Context, Datasource, Datasources, Error, ErrorKind, Instances, Node, Origin, Problem, Registry,
    Result, Settings,
};
use orbit_engine::{Engine, EngineOptions, TableOptions};
use orbit_layers::Stack;

use crate::config::{Config, ConfigSource};
use crate::error::ConfigError;
use crate::link::table_formats;
use crate::overlay::lay_setting;

/// Datasources and the engine over them.
#[derive(Debug)]
pub struct Orbit {
    instances: Instances,
    engine: RwLock<Arc<Engine>>,
}

impl Config {
    /// Makes the datasources and the engine. Nothing is connected before it is used.
    ///
    /// # Errors
    /// `ConfigInvalid` for engine options that this machine cannot meet.
    pub fn open(self) -> Result<Orbit> {
        let instances = Instances::default();
        let engine = RwLock::new(Arc::new(engine_of(self, &instances)?));
        Ok(Orbit { instances, engine })
    }
}

impl Orbit {
    /// Begins one from a program's own settings: no file and no variable is read.
    ///
    /// ```
    /// # fn main() -> Result<(), orbit::core::Error> {
    /// let orbit = orbit::Orbit::builder()
    ///     .datasource("lake", "local", [("path", "data")])
    ///     .open()?;
    /// assert!(orbit.datasources().get("lake").is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> OrbitBuilder {
        OrbitBuilder::default()
    }

    /// The engine over the present configuration. Whoever holds it keeps that configuration
    /// to the end, whatever is loaded meanwhile.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The datasources of the present configuration.
    pub fn datasources(&self) -> Datasources {
        self.engine().datasources().clone()
    }

    /// Takes another configuration from the next query on. An instance whose settings did not
    /// change goes on with its connections; one that is no longer named ends with the last
    /// query that uses it.
    ///
    /// # Errors
    /// As for [`Config::open`]; the present configuration stays then.
    pub fn reload(&self, config: Config) -> Result<()> {
        let engine = Arc::new(engine_of(config, &self.instances)?);
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        Ok(())
    }

    /// Closes every datasource that was connected; waits for cancels that are under way.
    ///
    /// # Errors
    /// The first failure; the rest is closed all the same.
    pub async fn close(&self) -> Result<()> {
        self.datasources().close().await
    }
}

/// Connects a datasource that no configuration names, in layers with the figures that stand
/// when nothing is configured.
///
/// # Errors
/// `Unsupported` when this build has no such backend, `ConfigInvalid` for settings that do not
/// fit; those of connecting.
pub async fn connect_unnamed(
    cx: &Context,
    backend: &str,
    settings: Settings,
) -> Result<Arc<dyn Datasource>> {
    let registry = Registry::linked()?;
    let backend = registry.get(backend).ok_or_else(|| {
        let message = format!("this build has no backend `{backend}`");
        Error::new(ErrorKind::Unsupported, message)
    })?;
    let config = (backend.parse)(&settings).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::ConfigInvalid, problems.join("; "))
    })?;
    let mut datasources = Datasources::builder(registry, Instances::default());
    let layering = Arc::new(Stack::default());
    datasources.add(backend.name, backend, settings, config, false, layering);
    datasources.build().require(backend.name)?.open(cx).await
}

fn engine_of(config: Config, instances: &Instances) -> Result<Engine> {
    let Config { registry, resolved, .. } = config;
    let mut datasources = Datasources::builder(registry, instances.clone());
    let mut tables: BTreeMap<String, BTreeMap<String, TableOptions>> = BTreeMap::new();
    for datasource in resolved.datasources {
        let layering = Arc::new(Stack::new(&datasource.limits));
        datasources.add(
            &datasource.name,
            datasource.backend,
            datasource.settings,
            datasource.config,
            datasource.allow_writes,
            layering,
        );
        tables.insert(datasource.name, datasource.tables);
    }
    Engine::new(resolved.engine, datasources.build(), table_formats(), tables)
}

/// Collects what a program configures.
#[derive(Debug)]
pub struct OrbitBuilder {
    tree: Node,
    problems: Vec<Problem>,
    engine: Option<EngineOptions>,
    registry: Option<Registry>,
}

impl Default for OrbitBuilder {
    fn default() -> Self {
        let tree = Node::map(Vec::new(), Origin::Default);
        Self { tree, problems: Vec::new(), engine: None, registry: None }
    }
}

impl OrbitBuilder {
    /// Adds a datasource of a backend, with the backend's settings by name (`path`), or by path
    /// for nested ones (`tables.orders.path`). Relative paths start at the working folder.
    #[must_use]
    pub fn datasource<'a>(
        self,
        name: &str,
        backend: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let with_type = self.setting(&format!("datasources.{name}.type"), backend);
        settings.into_iter().fold(with_type, |builder, (key, value)| {
            builder.setting(&format!("datasources.{name}.{key}"), value)
        })
    }

    /// Sets one setting by its path in a configuration, such as
    /// `datasources.lake.allow_writes`.
    #[must_use]
    pub fn setting(mut self, path: &str, value: &str) -> Self {
        let leaf = Node::text(value, Origin::Default);
        self.problems.extend(lay_setting(&mut self.tree, path, leaf).err());
        self
    }

    /// What the engine may use.
    #[must_use]
    pub fn engine(mut self, options: EngineOptions) -> Self {
        self.engine = Some(options);
        self
    }

    /// The backends that may be named; those that are linked if not said.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Checks the settings. [`Config::open`] goes on from there.
    ///
    /// # Errors
    /// Every problem of the settings.
    pub fn build(self) -> Result<Config, ConfigError> {
        let Self { tree, problems, engine, registry } = self;
        let mut config = Config::from_tree(ConfigSource::Program, tree, registry, problems)
            .map_err(|problems| ConfigError::new(problems, &[]))?;
        if let Some(engine) = engine {
            config.resolved.engine = engine;
        }
        Ok(config)
    }

    /// Checks the settings, and makes the datasources and the engine.
    ///
    /// # Errors
    /// `ConfigInvalid` with every problem of the settings; those of [`Config::open`].
    pub fn open(self) -> Result<Orbit> {
        self.build()?.open()
    }
}
