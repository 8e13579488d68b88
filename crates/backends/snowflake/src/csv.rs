//! Rows as compressed lines for a stage.

use std::io::Write;

use arrow_array::RecordBatch;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use orbit_core::{Error, ErrorKind, Result};

use crate::bind::texts;

/// A file is put into the stage when its lines have this many bytes before compression.
pub(crate) const FILE_BYTES_GOAL: usize = 64 << 20;

/// A file that is being written.
pub(crate) struct Lines {
    gzip: GzEncoder<Vec<u8>>,
    /// Bytes before compression.
    pub bytes: usize,
    pub rows: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { gzip: GzEncoder::new(Vec::new(), Compression::fast()), bytes: 0, rows: 0 }
    }
}

impl Lines {
    /// A line for each row: a value in quotes, a null as nothing, or as `null` where nothing would
    /// leave the line blank, which the service takes for an error.
    ///
    /// # Errors
    /// `Unsupported` for a type that has no text.
    pub(crate) fn add(&mut self, batch: &RecordBatch, null: &str) -> Result<()> {
        let columns = texts(batch)?;
        let null = if columns.len() == 1 { null } else { "" };
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    line.push(',');
                }
                match &column[row] {
                    Some(text) => {
                        line.push('"');
                        line.push_str(&text.replace('"', "\"\""));
                        line.push('"');
                    }
                    None => line.push_str(null),
                }
            }
            line.push('\n');
            self.gzip.write_all(line.as_bytes()).map_err(unwritable)?;
            self.bytes += line.len();
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// The whole file.
    pub(crate) fn finish(self) -> Result<Bytes> {
        Ok(self.gzip.finish().map_err(unwritable)?.into())
    }
}

fn unwritable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "rows cannot be compressed").with_source(error)
}
