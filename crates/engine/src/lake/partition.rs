//! Columns that stand in folder names: `year=2024/month=01/part.parquet`.

use std::collections::BTreeMap;

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use orbit_core::{Error, ErrorKind, Result};

/// What Hive writes for NULL.
const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns, with their types, in the order of the folders.
pub(crate) type PartitionColumns = Vec<(String, DataType)>;

/// The `name=value` folders of a key relative to its table's folder.
pub(crate) fn segments(relative_key: &str) -> Option<Vec<(&str, &str)>> {
    let (folders, _) = relative_key.rsplit_once('/').unwrap_or(("", relative_key));
    let folders = folders.split('/').filter(|f| !f.is_empty());
    folders.map(|folder| folder.split_once('=').filter(|(name, _)| !name.is_empty())).collect()
}

/// The names of the columns that the folders of a key spell.
pub(crate) fn names(relative_key: &str) -> Vec<String> {
    let segments = segments(relative_key).unwrap_or_default().into_iter();
    segments.map(|(name, _)| name.to_owned()).collect()
}

/// The columns that the folders of `relative_keys` spell, with types that fit every value;
/// `declared` are the types that the configuration names.
pub(crate) fn infer<'a>(
    relative_keys: impl Iterator<Item = &'a str>,
    declared: &BTreeMap<String, DataType>,
) -> Result<PartitionColumns> {
    let mut columns: Option<Vec<(String, Option<DataType>)>> = None;
    for key in relative_keys {
        let segments = segments(key).unwrap_or_default();
        let columns = columns.get_or_insert_with(|| {
            segments.iter().map(|(name, _)| ((*name).to_owned(), None)).collect()
        });
        if !columns.iter().map(|(name, _)| name.as_str()).eq(segments.iter().map(|(n, _)| *n)) {
            let message = "the partition folders of a table do not have the same names";
            return Err(Error::new(ErrorKind::DataInvalid, message).with_context("key", key));
        }
        for ((_, data_type), (_, value)) in columns.iter_mut().zip(segments) {
            *data_type = wider(data_type.take(), type_of(&decode(value)));
        }
    }
    let columns = columns.unwrap_or_default().into_iter();
    Ok(columns
        .map(|(name, inferred)| {
            let data_type = declared.get(&name).cloned().or(inferred).unwrap_or(DataType::Utf8);
            (name, data_type)
        })
        .collect())
}

/// The values of the columns in one key.
pub(crate) fn values(relative_key: &str, columns: &PartitionColumns) -> Result<Vec<ScalarValue>> {
    let segments = segments(relative_key).unwrap_or_default();
    let parse = |((_, value), (name, data_type)): (&(&str, &str), &(String, DataType))| {
        let value = decode(value);
        if value == NULL_VALUE {
            return ScalarValue::try_from(data_type).map_err(|e| invalid(name, e));
        }
        ScalarValue::try_from_string(value, data_type).map_err(|e| invalid(name, e))
    };
    segments.iter().zip(columns).map(parse).collect()
}

fn invalid(column: &str, source: datafusion::error::DataFusionError) -> Error {
    let message = format!("a folder's value does not fit the type of partition column `{column}`");
    Error::new(ErrorKind::DataInvalid, message)
        .with_hint("name its type under `partitions:`")
        .with_source(source)
}

/// Undoes the percent-encoding that writers apply to values.
fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16);
        match tail {
            [high, low, ..] if first == b'%' => {
                if let (Some(high), Some(low)) = (hex(*high), hex(*low)) {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                    rest = &tail[2..];
                    continue;
                }
            }
            _ => {}
        }
        bytes.push(first);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

fn type_of(value: &str) -> Option<DataType> {
    if value == NULL_VALUE {
        return None;
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    let canonical = digits == "0" || !digits.starts_with('0');
    if canonical && digits.bytes().all(|b| b.is_ascii_digit()) && value.parse::<i64>().is_ok() {
        return Some(DataType::Int64);
    }
    let is_date = value.len() == 10 && value.parse::<chrono::NaiveDate>().is_ok();
    Some(if is_date { DataType::Date32 } else { DataType::Utf8 })
}

fn wider(a: Option<DataType>, b: Option<DataType>) -> Option<DataType> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Some(DataType::Utf8),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(keys: &[&str]) -> Vec<(String, DataType)> {
        infer(keys.iter().copied(), &BTreeMap::new()).unwrap()
    }

    #[test]
    fn types_fit_every_value() {
        let keys = ["y=2024/d=2024-01-01/c=01/a.parquet", "y=-3/d=2024-02-30/c=1/b.parquet"];
        let expected = [("y", DataType::Int64), ("d", DataType::Utf8), ("c", DataType::Utf8)];
        assert_eq!(inferred(&keys), expected.map(|(n, t)| (n.to_owned(), t)));
    }

    #[test]
    fn null_takes_the_type_of_the_others() {
        let keys = ["y=__HIVE_DEFAULT_PARTITION__/a.parquet", "y=7/b.parquet"];
        let columns = inferred(&keys);
        assert_eq!(columns, [("y".to_owned(), DataType::Int64)]);
        assert!(values(keys[0], &columns).unwrap()[0].is_null());
    }

    #[test]
    fn values_are_decoded() {
        let columns = vec![("c".to_owned(), DataType::Utf8)];
        let value = values("c=a%2Fb%20%C3%A9%zz/x.csv", &columns).unwrap().remove(0);
        assert_eq!(value, ScalarValue::from("a/b é%zz"));
    }

    #[test]
    fn folders_with_other_names_are_refused() {
        let error = infer(["y=1/a.csv", "m=1/b.csv"].into_iter(), &BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
    }
}
