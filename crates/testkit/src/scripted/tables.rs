//! The tables of a scripted source, each with every state it was in.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use orbit_core::{
    Error, ErrorKind, InsertMode, InsertOutcome, Result, TableName, Version, WriteEffect,
};

/// One state of a table.
struct Snapshot {
    rows: RecordBatch,
    since_us: i64,
}

/// All tables; version `n` of a table is its state after `n` changes.
#[derive(Default)]
pub(super) struct Tables {
    by_name: BTreeMap<TableName, Vec<Snapshot>>,
    written: BTreeMap<String, InsertOutcome>,
}

impl Tables {
    pub(super) fn put(&mut self, name: TableName, rows: RecordBatch) {
        self.by_name.entry(name).or_default().push(Snapshot { rows, since_us: now_us() });
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &TableName> {
        self.by_name.keys()
    }

    /// The rows of a table, perhaps as they were.
    pub(super) fn rows(&self, name: &TableName, version: Option<Version>) -> Result<RecordBatch> {
        let states = self.by_name.get(name).ok_or_else(|| not_found("no such table", name))?;
        let state = match version {
            None => states.last(),
            Some(Version::Number(n)) => usize::try_from(n).ok().and_then(|n| states.get(n)),
            Some(Version::Timestamp(us)) => states.iter().rfind(|s| s.since_us <= us),
        };
        let state = state.ok_or_else(|| not_found("the table has no such version", name))?;
        Ok(state.rows.clone())
    }

    /// Writes all of `rows` or, in an error, nothing.
    pub(super) fn insert(
        &mut self,
        name: TableName,
        mode: InsertMode,
        rows: RecordBatch,
        key: Option<String>,
    ) -> Result<InsertOutcome> {
        if let Some(outcome) = key.as_ref().and_then(|k| self.written.get(k)) {
            return Ok(*outcome);
        }
        let outcome = InsertOutcome { rows_written: rows.num_rows() as u64, rows_rejected: 0 };
        let state = match (mode, self.rows(&name, None)) {
            (InsertMode::Create, Ok(_)) => {
                let error = Error::new(ErrorKind::AlreadyExists, "the table exists");
                return Err(error.with_context("table", name.to_string()));
            }
            (InsertMode::Create, Err(_)) => rows,
            (_, Err(error)) => return Err(error),
            (InsertMode::Append, Ok(old)) => {
                matching(&name, &old, &rows)?;
                concat_batches(&old.schema(), [&old, &rows]).map_err(|e| {
                    Error::new(ErrorKind::DataInvalid, "the rows cannot be appended").with_source(e)
                })?
            }
            (InsertMode::Overwrite, Ok(old)) => {
                matching(&name, &old, &rows)?;
                rows
            }
        };
        self.put(name, state);
        if let Some(key) = key {
            self.written.insert(key, outcome);
        }
        Ok(outcome)
    }
}

fn matching(name: &TableName, old: &RecordBatch, new: &RecordBatch) -> Result<()> {
    if old.schema() == new.schema() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::DataInvalid, "the rows do not have the table's columns");
    Err(error.with_context("table", name.to_string()).with_write_effect(WriteEffect::None))
}

fn not_found(message: &'static str, name: &TableName) -> Error {
    Error::new(ErrorKind::NotFound, message).with_context("table", name.to_string())
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
