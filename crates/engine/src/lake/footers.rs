//! What a Parquet file says of its footer, looked at before the decoder, which trusts it.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use object_store::ObjectMeta;
use object_store::path::Path;
use orbit_core::{Error, ErrorKind, Result};

/// The sizes of the Parquet files that a query may read.
#[derive(Default)]
pub(super) struct Footers(HashMap<Path, u64>);

impl Footers {
    /// Keeps the sizes of `files`.
    pub(super) fn add(&mut self, files: &[ObjectMeta]) {
        self.0.extend(files.iter().map(|file| (file.location.clone(), file.size)));
    }

    /// Looks at the end of a file, where it was read: the length of the footer in four bytes, and
    /// a mark. What ends in another mark is left to the decoder.
    ///
    /// # Errors
    /// `DataInvalid` when the footer is said to be longer than the file.
    pub(super) fn check(&self, file: &Path, ranges: &[Range<u64>], read: &[Bytes]) -> Result<()> {
        let Some(size) = self.0.get(file).copied() else { return Ok(()) };
        for (_, bytes) in ranges.iter().zip(read).filter(|(range, _)| range.end == size) {
            let Some([a, b, c, d, b'P', b'A', b'R', b'1' | b'E']) = bytes.last_chunk::<8>() else {
                continue;
            };
            let footer = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
            if footer + 8 > size {
                let message = format!(
                    "unreadable Parquet: a footer of {footer} bytes in a file of {size} bytes"
                );
                return Err(Error::new(ErrorKind::DataInvalid, message));
            }
        }
        Ok(())
    }
}
