//! One schema for files that write the same values with different Arrow types.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use orbit_core::{Error, ErrorKind, Result};

/// Columns that a table of files has at most: planning takes seconds for as many.
pub(super) const COLUMNS_MAX: usize = 100_000;

/// The columns of all files, by name, in the order in which they are first seen.
#[derive(Default)]
pub(super) struct Merged {
    is_text: bool,
    fields: Vec<FieldRef>,
    /// Where each name stands in them.
    places: HashMap<String, usize>,
    files: usize,
}

impl Merged {
    /// The columns of files whose types were inferred from texts: one too narrow is widened.
    pub(super) fn of_text() -> Self {
        Self { is_text: true, ..Self::default() }
    }

    /// Adds the columns of one more file.
    ///
    /// # Errors
    /// `DataInvalid` naming a column that cannot be of both files' types, or that one file has
    /// twice; `ResourceExhausted` for too many columns.
    pub(super) fn add(&mut self, schema: &Schema) -> Result<()> {
        let mut names = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
            let message = format!("a file has two columns `{}`", twice.name());
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
        for known in &mut self.fields {
            if !known.is_nullable() && !names.contains(known.name()) {
                *known = Arc::new(known.as_ref().clone().with_nullable(true));
            }
        }
        for field in schema.fields() {
            let known = match self.places.get(field.name()) {
                Some(place) => self.fields.get_mut(*place),
                None => None,
            };
            match known {
                Some(known) if known == field => {}
                Some(known) if self.is_text => *known = common_text_field(known, field),
                Some(known) => *known = common_field(known, field)?,
                None => {
                    if self.fields.len() == COLUMNS_MAX {
                        return Err(too_many_columns());
                    }
                    let missing_before = self.files > 0;
                    let nullable = field.is_nullable() || missing_before;
                    self.places.insert(field.name().clone(), self.fields.len());
                    self.fields.push(Arc::new(field.as_ref().clone().with_nullable(nullable)));
                }
            }
        }
        self.files += 1;
        Ok(())
    }

    /// The schema of the table.
    pub(super) fn finish(self) -> SchemaRef {
        Arc::new(Schema::new(self.fields))
    }
}

/// The error of a table with more columns than [`COLUMNS_MAX`].
pub(super) fn too_many_columns() -> Error {
    let message = format!("the table has more than {COLUMNS_MAX} columns");
    Error::new(ErrorKind::ResourceExhausted, message)
        .with_hint("keep names and values in rows, as two columns")
}

fn common_field(a: &Field, b: &Field) -> Result<FieldRef> {
    let data_type = common_type(a.data_type(), b.data_type()).ok_or_else(|| {
        let message = format!(
            "the column `{}` is {} in one file and {} in another",
            a.name(),
            a.data_type(),
            b.data_type()
        );
        Error::new(ErrorKind::DataInvalid, message)
            .with_hint("name the tables under `tables:`, each with files of one schema")
    })?;
    let nullable = a.is_nullable() || b.is_nullable();
    Ok(Arc::new(Field::new(a.name(), data_type, nullable)))
}

/// The same for types that were inferred from texts.
fn common_text_field(a: &Field, b: &Field) -> FieldRef {
    let data_type = match (a.data_type(), b.data_type()) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
            DataType::Float64
        }
        _ => DataType::Utf8,
    };
    Arc::new(Field::new(a.name(), data_type, true))
}

/// The type that holds the values of both without a loss.
fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Dictionary, LargeBinary, LargeUtf8, List, Null, Struct, Utf8, Utf8View,
    };
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, a), b) | (b, Dictionary(_, a)) => common_type(a, b),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(Utf8View),
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => Some(BinaryView),
        (List(a), List(b)) => common_field(a, b).ok().map(List),
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b);
            let same_names = pairs.clone().all(|(a, b)| a.name() == b.name());
            let fields = pairs.map(|(a, b)| common_field(a, b).ok()).collect::<Option<Vec<_>>>();
            fields.filter(|_| same_names).map(|fields| Struct(fields.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn columns(names: impl Iterator<Item = usize>) -> Schema {
        let field = |name: usize| Field::new(name.to_string(), DataType::Int64, true);
        Schema::new(names.map(field).collect::<Vec<_>>())
    }

    #[test]
    fn many_columns_take_no_square_of_them() {
        let (mut merged, began) = (Merged::default(), Instant::now());
        merged.add(&columns(0..COLUMNS_MAX)).unwrap();
        merged.add(&columns((0..COLUMNS_MAX).rev())).unwrap();
        let error = merged.add(&columns(COLUMNS_MAX..=COLUMNS_MAX)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
        assert_eq!(merged.finish().fields().len(), COLUMNS_MAX);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
