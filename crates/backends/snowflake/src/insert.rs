//! Rows written in a transaction on a session of its own, by array binding or through a stage.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures::{FutureExt, StreamExt};
use orbit_core::{
    BatchStream, Context, Error, ErrorKind, Event, Insert, InsertMode, InsertOutcome, Operation,
    Query, Result, TableName, TableRef, WriteEffect,
};
use orbit_http::{CancelOnDrop, off_the_workers};

use crate::bind;
use crate::config::InsertBy;
use crate::csv::{FILE_BYTES_GOAL, Lines};
use crate::datasource::Connected;
use crate::error::malformed;
use crate::result::rows_affected;
use crate::session::Lane;
use crate::stage::Stage;
use crate::statement::{Statement, execute};

/// Values in one statement, below which the service takes them without a stage.
const VALUES_MAX: usize = 60_000;
/// How long taking back may take.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes all rows or none: whatever ends it early ends its session, which rolls back.
///
/// # Errors
/// Those of the rows and of the statements, with what was left behind.
pub(crate) async fn insert(
    cx: &Context,
    connected: &Arc<Connected>,
    request: Insert,
) -> Result<InsertOutcome> {
    let Insert { table, mode, mut rows, idempotency_key } = request;
    if idempotency_key.is_some() {
        return Err(Error::unsupported(Operation::Insert)
            .with_hint("snowflake keeps no idempotency keys; leave the key out"));
    }
    let none = |error: Error| match error.write_effect() {
        Some(_) => error,
        None => error.with_write_effect(WriteEffect::None),
    };
    connected.prepare(cx, &table, mode, &rows.schema()).await.map_err(none)?;
    let mut work = Work::new(connected, &table, mode);
    let written = match connected.api.config.insert_by {
        InsertBy::Binding => work.bind(cx, &mut rows).await,
        InsertBy::Stage => work.stage(cx, &mut rows).await,
    };
    match written {
        Ok(rows_written) => {
            work.commit(cx).await?;
            Ok(InsertOutcome { rows_written, rows_rejected: 0 })
        }
        Err(error) => {
            let left = work.roll_back().await;
            let error = error.with_write_effect(left);
            Err(match left {
                WriteEffect::None => error,
                WriteEffect::Partial | WriteEffect::Unknown => {
                    error.with_context("table_left", table.to_string())
                }
            })
        }
    }
}

impl Connected {
    /// The table is there as the mode wants it, and has the columns of the rows.
    async fn prepare(
        &self,
        cx: &Context,
        table: &TableName,
        mode: InsertMode,
        schema: &Schema,
    ) -> Result<()> {
        if schema.fields().is_empty() {
            let message = "rows without columns cannot be written";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let query = Query::table(TableRef::new(table.clone()));
        if mode != InsertMode::Create {
            let columns = self.columns(cx, &query).await?;
            let known = |field: &&Arc<Field>| columns.schema.field_with_name(field.name()).is_ok();
            let unknown = schema.fields().iter().find(|field| !known(field));
            return unknown.map_or(Ok(()), |field| {
                Err(Error::new(ErrorKind::QueryInvalid, "the table has no such column")
                    .with_context("column", field.name().as_str())
                    .with_context("table", table.to_string()))
            });
        }
        let columns = schema.fields().iter().map(|field| self.definition(field));
        let columns = columns.collect::<Result<Vec<_>>>()?.join(", ");
        let text = format!("CREATE TABLE {} ({columns})", self.dialect().table(table));
        let created = execute(cx, &self.api, &self.lane, &Statement::new(text)).await;
        let told = |error: Error| match error.vendor_code() {
            Some(_) => error,
            None => error.with_write_effect(WriteEffect::Unknown),
        };
        let created = created.map_err(|e| told(already_there(e)));
        created.map_err(|e| e.with_context("table", table.to_string()))?.finish();
        Ok(())
    }

    fn definition(&self, field: &Field) -> Result<String> {
        let kind = match field.data_type() {
            DataType::Boolean => "BOOLEAN".to_owned(),
            DataType::Int8 => "NUMBER(3,0)".to_owned(),
            DataType::Int16 => "NUMBER(5,0)".to_owned(),
            DataType::Int32 => "NUMBER(10,0)".to_owned(),
            DataType::Int64 => "NUMBER(19,0)".to_owned(),
            DataType::Float32 | DataType::Float64 => "FLOAT".to_owned(),
            DataType::Decimal128(p, s) if *s >= 0 => format!("NUMBER({p},{s})"),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
            DataType::Binary | DataType::LargeBinary => "BINARY".to_owned(),
            DataType::Date32 => "DATE".to_owned(),
            DataType::Time64(unit) => format!("TIME({})", fraction(*unit)),
            DataType::Timestamp(unit, None) => format!("TIMESTAMP_NTZ({})", fraction(*unit)),
            DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", fraction(*unit)),
            other => {
                let message = format!("snowflake keeps no values of the type {other}");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_context("column", field.name().as_str()));
            }
        };
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        Ok(format!("{} {kind}{null}", self.dialect().quote(field.name())))
    }
}

fn already_there(error: Error) -> Error {
    if !error.message().contains("already exists") {
        return error;
    }
    let code = error.vendor_code().unwrap_or_default().to_owned();
    Error::new(ErrorKind::AlreadyExists, error.message().to_owned()).with_vendor_code(code)
}

fn fraction(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// An insert on a session of its own, which has one transaction.
struct Work {
    connected: Arc<Connected>,
    lane: Arc<Lane>,
    table: TableName,
    mode: InsertMode,
    /// Ends the session, which rolls back, unless the transaction has ended.
    guard: CancelOnDrop,
    /// The table that goes with the transaction, since making it was not a part of it.
    created: Option<TableName>,
}

impl Work {
    /// From here on nothing stays behind if the caller goes.
    fn new(connected: &Arc<Connected>, table: &TableName, mode: InsertMode) -> Self {
        let lane = Lane::new();
        let created = (mode == InsertMode::Create).then(|| table.clone());
        let cleanup = clean_up(Arc::clone(connected), Arc::clone(&lane), created.clone());
        let guard = connected.api.ends.on_drop(cleanup.map(drop));
        let (connected, table) = (Arc::clone(connected), table.clone());
        Self { connected, lane, table, mode, guard, created }
    }

    /// Opens the transaction.
    async fn begin(&self, cx: &Context) -> Result<()> {
        self.run(cx, "BEGIN TRANSACTION").await?;
        self.lane.set_in_transaction(true);
        match self.mode {
            InsertMode::Overwrite => self.run(cx, &format!("DELETE FROM {}", self.target())).await,
            InsertMode::Append | InsertMode::Create => Ok(()),
        }
    }

    /// As values bound to INSERT.
    async fn bind(&mut self, cx: &Context, rows: &mut BatchStream) -> Result<u64> {
        self.begin(cx).await?;
        let mut written = 0;
        while let Some(batch) = cx.run(async { rows.next().await.transpose() }).await? {
            written += self.write(cx, &batch).await?;
        }
        Ok(written)
    }

    /// As files in a stage. Making one would end a transaction, so it comes first.
    async fn stage(&mut self, cx: &Context, rows: &mut BatchStream) -> Result<u64> {
        let columns = self.columns(&rows.schema());
        let mut stage = Stage::create(cx, &self.connected, &self.lane, &self.table).await?;
        let (mut lines, mut sent) = (Lines::default(), 0);
        while let Some(batch) = cx.run(async { rows.next().await.transpose() }).await? {
            let (mut file, null) = (lines, stage.null());
            let added = move || file.add(&batch, &null).map(|()| file);
            lines = cx.run(off_the_workers(added)).await?;
            if lines.bytes >= FILE_BYTES_GOAL {
                sent += put(cx, &mut stage, std::mem::take(&mut lines)).await?;
            }
        }
        if lines.rows > 0 {
            sent += put(cx, &mut stage, lines).await?;
        }
        self.begin(cx).await?;
        let taken = stage.copy(cx, &self.target(), &columns).await?;
        match taken == sent {
            true => Ok(taken),
            false => Err(miscounted()),
        }
    }

    fn columns(&self, schema: &Schema) -> String {
        let quoted = |field: &Arc<Field>| self.connected.dialect().quote(field.name());
        schema.fields().iter().map(quoted).collect::<Vec<_>>().join(", ")
    }

    fn target(&self) -> String {
        self.connected.dialect().table(&self.table)
    }

    async fn run(&self, cx: &Context, text: &str) -> Result<()> {
        let ran = execute(cx, &self.connected.api, &self.lane, &Statement::new(text)).await;
        ran.map(|executed| drop(executed.finish()))
    }

    async fn write(&self, cx: &Context, batch: &RecordBatch) -> Result<u64> {
        let columns = batch.num_columns().max(1);
        let rows_max = (VALUES_MAX / columns).max(1);
        let names = self.columns(&batch.schema());
        let markers = vec!["?"; columns].join(", ");
        let text = format!("INSERT INTO {} ({names}) VALUES ({markers})", self.target());
        let mut written = 0;
        for start in (0..batch.num_rows()).step_by(rows_max) {
            let rows = batch.slice(start, rows_max.min(batch.num_rows() - start));
            let bindings = Some(bind::rows(&rows)?);
            let statement = Statement { bindings, ..Statement::new(text.as_str()) };
            let executed = execute(cx, &self.connected.api, &self.lane, &statement).await?;
            let said = rows_affected(&executed.finish())?;
            if said != Some(rows.num_rows() as u64) {
                return Err(miscounted());
            }
            cx.report(Event::Rows(rows.num_rows() as u64));
            written += rows.num_rows() as u64;
        }
        Ok(written)
    }

    /// Keeps the rows. An answer that does not come leaves it unknown whether they are kept.
    async fn commit(mut self, cx: &Context) -> Result<()> {
        let ended = clean_up(Arc::clone(&self.connected), Arc::clone(&self.lane), None);
        self.guard.disarm();
        self.guard = self.connected.api.ends.on_drop(ended.map(drop));
        self.run(cx, "COMMIT").await.map_err(|e| e.with_write_effect(WriteEffect::Unknown))
    }

    /// Answers what stays behind.
    async fn roll_back(mut self) -> WriteEffect {
        let Self { connected, lane, created, .. } = &self;
        let left = clean_up(Arc::clone(connected), Arc::clone(lane), created.clone()).await;
        self.guard.disarm();
        left
    }
}

/// Puts a file into the stage; answers its rows.
async fn put(cx: &Context, stage: &mut Stage, lines: Lines) -> Result<u64> {
    let rows = lines.rows;
    stage.put(cx, lines.finish()?).await?;
    cx.report(Event::Rows(rows));
    Ok(rows)
}

fn miscounted() -> Error {
    malformed("another number of rows was written than was sent")
}

/// Ends the session, which rolls back, and drops the table that was made for the rows. Answers
/// what stays behind: without a COMMIT that is an empty table at most.
async fn clean_up(
    connected: Arc<Connected>,
    lane: Arc<Lane>,
    created: Option<TableName>,
) -> WriteEffect {
    let cx = Context::builder().timeout(CLEAN_UP_TIMEOUT).build();
    lane.end(&cx, &connected.api).await;
    let Some(table) = created else { return WriteEffect::None };
    let text = format!("DROP TABLE IF EXISTS {}", connected.dialect().table(&table));
    let statement = Statement { cleans_up: true, ..Statement::new(text) };
    match execute(&cx, &connected.api, &connected.lane, &statement).await {
        Ok(dropped) => {
            dropped.finish();
            WriteEffect::None
        }
        Err(error) => {
            tracing::warn!(%error, %table, "an empty table may have been left behind");
            match error.vendor_code() {
                Some(_) => WriteEffect::Partial,
                // Nobody said what became of it.
                None => WriteEffect::Unknown,
            }
        }
    }
}
