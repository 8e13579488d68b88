//! Arrow columns that grow value by value, as a wire delivers them: no value has an allocation
//! of its own, and text is checked once for a batch.

use std::fmt;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
    StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, IntervalUnit, SchemaRef, TimeUnit};
use orbit_core::{Error, ErrorKind, Result};

/// Why a value does not go into its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The bytes are not a value of this type.
    Malformed,
    /// Arrow's type cannot hold it, such as an infinite date.
    OutOfRange,
    /// It has more digits than the column's precision and scale hold.
    Digits,
    /// The batch's text or bytes are more than 2 GiB.
    TooLarge,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "cannot be read as",
            Self::OutOfRange => "is outside of what can be held by",
            Self::Digits => "has more digits than fit",
            Self::TooLarge => "makes a batch of more than 2 GiB of",
        })
    }
}

/// Values of one fixed width.
#[derive(Debug)]
pub struct Fixed<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Fixed<T> {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: T::Native) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.values.push(T::Native::default());
        self.nulls.append_null();
    }

    fn finish(&mut self, rows: usize, data_type: &DataType) -> ArrayRef {
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(rows));
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), self.nulls.finish());
        Arc::new(array.with_data_type(data_type.clone()))
    }
}

/// Values of any length.
#[derive(Debug)]
pub struct Variable {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Variable {
    fn with_capacity(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { values: Vec::new(), offsets, nulls: NullBufferBuilder::new(rows) }
    }

    /// Appends a value.
    ///
    /// # Errors
    /// `TooLarge` when all values together are more than 2 GiB.
    #[inline]
    pub fn push(&mut self, value: &[u8]) -> Result<(), Misfit> {
        self.values.extend_from_slice(value);
        self.close(true)
    }

    /// Appends a value that `write` adds to the bytes.
    ///
    /// # Errors
    /// Those of `write`, and `TooLarge`.
    pub fn push_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Misfit>,
    ) -> Result<(), Misfit> {
        write(&mut self.values)?;
        self.close(true)
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) -> Result<(), Misfit> {
        self.close(false)
    }

    #[inline]
    fn close(&mut self, valid: bool) -> Result<(), Misfit> {
        let end = i32::try_from(self.values.len()).map_err(|_| Misfit::TooLarge)?;
        self.offsets.push(end);
        self.nulls.append(valid);
        Ok(())
    }

    fn take(
        &mut self,
        rows: usize,
    ) -> (OffsetBuffer<i32>, Buffer, Option<arrow_buffer::NullBuffer>) {
        let fresh = Self::with_capacity(rows);
        let Self { values, offsets, mut nulls } = std::mem::replace(self, fresh);
        let nulls = nulls.finish();
        // The offsets start at zero and only grow.
        (OffsetBuffer::new(offsets.into()), Buffer::from_vec(values), nulls)
    }
}

/// Truth values.
#[derive(Debug)]
pub struct Truths {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl Truths {
    /// Appends a value, or NULL.
    #[inline]
    pub fn push(&mut self, value: Option<bool>) {
        self.values.append(value.unwrap_or_default());
        self.nulls.append(value.is_some());
    }
}

/// One growing column.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is named after the Arrow type that it becomes")]
pub enum Column {
    Boolean(Truths),
    Int16(Fixed<Int16Type>),
    Int32(Fixed<Int32Type>),
    Int64(Fixed<Int64Type>),
    Float32(Fixed<Float32Type>),
    Float64(Fixed<Float64Type>),
    /// With its precision and scale.
    Decimal128(Fixed<Decimal128Type>, u8, i8),
    Utf8(Variable),
    Binary(Variable),
    Date32(Fixed<Date32Type>),
    Time64(Fixed<Time64MicrosecondType>),
    Timestamp(Fixed<TimestampMicrosecondType>),
    Interval(Fixed<IntervalMonthDayNanoType>),
}

impl Column {
    /// An empty column of this type; none for a type that no column here becomes.
    pub fn new(data_type: &DataType, rows: usize) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(Truths {
                values: BooleanBufferBuilder::new(rows),
                nulls: NullBufferBuilder::new(rows),
            }),
            DataType::Int16 => Self::Int16(Fixed::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Fixed::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Fixed::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Fixed::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Fixed::with_capacity(rows)),
            DataType::Decimal128(precision, scale) => {
                Self::Decimal128(Fixed::with_capacity(rows), *precision, *scale)
            }
            DataType::Utf8 => Self::Utf8(Variable::with_capacity(rows)),
            DataType::Binary => Self::Binary(Variable::with_capacity(rows)),
            DataType::Date32 => Self::Date32(Fixed::with_capacity(rows)),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time64(Fixed::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Timestamp(Fixed::with_capacity(rows))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::Interval(Fixed::with_capacity(rows))
            }
            _ => return None,
        })
    }

    /// Appends NULL.
    ///
    /// # Errors
    /// `TooLarge` when the column is full.
    pub fn push_null(&mut self) -> Result<(), Misfit> {
        match self {
            Self::Boolean(column) => column.push(None),
            Self::Int16(column) => column.push_null(),
            Self::Int32(column) => column.push_null(),
            Self::Int64(column) => column.push_null(),
            Self::Float32(column) => column.push_null(),
            Self::Float64(column) => column.push_null(),
            Self::Decimal128(column, ..) => column.push_null(),
            Self::Utf8(column) | Self::Binary(column) => column.push_null()?,
            Self::Date32(column) => column.push_null(),
            Self::Time64(column) => column.push_null(),
            Self::Timestamp(column) => column.push_null(),
            Self::Interval(column) => column.push_null(),
        }
        Ok(())
    }

    fn finish(&mut self, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        Ok(match self {
            Self::Boolean(column) => {
                let values = column.values.finish();
                Arc::new(BooleanArray::new(values, column.nulls.finish()))
            }
            Self::Int16(column) => column.finish(rows, data_type),
            Self::Int32(column) => column.finish(rows, data_type),
            Self::Int64(column) => column.finish(rows, data_type),
            Self::Float32(column) => column.finish(rows, data_type),
            Self::Float64(column) => column.finish(rows, data_type),
            Self::Decimal128(column, ..) => column.finish(rows, data_type),
            Self::Utf8(column) => {
                let (offsets, values, nulls) = column.take(rows);
                let text = StringArray::try_new(offsets, values, nulls);
                Arc::new(text.map_err(|e| {
                    Error::new(ErrorKind::DataInvalid, "the source sent text that is not UTF-8")
                        .with_source(e)
                })?)
            }
            Self::Binary(column) => {
                let (offsets, values, nulls) = column.take(rows);
                Arc::new(BinaryArray::try_new(offsets, values, nulls).map_err(unexpected)?)
            }
            Self::Date32(column) => column.finish(rows, data_type),
            Self::Time64(column) => column.finish(rows, data_type),
            Self::Timestamp(column) => column.finish(rows, data_type),
            Self::Interval(column) => column.finish(rows, data_type),
        })
    }
}

fn unexpected(error: arrow_schema::ArrowError) -> Error {
    Error::new(ErrorKind::Unexpected, "a batch cannot be built").with_source(error)
}

/// The columns of a batch that grows row by row.
#[derive(Debug)]
pub struct ColumnBatch {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    rows_max: usize,
    bytes_max: usize,
    /// For how many rows a column has room before it grows.
    rows_expected: usize,
}

impl ColumnBatch {
    /// An empty batch that is full at `rows_max` rows, or once its rows had `bytes_max` bytes on
    /// the wire.
    ///
    /// # Errors
    /// `Unsupported` for a column whose type is not built here; it is named.
    pub fn new(schema: SchemaRef, rows_max: usize, bytes_max: usize) -> Result<Self> {
        // A table of many columns has few rows in so many bytes.
        let row_bytes = schema.fields().len().max(1) * size_of::<i64>();
        let rows_expected = (bytes_max / row_bytes).clamp(1, rows_max.max(1));
        let column = |field: &Arc<arrow_schema::Field>| {
            Column::new(field.data_type(), rows_expected).ok_or_else(|| {
                let message = format!("no column is read as {}", field.data_type());
                Error::new(ErrorKind::Unsupported, message)
                    .with_context("column", field.name().as_str())
            })
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_>>()?;
        Ok(Self { schema, columns, rows: 0, bytes: 0, rows_max, bytes_max, rows_expected })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns, each of which takes one value for a row.
    pub fn columns(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Counts a row whose values were all appended, and its bytes on the wire.
    #[inline]
    pub fn end_row(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }

    /// Whether it has to be finished before the next row.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.rows >= self.rows_max || self.bytes >= self.bytes_max
    }

    /// The bytes that its rows had on the wire.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows so far as a batch; the columns are empty afterwards.
    ///
    /// # Errors
    /// `DataInvalid` for text that is not UTF-8.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let fields = self.schema.fields().iter();
        let arrays = fields.zip(&mut self.columns).map(|(field, column)| {
            let finished = column.finish(self.rows_expected, field.data_type());
            finished.map_err(|e| e.with_context("column", field.name().as_str()))
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|e| {
            Error::new(ErrorKind::DataInvalid, "the source's rows do not fit their schema")
                .with_source(e)
        })
    }

    /// The error for a value that does not go into the column at `index`.
    pub fn misfit(&self, index: usize, misfit: Misfit) -> Error {
        let field = self.schema.field(index);
        let message = format!("a value {misfit} {}", field.data_type());
        Error::new(ErrorKind::DataInvalid, message).with_context("column", field.name().as_str())
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Field, Schema};

    use super::*;

    #[test]
    fn few_rows_of_many_columns_are_a_small_batch() {
        let field = |i| Field::new(format!("c{i}"), DataType::Int64, true);
        let schema = Arc::new(Schema::new((0..1600).map(field).collect::<Vec<_>>()));
        let mut batch = ColumnBatch::new(schema, 8192, 4 << 20).unwrap();
        for _ in 0..2 {
            for column in batch.columns() {
                column.push_null().unwrap();
            }
            batch.end_row(0);
            let batch = batch.finish().unwrap();
            let bytes = batch.get_array_memory_size();
            assert!(batch.num_rows() == 1 && bytes < 8 << 20, "{bytes} bytes");
        }
    }
}
