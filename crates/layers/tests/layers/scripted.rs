//! A datasource that does what its script says and keeps count, and a way to call each
//! operation by its name.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use orbit_core::{
    BatchStream, BooleanForm, Context, Copy, Datasource, Delete, DeleteOutcome, Describe,
    DialectLimits, Effect, Error, ErrorKind, Estimate, Event, Facets, FileCapability,
    FileDatasource, FileEntry, FileInfo, FileStream, IdentifierCase, Insert, InsertMode,
    InsertOutcome, IntegerDivision, Layering, LimitForm, ListFiles, ListTables, NullOrder,
    Operation, ParameterMarker, Partition, PartitionRead, PartitionSet, PartitionSource,
    Partitions, Presign, PresignMethod, Query, Read, ReadBody, ReadRanges, Result, Retry, Secret,
    SqlCapability, SqlDatasource, SqlDialect, Stat, TableDescription, TableName, TablePage,
    TableRef, TableStatistics, Write, WriteCondition,
};
use orbit_layers::{LayerSettings, Stack};
use tokio::time::sleep;

/// What one call does.
pub(crate) enum Step {
    /// Answers with these items, or at once where the operation has none.
    Items(Vec<Item>),
    /// Fails.
    Fail(Error),
    /// Repeats a request of its own as long as it may, then fails.
    Repeat(Error),
    /// Never answers.
    Silent,
    /// Reports progress each second for so many seconds, then answers.
    Busy(u64),
}

/// What a stream does next.
#[derive(Clone)]
pub(crate) enum Item {
    /// Yields three rows, or four bytes, or one file.
    Some,
    /// Fails.
    Fail(Error),
    /// Never yields again.
    Silent,
    /// Takes its time.
    Late(Duration),
}

pub(crate) fn answer() -> Step {
    Step::Items(vec![Item::Some])
}

/// A failure that the source calls passing.
pub(crate) fn passing(kind: ErrorKind) -> Error {
    Error::new(kind, "scripted").with_retry(Retry::After(Duration::ZERO))
}

type Script = Box<dyn Fn(usize) -> Step + Send + Sync>;

pub(crate) struct Scripted {
    script: Script,
    calls: Mutex<Vec<Operation>>,
    closed: AtomicUsize,
    facets: (bool, bool),
    /// Held by each stream as long as it lives.
    open: Arc<()>,
}

impl Scripted {
    /// Does `script(n)` at its call `n`, from zero.
    pub(crate) fn new(script: impl Fn(usize) -> Step + Send + Sync + 'static) -> Arc<Self> {
        Self::with_facets(true, true, script)
    }

    pub(crate) fn with_facets(
        sql: bool,
        files: bool,
        script: impl Fn(usize) -> Step + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            calls: Mutex::default(),
            closed: AtomicUsize::new(0),
            facets: (sql, files),
            open: Arc::default(),
        })
    }

    pub(crate) fn calls(&self) -> Vec<Operation> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn streams_open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    fn items<T: Clone + Send + 'static>(
        &self,
        items: Vec<Item>,
        some: T,
    ) -> BoxStream<'static, Result<T>> {
        let open = Arc::clone(&self.open);
        let next = move |item| {
            let (some, _open) = (some.clone(), Arc::clone(&open));
            async move {
                match item {
                    Item::Some => Some(Ok(some)),
                    Item::Fail(error) => Some(Err(error)),
                    Item::Silent => std::future::pending().await,
                    Item::Late(time) => {
                        sleep(time).await;
                        None
                    }
                }
            }
        };
        stream::iter(items).filter_map(next).boxed()
    }

    async fn step(&self, cx: &Context, operation: Operation) -> Result<Vec<Item>> {
        let call = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(operation);
            calls.len() - 1
        };
        match (self.script)(call) {
            Step::Items(items) => Ok(items),
            Step::Fail(error) => Err(error),
            Step::Repeat(error) => {
                while cx.pay_for_retry(&error) {
                    cx.report(Event::Retried);
                }
                Err(error.with_retry(Retry::Exhausted))
            }
            Step::Silent => std::future::pending().await,
            Step::Busy(seconds) => {
                for done in 0..seconds {
                    sleep(Duration::from_secs(1)).await;
                    cx.report(Event::Progress { done, total: Some(seconds) });
                }
                Ok(vec![Item::Some])
            }
        }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

/// `datasource` in all layers, as the handle `lake`.
#[expect(clippy::needless_pass_by_value, reason = "a test makes its figures in place")]
pub(crate) fn stacked(settings: LayerSettings, datasource: &Arc<Scripted>) -> Arc<dyn Datasource> {
    let stack = Stack::new(&settings);
    let instance = stack.around_instance(Arc::clone(datasource) as _);
    stack.around_handle("lake", instance)
}

pub(crate) fn context() -> Context {
    Context::builder().build()
}

pub(crate) fn table() -> Query {
    Query::table(TableRef::new(TableName::new(["orders"])))
}

/// Runs the operation to its end; how many rows, bytes or files came.
pub(crate) async fn run(
    datasource: &dyn Datasource,
    cx: &Context,
    operation: Operation,
) -> Result<u64> {
    run_with(datasource, cx, operation, Effect::Read).await
}

pub(crate) async fn run_with(
    datasource: &dyn Datasource,
    cx: &Context,
    operation: Operation,
    effect: Effect,
) -> Result<u64> {
    let Facets { sql, files } = datasource.facets();
    let (sql, files) = (sql.unwrap(), files.unwrap());
    let key = || "a.csv".to_owned();
    let query = Query { effect, ..table() };
    let part = Partition { source: PartitionSource::query(query.clone()), rows: None };
    match operation {
        Operation::Connect => Ok(0),
        Operation::Ping => datasource.ping(cx).await.map(|()| 0),
        Operation::ListTables => {
            sql.list(cx, ListTables::default()).await.map(|page| page.tables.len() as u64)
        }
        Operation::Describe => sql.describe(cx, Describe { query }).await.map(|_| 0),
        Operation::Query => rows(sql.query(cx, query).await?).await,
        Operation::Estimate => sql.estimate(cx, query).await.map(|_| 0),
        Operation::Partitions => {
            let request = Partitions { query, partitions_max: 2 };
            sql.partitions(cx, request).await.map(|set| set.partitions.len() as u64)
        }
        Operation::ReadPartition => {
            let request = PartitionRead { schema: schema(), partition: part };
            rows(sql.read_partition(cx, request).await?).await
        }
        Operation::Insert => sql.insert(cx, insert()).await.map(|outcome| outcome.rows_written),
        Operation::Cancel => sql.cancel(cx, "q1").await.map(|()| 0),
        Operation::ListFiles => {
            let pages = files.list(cx, ListFiles::default()).await?;
            pages.try_fold(0, |n, page| async move { Ok(n + page.len() as u64) }).await
        }
        Operation::Stat => files.stat(cx, Stat { key: key() }).await.map(|_| 0),
        Operation::Read => {
            let request = Read { key: key(), range: None, if_match: None };
            let body = files.read(cx, request).await?;
            body.bytes.try_fold(0, |n, bytes| async move { Ok(n + bytes.len() as u64) }).await
        }
        Operation::ReadRanges => {
            let request = ReadRanges { key: key(), ranges: vec![0..2, 2..4], if_match: None };
            files.read_ranges(cx, request).await.map(|r| r.iter().map(|b| b.len() as u64).sum())
        }
        Operation::Write => {
            let request = Write::bytes(key(), Bytes::from("abcd"), WriteCondition::Always);
            files.write(cx, request).await.map(|info| info.size_bytes)
        }
        Operation::Copy => {
            let to = "b.csv".to_owned();
            let request = Copy { from: key(), to, condition: WriteCondition::Always };
            files.copy(cx, request).await.map(|()| 0)
        }
        Operation::Delete => {
            files.delete(cx, Delete { keys: vec![key()] }).await.map(|o| o.len() as u64)
        }
        Operation::Presign => {
            let expires_in = Duration::from_secs(60);
            let request = Presign { key: key(), method: PresignMethod::Get, expires_in };
            files.presign(cx, request).await.map(|_| 0)
        }
    }
}

async fn rows(stream: BatchStream) -> Result<u64> {
    stream.try_fold(0, |n, batch| async move { Ok(n + batch.num_rows() as u64) }).await
}

fn insert() -> Insert {
    Insert {
        table: TableName::new(["orders"]),
        mode: InsertMode::Append,
        rows: BatchStream::from_batches(schema(), vec![batch()]),
        idempotency_key: None,
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]))
}

fn batch() -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap()
}

fn info() -> FileInfo {
    FileInfo {
        key: "a.csv".to_owned(),
        size_bytes: 4,
        modified: SystemTime::UNIX_EPOCH,
        etag: None,
        version: None,
    }
}

#[async_trait]
impl Datasource for Scripted {
    fn facets(&self) -> Facets<'_> {
        Facets {
            sql: self.facets.0.then_some(self as _),
            files: self.facets.1.then_some(self as _),
        }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        self.step(cx, Operation::Ping).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl SqlDatasource for Scripted {
    fn capability(&self) -> SqlCapability {
        SqlCapability { cancel: true, ..SqlCapability::default() }
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        Arc::new(SqlDialect {
            name: "scripted",
            quote_open: '"',
            quote_close: '"',
            identifier_case: IdentifierCase::Lower,
            limit: LimitForm::Limit,
            boolean: BooleanForm::Keyword,
            null_order: NullOrder::Largest,
            integer_division: IntegerDivision::Truncates,
            backslash_escapes: false,
            parameter_marker: ParameterMarker::Dollar,
            time_travel: None,
            limits: DialectLimits {
                statement_bytes_max: 1000,
                in_values_max: 10,
                identifier_bytes_max: 63,
            },
            functions: &[],
        })
    }

    async fn list(&self, cx: &Context, _: ListTables) -> Result<TablePage> {
        self.step(cx, Operation::ListTables).await.map(|_| TablePage::default())
    }

    async fn describe(&self, cx: &Context, _: Describe) -> Result<TableDescription> {
        self.step(cx, Operation::Describe).await?;
        let statistics = TableStatistics::default();
        Ok(TableDescription { schema: schema(), columns: Vec::new(), statistics })
    }

    async fn query(&self, cx: &Context, _: Query) -> Result<BatchStream> {
        let batches = self.items(self.step(cx, Operation::Query).await?, batch());
        Ok(BatchStream::new(schema(), batches))
    }

    async fn estimate(&self, cx: &Context, _: Query) -> Result<Estimate> {
        self.step(cx, Operation::Estimate).await.map(|_| Estimate::default())
    }

    async fn partitions(&self, cx: &Context, _: Partitions) -> Result<PartitionSet> {
        self.step(cx, Operation::Partitions).await?;
        Ok(PartitionSet {
            schema: schema(),
            partitions: Vec::new(),
            ordered: false,
            one_snapshot: false,
            expires_at: None,
            kept: None,
        })
    }

    async fn read_partition(&self, cx: &Context, _: PartitionRead) -> Result<BatchStream> {
        let batches = self.items(self.step(cx, Operation::ReadPartition).await?, batch());
        Ok(BatchStream::new(schema(), batches))
    }

    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome> {
        self.step(cx, Operation::Insert).await?;
        let rows_written = rows(request.rows).await?;
        Ok(InsertOutcome { rows_written, rows_rejected: 0 })
    }

    async fn cancel(&self, cx: &Context, _: &str) -> Result<()> {
        self.step(cx, Operation::Cancel).await.map(drop)
    }
}

#[async_trait]
impl FileDatasource for Scripted {
    fn capability(&self) -> FileCapability {
        FileCapability { copy: true, ..FileCapability::default() }
    }

    async fn list(&self, cx: &Context, _: ListFiles) -> Result<FileStream> {
        let page = vec![FileEntry::File(info())];
        Ok(self.items(self.step(cx, Operation::ListFiles).await?, page))
    }

    async fn stat(&self, cx: &Context, _: Stat) -> Result<FileInfo> {
        self.step(cx, Operation::Stat).await.map(|_| info())
    }

    async fn read(&self, cx: &Context, _: Read) -> Result<ReadBody> {
        let bytes = self.items(self.step(cx, Operation::Read).await?, Bytes::from("abcd"));
        Ok(ReadBody { info: info(), range: 0..4, bytes })
    }

    async fn read_ranges(&self, cx: &Context, request: ReadRanges) -> Result<Vec<Bytes>> {
        self.step(cx, Operation::ReadRanges).await?;
        Ok(request.ranges.iter().map(|_| Bytes::from("ab")).collect())
    }

    async fn write(&self, cx: &Context, request: Write) -> Result<FileInfo> {
        self.step(cx, Operation::Write).await?;
        let written: Vec<Bytes> = request.body.try_collect().await?;
        Ok(FileInfo { size_bytes: written.iter().map(|b| b.len() as u64).sum(), ..info() })
    }

    async fn copy(&self, cx: &Context, _: Copy) -> Result<()> {
        self.step(cx, Operation::Copy).await.map(drop)
    }

    async fn delete(&self, cx: &Context, request: Delete) -> Result<Vec<DeleteOutcome>> {
        self.step(cx, Operation::Delete).await?;
        Ok(request.keys.into_iter().map(|key| DeleteOutcome { key, result: Ok(()) }).collect())
    }

    async fn presign(&self, cx: &Context, _: Presign) -> Result<Secret> {
        self.step(cx, Operation::Presign).await.map(|_| Secret::new("https://example.invalid"))
    }
}
