//! All that delta-rs sees of a datasource: the files below one table's folder, read only, and
//! the log as it was listed.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::object_store::ObjectStoreRegistry;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use orbit_core::{Error, ErrorKind, FileStore};
use url::Url;

use crate::log::{LOG_FOLDER, Log};
use crate::root::Root;

/// The file beside the log's that names a checkpoint.
const HINT: &str = "/_last_checkpoint";

/// One table of one query.
///
/// Paths are those of the [`Root`]; whatever is not below it is refused before a request is
/// sent. As the registry it answers for its own URL alone.
#[derive(Debug)]
pub(crate) struct TableStore {
    files: FileStore,
    /// Prefix of the table's keys: empty or ending in `/`.
    folder: String,
    root: Root,
    log: Arc<Log>,
    fault: Mutex<Option<Error>>,
}

impl TableStore {
    /// The table in `folder`, whose log is `log`.
    pub(crate) fn new(files: FileStore, folder: String, root: Root, log: Arc<Log>) -> Self {
        Self { files, folder, root, log, fault: Mutex::new(None) }
    }

    /// The table's name.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The first failure of a request since the last call. delta-rs keeps only the text of
    /// some errors, and this is how their kind survives.
    pub(crate) fn take_fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: Error) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn noted<T>(&self, result: object_store::Result<T>) -> object_store::Result<T> {
        if let Err(error) = &result
            && let Some(error) = orbit_error(error)
        {
            self.note(error.clone());
        }
        result
    }

    fn refuse(&self, error: Error) -> object_store::Error {
        self.note(error.clone());
        object_store::Error::Generic { store: "orbit-delta", source: Box::new(error) }
    }

    /// The location at the datasource.
    fn resolve(&self, location: &Path) -> object_store::Result<Path> {
        let Some(key) = self.root.key(location) else {
            return Err(self.refuse(outside(location.as_ref())));
        };
        let wanted = format!("{}{key}", self.folder);
        match Path::parse(&wanted) {
            Ok(path) if path.as_ref() == wanted => Ok(path),
            _ => {
                let message = "a key with empty, `.` or `..` segments cannot be a part of a table";
                let error = Error::new(ErrorKind::Unsupported, message);
                Err(self.refuse(error.with_context("key", wanted)))
            }
        }
    }

    /// Whether this is the hint where the newest checkpoint is: the listing knows better, also
    /// when the hint is stale.
    fn is_hint(&self, location: &Path) -> bool {
        self.root.key(location).and_then(|key| key.strip_prefix(LOG_FOLDER)) == Some(HINT)
    }

    fn read_only(&self) -> object_store::Error {
        self.refuse(Error::new(ErrorKind::Unsupported, "a Delta table is only read here"))
    }
}

/// ORBIT's own error inside one of `object_store`.
fn orbit_error(error: &object_store::Error) -> Option<&Error> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return Some(error);
        }
        source = inner.source();
    }
    None
}

/// The log names a file that is not the table's.
pub(crate) fn outside(file: &str) -> Error {
    Error::new(ErrorKind::DataInvalid, "the log names a file outside the table's folder")
        .with_context("file", file)
        .with_hint("a table whose files lie elsewhere, such as a shallow clone, is not read")
}

#[async_trait]
impl ObjectStore for TableStore {
    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if self.is_hint(location) {
            let (path, source) = (location.to_string(), "not needed".into());
            return Err(object_store::Error::NotFound { path, source });
        }
        let path = self.resolve(location)?;
        let mut result = self.noted(self.files.get_opts(&path, options).await)?;
        result.meta.location = location.clone();
        Ok(result)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        let path = self.resolve(location)?;
        self.noted(self.files.get_ranges(&path, ranges).await)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.list_with_offset(prefix, &Path::default())
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let log = self.root.log();
        if prefix != Some(&log) {
            let message = "only the log of a Delta table is listed";
            let error = self.refuse(Error::new(ErrorKind::Unsupported, message));
            return stream::iter([Err(error)]).boxed();
        }
        let after = self.root.key(offset).and_then(|key| key.strip_prefix(LOG_FOLDER));
        let after = after.map_or("", |name| name.trim_start_matches('/'));
        stream::iter(self.log.metas_after(&log, after)).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        Err(self.refuse(Error::new(ErrorKind::Unsupported, "a Delta table's files are not listed")))
    }

    async fn put_opts(
        &self,
        _: &Path,
        _: PutPayload,
        _: PutOptions,
    ) -> object_store::Result<PutResult> {
        Err(self.read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(self.read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        stream::iter([Err(self.read_only())]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(self.read_only())
    }
}

impl fmt::Display for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the files of a Delta table")
    }
}

/// The registry in which a table's own store is the only one.
#[derive(Debug)]
pub(crate) struct OnlyStore(pub(crate) Arc<TableStore>);

impl ObjectStoreRegistry for OnlyStore {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        if self.0.root.is_store_of(url) {
            return Ok(Arc::clone(&self.0) as Arc<dyn ObjectStore>);
        }
        let error = outside(&format!("{}://{}", url.scheme(), url.authority()));
        self.0.note(error.clone());
        Err(DataFusionError::External(Box::new(error)))
    }
}
