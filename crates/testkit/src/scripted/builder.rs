//! What a scripted source is, fixed before it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use orbit_core::{
    BooleanForm, DescribeCapability, DialectLimits, EstimateCapability, IdentifierCase,
    InsertCapability, IntegerDivision, LimitForm, ListTablesCapability, NullOrder, ParameterMarker,
    Partition, PartitionCapability, PartitionSource, PredicateCapability, Query, QueryCapability,
    SqlCapability, SqlDialect, StatementCapability, TableName, TimeTravelForm,
};

use super::tables::Tables;
use super::{Scripted, Shared, State, backend};

/// All that a scripted source can do.
pub const FULL_CAPABILITY: SqlCapability = SqlCapability {
    list: Some(ListTablesCapability { without_waking: true }),
    describe: Some(DescribeCapability { statement: true, statistics: true, without_waking: true }),
    query: Some(QueryCapability {
        predicate: Some(PredicateCapability {
            text_order: true,
            like: true,
            like_ignore_case: true,
            in_values_max: 1000,
        }),
        order: true,
        limit: true,
        time_travel: true,
    }),
    statement: Some(StatementCapability { parameters: true, write: true }),
    estimate: Some(EstimateCapability { rows: true, bytes: true, money: false }),
    partitions: Some(PartitionCapability { one_snapshot: true, ordered: true }),
    insert: Some(InsertCapability {
        create: true,
        overwrite: true,
        idempotency_key: true,
        atomic: true,
    }),
    cancel: true,
};

/// The dialect of a scripted source, close to PostgreSQL's.
pub fn dialect() -> SqlDialect {
    SqlDialect {
        name: "scripted",
        quote_open: '"',
        quote_close: '"',
        identifier_case: IdentifierCase::Lower,
        limit: LimitForm::Limit,
        boolean: BooleanForm::Keyword,
        null_order: NullOrder::Explicit,
        integer_division: IntegerDivision::Truncates,
        backslash_escapes: false,
        parameter_marker: ParameterMarker::Dollar,
        time_travel: Some(TimeTravelForm::AsOf),
        limits: DialectLimits {
            statement_bytes_max: 1 << 20,
            in_values_max: 1000,
            identifier_bytes_max: 63,
        },
        functions: &[],
    }
}

/// What a statement in the source's own dialect does.
#[derive(Debug, Clone)]
pub enum Statement {
    /// It answers these rows.
    Rows(RecordBatch),
    /// It answers its parameters as a row of this schema.
    Parameters(SchemaRef),
    /// It writes, and says that it changed this many rows.
    Affects(u64),
    /// It has two results.
    TwoResults,
    /// It answers these rows and is then silent until it is stopped.
    Endless(RecordBatch),
}

type Refusal = dyn Fn(&Query) -> Option<String> + Send + Sync;

pub(super) struct Script {
    pub(super) capability: SqlCapability,
    pub(super) dialect: Arc<SqlDialect>,
    pub(super) statements: BTreeMap<String, Statement>,
    pub(super) collated: BTreeSet<String>,
    pub(super) batch_rows: usize,
    pub(super) refuse: Option<Box<Refusal>>,
    pub(super) exports: Vec<Partition>,
}

/// Makes a [`Scripted`] source.
pub struct Builder {
    script: Script,
    tables: Tables,
}

impl Default for Builder {
    fn default() -> Self {
        let script = Script {
            capability: FULL_CAPABILITY,
            dialect: Arc::new(dialect()),
            statements: BTreeMap::new(),
            collated: BTreeSet::new(),
            batch_rows: 16,
            refuse: None,
            exports: Vec::new(),
        };
        Self { script, tables: Tables::default() }
    }
}

impl Builder {
    /// Adds a table; a second one of the name is the table's next version.
    #[must_use]
    pub fn table(
        mut self,
        name: impl IntoIterator<Item = impl Into<String>>,
        rows: RecordBatch,
    ) -> Self {
        self.tables.put(TableName::new(name), rows);
        self
    }

    /// Adds a statement in the source's own dialect, known by its exact text.
    #[must_use]
    pub fn statement(mut self, text: impl Into<String>, statement: Statement) -> Self {
        self.script.statements.insert(text.into(), statement);
        self
    }

    /// What it can do.
    #[must_use]
    pub fn capability(mut self, capability: SqlCapability) -> Self {
        self.script.capability = capability;
        self
    }

    /// Its SQL.
    #[must_use]
    pub fn dialect(mut self, dialect: SqlDialect) -> Self {
        self.script.dialect = Arc::new(dialect);
        self
    }

    /// Columns of this name are described as not compared by their bytes.
    #[must_use]
    pub fn collated(mut self, column: impl Into<String>) -> Self {
        self.script.collated.insert(column.into());
        self
    }

    /// Rows of a batch, 16 if not said.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.script.batch_rows = rows.max(1);
        self
    }

    /// Refuses as `Unsupported` the queries for which `construct` answers a name.
    #[must_use]
    pub fn refuse(
        mut self,
        construct: impl Fn(&Query) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.script.refuse = Some(Box::new(construct));
        self
    }

    /// A query in parts is these files of `datasource`, each a part of so many rows.
    #[must_use]
    pub fn exports(
        mut self,
        datasource: &str,
        files: impl IntoIterator<Item = (impl Into<String>, u64)>,
    ) -> Self {
        let part = |(key, rows): (_, u64)| Partition {
            source: PartitionSource::Files {
                datasource: datasource.to_owned(),
                keys: vec![Into::into(key)],
            },
            rows: Some(rows),
        };
        self.script.exports = files.into_iter().map(part).collect();
        self
    }

    /// The source.
    pub fn build(self) -> Scripted {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let state = Mutex::new(State { tables: self.tables, ..State::default() });
        let scripted = Scripted(Arc::new(Shared { id, script: self.script, state }));
        backend::remember(&scripted);
        scripted
    }
}
