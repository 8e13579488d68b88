//! How large a batch of an Arrow message becomes, seen before memory is taken for it: a message
//! only tells it, and decoders believe.

/// A batch has no more rows: where its values take no bytes, nothing else bounds what it tells.
pub const BATCH_ROWS_MAX: i64 = 1 << 31;

/// What stands before a buffer that may be packed: its length when it is unpacked.
const LENGTH_BYTES: usize = 8;

/// What begins a frame of LZ4.
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// No byte of LZ4 unpacks to more.
const LZ4_RATIO_MAX: u64 = 255;

/// No more bytes than this are taken for the buffers of a message that says that they are packed,
/// by frames of LZ4 if `is_lz4`. `places` has the offset and the length in bytes of each buffer
/// in `body`, as the message tells them.
///
/// A buffer that is not packed, or that decoders refuse, counts for nothing.
pub fn unpacked_bytes_max(
    body: &[u8],
    places: impl IntoIterator<Item = (i64, i64)>,
    is_lz4: bool,
) -> u64 {
    let (mut told, mut beyond) = (0_u64, 0_u64);
    for (offset, length) in places {
        let Some((bytes, frame)) = packed(body, offset, length) else { continue };
        told = told.saturating_add(bytes);
        // What is longer than told is noticed only once it is unpacked, and is the last then.
        if is_lz4 && bytes > 0 {
            beyond = beyond.max(lz4_bytes_max(frame).saturating_sub(bytes));
        }
    }
    told.saturating_add(beyond)
}

/// The length that a packed buffer tells, and what is packed.
fn packed(body: &[u8], offset: i64, length: i64) -> Option<(u64, &[u8])> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let (told, packed) = body.get(start..end)?.split_first_chunk::<LENGTH_BYTES>()?;
    // A negative length says that the rest is not packed.
    Some((u64::try_from(i64::from_le_bytes(*told)).ok()?, packed))
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

    const HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0];

    fn block(mark: u32, bytes: usize) -> Vec<u8> {
        [(mark + bytes as u32).to_le_bytes().to_vec(), vec![0; bytes]].concat()
    }

    fn frame(blocks: &[Vec<u8>]) -> Vec<u8> {
        [HEAD.to_vec(), blocks.concat(), vec![0; 4]].concat()
    }

    #[test]
    fn a_frame_of_lz4_is_told_by_its_blocks() {
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

    #[test]
    fn buffers_take_what_they_tell_and_one_of_lz4_what_it_may_hold() {
        let buffer = |told: i64, packed: &[u8]| [told.to_le_bytes().as_slice(), packed].concat();
        let small = frame(&[block(0, 2)]);
        let buffers = [
            buffer(500, &small),
            buffer(100, &small),
            buffer(-1, &[7; 90]),
            buffer(0, &small),
            vec![1; 3],
        ];
        let mut places: Vec<(i64, i64)> = Vec::new();
        for buffer in &buffers {
            let before = places.last().map_or(0, |(offset, length)| offset + length);
            places.push((before, buffer.len() as i64));
        }
        let body = buffers.concat();
        assert_eq!(unpacked_bytes_max(&body, places.clone(), false), 600);
        assert_eq!(unpacked_bytes_max(&body, places, true), 600 + 410);
        let outside = [(-8, 9), (0, -1), (i64::MAX, 9), (0, i64::MAX), (body.len() as i64, 8)];
        assert_eq!(unpacked_bytes_max(&body, outside, true), 0);
        assert_eq!(unpacked_bytes_max(&buffer(i64::MAX, &[]), [(0, 8); 3], false), u64::MAX);
    }
}
