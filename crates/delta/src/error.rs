//! What a failure of delta-rs means, and which file of the log is to blame.

use std::error::Error as StdError;

use delta_kernel::error::Error as KernelError;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{EagerSnapshot, StorageType};
use object_store::ObjectStoreExt;
use orbit_core::{Error, ErrorKind, Result};
use serde_json::{Deserializer, Value};
use url::Url;

use crate::log::{LOG_FOLDER, Segment, broken, commit_name};
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
    if let Some(unsupported) = unsupported(&failure) {
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
pub(crate) fn unsupported(failure: &DeltaTableError) -> Option<Error> {
    let needs = match failure {
        DeltaTableError::Transaction {
            source: TransactionError::UnsupportedTableFeatures(features),
        } => {
            let names: Vec<_> = features.iter().map(ToString::to_string).collect();
            format!("the table needs a reader that knows {}", names.join(", "))
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

/// Fails on the first file or deletion vector that is said to lie outside the table's folder,
/// before any of them is read.
pub(crate) fn refuse_foreign_files(snapshot: &EagerSnapshot) -> Result<()> {
    for file in snapshot.log_data().iter() {
        let path = file.path();
        if is_foreign(&path) {
            return Err(outside(&path));
        }
        if let Some(vector) = file.deletion_vector_descriptor() {
            let place = &vector.path_or_inline_dv;
            let foreign = match vector.storage_type {
                StorageType::Inline => false,
                StorageType::AbsolutePath => true,
                StorageType::UuidRelativePath => {
                    let prefix = place.len().saturating_sub(ENCODED_UUID_LEN);
                    place.get(..prefix).is_none_or(|p| p.contains(['/', '\\', '.', ':', '%']))
                }
            };
            if foreign {
                return Err(outside(place));
            }
        }
    }
    Ok(())
}

/// A deletion vector's place is a free prefix and a UUID of this many characters.
const ENCODED_UUID_LEN: usize = 20;

fn is_foreign(path: &str) -> bool {
    let up = path.split(['/', '\\']).any(|segment| segment == "..");
    let absolute = path.starts_with('/') || (path.contains(":/") && Url::parse(path).is_ok());
    up || absolute
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
