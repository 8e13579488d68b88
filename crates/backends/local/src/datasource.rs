//! The contract over a tree of local files.
//!
//! Every operation hands its calls to the file system to one blocking job for each page, chunk
//! or request; no worker of the runtime ever waits for a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use orbit_core::{
    Context, Copy, Datasource, Delete, DeleteOutcome, Error, ErrorKind, Event, Facets,
    FileCapability, FileDatasource, FileInfo, FileStream, ListFiles, Operation, Presign, Read,
    ReadBody, ReadCapability, ReadRanges, Result, Secret, Stat, Write, WriteCapability,
    WriteCondition, WriteEffect,
};
use orbit_file::{checked_body, clip_range, pages, parts, require_within};

use crate::draft::{self, Draft};
use crate::error;
use crate::reader::{CHUNK_BYTES, OpenFile, not_a_file};
use crate::tree::{Tree, info_of};
use crate::walk::Walk;

/// What folders of a local file system can do.
pub(crate) const CAPABILITY: FileCapability = FileCapability {
    read: Some(ReadCapability { if_match: true, start_after: true }),
    write: Some(WriteCapability { if_absent: true, if_match: true }),
    copy: true,
    delete: true,
    presign: false,
};

/// How many bytes one blocking job writes.
const PART_BYTES: usize = 1 << 20;

/// How many bytes of a copy pass between two looks at the context.
const COPY_BYTES: u64 = 64 << 20;

/// Files of this machine.
#[derive(Debug)]
pub(crate) struct LocalDatasource {
    tree: Arc<Tree>,
    sync_writes: bool,
    closed: AtomicBool,
}

impl LocalDatasource {
    pub(crate) fn new(tree: Tree, sync_writes: bool) -> Self {
        Self { tree: Arc::new(tree), sync_writes, closed: AtomicBool::new(false) }
    }

    /// Counts an operation, and gives it the tree.
    fn begin(&self, cx: &Context) -> Result<Arc<Tree>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "the datasource has been closed"));
        }
        cx.report(Event::Requests(1));
        Ok(Arc::clone(&self.tree))
    }

    /// Gives a draft its name; whether it got it is unknown when the wait ends first.
    async fn commit(
        &self,
        cx: &Context,
        draft: Draft,
        condition: WriteCondition,
    ) -> Result<FileInfo> {
        cx.check().map_err(nothing_written)?;
        let sync = self.sync_writes;
        let committed = blocking(cx, move |_| draft.commit(&condition, sync)).await;
        committed.map_err(|e| match (e.kind(), e.write_effect()) {
            (ErrorKind::Cancelled | ErrorKind::Timeout, _) => {
                e.with_write_effect(WriteEffect::Unknown)
            }
            (_, None) => e.with_write_effect(WriteEffect::None),
            _ => e,
        })
    }

    async fn fill(&self, cx: &Context, request: Write) -> Result<(Draft, WriteCondition)> {
        let tree = self.begin(cx)?;
        let Write { key, condition, body, size_hint_bytes: _ } = request;
        let mut draft = blocking(cx, move |_| Draft::create(tree, key)).await?;
        let mut parts = parts(body, PART_BYTES);
        while let Some(part) = cx.run(async { parts.next().await.transpose() }).await? {
            let length = part.len() as u64;
            // The job owns the draft, so that it is removed wherever the caller stops waiting.
            let append = move |_: &Context| draft.append(&part).map(|()| draft);
            draft = blocking(cx, append).await?;
            cx.report(Event::BytesWritten(length));
        }
        Ok((draft, condition))
    }

    async fn copy_draft(&self, cx: &Context, from: String, to: String) -> Result<Draft> {
        let tree = self.begin(cx)?;
        let copy = move |cx: &Context| {
            let source = OpenFile::open(&tree, &from, None)?.into_std();
            let mut draft = Draft::create(tree, to)?;
            loop {
                cx.check()?;
                let mut piece = std::io::Read::take(&source, COPY_BYTES);
                let copied = std::io::copy(&mut piece, draft.file());
                if copied.map_err(|e| error::of_key(e, &from))? == 0 {
                    return Ok(draft);
                }
            }
        };
        blocking(cx, copy).await
    }
}

/// Runs calls that block apart from the workers, and waits no longer than the caller does. The
/// context that the work is given ends when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    cx: &Context,
    work: impl FnOnce(&Context) -> Result<T> + Send + 'static,
) -> Result<T> {
    cx.check()?;
    let inner = cx.child();
    let _stop = inner.cancellation().clone().drop_guard();
    let job = tokio::task::spawn_blocking(move || work(&inner));
    let answer = async {
        job.await.unwrap_or_else(|e| {
            let message = "a file operation ended without an answer";
            Err(Error::new(ErrorKind::Unexpected, message).with_source(e))
        })
    };
    cx.run(answer).await
}

fn nothing_written(error: Error) -> Error {
    error.with_write_effect(WriteEffect::None)
}

#[async_trait]
impl Datasource for LocalDatasource {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: None, files: Some(self) }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        let tree = self.begin(cx)?;
        blocking(cx, move |_| tree.check()).await
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl FileDatasource for LocalDatasource {
    fn capability(&self) -> FileCapability {
        CAPABILITY
    }

    async fn list(&self, cx: &Context, request: ListFiles) -> Result<FileStream> {
        let walk = Walk::new(self.begin(cx)?, request);
        let page_cx = cx.clone();
        let page = move |walk: Walk| {
            let cx = page_cx.clone();
            async move { blocking(&cx, |cx| walk.page(cx)).await }
        };
        Ok(pages(cx, walk, page))
    }

    async fn stat(&self, cx: &Context, request: Stat) -> Result<FileInfo> {
        let tree = self.begin(cx)?;
        let Stat { key } = request;
        let stat = move |_: &Context| {
            let (root, path) = tree.find(&key)?;
            let metadata = root.metadata(path).map_err(|e| error::of_key(e, &key))?;
            info_of(&key, &metadata).ok_or_else(|| not_a_file(&key, metadata.is_dir()))
        };
        blocking(cx, stat).await
    }

    async fn read(&self, cx: &Context, request: Read) -> Result<ReadBody> {
        let tree = self.begin(cx)?;
        let Read { key, range, if_match } = request;
        let open = move |_: &Context| {
            let file = OpenFile::open(&tree, &key, if_match.as_deref())?;
            let range = clip_range(range, file.info().size_bytes)
                .map_err(|e| e.with_context("key", key))?;
            // The first chunk comes with the opening: most reads of a scan are no longer.
            let first = range.start..range.end.min(range.start.saturating_add(CHUNK_BYTES));
            let bytes = file.read(&first)?;
            Ok((file, range, first.end, bytes))
        };
        let (file, range, rest_start, first) = blocking(cx, open).await?;
        let info = file.info().clone();
        let bytes = Arc::new(file).stream(cx, first, rest_start..range.end);
        let bytes = checked_body(cx, info.key.as_str(), range.clone(), bytes);
        Ok(ReadBody { info, range, bytes })
    }

    async fn read_ranges(&self, cx: &Context, request: ReadRanges) -> Result<Vec<Bytes>> {
        let tree = self.begin(cx)?;
        let ReadRanges { key, ranges, if_match } = request;
        let read = move |cx: &Context| {
            let file = OpenFile::open(&tree, &key, if_match.as_deref())?;
            require_within(&ranges, file.info().size_bytes)
                .map_err(|e| e.with_context("key", key))?;
            let mut answers = Vec::with_capacity(ranges.len());
            for range in &ranges {
                cx.check()?;
                answers.push(file.read(range)?);
            }
            Ok(answers)
        };
        let answers = blocking(cx, read).await?;
        cx.report(Event::BytesRead(answers.iter().map(|b| b.len() as u64).sum()));
        Ok(answers)
    }

    async fn write(&self, cx: &Context, request: Write) -> Result<FileInfo> {
        let (draft, condition) = self.fill(cx, request).await.map_err(nothing_written)?;
        self.commit(cx, draft, condition).await
    }

    async fn copy(&self, cx: &Context, request: Copy) -> Result<()> {
        let Copy { from, to, condition } = request;
        let draft = self.copy_draft(cx, from, to).await.map_err(nothing_written)?;
        self.commit(cx, draft, condition).await.map(drop)
    }

    async fn delete(&self, cx: &Context, request: Delete) -> Result<Vec<DeleteOutcome>> {
        let tree = self.begin(cx)?;
        let Delete { keys } = request;
        let delete = move |cx: &Context| {
            let outcome = |key: String| {
                let result = cx.check().and_then(|()| draft::remove(&tree, &key));
                DeleteOutcome { result: result.map_err(nothing_written), key }
            };
            Ok(keys.into_iter().map(outcome).collect())
        };
        let deleted = blocking(cx, delete).await;
        deleted.map_err(|e| e.with_write_effect(WriteEffect::Unknown))
    }

    async fn presign(&self, _: &Context, request: Presign) -> Result<Secret> {
        let Presign { key: _, method: _, expires_in: _ } = request;
        Err(Error::unsupported(Operation::Presign))
    }
}
