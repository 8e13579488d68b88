//! The statement that a command line names: an argument, a file or stdin.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Decimal128Type;
use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, NullArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use orbit_engine::ParameterValue;

use crate::args::{Parameter, StatementArgs};
use crate::failure::{Failure, Result};

/// No statement may be longer; the engine's own limit is lower unless it is raised.
const BYTES_MAX: u64 = 64 << 20;

/// The text of the statement.
pub(super) fn text(args: &StatementArgs) -> Result<String> {
    let (text, name) = match (&args.file, args.sql.as_deref()) {
        (Some(path), _) if path != Path::new("-") => {
            let file = fs::File::open(path).map_err(|e| Failure::local("read", path, e))?;
            (read(file, path)?, path.display().to_string())
        }
        (Some(_), _) | (None, Some("-")) => {
            (read(io::stdin().lock(), Path::new("stdin"))?, "stdin".to_owned())
        }
        (None, sql) => (sql.unwrap_or_default().to_owned(), "the argument".to_owned()),
    };
    match text.trim() {
        "" => Err(Failure::Usage(format!("there is no statement in {name}"))),
        _ => Ok(text),
    }
}

fn read(from: impl Read, path: &Path) -> Result<String> {
    let mut text = String::new();
    let size = from.take(BYTES_MAX + 1).read_to_string(&mut text);
    match size.map_err(|e| Failure::local("read", path, e))? {
        size if size as u64 > BYTES_MAX => {
            Err(Failure::Usage(format!("{} holds more than 64 MiB of SQL", path.display())))
        }
        _ => Ok(text),
    }
}

/// The parameters as an engine takes them; of two with one name the mistake is told.
pub(super) fn parameters(given: &[Parameter]) -> Result<Vec<(String, ParameterValue)>> {
    for (i, parameter) in given.iter().enumerate() {
        if given[..i].iter().any(|earlier| earlier.name == parameter.name) {
            return Err(Failure::Usage(format!("--param {} is given twice", parameter.name)));
        }
    }
    Ok(given.iter().map(|p| (p.name.clone(), p.value.clone())).collect())
}

/// The parameters as one row, as the contract takes them; none where there are none.
pub(super) fn parameter_row(given: &[Parameter]) -> Result<Option<RecordBatch>> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (name, value) in parameters(given)? {
        let column = column_of(&value)
            .ok_or_else(|| Failure::Usage(format!("--param {name} has more than 38 digits")))?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    row.map(Some).map_err(Failure::format)
}

fn column_of(value: &ParameterValue) -> Option<ArrayRef> {
    Some(match value {
        ParameterValue::Null => Arc::new(NullArray::new(1)),
        ParameterValue::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
        ParameterValue::Integer(value) => Arc::new(Int64Array::from(vec![*value])),
        ParameterValue::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
        ParameterValue::Decimal(text) => Arc::new(decimal(text)?),
    })
}

fn decimal(text: &str) -> Option<PrimitiveArray<Decimal128Type>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = i8::try_from(fraction.len()).ok()?;
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let data_type = DataType::Decimal128(38, scale);
    let array = PrimitiveArray::<Decimal128Type>::from(vec![value]).with_data_type(data_type);
    array.validate_decimal_precision(38).ok()?;
    (scale <= 38).then_some(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        let value = |text: &str| decimal(text).map(|array| array.value_as_string(0));
        assert_eq!(value("-10.50").as_deref(), Some("-10.50"));
        assert_eq!(value(&"9".repeat(38)), Some("9".repeat(38)));
        assert_eq!(value(&"9".repeat(39)), None);
        assert_eq!(value(&format!("0.{}", "1".repeat(200))), None);
    }
}
