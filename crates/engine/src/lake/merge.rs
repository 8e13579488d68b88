//! One schema for files that write the same values with different Arrow types.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use orbit_core::{Error, ErrorKind, Result};

/// The columns of all files, by name, in the order in which they are first seen.
#[derive(Default)]
pub(super) struct Merged {
    is_text: bool,
    fields: Vec<FieldRef>,
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
    /// twice.
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
        for (place, field) in schema.fields().iter().enumerate() {
            // Most files have their columns in one order, and some have thousands.
            let is_here = |known: &&FieldRef| known.name() == field.name();
            let place = match self.fields.get(place).filter(is_here) {
                Some(_) => Some(place),
                None => self.fields.iter().position(|known| known.name() == field.name()),
            };
            let known = match place {
                Some(place) => self.fields.get_mut(place),
                None => None,
            };
            match known {
                Some(known) if known == field => {}
                Some(known) if self.is_text => *known = common_text_field(known, field),
                Some(known) => *known = common_field(known, field)?,
                None => {
                    let missing_before = self.files > 0;
                    let nullable = field.is_nullable() || missing_before;
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
