//! The contract over a scripted source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt;
use orbit_core::{
    BatchStream, ColumnDescription, Context, Datasource, Describe, Error, ErrorKind, Estimate,
    EstimateQuality, Facets, Insert, InsertMode, InsertOutcome, ListTables, Operation, Partition,
    PartitionRead, PartitionSet, PartitionSource, Partitions, Query, Result, SqlCapability,
    SqlDatasource, SqlDialect, Statistic, TableDescription, TableEntry, TableKind, TablePage,
    TableStatistics, Target, WriteEffect,
};

use super::admit::forbidden;
use super::rows::{Work, stream_of};
use super::{OpenFault, Scripted, Statement};
use crate::reference;

const PAGE_TABLES_MAX: usize = 1000;

/// One connection to a scripted source.
#[derive(Debug)]
pub(super) struct Connection {
    source: Scripted,
    closed: AtomicBool,
}

/// What a query reads, before anything of it is applied.
enum Found {
    Rows(RecordBatch),
    Endless(RecordBatch),
    Affected(u64),
}

impl Connection {
    pub(super) fn new(source: Scripted) -> Self {
        Self { source, closed: AtomicBool::new(false) }
    }

    /// Every operation starts here: closed, ended or faulty ones go no further.
    async fn enter(&self, cx: &Context, operation: Operation) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            let error = Error::new(ErrorKind::Unavailable, "the datasource is closed");
            return Err(error.with_operation(operation));
        }
        cx.check()?;
        match self.source.meet(operation) {
            None => Ok(()),
            Some(OpenFault::Fail(error)) => Err(error.with_operation(operation)),
            Some(OpenFault::Hang) => cx.run(std::future::pending()).await,
        }
    }

    /// Refuses what the capability does not allow, and what the test refuses.
    fn admit(&self, operation: Operation, query: &Query) -> Result<()> {
        let script = self.source.script();
        let refused = forbidden(&script.capability, query)
            .map(str::to_owned)
            .or_else(|| script.refuse.as_ref().and_then(|refuse| refuse(query)));
        match refused {
            None => Ok(()),
            Some(construct) => {
                let message = format!("{construct} is not supported by this datasource");
                Err(Error::new(ErrorKind::Unsupported, message).with_operation(operation))
            }
        }
    }

    fn find(&self, query: &Query) -> Result<Found> {
        let text = match &query.target {
            Target::Table(table) => {
                let rows = self.source.state().tables.rows(&table.name, table.version)?;
                return Ok(Found::Rows(rows));
            }
            Target::Statement { text, .. } => text,
        };
        match self.source.script().statements.get(text) {
            Some(Statement::Rows(rows)) => Ok(Found::Rows(rows.clone())),
            Some(Statement::Endless(rows)) => Ok(Found::Endless(rows.clone())),
            Some(Statement::Affects(rows)) => Ok(Found::Affected(*rows)),
            Some(Statement::TwoResults) => {
                let message = "a statement with more than one result is not supported";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            Some(Statement::Parameters(schema)) => {
                let row = query.parameters.clone();
                Ok(Found::Rows(row.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema)))))
            }
            None => Err(Error::new(ErrorKind::QueryInvalid, "the statement is not in the script")),
        }
    }

    /// The rows of a query, whole.
    fn answer(&self, query: &Query) -> Result<Found> {
        let rows = match self.find(query)? {
            Found::Rows(rows) => reference::answer(query, &rows)?,
            other => return Ok(other),
        };
        match &query.schema {
            Some(planned) if *planned != rows.schema() => {
                let message = "the columns are not those that the query was planned with";
                let error = Error::new(ErrorKind::Conflict, message);
                Err(error.with_hint("describe the table again and plan with what it answers"))
            }
            _ => Ok(Found::Rows(rows)),
        }
    }

    fn rows(&self, query: &Query) -> Result<RecordBatch> {
        match self.answer(query)? {
            Found::Rows(rows) | Found::Endless(rows) => Ok(rows),
            Found::Affected(_) => {
                let message = "a statement that writes has no rows to describe";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    fn columns(&self, schema: &SchemaRef) -> Vec<ColumnDescription> {
        let collated = &self.source.script().collated;
        let describe = |field: &Arc<arrow_schema::Field>| ColumnDescription {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            source_type: field.data_type().to_string(),
            binary_collation: !collated.contains(field.name()),
            comment: None,
        };
        schema.fields().iter().map(describe).collect()
    }

    fn partition_of(&self, request: &PartitionRead) -> Result<RecordBatch> {
        let PartitionSource::Statement { id, pieces } = &request.partition.source else {
            return Err(Error::new(ErrorKind::QueryInvalid, "the part is not of this source"));
        };
        let state = self.source.state();
        let parts = state.results.get(id);
        let part = parts.and_then(|p| p.get(usize::try_from(pieces.start).ok()?)).cloned();
        part.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such part"))
    }
}

#[async_trait]
impl Datasource for Connection {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: Some(self), files: None }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        self.enter(cx, Operation::Ping).await
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

#[async_trait]
impl SqlDatasource for Connection {
    fn capability(&self) -> SqlCapability {
        self.source.script().capability
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        Arc::clone(&self.source.script().dialect)
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        self.enter(cx, Operation::ListTables).await?;
        if self.capability().list.is_none() {
            return Err(Error::unsupported(Operation::ListTables));
        }
        let ListTables { parent, name_contains, page, page_size_max } = request;
        let wanted = name_contains.map(|n| n.to_lowercase());
        let from = page.map_or(Ok(0), |p| p.parse::<usize>()).map_err(|e| {
            Error::new(ErrorKind::QueryInvalid, "the page is not of this source").with_source(e)
        })?;
        let size = page_size_max.unwrap_or(PAGE_TABLES_MAX).clamp(1, PAGE_TABLES_MAX);
        let state = self.source.state();
        let fits = |name: &&orbit_core::TableName| {
            name.parent().starts_with(&parent)
                && wanted.as_ref().is_none_or(|w| name.table().to_lowercase().contains(w))
        };
        let entry = |name: &orbit_core::TableName| TableEntry {
            name: name.clone(),
            kind: TableKind::Table,
        };
        let mut rest = state.tables.names().filter(fits).skip(from);
        let tables: Vec<_> = rest.by_ref().take(size).map(entry).collect();
        let next_page = rest.next().map(|_| (from + tables.len()).to_string());
        Ok(TablePage { tables, next_page })
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        self.enter(cx, Operation::Describe).await?;
        let Some(capability) = self.capability().describe else {
            return Err(Error::unsupported(Operation::Describe));
        };
        if matches!(request.query.target, Target::Statement { .. }) && !capability.statement {
            return Err(Error::unsupported(Operation::Describe));
        }
        let rows = self.rows(&request.query)?;
        let exact = |value| Some(Statistic { value, quality: EstimateQuality::Exact });
        let statistics = if capability.statistics {
            TableStatistics { rows: exact(rows.num_rows() as u64), ..TableStatistics::default() }
        } else {
            TableStatistics::default()
        };
        let schema = rows.schema();
        Ok(TableDescription { columns: self.columns(&schema), schema, statistics })
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        self.source.state().queries.push(request.clone());
        self.admit(Operation::Query, &request)?;
        let mut work = Work::begin(&self.source, cx, &request.target);
        let found = work
            .run(cx, async {
                self.enter(cx, Operation::Query).await?;
                self.answer(&request)
            })
            .await;
        if found.is_err() {
            work.end(&found);
        }
        match found? {
            Found::Rows(rows) => Ok(stream_of(cx, work, &rows, false)),
            Found::Endless(rows) => Ok(stream_of(cx, work, &rows, true)),
            Found::Affected(rows) => {
                work.end(&Ok(()));
                Ok(BatchStream::affected(rows))
            }
        }
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.enter(cx, Operation::Estimate).await?;
        let Some(capability) = self.capability().estimate else {
            return Err(Error::unsupported(Operation::Estimate));
        };
        self.admit(Operation::Estimate, &request)?;
        let rows = self.rows(&request)?;
        let exact = |value| Statistic { value, quality: EstimateQuality::Exact };
        let bound = |value| Statistic { value, quality: EstimateQuality::UpperBound };
        Ok(Estimate {
            rows: capability.rows.then(|| exact(rows.num_rows() as u64)),
            bytes: capability.bytes.then(|| bound(rows.get_array_memory_size() as u64)),
            cost_usd: None,
            rate: None,
        })
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        self.enter(cx, Operation::Partitions).await?;
        if self.capability().partitions.is_none() {
            return Err(Error::unsupported(Operation::Partitions));
        }
        self.admit(Operation::Partitions, &request.query)?;
        let rows = self.rows(&request.query)?;
        let exports = &self.source.script().exports;
        if !exports.is_empty() {
            return Ok(PartitionSet {
                schema: rows.schema(),
                partitions: exports.clone(),
                ordered: true,
                one_snapshot: true,
                expires_at: None,
                kept: None,
            });
        }
        let mut work = Work::begin(&self.source, cx, &request.query.target);
        let parts_max = request.partitions_max.max(1);
        let size = rows.num_rows().div_ceil(parts_max).max(1);
        let parts: Vec<_> = (0..rows.num_rows())
            .step_by(size)
            .map(|from| rows.slice(from, size.min(rows.num_rows() - from)))
            .collect();
        let partition = |(index, part): (u64, &RecordBatch)| Partition {
            source: PartitionSource::Statement { id: work.id.clone(), pieces: index..index + 1 },
            rows: Some(part.num_rows() as u64),
        };
        let partitions = (0..).zip(&parts).map(partition).collect();
        self.source.state().results.insert(work.id.clone(), parts);
        work.end(&Ok(()));
        Ok(PartitionSet {
            schema: rows.schema(),
            partitions,
            ordered: true,
            one_snapshot: true,
            expires_at: None,
            kept: None,
        })
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        self.enter(cx, Operation::ReadPartition).await?;
        if self.capability().partitions.is_none() {
            return Err(Error::unsupported(Operation::ReadPartition));
        }
        let part = self.partition_of(&request)?;
        let target = Target::Statement { text: "a part".to_owned(), tables: Vec::new() };
        Ok(stream_of(cx, Work::begin(&self.source, cx, &target), &part, false))
    }

    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome> {
        self.enter(cx, Operation::Insert).await?;
        let Some(capability) = self.capability().insert else {
            return Err(Error::unsupported(Operation::Insert));
        };
        let Insert { table, mode, rows, idempotency_key } = request;
        let refused = match mode {
            InsertMode::Append => false,
            InsertMode::Overwrite => !capability.overwrite,
            InsertMode::Create => !capability.create,
        };
        if refused || (idempotency_key.is_some() && !capability.idempotency_key) {
            return Err(Error::unsupported(Operation::Insert));
        }
        let schema = rows.schema();
        let nothing = |e: Error| e.with_write_effect(WriteEffect::None);
        let batches: Vec<_> = cx.run(rows.try_collect()).await.map_err(|e: Error| nothing(e))?;
        let rows = reference::one_batch(&schema, &batches).map_err(nothing)?;
        let mut state = self.source.state();
        state.tables.insert(table, mode, rows, idempotency_key).map_err(nothing)
    }

    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()> {
        self.enter(cx, Operation::Cancel).await?;
        if !self.capability().cancel {
            return Err(Error::unsupported(Operation::Cancel));
        }
        if let Some(running) = self.source.state().running.get(statement_id) {
            running.stop.cancel();
        }
        Ok(())
    }
}
