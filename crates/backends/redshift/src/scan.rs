//! Reading the rows of a statement in a task of its own, which owns the connection.
//!
//! Whoever asked may go away at any moment: the task then cancels the statement at the source,
//! waits until it has ended there, and closes the connection. A connection goes back to the pool
//! only after its statement has ended by itself. The driver would otherwise read the rest of a
//! dropped stream before the next statement, and after an unfinished or refused COPY it is one
//! answer behind: every later query would answer no rows, without an error.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use orbit_core::{BatchStream, Context, Error, ErrorKind, Event, Result, SummaryHandle};
use orbit_sql::{ColumnBatch, Lease};
use sqlx::postgres::{PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Either};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::binary::{self, Progress};
use crate::columns::{append_row, described};
use crate::error;
use crate::query::{Plan, Wire, delivered, schema_of};
use crate::session::{Connector, close_hard, execute};
use crate::shared::Shared;
use crate::work::Work;

/// Rows of a batch at most.
const BATCH_ROWS_MAX: usize = 8192;
/// Bytes on the wire of a batch at most, unless one row has more.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Batches that wait for the reader.
const BATCHES_AHEAD: usize = 2;
/// Rows that trickle in are handed on after this.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// How long a cancelled statement may take to end.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(5);

/// What has to be done with the session when the statement has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// End the transaction that was begun for it; the statement was of ours.
    Commit,
    /// The same, and take back what a statement of the caller's may have set.
    CommitAndReset,
    /// Only the latter: there was no transaction.
    Reset,
}

/// A statement that is about to be sent.
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cx: Context,
    pub(crate) lease: Lease<Connector>,
    pub(crate) work: Arc<Work>,
    pub(crate) plan: Plan,
    pub(crate) aftermath: Aftermath,
}

/// Starts the task; the stream is here once the server has begun to answer.
pub(crate) async fn start(job: Job) -> Result<BatchStream> {
    let (opened, schema) = oneshot::channel();
    let (batches, received) = mpsc::channel(BATCHES_AHEAD);
    let summary = SummaryHandle::default();
    let (shared, cx) = (Arc::clone(&job.shared), job.cx.clone());
    summary.update(|s| s.statement_id = Some(job.work.id.clone()));
    cx.report(Event::Statement { id: job.work.id.clone() });
    let whole = Arc::new(AtomicBool::new(false));
    let reader = Reader {
        sink: batches,
        opened: Some(opened),
        whole: Arc::clone(&whole),
        summary: summary.clone(),
        affected: None,
    };
    shared.tasks.spawn(run(job, reader));
    let wait = async { schema.await.unwrap_or_else(|_| Err(lost())) };
    let schema = cx.run(wait).await?;
    let items = futures::stream::unfold((received, whole), |(mut received, whole)| async move {
        let item = match received.recv().await {
            // Whatever became of the task, it has not said that this is all.
            None if !whole.load(Ordering::Acquire) => Some(Err(lost())),
            item => item,
        };
        item.map(|item| (item, (received, whole)))
    });
    Ok(BatchStream::with_summary(schema, items, summary).bounded_by(&cx))
}

fn lost() -> Error {
    Error::new(ErrorKind::Unexpected, "the task that reads the rows is gone")
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the datasource was closed while rows were read")
}

/// Who reads the rows.
struct Reader {
    sink: mpsc::Sender<Result<RecordBatch>>,
    opened: Option<oneshot::Sender<Result<SchemaRef>>>,
    /// All rows were handed on.
    whole: Arc<AtomicBool>,
    summary: SummaryHandle,
    /// How many rows the server says that it answered or changed.
    affected: Option<u64>,
}

impl Reader {
    fn open(&mut self, schema: SchemaRef) {
        if let Some(opened) = self.opened.take() {
            // Nobody waits any more when this fails, which the closed channel tells as well.
            drop(opened.send(Ok(schema)));
        }
    }

    /// Takes the number of rows that the server tells at the end.
    fn told(&mut self, plan: &Plan, rows: u64) {
        self.affected = Some(rows);
        if plan.tells_affected {
            self.summary.update(|s| s.rows_affected = Some(rows));
        }
    }

    fn end(self) {
        self.whole.store(true, Ordering::Release);
    }

    fn fail(&mut self, error: Error) {
        if let Some(opened) = self.opened.take() {
            return drop(opened.send(Err(error)));
        }
        // Whoever reads slowly still learns of it, and nobody waits for that meanwhile.
        if let Err(mpsc::error::TrySendError::Full(item)) = self.sink.try_send(Err(error)) {
            let sink = self.sink.clone();
            tokio::spawn(async move { drop(sink.send(item).await) });
        }
    }
}

/// How reading ended.
enum End {
    /// The server said that this was all.
    Whole,
    /// Nobody wants the rest, or the datasource is being closed.
    Stopped,
    /// It failed.
    Failed {
        error: Error,
        /// The server refused it, and the connection is as good as before.
        sound: bool,
    },
}

async fn run(mut job: Job, mut reader: Reader) {
    // The driver panics over a row that makes no sense, while its statement is at work.
    let pumped = AssertUnwindSafe(pump(&mut job, &mut reader)).catch_unwind().await;
    let mut end = match pumped {
        Ok(end) => end,
        Err(_) => {
            job.shared.works.stop(&job.shared.side, &job.work).await;
            End::Failed { error: lost(), sound: false }
        }
    };
    if matches!(end, End::Whole) && reader.opened.is_some() {
        end = open_empty(&mut job, &mut reader).await;
    }
    let Job { shared, lease, work, aftermath, .. } = job;
    let untouched = shared.works.end(&work).await;
    match end {
        End::Whole if untouched => match settle(lease, aftermath, "COMMIT").await {
            Ok(()) => reader.end(),
            Err(error) => reader.fail(error),
        },
        End::Failed { error, sound } if sound && untouched => {
            // The failure is what is told, not that of cleaning up after it.
            drop(settle(lease, aftermath, "ROLLBACK").await);
            reader.fail(error);
        }
        End::Whole => {
            discard(lease).await;
            reader.end();
        }
        End::Stopped => discard(lease).await,
        End::Failed { error, .. } => {
            discard(lease).await;
            reader.fail(error);
        }
    }
}

/// Answers no rows, once their schema is known; nobody waits for that longer than for rows.
async fn open_empty(job: &mut Job, reader: &mut Reader) -> End {
    let (sink, shared, work) =
        (reader.sink.clone(), Arc::clone(&job.shared), Arc::clone(&job.work));
    let (schema, has_ended) = tokio::select! {
        biased;
        schema = shape(job, reader) => (schema, true),
        () = sink.closed() => (Err(lost()), false),
        () = shared.closing.cancelled() => (Err(closed()), false),
    };
    if !has_ended {
        shared.works.stop(&shared.side, &work).await;
    }
    match schema {
        Ok(schema) => {
            reader.open(schema);
            End::Whole
        }
        Err(error) => End::Failed { error, sound: false },
    }
}

/// The schema of a statement that ended without a row.
async fn shape(job: &mut Job, reader: &mut Reader) -> Result<SchemaRef> {
    let Plan { schema, shape, tells_affected, .. } = &job.plan;
    if let Some(schema) = schema {
        return Ok(Arc::clone(schema));
    }
    let Some(shape) = shape.clone() else { return Ok(Arc::new(schema_of(&[]))) };
    let connection = &mut job.lease.get()?.connection;
    let first = sqlx::raw_sql(AssertSqlSafe(shape)).fetch_optional(connection).await;
    match first {
        Ok(Some(row)) => {
            let columns = described(&job.shared, &row, true).await?;
            Ok(Arc::new(schema_of(&columns)))
        }
        // `WITH ... INSERT` is no table, and has changed rows and answered none.
        Err(e) if job.aftermath == Aftermath::Reset && error::is_of_server(&e) => {
            if !tells_affected {
                reader.summary.update(|s| s.rows_affected = reader.affected);
            }
            Ok(Arc::new(schema_of(&[])))
        }
        Ok(None) => Err(lost()),
        Err(e) => Err(error::of(e)),
    }
}

/// Ends the transaction and gives the connection back.
async fn settle(mut lease: Lease<Connector>, aftermath: Aftermath, end: &str) -> Result<()> {
    if aftermath != Aftermath::Reset {
        let ended = execute(&mut lease.get()?.connection, end.to_owned());
        timeout(END_TIMEOUT, ended).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the server does not end the transaction"))
        })?;
    }
    match aftermath {
        Aftermath::Commit => lease.give_back(),
        Aftermath::CommitAndReset | Aftermath::Reset => lease.reset_and_give_back().await,
    }
    Ok(())
}

/// Closes the connection; its place in the pool is free only then.
pub(crate) async fn discard(mut lease: Lease<Connector>) {
    if let Some(session) = lease.take() {
        close_hard(session).await;
    }
}

/// The rows on the wire.
enum Rows<'c> {
    Text(BoxStream<'c, sqlx::Result<Either<PgQueryResult, PgRow>>>),
    Copy(BoxStream<'c, sqlx::Result<bytes::Bytes>>, Progress),
}

async fn pump(job: &mut Job, reader: &mut Reader) -> End {
    let Job { shared, cx, lease, work, plan, .. } = job;
    let connection = match lease.get() {
        Ok(session) => &mut session.connection,
        Err(error) => return End::Failed { error, sound: false },
    };
    let (closing, caller) = (shared.closing.clone(), cx.clone());
    let sql = std::mem::take(&mut plan.sql);
    let limit = shared.pool.connect().statement_limit();
    let mut rows = match plan.wire {
        Wire::Text => Rows::Text(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection)),
        Wire::Copy => {
            let begun = connection.copy_out_raw(&sql);
            tokio::select! {
                biased;
                begun = begun => match begun {
                    Ok(rows) => Rows::Copy(rows, Progress::default()),
                    Err(e) => return End::Failed { error: error::of(e), sound: false },
                },
                // The server answers only once it has planned, which may take long.
                () = reader.sink.closed() => {
                    shared.works.stop(&shared.side, work).await;
                    return End::Stopped;
                }
                () = closing.cancelled() => {
                    shared.works.stop(&shared.side, work).await;
                    return End::Failed { error: closed(), sound: false };
                }
            }
        }
    };
    let mut pumping = Pumping { shared, cx, plan, reader, limit, batch: None, result_ended: false };
    if let (Some(schema), Wire::Copy) = (&pumping.plan.schema, pumping.plan.wire) {
        let schema = Arc::clone(schema);
        if let Err(error) = pumping.begin(schema) {
            return End::Failed { error, sound: false };
        }
    }
    let end = tokio::select! {
        biased;
        end = pumping.all(&mut rows) => end,
        () = closing.cancelled() => End::Failed { error: closed(), sound: false },
        // Also while nobody looks at the stream.
        error = caller.ended() => End::Failed { error, sound: false },
    };
    if matches!(end, End::Stopped | End::Failed { sound: false, .. }) {
        stop(shared, work, &mut rows).await;
    }
    end
}

/// Cancels the statement and reads on until it has ended.
async fn stop(shared: &Shared, work: &Work, rows: &mut Rows<'_>) {
    let stopped = async {
        if shared.works.stop(&shared.side, work).await {
            shared.works.stop_until(&shared.side, work, drain(rows)).await;
        }
    };
    if timeout(END_TIMEOUT, stopped).await.is_err() {
        tracing::warn!("a cancelled statement did not end in time; its connection is closed");
    }
}

/// Reads on to the end; an error is one too.
async fn drain(rows: &mut Rows<'_>) {
    match rows {
        Rows::Text(rows) => while let Some(Ok(_)) = rows.next().await {},
        Rows::Copy(rows, _) => while let Some(Ok(_)) = rows.next().await {},
    }
}

/// What a step of reading came to.
enum Step {
    /// The first row has told the columns.
    Begun,
    Full,
    End,
}

struct Pumping<'a> {
    shared: &'a Shared,
    cx: &'a Context,
    plan: &'a Plan,
    reader: &'a mut Reader,
    /// When the server ends the statement by itself, if it does.
    limit: Option<Instant>,
    batch: Option<ColumnBatch>,
    result_ended: bool,
}

impl Pumping<'_> {
    fn begin(&mut self, schema: SchemaRef) -> Result<()> {
        self.batch = Some(ColumnBatch::new(Arc::clone(&schema), BATCH_ROWS_MAX, BATCH_BYTES_MAX)?);
        self.reader.open(schema);
        Ok(())
    }

    async fn all(&mut self, rows: &mut Rows<'_>) -> End {
        loop {
            let sink = self.reader.sink.clone();
            // Before that there is nothing to hand on, and the first row would be lost with the
            // question for its columns, which may take longer.
            let has_begun = self.batch.is_some();
            let step = tokio::select! {
                biased;
                step = self.fill(rows) => step,
                () = sink.closed() => return End::Stopped,
                () = sleep(FLUSH_AFTER), if has_begun => Ok(Step::Full),
            };
            let (ended, sound) = match step {
                Ok(Step::Begun) => continue,
                Ok(Step::Full) => (None, false),
                Ok(Step::End) => (Some(End::Whole), true),
                Err((error, sound)) => return End::Failed { error, sound },
            };
            match self.flush().await {
                Ok(true) => {}
                Ok(false) => return End::Stopped,
                Err(error) => return End::Failed { error, sound },
            }
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// Hands the rows on; false when nobody wants them.
    async fn flush(&mut self) -> Result<bool> {
        let Some(batch) = self.batch.as_mut().filter(|batch| !batch.is_empty()) else {
            return Ok(true);
        };
        let bytes = batch.bytes() as u64;
        let batch = batch.finish()?;
        self.cx.report(Event::Rows(batch.num_rows() as u64));
        self.cx.report(Event::BytesRead(bytes));
        Ok(self.reader.sink.send(Ok(batch)).await.is_ok())
    }

    /// Reads until the batch is full or the statement has ended.
    async fn fill(&mut self, rows: &mut Rows<'_>) -> Result<Step, (Error, bool)> {
        match rows {
            Rows::Text(rows) => self.fill_text(rows).await,
            Rows::Copy(rows, progress) => {
                let Some(batch) = &mut self.batch else { return Err((lost(), false)) };
                while !batch.is_full() {
                    match rows.try_next().await.map_err(|e| (error::of(e), false))? {
                        Some(message) => {
                            binary::append(progress, &message, batch).map_err(|e| (e, false))?;
                        }
                        None if *progress == Progress::Done => return Ok(Step::End),
                        None => return Err((cut(), false)),
                    }
                }
                Ok(Step::Full)
            }
        }
    }

    async fn fill_text(
        &mut self,
        rows: &mut BoxStream<'_, sqlx::Result<Either<PgQueryResult, PgRow>>>,
    ) -> Result<Step, (Error, bool)> {
        let limit = self.limit;
        let failed = |e| failed(e, limit);
        loop {
            if let Some(batch) = &mut self.batch {
                // The rows of one schema, without a look at anything else.
                while !batch.is_full() {
                    match rows.try_next().await.map_err(failed)? {
                        Some(Either::Right(row)) if !self.result_ended => {
                            append_row(&row, batch, self.plan.counts_only)
                                .map_err(|e| (e, false))?;
                        }
                        Some(Either::Right(_)) => return Err((second(), false)),
                        Some(Either::Left(done)) => {
                            self.result_ended = true;
                            self.reader.told(self.plan, done.rows_affected());
                        }
                        None => return Ok(Step::End),
                    }
                }
                return Ok(Step::Full);
            }
            match rows.try_next().await.map_err(failed)? {
                Some(Either::Right(row)) => {
                    let schema = self.schema_of(&row).await.map_err(|e| (e, false))?;
                    self.begin(schema).map_err(|e| (e, false))?;
                    let Some(batch) = &mut self.batch else { return Err((lost(), false)) };
                    append_row(&row, batch, self.plan.counts_only).map_err(|e| (e, false))?;
                    return Ok(Step::Begun);
                }
                Some(Either::Left(done)) => self.reader.told(self.plan, done.rows_affected()),
                None => return Ok(Step::End),
            }
        }
    }

    /// The schema that the first row tells, or the planned one if the row can be read so.
    async fn schema_of(&self, row: &PgRow) -> Result<SchemaRef> {
        if self.plan.counts_only {
            return Ok(self.plan.schema.clone().unwrap_or_else(|| Arc::new(schema_of(&[]))));
        }
        let columns = described(self.shared, row, self.plan.schema.is_none()).await?;
        delivered(&columns, self.plan.schema.as_ref())
    }
}

/// The failure, and whether the connection is as good as before. Redshift tells its own limit as
/// it tells a cancel, and only the time tells one from the other.
fn failed(e: sqlx::Error, limit: Option<Instant>) -> (Error, bool) {
    let sound = error::is_of_server(&e);
    match error::of(e) {
        error if error.kind() != ErrorKind::Cancelled => (error, sound),
        error if limit.is_none_or(|limit| Instant::now() < limit) => (error, sound),
        error => (error::of_limit(error), sound),
    }
}

fn cut() -> Error {
    Error::new(ErrorKind::Truncated, "the COPY ended before its end")
}

fn second() -> Error {
    Error::new(ErrorKind::Unsupported, "the statement answers a second result")
}
