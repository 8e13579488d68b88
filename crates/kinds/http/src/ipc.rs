//! Arrow IPC streams: decompressed, checked and decoded off the runtime's workers.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{CompressionType, MessageHeader};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use orbit_core::{BATCH_ROWS_MAX, Error, ErrorKind, Result, unpacked_bytes_max};

/// What stands before the length of a message.
const CONTINUATION: u32 = u32::MAX;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// More than this is not reserved for content whose length is only told.
const RESERVE_BYTES_MAX: usize = 64 << 20;
/// What the compressed buffers of one stream may ask for together.
const ASKED_BYTES_MAX: u64 = 4 << 30;

/// One IPC stream.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The schema; none for an empty body.
    pub schema: Option<SchemaRef>,
    /// The batches. Their buffers are pieces of the body, which lives as long as any of them.
    pub batches: Vec<RecordBatch>,
}

/// `bytes`, decompressed if they are gzip.
///
/// # Errors
/// `DataInvalid` when they are cut or corrupt, `ResourceExhausted` for more than `bytes_max`.
pub fn inflate(bytes: Bytes, bytes_max: usize) -> Result<Bytes> {
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut content = Vec::with_capacity(told_length(&bytes).min(RESERVE_BYTES_MAX).min(bytes_max));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes.as_ref()).take(limit).read_to_end(&mut content).map_err(|e| {
        Error::new(ErrorKind::DataInvalid, "a compressed answer is cut or corrupt").with_source(e)
    })?;
    if content.len() > bytes_max {
        return Err(Error::new(ErrorKind::ResourceExhausted, "an answer is too long")
            .with_context("limit_bytes", bytes_max.to_string()));
    }
    Ok(content.into())
}

/// How long the content says that it is: by the last four bytes, if it is of one piece.
fn told_length(gzip: &[u8]) -> usize {
    gzip.last_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize)
}

/// Decodes an IPC stream without copying its buffers. Every field is taken as nullable, since
/// some writers leave nulls in the pieces of a struct that says it has none.
///
/// # Errors
/// `DataInvalid` for what is no such stream, or one that ends within a message;
/// `ResourceExhausted` when its compressed buffers ask for too much memory, or a batch has too
/// many rows. A stream that was cut between two messages cannot be told from a whole one: count
/// the rows.
pub fn decode_ipc(bytes: Bytes) -> Result<Decoded> {
    let mut rest = Buffer::from(bytes);
    let mut decoded = Decoded { schema: None, batches: Vec::new() };
    let (mut dictionaries, mut asked) = (HashMap::new(), 0);
    while let Some((message, body, after)) = next_message(&rest)? {
        let message = arrow_ipc::root_as_message(&message).map_err(|e| invalid(e.to_string()))?;
        let version = message.version();
        match (message.header_type(), &decoded.schema) {
            (MessageHeader::Schema, None) => {
                let schema = message.header_as_schema().ok_or_else(|| invalid("no schema"))?;
                decoded.schema = Some(Arc::new(nullable(&fb_to_schema(schema))));
            }
            (MessageHeader::RecordBatch, Some(schema)) => {
                let batch = message.header_as_record_batch().ok_or_else(|| invalid("no batch"))?;
                asked = with_asked(asked, batch, &body)?;
                let schema = Arc::clone(schema);
                let batch = read_record_batch(&body, batch, schema, &dictionaries, None, &version);
                decoded.batches.push(batch.map_err(invalid)?);
            }
            (MessageHeader::DictionaryBatch, Some(schema)) => {
                let batch = message.header_as_dictionary_batch();
                let batch = batch.ok_or_else(|| invalid("no dictionary"))?;
                let data = batch.data().ok_or_else(|| invalid("no dictionary"))?;
                asked = with_asked(asked, data, &body)?;
                read_dictionary(&body, batch, schema, &mut dictionaries, &version)
                    .map_err(invalid)?;
            }
            (other, _) => return Err(invalid(format!("{other:?} is out of place"))),
        }
        rest = after;
    }
    Ok(decoded)
}

/// `asked`, and the bytes that are taken for the compressed buffers of a message, whose rows are
/// not too many.
fn with_asked(asked: u64, batch: arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Result<u64> {
    if !(0..=BATCH_ROWS_MAX).contains(&batch.length()) {
        return Err(Error::new(ErrorKind::ResourceExhausted, "an answer is too long")
            .with_context("limit_rows", BATCH_ROWS_MAX.to_string()));
    }
    let Some(compression) = batch.compression() else { return Ok(asked) };
    let is_lz4 = compression.codec() == CompressionType::LZ4_FRAME;
    let buffers = batch.buffers().into_iter().flatten();
    let places = buffers.map(|buffer| (buffer.offset(), buffer.length()));
    let sum = asked.saturating_add(unpacked_bytes_max(body, places, is_lz4));
    if sum > ASKED_BYTES_MAX {
        return Err(Error::new(ErrorKind::ResourceExhausted, "an answer is too long")
            .with_context("limit_bytes", ASKED_BYTES_MAX.to_string()));
    }
    Ok(sum)
}

/// The next message of a stream: its header, its body, and what follows; none at the end.
fn next_message(stream: &Buffer) -> Result<Option<(Buffer, Buffer, Buffer)>> {
    if stream.is_empty() {
        return Ok(None);
    }
    // A stream has a marker before each length, except those of very old writers.
    let mut at = 0;
    let mut length = number(stream, at)?;
    if length == CONTINUATION {
        at += 4;
        length = number(stream, at)?;
    }
    at += 4;
    if length == 0 {
        return Ok(None);
    }
    let header = piece(stream, at, u64::from(length))?;
    let message = arrow_ipc::root_as_message(&header).map_err(|e| invalid(e.to_string()))?;
    let body_length = u64::try_from(message.bodyLength()).map_err(invalid)?;
    at += header.len();
    let body = piece(stream, at, body_length)?;
    let after = stream.slice(at + body.len());
    Ok(Some((header, body, after)))
}

fn number(stream: &Buffer, at: usize) -> Result<u32> {
    let bytes = stream.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    Ok(u32::from_le_bytes(bytes.ok_or_else(|| invalid("it ends within a length"))?))
}

fn piece(stream: &Buffer, at: usize, length: u64) -> Result<Buffer> {
    let left = stream.len().saturating_sub(at);
    match usize::try_from(length) {
        Ok(length) if length <= left => Ok(stream.slice_with_length(at, length)),
        _ => Err(invalid("it ends within a message")),
    }
}

fn nullable(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| nullable_field(field)).collect::<Vec<_>>())
}

fn nullable_field(field: &Field) -> Field {
    let field = field.clone().with_nullable(true);
    match field.data_type() {
        DataType::Struct(children) => {
            let children = children.iter().map(|child| nullable_field(child)).collect();
            field.with_data_type(DataType::Struct(children))
        }
        _ => field,
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::DataInvalid, "a piece of the result is not a whole Arrow stream")
        .with_source(error)
}

/// Runs `work`, which takes long enough to hold up others, on a thread made for that. A panic
/// of a decoder on hostile bytes is an error.
///
/// # Errors
/// Those of the work; `DataInvalid` when it panicked.
pub async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::DataInvalid, "a piece of the result cannot be decoded"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrow_array::{ArrayRef, Int64Array, NullArray};
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

    use super::*;

    fn stream() -> Vec<u8> {
        let ids: ArrayRef = Arc::new((0..1000).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn buffers_are_pieces_of_the_body() {
        let bytes = Bytes::from(stream());
        let decoded = decode_ipc(bytes.clone()).unwrap();
        assert_eq!(decoded.batches.len(), 2);
        let values = decoded.batches[1].column(0).to_data().buffers()[0].as_ptr();
        assert!(bytes.as_ptr_range().contains(&values));
    }

    #[test]
    fn every_cut_is_an_error_or_fewer_rows() {
        let bytes = Bytes::from(stream());
        for end in 1..bytes.len() {
            if let Ok(decoded) = decode_ipc(bytes.slice(..end)) {
                let rows: usize = decoded.batches.iter().map(RecordBatch::num_rows).sum();
                let whole = end + 8 >= bytes.len();
                assert!(rows < 2000 || whole, "{end} bytes of {} give {rows} rows", bytes.len());
            }
        }
    }

    /// A stream of one batch of one column, compressed by LZ4 where that makes it shorter.
    fn packed(values: Vec<i64>) -> (RecordBatch, Vec<u8>) {
        let values: ArrayRef = Arc::new(Int64Array::from(values));
        let batch = RecordBatch::try_from_iter([("value", values)]).unwrap();
        let options = IpcWriteOptions::default();
        let options = options.try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
        let mut bytes = Vec::new();
        let mut writer =
            StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        (batch, bytes)
    }

    fn place(bytes: &[u8], number: i64) -> usize {
        bytes.windows(8).position(|bytes| bytes == number.to_le_bytes()).unwrap()
    }

    #[test]
    fn compressed_buffers_take_no_more_than_a_stream_may() {
        let (batch, mut bytes) = packed(vec![7; 1000]);
        let decoded = decode_ipc(bytes.clone().into()).unwrap();
        assert_eq!(decoded.batches[0].column(0), batch.column(0));
        let at = place(&bytes, 8000);
        bytes[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
        let error = decode_ipc(bytes.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    }

    #[test]
    fn nulls_without_a_type_are_not_more_than_a_batch_may_have() {
        let (rows, told) = (1_234_567_usize, 1_i64 << 40);
        let nulls: ArrayRef = Arc::new(NullArray::new(rows));
        let batch = RecordBatch::try_from_iter([("null", nulls)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        let decoded = decode_ipc(bytes.clone().into()).unwrap();
        assert_eq!(decoded.batches[0].num_rows(), rows);
        for at in 0..bytes.len() - 8 {
            if bytes[at..at + 8] == (rows as i64).to_le_bytes() {
                bytes[at..at + 8].copy_from_slice(&told.to_le_bytes());
            }
        }
        let error = decode_ipc(bytes.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    }

    #[test]
    fn compressed_buffers_take_no_more_whatever_they_tell() {
        // Values without a pattern stay as they are, which a length of -1 says.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as i64
        };
        let values: Vec<_> = (0..2_200_000).map(|_| random()).collect();
        let first = values[0];
        let (_, mut bytes) = packed(values);
        let at = place(&bytes, first) - 8;
        assert_eq!(bytes[at..at + 8], (-1_i64).to_le_bytes());
        bytes[at..at + 8].copy_from_slice(&8_i64.to_le_bytes());
        let error = decode_ipc(bytes.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    }

    #[test]
    fn gzip_is_checked_to_its_end() {
        let plain = stream();
        let gzip = compressed(&plain);
        assert_eq!(inflate(gzip.clone().into(), plain.len()).unwrap(), plain);
        for end in 2..gzip.len() {
            let error = inflate(Bytes::from(gzip[..end].to_vec()), plain.len()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataInvalid, "{end}");
        }
        let mut flipped = gzip.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x40;
        assert!(inflate(flipped.into(), plain.len()).is_err());
        let bomb = inflate(compressed(&vec![0; 1 << 20]).into(), 1000).unwrap_err();
        assert_eq!(bomb.kind(), ErrorKind::ResourceExhausted);
    }
}
