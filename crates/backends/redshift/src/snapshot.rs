//! One state of all tables for a query that is read in parts over several connections.
//!
//! A transaction on a connection of its own keeps it, and those that read the parts take it over
//! by its id (PostgreSQL, System Administration Functions: snapshot synchronization functions).

use std::sync::Arc;

use orbit_core::{Context, Error, ErrorKind, Result, SqlForms};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::session::{ask, close_hard};
use crate::shared::Shared;

/// How many are kept at once, each by a connection beside those of the pool.
pub(crate) const SNAPSHOTS_MAX: usize = 4;

const EXPORT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;SELECT pg_export_snapshot()";

/// The server's code of an id that names no snapshot (an invalid value of a parameter).
const UNKNOWN_SNAPSHOT: &str = "22023";

/// A state of the tables that is kept until the last clone of `kept` is dropped.
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) kept: Arc<DropGuard>,
}

/// Keeps the state of this moment; none while as many as may be are kept for others.
pub(crate) async fn keep(shared: &Arc<Shared>, cx: &Context) -> Result<Option<Snapshot>> {
    let Ok(permit) = Arc::clone(&shared.snapshots).try_acquire_owned() else { return Ok(None) };
    let exported = async {
        let mut session = shared.pool.open().await?;
        let answer = ask(&mut session.connection, EXPORT.to_owned()).await?;
        Ok((session, answer))
    };
    let (session, answer) = cx.run(exported).await?;
    let id = answer.into_iter().flatten().flatten().next().ok_or_else(|| {
        Error::new(ErrorKind::DataInvalid, "the server does not name the snapshot that it exports")
    })?;
    let (unwanted, closing) = (CancellationToken::new(), shared.closing.clone());
    let kept = Arc::new(unwanted.clone().drop_guard());
    shared.tasks.spawn(async move {
        tokio::select! {
            () = unwanted.cancelled() => {}
            () = closing.cancelled() => {}
        }
        close_hard(session).await;
        drop(permit);
    });
    Ok(Some(Snapshot { id, kept }))
}

/// What begins a transaction in which nothing is written, with the state of `snapshot` if it is
/// given.
pub(crate) fn begin_sql(shared: &Shared, snapshot: Option<&str>) -> Result<String> {
    let Some(id) = snapshot else { return Ok("BEGIN READ ONLY;".to_owned()) };
    let id = shared.forms.dialect().text(id)?;
    Ok(format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;SET TRANSACTION SNAPSHOT {id};"))
}

/// The error of a transaction that begins with a snapshot, which may be gone.
pub(crate) fn begin_error(error: Error) -> Error {
    match error.vendor_code() {
        Some(UNKNOWN_SNAPSHOT) => {
            Error::new(ErrorKind::Truncated, "the snapshot of the parts is gone")
                .with_source(error)
                .with_hint("ask for the parts again")
        }
        _ => error,
    }
}
