//! CSV files, of which the columns are found by the names in their first line.
//!
//! DataFusion's reader takes the columns of every file to stand in the order of the first, and
//! reads by other texts for NULL than it infers types by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use bytes::BytesMut;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{CsvSource, FileSource};
use datafusion::error::{DataFusionError, Result};
use datafusion_datasource::decoder::{DecoderDeserializer, deserialize_stream};
use datafusion_datasource::file_stream::{FileOpenFuture, FileOpener};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use orbit_core::{Error, ErrorKind};
use regex::Regex;

use super::arrow::select;
use super::bounded::Bounded;
use super::text::{self, Text};
use crate::error::to_datafusion;

/// Bytes within which the first line ends and the second begins.
const HEADER_BYTES_MAX: usize = 16 << 20;

/// Values of a batch, also of columns that are not wanted: before the reader takes the first, it
/// makes room for all of them, 16 bytes each.
const BATCH_VALUES_MAX: usize = 2 << 20;

/// Opens files as batches of the columns `wanted`.
#[derive(Clone)]
pub(super) struct CsvOpener {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) csv: CsvSource,
    /// Texts that are NULL.
    pub(super) null: Option<Regex>,
    pub(super) wanted: SchemaRef,
    pub(super) batch_rows: usize,
    pub(super) packing: FileCompressionType,
}

impl CsvOpener {
    /// The columns of a file that has a first line of names, and its text from the start.
    async fn header(&self, mut text: Text) -> Result<(Schema, Text)> {
        let mut format = Format::default()
            .with_header(true)
            .with_delimiter(self.csv.delimiter())
            .with_quote(self.csv.quote())
            .with_truncated_rows(true);
        if let Some(escape) = self.csv.escape() {
            format = format.with_escape(escape);
        }
        if let Some(comment) = self.csv.comment() {
            format = format.with_comment(comment);
        }
        let (mut start, mut parse_at) = (BytesMut::new(), 0);
        loop {
            let next = text.try_next().await?;
            let is_end = next.is_none();
            start.extend(next);
            if start.len() < parse_at && !is_end {
                continue;
            }
            // A line that is longer than what was gathered is not parsed for every chunk.
            parse_at = 2 * start.len();
            match format.infer_schema(start.as_ref(), Some(1)) {
                // A second line has begun, so the first is whole.
                Ok((schema, rows)) if rows > 0 || is_end => {
                    let start = stream::once(futures::future::ok(start.freeze()));
                    return Ok((schema, start.chain(text).boxed()));
                }
                Err(error) if is_end => return Err(error.into()),
                _ if start.len() > HEADER_BYTES_MAX => {
                    let message = format!("no line of names ends within {HEADER_BYTES_MAX} bytes");
                    return Err(to_datafusion(Error::new(ErrorKind::DataInvalid, message)));
                }
                _ => {}
            }
        }
    }

    /// The columns of a file that are named `names`, with the types that the table gives them.
    fn typed(&self, names: &Schema) -> Result<Schema> {
        let mut seen = HashSet::new();
        if let Some(twice) = names.fields().iter().find(|field| !seen.insert(field.name())) {
            let message = format!("the file has two columns `{}`", twice.name());
            return Err(to_datafusion(Error::new(ErrorKind::DataInvalid, message)));
        }
        let table = self.csv.table_schema().file_schema().fields().iter();
        // A table may have as many columns as its first line holds.
        let types: HashMap<_, _> = table.map(|known| (known.name(), known.data_type())).collect();
        let typed = names.fields().iter().map(|field| {
            let data_type = types.get(field.name()).copied().unwrap_or(&DataType::Utf8);
            Field::new(field.name(), data_type.clone(), true)
        });
        Ok(Schema::new(typed.collect::<Vec<_>>()))
    }

    /// The wanted columns of a file that has the columns `file`.
    fn rows(&self, file: &Schema, text: Text) -> BoxStream<'static, Result<RecordBatch>> {
        let names: HashSet<_> = self.wanted.fields().iter().map(|field| field.name()).collect();
        let fields = file.fields().iter().enumerate();
        let present = fields.filter(|(_, field)| names.contains(field.name()));
        let present = present.map(|(index, _)| index).collect();
        let mut reader = ReaderBuilder::new(finer(file))
            .with_header(self.csv.has_header())
            .with_delimiter(self.csv.delimiter())
            .with_quote(self.csv.quote())
            .with_projection(present)
            .with_batch_size(batch_rows(self.batch_rows, file.fields().len()));
        if let Some(null) = &self.null {
            reader = reader.with_null_regex(null.clone());
        }
        if let Some(escape) = self.csv.escape() {
            reader = reader.with_escape(escape);
        }
        if let Some(comment) = self.csv.comment() {
            reader = reader.with_comment(comment);
        }
        let decoder = DecoderDeserializer::new(Bounded::new(reader.build_decoder()));
        let wanted = Arc::clone(&self.wanted);
        let rows =
            deserialize_stream(text::in_lines(text).fuse(), decoder).map_err(DataFusionError::from);
        rows.map(move |batch| select(&batch?, &wanted)).boxed()
    }
}

/// The rows of a batch of so many columns.
fn batch_rows(rows_max: usize, columns: usize) -> usize {
    rows_max.min(BATCH_VALUES_MAX / columns.max(1)).max(1)
}

/// The columns as they are read, moments and decimals finer than their types: the reader would leave
/// out what a type cannot hold, where a moment is to be an error and a decimal is to be rounded.
fn finer(columns: &Schema) -> SchemaRef {
    use TimeUnit::{Microsecond, Millisecond, Second};
    let fine = |field: &FieldRef| {
        let fine = match field.data_type() {
            DataType::Timestamp(Second | Millisecond, zone) => {
                DataType::Timestamp(Microsecond, zone.clone())
            }
            DataType::Date32 => DataType::Utf8,
            decimal if decimal.is_decimal() => DataType::Utf8,
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(fine))
    };
    Arc::new(Schema::new(columns.fields().iter().map(fine).collect::<Vec<_>>()))
}

impl FileOpener for CsvOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let this = self.clone();
        Ok(Box::pin(async move {
            let location = &file.object_meta.location;
            let text = text::open(&*this.store, location, this.packing).await?;
            if !this.csv.has_header() {
                return Ok(this.rows(this.csv.table_schema().file_schema(), text));
            }
            let (names, text) = this.header(text).await?;
            if names.fields().is_empty() {
                // There are blank lines and comments at most.
                return Ok(stream::empty().boxed());
            }
            Ok(this.rows(&this.typed(&names)?, text))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_many_columns_have_few_rows() {
        let rows = [0, 1, 256, 5000, 100_000_000].map(|columns| batch_rows(8192, columns));
        assert_eq!(rows, [8192, 8192, 8192, 419, 1]);
    }
}
