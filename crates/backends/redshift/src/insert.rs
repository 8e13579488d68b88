//! Rows into a table in one transaction: as many-row INSERTs, since neither server shares a way
//! that is faster and needs no bucket, or by COPY from the bucket where there is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use futures::TryStreamExt;
use orbit_core::{
    BatchStream, Context, Error, ErrorKind, Event, Insert, InsertMode, InsertOutcome, Result,
    SqlForms, WriteEffect,
};
use orbit_sql::{ValueForms, plain_literal};
use sqlx::postgres::PgConnection;

use crate::load;
use crate::query::place;
use crate::session::execute;
use crate::shared::{Shared, timeout_sql};
use crate::work::AtWork;

/// Rows of one statement at most.
const STATEMENT_ROWS_MAX: usize = 1000;
/// Bytes of one statement after which the next begins.
const STATEMENT_BYTES: usize = 1 << 20;

/// Writes the rows, or none of them.
pub(crate) async fn insert(
    shared: &Arc<Shared>,
    cx: &Context,
    request: Insert,
) -> Result<InsertOutcome> {
    let Insert { table, mode, rows, idempotency_key } = request;
    if idempotency_key.is_some() {
        let message = "this source does not know an insert again by its key";
        return Err(
            Error::new(ErrorKind::Unsupported, message).with_write_effect(WriteEffect::None)
        );
    }
    let none = |error: Error| error.with_write_effect(WriteEffect::None);
    let place = place(&table, &shared.schema).map_err(none)?;
    let target = Target::new(&shared.forms, &place.name(), &rows.schema()).map_err(none)?;
    let lease = shared.pool.acquire(cx).await.map_err(none)?;
    let mut at_work = AtWork::begin(shared, cx, lease).map_err(none)?;
    let limit = timeout_sql(cx, "LOCAL ", shared.pool.connect().statement_timeout_ms());
    let committing = AtomicBool::new(false);
    let written = cx.run(async {
        let connection = at_work.connection()?;
        execute(connection, format!("BEGIN;{limit}")).await?;
        target.prepare(connection, mode).await?;
        let written = match &shared.staging {
            Some(staging) if target.fits_text() => {
                let (dialect, into) = (shared.forms.dialect(), target.target());
                load::load(shared, staging, cx, connection, (dialect, &into), rows).await?
            }
            _ => target.write_all(connection, rows, cx).await?,
        };
        committing.store(true, Ordering::Relaxed);
        execute(connection, "COMMIT".to_owned()).await?;
        Ok(written)
    });
    match written.await {
        Ok(rows_written) => {
            at_work.give_back().await;
            Ok(InsertOutcome { rows_written, rows_rejected: 0 })
        }
        Err(error) => {
            // What the server refuses to commit is rolled back.
            let refused = error.vendor_code().is_some_and(|code| !code.starts_with("57P"));
            let unknown = committing.load(Ordering::Relaxed) && !refused;
            if refused {
                let ended = async { execute(at_work.connection()?, "ROLLBACK".to_owned()).await };
                if cx.run(ended).await.is_ok() {
                    at_work.give_back().await;
                }
            }
            let effect = if unknown { WriteEffect::Unknown } else { WriteEffect::None };
            Err(error.with_write_effect(effect))
        }
    }
}

/// The table that is written, in the server's words.
struct Target<'a> {
    forms: &'a dyn ValueForms,
    name: String,
    columns: Vec<String>,
    schema: SchemaRef,
}

impl<'a> Target<'a> {
    fn new(
        forms: &'a dyn ValueForms,
        name: &orbit_core::TableName,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let dialect = forms.dialect();
        let most = dialect.limits.identifier_bytes_max;
        let names = schema.fields().iter().map(|field| field.name());
        // The server would cut a longer name, and mean another column by it.
        if let Some(long) = names.chain(name.parts()).find(|name| name.len() > most) {
            let message = format!("a name has {} bytes, more than {most}", long.len());
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        if schema.fields().is_empty() {
            return Err(Error::new(
                ErrorKind::QueryInvalid,
                "rows without columns are not written",
            ));
        }
        let columns = schema.fields().iter().map(|field| dialect.quote(field.name())).collect();
        let name = dialect.table(name);
        Ok(Self { forms, name, columns, schema: schema.clone() })
    }

    async fn prepare(&self, connection: &mut PgConnection, mode: InsertMode) -> Result<()> {
        let sql = match mode {
            InsertMode::Append => format!("SELECT 1 FROM {} LIMIT 0", self.name),
            // TRUNCATE would commit on Redshift.
            InsertMode::Overwrite => format!("DELETE FROM {}", self.name),
            InsertMode::Create => self.create()?,
        };
        execute(connection, sql).await.map(drop)
    }

    fn create(&self) -> Result<String> {
        let column = |(field, name): (&Arc<arrow_schema::Field>, &String)| {
            let type_name = self.forms.type_name(field.data_type()).ok_or_else(|| {
                let message = format!("this source has no type for {}", field.data_type());
                Error::new(ErrorKind::Unsupported, message)
                    .with_context("column", field.name().as_str())
            })?;
            let null = if field.is_nullable() { "" } else { " NOT NULL" };
            Ok(format!("{name} {type_name}{null}"))
        };
        let columns = self.schema.fields().iter().zip(&self.columns).map(column);
        let columns = columns.collect::<Result<Vec<_>>>()?.join(", ");
        Ok(format!("CREATE TABLE {} ({columns})", self.name))
    }

    /// The table and its columns, as statements that write name them.
    fn target(&self) -> String {
        format!("{} ({})", self.name, self.columns.join(", "))
    }

    /// Whether every value can be loaded as text; how bytes are written there is not said.
    fn fits_text(&self) -> bool {
        let fields = self.schema.fields();
        let binary = |t: &DataType| matches!(t, DataType::Binary | DataType::LargeBinary);
        !fields.iter().any(|field| binary(field.data_type()))
    }

    async fn write_all(
        &self,
        connection: &mut PgConnection,
        mut rows: BatchStream,
        cx: &Context,
    ) -> Result<u64> {
        let mut written = 0;
        while let Some(batch) = rows.try_next().await? {
            written += self.write(connection, &batch, cx).await?;
        }
        Ok(written)
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        batch: &RecordBatch,
        cx: &Context,
    ) -> Result<u64> {
        let head = format!("INSERT INTO {} VALUES ", self.target());
        let (mut sql, mut rows, mut written) = (head.clone(), 0, 0);
        for row in 0..batch.num_rows() {
            let values =
                batch.columns().iter().map(|column| plain_literal(self.forms, column, row));
            let values = values.collect::<Result<Vec<_>>>()?.join(", ");
            if rows > 0 {
                sql.push_str(", ");
            }
            sql.push_str(&format!("({values})"));
            rows += 1;
            let last = row + 1 == batch.num_rows();
            if last || rows == STATEMENT_ROWS_MAX || sql.len() >= STATEMENT_BYTES {
                written += self
                    .send(connection, std::mem::replace(&mut sql, head.clone()), rows, cx)
                    .await?;
                rows = 0;
            }
        }
        Ok(written)
    }

    async fn send(
        &self,
        connection: &mut PgConnection,
        sql: String,
        rows: usize,
        cx: &Context,
    ) -> Result<u64> {
        let (bytes, most) = (sql.len(), self.forms.dialect().limits.statement_bytes_max);
        if bytes > most {
            let message = format!("a row makes a statement of {bytes} bytes, more than {most}");
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        let written = execute(connection, sql).await?;
        if written != rows as u64 {
            let message = format!("{rows} rows were sent, and {written} written");
            return Err(Error::new(ErrorKind::DataInvalid, message));
        }
        cx.report(Event::BytesWritten(bytes as u64));
        Ok(written)
    }
}
