//! The source's columns as Arrow's, by one rule that is the same for every piece of a result.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use orbit_core::{ColumnDescription, Error, ErrorKind, Result};

use crate::config::{TimestampUnit, WideIntegers};
use crate::protocol::RowType;

/// What the settings say of types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeRules {
    pub wide_integers: WideIntegers,
    pub timestamps: TimestampUnit,
}

/// How a column's values are turned into Arrow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they come.
    Plain,
    /// Whole numbers at this scale.
    Fixed { scale: i8 },
    /// Units of this scale since midnight.
    Time { scale: u32 },
    /// Units of this scale since 1970, with an offset in minutes where `zoned`.
    Moment { scale: u32, zoned: bool },
}

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub field: Field,
    pub form: Form,
    pub source_type: String,
    pub binary_collation: bool,
}

/// The columns of a result.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub schema: SchemaRef,
    pub columns: Vec<Column>,
}

impl Columns {
    /// The columns that the source tells.
    ///
    /// # Errors
    /// `Unsupported` for a type that has no place in Arrow here, by its name.
    pub(crate) fn of(row_type: &[RowType], rules: TypeRules) -> Result<Self> {
        let columns = row_type.iter().map(|told| column(told, rules));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let fields: Vec<_> = columns.iter().map(|c| c.field.clone()).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), columns })
    }

    /// The columns as a description.
    pub(crate) fn descriptions(&self) -> Vec<ColumnDescription> {
        let describe = |column: &Column| ColumnDescription {
            name: column.field.name().clone(),
            data_type: column.field.data_type().clone(),
            source_type: column.source_type.clone(),
            binary_collation: column.binary_collation,
            comment: None,
        };
        self.columns.iter().map(describe).collect()
    }
}

fn column(told: &RowType, rules: TypeRules) -> Result<Column> {
    let kind = told.ext_type_name.as_deref().unwrap_or(&told.kind).to_lowercase();
    let (data_type, form, source_type) = mapped(told, &kind, rules)?;
    let mut field = Field::new(&told.name, data_type, told.nullable.unwrap_or(true));
    if matches!(kind.as_str(), "variant" | "object" | "array" | "geography" | "geometry") {
        let json = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        field = field.with_metadata(HashMap::from([json]));
    }
    let collation = told.collation.as_deref().unwrap_or_default();
    let binary_collation = matches!(collation, "" | "bin" | "utf8");
    Ok(Column { field, form, source_type, binary_collation })
}

fn mapped(told: &RowType, kind: &str, rules: TypeRules) -> Result<(DataType, Form, String)> {
    let scale = told.scale.unwrap_or(0);
    let nested = told.fields.as_ref().is_some_and(|fields| !fields.is_empty());
    Ok(match kind {
        "fixed" | "number" => fixed(told, rules)?,
        "real" | "float" | "double" => (DataType::Float64, Form::Plain, "FLOAT".to_owned()),
        "text" | "varchar" | "char" | "string" => {
            (DataType::Utf8, Form::Plain, sized("VARCHAR", told.length))
        }
        "boolean" => (DataType::Boolean, Form::Plain, "BOOLEAN".to_owned()),
        "date" => (DataType::Date32, Form::Plain, "DATE".to_owned()),
        "binary" => (DataType::Binary, Form::Plain, sized("BINARY", told.length)),
        "time" => {
            let unit = if scale > 6 { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
            let form = Form::Time { scale: digits(told, scale)? };
            (DataType::Time64(unit), form, format!("TIME({scale})"))
        }
        "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz" => {
            let unit = match rules.timestamps {
                TimestampUnit::Microsecond => TimeUnit::Microsecond,
                TimestampUnit::Nanosecond => TimeUnit::Nanosecond,
            };
            let zone = (kind != "timestamp_ntz").then(|| Arc::from("UTC"));
            let scale_digits = digits(told, scale)?;
            let form = Form::Moment { scale: scale_digits, zoned: kind == "timestamp_tz" };
            (DataType::Timestamp(unit, zone), form, format!("{}({scale})", kind.to_uppercase()))
        }
        "variant" | "object" | "array" if !nested => {
            (DataType::Utf8, Form::Plain, kind.to_uppercase())
        }
        "geography" | "geometry" => (DataType::Utf8, Form::Plain, kind.to_uppercase()),
        "vector" => vector(told)?,
        _ => return Err(unknown(told, if nested { "structured " } else { "" })),
    })
}

/// The narrowest exact type: by its digits an integer of 8, 16, 32 or 64 bits, else a decimal.
fn fixed(told: &RowType, rules: TypeRules) -> Result<(DataType, Form, String)> {
    let precision = told.precision.unwrap_or(38);
    let scale = told.scale.unwrap_or(0);
    let known = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
    let (Ok(digits), Ok(scale), true) = (u8::try_from(precision), i8::try_from(scale), known)
    else {
        return Err(unknown(told, ""));
    };
    let data_type = match (scale, digits) {
        (0, ..=2) => DataType::Int8,
        (0, ..=4) => DataType::Int16,
        (0, ..=9) => DataType::Int32,
        (0, ..=18) => DataType::Int64,
        (0, _) if rules.wide_integers == WideIntegers::Int64 => DataType::Int64,
        _ => DataType::Decimal128(digits, scale),
    };
    Ok((data_type, Form::Fixed { scale }, format!("NUMBER({precision},{scale})")))
}

fn vector(told: &RowType) -> Result<(DataType, Form, String)> {
    let inner = told.fields.as_ref().and_then(|fields| fields.first());
    let inner = inner.and_then(|field| field.kind.as_deref()).unwrap_or_default().to_lowercase();
    let (item, name) = match inner.as_str() {
        "real" | "float" => (DataType::Float32, "FLOAT"),
        "fixed" | "int" => (DataType::Int32, "INT"),
        _ => return Err(unknown(told, "")),
    };
    let length = told.vector_dimension.and_then(|n| i32::try_from(n).ok()).filter(|n| *n > 0);
    let length = length.ok_or_else(|| unknown(told, ""))?;
    let item = Arc::new(Field::new_list_field(item, true));
    let source_type = format!("VECTOR({name}, {length})");
    Ok((DataType::FixedSizeList(item, length), Form::Plain, source_type))
}

fn digits(told: &RowType, scale: i64) -> Result<u32> {
    u32::try_from(scale).ok().filter(|scale| *scale <= 9).ok_or_else(|| unknown(told, ""))
}

fn sized(name: &str, length: Option<i64>) -> String {
    length.map_or_else(|| name.to_owned(), |length| format!("{name}({length})"))
}

fn unknown(told: &RowType, sort: &str) -> Error {
    let kind = told.ext_type_name.as_deref().unwrap_or(&told.kind).to_uppercase();
    let message = format!("columns of the {sort}type {kind} are not supported");
    Error::new(ErrorKind::Unsupported, message)
        .with_context("column", told.name.as_str())
        .with_hint("leave the column out, or cast it to VARCHAR in the statement")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: TypeRules =
        TypeRules { wide_integers: WideIntegers::Decimal, timestamps: TimestampUnit::Microsecond };

    fn of(json: &str) -> Result<String> {
        let told: RowType = serde_json::from_str(json).unwrap();
        let columns = Columns::of(&[told], EXACT)?;
        let column = &columns.columns[0];
        Ok(format!("{} as {}", column.source_type, column.field.data_type()))
    }

    #[test]
    fn types_by_their_rule() {
        let told = |kind: &str, rest: &str| {
            let json = format!(r#"{{"name":"C","type":"{kind}"{rest}}}"#);
            match of(&json) {
                Ok(mapped) => mapped,
                Err(error) => format!("{}: {}", error.kind(), error.message()),
            }
        };
        let fixed = |p: i64, s: i64| told("fixed", &format!(r#","precision":{p},"scale":{s}"#));
        let timed = |kind: &str, s: i64| told(kind, &format!(r#","scale":{s}"#));
        let vector = |inner: &str| {
            told("vector", &format!(r#","vectorDimension":3,"fields":[{{"type":"{inner}"}}]"#))
        };
        insta::assert_snapshot!(
            [
                fixed(2, 0),
                fixed(3, 0),
                fixed(4, 0),
                fixed(9, 0),
                fixed(10, 0),
                fixed(18, 0),
                fixed(19, 0),
                fixed(38, 0),
                fixed(18, 2),
                fixed(38, 37),
                fixed(39, 0),
                told("real", ""),
                told("text", r#","length":10"#),
                told("boolean", ""),
                told("date", ""),
                told("binary", r#","length":8"#),
                timed("time", 0),
                timed("time", 6),
                timed("time", 9),
                timed("time", 10),
                timed("timestamp_ntz", 9),
                timed("timestamp_ltz", 3),
                timed("timestamp_tz", 0),
                told("variant", ""),
                told("object", ""),
                told("array", ""),
                told("object", r#","extTypeName":"GEOGRAPHY""#),
                told("binary", r#","extTypeName":"GEOMETRY""#),
                told("object", r#","fields":[{"type":"fixed"}]"#),
                told("map", r#","fields":[{"type":"text"},{"type":"fixed"}]"#),
                vector("real"),
                vector("fixed"),
                vector("text"),
                told("decfloat", ""),
            ]
            .join("\n")
        );
    }
}
