//! Writing a body of unknown length: in one request if it is short, else in parts, several at
//! once, with nothing left behind when it fails or its caller leaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{FuturesOrdered, StreamExt};
use orbit_core::{
    ByteStream, Context, Error, ErrorKind, Event, FileInfo, Result, Write, WriteCondition,
    WriteEffect,
};
use tokio::sync::oneshot;

use crate::Cleanups;
use crate::body::parts_of;
use crate::repeat::repeat;

/// How often a part is sent again.
const PART_ATTEMPTS_MAX: u32 = 5;

/// How long beginning an upload, or removing an unfinished one, may take when its caller has left.
const DETACHED_TIMEOUT: Duration = Duration::from_secs(30);

/// How long parts that are under way may go on when their upload has failed.
const PARTS_END_WAIT: Duration = Duration::from_secs(2);

/// Each time so many parts have been sent, the parts become twice as large.
const PARTS_OF_ONE_SIZE: u32 = 1000;

/// A store that takes a file whole or in parts.
///
/// An error of `put` and of `complete` says by its [`WriteEffect`] whether the file may be there
/// all the same.
#[async_trait]
pub trait PartStore: Send + Sync + 'static {
    /// What names an upload that has begun.
    type Upload: Send + Sync + 'static;
    /// What the store answers to a part and wants to see again at the end.
    type Part: Send + 'static;

    /// Writes a file by one request.
    async fn put(
        &self,
        cx: &Context,
        key: &str,
        bytes: Bytes,
        condition: &WriteCondition,
    ) -> Result<FileInfo>;

    /// Begins an upload.
    async fn begin(&self, cx: &Context, key: &str) -> Result<Self::Upload>;

    /// Sends a part; the first has the number zero. Sending one again replaces it.
    async fn put_part(
        &self,
        cx: &Context,
        upload: &Self::Upload,
        number: u32,
        bytes: Bytes,
    ) -> Result<Self::Part>;

    /// Makes the parts the file, if the condition holds.
    async fn complete(
        &self,
        cx: &Context,
        upload: &Self::Upload,
        parts: Vec<Self::Part>,
        condition: &WriteCondition,
    ) -> Result<FileInfo>;

    /// Removes an upload that was not completed. One that is no longer there is removed.
    async fn abort(&self, cx: &Context, upload: &Self::Upload) -> Result<()>;
}

/// How a body becomes parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSizes {
    /// What fits one part is written by one request; the first parts have this size.
    pub part_bytes_min: usize,
    /// How many parts the store takes.
    pub parts_max: u32,
    /// How many parts are sent at once.
    pub parallel_max: usize,
    /// How many bytes of parts are sent at once, as long as it is more than one part.
    pub under_way_bytes_max: usize,
}

impl Default for PartSizes {
    /// Parts that are worth a request, and at most 64 MiB of them in memory.
    fn default() -> Self {
        Self {
            part_bytes_min: 8 << 20,
            parts_max: 10_000,
            parallel_max: 8,
            under_way_bytes_max: 64 << 20,
        }
    }
}

impl PartSizes {
    /// The size of part `number`: large enough for a hint that is right, and growing so that
    /// none is needed.
    fn part_bytes(&self, hint_bytes: Option<u64>, number: u32) -> usize {
        let hinted = hint_bytes.unwrap_or(0).div_ceil(u64::from(self.parts_max.max(1)));
        let first = usize::try_from(hinted).unwrap_or(usize::MAX).max(self.part_bytes_min);
        first.saturating_mul(1 << (number / PARTS_OF_ONE_SIZE).min(16))
    }
}

/// Writes a file: the answer describes what is there now.
///
/// When it fails, or its future is dropped, an upload that has begun is removed by `cleanups`.
///
/// # Errors
/// Those of the body and of the store, each saying what was written: nothing, unless the last
/// request was sent and its answer is not known.
pub async fn upload<S: PartStore>(
    cx: &Context,
    store: &Arc<S>,
    request: Write,
    how: &PartSizes,
    cleanups: &Cleanups,
) -> Result<FileInfo> {
    let Write { key, condition, body, size_hint_bytes } = request;
    let sizes = *how;
    let parts = parts_of(body, move |number| sizes.part_bytes(size_hint_bytes, number));
    let mut parts = parts.fuse().boxed();
    let first = next(cx, &mut parts).await.map_err(nothing_written)?.unwrap_or_default();
    let second = next(cx, &mut parts).await.map_err(nothing_written)?;
    let Some(second) = second else {
        let length = first.len() as u64;
        let info = last(cx, store.put(cx, &key, first, &condition)).await?;
        cx.report(Event::BytesWritten(length));
        return Ok(info);
    };
    let parts = futures::stream::iter([Ok(first), Ok(second)]).chain(parts).boxed();
    let send =
        |upload: Arc<S::Upload>| async move { send_parts(cx, store, &upload, parts, how).await };
    in_parts(cx, store, &key, &condition, cleanups, send).await
}

/// Writes a file in parts that `send` brings to an upload that has begun; they are the file in
/// the order in which it answers them.
///
/// # Errors
/// Those of `send` and of the store, as with [`upload`].
pub async fn in_parts<S, F, Fut>(
    cx: &Context,
    store: &Arc<S>,
    key: &str,
    condition: &WriteCondition,
    cleanups: &Cleanups,
    send: F,
) -> Result<FileInfo>
where
    S: PartStore,
    F: FnOnce(Arc<S::Upload>) -> Fut,
    Fut: Future<Output = Result<Vec<S::Part>>>,
{
    let begun = Begun::new(cx, store, key, cleanups).await.map_err(nothing_written)?;
    let sent = send(Arc::clone(&begun.upload)).await.map_err(nothing_written)?;
    let info = last(cx, store.complete(cx, &begun.upload, sent, condition)).await?;
    begun.completed();
    Ok(info)
}

fn nothing_written(error: Error) -> Error {
    error.with_write_effect(WriteEffect::None)
}

async fn next(cx: &Context, parts: &mut ByteStream) -> Result<Option<Bytes>> {
    cx.run(async { parts.next().await.transpose() }).await
}

/// The request that makes the file appear; whether it did is not known when the wait ends first.
async fn last(cx: &Context, request: impl Future<Output = Result<FileInfo>>) -> Result<FileInfo> {
    cx.check().map_err(nothing_written)?;
    cx.run(request).await.map_err(|error| match (error.write_effect(), error.kind()) {
        (Some(_), _) => error,
        (None, ErrorKind::Cancelled | ErrorKind::Timeout) => {
            error.with_write_effect(WriteEffect::Unknown)
        }
        (None, _) => nothing_written(error),
    })
}

/// Sends the parts, several at once; the answers are in the order of the parts.
async fn send_parts<S: PartStore>(
    cx: &Context,
    store: &Arc<S>,
    upload: &S::Upload,
    mut parts: ByteStream,
    how: &PartSizes,
) -> Result<Vec<S::Part>> {
    let mut under_way = FuturesOrdered::new();
    let (mut answers, mut bytes_under_way, mut body_ended) = (Vec::new(), 0, false);
    // A part is read from the body before there is room for it, so that one waits ready.
    let mut ready: Option<Bytes> = None;
    let mut number = 0;
    let sent = async {
        loop {
            let room = under_way.len() < how.parallel_max
                && (under_way.is_empty() || bytes_under_way < how.under_way_bytes_max);
            if room && let Some(bytes) = ready.take() {
                bytes_under_way += bytes.len();
                under_way.push_back(send_part(cx, store, upload, number, bytes));
                number += 1;
                continue;
            }
            if body_ended && under_way.is_empty() && ready.is_none() {
                return Ok(answers);
            }
            tokio::select! {
                part = next(cx, &mut parts), if ready.is_none() && !body_ended => {
                    ready = part?;
                    body_ended = ready.is_none();
                }
                Some(sent) = under_way.next(), if !under_way.is_empty() => {
                    let (length, answer) = sent?;
                    bytes_under_way -= length;
                    cx.report(Event::BytesWritten(length as u64));
                    answers.push(answer);
                }
            }
            if number >= how.parts_max && ready.is_some() {
                let message = "the file is larger than its parts can be";
                return Err(Error::new(ErrorKind::ResourceExhausted, message));
            }
        }
    }
    .await;
    if sent.is_err() {
        // A part that comes in after its upload was aborted may stay at the store.
        let ended = under_way.for_each(|_| async {});
        tokio::time::timeout(PARTS_END_WAIT, ended).await.ok();
    }
    sent
}

async fn send_part<S: PartStore>(
    cx: &Context,
    store: &Arc<S>,
    upload: &S::Upload,
    number: u32,
    bytes: Bytes,
) -> Result<(usize, S::Part)> {
    let send = || store.put_part(cx, upload, number, bytes.clone());
    let answer = cx.run(repeat(cx, PART_ATTEMPTS_MAX, send)).await?;
    Ok((bytes.len(), answer))
}

/// An upload that is removed when this is dropped, unless it was completed.
struct Begun<S: PartStore> {
    store: Arc<S>,
    upload: Arc<S::Upload>,
    cx: Context,
    cleanups: Cleanups,
    is_completed: bool,
}

impl<S: PartStore> Begun<S> {
    /// Begins an upload on a task of its own: a caller that leaves before the answer would leave
    /// behind an upload that nobody can name.
    async fn new(cx: &Context, store: &Arc<S>, key: &str, cleanups: &Cleanups) -> Result<Self> {
        let (answer, begun) = oneshot::channel();
        let (store, key, own) = (Arc::clone(store), key.to_owned(), cleanups.clone());
        let detached = cx.detached(DETACHED_TIMEOUT);
        cleanups.spawn(async move {
            let upload = store.begin(&detached, &key).await;
            let begun = upload.map(|upload| Self {
                store,
                upload: Arc::new(upload),
                cx: detached,
                cleanups: own,
                is_completed: false,
            });
            // Nobody waits: what has begun is dropped here, and so removed.
            drop(answer.send(begun));
        });
        let lost = |error| {
            let message = "beginning an upload ended without an answer";
            Error::new(ErrorKind::Unexpected, message).with_source(error)
        };
        cx.run(async { begun.await.map_err(lost)? }).await
    }

    fn completed(mut self) {
        self.is_completed = true;
    }
}

impl<S: PartStore> Drop for Begun<S> {
    fn drop(&mut self) {
        if self.is_completed {
            return;
        }
        let (store, upload) = (Arc::clone(&self.store), Arc::clone(&self.upload));
        let cx = self.cx.detached(DETACHED_TIMEOUT);
        self.cleanups.spawn(async move {
            let abort = || store.abort(&cx, &upload);
            if let Err(error) = repeat(&cx, PART_ATTEMPTS_MAX, abort).await {
                tracing::warn!("an unfinished upload is left behind: {error}");
            }
        });
    }
}

impl<S: PartStore> fmt::Debug for Begun<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("is_completed", &self.is_completed).finish_non_exhaustive()
    }
}
