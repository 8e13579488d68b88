//! CSV as PostgreSQL writes it: NULL is nothing between the commas, an empty text is `""`.

use std::io::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_json::EncoderOptions;
use arrow_json::writer::{NullableEncoder, make_encoder};
use arrow_schema::{DataType, FieldRef, SchemaRef};

use super::json::encoder_options;
use super::{Outcome, RowWriter};
use crate::failure::{Failure, Result};

/// CSV with a line of names.
#[derive(Debug)]
pub(super) struct Csv {
    nested: EncoderOptions,
}

impl Default for Csv {
    fn default() -> Self {
        Self { nested: encoder_options() }
    }
}

/// The values of a column.
enum Cells<'a> {
    Text(&'a StringArray),
    Plain(Option<NullBuffer>, ArrayFormatter<'a>),
    /// Lists, structs and maps are JSON texts.
    Nested(NullableEncoder<'a>),
}

impl<'a> Cells<'a> {
    fn new(field: &'a FieldRef, array: &'a dyn Array, nested: &'a EncoderOptions) -> Result<Self> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(false);
        if let Some(text) = array.as_string_opt::<i32>() {
            return Ok(Self::Text(text));
        }
        if is_nested(array.data_type()) {
            return make_encoder(field, array, nested).map(Self::Nested).map_err(Failure::format);
        }
        let formatter = ArrayFormatter::try_new(array, &OPTIONS).map_err(Failure::format)?;
        Ok(Self::Plain(array.logical_nulls(), formatter))
    }

    /// Appends the value of a row.
    fn write(&mut self, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        scratch.clear();
        match self {
            Self::Text(array) if array.is_null(row) => return Ok(()),
            Self::Text(array) => {
                quote(array.value(row).as_bytes(), out);
                return Ok(());
            }
            Self::Plain(Some(nulls), _) if nulls.is_null(row) => return Ok(()),
            Self::Plain(_, formatter) => {
                let value = formatter.value(row).try_to_string().map_err(Failure::format)?;
                scratch.extend_from_slice(value.as_bytes());
            }
            Self::Nested(encoder) if encoder.is_null(row) => return Ok(()),
            Self::Nested(encoder) => encoder.encode(row, scratch),
        }
        quote(scratch, out);
        Ok(())
    }
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        other => other.is_nested(),
    }
}

/// Appends a value, quoted where it must be.
fn quote(value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() && !value.iter().any(|b| matches!(b, b'"' | b',' | b'\n' | b'\r')) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for &byte in value {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

impl RowWriter for Csv {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            quote(field.name().as_bytes(), out);
        }
        out.write_all(b"\n").map_err(Failure::output)
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let schema = batch.schema_ref();
        let columns = schema.fields().iter().zip(batch.columns());
        let mut columns = columns
            .map(|(field, array)| Cells::new(field, array.as_ref(), &self.nested))
            .collect::<Result<Vec<_>>>()?;
        let mut scratch = Vec::new();
        for row in 0..batch.num_rows() {
            for (i, column) in columns.iter_mut().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                column.write(row, &mut scratch, out)?;
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, _outcome: &Outcome, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {}
}
