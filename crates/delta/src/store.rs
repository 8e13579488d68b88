//! All that delta-rs sees of a datasource: the files below one table's folder. A query reads
//! them, and the log as it was listed; a command that writes sees the log as it is.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::object_store::ObjectStoreRegistry;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use orbit_core::{Error, ErrorKind, FileStore};
use orbit_engine::Faults;
use url::Url;

use crate::log::{LOG_FOLDER, Log};
use crate::root::Root;
use crate::roots::AllowedRoots;

/// The file beside the log's that names a checkpoint.
const HINT: &str = "/_last_checkpoint";

/// What to do about a file of rows that is not there.
const GONE_HINT: &str = "the log names a file that was vacuumed or deleted: read a version that \
    does without it, and make that the present one with `orbit delta restore`";

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
    /// The log as it was listed; none is listed anew each time, for a table that is written.
    log: Option<Arc<Log>>,
    allowed: Arc<AllowedRoots>,
    /// The paths that stand for keys, where this is no table but the files of another place.
    elsewhere: Option<Vec<(String, String)>>,
    fault: Mutex<Option<Error>>,
    /// Where the query finds why a read of rows failed.
    faults: Faults,
}

impl TableStore {
    /// The table in `folder`; `log` is its log as it was listed, for a table that is read.
    pub(crate) fn new(
        files: FileStore,
        folder: String,
        root: Root,
        log: Option<Arc<Log>>,
        allowed: Arc<AllowedRoots>,
        faults: Faults,
    ) -> Self {
        let (elsewhere, fault) = (None, Mutex::new(None));
        Self { files, folder, root, log, allowed, elsewhere, fault, faults }
    }

    /// The files that the table may have under the scheme and authority of `url`, to be read.
    fn elsewhere(&self, url: &Url) -> Option<Self> {
        let places = self.allowed.of_store(url);
        (!places.is_empty()).then(|| Self {
            files: self.files.clone(),
            folder: String::new(),
            root: self.root.clone(),
            log: Some(Arc::default()),
            allowed: Arc::default(),
            elsewhere: Some(places),
            fault: Mutex::new(None),
            faults: self.faults.clone(),
        })
    }

    /// Where files may lie outside of the table's folder.
    pub(crate) fn allowed(&self) -> &AllowedRoots {
        &self.allowed
    }

    /// Where the query finds why a read of rows failed.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
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

    /// Notes why `location` was not read; of a file of rows also for the query, for the log
    /// names it.
    fn unread(&self, location: &Path, failure: object_store::Error) -> object_store::Error {
        let Some(error) = orbit_error(&failure) else { return failure };
        let error = error.clone().with_datasource(self.files.datasource());
        if self.root.key(location).is_some_and(|key| key.starts_with(LOG_FOLDER)) {
            self.note(error);
            return failure;
        }
        let is_gone = error.kind() == ErrorKind::NotFound;
        let error = if is_gone { error.with_hint(GONE_HINT) } else { error };
        self.faults.note(error.clone());
        self.note(error.clone());
        match is_gone {
            true => {
                let (path, source) = (location.to_string(), Box::new(error));
                object_store::Error::NotFound { path, source }
            }
            false => failure,
        }
    }

    fn refuse(&self, error: Error) -> object_store::Error {
        self.note(error.clone());
        object_store::Error::Generic { store: "orbit-delta", source: Box::new(error) }
    }

    /// The location at the datasource.
    fn resolve(&self, location: &Path) -> object_store::Result<Path> {
        let wanted = match &self.elsewhere {
            None => self.root.key(location).map(|key| format!("{}{key}", self.folder)),
            Some(places) => places.iter().find_map(|(path, folder)| {
                let key = location.as_ref().strip_prefix(path.as_str())?;
                Some(format!("{folder}{key}"))
            }),
        };
        let Some(wanted) = wanted else {
            return Err(self.refuse(outside(location.as_ref())));
        };
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

    /// The location at the datasource, for a write.
    fn resolve_written(&self, location: &Path) -> object_store::Result<Path> {
        match self.log {
            None => self.resolve(location),
            Some(_) => {
                let message = "a Delta table is only read here";
                Err(self.refuse(Error::new(ErrorKind::Unsupported, message)))
            }
        }
    }

    /// The folder of the datasource that a listing asks for.
    fn resolve_prefix(&self, prefix: Option<&Path>) -> object_store::Result<Path> {
        match prefix {
            Some(prefix) if prefix != self.root.path() => self.resolve(prefix),
            Some(_) => Ok(Path::parse(self.folder.trim_end_matches('/'))?),
            None => Err(self.refuse(outside("/"))),
        }
    }

    /// The files below `prefix` as they are now, after `offset` if given.
    fn list_now(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let listed = self.resolve_prefix(prefix).and_then(|folder| {
            let offset = offset.map(|offset| self.resolve(offset)).transpose()?;
            Ok(match offset {
                Some(offset) => self.files.list_with_offset(Some(&folder), &offset),
                None => self.files.list(Some(&folder)),
            })
        });
        let (root, folder) = (self.root.clone(), self.folder.clone());
        match listed {
            Ok(files) => files.and_then(move |meta| ready(named(&root, &folder, meta))).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}

/// A listed file by the table's name for it.
fn named(root: &Root, folder: &str, mut meta: ObjectMeta) -> object_store::Result<ObjectMeta> {
    meta.location = name_of(root, folder, &meta.location)?;
    Ok(meta)
}

fn name_of(root: &Root, folder: &str, location: &Path) -> object_store::Result<Path> {
    match location.as_ref().strip_prefix(folder) {
        Some(key) => Ok(Path::parse(format!("{}/{key}", root.path()))?),
        None => {
            let source = Box::new(outside(location.as_ref()));
            Err(object_store::Error::Generic { store: "orbit-delta", source })
        }
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
        .with_hint("a shallow clone needs its source under `allowed_roots` of the table")
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
        let got = self.files.get_opts(&path, options).await;
        let mut result = got.map_err(|failure| self.unread(location, failure))?;
        result.meta.location = location.clone();
        Ok(result)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        let path = self.resolve(location)?;
        let got = self.files.get_ranges(&path, ranges).await;
        got.map_err(|failure| self.unread(location, failure))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        match self.log {
            Some(_) => self.list_with_offset(prefix, &Path::default()),
            None => self.list_now(prefix, None),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let Some(listed) = &self.log else { return self.list_now(prefix, Some(offset)) };
        let log = self.root.log();
        if prefix != Some(&log) {
            let message = "only the log of a Delta table is listed";
            let error = self.refuse(Error::new(ErrorKind::Unsupported, message));
            return stream::iter([Err(error)]).boxed();
        }
        let after = self.root.key(offset).and_then(|key| key.strip_prefix(LOG_FOLDER));
        let after = after.map_or("", |name| name.trim_start_matches('/'));
        stream::iter(listed.metas_after(&log, after)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        if self.log.is_some() {
            let message = "a Delta table's files are not listed";
            return Err(self.refuse(Error::new(ErrorKind::Unsupported, message)));
        }
        let folder = self.resolve_prefix(prefix)?;
        let ListResult { common_prefixes, objects } =
            self.noted(self.files.list_with_delimiter(Some(&folder)).await)?;
        let folders = common_prefixes.iter().map(|p| name_of(&self.root, &self.folder, p));
        let files = objects.into_iter().map(|meta| named(&self.root, &self.folder, meta));
        Ok(ListResult {
            common_prefixes: folders.collect::<object_store::Result<_>>()?,
            objects: files.collect::<object_store::Result<_>>()?,
        })
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let path = self.resolve_written(location)?;
        self.noted(self.files.put_opts(&path, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let path = self.resolve_written(location)?;
        self.noted(self.files.put_multipart_opts(&path, options).await)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        if self.log.is_some() {
            return stream::iter([self.resolve_written(&Path::default())]).boxed();
        }
        let (root, folder) = (self.root.clone(), self.folder.clone());
        let wanted = locations.and_then(move |location| {
            ready(match root.key(&location) {
                Some(key) => Path::parse(format!("{folder}{key}")).map_err(Into::into),
                None => {
                    let source = Box::new(outside(location.as_ref()));
                    Err(object_store::Error::Generic { store: "orbit-delta", source })
                }
            })
        });
        let (root, folder) = (self.root.clone(), self.folder.clone());
        let deleted = self.files.delete_stream(wanted.boxed());
        deleted.and_then(move |path| ready(name_of(&root, &folder, &path))).boxed()
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        let (from, to) = (self.resolve(from)?, self.resolve_written(to)?);
        self.noted(self.files.copy_opts(&from, &to, options).await)
    }
}

impl fmt::Display for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the files of a Delta table")
    }
}

/// The scheme under which delta-rs looks for the store of a table alone.
const RELATIVE_SCHEME: &str = "delta-rs";

/// The registry in which a table's own store is the only one.
#[derive(Debug)]
pub(crate) struct OnlyStore {
    pub(crate) store: Arc<TableStore>,
    /// The same by paths relative to the table.
    pub(crate) prefixed: Arc<dyn ObjectStore>,
}

impl ObjectStoreRegistry for OnlyStore {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        if self.store.root.is_store_of(url) {
            return Ok(Arc::clone(&self.store) as Arc<dyn ObjectStore>);
        }
        if url.scheme() == RELATIVE_SCHEME {
            return Ok(Arc::clone(&self.prefixed));
        }
        if let Some(files) = self.store.elsewhere(url) {
            return Ok(Arc::new(files));
        }
        let error = outside(&format!("{}://{}", url.scheme(), url.authority()));
        self.store.note(error.clone());
        Err(DataFusionError::External(Box::new(error)))
    }
}
