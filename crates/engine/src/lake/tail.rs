//! The end of a Parquet file: what is read of it first, and how much of it.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use orbit_core::{ByteRange, Context, Datasource, Error, FileInfo, Operation, Read, Result};

/// The least that is read: more than most footers, and little beside the rows of a small file.
const TAIL_BYTES_MIN: u64 = 128 << 10;

/// The most.
pub(super) const TAIL_BYTES_MAX: u64 = 1 << 20;

/// What is read of a file of unknown size.
const TAIL_BYTES: u64 = 256 << 10;

/// Bytes of the end of each of `files` that hold its footer, most likely with the index of its
/// pages: that of a large file takes up to a thousandth of it.
pub(super) fn tail_bytes(files: &[ObjectMeta]) -> usize {
    let all: u64 = files.iter().map(|file| file.size).sum();
    let each = all / 1024 / (files.len() as u64).max(1);
    // It fits: the most is a mebibyte.
    each.clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX) as usize
}

/// What is known of a file, and its end: one request where asking for the size and then for the
/// end would be two.
pub(super) async fn read_tail(
    cx: &Context,
    datasource: &dyn Datasource,
    key: &str,
) -> Result<(FileInfo, Bytes)> {
    let files = datasource.facets().files.ok_or_else(|| Error::unsupported(Operation::Read))?;
    let range = Some(ByteRange::Suffix(TAIL_BYTES));
    let body = files.read(cx, Read { key: key.to_owned(), range, if_match: None }).await?;
    let add = |mut tail: BytesMut, bytes: Bytes| async move {
        tail.extend_from_slice(&bytes);
        Ok(tail)
    };
    let tail = body.bytes.try_fold(BytesMut::new(), add).await?;
    Ok((body.info, tail.freeze()))
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::*;

    #[test]
    fn a_thousandth_of_the_files_is_read_within_bounds() {
        let tail = |sizes: &[u64]| {
            let file = |size: &u64| ObjectMeta {
                location: Path::from("x"),
                last_modified: chrono::DateTime::UNIX_EPOCH,
                size: *size,
                e_tag: None,
                version: None,
            };
            tail_bytes(&sizes.iter().map(file).collect::<Vec<_>>())
        };
        assert_eq!(tail(&[]), 128 << 10);
        assert_eq!(tail(&[100]), 128 << 10);
        assert_eq!(tail(&[512 << 20]), 512 << 10);
        assert_eq!(tail(&[512 << 20, 0]), 256 << 10);
        assert_eq!(tail(&[u64::MAX / 2]), 1 << 20);
    }
}
