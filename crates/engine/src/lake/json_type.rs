//! The types of JSON values, and the one type of many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use serde_json::Value;

/// Digits that a whole number has at least which does not fit 64 bits.
const WIDE_DIGITS_MIN: usize = 19;

/// The type of a row, of which this is the text. A whole number that does not fit 64 bits is a
/// text: of the row's value only the nearest float is known.
///
/// # Errors
/// Those of a text that is not valid JSON.
pub(super) fn type_of_row(row: &Value, text: &[u8]) -> serde_json::Result<DataType> {
    let mut digits = text.split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len);
    match digits.any(|digits| digits >= WIDE_DIGITS_MIN) {
        true => Ok(type_of(&serde_json::from_slice(&without_wide(text))?)),
        false => Ok(type_of(row)),
    }
}

/// The JSON with an empty text in place of each whole number that does not fit 64 bits.
fn without_wide(json: &[u8]) -> Vec<u8> {
    let is_of_number =
        |byte: &&u8| byte.is_ascii_digit() || matches!(**byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let (mut narrow, mut rest) = (Vec::with_capacity(json.len()), json);
    let (mut in_text, mut escaped) = (false, false);
    while let Some(first) = rest.first() {
        let number_bytes = if in_text { 0 } else { rest.iter().take_while(is_of_number).count() };
        let (token, after) = rest.split_at(number_bytes.max(1));
        narrow.extend_from_slice(if is_wide(token) { b"\"\"".as_slice() } else { token });
        in_text = if in_text { escaped || *first != b'"' } else { *first == b'"' };
        escaped = in_text && !escaped && *first == b'\\';
        rest = after;
    }
    narrow
}

fn is_wide(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let is_whole = digits.len() >= WIDE_DIGITS_MIN && digits.iter().all(u8::is_ascii_digit);
    is_whole && str::from_utf8(number).is_ok_and(|number| number.parse::<i64>().is_err())
}

/// The type of a value; names keep the order in which they stand.
fn type_of(value: &Value) -> DataType {
    match value {
        Value::Null => DataType::Null,
        Value::Bool(_) => DataType::Boolean,
        Value::Number(number) if number.is_i64() => DataType::Int64,
        Value::Number(_) => DataType::Float64,
        Value::String(_) => DataType::Utf8,
        Value::Array(items) => {
            let item = items.iter().map(type_of).reduce(|a, b| widened(&a, &b));
            list_of(item.unwrap_or(DataType::Null))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| field(name, type_of(value)));
            DataType::Struct(members.collect())
        }
    }
}

/// The type that holds the values of both; text where there is no other.
pub(super) fn widened(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
            DataType::Float64
        }
        (DataType::List(a), DataType::List(b)) => list_of(widened(a.data_type(), b.data_type())),
        (DataType::Struct(a), DataType::Struct(b)) => DataType::Struct(united(a, b)),
        _ => DataType::Utf8,
    }
}

/// The members of both, in the order in which they are first seen.
fn united(a: &Fields, b: &Fields) -> Fields {
    let mut members: Vec<FieldRef> = a.iter().cloned().collect();
    // An object that is used as a map has as many members as it likes.
    let places = a.iter().enumerate().map(|(place, member)| (member.name().as_str(), place));
    let mut places: HashMap<_, _> = places.collect();
    for member in b {
        match places.entry(member.name().as_str()) {
            Entry::Occupied(place) => {
                let known = &mut members[*place.get()];
                if known != member {
                    *known = field(known.name(), widened(known.data_type(), member.data_type()));
                }
            }
            Entry::Vacant(place) => {
                place.insert(members.len());
                members.push(Arc::clone(member));
            }
        }
    }
    members.into()
}

fn field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// The columns with whole numbers and decimals as texts: the decoder would leave out what stands
/// after the point, or after the last digit of the type.
pub(super) fn exact(columns: &Schema) -> SchemaRef {
    Arc::new(Schema::new(columns.fields().iter().map(exact_field).collect::<Vec<_>>()))
}

fn exact_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        exact if exact.is_integer() || exact.is_decimal() => DataType::Utf8,
        DataType::List(item) => DataType::List(exact_field(item)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(exact_field).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn of(values: &[Value]) -> String {
        values.iter().map(type_of).reduce(|a, b| widened(&a, &b)).unwrap().to_string()
    }

    #[test]
    fn one_type_holds_all_values() {
        assert_eq!(of(&[json!(1), json!(null), json!(2.5)]), "Float64");
        assert_eq!(of(&[json!(1), json!("x")]), "Utf8");
        assert_eq!(of(&[json!([]), json!([1, null])]), of(&[json!([7])]));
        let nested = of(&[json!({"b": 1, "a": [{"x": 1}]}), json!({"a": [{"y": true}], "c": 0})]);
        let whole = of(&[json!({"b": 1, "a": [{"x": 1, "y": true}], "c": 0})]);
        assert_eq!(nested, whole);
    }

    #[test]
    fn whole_numbers_beyond_64_bits_are_texts() {
        let of = |json: &str| {
            let value = serde_json::from_str(json).unwrap();
            type_of_row(&value, json.as_bytes()).unwrap()
        };
        let narrow = of(r#"{"a":9223372036854775807,"b":-9223372036854775808,"c":1.5}"#);
        assert_eq!(narrow, of(r#"{"a":1,"b":1,"c":1.5}"#));
        let wide = of(r#"{"a":9223372036854775808,"b":[-9223372036854775809],"c":2}"#);
        assert_eq!(wide, of(r#"{"a":"","b":[""],"c":2}"#));
        let floats = of(r#"{"a":1e30,"b":10000000000000000000.5,"c":100000000000000000000e1}"#);
        assert_eq!(floats, of(r#"{"a":1.5,"b":1.5,"c":1.5}"#));
        let names = r#"{"\\\"18446744073709551616":true,"b":"\\","c":18446744073709551616}"#;
        assert_eq!(of(names), of(r#"{"\\\"18446744073709551616":true,"b":"","c":""}"#));
    }

    #[test]
    fn an_object_of_many_members_takes_no_square_of_them() {
        let object = |from: u32| {
            let members = (from..from + 200_000).map(|n| field(&n.to_string(), DataType::Int64));
            DataType::Struct(members.collect())
        };
        let began = Instant::now();
        let DataType::Struct(all) = widened(&object(0), &object(100_000)) else { unreachable!() };
        assert_eq!(all.len(), 300_000);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
}
