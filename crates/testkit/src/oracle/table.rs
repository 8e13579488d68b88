//! Tables of the corpus: text, SQL that makes them, and Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};

use super::literal;

/// How NULL is written.
const NULL: &str = "\\N";

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in PostgreSQL's words, such as `int4` or `numeric(12,2)`.
    pub sql_type: String,
}

/// A table: values as PostgreSQL reads them.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; none is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Reads tables from text: `table NAME`, a line of `name type` between bars, a line for each
    /// row, and an empty line.
    ///
    /// # Errors
    /// The line that is wrong.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
        blocks.filter(|block| !block.is_empty()).map(Self::parse).collect()
    }

    fn parse(block: &str) -> Result<Self, String> {
        let mut lines = block.lines();
        let first = lines.next().unwrap_or_default();
        let name = first.strip_prefix("table ").ok_or_else(|| format!("no table: {first}"))?;
        let mut columns = Vec::new();
        for column in lines.next().unwrap_or_default().split('|') {
            let (name, sql_type) =
                column.split_once(' ').ok_or_else(|| format!("{first}: no type: {column}"))?;
            columns.push(Column { name: name.to_string(), sql_type: sql_type.to_string() });
        }
        let rows: Vec<Vec<_>> = lines
            .map(|line| line.split('|').map(|v| (v != NULL).then(|| v.to_string())).collect())
            .collect();
        match rows.iter().find(|row| row.len() != columns.len()) {
            Some(row) => Err(format!("{first}: {row:?} has {} values", row.len())),
            None => Ok(Self { name: name.to_string(), columns, rows }),
        }
    }

    /// The statement that creates it, in the words that PostgreSQL and DuckDB share.
    pub fn create_sql(&self) -> String {
        let column = |column: &Column| format!("{} {}", column.name, column.sql_type);
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        format!("CREATE TABLE {} ({})", self.name, columns.join(", "))
    }

    /// The statement that fills it, if it has rows; `bytes` writes a value of type `bytea`, given
    /// as `\x` and hexadecimal digits.
    pub fn insert_sql(&self, bytes: impl Fn(&str) -> String) -> Option<String> {
        let value = |(value, column): (&Option<String>, &Column)| match value {
            None => "NULL".to_string(),
            Some(value) if column.sql_type == "bytea" => format!("'{}'", bytes(value)),
            Some(value) => format!("'{}'", value.replace('\'', "''")),
        };
        let row = |row: &Vec<Option<String>>| {
            let values: Vec<_> = row.iter().zip(&self.columns).map(value).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        (!rows.is_empty()).then(|| format!("INSERT INTO {} VALUES {}", self.name, rows.join(", ")))
    }

    /// The table as one batch.
    ///
    /// # Errors
    /// Of a type or a value that Arrow does not read.
    pub fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let mut values = self.rows.iter().map(|row| row[at].as_deref());
            let array = array(&column.sql_type, &mut values)?;
            fields.push(Field::new(&column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

fn array(
    sql_type: &str,
    values: &mut dyn Iterator<Item = Option<&str>>,
) -> Result<ArrayRef, ArrowError> {
    if sql_type == "bytea" {
        let bytes: Vec<_> = values.map(|value| value.and_then(literal::bytes)).collect();
        return Ok(Arc::new(BinaryArray::from_iter(bytes)));
    }
    if sql_type == "timestamptz" {
        let mut local = values.map(|value| value.map(|v| v.trim_end_matches("+00")));
        let instants = array("timestamp", &mut local)?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>().clone();
        return Ok(Arc::new(instants.with_timezone("UTC")));
    }
    let texts: StringArray = values.collect();
    let data_type = arrow_type(sql_type)
        .ok_or_else(|| ArrowError::NotYetImplemented(format!("type {sql_type} of a table")))?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&texts, &data_type, &options)
}

fn arrow_type(sql_type: &str) -> Option<DataType> {
    if let Some(numbers) = sql_type.strip_prefix("numeric(").and_then(|s| s.strip_suffix(')')) {
        let (precision, scale) = numbers.split_once(',')?;
        return Some(DataType::Decimal128(precision.parse().ok()?, scale.parse().ok()?));
    }
    Some(match sql_type {
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "text" => DataType::Utf8,
        "bool" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "time" => DataType::Time64(TimeUnit::Microsecond),
        _ => return None,
    })
}
