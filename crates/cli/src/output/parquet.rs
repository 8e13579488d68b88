//! Apache Parquet, compressed with zstd.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Outcome, RowWriter};
use crate::failure::{Failure, Result};

/// A row group is written once it holds this much, so that the memory stays flat.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// Apache Parquet.
#[derive(Default)]
pub(super) struct Parquet(Option<ArrowWriter<Vec<u8>>>);

impl RowWriter for Parquet {
    fn begin(&mut self, schema: &SchemaRef, _out: &mut Vec<u8>) -> Result<()> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
        self.0 = Some(writer.map_err(Failure::format)?);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        writer.write(batch).map_err(Failure::format)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
            writer.flush().map_err(Failure::format)?;
        }
        out.append(writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, _outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        writer.finish().map_err(Failure::format)?;
        out.append(writer.inner_mut());
        Ok(())
    }

    /// Without its footer, no reader takes it for a file.
    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {
        self.0 = None;
    }
}
