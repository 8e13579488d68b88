//! Reading: an open regular file, read at positions.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{File, OpenOptions, OpenOptionsExt};
use futures::stream::{self, StreamExt};
use orbit_core::{ByteStream, Context, Error, ErrorKind, FileInfo, Result};
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::datasource::blocking;
use crate::error;
use crate::tree::{Tree, info_of};

/// How many bytes one item of a body has at most.
pub(crate) const CHUNK_BYTES: u64 = 1 << 20;

/// How many chunks are read at once while the caller is busy with the one before.
const READ_AHEAD_CHUNKS: usize = 2;

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    info: FileInfo,
    if_match: bool,
}

impl OpenFile {
    /// Opens a file, if it still has the tag.
    pub(crate) fn open(tree: &Tree, key: &str, if_match: Option<&str>) -> Result<Self> {
        let (root, path) = tree.find(key)?;
        let fail = |e| error::of_key(e, key);
        let mut options = OpenOptions::new();
        // A pipe without a writer would otherwise hold the thread for ever.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = root.open_with(path, &options).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        let info = info_of(key, &metadata).ok_or_else(|| not_a_file(key, metadata.is_dir()))?;
        match if_match {
            Some(tag) if info.etag.as_deref() != Some(tag) => Err(changed(key)),
            _ => Ok(Self { file, info, if_match: if_match.is_some() }),
        }
    }

    pub(crate) fn info(&self) -> &FileInfo {
        &self.info
    }

    pub(crate) fn into_std(self) -> std::fs::File {
        self.file.into_std()
    }

    /// The bytes of a range that lies within the file, if it is still the one that was opened.
    pub(crate) fn read(&self, range: &Range<u64>) -> Result<Bytes> {
        let too_large = || Error::new(ErrorKind::ResourceExhausted, "the range exceeds memory");
        let length = usize::try_from(range.end - range.start).map_err(|_| too_large())?;
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(length).map_err(|e| too_large().with_source(e))?;
        while bytes.len() < length {
            let at = range.start + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(changed(&self.info.key)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(error::of_key(errno.into(), &self.info.key)),
            }
        }
        // The allocator may have given more room than was asked for.
        bytes.truncate(length);
        self.check_unchanged()?;
        Ok(Bytes::from(bytes))
    }

    /// Refuses what was read when a tag was asked for and the file has been written meanwhile.
    fn check_unchanged(&self) -> Result<()> {
        if !self.if_match {
            return Ok(());
        }
        let key = &self.info.key;
        let metadata = self.file.metadata().map_err(|e| error::of_key(e, key))?;
        let now = info_of(key, &metadata).and_then(|info| info.etag);
        if now == self.info.etag { Ok(()) } else { Err(changed(key)) }
    }

    /// The bytes of a range, of which `first` has been read already.
    pub(crate) fn stream(
        self: Arc<Self>,
        cx: &Context,
        first: Bytes,
        rest: Range<u64>,
    ) -> ByteStream {
        let cx = cx.clone();
        let chunks = rest.clone().step_by(CHUNK_BYTES as usize);
        let read = move |start: u64| {
            let (file, cx) = (Arc::clone(&self), cx.clone());
            let chunk = start..rest.end.min(start + CHUNK_BYTES);
            async move { blocking(&cx, move |_| file.read(&chunk)).await }
        };
        let ahead = stream::iter(chunks).map(read).buffered(READ_AHEAD_CHUNKS);
        let first = (!first.is_empty()).then_some(Ok(first));
        stream::iter(first).chain(ahead).boxed()
    }
}

/// The answer to what is no regular file.
pub(crate) fn not_a_file(key: &str, is_folder: bool) -> Error {
    let error = if is_folder {
        Error::new(ErrorKind::NotFound, "no such file, but a folder of this name")
    } else {
        Error::new(ErrorKind::Unsupported, "only regular files are read, not pipes or devices")
    };
    error.with_context("key", key)
}

/// The answer when the tag is no longer the one that was asked for.
pub(crate) fn changed(key: &str) -> Error {
    Error::new(ErrorKind::Conflict, "the file has changed")
        .with_hint("list or stat it again and repeat")
        .with_context("key", key)
}
