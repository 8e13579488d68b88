//! A SQL source in memory that does what a test tells it to.
//!
//! It answers queries with the [reference](crate::reference), keeps every query that it was
//! asked, and fails, hangs or refuses on command. [`Scripted`] is the test's end of it;
//! [`datasources`] makes a snapshot as the engine takes it.
//!
//! ```
//! use arrow_array::record_batch;
//! use orbit_testkit::scripted::{Scripted, datasources};
//!
//! let rows = record_batch!(("id", Int64, [1, 2, 3])).unwrap();
//! let crm = Scripted::builder().table(["sales", "orders"], rows).build();
//! let sources = datasources([("crm", &crm)]).unwrap();
//! assert!(sources.get("crm").is_some());
//! assert!(crm.queries().is_empty());
//! ```

mod admit;
mod backend;
mod builder;
mod connection;
mod rows;
mod tables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use orbit_core::{Datasource, Error, Operation, Query, TableName};

pub use backend::{BACKEND, NoLayers, datasources, layered_datasources};
pub use builder::{Builder, FULL_CAPABILITY, Statement, dialect};

use builder::Script;
use connection::Connection;
use rows::Running;
use tables::Tables;

/// What befalls the streams of a source.
#[derive(Debug, Clone, Default)]
pub enum StreamFault {
    /// Nothing.
    #[default]
    None,
    /// An error item after this many batches.
    ErrorAfter {
        /// How many.
        batches: usize,
        /// The error.
        error: Error,
    },
    /// Silence after this many batches.
    HangAfter {
        /// How many.
        batches: usize,
    },
    /// A wait before each batch.
    Pace(Duration),
}

/// What befalls an operation before it answers.
#[derive(Debug, Clone)]
enum OpenFault {
    Fail(Error),
    Hang,
}

/// What became of the statements so far. A statement is counted from the moment it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Asked in all.
    pub started: usize,
    /// Still at work.
    pub running: usize,
    /// Read to the end.
    pub finished: usize,
    /// Ended in an error of the source.
    pub failed: usize,
    /// Stopped by token, deadline or statement id.
    pub cancelled: usize,
    /// Dropped before the end.
    pub dropped: usize,
}

/// The test's end of a source: what it holds, was asked and shall do. Cheap to clone.
#[derive(Clone)]
pub struct Scripted(Arc<Shared>);

struct Shared {
    id: u64,
    script: Script,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: Tables,
    queries: Vec<Query>,
    connects: usize,
    open_faults: BTreeMap<&'static str, (OpenFault, usize)>,
    stream_fault: StreamFault,
    counts: Counts,
    running: BTreeMap<String, Running>,
    results: BTreeMap<String, Vec<RecordBatch>>,
    statements: u64,
}

impl Scripted {
    /// Begins a source that can do everything and holds nothing.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A connection to it, for use without a registry.
    pub fn connect(&self) -> Arc<dyn Datasource> {
        self.state().connects += 1;
        Arc::new(Connection::new(self.clone()))
    }

    /// How often it was connected.
    pub fn connects(&self) -> usize {
        self.state().connects
    }

    /// Every query it was asked, in order: those that it refused too.
    pub fn queries(&self) -> Vec<Query> {
        self.state().queries.clone()
    }

    /// The same, forgetting them.
    pub fn take_queries(&self) -> Vec<Query> {
        std::mem::take(&mut self.state().queries)
    }

    /// The rows of a table as they are now.
    pub fn table(&self, name: impl IntoIterator<Item = impl Into<String>>) -> Option<RecordBatch> {
        self.state().tables.rows(&TableName::new(name), None).ok()
    }

    /// What became of the statements so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// How many statements on this table, or of this text, are at work now.
    pub fn running_on(&self, target: &str) -> usize {
        self.state().running.values().filter(|running| running.target == target).count()
    }

    /// The next `times` calls of `operation` fail; `usize::MAX` is all of them.
    pub fn fail(&self, operation: Operation, error: Error, times: usize) {
        self.befall(operation, OpenFault::Fail(error), times);
    }

    /// The next `times` calls of `operation` never answer.
    pub fn hang(&self, operation: Operation, times: usize) {
        self.befall(operation, OpenFault::Hang, times);
    }

    /// What befalls every stream from now on.
    pub fn fault_streams(&self, fault: StreamFault) {
        self.state().stream_fault = fault;
    }

    /// Takes every fault back.
    pub fn heal(&self) {
        let mut state = self.state();
        state.open_faults.clear();
        state.stream_fault = StreamFault::None;
    }

    fn befall(&self, operation: Operation, fault: OpenFault, times: usize) {
        self.state().open_faults.insert(operation.as_str(), (fault, times));
    }

    /// The fault that this call of `operation` meets.
    fn meet(&self, operation: Operation) -> Option<OpenFault> {
        let mut state = self.state();
        let (fault, times) = state.open_faults.get_mut(operation.as_str())?;
        let fault = fault.clone();
        *times = times.saturating_sub(1);
        if *times == 0 {
            state.open_faults.remove(operation.as_str());
        }
        Some(fault)
    }

    fn script(&self) -> &Script {
        &self.0.script
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("id", &self.0.id)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
