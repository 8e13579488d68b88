//! The name by which delta-rs and DataFusion know a table.
//!
//! It says nothing of the datasource or the folder: a number of its own stands for both, in
//! the authority and in the path. So no store registry and no cache that is keyed by either can
//! mix two tables, and a folder's spaces, `%`, `#` and letters never pass through a URL.

use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use orbit_core::{Error, ErrorKind, Result};
use url::Url;

use crate::log::LOG_FOLDER;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A table's URL, `orbit-delta://t7/t7/`, and the path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    url: Url,
    path: Path,
}

impl Root {
    /// A name that no table had before.
    pub(crate) fn next() -> Result<Self> {
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = Url::parse(&format!("orbit-delta://{name}/{name}/")).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a table's name is no URL").with_source(error)
        })?;
        Ok(Self { url, path: Path::from(name) })
    }

    /// The table's folder; ends in `/`.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The path in the URL.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The table's log.
    pub(crate) fn log(&self) -> Path {
        self.path.clone().join(LOG_FOLDER)
    }

    /// Whether `url` has the scheme and authority of this table.
    pub(crate) fn is_store_of(&self, url: &Url) -> bool {
        url.scheme() == self.url.scheme() && url.authority() == self.url.authority()
    }

    /// The key below the table's folder; none is outside it.
    pub(crate) fn key<'a>(&self, location: &'a Path) -> Option<&'a str> {
        location.as_ref().strip_prefix(self.path.as_ref())?.strip_prefix('/')
    }
}
