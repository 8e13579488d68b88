//! Text files as the bytes of their text: unpacked, in UTF-8, without a mark at the start.

use bytes::{Buf, Bytes, BytesMut};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use orbit_core::{Error, ErrorKind};

use super::bounded::ROW_BYTES_MAX;
use crate::error::to_datafusion;

/// The bytes of a text as they come.
pub(super) type Text = BoxStream<'static, Result<Bytes>>;

/// What some programs put before a text in UTF-8.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// What they put before one in UTF-16.
const OTHER_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// The text of a whole file.
pub(super) async fn open(
    store: &dyn ObjectStore,
    location: &Path,
    packing: FileCompressionType,
) -> Result<Text> {
    let bytes = store.get(location).await?.into_stream();
    unpacked(bytes.map_err(DataFusionError::from).boxed(), packing).await
}

/// The text of packed bytes.
pub(super) async fn unpacked(bytes: Text, packing: FileCompressionType) -> Result<Text> {
    let mut text = packing.convert_stream(bytes)?;
    let mut start = BytesMut::new();
    while start.len() < MARK.len()
        && let Some(chunk) = text.try_next().await?
    {
        start.extend(chunk);
    }
    if OTHER_MARKS.iter().any(|mark| start.starts_with(mark)) {
        return Err(invalid("the text is in UTF-16; only UTF-8 is read"));
    }
    if start.starts_with(MARK) {
        start.advance(MARK.len());
    }
    let start = (!start.is_empty()).then(|| Ok(start.freeze()));
    Ok(stream::iter(start).chain(text).boxed())
}

/// The same text, which ends in an error where a line is too long.
pub(super) fn in_lines(text: Text) -> Text {
    let mut line_bytes = 0;
    let bounded = text.and_then(move |chunk| {
        line_bytes = match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => chunk.len() - end,
            None => line_bytes + chunk.len(),
        };
        ready(match line_bytes {
            ..=ROW_BYTES_MAX => Ok(chunk),
            _ => Err(to_datafusion(too_long("line"))),
        })
    });
    bounded.boxed()
}

/// The error of a file with a line or a row that is too long.
pub(super) fn too_long(what: &str) -> Error {
    let message = format!("a {what} is longer than {} MiB", ROW_BYTES_MAX >> 20);
    Error::new(ErrorKind::DataInvalid, message)
}

/// The error of a file that is not what its name says.
pub(super) fn invalid(message: impl Into<String>) -> DataFusionError {
    to_datafusion(Error::new(ErrorKind::DataInvalid, message.into()))
}
