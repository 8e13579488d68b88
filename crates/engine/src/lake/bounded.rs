//! Decoders of text that refuse a row without an end: a value may hold line breaks, and what
//! unpacks to one row must not fill the memory.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use datafusion_datasource::decoder::Decoder;

use super::text::too_long;

/// No row of a text is longer, and no line.
pub(super) const ROW_BYTES_MAX: usize = 64 << 20;

/// A decoder that tells how far it is.
pub(super) trait RowDecoder: Send {
    /// Takes bytes, and answers how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, ArrowError>;

    /// The rows since the last call.
    fn rows(&mut self) -> Result<Option<RecordBatch>, ArrowError>;

    /// A number that changes with each row that ends.
    fn mark(&self) -> usize;

    /// Whether it takes nothing before its rows were fetched.
    fn is_full(&self) -> bool;
}

impl RowDecoder for arrow_csv::reader::Decoder {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        self.decode(bytes)
    }

    fn rows(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.flush()
    }

    fn mark(&self) -> usize {
        self.capacity()
    }

    fn is_full(&self) -> bool {
        self.capacity() == 0
    }
}

impl RowDecoder for arrow_json::reader::Decoder {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        self.decode(bytes)
    }

    fn rows(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.flush()
    }

    fn mark(&self) -> usize {
        self.len() - usize::from(self.has_partial_record())
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// The same decoder, which ends in an error where a row is too long.
pub(super) struct Bounded<D> {
    decoder: D,
    /// What was taken since a row ended.
    row_bytes: usize,
}

impl<D> Bounded<D> {
    pub(super) fn new(decoder: D) -> Self {
        Self { decoder, row_bytes: 0 }
    }
}

impl<D: RowDecoder> Decoder for Bounded<D> {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        let before = self.decoder.mark();
        let taken = self.decoder.take(bytes)?;
        self.row_bytes = match self.decoder.mark() == before {
            true => self.row_bytes + taken,
            false => 0,
        };
        match self.row_bytes {
            ..=ROW_BYTES_MAX => Ok(taken),
            _ => Err(ArrowError::from_external_error(Box::new(too_long("row")))),
        }
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.decoder.rows()
    }

    fn can_flush_early(&self) -> bool {
        self.decoder.is_full()
    }
}

impl<D> fmt::Debug for Bounded<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("row_bytes", &self.row_bytes).finish_non_exhaustive()
    }
}
