//! Reading ahead: a long range in pieces, several under way at once, handed on in order.

use std::collections::VecDeque;
use std::ops::Range;
use std::vec;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{ByteStream, Error, ErrorKind, Result};
use tokio_util::task::AbortOnDropHandle;

use crate::ranges::pieces;

/// How a long range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAhead {
    /// Only a range that is longer is read in pieces.
    pub range_min_bytes: u64,
    /// How long a piece is.
    pub piece_bytes: u64,
    /// How many pieces are under way at once, the one that is handed on included; memory holds
    /// no more of them.
    pub parallel_max: usize,
}

impl Default for ReadAhead {
    /// One connection to a store carries 50-100 MB/s: what takes it half a second is worth more
    /// of them.
    fn default() -> Self {
        Self { range_min_bytes: 32 << 20, piece_bytes: 8 << 20, parallel_max: 8 }
    }
}

impl ReadAhead {
    /// The first piece of `range`, if it is to be read in pieces.
    pub fn first_piece(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let is_long = range.end.saturating_sub(range.start) > self.range_min_bytes;
        let end = range.start.saturating_add(self.piece_bytes.max(1)).min(range.end);
        (is_long && self.parallel_max > 1).then_some(range.start..end)
    }
}

/// The bytes of `range`, of which `first` are those of its first piece.
///
/// `open` opens a piece; each body has to deliver exactly its piece or an error, as a
/// [`checked_body`](crate::checked_body) does, and the first error ends the whole. The pieces run
/// on tasks of their own, so that they come in while the caller is busy with those before; they
/// end when the result is dropped.
pub fn read_ahead<F, Fut>(
    range: Range<u64>,
    how: &ReadAhead,
    first: ByteStream,
    open: F,
) -> ByteStream
where
    F: Fn(Range<u64>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<ByteStream>> + Send + 'static,
{
    let begun = range.start.saturating_add(how.piece_bytes.max(1)).min(range.end);
    let ahead = Ahead {
        first: Some(first),
        chunks: Vec::new().into_iter(),
        under_way: VecDeque::new(),
        pieces: pieces(begun..range.end, how.piece_bytes.max(1)),
        ahead_max: how.parallel_max.saturating_sub(1).max(1),
        open,
    };
    stream::unfold(Some(ahead), |ahead| async move {
        let mut ahead = ahead?;
        match ahead.next().await.transpose()? {
            Ok(chunk) => Some((Ok(chunk), Some(ahead))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

/// The first `length` bytes of a body; what follows is left where it is.
pub fn first_bytes(bytes: ByteStream, length: u64) -> ByteStream {
    stream::unfold((bytes, length), |(mut bytes, left)| async move {
        if left == 0 {
            return None;
        }
        let cut = |chunk: Bytes| {
            chunk.slice(..chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX)))
        };
        let chunk = bytes.next().await?.map(cut);
        let taken = chunk.as_ref().map_or(left, |chunk| chunk.len() as u64);
        Some((chunk, (bytes, left - taken)))
    })
    .boxed()
}

struct Ahead<P, F> {
    first: Option<ByteStream>,
    /// What is left of the piece that is handed on.
    chunks: vec::IntoIter<Bytes>,
    under_way: VecDeque<AbortOnDropHandle<Result<Vec<Bytes>>>>,
    pieces: P,
    ahead_max: usize,
    open: F,
}

impl<P, F, Fut> Ahead<P, F>
where
    P: Iterator<Item = Range<u64>>,
    F: Fn(Range<u64>) -> Fut,
    Fut: Future<Output = Result<ByteStream>> + Send + 'static,
{
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            self.begin();
            if let Some(first) = &mut self.first {
                if let Some(chunk) = first.next().await.transpose()? {
                    return Ok(Some(chunk));
                }
                self.first = None;
            }
            if let Some(chunk) = self.chunks.next() {
                return Ok(Some(chunk));
            }
            let Some(piece) = self.under_way.pop_front() else { return Ok(None) };
            self.chunks = piece.await.map_err(lost)??.into_iter();
        }
    }

    /// Begins as many pieces as may be under way.
    fn begin(&mut self) {
        while self.under_way.len() < self.ahead_max
            && let Some(piece) = self.pieces.next()
        {
            let opening = (self.open)(piece);
            let piece = async move { opening.await?.try_collect().await };
            self.under_way.push_back(AbortOnDropHandle::new(tokio::spawn(piece)));
        }
    }
}

fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "a piece of the file ended without an answer")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const HOW: ReadAhead = ReadAhead { range_min_bytes: 20, piece_bytes: 10, parallel_max: 3 };

    fn file() -> Bytes {
        (0..95_u8).collect()
    }

    fn body(range: &Range<u64>) -> ByteStream {
        let bytes = file().slice(range.start as usize..range.end as usize);
        let chunks: Vec<_> = bytes.chunks(4).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        stream::iter(chunks).boxed()
    }

    #[test]
    fn only_long_ranges_have_pieces() {
        assert_eq!(HOW.first_piece(&(5..25)), None);
        assert_eq!(HOW.first_piece(&(5..26)), Some(5..15));
        assert_eq!(ReadAhead { parallel_max: 1, ..HOW }.first_piece(&(0..90)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_are_in_order_and_no_more_than_allowed_are_under_way() {
        let (running, most) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
        let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
        let bytes = read_ahead(5..95, &HOW, body(&(5..15)), move |piece| {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The later a piece, the sooner it comes.
            let wait = Duration::from_millis(200 - piece.start);
            async move {
                tokio::time::sleep(wait).await;
                Ok(body(&piece))
            }
        });
        let mut all = Vec::new();
        let mut bytes = bytes;
        while let Some(chunk) = bytes.try_next().await.unwrap() {
            all.extend_from_slice(&chunk);
            if (all.len() as u64).is_multiple_of(10) {
                running.fetch_sub(1, Ordering::SeqCst);
            }
        }
        assert_eq!(all, file().slice(5..95));
        assert_eq!(most.load(Ordering::SeqCst), HOW.parallel_max);
    }

    #[tokio::test]
    async fn an_error_ends_the_whole_in_its_place() {
        let bytes = read_ahead(0..95, &HOW, body(&(0..10)), |piece| async move {
            match piece.start {
                30 => Err(Error::new(ErrorKind::Conflict, "the file has changed")),
                _ => Ok(body(&piece)),
            }
        });
        let outcome: Vec<_> = bytes.collect().await;
        let (error, before) = outcome.split_last().unwrap();
        assert_eq!(error.as_ref().unwrap_err().kind(), ErrorKind::Conflict);
        let got: usize = before.iter().map(|chunk| chunk.as_ref().unwrap().len()).sum();
        assert_eq!(got, 30);
    }

    #[tokio::test]
    async fn what_is_under_way_ends_with_the_reader() {
        let ended = Arc::new(AtomicUsize::new(0));
        struct Ended(Arc<AtomicUsize>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::clone(&ended);
        let mut bytes = read_ahead(0..95, &HOW, body(&(0..10)), move |_| {
            let guard = Ended(Arc::clone(&count));
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        });
        bytes.next().await.unwrap().unwrap();
        tokio::task::yield_now().await;
        drop(bytes);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }
}
