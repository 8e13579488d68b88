//! The file facet: listing, reading and writing keys of a store.
//!
//! A key is the store's own string. It is opaque UTF-8: `..`, `%`, spaces and doubled slashes
//! mean nothing here, and it never becomes a local path outside a backend that checks it.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Context, FileCapability, Result, Secret};

/// Asks for the keys of a store, in the order of their bytes.
#[derive(Debug, Clone, Default)]
pub struct ListFiles {
    /// Only keys that begin with this text; it need not end at a slash.
    pub prefix: String,
    /// Keys that go on after a further `/` are folded into one [`FileEntry::Prefix`].
    pub delimited: bool,
    /// Only keys after this one.
    pub start_after: Option<String>,
}

/// What a listing holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEntry {
    /// A file.
    File(FileInfo),
    /// Something that keys below it share; it ends in `/`.
    Prefix(String),
}

/// A page at a time, so that a million keys need the memory of a page.
pub type FileStream = BoxStream<'static, Result<Vec<FileEntry>>>;

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The key.
    pub key: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was last written.
    pub modified: SystemTime,
    /// The store's tag of this content; it changes when the content does.
    pub etag: Option<String>,
    /// The store's version, where it keeps several.
    pub version: Option<String>,
}

/// Asks for what is known of one file.
#[derive(Debug, Clone)]
pub struct Stat {
    /// The key.
    pub key: String,
}

/// Which bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByteRange {
    /// These; a range that begins after the end of the file is refused, one that ends after it
    /// is cut there.
    Bounded(Range<u64>),
    /// So many before the end of the file, or all of a shorter one: for who does not know its
    /// size.
    Suffix(u64),
}

/// Asks for a file's bytes.
#[derive(Debug, Clone)]
pub struct Read {
    /// The key.
    pub key: String,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Only if the tag is still this, else `Conflict`.
    pub if_match: Option<String>,
}

/// Asks for several ranges of one file.
#[derive(Debug, Clone)]
pub struct ReadRanges {
    /// The key.
    pub key: String,
    /// The ranges, in any order; all must lie within the file.
    pub ranges: Vec<Range<u64>>,
    /// Only if the tag is still this, else `Conflict`.
    pub if_match: Option<String>,
}

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A file being read.
pub struct ReadBody {
    /// What is known of the file.
    pub info: FileInfo,
    /// Which of its bytes follow.
    pub range: Range<u64>,
    /// The bytes: exactly as many as `range` says, or an error item.
    pub bytes: ByteStream,
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBody")
            .field("info", &self.info)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// Nothing: what is there is replaced.
    Always,
    /// Nothing is there, else `AlreadyExists`.
    IfAbsent,
    /// What is there has this tag, else `Conflict`.
    IfMatch(String),
}

/// Asks to write a file.
pub struct Write {
    /// The key.
    pub key: String,
    /// What must hold.
    pub condition: WriteCondition,
    /// The bytes. Nothing is seen under the key before the last of them, and an error item
    /// leaves what was there and cleans the rest up.
    pub body: ByteStream,
    /// How many they are, if known: a hint for choosing part sizes.
    pub size_hint_bytes: Option<u64>,
}

impl Write {
    /// Writes bytes at hand.
    pub fn bytes(key: impl Into<String>, bytes: Bytes, condition: WriteCondition) -> Self {
        let size_hint_bytes = Some(bytes.len() as u64);
        let body = Box::pin(futures::stream::iter([Ok(bytes)]));
        Self { key: key.into(), condition, body, size_hint_bytes }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("key", &self.key)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}

/// Asks to copy a file within the store.
#[derive(Debug, Clone)]
pub struct Copy {
    /// From this key.
    pub from: String,
    /// To this key.
    pub to: String,
    /// What must hold at the target.
    pub condition: WriteCondition,
}

/// Asks to delete files.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The keys. One that does not exist counts as deleted.
    pub keys: Vec<String>,
}

/// What became of one key of a delete.
#[derive(Debug)]
pub struct DeleteOutcome {
    /// The key.
    pub key: String,
    /// Deleted, or why not.
    pub result: Result<()>,
}

/// What a presigned URL allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresignMethod {
    /// Reading the file.
    Get,
    /// Writing the file.
    Put,
}

/// Asks for a URL that needs no further credentials.
#[derive(Debug, Clone)]
pub struct Presign {
    /// The key.
    pub key: String,
    /// What it allows.
    pub method: PresignMethod,
    /// For how long.
    pub expires_in: Duration,
}

/// Files of a connected store.
#[async_trait]
pub trait FileDatasource: Send + Sync {
    /// What this datasource can do, now that it is connected.
    fn capability(&self) -> FileCapability;

    /// The keys, in the order of their bytes, page by page.
    ///
    /// # Behavior
    /// - A prefix under which nothing lies is an empty listing.
    /// - Any key that the store can hold is listed.
    async fn list(&self, cx: &Context, request: ListFiles) -> Result<FileStream>;

    /// What is known of one file. `NotFound` when there is none.
    async fn stat(&self, cx: &Context, request: Stat) -> Result<FileInfo>;

    /// A file's bytes.
    ///
    /// # Behavior
    /// - A range is resumed on the same tag when the connection breaks; when it cannot be, the
    ///   stream ends in an error item, never short.
    async fn read(&self, cx: &Context, request: Read) -> Result<ReadBody>;

    /// Several ranges, in the order asked for.
    async fn read_ranges(&self, cx: &Context, request: ReadRanges) -> Result<Vec<Bytes>>;

    /// Writes a file; the answer describes what is there now.
    ///
    /// # Behavior
    /// - Readers see the old content or the new, never a part.
    /// - Dropping the future stops the upload and cleans it up.
    async fn write(&self, cx: &Context, request: Write) -> Result<FileInfo>;

    /// Copies a file within the store, without the bytes passing through here.
    async fn copy(&self, cx: &Context, request: Copy) -> Result<()>;

    /// Deletes files, each for itself: the outcomes are in the order of the keys.
    async fn delete(&self, cx: &Context, request: Delete) -> Result<Vec<DeleteOutcome>>;

    /// A URL that needs no further credentials: a secret.
    async fn presign(&self, cx: &Context, request: Presign) -> Result<Secret>;
}
