//! What a failure of delta-rs means, and which file of the log is to blame.

use std::error::Error as StdError;

use delta_kernel::error::Error as KernelError;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{DeletionVectorDescriptor, EagerSnapshot, StorageType};
use object_store::ObjectStoreExt;
use orbit_core::{Error, ErrorKind, Result};
use serde_json::{Deserializer, Value};
use url::Url;

use crate::log::{LOG_FOLDER, Segment, broken, commit_name};
use crate::roots::AllowedRoots;
use crate::store::{TableStore, outside};

/// Why a state could not be read from `segment`.
pub(crate) async fn of_log(
    failure: DeltaTableError,
    store: &TableStore,
    segment: &Segment,
) -> Error {
    if let Some(fault) = store.take_fault() {
        return fault;
    }
    if let Some(unsupported) = unsupported(&failure, "reader") {
        return unsupported.with_source(failure);
    }
    match blame(store, segment).await {
        Err(error) => error.with_source(failure),
        Ok(()) => {
            let file = segment.checkpoint.and_then(|_| segment.files.first());
            let file = file.map_or(LOG_FOLDER, String::as_str);
            broken(file, "the log cannot be read").with_source(failure)
        }
    }
}

/// The refusal of a table that needs more than delta-rs can do.
pub(crate) fn unsupported(failure: &DeltaTableError, who: &str) -> Option<Error> {
    let needs = match failure {
        DeltaTableError::Transaction {
            source: TransactionError::UnsupportedTableFeatures(features),
        } => {
            let mut names: Vec<_> = features.iter().map(ToString::to_string).collect();
            names.sort_unstable();
            format!("the table needs a {who} that knows {}", names.join(", "))
        }
        DeltaTableError::KernelError(error) => kernel_unsupported(error)?.to_owned(),
        DeltaTableError::UnsupportedColumnMapping { .. } => failure.to_string(),
        _ => return None,
    };
    Some(Error::new(ErrorKind::Unsupported, needs))
}

fn kernel_unsupported(error: &KernelError) -> Option<&str> {
    match error {
        KernelError::Unsupported(message) => Some(message),
        KernelError::MaxCatalogVersion(_) => {
            Some("the table needs a reader that knows catalogManaged: a catalog keeps its commits")
        }
        KernelError::Backtraced { source, .. } => kernel_unsupported(source),
        _ => None,
    }
}

/// Fails on the first commit of `segment` that is not made of JSON objects.
async fn blame(store: &TableStore, segment: &Segment) -> Result<()> {
    let log = store.root().log();
    for name in segment.files.iter().filter(|name| is_commit(name)) {
        let path = log.clone().join(name.as_str());
        let bytes = match store.get(&path).await {
            Ok(body) => body.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|e| broken(name, "a commit cannot be read").with_source(e))?;
        for value in Deserializer::from_slice(&bytes).into_iter::<Value>() {
            match value {
                Ok(Value::Object(_)) => {}
                Ok(_) => return Err(broken(name, "a commit holds something else than actions")),
                Err(error) => {
                    let message = format!("a commit is no JSON at line {}", error.line());
                    return Err(broken(name, message).with_source(error));
                }
            }
        }
    }
    Ok(())
}

fn is_commit(name: &str) -> bool {
    name.split('.').next().and_then(|v| v.parse().ok()).map(commit_name).as_deref() == Some(name)
}

/// Fails on the first file or deletion vector that is said to lie outside the table's folder
/// and not in a place that is allowed, before any of them is read.
pub(crate) fn refuse_foreign_files(snapshot: &EagerSnapshot, allowed: &AllowedRoots) -> Result<()> {
    match foreign_file(snapshot, allowed) {
        Some(file) => Err(outside(&file)),
        None => Ok(()),
    }
}

/// The first file or deletion vector that is said to lie outside the table's folder and that is
/// not in `allowed`.
pub(crate) fn foreign_file(snapshot: &EagerSnapshot, allowed: &AllowedRoots) -> Option<String> {
    let files = snapshot.log_data();
    let mut foreign = files.iter().flat_map(|file| {
        let path = Some(file.path().into_owned()).filter(|path| is_foreign(path));
        path.into_iter().chain(file.deletion_vector_descriptor().and_then(foreign_vector))
    });
    foreign.find(|file| !allowed.allow(file))
}

/// Where a deletion vector lies, if that is outside of the table's folder.
fn foreign_vector(vector: DeletionVectorDescriptor) -> Option<String> {
    let place = vector.path_or_inline_dv;
    let foreign = match vector.storage_type {
        StorageType::Inline => false,
        StorageType::AbsolutePath => true,
        StorageType::UuidRelativePath => {
            let prefix = place.len().saturating_sub(ENCODED_UUID_LEN);
            place.get(..prefix).is_none_or(|p| p.contains(['/', '\\', '.', ':', '%']))
        }
    };
    foreign.then_some(place)
}

/// A deletion vector's place is a free prefix and a UUID of this many characters.
const ENCODED_UUID_LEN: usize = 20;

fn is_foreign(path: &str) -> bool {
    let up = path.split(['/', '\\']).any(|segment| segment == "..");
    let absolute = path.starts_with('/') || (path.contains(":/") && Url::parse(path).is_ok());
    up || absolute
}

/// Why a command that changes a table failed. `cause` is why its rows ended early.
pub(crate) fn of_write(
    failure: DeltaTableError,
    cause: Option<Error>,
    store: &TableStore,
) -> Error {
    let fault = store.take_fault();
    if let Some(error) = cause.or_else(|| orbit_cause(&failure).cloned()) {
        return error;
    }
    if let Some(unsupported) = unsupported(&failure, "writer") {
        return unsupported.with_source(failure);
    }
    let error = of_request(&failure);
    match fault {
        // delta-rs kept the text alone of what the source said.
        Some(fault) if error.message().contains(fault.message()) => fault,
        _ => error,
    }
}

/// Why the changes of a table cannot be told.
pub(crate) fn of_changes(failure: DeltaTableError, store: &TableStore) -> Error {
    match &failure {
        DeltaTableError::ChangeDataNotEnabled { version }
        | DeltaTableError::ChangeDataNotRecorded { version, .. } => unrecorded(*version),
        _ => of_write(failure, None, store),
    }
}

/// The refusal to tell the changes of a version that did not record them.
pub(crate) fn unrecorded(version: u64) -> Error {
    let message = format!("the table did not record its changes in version {version}");
    Error::new(ErrorKind::Unsupported, message)
        .with_hint("set its property `delta.enableChangeDataFeed` to true; later changes are told")
}

/// What delta-rs says when another writer made the table first.
const TABLE_EXISTS: &str = "table already exists";

/// What is wrong with what was asked.
pub(crate) fn of_request(failure: &DeltaTableError) -> Error {
    if let Some(error) = of_rows(failure).or_else(|| of_text(&failure.to_string())) {
        return error;
    }
    let (kind, message) = match failure {
        DeltaTableError::Transaction { source } => return of_transaction(source),
        DeltaTableError::VersionAlreadyExists(_) => return conflict("the table was changed"),
        DeltaTableError::SchemaMismatch { msg } => (ErrorKind::QueryInvalid, msg.clone()),
        DeltaTableError::InvalidData { message } => (ErrorKind::DataInvalid, message.clone()),
        DeltaTableError::Generic(text) => (ErrorKind::QueryInvalid, text.clone()),
        // The type of this one is private to delta-rs.
        DeltaTableError::GenericError { source } if source.to_string().contains(TABLE_EXISTS) => {
            (ErrorKind::AlreadyExists, source.to_string())
        }
        DeltaTableError::GenericError { source } => (ErrorKind::QueryInvalid, source.to_string()),
        DeltaTableError::Arrow { source } => (ErrorKind::QueryInvalid, source.to_string()),
        DeltaTableError::MetadataError(text) => (ErrorKind::QueryInvalid, text.clone()),
        DeltaTableError::Kernel { source } => (ErrorKind::QueryInvalid, source.to_string()),
        DeltaTableError::KernelError(source) => (ErrorKind::QueryInvalid, source.to_string()),
        other => (ErrorKind::Unexpected, other.to_string()),
    };
    Error::new(kind, as_sentence(&message))
}

/// What delta-rs says of rows that break a rule of the table, before it shows them.
const INVALID_ROWS: &str = "Invalid data found: ";

/// The refusal of rows that break a rule of the table; their values are nobody's to tell.
fn of_rows(failure: &DeltaTableError) -> Option<Error> {
    let text = failure.to_string();
    let said = text.split_once(INVALID_ROWS)?.1;
    let rows = said.split(' ').next().filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?;
    let rows = if rows == "1" { "1 row breaks".to_owned() } else { format!("{rows} rows break") };
    let message = format!("{rows} a constraint or a NOT NULL of the table, or the predicate");
    Some(
        Error::new(ErrorKind::DataInvalid, message)
            .with_hint("`orbit delta describe` lists the constraints; nothing was written"),
    )
}

/// What is known by its text alone, because its type is private to delta-rs.
fn of_text(text: &str) -> Option<Error> {
    if text.contains("matched a target row with multiple source rows") {
        let message = "several rows of the query meet one row of the table";
        return Some(Error::new(ErrorKind::QueryInvalid, message).with_hint(
            "let the query answer one row for each, as with GROUP BY; nothing was written",
        ));
    }
    if text.contains("number of fields does not match") {
        let message = "the query has not as many columns as the table";
        return Some(Error::new(ErrorKind::QueryInvalid, message).with_hint(
            "`orbit delta describe` lists them; --merge-schema, or --schema merge of `overwrite`, \
             leaves missing ones NULL and adds new ones",
        ));
    }
    let gone = text.split_once("Find missing file ")?.1.split(" when restore").next()?;
    let message = "a file of that version was vacuumed or deleted";
    Some(
        Error::new(ErrorKind::NotFound, message)
            .with_context("file", gone)
            .with_hint("restore another version; `orbit delta history` lists them"),
    )
}

fn of_transaction(failure: &TransactionError) -> Error {
    match failure {
        TransactionError::CommitConflict(conflicted) => {
            conflict(&as_sentence(&conflicted.to_string()))
        }
        TransactionError::VersionAlreadyExists(_) => conflict("the table was changed"),
        TransactionError::MaxCommitAttempts(_) => {
            conflict("other writers were first each time it was tried")
        }
        TransactionError::DeltaTableAppendOnly => {
            let message = "rows of this table are only added, never changed";
            Error::new(ErrorKind::PermissionDenied, message)
                .with_hint("its property `delta.appendOnly` says so")
        }
        TransactionError::TableFeaturesRequired(feature) => {
            let message = format!("the rows need a table with the feature {feature}");
            Error::new(ErrorKind::Unsupported, message)
        }
        other => Error::new(ErrorKind::Unexpected, as_sentence(&other.to_string())),
    }
}

fn conflict(what: &str) -> Error {
    let message = format!("another writer was first: {what}");
    Error::new(ErrorKind::Conflict, message)
        .with_hint("nothing was written; look at the table and run the command again")
}

/// A message of delta-rs in our form: the cause alone, without prefixes and backtraces, lower
/// case, no trailing stop.
pub(crate) fn as_sentence(text: &str) -> String {
    const PREFIXES: [&str; 10] = [
        "Arrow error: ",
        "Kernel error: ",
        "Generic delta kernel error: ",
        "Generic DeltaTable error: ",
        "Generic error: ",
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "External error: ",
        "SQL error: ",
    ];
    let text = text.rsplit("\ncaused by\n").next().unwrap_or(text);
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let mut text = text.split("\n   0: ").next().unwrap_or(text).trim_end_matches('.');
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// ORBIT's own error among the causes of `failure`.
pub(crate) fn orbit_cause<'a>(failure: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut cause = Some(failure);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}
