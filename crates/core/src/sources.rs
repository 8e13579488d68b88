//! How a datasource that is being connected reaches others.

use std::sync::{Arc, Weak};

use crate::datasources::Snapshot;
use crate::{Context, Datasource, Error, ErrorKind, Registry, Result, Settings};

/// Yields other datasources to one that is being connected: the bucket of an UNLOAD, a stage.
#[derive(Debug, Clone)]
pub struct Sources {
    snapshot: Weak<Snapshot>,
    registry: Option<Registry>,
    opening: Vec<Arc<str>>,
}

impl Sources {
    /// No other datasource is known.
    pub fn none() -> Self {
        Self { snapshot: Weak::new(), registry: None, opening: Vec::new() }
    }

    pub(crate) fn new(
        snapshot: Weak<Snapshot>,
        registry: Registry,
        opening: Vec<Arc<str>>,
    ) -> Self {
        Self { snapshot, registry: Some(registry), opening }
    }

    /// The datasource `name`, connected.
    ///
    /// # Errors
    /// `ConfigInvalid` when there is none of that name or when it needs, in turn, the one that
    /// asks; those of connecting it.
    pub async fn datasource(&self, cx: &Context, name: &str) -> Result<Arc<dyn Datasource>> {
        if self.opening.iter().any(|n| n.as_ref() == name) {
            let circle = self.opening.iter().map(AsRef::as_ref).chain([name]).collect::<Vec<_>>();
            let message =
                format!("datasources need each other in a circle: {}", circle.join(" -> "));
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        let snapshot = self.snapshot.upgrade().ok_or_else(|| {
            Error::new(
                ErrorKind::ConfigInvalid,
                format!("no other datasource `{name}` is known here"),
            )
        })?;
        let handle = snapshot.require(name)?;
        Box::pin(handle.open_within(cx, self.opening.clone())).await
    }

    /// Opens a datasource that no configuration names, from settings made by a program, such as
    /// a stage with the credentials that the warehouse lent.
    ///
    /// # Errors
    /// `ConfigInvalid` for settings that do not fit; those of connecting it.
    pub async fn open(
        &self,
        cx: &Context,
        backend: &str,
        settings: &Settings,
    ) -> Result<Arc<dyn Datasource>> {
        let registry = self.registry.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, "no other backend is known here")
        })?;
        let config = (registry.require(backend)?.parse)(settings).map_err(|problems| {
            let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Error::new(ErrorKind::ConfigInvalid, text.join("; "))
        })?;
        config.connect(cx, self).await
    }
}
