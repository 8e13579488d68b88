//! The configured datasources: names, shared instances, lazy connecting.
//!
//! A [`Datasources`] is an immutable snapshot, so a query sees one configuration from start to
//! end; a reload makes a new snapshot that shares the instances whose settings did not change.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::{
    Backend, BackendConfig, Context, Datasource, Error, ErrorKind, Operation, Registry, Result,
    Settings, Sources, closest,
};

/// Puts layers around a datasource. An instance's layers are shared by all its names (retry
/// budget, breaker, rate limit); a handle's know the name (trace, audit, metrics).
#[async_trait]
pub trait Layering: Send + Sync {
    /// Around connecting for the handle `name`, which is an operation like any other.
    ///
    /// # Errors
    /// Those of `connect`, and those of the layers.
    async fn around_connect(
        &self,
        name: &str,
        cx: &Context,
        connect: Connect<'_>,
    ) -> Result<Arc<dyn Datasource>>;

    /// Around the instance, once.
    fn around_instance(&self, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource>;

    /// Around the shared instance, for the handle `name`.
    fn around_handle(&self, name: &str, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource>;
}

/// Connects, once for each time that it is called.
pub type Connect<'a> =
    Arc<dyn Fn(Context) -> BoxFuture<'a, Result<Arc<dyn Datasource>>> + Send + Sync + 'a>;

/// The instances of a process, so that equal settings share one across reloads.
#[derive(Debug, Default, Clone)]
pub struct Instances(Arc<Mutex<Vec<Weak<Instance>>>>);

impl Instances {
    fn get(
        &self,
        backend: &'static Backend,
        settings: Settings,
        config: Box<dyn BackendConfig>,
    ) -> Arc<Instance> {
        let mut instances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        instances.retain(|i| i.strong_count() > 0);
        let found = instances
            .iter()
            .filter_map(Weak::upgrade)
            .find(|i| std::ptr::eq(i.backend, backend) && i.settings.same_values(&settings));
        found.unwrap_or_else(|| {
            let instance = Arc::new(Instance {
                id: INSTANCE_IDS.fetch_add(1, Ordering::Relaxed),
                backend,
                settings,
                config,
                connected: OnceCell::new(),
            });
            instances.push(Arc::downgrade(&instance));
            instance
        })
    }
}

static INSTANCE_IDS: AtomicU64 = AtomicU64::new(0);

/// One connection's worth of a source, shared by every handle with the same settings.
struct Instance {
    id: u64,
    backend: &'static Backend,
    settings: Settings,
    config: Box<dyn BackendConfig>,
    connected: OnceCell<Arc<dyn Datasource>>,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("backend", &self.backend.name).finish_non_exhaustive()
    }
}

/// A configured datasource under its name.
pub struct Handle {
    name: Arc<str>,
    writable: bool,
    instance: Arc<Instance>,
    layering: Arc<dyn Layering>,
    layered: OnceCell<Arc<dyn Datasource>>,
    snapshot: Weak<Snapshot>,
    registry: Registry,
}

impl Handle {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its backend.
    pub fn backend(&self) -> &'static Backend {
        self.instance.backend
    }

    /// Whether the configuration allows writes.
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// Keys what may be kept of this source for the identity of `cx`: it differs for each
    /// instance and each identity, and holds no secret.
    pub fn cache_scope(&self, cx: &Context) -> String {
        format!("{}.{}", self.instance.id, cx.identity().cache_key())
    }

    /// Whether it has been connected already.
    pub fn is_connected(&self) -> bool {
        self.instance.connected.initialized()
    }

    /// The datasource, connected and in its layers. Connecting happens once; a failure is not
    /// kept, so the next call tries again.
    ///
    /// # Errors
    /// Those of connecting, with this datasource's name.
    pub async fn open(&self, cx: &Context) -> Result<Arc<dyn Datasource>> {
        self.open_within(cx, Vec::new()).await
    }

    pub(crate) async fn open_within(
        &self,
        cx: &Context,
        mut opening: Vec<Arc<str>>,
    ) -> Result<Arc<dyn Datasource>> {
        if let Some(layered) = self.layered.get() {
            return Ok(Arc::clone(layered));
        }
        opening.push(Arc::clone(&self.name));
        let cx = cx.for_datasource(Arc::clone(&self.name));
        let connect = async {
            let sources = Sources::new(Weak::clone(&self.snapshot), self.registry.clone(), opening);
            let connect = |cx: Context| -> BoxFuture<'_, Result<Arc<dyn Datasource>>> {
                let sources = &sources;
                Box::pin(async move { self.instance.config.connect(&cx, sources).await })
            };
            let datasource =
                self.layering.around_connect(&self.name, &cx, Arc::new(connect)).await?;
            Ok(self.layering.around_instance(datasource))
        };
        let instance = cx
            .run(self.instance.connected.get_or_try_init(|| connect))
            .await
            .map_err(|e| e.with_datasource(self.name()).with_operation(Operation::Connect))?;
        let layered = || async { self.layering.around_handle(&self.name, Arc::clone(instance)) };
        Ok(Arc::clone(self.layered.get_or_init(layered).await))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("name", &self.name)
            .field("instance", &self.instance)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// All configured datasources at one moment.
#[derive(Debug, Clone)]
pub struct Datasources(Arc<Snapshot>);

#[derive(Debug)]
pub(crate) struct Snapshot(BTreeMap<Arc<str>, Arc<Handle>>);

impl Snapshot {
    pub(crate) fn require(&self, name: &str) -> Result<&Arc<Handle>> {
        self.0.get(name).ok_or_else(|| {
            let hint = match closest(name, self.0.keys().map(AsRef::as_ref)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if self.0.is_empty() => "the configuration names none".to_owned(),
                None => {
                    let known: Vec<_> = self.0.keys().map(AsRef::as_ref).collect();
                    format!("known datasources: {}", known.join(", "))
                }
            };
            Error::new(ErrorKind::NotFound, format!("no datasource `{name}`")).with_hint(hint)
        })
    }
}

impl Datasources {
    /// Begins a snapshot over the instances of the process.
    pub fn builder(registry: Registry, instances: Instances) -> DatasourcesBuilder {
        DatasourcesBuilder { registry, instances, entries: Vec::new() }
    }

    /// The datasource of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Handle>> {
        self.0.0.get(name)
    }

    /// The datasource of this name, or an error that offers the nearest.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn require(&self, name: &str) -> Result<&Arc<Handle>> {
        self.0.require(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.0.0.values()
    }

    /// Closes every instance that was connected: first those that answer SQL, all at once, since
    /// they may still have files to remove from the others, then the rest.
    ///
    /// # Errors
    /// The first failure; the rest is closed all the same.
    pub async fn close(&self) -> Result<()> {
        let open = self.iter().filter_map(|handle| handle.layered.get());
        let (first, then): (Vec<_>, Vec<_>) = open.partition(|open| open.facets().sql.is_some());
        let mut outcomes = Vec::new();
        for wave in [first, then] {
            let closing = wave.into_iter().map(|datasource| datasource.close());
            outcomes.extend(futures::future::join_all(closing).await);
        }
        outcomes.into_iter().collect()
    }
}

/// Collects the datasources of a snapshot.
pub struct DatasourcesBuilder {
    registry: Registry,
    instances: Instances,
    entries: Vec<Entry>,
}

struct Entry {
    name: Arc<str>,
    writable: bool,
    instance: Arc<Instance>,
    layering: Arc<dyn Layering>,
}

impl DatasourcesBuilder {
    /// Adds a datasource; nothing is connected. `settings` is the whole effective
    /// configuration of it, by which instances are shared.
    pub fn add(
        &mut self,
        name: &str,
        backend: &'static Backend,
        settings: Settings,
        config: Box<dyn BackendConfig>,
        writable: bool,
        layering: Arc<dyn Layering>,
    ) {
        let instance = self.instances.get(backend, settings, config);
        self.entries.push(Entry { name: name.into(), writable, instance, layering });
    }

    /// The snapshot. Of two datasources with one name the later stands.
    pub fn build(self) -> Datasources {
        let Self { registry, entries, .. } = self;
        Datasources(Arc::new_cyclic(|snapshot| {
            let handle = |entry: Entry| {
                let Entry { name, writable, instance, layering } = entry;
                let handle = Handle {
                    name: Arc::clone(&name),
                    writable,
                    instance,
                    layering,
                    layered: OnceCell::new(),
                    snapshot: Weak::clone(snapshot),
                    registry: registry.clone(),
                };
                (name, Arc::new(handle))
            };
            Snapshot(entries.into_iter().map(handle).collect())
        }))
    }
}
