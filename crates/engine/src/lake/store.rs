//! What DataFusion reads files through: one object store for all datasources of a query.
//!
//! A file's path here is `scope/tag/key`. DataFusion keeps footers and statistics by path
//! alone, so the path says whose file it is (datasource instance and identity) and which
//! content was listed: neither two users nor two versions of a file can share an entry, and a
//! file that changed after it was listed is refused instead of half read.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::stream::{BoxStream, StreamExt};
use object_store::path::{Path, PathPart};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use orbit_core::{Error, ErrorKind, FileInfo, FileStore, Result};
use url::Url;

use super::footers::Footers;
use super::kept::Kept;
use crate::Faults;
use crate::error::{from_datafusion, inner, is_of_a_file, is_of_parquet};

/// Where the store of a query's files is registered.
const URL: &str = "orbit://files/";

/// Stands for the tag of a store that gives none.
const NO_TAG: &str = "-";

/// Where files lie whose paths in a plan begin alike, for people to read.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What the paths begin with; ends in `/`.
    pub(crate) start: String,
    /// The datasource.
    pub(crate) datasource: String,
    /// The folder of the table, where the paths go on below it; else a tag goes before the key.
    pub(crate) table: Option<String>,
}

impl Place {
    /// The key of the file that this follows `start` in a path.
    pub(crate) fn key(&self, rest: &str) -> String {
        match self.table.as_deref() {
            None => rest.split_once('/').map_or(rest, |(_, key)| key).to_owned(),
            Some("") => rest.to_owned(),
            Some(folder) => format!("{folder}/{rest}"),
        }
    }
}

/// The files of every datasource that a query touches.
#[derive(Default)]
pub(crate) struct LakeStore {
    scopes: Mutex<HashMap<String, FileStore>>,
    /// Tables of other crates' formats, which are read through stores of their own.
    tables: Mutex<Vec<Place>>,
    faults: Faults,
    /// The files that were read, until it is clear that they are several.
    read: Mutex<Vec<Path>>,
    kept: Mutex<Kept>,
    footers: Mutex<Footers>,
}

impl LakeStore {
    /// The URL by which plans name this store.
    pub(crate) fn url() -> ObjectStoreUrl {
        ObjectStoreUrl::parse(URL).unwrap_or_else(|_| ObjectStoreUrl::local_filesystem())
    }

    /// Lets files of `scope` be read through `store`.
    pub(crate) fn add_scope(&self, scope: &str, store: FileStore) {
        let scope = PathPart::from(scope).as_ref().to_owned();
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).insert(scope, store);
    }

    /// Where reads that fail are kept, also those of tables with stores of their own.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Keeps where the files lie that are read through the store of `url`.
    fn add_table(&self, url: &Url, datasource: &str, folder: &str) {
        let place = Place {
            start: url.path().trim_start_matches('/').to_owned(),
            datasource: datasource.to_owned(),
            table: Some(folder.to_owned()),
        };
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Where the files of a plan lie.
    pub(crate) fn places(&self) -> Vec<Place> {
        let scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let files = scopes.iter().map(|(scope, store)| Place {
            start: format!("{scope}/"),
            datasource: store.datasource().to_owned(),
            table: None,
        });
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        files.chain(tables.iter().cloned()).collect()
    }

    /// The file as plans name it.
    pub(crate) fn meta(scope: &str, info: &FileInfo) -> Result<ObjectMeta> {
        let tag = info.etag.as_deref().map_or_else(|| NO_TAG.to_owned(), to_segment);
        let location = format!("{}/{tag}/{}", PathPart::from(scope).as_ref(), info.key);
        match Path::parse(&location) {
            Ok(path) if path.as_ref() == location => Ok(ObjectMeta {
                location: path,
                last_modified: info.modified.into(),
                size: info.size_bytes,
                e_tag: info.etag.clone(),
                version: info.version.clone(),
            }),
            _ => {
                let message = "a key with empty, `.` or `..` segments cannot be a part of a table";
                Err(Error::new(ErrorKind::Unsupported, message).with_context("key", &info.key))
            }
        }
    }

    /// The key within its datasource of a path made by [`meta`](Self::meta).
    pub(crate) fn key(path: &str) -> &str {
        path.splitn(3, '/').nth(2).unwrap_or(path)
    }

    /// The error of a plan that reads through this store: what a source said, where it did.
    pub(crate) fn explain(&self, error: DataFusionError) -> Error {
        let of_parquet = is_of_parquet(&error);
        match self.cause(error) {
            said if of_parquet && said.datasource().is_none() => self.placed(said),
            said => said,
        }
    }

    /// What a source said, where it did, else the error.
    pub(super) fn cause(&self, error: DataFusionError) -> Error {
        let lost = is_of_a_file(&error);
        let said = from_datafusion(error);
        let is_cause =
            |fault: &Error| lost || (said.datasource().is_none() && said.kind() == fault.kind());
        self.faults.first().filter(is_cause).unwrap_or(said)
    }

    /// Says where a Parquet file lies that cannot be decoded, as far as it is known: the decoder
    /// does not tell which file it was.
    fn placed(&self, error: Error) -> Error {
        let names: BTreeSet<_> = self.places().into_iter().map(|p| p.datasource).collect();
        let error = match (names.len(), names.first()) {
            (1, Some(name)) => error.with_datasource(name.as_str()),
            _ => error,
        };
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // Tables with stores of their own are not seen reading.
        let has_tables = !self.tables.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        match read.as_slice() {
            [only] if !has_tables => error.with_context("file", Self::key(only.as_ref())),
            _ => error,
        }
    }

    /// Keeps what the source said of a read that failed.
    fn noted(&self, store: &FileStore, error: object_store::Error) -> object_store::Error {
        if let Some(error) = inner(&error) {
            self.faults.note(error.clone().with_datasource(store.datasource()));
        }
        error
    }

    /// Lets the footers of these Parquet files be looked at when they are read.
    pub(crate) fn add_footers(&self, files: &[ObjectMeta]) {
        self.footers.lock().unwrap_or_else(PoisonError::into_inner).add(files);
    }

    /// Keeps the end of a file that was read before its table was opened.
    pub(crate) fn keep_tail(&self, file: &ObjectMeta, tail: &Bytes) {
        // Without a tag nobody knows whether the content is still the same.
        if file.e_tag.is_some() {
            let range = file.size.saturating_sub(tail.len() as u64)..file.size;
            let (ranges, read) = (slice::from_ref(&range), slice::from_ref(tail));
            self.kept(|kept| kept.put(&file.location, ranges, read));
        }
    }

    /// What `with` answers of the bytes that are kept.
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was read, unless it is the end of a Parquet file that its decoder does not survive.
    fn checked(
        &self,
        store: &FileStore,
        location: &Path,
        ranges: &[Range<u64>],
        read: Vec<Bytes>,
    ) -> object_store::Result<Vec<Bytes>> {
        let footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        match footers.check(location, ranges, &read) {
            Ok(()) => Ok(read),
            Err(error) => {
                let source = Box::new(error);
                Err(self.noted(store, object_store::Error::Generic { store: "orbit", source }))
            }
        }
    }

    fn open(&self, location: &Path) -> object_store::Result<(FileStore, Path, Option<String>)> {
        let mut parts = location.as_ref().splitn(3, '/');
        let (scope, tag, key) = (parts.next(), parts.next(), parts.next());
        let scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let store = scope.and_then(|scope| scopes.get(scope));
        let (Some(store), Some(tag), Some(key)) = (store, tag, key) else {
            return Err(unsupported("reading a file that was not listed"));
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() < 2 && !read.contains(location) {
            read.push(location.clone());
        }
        Ok((store.clone(), Path::parse(key)?, from_segment(tag)))
    }
}

/// A tag as a path segment that needs no escaping.
fn to_segment(tag: &str) -> String {
    tag.bytes().fold(String::with_capacity(tag.len() * 2), |mut hex, byte| {
        for digit in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(digit.into(), 16));
        }
        hex
    })
}

fn from_segment(segment: &str) -> Option<String> {
    let digits: Option<Vec<_>> = segment.chars().map(|c| c.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |high, low| high * 16 + low)).ok();
    String::from_utf8(digits?.chunks(2).map(byte).collect::<Option<_>>()?).ok()
}

fn unsupported(what: &str) -> object_store::Error {
    object_store::Error::NotSupported { source: what.to_owned().into() }
}

#[async_trait]
impl ObjectStore for LakeStore {
    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        let (store, key, if_match) = self.open(location)?;
        let options = GetOptions { if_match: options.if_match.or(if_match), ..options };
        let got = store.get_opts(&key, options).await;
        let mut result = got.map_err(|e| self.noted(&store, e))?;
        result.meta.location = location.clone();
        Ok(result)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        let (store, key, if_match) = self.open(location)?;
        // Without a tag nobody knows whether the content is still the same.
        let is_one_content = if_match.is_some();
        if is_one_content && let Some(kept) = self.kept(|kept| kept.get(location, ranges)) {
            return self.checked(&store, location, ranges, kept);
        }
        let got = store.get_ranges_if_match(&key, ranges, if_match).await;
        let read = got.map_err(|e| self.noted(&store, e))?;
        if is_one_content {
            self.kept(|kept| kept.put(location, ranges, &read));
        }
        self.checked(&store, location, ranges, read)
    }

    async fn put_opts(
        &self,
        _: &Path,
        _: PutPayload,
        _: PutOptions,
    ) -> object_store::Result<PutResult> {
        Err(unsupported("writing inside a plan"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(unsupported("writing inside a plan"))
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        futures::stream::iter([Err(unsupported("deleting inside a plan"))]).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        futures::stream::iter([Err(unsupported("listing inside a plan"))]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        Err(unsupported("listing inside a plan"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(unsupported("copying inside a plan"))
    }
}

impl fmt::Debug for LakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeStore")
    }
}

impl fmt::Display for LakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the files of a query")
    }
}

/// The object stores of one query, by scheme and authority; nothing outside it is reachable.
#[derive(Debug)]
pub(crate) struct QueryStores(Mutex<HashMap<String, Arc<dyn ObjectStore>>>);

impl QueryStores {
    /// A registry that knows the query's files.
    pub(crate) fn new(files: Arc<LakeStore>) -> Self {
        let stores = Self(Mutex::new(HashMap::new()));
        if let Ok(url) = Url::parse(URL) {
            stores.register_store(&url, files);
        }
        stores
    }

    fn key(url: &Url) -> String {
        format!("{}://{}", url.scheme(), url.authority())
    }
}

impl ObjectStoreRegistry for QueryStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(Self::key(url), store)
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        let stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stores.get(&Self::key(url)).cloned().ok_or_else(|| {
            DataFusionError::Plan(format!("no files can be read from {}", Self::key(url)))
        })
    }
}

/// The registry of a query as a table of another crate's format is given it: whose files are
/// read through what it registers is known for explaining.
#[derive(Debug)]
pub(crate) struct TableStores {
    pub(crate) stores: Arc<dyn ObjectStoreRegistry>,
    pub(crate) files: Arc<LakeStore>,
    pub(crate) datasource: String,
    pub(crate) folder: String,
}

impl ObjectStoreRegistry for TableStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.files.add_table(url, &self.datasource, &self.folder);
        self.stores.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        self.stores.get_store(url)
    }
}
