//! Ranges of a file: checked against its size, merged into few requests, answered as asked.

use std::future::Future;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{ByteRange, Error, ErrorKind, Result};

/// How ranges become requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coalescing {
    /// Two ranges with at most this many bytes between them are fetched as one.
    pub gap_max_bytes: u64,
    /// No request asks for more; a longer range is fetched in pieces.
    pub fetch_max_bytes: u64,
    /// How many requests are under way at once.
    pub parallel_max: usize,
}

impl Default for Coalescing {
    /// For a store with some 20 ms to the first byte and 50-100 MB/s for each connection: a gap
    /// of 1 MiB costs less time than a request, and 8 MiB are long enough to be worth one.
    fn default() -> Self {
        Self { gap_max_bytes: 1 << 20, fetch_max_bytes: 8 << 20, parallel_max: 8 }
    }
}

/// The bytes that `range` means in a file of `size_bytes`: all of them without one.
///
/// # Errors
/// `QueryInvalid` for a range that begins after the end of the file or after its own end.
pub fn clip_range(range: Option<ByteRange>, size_bytes: u64) -> Result<Range<u64>> {
    let range = match range {
        None => return Ok(0..size_bytes),
        Some(ByteRange::Suffix(bytes)) => return Ok(size_bytes.saturating_sub(bytes)..size_bytes),
        Some(ByteRange::Bounded(range)) => range,
    };
    let clipped = range.start..range.end.min(size_bytes);
    if range.start <= range.end && range.start <= size_bytes {
        return Ok(clipped);
    }
    Err(outside(&range, size_bytes))
}

/// Checks that all of `ranges` lie within a file of `size_bytes`.
///
/// # Errors
/// `QueryInvalid` for the first that does not.
pub fn require_within(ranges: &[Range<u64>], size_bytes: u64) -> Result<()> {
    match ranges.iter().find(|r| r.start > r.end || r.end > size_bytes) {
        Some(range) => Err(outside(range, size_bytes)),
        None => Ok(()),
    }
}

fn outside(range: &Range<u64>, size_bytes: u64) -> Error {
    Error::new(ErrorKind::QueryInvalid, "the range does not lie within the file")
        .with_context("range", format!("{}..{}", range.start, range.end))
        .with_context("size_bytes", size_bytes.to_string())
}

/// The most that a range asks for before the size of its file is known.
const UNCHECKED_BYTES_MAX: u64 = 1 << 30;

/// Whether the size of a file is to be asked for before `ranges` of it are fetched: when none of
/// them has a byte, so that no request would tell it, and when one is very long. A damaged footer
/// may name any range, and the requests for it alone would fill memory.
pub fn wants_size(ranges: &[Range<u64>]) -> bool {
    let is_long = |range: &Range<u64>| range.end.saturating_sub(range.start) > UNCHECKED_BYTES_MAX;
    ranges.iter().all(Range::is_empty) || ranges.iter().any(is_long)
}

/// The requests that cover `ranges`: in order, none overlapping another, none empty, none
/// longer than the limit.
pub fn coalesce(ranges: &[Range<u64>], how: &Coalescing) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.iter().filter(|r| !r.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|r| (r.start, r.end));
    let mut fetches: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        let Some(last) = fetches.last_mut() else {
            fetches.push(range);
            continue;
        };
        let near = range.start.saturating_sub(last.end) <= how.gap_max_bytes;
        let merged = last.start..last.end.max(range.end);
        if near && merged.end - merged.start <= how.fetch_max_bytes {
            *last = merged;
        } else if range.end > last.end {
            let start = range.start.max(last.end);
            fetches.push(start..range.end);
        }
    }
    fetches.into_iter().flat_map(|fetch| pieces(fetch, how.fetch_max_bytes.max(1))).collect()
}

/// The range, cut into pieces of this many bytes.
pub(crate) fn pieces(range: Range<u64>, piece_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let piece = at..range.end.min(at.saturating_add(piece_bytes));
        at = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reads `ranges` by as few requests as `how` allows, and answers them in the order asked for.
///
/// `fetch` reads one range. A range that one request covers is a slice of its answer; only one
/// that was fetched in pieces is copied. Where [`wants_size`] says so, the ranges are checked
/// before.
///
/// # Errors
/// Those of `fetch`; `DataInvalid` when it delivers another number of bytes than was asked for.
pub async fn fetch_ranges<F, Fut>(
    ranges: &[Range<u64>],
    how: &Coalescing,
    fetch: F,
) -> Result<Vec<Bytes>>
where
    F: Fn(Range<u64>) -> Fut,
    Fut: Future<Output = Result<Bytes>>,
{
    let fetches = coalesce(ranges, how);
    let exact = |range: Range<u64>| {
        let answer = fetch(range.clone());
        async move {
            let bytes = answer.await?;
            let asked = range.end - range.start;
            if bytes.len() as u64 == asked {
                return Ok((range, bytes));
            }
            let message = format!("{} bytes came for a range of {asked}", bytes.len());
            Err(Error::new(ErrorKind::DataInvalid, message))
        }
    };
    // Made before they are polled: a closure inside the stream would tie the future to one
    // lifetime and make it useless behind `async_trait`.
    let requests: Vec<_> = fetches.into_iter().map(exact).collect();
    let fetched: Vec<_> =
        stream::iter(requests).buffered(how.parallel_max.max(1)).try_collect().await?;
    ranges.iter().map(|range| slice(&fetched, range)).collect()
}

/// The bytes of `range`, out of disjoint fetches in order that cover it.
fn slice(fetched: &[(Range<u64>, Bytes)], range: &Range<u64>) -> Result<Bytes> {
    let first = fetched.partition_point(|(f, _)| f.end <= range.start);
    let mut parts = fetched[first..]
        .iter()
        .map(|(f, bytes)| (f.start.max(range.start)..f.end.min(range.end), f.start, bytes))
        .take_while(|(part, ..)| !part.is_empty())
        .map(|(part, start, bytes)| {
            let offset = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
            bytes.slice(offset(part.start)..offset(part.end))
        });
    let Some(head) = parts.next() else { return Ok(Bytes::new()) };
    if head.len() as u64 == range.end - range.start {
        return Ok(head);
    }
    let length = usize::try_from(range.end - range.start).map_err(|e| {
        Error::new(ErrorKind::ResourceExhausted, "a range is larger than memory").with_source(e)
    })?;
    let mut whole = BytesMut::with_capacity(length);
    std::iter::once(head).chain(parts).for_each(|part| whole.extend_from_slice(&part));
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const HOW: Coalescing = Coalescing { gap_max_bytes: 2, fetch_max_bytes: 10, parallel_max: 3 };

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    fn ranges_merge_up_to_the_gap_and_the_limit() {
        type Ranges = &'static [Range<u64>];
        let cases: [(Ranges, Ranges); 8] = [
            (&[], &[]),
            (&[3..3], &[]),
            (&[0..2, 4..6], &[0..6]),
            (&[0..2, 5..6], &[0..2, 5..6]),
            (&[4..6, 0..2, 0..2], &[0..6]),
            (&[0..6, 7..12], &[0..6, 7..12]),
            (&[0..25], &[0..10, 10..20, 20..25]),
            (&[0..25, 5..8, 20..30], &[0..10, 10..20, 20..25, 25..30]),
        ];
        for (asked, expected) in cases {
            assert_eq!(coalesce(asked, &HOW), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_after_it() {
        assert_eq!(clip_range(None, 5).unwrap(), 0..5);
        let bounded = |range| clip_range(Some(ByteRange::Bounded(range)), 5);
        assert_eq!(bounded(2..u64::MAX).unwrap(), 2..5);
        assert_eq!(bounded(5..9).unwrap(), 5..5);
        assert_eq!(bounded(6..9).unwrap_err().kind(), ErrorKind::QueryInvalid);
        let reversed = Range { start: 4, end: 2 };
        assert_eq!(bounded(reversed.clone()).unwrap_err().kind(), ErrorKind::QueryInvalid);
        for (bytes, range) in [(0, 5..5), (2, 3..5), (5, 0..5), (9, 0..5)] {
            assert_eq!(clip_range(Some(ByteRange::Suffix(bytes)), 5).unwrap(), range);
        }
        assert!(require_within(&[4..5, 5..5, 0..5], 5).is_ok());
        assert!(require_within(&[0..1, 4..6], 5).is_err());
        assert!(require_within(&[0..1, reversed], 5).is_err());
    }

    #[test]
    fn the_size_is_wanted_where_no_request_tells_it_in_time() {
        assert!(wants_size(&[]));
        assert!(wants_size(&[3..3, 5..5]));
        assert!(!wants_size(&[3..3, 5..6]));
        assert!(!wants_size(&[0..1, 4..4 + UNCHECKED_BYTES_MAX]));
        assert!(wants_size(&[0..1, 4..5 + UNCHECKED_BYTES_MAX]));
        assert!(wants_size(&[0..1, 4..u64::MAX]));
    }

    /// Numbers that look random and are the same in each run.
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    #[tokio::test]
    async fn any_ranges_are_answered_as_if_each_were_read_alone() {
        let file: Bytes = (0..200_u8).collect();
        let mut number = numbers();
        for _ in 0..500 {
            let how = Coalescing {
                gap_max_bytes: number(12),
                fetch_max_bytes: 1 + number(40),
                parallel_max: 1 + number(4) as usize,
            };
            let ranges: Vec<_> = (0..number(9))
                .map(|_| {
                    let start = number(200);
                    start..start + number(201 - start)
                })
                .collect();
            let fetches = coalesce(&ranges, &how);
            assert!(fetches.windows(2).all(|w| w[0].end <= w[1].start), "{fetches:?}");
            assert!(fetches.iter().all(|f| f.end - f.start <= how.fetch_max_bytes));
            let read = |r: Range<u64>| file.slice(r.start as usize..r.end as usize);
            let answers = fetch_ranges(&ranges, &how, |r| {
                let bytes = read(r);
                async { Ok(bytes) }
            });
            let expected: Vec<_> = ranges.iter().cloned().map(read).collect();
            assert_eq!(answers.await.unwrap(), expected, "{ranges:?} {how:?}");
        }
    }

    #[tokio::test]
    async fn no_more_requests_are_under_way_than_allowed() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let ranges: Vec<_> = (0..20).map(|i| i * 100..i * 100 + 5).collect();
        let (running, most) = (&running, &most);
        let answers = fetch_ranges(&ranges, &HOW, |_| async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(Bytes::from_static(b"12345"))
        });
        assert_eq!(answers.await.unwrap().len(), 20);
        assert_eq!(most.load(Ordering::SeqCst), HOW.parallel_max);
    }

    #[tokio::test]
    async fn an_answer_of_another_length_is_refused() {
        let asked = std::slice::from_ref(&(0..4));
        let answer = fetch_ranges(asked, &HOW, |_| async { Ok(Bytes::from_static(b"123")) }).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::DataInvalid);
    }
}
