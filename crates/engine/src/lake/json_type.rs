//! The types of JSON values, and the one type of many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use serde_json::Value;

/// The type of a value; names keep the order in which they stand.
pub(super) fn type_of(value: &Value) -> DataType {
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
