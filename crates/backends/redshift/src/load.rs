//! Rows into a table by COPY from the staging bucket, as delimited text: the one form that
//! writes every value exactly as this server's own text does.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{BatchStream, Context, Error, ErrorKind, Event, Result, SqlDialect};
use orbit_sql::append_delimited;
use sqlx::postgres::PgConnection;

use crate::catalog::number;
use crate::session::{ask, execute};
use crate::shared::Shared;
use crate::staging::{Folder, Staging};

/// Bytes of one file, after which the next begins; so much is held in memory.
const FILE_BYTES: usize = 16 << 20;

/// Writes the rows to the bucket and copies them into the table, which comes with the dialect,
/// within the transaction that is open. Answers how many.
pub(crate) async fn load(
    shared: &Shared,
    staging: &Arc<Staging>,
    cx: &Context,
    connection: &mut PgConnection,
    (dialect, target): (&SqlDialect, &str),
    rows: BatchStream,
) -> Result<u64> {
    let folder = Folder::fresh();
    // However this ends, the files go.
    let _cleanup = staging.cleanup(&shared.tasks, &folder);
    let sent = upload(staging, cx, &folder, rows).await?;
    let manifest = format!("{}manifest", folder.0);
    execute(connection, copy_sql(staging, dialect, target, &manifest)?).await?;
    let answer = ask(connection, "SELECT pg_last_copy_count()".to_owned()).await?;
    let told: Option<u64> = answer.first().and_then(|row| number(row, 0));
    if told != Some(sent) {
        let told = told.map_or_else(|| "an unknown number".to_owned(), |told| told.to_string());
        let message = format!("{sent} rows were sent, and {told} loaded");
        return Err(Error::new(ErrorKind::DataInvalid, message));
    }
    Ok(sent)
}

/// The statement that loads the files that a manifest names. A backslash stands before what
/// would otherwise end a value. `\N` is NULL by default; saying so would depend on how an option
/// of COPY reads backslashes.
fn copy_sql(
    staging: &Staging,
    dialect: &SqlDialect,
    target: &str,
    manifest: &str,
) -> Result<String> {
    Ok(format!(
        "COPY {target} FROM {} {} MANIFEST DELIMITER '|' ESCAPE DATEFORMAT 'auto' \
         TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF{}",
        dialect.text(&staging.url(manifest))?,
        staging.authorization(dialect)?,
        staging.region(dialect)?,
    ))
}

/// Writes files of rows and the manifest that names them.
async fn upload(
    staging: &Staging,
    cx: &Context,
    folder: &Folder,
    mut rows: BatchStream,
) -> Result<u64> {
    let (mut text, mut entries, mut sent) = (String::new(), Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        write_rows(&batch, &mut text)?;
        sent += batch.num_rows() as u64;
        if text.len() >= FILE_BYTES {
            entries.push(flush(staging, cx, folder, &mut text, entries.len()).await?);
        }
    }
    // A manifest that names nothing is an error there.
    if !text.is_empty() || entries.is_empty() {
        entries.push(flush(staging, cx, folder, &mut text, entries.len()).await?);
    }
    let manifest = serde_json::json!({ "entries": entries }).to_string();
    staging.write(cx, &format!("{}manifest", folder.0), Bytes::from(manifest)).await?;
    Ok(sent)
}

async fn flush(
    staging: &Staging,
    cx: &Context,
    folder: &Folder,
    text: &mut String,
    index: usize,
) -> Result<serde_json::Value> {
    let key = format!("{}rows-{index:06}", folder.0);
    let bytes = Bytes::from(std::mem::take(text));
    cx.report(Event::BytesWritten(bytes.len() as u64));
    staging.write(cx, &key, bytes).await?;
    Ok(serde_json::json!({ "url": staging.url(&key), "mandatory": true }))
}

fn write_rows(batch: &RecordBatch, text: &mut String) -> Result<()> {
    for row in 0..batch.num_rows() {
        for (index, column) in batch.columns().iter().enumerate() {
            if index > 0 {
                text.push('|');
            }
            append_delimited(column, row, '|', text)?;
        }
        text.push('\n');
    }
    Ok(())
}
