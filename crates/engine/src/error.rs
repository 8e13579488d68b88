//! DataFusion's errors as ORBIT's, with what a source said kept whole.

use std::error::Error as StdError;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use orbit_core::{Error, ErrorKind, closest};

/// The error as the caller sees it: a source's own error comes through as it was.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(inner) = find::<Error>(&error) {
        return inner.clone();
    }
    let kind = kind_of(&error);
    let message = message_of(&error);
    let result = Error::new(kind, message);
    if let Some(hint) = nearest_column(&error) {
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
                _ => error.source(),
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

/// What a column that does not exist may have meant.
fn nearest_column(error: &DataFusionError) -> Option<String> {
    match error {
        DataFusionError::SchemaError(inner, _) => {
            let SchemaError::FieldNotFound { field, valid_fields } = inner.as_ref() else {
                return None;
            };
            let names = valid_fields.iter().map(|column| column.name.as_str());
            closest(&field.name, names).map(|near| format!("did you mean `{near}`?"))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            nearest_column(inner)
        }
        DataFusionError::Shared(inner) => nearest_column(inner),
        DataFusionError::Collection(inner) => inner.first().and_then(nearest_column),
        _ => None,
    }
}

/// The innermost words, in our case and without the engine's own prefixes.
fn message_of(error: &DataFusionError) -> String {
    let text = match error {
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Configuration(text) => text.clone(),
        DataFusionError::ResourcesExhausted(text) => {
            format!("the memory or disk budget is used up: {text}")
        }
        DataFusionError::SQL(inner, _) => inner.to_string(),
        DataFusionError::SchemaError(inner, _) => inner.to_string(),
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
        ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::IpcError(text)
        | ArrowError::ParquetError(text)
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
    text.strip_prefix("Parquet error: ").unwrap_or(text)
}

/// Several sentences as one, in our case, up to advice about DataFusion's own settings.
fn one_sentence(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let is_advice = |sentence: &&str| {
        let words = ["Did you mean", "Valid fields", "Hint", "This was likely", "Please"];
        words.iter().any(|word| sentence.starts_with(word)) || sentence.contains("datafusion.")
    };
    let mut sentences = text.split(". ").take_while(|sentence| !is_advice(sentence));
    let first = lower_first(sentences.next().unwrap_or(text));
    let joined = sentences.fold(first, |text, next| format!("{text}; {}", lower_first(next)));
    joined.trim().trim_end_matches('.').to_owned()
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
