//! The first bytes that a query reads of a file: of a Parquet file its end, in which a small file
//! lies whole and need not be asked for again.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;

use super::tail::TAIL_BYTES_MAX;

/// Bytes that are kept for a query at most.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// The first read of each file that was one range no longer than the end of a Parquet file, as
/// far as they fit.
#[derive(Default)]
pub(super) struct Kept {
    /// Where each begins in its file, and its bytes.
    reads: HashMap<Path, (u64, Bytes)>,
    bytes: usize,
}

impl Kept {
    /// The bytes of the ranges, where all of them were kept.
    pub(super) fn get(&self, file: &Path, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let (start, bytes) = self.reads.get(file)?;
        let within = |range: &Range<u64>| {
            let [from, to] = [range.start, range.end]
                .map(|at| at.checked_sub(*start).and_then(|at| usize::try_from(at).ok()));
            let (from, to) = (from?, to?);
            (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        ranges.iter().map(within).collect()
    }

    /// Keeps what was read of a file, where it is small and the first.
    pub(super) fn put(&mut self, file: &Path, ranges: &[Range<u64>], read: &[Bytes]) {
        let ([range], [bytes]) = (ranges, read) else { return };
        let is_tail = bytes.len() as u64 <= TAIL_BYTES_MAX;
        let fits = is_tail && self.bytes + bytes.len() <= KEPT_BYTES_MAX;
        if fits && !self.reads.contains_key(file) {
            self.bytes += bytes.len();
            self.reads.insert(file.clone(), (range.start, bytes.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn put(kept: &mut Kept, file: &Path, start: u64, bytes: &Bytes) {
        let range = start..start + bytes.len() as u64;
        kept.put(file, slice::from_ref(&range), slice::from_ref(bytes));
    }

    #[test]
    fn only_ranges_that_were_read_are_answered() {
        let (mut kept, file) = (Kept::default(), Path::from("scope/tag/a"));
        put(&mut kept, &file, 10, &Bytes::from_static(b"abcd"));
        let answered = kept.get(&file, &[10..12, 13..14, 14..14]).unwrap();
        assert_eq!(answered, ["ab", "d", ""]);
        for range in [9..12, 12..15, 0..2, 14..16] {
            assert_eq!(kept.get(&file, &[10..12, range.clone()]), None, "{range:?}");
        }
        assert_eq!(kept.get(&Path::from("scope/tag/b"), &[10..12, 13..14]), None);
        put(&mut kept, &file, 0, &Bytes::from_static(b"xy"));
        assert_eq!(kept.get(&file, &[0..1, 1..2]), None, "the first read alone is kept");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        let tail_bytes = TAIL_BYTES_MAX as usize;
        let large = Bytes::from(vec![0; tail_bytes + 1]);
        put(&mut kept, &Path::from("large"), 0, &large);
        assert!(kept.reads.is_empty());
        let tail = Bytes::from(vec![0; tail_bytes]);
        for file in 0..1000 {
            put(&mut kept, &Path::from(file.to_string()), 0, &tail);
        }
        assert_eq!(kept.reads.len(), KEPT_BYTES_MAX / tail_bytes);
    }
}
