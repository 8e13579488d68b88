//! What a table is, and what happened to it.

use chrono::{DateTime, SecondsFormat, Utc};
use deltalake::kernel::EagerSnapshot;
use deltalake::logstore::LogStore;
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{Error, ErrorKind, Result};
use serde_json::{Deserializer, Map, Value, json};

use crate::error;
use crate::log::{Log, broken, commit_name};
use crate::log_store::TableLog;

/// Commits that are read at once.
const COMMITS_MAX: usize = 8;

/// Properties that hold a constraint begin with this.
const CONSTRAINT: &str = "delta.constraints.";

/// What the table is in this state.
pub(crate) fn detail(snapshot: &EagerSnapshot) -> Result<Value> {
    let (metadata, protocol) = (snapshot.metadata(), snapshot.protocol());
    let files = snapshot.log_data();
    let (mut bytes, mut rows) = (0_u64, Some(0_u64));
    let mut vectors = 0_u64;
    for file in files.iter() {
        bytes += u64::try_from(file.size()).unwrap_or_default();
        rows = rows.zip(file.num_records()).map(|(sum, rows)| sum + rows as u64);
        if let Some(vector) = file.deletion_vector_descriptor() {
            vectors += 1;
            let deleted = u64::try_from(vector.cardinality).unwrap_or_default();
            rows = rows.map(|rows| rows.saturating_sub(deleted));
        }
    }
    let schema = serde_json::to_value(snapshot.schema().as_ref()).map_err(|cause| {
        Error::new(ErrorKind::DataInvalid, "the table's columns cannot be told").with_source(cause)
    })?;
    let configuration = metadata.configuration();
    let (mut properties, mut constraints) = (Map::new(), Map::new());
    let mut sorted: Vec<_> = configuration.iter().collect();
    sorted.sort();
    for (key, value) in sorted {
        match key.strip_prefix(CONSTRAINT) {
            Some(name) => constraints.insert(name.to_owned(), value.as_str().into()),
            None => properties.insert(key.clone(), value.as_str().into()),
        };
    }
    let features = |features: Option<&[_]>| {
        let mut names: Vec<String> =
            features.unwrap_or_default().iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    Ok(json!({
        "format": "delta",
        "version": snapshot.version(),
        "id": metadata.id(),
        "name": metadata.name(),
        "comment": metadata.description(),
        "created": metadata.created_time().and_then(time),
        "columns": schema.get("fields"),
        "partition_columns": metadata.partition_columns(),
        "properties": properties,
        "constraints": constraints,
        "files": files.num_files(),
        "bytes": bytes,
        "rows": rows,
        "deletion_vectors": vectors,
        "reader_version": protocol.min_reader_version(),
        "writer_version": protocol.min_writer_version(),
        "reader_features": features(protocol.reader_features()),
        "writer_features": features(protocol.writer_features()),
    }))
}

fn time(millis: i64) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp_millis(millis)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The versions whose commits are still there, the newest first, at most `limit`.
pub(crate) async fn history(source: &TableLog, log: &Log, limit: usize) -> Result<Value> {
    let versions: Vec<u64> = log.versions().take(limit).collect();
    let entries = stream::iter(versions)
        .map(|version| entry(source, version))
        .buffered(COMMITS_MAX)
        .try_collect::<Vec<_>>();
    Ok(Value::Array(entries.await?))
}

async fn entry(source: &TableLog, version: u64) -> Result<Value> {
    let name = commit_name(version);
    let read = source.read_commit_entry(version).await;
    let bytes = read.map_err(|failure| match error::orbit_cause(&failure) {
        Some(error) => error.clone(),
        None => broken(&name, "a commit cannot be read").with_source(failure),
    })?;
    let bytes = bytes.ok_or_else(|| broken(&name, "a commit is missing from the log"))?;
    let info = commit_info(&bytes)
        .map_err(|cause| broken(&name, "a commit is no JSON").with_source(cause))?;
    let field = |key: &str| info.get(key).cloned().unwrap_or(Value::Null);
    let millis = info.get("inCommitTimestamp").or(info.get("timestamp")).and_then(Value::as_i64);
    Ok(json!({
        "version": version,
        "time": millis.and_then(time),
        "operation": field("operation"),
        "parameters": field("operationParameters"),
        "metrics": field("operationMetrics"),
        "user": field("userName"),
        "engine": field("engineInfo"),
        "query_id": field("orbitQueryId"),
    }))
}

/// What a commit says of itself; nothing when it does not.
pub(crate) fn commit_info(commit: &[u8]) -> serde_json::Result<Map<String, Value>> {
    for action in Deserializer::from_slice(commit).into_iter::<Value>() {
        if let Value::Object(mut action) = action?
            && let Some(Value::Object(info)) = action.remove("commitInfo")
        {
            return Ok(info);
        }
    }
    Ok(Map::new())
}
