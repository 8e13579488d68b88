//! The stream format of Arrow IPC, message by message, each looked at before it is decoded.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::{Bytes, BytesMut};
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::arrow::{guarded, malformed, needed};
use super::arrow_packed::{CONTINUATION, check, check_stored};

/// The schema of a stream.
pub(super) async fn schema(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<SchemaRef> {
    Messages::open(store, meta).await?.schema().await
}

/// The batches of a stream, of the columns that are in `wanted`.
pub(super) async fn read(
    store: &dyn ObjectStore,
    meta: &ObjectMeta,
    wanted: &SchemaRef,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let mut messages = Messages::open(store, meta).await?;
    let schema = messages.schema().await?;
    let needed = needed(&schema, wanted);
    let state = (messages, Decoder { schema, needed, dictionaries: HashMap::new() });
    let batches = stream::try_unfold(state, |(mut messages, mut decoder)| async move {
        while let Some((header, body)) = messages.next().await? {
            if let Some(batch) = decoder.decode(&header, &body)? {
                return Ok(Some((batch, (messages, decoder))));
            }
        }
        Ok(None)
    });
    Ok(batches.boxed())
}

/// A stream cut into its messages.
struct Messages {
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    /// What has come and was not taken.
    held: BytesMut,
}

impl Messages {
    async fn open(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<Self> {
        let bytes = store.get(&meta.location).await?.into_stream();
        Ok(Self { bytes, held: BytesMut::new() })
    }

    /// The first message's.
    async fn schema(&mut self) -> Result<SchemaRef> {
        let no_schema = || malformed("the file ends before its schema");
        let (header, _) = self.next().await?.ok_or_else(no_schema)?;
        let schema = message(&header)?.header_as_schema().ok_or_else(no_schema)?;
        Ok(Arc::new(guarded(|| Ok(fb_to_schema(schema)))?))
    }

    /// The header of the next message, and its body.
    async fn next(&mut self) -> Result<Option<(Bytes, Buffer)>> {
        let mut length = self.take(4).await?;
        if length.is_empty() {
            return Ok(None);
        }
        if length[..] == CONTINUATION {
            length = self.take(4).await?;
        }
        let length: [u8; 4] = length.as_ref().try_into().map_err(|_| cut())?;
        let header_bytes = u32::from_le_bytes(length) as usize;
        if header_bytes == 0 {
            return match self.take(1).await?.is_empty() {
                true => Ok(None),
                false => Err(malformed("the file goes on after the end of its stream")),
            };
        }
        check_stored(header_bytes as u64)?;
        let header = self.take_whole(header_bytes).await?;
        let body_bytes = usize::try_from(message(&header)?.bodyLength()).map_err(|_| cut())?;
        check_stored(body_bytes as u64)?;
        let body = self.take_whole(body_bytes).await?;
        Ok(Some((header, Buffer::from(body))))
    }

    async fn take_whole(&mut self, count: usize) -> Result<Bytes> {
        let taken = self.take(count).await?;
        if taken.len() == count { Ok(taken) } else { Err(cut()) }
    }

    /// The next `count` bytes, or as many as there are.
    async fn take(&mut self, count: usize) -> Result<Bytes> {
        while self.held.len() < count
            && let Some(chunk) = self.bytes.try_next().await?
        {
            self.held.extend_from_slice(&chunk);
        }
        let count = count.min(self.held.len());
        Ok(self.held.split_to(count).freeze())
    }
}

fn message(header: &[u8]) -> Result<Message<'_>> {
    root_as_message(header).map_err(|_| malformed("the header of a message is unreadable"))
}

fn cut() -> DataFusionError {
    malformed("the file ends within a message")
}

/// Makes batches of messages.
struct Decoder {
    schema: SchemaRef,
    needed: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Decoder {
    /// The batch of a message, if it is one.
    fn decode(&mut self, header: &[u8], body: &Buffer) -> Result<Option<RecordBatch>> {
        let message = message(header)?;
        check(&message, body)?;
        guarded(|| self.decode_checked(&message, body))
    }

    fn decode_checked(
        &mut self,
        message: &Message<'_>,
        body: &Buffer,
    ) -> std::result::Result<Option<RecordBatch>, ArrowError> {
        let version = message.version();
        if let Some(batch) = message.header_as_record_batch() {
            let schema = Arc::clone(&self.schema);
            let (known, needed) = (&self.dictionaries, Some(self.needed.as_slice()));
            return read_record_batch(body, batch, schema, known, needed, &version).map(Some);
        }
        if let Some(batch) = message.header_as_dictionary_batch() {
            read_dictionary(body, batch, &self.schema, &mut self.dictionaries, &version)?;
            return Ok(None);
        }
        match message.header_type() {
            MessageHeader::NONE => Ok(None),
            other => Err(ArrowError::IpcError(format!("a {other:?} is out of place"))),
        }
    }
}
