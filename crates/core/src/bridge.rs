//! The one bridge from a file datasource to `object_store`, which the engine and Delta read
//! through.
//!
//! A [`FileStore`] is made for one query: its context carries the limits, the identity and the
//! cancellation of that query, and what it moves is reported there.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, UpdateVersion, UploadPart,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    ByteRange, Context, Copy, Datasource, Delete, Error, ErrorKind, FileDatasource, FileEntry,
    FileInfo, ListFiles, Operation, Read, ReadRanges, Result, Stat, Write, WriteCondition,
};

/// How many keys are deleted by one request.
const DELETE_KEYS_MAX: usize = 1000;

/// The files of a datasource, as one query sees them.
#[derive(Clone)]
pub struct FileStore {
    datasource: Arc<dyn Datasource>,
    cx: Context,
}

impl FileStore {
    /// The files of `datasource`, for the query of `cx`.
    ///
    /// # Errors
    /// `Unsupported` when the datasource has no files.
    pub fn new(datasource: Arc<dyn Datasource>, cx: Context) -> Result<Self> {
        if datasource.facets().files.is_none() {
            return Err(Error::unsupported(Operation::Read));
        }
        Ok(Self { datasource, cx })
    }

    /// The datasource's name, where the context knows it.
    pub fn datasource(&self) -> &str {
        self.cx.datasource().unwrap_or_default()
    }

    fn files(&self) -> Result<&dyn FileDatasource> {
        self.datasource.facets().files.ok_or_else(|| Error::unsupported(Operation::Read))
    }

    /// Several ranges of a file, only while its tag is still `if_match`.
    ///
    /// # Errors
    /// `Precondition` when the file has changed; those of the datasource.
    pub async fn get_ranges_if_match(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
        if_match: Option<String>,
    ) -> object_store::Result<Vec<Bytes>> {
        let key = location.as_ref().to_owned();
        let request = ReadRanges { key, ranges: ranges.to_vec(), if_match };
        let files = self.files().map_err(to_store_error)?;
        files.read_ranges(&self.cx, request).await.map_err(to_store_error)
    }

    async fn stat(&self, location: &Path) -> Result<FileInfo> {
        self.files()?.stat(&self.cx, Stat { key: location.as_ref().to_owned() }).await
    }

    async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let GetOptions {
            if_match,
            if_none_match,
            if_modified_since,
            if_unmodified_since,
            range,
            version,
            head,
            extensions: _,
        } = options;
        if if_none_match.is_some()
            || if_modified_since.is_some()
            || if_unmodified_since.is_some()
            || version.is_some()
        {
            let message = "conditions other than a matching tag are not supported on reads";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let range = match range {
            None => None,
            Some(GetRange::Bounded(range)) => Some(ByteRange::Bounded(range)),
            Some(GetRange::Offset(from)) => Some(ByteRange::Bounded(from..u64::MAX)),
            Some(GetRange::Suffix(bytes)) => Some(ByteRange::Suffix(bytes)),
        };
        if head {
            let info = self.stat(location).await?;
            if if_match.is_some_and(|tag| info.etag.as_ref() != Some(&tag)) {
                let error = Error::new(ErrorKind::Conflict, "the file has changed");
                return Err(error.with_context("key", &info.key));
            }
            let meta = meta_of(&info)?;
            let range = 0..0;
            let payload = GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, meta, range, attributes: Attributes::new() });
        }
        let request = Read { key: location.as_ref().to_owned(), range, if_match };
        let body = self.files()?.read(&self.cx, request).await?;
        // Readers exist that poll again after the end.
        let bytes = body.bytes.map_err(to_store_error).fuse();
        Ok(GetResult {
            payload: GetResultPayload::Stream(bytes.boxed()),
            meta: meta_of(&body.info)?,
            range: body.range,
            attributes: Attributes::new(),
        })
    }

    fn list_files(
        &self,
        request: ListFiles,
    ) -> BoxStream<'static, object_store::Result<FileEntry>> {
        let this = self.clone();
        let pages = async move { this.files()?.list(&this.cx, request).await };
        stream::once(pages)
            .try_flatten()
            .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
            .try_flatten()
            .map_err(to_store_error)
            .fuse()
            .boxed()
    }
}

/// The folder that a prefix names: `object_store` knows only whole segments.
fn folder(prefix: Option<&Path>) -> String {
    match prefix.map(AsRef::as_ref) {
        None | Some("") => String::new(),
        Some(prefix) => format!("{prefix}/"),
    }
}

/// The key as a path, if the path gives the same key back.
fn path_of(key: &str) -> Result<Path> {
    match Path::parse(key) {
        Ok(path) if path.as_ref() == key => Ok(path),
        _ => {
            let message = "a key with empty, `.` or `..` segments cannot be a part of a table";
            Err(Error::new(ErrorKind::Unsupported, message).with_context("key", key))
        }
    }
}

fn meta_of(info: &FileInfo) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: path_of(&info.key)?,
        last_modified: DateTime::<Utc>::from(info.modified),
        size: info.size_bytes,
        e_tag: info.etag.clone(),
        version: info.version.clone(),
    })
}

/// The entry's metadata; a key that a path cannot hold is told and left out of the listing.
fn listed(info: &FileInfo) -> Option<ObjectMeta> {
    let meta = meta_of(info);
    if let Err(error) = &meta {
        tracing::warn!(key = %info.key, "left out of a listing: {}", error.message());
    }
    meta.ok()
}

fn put_result(info: FileInfo) -> PutResult {
    PutResult { e_tag: info.etag, version: info.version }
}

/// Without a tag an update would replace whatever is there.
fn condition_of(mode: PutMode) -> Result<WriteCondition> {
    match mode {
        PutMode::Overwrite => Ok(WriteCondition::Always),
        PutMode::Create => Ok(WriteCondition::IfAbsent),
        PutMode::Update(UpdateVersion { e_tag: Some(tag), .. }) => Ok(WriteCondition::IfMatch(tag)),
        PutMode::Update(_) => {
            let message = "an update does not say the tag of what it replaces";
            Err(Error::new(ErrorKind::QueryInvalid, message))
        }
    }
}

/// The error in `object_store`'s terms, with ours as its source.
fn to_store_error(error: Error) -> object_store::Error {
    use object_store::Error as Store;
    let path = error.context().find(|(k, _)| *k == "key").map_or("", |(_, v)| v).to_owned();
    let kind = error.kind();
    let source = Box::new(error);
    match kind {
        ErrorKind::NotFound => Store::NotFound { path, source },
        ErrorKind::AlreadyExists => Store::AlreadyExists { path, source },
        ErrorKind::Conflict => Store::Precondition { path, source },
        ErrorKind::PermissionDenied => Store::PermissionDenied { path, source },
        ErrorKind::Unauthenticated => Store::Unauthenticated { path, source },
        ErrorKind::Unsupported => Store::NotSupported { source },
        _ => Store::Generic { store: "orbit", source },
    }
}

#[async_trait]
impl ObjectStore for FileStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let size_hint_bytes = Some(payload.content_length() as u64);
        let request = Write {
            key: location.as_ref().to_owned(),
            condition: condition_of(options.mode).map_err(to_store_error)?,
            body: stream::iter(payload.into_iter().map(Ok)).boxed(),
            size_hint_bytes,
        };
        let files = self.files().map_err(to_store_error)?;
        files.write(&self.cx, request).await.map(put_result).map_err(to_store_error)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload::start(self.clone(), location.as_ref().to_owned())))
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.get(location, options).await.map_err(to_store_error)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        self.get_ranges_if_match(location, ranges, None).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let this = self.clone();
        locations
            .try_ready_chunks(DELETE_KEYS_MAX)
            .map_err(|e| e.1)
            .and_then(move |paths| {
                let this = this.clone();
                async move {
                    let keys = paths.iter().map(|p| p.as_ref().to_owned()).collect();
                    let deleted = match this.files() {
                        Ok(files) => files.delete(&this.cx, Delete { keys }).await,
                        Err(error) => Err(error),
                    };
                    let outcomes = deleted.map_err(to_store_error)?.into_iter();
                    let results = paths.into_iter().zip(outcomes);
                    let results =
                        results.map(|(p, o)| o.result.map(|()| p).map_err(to_store_error));
                    Ok(stream::iter(results.collect::<Vec<_>>()))
                }
            })
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let request = ListFiles { prefix: folder(prefix), ..ListFiles::default() };
        self.list_files(request)
            .try_filter_map(|entry| async move { Ok(file_meta(&entry)) })
            .boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let start_after = Some(offset.as_ref().to_owned());
        let request = ListFiles { prefix: folder(prefix), start_after, ..ListFiles::default() };
        self.list_files(request)
            .try_filter_map(|entry| async move { Ok(file_meta(&entry)) })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        let request = ListFiles { prefix: folder(prefix), delimited: true, ..ListFiles::default() };
        let entries: Vec<_> = self.list_files(request).try_collect().await?;
        let prefixes = entries.iter().filter_map(|e| match e {
            FileEntry::Prefix(prefix) => path_of(prefix.trim_end_matches('/')).ok(),
            FileEntry::File(_) => None,
        });
        Ok(ListResult {
            common_prefixes: prefixes.collect(),
            objects: entries.iter().filter_map(file_meta).collect(),
        })
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        let condition = match options.mode {
            CopyMode::Overwrite => WriteCondition::Always,
            CopyMode::Create => WriteCondition::IfAbsent,
        };
        let request =
            Copy { from: from.as_ref().to_owned(), to: to.as_ref().to_owned(), condition };
        let files = self.files().map_err(to_store_error)?;
        files.copy(&self.cx, request).await.map_err(to_store_error)
    }
}

fn file_meta(entry: &FileEntry) -> Option<ObjectMeta> {
    match entry {
        FileEntry::File(info) => listed(info),
        FileEntry::Prefix(_) => None,
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("datasource", &self.cx.datasource())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the files of {}", self.cx.datasource().unwrap_or("a datasource"))
    }
}

/// What feeds the body of an upload's write.
enum Part {
    Bytes(PutPayload, oneshot::Sender<()>),
    /// The file is whole: without it, what came so far is thrown away.
    End,
}

/// An upload whose parts feed the body of one `write`, in the order in which they were put.
struct Upload {
    parts: Option<mpsc::UnboundedSender<Part>>,
    write: Option<AbortOnDropHandle<Result<FileInfo>>>,
}

impl Upload {
    fn start(store: FileStore, key: String) -> Self {
        let (parts, received) = mpsc::unbounded_channel();
        // A part counts as put when the write has taken it, which bounds what a caller that
        // waits for its parts can have in flight.
        let body = stream::unfold(Some(received), |received| async move {
            let mut received = received?;
            let (chunks, rest) = match received.recv().await {
                Some(Part::Bytes(payload, taken)) => {
                    taken.send(()).ok();
                    (payload.into_iter().map(Ok).collect(), Some(received))
                }
                Some(Part::End) => return None,
                None => (vec![Err(given_up())], None),
            };
            Some((stream::iter::<Vec<Result<Bytes>>>(chunks), rest))
        });
        let body = body.flatten().boxed();
        let condition = WriteCondition::Always;
        let request = Write { key, condition, body, size_hint_bytes: None };
        let write = async move { store.files()?.write(&store.cx, request).await };
        Self { parts: Some(parts), write: Some(AbortOnDropHandle::new(tokio::spawn(write))) }
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Cancelled, "the upload was given up before it was complete")
}

fn upload_ended() -> object_store::Error {
    to_store_error(Error::new(ErrorKind::Unexpected, "the upload has already ended"))
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (taken, wait) = oneshot::channel();
        // When the write has failed nobody receives; `complete` tells why.
        if let Some(parts) = &self.parts {
            parts.send(Part::Bytes(data, taken)).ok();
        }
        Box::pin(async move {
            wait.await.ok();
            Ok(())
        })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        if let Some(parts) = self.parts.take() {
            parts.send(Part::End).ok();
        }
        let write = self.write.take().ok_or_else(upload_ended)?;
        match write.await {
            Ok(result) => result.map(put_result).map_err(to_store_error),
            Err(join) => {
                let message = "the upload ended without an answer";
                Err(to_store_error(Error::new(ErrorKind::Unexpected, message).with_source(join)))
            }
        }
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        if let Some(write) = self.write.take() {
            write.abort();
            write.await.ok();
        }
        Ok(())
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}
