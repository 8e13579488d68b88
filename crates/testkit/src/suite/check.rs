//! What trials say about results and errors.

use std::fmt::Debug;

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use orbit_core::{BatchStream, Error, ErrorKind, FileEntry, FileStream, ReadBody, Result};

use super::ensure;
use crate::reference::one_batch;
use crate::subject::{Stop, Verdict};

/// The error of `result`, which must be of one of these kinds.
pub(super) fn fails<T: Debug>(result: Result<T>, kinds: &[ErrorKind]) -> Verdict<Error> {
    match result {
        Err(error) if kinds.contains(&error.kind()) => Ok(error),
        Err(error) => Err(Stop::failed(format!("expected one of {kinds:?}, got {error:?}"))),
        Ok(answer) => Err(Stop::failed(format!("expected one of {kinds:?}, got {answer:?}"))),
    }
}

/// Both must be equal.
pub(super) fn equal<T: PartialEq + Debug>(what: &str, got: &T, expected: &T) -> Verdict {
    ensure!(got == expected, "{what}: got {got:?}, expected {expected:?}");
    Ok(())
}

/// All rows of a stream, whose batches must have its schema.
pub(super) async fn gather(stream: BatchStream) -> Result<RecordBatch> {
    let schema = stream.schema();
    let batches: Vec<_> = stream.try_collect().await?;
    if let Some(batch) = batches.iter().find(|b| b.schema() != schema) {
        let message = format!("a batch has the schema {:?}, its stream {schema:?}", batch.schema());
        return Err(Error::new(ErrorKind::DataInvalid, message));
    }
    one_batch(&schema, &batches)
}

/// All entries of a listing.
pub(super) async fn entries(stream: FileStream) -> Result<Vec<FileEntry>> {
    stream.try_concat().await
}

/// All bytes of a read.
pub(super) async fn bytes(body: ReadBody) -> Result<Bytes> {
    let mut all = BytesMut::new();
    let mut stream = body.bytes;
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.freeze())
}
