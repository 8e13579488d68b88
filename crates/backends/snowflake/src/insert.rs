//! Rows written by array binding, in a transaction on a session of its own.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures::StreamExt;
use orbit_core::{
    BatchStream, Context, Error, ErrorKind, Event, Insert, InsertMode, InsertOutcome, Operation,
    Query, Result, TableName, TableRef, WriteEffect,
};
use orbit_http::CancelOnDrop;

use crate::bind;
use crate::datasource::Connected;
use crate::error::malformed;
use crate::result::rows_affected;
use crate::session::Lane;
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
    let none = |error: Error| error.with_write_effect(WriteEffect::None);
    connected.prepare(cx, &table, mode, &rows.schema()).await.map_err(none)?;
    let transaction = Transaction::begin(cx, connected, &table, mode).await.map_err(none)?;
    match transfer(cx, &transaction, &mut rows).await {
        Ok(rows_written) => {
            transaction.commit(cx).await?;
            Ok(InsertOutcome { rows_written, rows_rejected: 0 })
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(none(error))
        }
    }
}

async fn transfer(cx: &Context, transaction: &Transaction, rows: &mut BatchStream) -> Result<u64> {
    let mut rows_written = 0;
    while let Some(batch) = cx.run(async { rows.next().await.transpose() }).await? {
        rows_written += transaction.write(cx, &batch).await?;
    }
    Ok(rows_written)
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
        created.map_err(|e| already_there(e).with_context("table", table.to_string()))?.finish();
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

/// An open transaction on a session of its own.
struct Transaction {
    connected: Arc<Connected>,
    lane: Arc<Lane>,
    table: TableName,
    /// Ends the session, which rolls back, unless the transaction has ended.
    guard: CancelOnDrop,
    /// The table that goes with the transaction, since making it was not a part of it.
    created: Option<TableName>,
}

impl Transaction {
    /// Opens it. From here on nothing stays behind if the caller goes.
    async fn begin(
        cx: &Context,
        connected: &Arc<Connected>,
        table: &TableName,
        mode: InsertMode,
    ) -> Result<Self> {
        let lane = Lane::new();
        let created = (mode == InsertMode::Create).then(|| table.clone());
        let cleanup = clean_up(Arc::clone(connected), Arc::clone(&lane), created.clone());
        let guard = connected.api.cancels.on_drop(cleanup);
        let (connected, table) = (Arc::clone(connected), table.clone());
        let transaction = Self { connected, lane, table, guard, created };
        transaction.run(cx, "BEGIN TRANSACTION").await?;
        transaction.lane.set_in_transaction(true);
        if mode == InsertMode::Overwrite {
            transaction.run(cx, &format!("DELETE FROM {}", transaction.target())).await?;
        }
        Ok(transaction)
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
        let quoted = |field: &Arc<Field>| self.connected.dialect().quote(field.name());
        let names: Vec<_> = batch.schema().fields().iter().map(quoted).collect();
        let markers = vec!["?"; columns].join(", ");
        let names = names.join(", ");
        let text = format!("INSERT INTO {} ({names}) VALUES ({markers})", self.target());
        let mut written = 0;
        for start in (0..batch.num_rows()).step_by(rows_max) {
            let rows = batch.slice(start, rows_max.min(batch.num_rows() - start));
            let bindings = Some(bind::rows(&rows)?);
            let statement = Statement { text: text.clone(), bindings, describe_only: false };
            let executed = execute(cx, &self.connected.api, &self.lane, &statement).await?;
            let said = rows_affected(&executed.finish())?;
            if said != Some(rows.num_rows() as u64) {
                return Err(malformed("another number of rows was written than was sent"));
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
        self.guard = self.connected.api.cancels.on_drop(ended);
        self.run(cx, "COMMIT").await.map_err(|e| e.with_write_effect(WriteEffect::Unknown))
    }

    async fn roll_back(mut self) {
        let Self { connected, lane, created, .. } = &self;
        clean_up(Arc::clone(connected), Arc::clone(lane), created.clone()).await;
        self.guard.disarm();
    }
}

async fn clean_up(connected: Arc<Connected>, lane: Arc<Lane>, created: Option<TableName>) {
    let cx = Context::builder().timeout(CLEAN_UP_TIMEOUT).build();
    lane.end(&cx, &connected.api).await;
    if let Some(table) = created {
        drop_table(&cx, &connected, &table).await;
    }
}

async fn drop_table(cx: &Context, connected: &Connected, table: &TableName) {
    let text = format!("DROP TABLE IF EXISTS {}", connected.dialect().table(table));
    match execute(cx, &connected.api, &connected.lane, &Statement::new(text)).await {
        Ok(dropped) => drop(dropped.finish()),
        Err(error) => tracing::warn!(%error, %table, "an empty table was left behind"),
    }
}
