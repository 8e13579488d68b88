//! What a running operation tells: progress bars, `explain --analyze` and audit live on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One thing told about a datasource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The source's id of the statement, as soon as it is known.
    Statement {
        /// The id in the source's own form.
        id: String,
    },
    /// The source is not ready yet, such as a warehouse that starts.
    Waiting {
        /// For what.
        reason: &'static str,
    },
    /// How far it is, in the source's own unit.
    Progress {
        /// Done so far.
        done: u64,
        /// In all, when known.
        total: Option<u64>,
    },
    /// Requests sent since the last such event.
    Requests(u64),
    /// Bytes read since the last such event.
    BytesRead(u64),
    /// Bytes written since the last such event.
    BytesWritten(u64),
    /// Rows received since the last such event.
    Rows(u64),
    /// An operation is repeated.
    Retried,
}

/// Is told of events. Called from any thread, so it must be quick.
pub trait Reporter: Send + Sync {
    /// Takes one event of the datasource named (empty: of none in particular).
    fn report(&self, datasource: &str, event: Event);
}

/// A reporter that adds up, per datasource.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, TallySnapshot>>);

/// The sums of one datasource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TallySnapshot {
    /// The statements that ran at the source, by their ids there.
    pub statements: Vec<String>,
    /// Requests sent.
    pub requests: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Rows received.
    pub rows: u64,
    /// Operations repeated.
    pub retries: u64,
}

impl Tally {
    /// The sums so far, by datasource.
    pub fn snapshot(&self) -> BTreeMap<String, TallySnapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reporter for Tally {
    fn report(&self, datasource: &str, event: Event) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sums.contains_key(datasource) {
            sums.insert(datasource.to_owned(), TallySnapshot::default());
        }
        let Some(sum) = sums.get_mut(datasource) else { return };
        match event {
            Event::Statement { id } => sum.statements.push(id),
            Event::Waiting { .. } | Event::Progress { .. } => {}
            Event::Requests(n) => sum.requests += n,
            Event::BytesRead(n) => sum.bytes_read += n,
            Event::BytesWritten(n) => sum.bytes_written += n,
            Event::Rows(n) => sum.rows += n,
            Event::Retried => sum.retries += 1,
        }
    }
}
