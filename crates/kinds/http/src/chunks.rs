//! The pieces of a large result: fetched in parallel, delivered in order, counted.

use std::future::Future;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use orbit_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// Memory is counted in pieces of this size, since a semaphore counts in 32 bits.
const UNIT_BYTES: u64 = 64 << 10;

/// A piece of a result.
#[derive(Debug, Clone)]
pub struct Chunk<T> {
    /// How it is fetched.
    pub source: T,
    /// How many rows the source promised in it.
    pub rows: u64,
    /// How many bytes it takes in memory, as far as the source says.
    pub bytes: u64,
}

/// How far fetching runs ahead of the reader.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// Pieces that are fetched or wait to be read.
    pub ahead_max: usize,
    /// What they take together. One larger piece is taken alone.
    pub memory_max: u64,
}

/// The batches of `chunks` in their order. Up to the limits, pieces are fetched at once, each
/// in a task of its own that ends when the stream is dropped.
///
/// A piece with other rows than promised ends the stream in an error: `Truncated` for fewer,
/// `DataInvalid` for more.
pub fn in_order<T, F>(
    chunks: Vec<Chunk<T>>,
    limits: ChunkLimits,
    fetch: impl Fn(usize, T) -> F + Send + Sync + 'static,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = Result<Vec<RecordBatch>>> + Send + 'static,
{
    let units = u32::try_from(limits.memory_max / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
    let memory = Arc::new(Semaphore::new(units as usize));
    let start = move |(index, chunk): (usize, Chunk<T>)| {
        let wanted = u32::try_from(chunk.bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&memory).acquire_many_owned(wanted.clamp(1, units));
        let fetched = fetch(index, chunk.source);
        async move {
            // Waiters are served in the order in which they came, which is the chunks' order.
            let permit = permit.await.map_err(|_| lost())?;
            let task = AbortOnDropHandle::new(tokio::spawn(fetched));
            let batches = task.await.map_err(|_| lost())??;
            counted(index, chunk.rows, &batches)?;
            Ok(held(batches, permit))
        }
    };
    let fetches = stream::iter(chunks.into_iter().enumerate()).map(start);
    fetches.buffered(limits.ahead_max.max(1)).try_flatten()
}

/// The batches, and the memory's permit until the last was taken.
fn held(
    batches: Vec<RecordBatch>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    stream::unfold((batches.into_iter(), permit), |(mut batches, permit)| async move {
        let batch = batches.next()?;
        Some((Ok(batch), (batches, permit)))
    })
}

fn counted(index: usize, promised: u64, batches: &[RecordBatch]) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let (kind, message) = match (rows as u64).cmp(&promised) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => {
            (ErrorKind::Truncated, "a piece of the result has fewer rows than the source promised")
        }
        std::cmp::Ordering::Greater => {
            (ErrorKind::DataInvalid, "a piece of the result has more rows than the source promised")
        }
    };
    Err(Error::new(kind, message)
        .with_context("chunk", index.to_string())
        .with_context("rows", rows.to_string())
        .with_context("promised", promised.to_string()))
}

fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "fetching a piece of the result ended without an answer")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(value: i64) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        RecordBatch::try_from_iter([("value", values)]).unwrap()
    }

    fn chunks(count: u64, bytes: u64) -> Vec<Chunk<u64>> {
        (0..count).map(|source| Chunk { source, rows: 1, bytes }).collect()
    }

    #[tokio::test]
    async fn order_is_kept_whoever_comes_first() {
        let limits = ChunkLimits { ahead_max: 8, memory_max: 1 << 20 };
        let stream = in_order(chunks(40, 1), limits, |_, source| async move {
            tokio::time::sleep(Duration::from_millis(source * 7 % 11)).await;
            Ok(vec![batch(source as i64)])
        });
        let batches: Vec<_> = stream.try_collect().await.unwrap();
        let values: Vec<_> =
            batches.iter().map(|b| b.column(0).as_primitive::<Int64Type>().value(0)).collect();
        assert_eq!(values, (0..40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn no_more_than_the_memory_is_fetched_at_once() {
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let limits = ChunkLimits { ahead_max: 8, memory_max: 3 << 20 };
        let seen = (Arc::clone(&now), Arc::clone(&most));
        let stream = in_order(chunks(20, 1 << 20), limits, move |_, source| {
            let (now, most) = seen.clone();
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(vec![batch(source as i64)])
            }
        });
        assert_eq!(stream.count().await, 20);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn other_rows_than_promised_end_it() {
        let limits = ChunkLimits { ahead_max: 2, memory_max: 1 << 20 };
        for (got, kind) in [(0, ErrorKind::Truncated), (2, ErrorKind::DataInvalid)] {
            let stream = in_order(chunks(3, 1), limits, move |index, _| async move {
                Ok((0..if index == 1 { got } else { 1 }).map(|_| batch(0)).collect())
            });
            let items: Vec<_> = stream.take(2).collect().await;
            assert_eq!(items[1].as_ref().unwrap_err().kind(), kind);
        }
    }
}
