//! Bodies: exactly as long as promised, resumed when the connection breaks, cut into parts.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Fuse, StreamExt};
use orbit_core::{ByteStream, Context, Error, ErrorKind, Event, Result, Retry};

use crate::repeat::Backoff;

/// The bytes of `range` of the file `key`, as the contract wants them: exactly as many, or an
/// error item and nothing after it. Each wait ends with the context, and what is read is
/// reported there.
pub fn checked_body(
    cx: &Context,
    key: impl Into<String>,
    range: Range<u64>,
    bytes: ByteStream,
) -> ByteStream {
    let left = range.end.saturating_sub(range.start);
    let state = Some((cx.clone(), key.into(), left, bytes));
    stream::unfold(state, |state| async move {
        let (cx, key, left, mut bytes) = state?;
        match cx.run(async { bytes.next().await.transpose() }).await {
            Ok(None) if left == 0 => None,
            Ok(None) => Some((Err(short(&key, left)), None)),
            Ok(Some(chunk)) => {
                let length = chunk.len() as u64;
                let Some(left) = left.checked_sub(length) else {
                    let message = "the store sent more bytes than were asked for";
                    let error = Error::new(ErrorKind::DataInvalid, message);
                    return Some((Err(error.with_context("key", key)), None));
                };
                cx.report(Event::BytesRead(length));
                Some((Ok(chunk), Some((cx, key, left, bytes))))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

fn short(key: &str, missing_bytes: u64) -> Error {
    Error::new(ErrorKind::Truncated, "the file's bytes ended before its end")
        .with_context("key", key)
        .with_context("missing_bytes", missing_bytes.to_string())
        .with_retry(Retry::After(Duration::ZERO))
}

/// All bytes of a body. They are copied only where it comes in several chunks.
///
/// # Errors
/// Those of the body.
pub async fn whole(mut body: ByteStream, length_bytes: u64) -> Result<Bytes> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await.transpose()? {
        if first.is_empty() {
            first = chunk;
        } else {
            if all.is_empty() {
                all.reserve(usize::try_from(length_bytes).unwrap_or(0).max(first.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// What a body is resumed with.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The key, for messages.
    pub key: String,
    /// The bytes that are wanted.
    pub range: Range<u64>,
    /// The tag of the content that the first bytes belong to.
    pub etag: String,
    /// How often it is opened again in a row without a single byte coming in between.
    pub attempts_max: u32,
    /// A body that is silent for longer counts as broken.
    pub silence_max: Duration,
}

/// The bytes of a range, opened again where they broke off.
///
/// `first` is the body that is open already; `open` opens the range that it is given, only if
/// the tag is still the one it is given, and reports its own request. Only a short or silent body
/// and errors that a retry may mend are resumed; a changed file ends in its `Conflict`. The
/// result is a [`checked_body`].
pub fn resuming_body<F, Fut>(cx: &Context, resume: Resume, first: ByteStream, open: F) -> ByteStream
where
    F: Fn(Range<u64>, String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<ByteStream>> + Send + 'static,
{
    let (key, range) = (resume.key.clone(), resume.range.clone());
    let backoff = Backoff::new(resume.attempts_max);
    let resuming = Resuming { at: range.start, body: Some(first), backoff, resume, open };
    let state = Some((cx.clone(), resuming));
    let bytes = stream::unfold(state, |state| async move {
        let (cx, mut resuming) = state?;
        match resuming.next(&cx).await {
            Ok(None) => None,
            Ok(Some(chunk)) => Some((Ok(chunk), Some((cx, resuming)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    checked_body(cx, key, range, bytes.boxed())
}

struct Resuming<F> {
    resume: Resume,
    at: u64,
    body: Option<ByteStream>,
    backoff: Backoff,
    open: F,
}

impl<F, Fut> Resuming<F>
where
    F: Fn(Range<u64>, String) -> Fut,
    Fut: Future<Output = Result<ByteStream>>,
{
    async fn next(&mut self, cx: &Context) -> Result<Option<Bytes>> {
        while self.at < self.resume.range.end {
            match self.step().await {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(Some(chunk)) => {
                    self.at += chunk.len() as u64;
                    self.backoff.reset();
                    return Ok(Some(chunk));
                }
                Ok(None) => {
                    let missing_bytes = self.resume.range.end - self.at;
                    self.wait(cx, short(&self.resume.key, missing_bytes)).await?;
                }
                Err(error) => self.wait(cx, error).await?,
            }
        }
        self.rest().await
    }

    /// What a body says after its last byte: that the bytes do not fit their checksum, or more
    /// of them than were asked for. That the connection broke no longer matters.
    async fn rest(&mut self) -> Result<Option<Bytes>> {
        let Some(mut body) = self.body.take() else { return Ok(None) };
        loop {
            return match tokio::time::timeout(self.resume.silence_max, body.next()).await {
                Ok(Some(Ok(chunk))) if chunk.is_empty() => continue,
                Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
                Ok(Some(Err(error))) if error.retry() == Retry::Never => Err(error),
                _ => Ok(None),
            };
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let rest = self.at..self.resume.range.end;
                (self.open)(rest, self.resume.etag.clone()).await?
            }
        };
        let next = tokio::time::timeout(self.resume.silence_max, body.next());
        let chunk = next.await.map_err(|_| silent(&self.resume))?.transpose()?;
        self.body = chunk.is_some().then_some(body);
        Ok(chunk)
    }

    /// Waits until the next attempt, or gives up with the error.
    async fn wait(&mut self, cx: &Context, error: Error) -> Result<()> {
        tracing::debug!(key = %self.resume.key, at = self.at, "resuming a read: {error}");
        self.backoff.wait(cx, error).await
    }
}

fn silent(resume: &Resume) -> Error {
    Error::new(ErrorKind::Timeout, "the file's bytes stopped coming")
        .with_context("key", resume.key.as_str())
        .with_context("limit_ms", resume.silence_max.as_millis().to_string())
        .with_retry(Retry::After(Duration::ZERO))
}

/// The same bytes in parts of `part_bytes`, only the last one shorter and none empty. Bytes are
/// copied only where a part spans several chunks.
pub fn parts(body: ByteStream, part_bytes: usize) -> ByteStream {
    parts_of(body, move |_| part_bytes)
}

/// The same, when each part has a size of its own; the first has the number zero.
pub(crate) fn parts_of(
    body: ByteStream,
    part_bytes: impl Fn(u32) -> usize + Send + 'static,
) -> ByteStream {
    let body = body.fuse();
    let cutter = Cutter { body, chunk: Bytes::new(), part: BytesMut::new(), number: 0, part_bytes };
    stream::unfold(Some(cutter), |cutter| async move {
        let mut cutter = cutter?;
        match cutter.next().await {
            Ok(part) => part.map(|part| (Ok(part), Some(cutter))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Cutter<F> {
    body: Fuse<ByteStream>,
    chunk: Bytes,
    part: BytesMut,
    number: u32,
    part_bytes: F,
}

impl<F: Fn(u32) -> usize> Cutter<F> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let wanted = (self.part_bytes)(self.number).max(1);
        self.number += 1;
        loop {
            if self.part.is_empty() && self.chunk.len() >= wanted {
                return Ok(Some(self.chunk.split_to(wanted)));
            }
            let taken = self.chunk.split_to(self.chunk.len().min(wanted - self.part.len()));
            self.part.extend_from_slice(&taken);
            if self.part.len() == wanted {
                return Ok(Some(self.part.split().freeze()));
            }
            match self.body.next().await.transpose()? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok((!self.part.is_empty()).then(|| self.part.split().freeze())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use futures::TryStreamExt;
    use orbit_core::Tally;

    use super::*;

    const FILE: &[u8] = b"0123456789";

    fn body(chunks: &[&'static [u8]]) -> ByteStream {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
        stream::iter(chunks).boxed()
    }

    fn broken(chunk: &'static [u8]) -> ByteStream {
        let error = Error::new(ErrorKind::Unavailable, "the connection broke")
            .with_retry(Retry::After(Duration::ZERO));
        stream::iter([Ok(Bytes::from_static(chunk)), Err(error)]).boxed()
    }

    async fn collect(bytes: ByteStream) -> (Vec<u8>, Option<ErrorKind>) {
        let mut all = Vec::new();
        let outcome = bytes.try_for_each(|b| {
            all.extend_from_slice(&b);
            async { Ok(()) }
        });
        let error = outcome.await.err().map(|e| e.kind());
        (all, error)
    }

    #[tokio::test]
    async fn a_body_is_exactly_as_long_as_its_range() {
        let tally = Arc::new(Tally::default());
        let reporter: Arc<dyn orbit_core::Reporter> = Arc::clone(&tally) as _;
        let cx = Context::builder().reporter(reporter).build().for_datasource("store");
        let read = |n| collect(checked_body(&cx, "k", 0..n, body(&[b"abc", b"", b"de"])));
        assert_eq!(read(5).await, (b"abcde".to_vec(), None));
        assert_eq!(read(6).await, (b"abcde".to_vec(), Some(ErrorKind::Truncated)));
        assert_eq!(read(4).await, (b"abc".to_vec(), Some(ErrorKind::DataInvalid)));
        assert_eq!(tally.snapshot()["store"].bytes_read, 5 + 5 + 3);
    }

    #[tokio::test]
    async fn a_silent_body_ends_with_the_time_limit() {
        let cx = Context::builder().timeout(Duration::from_millis(20)).build();
        let bytes = checked_body(&cx, "k", 0..5, stream::pending().boxed());
        assert_eq!(collect(bytes).await, (Vec::new(), Some(ErrorKind::Timeout)));
    }

    fn resume(attempts_max: u32) -> Resume {
        Resume {
            key: "k".to_owned(),
            range: 2..10,
            etag: "t".to_owned(),
            attempts_max,
            silence_max: Duration::from_secs(10),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_body_goes_on_where_it_stopped() {
        let cx = Context::builder().build();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let bytes = resuming_body(&cx, resume(1), broken(b"234"), move |range, etag| {
            log.lock().unwrap().push((range.clone(), etag));
            let start = range.start as usize;
            // One byte at a time, then an end that comes too early.
            async move { Ok(body(&[&FILE[start..=start]])) }
        });
        assert_eq!(collect(bytes).await, (b"23456789".to_vec(), None));
        let asked: Vec<_> = asked.lock().unwrap().clone();
        let expected: Vec<_> = (5..10).map(|at| (at..10, "t".to_owned())).collect();
        assert_eq!(asked, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn resuming_gives_up_after_its_attempts() {
        let cx = Context::builder().build();
        let opened = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&opened);
        let mut bytes = resuming_body(&cx, resume(3), broken(b"234"), move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok(broken(b"")) }
        });
        assert_eq!(bytes.next().await.unwrap().unwrap(), b"234".as_slice());
        let error = bytes.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
        assert!(bytes.next().await.is_none());
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_body_that_is_wrong_at_its_end_is_an_error() {
        let cx = Context::builder().build();
        let chunks: [&[&'static [u8]]; 2] = [&[b"23456789"], &[b"23456789", b""]];
        for chunks in chunks {
            let wrong = Error::new(ErrorKind::DataInvalid, "the checksum does not fit");
            let bytes = body(chunks).chain(stream::iter([Err(wrong)])).boxed();
            let bytes = resuming_body(&cx, resume(1), bytes, |_, _| async { Ok(body(&[])) });
            assert_eq!(collect(bytes).await, (b"23456789".to_vec(), Some(ErrorKind::DataInvalid)));
        }
    }

    #[tokio::test]
    async fn a_whole_body_is_all_its_chunks() {
        let cases: [&[&'static [u8]]; 3] = [&[b""], &[b"abc"], &[b"", b"a", b"", b"bc"]];
        for chunks in cases {
            assert_eq!(whole(body(chunks), 3).await.unwrap(), chunks.concat());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_is_opened_again() {
        let cx = Context::builder().build();
        let silent = body(&[b"234"]).chain(stream::pending()).boxed();
        let bytes = resuming_body(&cx, resume(1), silent, |range, _| async move {
            Ok(body(&[&FILE[range.start as usize..]]))
        });
        assert_eq!(collect(bytes).await, (b"23456789".to_vec(), None));
    }

    #[tokio::test]
    async fn a_changed_file_is_not_resumed() {
        let cx = Context::builder().build();
        let bytes = resuming_body(&cx, resume(3), broken(b"234"), |_, _| async {
            Err(Error::new(ErrorKind::Conflict, "the file has changed"))
        });
        assert_eq!(collect(bytes).await, (b"234".to_vec(), Some(ErrorKind::Conflict)));
    }

    #[tokio::test]
    async fn parts_have_one_size_whatever_the_chunks() {
        for cut in 1..=10 {
            let chunks: Vec<_> = FILE.chunks(cut).collect();
            for part_bytes in 1..=11 {
                let cut_again: Vec<_> =
                    parts(body(&chunks), part_bytes).try_collect().await.unwrap();
                let expected: Vec<_> = FILE.chunks(part_bytes).collect();
                assert_eq!(cut_again, expected);
            }
        }
        let none: Vec<_> = parts(body(&[b""]), 4).try_collect().await.unwrap();
        assert!(none.is_empty());
        let (sent, error) = collect(parts(broken(b"12345"), 4)).await;
        assert_eq!((sent.as_slice(), error), (b"1234".as_slice(), Some(ErrorKind::Unavailable)));
    }
}
