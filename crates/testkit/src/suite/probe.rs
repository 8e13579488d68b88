//! One call for each claim, by which off and on, closed and cancelled are told apart.

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use orbit_core::{
    BatchStream, CompareOp, Context, Copy, Datasource, Delete, Describe, Effect, Error,
    FileDatasource, Insert, InsertMode, ListFiles, ListTables, Literal, Operation, PartitionRead,
    Partitions, Predicate, Presign, PresignMethod, Query, Read, ReadRanges, Result, SortKey,
    SqlDatasource, Stat, TableName, TableRef, Version, Write, WriteCondition,
};

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, RecordBatch};

use super::check::{bytes, entries};
use crate::bench::Bench;
use crate::claims::Claims;
use crate::reference::one_batch;
use crate::subject::Verdict;
use crate::tables;

/// What the probes call, and with what.
pub(super) struct Setting<'a> {
    pub(super) datasource: &'a dyn Datasource,
    pub(super) cx: &'a Context,
    table: TableName,
    new_table: TableName,
    rows: RecordBatch,
    statement: String,
    key: String,
}

type Call = for<'a> fn(&'a Setting<'a>) -> BoxFuture<'a, Result<()>>;

/// A call that the claim allows.
pub(super) struct Probe {
    pub(super) claim: &'static str,
    pub(super) call: Call,
}

macro_rules! probes {
    ($($claim:literal => $call:ident;)*) => {
        &[$(Probe { claim: $claim, call: |setting| Box::pin($call(setting)) }),*]
    };
}

/// The calls. Claims that promise how an operation is done, and not another operation, have
/// none: they are in [`PROMISES`].
pub(super) const PROBES: &[Probe] = probes! {
    "sql.list" => list_tables;
    "sql.describe" => describe;
    "sql.describe.statement" => describe_statement;
    "sql.query" => query;
    "sql.query.predicate" => predicate;
    "sql.query.predicate.text_order" => text_order;
    "sql.query.predicate.like" => like;
    "sql.query.predicate.like_ignore_case" => like_ignore_case;
    "sql.query.predicate.in_values_max" => in_values;
    "sql.query.order" => order;
    "sql.query.limit" => limit;
    "sql.query.time_travel" => time_travel;
    "sql.statement" => statement;
    "sql.statement.parameters" => parameters;
    "sql.statement.write" => statement_write;
    "sql.estimate" => estimate;
    "sql.partitions" => partitions;
    "sql.insert" => insert;
    "sql.insert.create" => insert_create;
    "sql.insert.overwrite" => insert_overwrite;
    "sql.insert.idempotency_key" => insert_keyed;
    "sql.cancel" => cancel;
    "files.read" => read;
    "files.read.if_match" => read_if_match;
    "files.read.start_after" => start_after;
    "files.write" => write;
    "files.write.if_absent" => write_if_absent;
    "files.write.if_match" => write_if_match;
    "files.copy" => copy;
    "files.delete" => delete;
    "files.presign" => presign;
};

/// Claims that promise how an operation is done; trials of their own look whether it is so.
#[cfg(test)]
const PROMISES: &[&str] = &[
    "sql",
    "sql.list.without_waking",
    "sql.describe.statistics",
    "sql.describe.without_waking",
    "sql.estimate.rows",
    "sql.estimate.bytes",
    "sql.estimate.money",
    "sql.partitions.one_snapshot",
    "sql.partitions.ordered",
    "sql.insert.atomic",
    "files",
];

impl<'a> Setting<'a> {
    /// The suite's own table and file where the fixture has them; `name` keeps what is written
    /// apart from other trials.
    pub(super) async fn new(
        bench: &Bench,
        name: &str,
        datasource: &'a dyn Datasource,
        cx: &'a Context,
    ) -> Verdict<Self> {
        let key = bench.key(name);
        let claims = Claims::of(&bench.subject().capability);
        if claims.has("files.write") {
            let body = Bytes::from_static(b"probe");
            let request = Write::bytes(&key, body, WriteCondition::Always);
            bench.files()?.write(&bench.cx(), request).await?;
        }
        let fixture = bench.fixture().await?.sql.as_ref();
        let suite_table = fixture.and_then(|f| f.rows.as_ref()).map(|(table, _)| table.clone());
        let statement = fixture.and_then(|f| f.statements.read.as_ref()).map(|(text, _)| text);
        let new_table = match fixture {
            Some(_) => bench.table(name).await?,
            None => TableName::new([name]),
        };
        Ok(Self {
            datasource,
            cx,
            table: suite_table.unwrap_or_else(|| new_table.clone()),
            new_table,
            rows: tables::rows()?,
            statement: statement.cloned().unwrap_or_else(|| "SELECT 1".to_owned()),
            key,
        })
    }

    fn sql(&self) -> Result<&dyn SqlDatasource> {
        self.datasource.facets().sql.ok_or_else(|| Error::unsupported(Operation::Query))
    }

    fn files(&self) -> Result<&dyn FileDatasource> {
        self.datasource.facets().files.ok_or_else(|| Error::unsupported(Operation::Read))
    }

    fn of_table(&self) -> Query {
        Query::table(TableRef::new(self.table.clone()))
    }

    async fn run(&self, query: Query) -> Result<()> {
        let stream = self.sql()?.query(self.cx, query).await?;
        stream.try_for_each(|_| async { Ok(()) }).await
    }

    async fn filtered(&self, predicate: Predicate) -> Result<()> {
        self.run(Query { predicate: Some(predicate), ..self.of_table() }).await
    }

    fn value(&self, column: &str) -> Result<ArrayRef> {
        let column = self.rows.column_by_name(column);
        let present = |array: &&ArrayRef| array.is_valid(0);
        let first = column.filter(present).map(|array| array.slice(0, 1));
        Ok(first.unwrap_or_else(|| Arc::new(arrow_array::StringArray::from(vec!["a"]))))
    }

    async fn put(&self, mode: InsertMode, key: Option<&str>) -> Result<()> {
        let rows = BatchStream::from_batches(self.rows.schema(), vec![self.rows.slice(0, 1)]);
        let request = Insert {
            table: self.new_table.clone(),
            mode,
            rows,
            idempotency_key: key.map(str::to_owned),
        };
        self.sql()?.insert(self.cx, request).await.map(drop)
    }

    async fn upload(&self, condition: WriteCondition) -> Result<()> {
        let body = Bytes::from_static(b"probe");
        let request = Write::bytes(&self.key, body, condition);
        self.files()?.write(self.cx, request).await.map(drop)
    }
}

async fn list_tables(s: &Setting<'_>) -> Result<()> {
    s.sql()?.list(s.cx, ListTables::default()).await.map(drop)
}

async fn describe(s: &Setting<'_>) -> Result<()> {
    s.sql()?.describe(s.cx, Describe { query: s.of_table() }).await.map(drop)
}

async fn describe_statement(s: &Setting<'_>) -> Result<()> {
    let query = Query::statement(&s.statement, Effect::Read);
    s.sql()?.describe(s.cx, Describe { query }).await.map(drop)
}

async fn query(s: &Setting<'_>) -> Result<()> {
    s.run(s.of_table()).await
}

async fn predicate(s: &Setting<'_>) -> Result<()> {
    s.filtered(Predicate::IsNull { column: "whole".to_owned(), negated: true }).await
}

async fn text_order(s: &Setting<'_>) -> Result<()> {
    let value = Literal::new(s.value("text")?)?;
    s.filtered(Predicate::compare("text", CompareOp::Lt, value)).await
}

async fn like(s: &Setting<'_>) -> Result<()> {
    s.filtered(pattern(false)).await
}

async fn like_ignore_case(s: &Setting<'_>) -> Result<()> {
    s.filtered(pattern(true)).await
}

fn pattern(ignore_case: bool) -> Predicate {
    let (column, pattern) = ("text".to_owned(), "a%".to_owned());
    Predicate::Like { column, pattern, negated: false, ignore_case }
}

async fn in_values(s: &Setting<'_>) -> Result<()> {
    let values = s.value("id")?;
    s.filtered(Predicate::In { column: "id".to_owned(), values, negated: false }).await
}

async fn order(s: &Setting<'_>) -> Result<()> {
    let key = SortKey { column: "id".to_owned(), descending: true, nulls_first: false };
    s.run(Query { order: vec![key], ..s.of_table() }).await
}

async fn limit(s: &Setting<'_>) -> Result<()> {
    s.run(Query { limit: Some(1), ..s.of_table() }).await
}

async fn time_travel(s: &Setting<'_>) -> Result<()> {
    let version = Some(Version::Number(0));
    s.run(Query::table(TableRef { name: s.table.clone(), version })).await
}

async fn statement(s: &Setting<'_>) -> Result<()> {
    s.run(Query::statement(&s.statement, Effect::Read)).await
}

async fn parameters(s: &Setting<'_>) -> Result<()> {
    let parameters = Some(s.rows.slice(0, 1));
    s.run(Query { parameters, ..Query::statement(&s.statement, Effect::Read) }).await
}

async fn statement_write(s: &Setting<'_>) -> Result<()> {
    s.run(Query::statement(&s.statement, Effect::Write)).await
}

async fn estimate(s: &Setting<'_>) -> Result<()> {
    s.sql()?.estimate(s.cx, s.of_table()).await.map(drop)
}

async fn partitions(s: &Setting<'_>) -> Result<()> {
    let request = Partitions { query: s.of_table(), partitions_max: 2 };
    let set = s.sql()?.partitions(s.cx, request).await?;
    let Some(partition) = set.partitions.into_iter().next() else { return Ok(()) };
    let read = PartitionRead { schema: Arc::clone(&set.schema), partition };
    let stream = s.sql()?.read_partition(s.cx, read).await?;
    let batches: Vec<_> = stream.try_collect().await?;
    one_batch(&set.schema, &batches).map(drop)
}

async fn insert(s: &Setting<'_>) -> Result<()> {
    s.put(InsertMode::Append, None).await
}

async fn insert_create(s: &Setting<'_>) -> Result<()> {
    s.put(InsertMode::Create, None).await
}

async fn insert_overwrite(s: &Setting<'_>) -> Result<()> {
    s.put(InsertMode::Overwrite, None).await
}

async fn insert_keyed(s: &Setting<'_>) -> Result<()> {
    s.put(InsertMode::Append, Some("behaviour-probe")).await
}

async fn cancel(s: &Setting<'_>) -> Result<()> {
    s.sql()?.cancel(s.cx, "behaviour-ended").await
}

async fn read(s: &Setting<'_>) -> Result<()> {
    let key = s.key.clone();
    let request = ListFiles { prefix: key.clone(), ..ListFiles::default() };
    entries(s.files()?.list(s.cx, request).await?).await?;
    s.files()?.stat(s.cx, Stat { key: key.clone() }).await?;
    let request = ReadRanges { key: key.clone(), ranges: vec![0..1, 2..4], if_match: None };
    s.files()?.read_ranges(s.cx, request).await?;
    let body = s.files()?.read(s.cx, Read { key, range: None, if_match: None }).await?;
    bytes(body).await.map(drop)
}

async fn read_if_match(s: &Setting<'_>) -> Result<()> {
    let if_match = Some("behaviour-no-such-tag".to_owned());
    let body = s.files()?.read(s.cx, Read { key: s.key.clone(), range: None, if_match }).await?;
    bytes(body).await.map(drop)
}

async fn start_after(s: &Setting<'_>) -> Result<()> {
    let start_after = Some(s.key.clone());
    let request = ListFiles { prefix: s.key.clone(), delimited: false, start_after };
    entries(s.files()?.list(s.cx, request).await?).await.map(drop)
}

async fn write(s: &Setting<'_>) -> Result<()> {
    s.upload(WriteCondition::Always).await
}

async fn write_if_absent(s: &Setting<'_>) -> Result<()> {
    s.upload(WriteCondition::IfAbsent).await
}

async fn write_if_match(s: &Setting<'_>) -> Result<()> {
    s.upload(WriteCondition::IfMatch("behaviour-no-such-tag".to_owned())).await
}

async fn copy(s: &Setting<'_>) -> Result<()> {
    let (from, to) = (s.key.clone(), format!("{}.copy", s.key));
    s.files()?.copy(s.cx, Copy { from, to, condition: WriteCondition::Always }).await
}

async fn delete(s: &Setting<'_>) -> Result<()> {
    let keys = vec![format!("{}.absent", s.key)];
    let outcomes = s.files()?.delete(s.cx, Delete { keys }).await?;
    outcomes.into_iter().try_for_each(|outcome| outcome.result)
}

async fn presign(s: &Setting<'_>) -> Result<()> {
    let expires_in = Duration::from_secs(60);
    let request = Presign { key: s.key.clone(), method: PresignMethod::Get, expires_in };
    s.files()?.presign(s.cx, request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use orbit_core::Capability;

    use super::{PROBES, PROMISES};
    use crate::claims::Claims;
    use crate::suite::trials;

    #[test]
    fn every_claim_is_called_or_promised() {
        let mut known: Vec<_> =
            PROBES.iter().map(|p| p.claim).chain(PROMISES.iter().copied()).collect();
        let mut claims: Vec<_> = Claims::of(&Capability::default()).iter().map(|c| c.0).collect();
        known.sort_unstable();
        claims.sort_unstable();
        assert_eq!(known, claims);
    }

    #[test]
    fn trials_need_only_claims_that_exist() {
        let claims = Claims::of(&Capability::default());
        let all: Vec<_> = claims.iter().map(|c| c.0).collect();
        for trial in trials() {
            for need in &trial.needs {
                assert!(all.contains(need), "{} needs {need}, which is no claim", trial.name);
            }
        }
    }

    #[test]
    fn trials_have_names_of_their_own() {
        let mut names: Vec<_> =
            trials().iter().map(|t| format!("{}::{}", t.group, t.name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
