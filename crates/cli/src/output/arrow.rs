//! Arrow IPC: a file where it can be read back, else a stream.

use std::mem;

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};

use super::{Outcome, RowWriter};
use crate::failure::{Failure, Result};

/// Arrow IPC.
pub(super) struct Ipc {
    as_file: bool,
    writer: Option<Writer>,
}

enum Writer {
    File(FileWriter<Vec<u8>>),
    Stream(StreamWriter<Vec<u8>>),
}

impl Ipc {
    /// A file, whose end tells where its batches are, or a stream.
    pub(super) fn new(as_file: bool) -> Self {
        Self { as_file, writer: None }
    }
}

/// Many readers expect the first message right after the eight bytes of the mark.
fn file_writer(schema: &SchemaRef) -> Result<FileWriter<Vec<u8>>, ArrowError> {
    const ALIGNMENT_BYTES: usize = 8;
    let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?;
    FileWriter::try_new_with_options(Vec::new(), schema, options)
}

impl Writer {
    fn take_bytes(&mut self, out: &mut Vec<u8>) {
        let written = match self {
            Self::File(writer) => writer.get_mut(),
            Self::Stream(writer) => writer.get_mut(),
        };
        match out.is_empty() {
            true => mem::swap(out, written),
            false => out.append(written),
        }
    }
}

impl RowWriter for Ipc {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        let started = match self.as_file {
            true => file_writer(schema).map(Writer::File),
            false => StreamWriter::try_new(Vec::new(), schema).map(Writer::Stream),
        };
        self.writer.insert(started.map_err(Failure::format)?).take_bytes(out);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let written = match writer {
            Writer::File(writer) => writer.write(batch),
            Writer::Stream(writer) => writer.write(batch),
        };
        written.map_err(Failure::format)?;
        writer.take_bytes(out);
        Ok(())
    }

    fn finish(&mut self, _outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let finished = match writer {
            Writer::File(writer) => writer.finish(),
            Writer::Stream(writer) => writer.finish(),
        };
        finished.map_err(Failure::format)?;
        writer.take_bytes(out);
        Ok(())
    }

    /// Without the mark of its end, a reader sees that the stream was cut.
    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {
        self.writer = None;
    }
}
