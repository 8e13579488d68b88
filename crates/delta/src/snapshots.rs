//! What is kept between queries: the log as last listed and the states read from it, for each
//! table of each datasource and identity.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use deltalake::kernel::EagerSnapshot;

use crate::log::Log;
use crate::root::Root;

/// How much is kept in all, roughly: delta-rs does not tell what a state takes.
const WEIGHT_MAX_BYTES: u64 = 128 * 1024 * 1024;

/// What one listed file of a log counts.
const LOG_FILE_WEIGHT_BYTES: u64 = 256;

/// What a state counts whatever is in it: a schema, a protocol, what the kernel keeps.
const STATE_WEIGHT_BYTES: u64 = 64 * 1024;

/// What one file of a state counts at least: checkpoints are packed, their rows in memory are not.
const FILE_WEIGHT_BYTES: u64 = 1024;

/// Whose table it is, and where: the scope of the datasource's handle, then the folder.
pub(crate) type TableKey = (String, String);

/// A table as it was last seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) root: Root,
    pub(crate) log: Arc<Log>,
}

/// A bounded memory of tables, forgetting the one that was not used for longest.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tables: HashMap<TableKey, Table>,
    clock: u64,
}

#[derive(Debug)]
struct Table {
    seen: Seen,
    states: BTreeMap<u64, State>,
    used: u64,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<EagerSnapshot>,
    weight_bytes: u64,
}

impl Table {
    fn weight_bytes(&self) -> u64 {
        let states: u64 = self.states.values().map(|s| s.weight_bytes).sum();
        states + self.seen.log.len() as u64 * LOG_FILE_WEIGHT_BYTES
    }
}

impl Snapshots {
    fn with<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The table as it was last seen.
    pub(crate) fn seen(&self, key: &TableKey) -> Option<Seen> {
        self.with(|tables| tables.touch(key).map(|table| table.seen.clone()))
    }

    /// Keeps how the table is seen now. Its states stay while it keeps its name.
    pub(crate) fn see(&self, key: &TableKey, seen: Seen) {
        self.with(|tables| {
            let states = match tables.tables.remove(key) {
                Some(table) if table.seen.root == seen.root => table.states,
                _ => BTreeMap::new(),
            };
            tables.tables.insert(key.clone(), Table { seen, states, used: 0 });
            tables.touch(key);
            tables.shrink();
        });
    }

    /// A state that was read before.
    pub(crate) fn state(
        &self,
        key: &TableKey,
        root: &Root,
        version: u64,
    ) -> Option<Arc<EagerSnapshot>> {
        self.with(|tables| {
            let table = tables.touch(key).filter(|table| table.seen.root == *root)?;
            table.states.get(&version).map(|state| Arc::clone(&state.snapshot))
        })
    }

    /// The newest state that is older than `version`.
    pub(crate) fn before(
        &self,
        key: &TableKey,
        root: &Root,
        version: u64,
    ) -> Option<Arc<EagerSnapshot>> {
        self.with(|tables| {
            let table = tables.touch(key).filter(|table| table.seen.root == *root)?;
            let (_, state) = table.states.range(..version).next_back()?;
            Some(Arc::clone(&state.snapshot))
        })
    }

    /// Forgets a state that a newer one was made of.
    pub(crate) fn drop_state(&self, key: &TableKey, root: &Root, version: u64) {
        self.with(|tables| {
            if let Some(table) = tables.touch(key).filter(|table| table.seen.root == *root) {
                table.states.remove(&version);
            }
        });
    }

    /// Keeps a state that was read from `log_bytes` of log.
    pub(crate) fn keep(
        &self,
        key: &TableKey,
        root: &Root,
        snapshot: &Arc<EagerSnapshot>,
        log_bytes: u64,
    ) {
        let files = snapshot.log_data().num_files() as u64;
        let weight_bytes = log_bytes.max(files * FILE_WEIGHT_BYTES) + STATE_WEIGHT_BYTES;
        self.with(|tables| {
            let Some(table) = tables.touch(key).filter(|table| table.seen.root == *root) else {
                return;
            };
            let state = State { snapshot: Arc::clone(snapshot), weight_bytes };
            table.states.insert(snapshot.version(), state);
            tables.shrink();
        });
    }

    /// Forgets a table.
    pub(crate) fn forget(&self, key: &TableKey) {
        self.with(|tables| tables.tables.remove(key));
    }
}

impl Tables {
    fn touch(&mut self, key: &TableKey) -> Option<&mut Table> {
        self.clock += 1;
        let table = self.tables.get_mut(key)?;
        table.used = self.clock;
        Some(table)
    }

    fn shrink(&mut self) {
        let mut weight: u64 = self.tables.values().map(Table::weight_bytes).sum();
        while weight > WEIGHT_MAX_BYTES {
            let oldest = self.tables.iter().min_by_key(|(_, table)| table.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            if let Some(table) = self.tables.remove(&key) {
                weight -= table.weight_bytes();
            }
        }
    }
}
