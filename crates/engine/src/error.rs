//! DataFusion's errors as ORBIT's, with what a source said kept whole.

use std::error::Error as StdError;
use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use orbit_core::{Error, ErrorKind, closest};
use parquet::errors::ParquetError;

/// Columns that are listed when none is near the one that is not there.
const COLUMNS_SHOWN_MAX: usize = 10;

/// The error as the caller sees it: a source's own error comes through as it was.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(inner) = find::<Error>(&error) {
        return inner.clone();
    }
    let kind = kind_of(&error);
    let message = message_of(&error);
    let result = Error::new(kind, message);
    if let Some(hint) = nearest_name(&error) {
        return result.with_hint(hint);
    }
    match kind {
        ErrorKind::ResourceExhausted => {
            result.with_hint("raise `engine.memory_bytes_max` or ask for less")
        }
        ErrorKind::Unexpected => result.with_source(error),
        _ => result,
    }
}

/// The error of a file that could not be read: what a source said, else the file is at fault.
pub(crate) fn of_file(error: &DataFusionError) -> Error {
    if let Some(inner) = find::<Error>(error) {
        return inner.clone();
    }
    let kind = match kind_of(error) {
        kind @ (ErrorKind::ResourceExhausted | ErrorKind::Unsupported) => kind,
        _ => ErrorKind::DataInvalid,
    };
    Error::new(kind, message_of(error))
}

/// Whether reading a file failed and the words are all that is left of the cause.
pub(crate) fn is_of_a_file(error: &DataFusionError) -> bool {
    find::<Error>(error).is_none() && kind_of(error) == ErrorKind::DataInvalid
}

/// Whether a Parquet file could not be decoded.
pub(crate) fn is_of_parquet(error: &DataFusionError) -> bool {
    let of_arrow = find::<ArrowError>(error);
    of_arrow.is_some_and(|error| matches!(error, ArrowError::ParquetError(_)))
        || find::<ParquetError>(error).is_some()
}

/// ORBIT's error inside another crate's, if there is one.
pub(crate) fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    find::<Error>(error)
}

/// ORBIT's error inside DataFusion's, found again by [`from_datafusion`].
pub(crate) fn to_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The first error of type `T` in the chain of causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // These wrap without naming what they wrap as their source.
        next = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            _ => match error.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                    Some(inner) => Some(inner),
                    None => error.source(),
                },
            },
        };
    }
    None
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error {
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Configuration(_) => ErrorKind::QueryInvalid,
        DataFusionError::NotImplemented(_) => ErrorKind::Unsupported,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::ResourceExhausted,
        DataFusionError::ParquetError(_) => ErrorKind::DataInvalid,
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::IpcError(_)
            | ArrowError::ParquetError(_)
            | ArrowError::ParseError(_)
            | ArrowError::SchemaError(_) => ErrorKind::DataInvalid,
            ArrowError::NotYetImplemented(_) => ErrorKind::Unsupported,
            ArrowError::MemoryError(_) => ErrorKind::ResourceExhausted,
            _ => ErrorKind::QueryInvalid,
        },
        DataFusionError::Execution(_) => ErrorKind::QueryInvalid,
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            kind_of(inner)
        }
        DataFusionError::Shared(inner) => kind_of(inner),
        DataFusionError::Collection(inner) => inner.first().map_or(ErrorKind::Unexpected, kind_of),
        _ => ErrorKind::Unexpected,
    }
}

/// What a name that is not found, or is found twice, may have meant.
fn nearest_name(error: &DataFusionError) -> Option<String> {
    match error {
        DataFusionError::SchemaError(inner, _) => {
            let (field, valid_fields) = match inner.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => (field, valid_fields),
                SchemaError::AmbiguousReference { field } if field.relation.is_none() => {
                    return Some("name its table".to_owned());
                }
                _ => return None,
            };
            let names = valid_fields.iter().map(|column| column.name.as_str());
            let near = closest(&field.name, names).map(|near| format!("did you mean `{near}`?"));
            let shown = valid_fields.iter().take(COLUMNS_SHOWN_MAX);
            let shown: Vec<_> = shown.map(|column| format!("`{}`", column.flat_name())).collect();
            let more = if valid_fields.len() > shown.len() { " and others" } else { "" };
            let listed = || format!("there are {}{more}", shown.join(", "));
            near.or_else(|| (!shown.is_empty()).then(listed))
        }
        // A function that does not exist.
        DataFusionError::Plan(text) => {
            let (_, near) = text.split_once("\nDid you mean ")?;
            Some(format!("did you mean {}", near.trim().replace('\'', "`")))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            nearest_name(inner)
        }
        DataFusionError::Shared(inner) => nearest_name(inner),
        DataFusionError::Collection(inner) => inner.first().and_then(nearest_name),
        _ => None,
    }
}

/// The innermost words, in our case and without the engine's own prefixes.
fn message_of(error: &DataFusionError) -> String {
    let text = match error {
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Internal(text)
        | DataFusionError::Configuration(text) => text.clone(),
        DataFusionError::ResourcesExhausted(text) => {
            format!("the memory or disk budget is used up: {text}")
        }
        DataFusionError::SQL(inner, _) => inner.to_string(),
        DataFusionError::SchemaError(inner, _) => schema_message(inner),
        DataFusionError::ArrowError(inner, _) => arrow_message(inner),
        DataFusionError::ParquetError(inner) => {
            let text = inner.to_string();
            format!("unreadable Parquet: {}", lower_first(without_prefix(&text)))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            return message_of(inner);
        }
        DataFusionError::Shared(inner) => return message_of(inner),
        DataFusionError::Collection(inner) => {
            return inner.first().map_or_else(|| error.to_string(), message_of);
        }
        other => other.to_string(),
    };
    one_sentence(&text)
}

/// The words of an Arrow error without its kind.
fn arrow_message(error: &ArrowError) -> String {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => message_of(inner),
            None => inner.to_string(),
        },
        ArrowError::ParquetError(text) => {
            format!("unreadable Parquet: {}", lower_first(without_prefix(text)))
        }
        ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::IpcError(text)
        | ArrowError::ParseError(text)
        | ArrowError::SchemaError(text)
        | ArrowError::CastError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::NotYetImplemented(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `Parquet error: what` without the words before the colon.
fn without_prefix(text: &str) -> &str {
    let text = text.strip_prefix("Parquet error: ").unwrap_or(text);
    text.strip_prefix("External: ").unwrap_or(text)
}

/// Several sentences as one, in our case. What stands on further lines is advice for those who
/// call DataFusion, or a backtrace.
fn one_sentence(text: &str) -> String {
    let mut breaks = text.match_indices('\n').map(|(index, _)| index);
    let end = breaks.find(|index| is_outside_quotes(&text[..*index])).unwrap_or(text.len());
    let mut parts = text[..end].split(". ");
    let mut sentence = lower_first(parts.next().unwrap_or_default());
    for part in parts {
        if !is_outside_quotes(&sentence) {
            sentence = format!("{sentence}. {part}");
        } else if !part.contains("datafusion.") {
            sentence = format!("{sentence}; {}", lower_first(part));
        }
    }
    sentence.trim().trim_end_matches('.').to_owned()
}

/// Whether what follows `text` is not within a value that it quotes.
fn is_outside_quotes(text: &str) -> bool {
    text.matches('\'').count().is_multiple_of(2)
}

/// What is wrong with a column's name.
fn schema_message(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            format!("there is no column `{}`", field.flat_name())
        }
        SchemaError::AmbiguousReference { field } if field.relation.is_none() => {
            format!("the column `{}` is in more than one table", field.name)
        }
        other => other.to_string(),
    }
}

/// Sentence case undone, unless the first word is a name such as `SELECT`.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::one_sentence;

    #[test]
    fn several_sentences_are_one() {
        let cases = [
            ("Expected 2. Found 1 at line 3.", "expected 2; found 1 at line 3"),
            ("Invalid function 'x'.\nDid you mean 'y'?", "invalid function 'x'"),
            ("Error at value 'A. B\nC' of x. Hint: so", "error at value 'A. B\nC' of x; hint: so"),
            ("Failed. Set datafusion.x.y to false", "failed"),
            ("SELECT is odd\n\nbacktrace: 0", "SELECT is odd"),
        ];
        for (text, expected) in cases {
            assert_eq!(one_sentence(text), expected);
        }
    }
}
