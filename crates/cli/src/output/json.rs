//! JSON: an array of row objects, one object a line, and the machine's envelope.

use std::fmt::Debug;
use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_json::EncoderOptions;
use arrow_json::writer::{
    Encoder, EncoderFactory, JsonFormat, LineDelimited, NullableEncoder, Writer, WriterBuilder,
};
use arrow_schema::{ArrowError, DataType, FieldRef, SchemaRef};
use orbit_core::TallySnapshot;
use serde_json::{Value, json};

use super::{Outcome, RowWriter, type_name};
use crate::failure::{Failure, Result};

/// How values are encoded, alone and inside others.
pub(super) fn encoder_options() -> EncoderOptions {
    EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(Floats))
}

fn writer<F: JsonFormat>() -> Writer<Vec<u8>, F> {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Floats))
        .build(Vec::new())
}

/// Encodes the floats that JSON has no number for as text; by themselves they would be null.
#[derive(Debug)]
struct Floats;

impl EncoderFactory for Floats {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        Ok(match array.data_type() {
            DataType::Float16 => float_encoder(array.as_primitive::<Float16Type>()),
            DataType::Float32 => float_encoder(array.as_primitive::<Float32Type>()),
            DataType::Float64 => float_encoder(array.as_primitive::<Float64Type>()),
            _ => None,
        })
    }
}

fn float_encoder<T>(array: &PrimitiveArray<T>) -> Option<NullableEncoder<'_>>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64> + Debug,
{
    if array.values().iter().all(|&value| value.into().is_finite()) {
        return None;
    }
    Some(NullableEncoder::new(Box::new(Float(array)), array.nulls().cloned()))
}

struct Float<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T> Encoder for Float<'_, T>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64> + Debug,
{
    fn encode(&mut self, idx: usize, out: &mut Vec<u8>) {
        let value = self.0.value(idx);
        let text = match value.into() {
            v if v.is_nan() => "\"NaN\"".to_owned(),
            f64::INFINITY => "\"Infinity\"".to_owned(),
            f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
            _ => format!("{value:?}"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// An array with a row on each line.
#[derive(Debug, Default)]
pub(super) struct RowPerLine;

impl JsonFormat for RowPerLine {
    fn start_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"\n]")?)
    }
}

/// Row objects.
pub(super) struct Rows<F: JsonFormat>(Writer<Vec<u8>, F>);

impl Rows<RowPerLine> {
    /// In an array.
    pub(super) fn array() -> Self {
        Self(writer())
    }
}

impl Rows<LineDelimited> {
    /// One a line.
    pub(super) fn lines() -> Self {
        Self(writer())
    }
}

impl<F: JsonFormat> RowWriter for Rows<F> {
    fn begin(&mut self, _schema: &SchemaRef, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.0.write(batch).map_err(Failure::format)?;
        out.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, _outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        self.0.finish().map_err(Failure::format)?;
        out.append(self.0.get_mut());
        if out.last().is_some_and(|byte| *byte != b'\n') {
            out.push(b'\n');
        }
        Ok(())
    }

    /// An array that is not closed is no JSON; lines have only their exit code.
    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {}
}

/// The machine's envelope: columns, rows, and what is known at the end.
pub(super) struct Envelope(Writer<Vec<u8>, RowPerLine>);

impl Default for Envelope {
    fn default() -> Self {
        Self(writer())
    }
}

impl Envelope {
    /// Closes the rows, then writes the members of `end` and closes the whole.
    fn close(&mut self, end: &Value, out: &mut Vec<u8>) -> Result<()> {
        self.0.finish().map_err(Failure::format)?;
        out.append(self.0.get_mut());
        let members = end.to_string();
        let members = members.trim_start_matches('{');
        out.extend_from_slice(b",\n");
        out.extend_from_slice(members.as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

impl RowWriter for Envelope {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns_json(schema);
        write!(out, "{{\"columns\":{columns},\n\"rows\":").map_err(Failure::output)
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.0.write(batch).map_err(Failure::format)?;
        out.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        let truncation = outcome.summary.truncation.as_ref();
        let end = json!({
            "row_count": outcome.rows,
            "rows_affected": outcome.summary.rows_affected,
            "truncated": truncation.is_some(),
            "truncation": truncation.map(|t| json!({
                "limit_rows": t.limit_rows,
                "total_rows": t.total_rows,
            })),
            "warnings": outcome.summary.warnings,
            "statistics": statistics(outcome),
        });
        self.close(&end, out)
    }

    /// What was written is no result, so the envelope says so and holds the error.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        let end = json!({ "error": failure.json() });
        // It failed already; the failure told is the first one.
        self.close(&end, out).ok();
    }
}

/// The columns of a schema.
pub(crate) fn columns_json(schema: &SchemaRef) -> Value {
    let column = |field: &FieldRef| {
        json!({
            "name": field.name(),
            "type": type_name(field.data_type()),
            "nullable": field.is_nullable(),
        })
    };
    schema.fields().iter().map(column).collect()
}

fn statistics(outcome: &Outcome) -> Value {
    let sources: serde_json::Map<String, Value> =
        outcome.sources.iter().map(|(name, moved)| (name.clone(), moved_json(moved))).collect();
    json!({
        "query_id": outcome.query_id.map(|id| id.to_string()),
        "statement_id": outcome.summary.statement_id,
        "elapsed_ms": u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
        "bytes_processed": outcome.summary.bytes_processed,
        "sources": sources,
    })
}

/// What was moved to and from a datasource.
pub(crate) fn moved_json(moved: &TallySnapshot) -> Value {
    let TallySnapshot { statements, requests, bytes_read, bytes_written, rows, retries } = moved;
    json!({
        "statements": statements,
        "requests": requests,
        "bytes_read": bytes_read,
        "bytes_written": bytes_written,
        "rows": rows,
        "retries": retries,
    })
}
