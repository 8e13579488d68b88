//! JSON files: one object a line, or an array of them.
//!
//! The columns are inferred from a part of the rows. DataFusion's reader leaves out what a later
//! row has beside them; here such a row is an error that names the column.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Fields, Schema, SchemaRef};
use bytes::{Buf, Bytes, BytesMut};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::error::{DataFusionError, Result};
use datafusion_datasource::boundary_stream::AlignedBoundaryStream;
use datafusion_datasource::decoder::{DecoderDeserializer, deserialize_stream};
use datafusion_datasource::file_stream::{FileOpenFuture, FileOpener};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use orbit_core::{Error, ErrorKind};
use serde_json::{Deserializer, Value};

use super::arrow::select;
use super::bounded::{Bounded, ROW_BYTES_MAX};
use super::json_type::{self, widened};
use super::merge::{COLUMNS_MAX, too_many_columns};
use super::text::{self, Text, invalid};
use crate::error::{of_file, to_datafusion};

/// Text that is gathered before its values are looked at for the first time.
const PARSED_BYTES_MIN: usize = 64 << 10;

/// What inferring the columns has told of the files beside them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Rows were left out, and may have further columns.
    pub(super) is_sample: bool,
    /// Each row is a line, so that a file can be read in parts.
    pub(super) is_lines: bool,
}

/// The type of the first rows of a text, and what is known of the rest.
pub(super) async fn sample(text: Text, rows_max: usize) -> Result<(DataType, Shape)> {
    let (mut text, is_array) = values(text).await?;
    let (mut buffer, mut parse_at) = (BytesMut::new(), PARSED_BYTES_MIN);
    let (mut common, mut rows) = (DataType::Struct(Fields::empty()), 0);
    let mut is_sample = false;
    while !is_sample {
        let next = text.try_next().await?;
        let is_end = next.is_none();
        buffer.extend(next);
        if buffer.len() >= parse_at || is_end {
            let mut parsed = Deserializer::from_slice(&buffer).into_iter::<Value>();
            let mut used = 0;
            while let Some(value) = parsed.next() {
                match value {
                    Ok(_) if rows == rows_max => is_sample = true,
                    Ok(value) => {
                        let text = &buffer[used..parsed.byte_offset()];
                        common = type_of_both(&common, &type_of_row(&value, text)?)?;
                        rows += 1;
                    }
                    Err(error) if error.is_eof() && !is_end => break,
                    Err(error) => return Err(not_json(&error)),
                }
                if is_sample {
                    break;
                }
                used = parsed.byte_offset();
            }
            buffer.advance(used);
            if buffer.len() > ROW_BYTES_MAX {
                return Err(to_datafusion(text::too_long("row")));
            }
            // A value that is longer than what was gathered is not parsed for every chunk.
            parse_at = PARSED_BYTES_MIN.max(2 * buffer.len());
        }
        if is_end {
            break;
        }
    }
    Ok((common, Shape { is_sample, is_lines: !is_array }))
}

/// The type that holds the rows of both types.
///
/// # Errors
/// `ResourceExhausted` for too many columns.
pub(super) fn type_of_both(a: &DataType, b: &DataType) -> Result<DataType> {
    match widened(a, b) {
        DataType::Struct(columns) if columns.len() > COLUMNS_MAX => {
            Err(to_datafusion(too_many_columns()))
        }
        both => Ok(both),
    }
}

fn not_json(error: &serde_json::Error) -> DataFusionError {
    invalid(format!("not valid JSON: {error}"))
}

fn type_of_row(row: &Value, text: &[u8]) -> Result<DataType> {
    match json_type::type_of_row(row, text).map_err(|error| not_json(&error))? {
        columns @ DataType::Struct(_) => Ok(columns),
        _ => Err(invalid("a row is not a JSON object")),
    }
}

/// The values of a text, one after the other, and whether an array held them.
async fn values(mut text: Text) -> Result<(Text, bool)> {
    let mut start = Bytes::new();
    let is_array = loop {
        match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(first) => break *first == b'[',
            None => match text.try_next().await? {
                Some(chunk) => start = chunk,
                None => break false,
            },
        }
    };
    let start = (!start.is_empty()).then_some(Ok(start));
    let text = stream::iter(start).chain(text).boxed();
    let text = if is_array { Unwrapping::default().lines(text) } else { text };
    Ok((text::in_lines(text), is_array))
}

/// Takes values out of an array: what stands between them becomes the end of a line.
#[derive(Default)]
struct Unwrapping {
    depth: usize,
    in_text: bool,
    escaped: bool,
    ended: bool,
}

impl Unwrapping {
    fn lines(self, text: Text) -> Text {
        let lines = stream::try_unfold((self, text), |(mut this, mut text)| async move {
            match text.try_next().await? {
                Some(chunk) => {
                    let mut chunk = Vec::from(chunk);
                    for byte in &mut chunk {
                        *byte = this.taken(*byte)?;
                    }
                    Ok(Some((Bytes::from(chunk), (this, text))))
                }
                None if this.ended => Ok(None),
                None => Err(invalid("not valid JSON: the file ends within its array")),
            }
        });
        lines.boxed()
    }

    fn taken(&mut self, byte: u8) -> Result<u8> {
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return Ok(byte);
        }
        if self.ended && !byte.is_ascii_whitespace() {
            return Err(invalid("not valid JSON: the file goes on after its array"));
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let is_outermost = match byte {
            b'[' | b',' => self.depth == 1,
            b']' => self.depth == 0,
            _ => false,
        };
        self.ended |= is_outermost && byte == b']';
        Ok(if is_outermost { b'\n' } else { byte })
    }
}

/// Opens files as batches of the columns `wanted`.
#[derive(Clone)]
pub(super) struct JsonOpener {
    pub(super) store: Arc<dyn ObjectStore>,
    /// All columns of the files that are known.
    pub(super) columns: SchemaRef,
    pub(super) wanted: SchemaRef,
    pub(super) shape: Shape,
    pub(super) batch_rows: usize,
    pub(super) packing: FileCompressionType,
}

impl JsonOpener {
    async fn text(&self, file: &PartitionedFile) -> Result<Text> {
        let meta = &file.object_meta;
        let Some(range) = &file.range else {
            return text::open(&*self.store, &meta.location, self.packing).await;
        };
        let part = AlignedBoundaryStream::new(
            Arc::clone(&self.store),
            meta.location.clone(),
            u64::try_from(range.start).unwrap_or(0),
            u64::try_from(range.end).unwrap_or(0),
            meta.size,
            b'\n',
        );
        let part = part.await?.map_err(DataFusionError::from).boxed();
        text::unpacked(part, self.packing).await
    }

    fn rows(&self, text: Text) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        // A column that nobody knows is seen only by who decodes all that are known.
        let columns = if self.shape.is_sample { &self.columns } else { &self.wanted };
        let decoder = ReaderBuilder::new(json_type::exact(columns))
            .with_batch_size(self.batch_rows)
            .with_strict_mode(self.shape.is_sample)
            .with_coerce_primitive(true)
            .build_decoder()?;
        let decoder = DecoderDeserializer::new(Bounded::new(decoder));
        let rows = deserialize_stream(text.fuse(), decoder).map_err(DataFusionError::from);
        let wanted = Arc::clone(&self.wanted);
        let rows = rows.map_err(named).map(move |batch| select(&batch?, &wanted));
        Ok(rows.boxed())
    }
}

impl FileOpener for JsonOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let this = self.clone();
        Ok(Box::pin(async move {
            let (text, _) = values(this.text(&file).await?).await?;
            this.rows(text)
        }))
    }
}

/// How the decoder says that it found an object or a list, or none.
const OTHER_KIND: [&str; 4] =
    ["expected string got {", "expected string got [", "expected { got ", "expected [ got "];

/// The error with the column that the rows before did not have, or with what to do about values
/// of two kinds.
fn named(error: DataFusionError) -> DataFusionError {
    let said = error.to_string();
    if OTHER_KIND.iter().any(|words| said.contains(words)) {
        let hint = "no type holds objects or lists beside other values: write them as texts";
        return to_datafusion(of_file(&error).with_hint(hint));
    }
    let column = said.split_once("column '").and_then(|(_, rest)| {
        let (column, _) = rest.split_once("' missing from schema")?;
        Some(column.to_owned())
    });
    let Some(column) = column else { return error };
    let message =
        format!("the column `{column}` comes after the rows from which columns are inferred");
    let hint = "raise `infer_rows_max` of the table, or name the column under its `columns`";
    to_datafusion(Error::new(ErrorKind::DataInvalid, message).with_hint(hint))
}

/// The columns of rows of this type.
pub(super) fn schema(rows: DataType) -> SchemaRef {
    match rows {
        DataType::Struct(columns) => Arc::new(Schema::new(columns)),
        _ => Arc::new(Schema::empty()),
    }
}
