//! How large an Arrow message is and becomes, seen before memory is taken for it: a file only tells
//! it, and the decoder believes.

use arrow_ipc::{Block, CompressionType, Message, root_as_message};
use datafusion::error::{DataFusionError, Result};
use orbit_core::{BATCH_ROWS_MAX, Error, ErrorKind, unpacked_bytes_max};

use super::arrow::malformed;
use crate::error::to_datafusion;

/// One message takes no more, as it is stored and as its buffers are unpacked.
const MESSAGE_BYTES_MAX: u64 = 2 << 30;

/// What stands before the length of a message, except in very old files.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];

/// Refuses a message, or what is taken of one, that is stored in too many bytes.
pub(super) fn check_stored(bytes: u64) -> Result<()> {
    match bytes {
        ..=MESSAGE_BYTES_MAX => Ok(()),
        _ => Err(too_large(format!("a message is longer than {} GiB", MESSAGE_BYTES_MAX >> 30))),
    }
}

/// Refuses a block of the file format that unpacks to too much.
pub(super) fn check_block(block: &Block, bytes: &[u8]) -> Result<()> {
    let header_start = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
    let header = bytes.get(header_start..).and_then(|header| root_as_message(header).ok());
    let body_start = usize::try_from(block.metaDataLength()).ok();
    let body = body_start.and_then(|start| bytes.get(start..));
    let (Some(message), Some(body)) = (header, body) else {
        return Err(malformed("the header of a batch is unreadable"));
    };
    check(&message, body)
}

/// Refuses a message that unpacks to too much.
pub(super) fn check(message: &Message<'_>, body: &[u8]) -> Result<()> {
    let dictionary = message.header_as_dictionary_batch().and_then(|batch| batch.data());
    let Some(batch) = dictionary.or_else(|| message.header_as_record_batch()) else {
        return Ok(());
    };
    if !(0..=BATCH_ROWS_MAX).contains(&batch.length()) {
        return Err(too_large(format!("a batch has more than {BATCH_ROWS_MAX} rows")));
    }
    let buffers = || batch.buffers().into_iter().flatten();
    // Those that are not aligned are copied, and nothing keeps many from lying in one place.
    let lengths = buffers().filter_map(|buffer| u64::try_from(buffer.length()).ok());
    check_stored(lengths.fold(0, u64::saturating_add))?;
    let Some(packing) = batch.compression() else { return Ok(()) };
    let is_lz4 = packing.codec() == CompressionType::LZ4_FRAME;
    let places = buffers().map(|buffer| (buffer.offset(), buffer.length()));
    match unpacked_bytes_max(body, places, is_lz4) {
        ..=MESSAGE_BYTES_MAX => Ok(()),
        _ => {
            let limit = MESSAGE_BYTES_MAX >> 30;
            Err(too_large(format!("a batch unpacks to more than {limit} GiB")))
        }
    }
}

fn too_large(message: String) -> DataFusionError {
    let error = Error::new(ErrorKind::ResourceExhausted, message);
    to_datafusion(error.with_hint("write the file again in smaller batches"))
}
