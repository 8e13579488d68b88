//! How large an Arrow message becomes, seen before memory is taken for it: a file only tells it,
//! and the decoder believes.

use arrow_ipc::{Block, Buffer, CompressionType, Message, root_as_message};
use datafusion::error::{DataFusionError, Result};
use orbit_core::{Error, ErrorKind};

use super::arrow::malformed;
use crate::error::to_datafusion;

/// The buffers of one message unpack to no more.
const UNPACKED_BYTES_MAX: u64 = 2 << 30;

/// A batch has no more rows: where it has no column that is wanted, nothing else bounds what it
/// tells.
const ROWS_MAX: i64 = 1 << 31;

/// What stands before the length of a message, except in very old files.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];

/// What stands before a buffer that may be packed: its length when it is unpacked.
const LENGTH_BYTES: usize = 8;

/// What begins a frame of LZ4.
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// No byte of LZ4 unpacks to more.
const LZ4_RATIO_MAX: u64 = 255;

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
    if !(0..=ROWS_MAX).contains(&batch.length()) {
        return Err(too_large(format!("a batch has more than {ROWS_MAX} rows")));
    }
    let Some(packing) = batch.compression() else { return Ok(()) };
    let is_lz4 = packing.codec() == CompressionType::LZ4_FRAME;
    let buffers = batch.buffers().into_iter().flatten();
    let lengths = buffers.map(|buffer| unpacked_bytes_max(buffer, body, is_lz4));
    match lengths.fold(0, u64::saturating_add) {
        ..=UNPACKED_BYTES_MAX => Ok(()),
        _ => {
            let limit = UNPACKED_BYTES_MAX >> 30;
            Err(too_large(format!("a batch unpacks to more than {limit} GiB")))
        }
    }
}

fn too_large(message: String) -> DataFusionError {
    let error = Error::new(ErrorKind::ResourceExhausted, message);
    to_datafusion(error.with_hint("write the file again in smaller batches"))
}

/// No more than this is taken for a buffer; nothing for one that is not packed, or that the
/// decoder refuses.
fn unpacked_bytes_max(buffer: &Buffer, body: &[u8], is_lz4: bool) -> u64 {
    let place = || {
        let start = usize::try_from(buffer.offset()).ok()?;
        body.get(start..start.checked_add(usize::try_from(buffer.length()).ok()?)?)
    };
    let split = <[u8]>::split_first_chunk::<LENGTH_BYTES>;
    let Some((length, packed)) = place().and_then(split) else { return 0 };
    match u64::try_from(i64::from_le_bytes(*length)) {
        Ok(length @ 1..) if is_lz4 => length.max(lz4_bytes_max(packed)),
        Ok(length) => length,
        Err(_) => 0,
    }
}

/// No more than this comes out of a frame of LZ4, whatever length is told beside it.
fn lz4_bytes_max(frame: &[u8]) -> u64 {
    let most = |packed: usize| LZ4_RATIO_MAX.saturating_mul(packed as u64);
    let (true, Some(&flags), Some(&sizes)) =
        (frame.starts_with(&LZ4_MAGIC), frame.get(4), frame.get(5))
    else {
        return most(frame.len());
    };
    let block_bytes_max = 1_u64 << (8 + 2 * ((sizes >> 4) & 7));
    let checksum_bytes = if flags & 0x10 == 0 { 0 } else { 4 };
    let length_bytes = if flags & 0x08 == 0 { 0 } else { 8 };
    let dictionary_bytes = if flags & 0x01 == 0 { 0 } else { 4 };
    let mut rest = frame.get(7 + length_bytes + dictionary_bytes..).unwrap_or_default();
    let mut bytes = 0_u64;
    while let Some((size, blocks)) = rest.split_first_chunk() {
        let size = u32::from_le_bytes(*size);
        let packed = (size & 0x7fff_ffff) as usize;
        bytes += match size {
            0 => break,
            // The highest bit marks a block that is not packed.
            0x8000_0000.. => packed as u64,
            _ => most(packed).min(block_bytes_max),
        };
        rest = blocks.get(packed.saturating_add(checksum_bytes)..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_lz4_is_told_by_its_blocks() {
        let head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0];
        let block = |mark: u32, bytes: usize| {
            [(mark + bytes as u32).to_le_bytes().to_vec(), vec![0; bytes]].concat()
        };
        let frame = |blocks: &[Vec<u8>]| [head.to_vec(), blocks.concat(), vec![0; 4]].concat();
        let four_mebibytes = 4 << 20;
        let long = block(0, 20_000);
        let cases = [
            (frame(&[]), 0),
            (frame(&[block(1 << 31, 9)]), 9),
            (frame(&[block(0, 2)]), 510),
            (frame(&[long.clone(), block(1 << 31, 9), long]), 2 * four_mebibytes + 9),
            (b"no frame".to_vec(), 8 * 255),
        ];
        for (frame, bytes) in cases {
            assert_eq!(lz4_bytes_max(&frame), bytes);
        }
    }
}
