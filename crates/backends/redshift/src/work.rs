//! Statements that are at work, and how they are stopped.
//!
//! The driver keeps the key of the protocol's own cancel request to itself, so a statement is
//! cancelled by its process from a connection outside of the pool, which is there also when all
//! others are lent. Where that one is busy or silent, a cancel opens one of its own.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::{FutureExt, TryFutureExt, select_ok};
use orbit_core::{Context, Error, ErrorKind, Event, Result};
use orbit_sql::{Lease, Pool};
use sqlx::postgres::PgConnection;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::scan::{END_TIMEOUT, discard};
use crate::session::{Connector, Session, TextRow, ask, execute};
use crate::shared::Shared;

/// How long a question on the side may take.
const SIDE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cancel waits for the reserved connection alone: it has to be felt within a second.
const CANCEL_PATIENCE: Duration = Duration::from_millis(300);
/// A cancel that came before its statement was begun, or that a procedure caught, is lost, and
/// is sent again after this.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The reserved connection: it cancels, and answers small questions while rows stream.
pub(crate) struct Side {
    pool: Pool<Connector>,
    connection: Mutex<Option<Session>>,
}

impl Side {
    /// The reserved connection, which is open already.
    pub(crate) fn new(pool: Pool<Connector>, session: Session) -> Self {
        Self { pool, connection: Mutex::new(Some(session)) }
    }

    /// A small answer; a connection that died while it was idle is opened again, once.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Vec<TextRow>> {
        let mut kept = self.connection.lock().await;
        if let Some(mut session) = kept.take()
            && let Ok(Ok(answer)) =
                timeout(SIDE_TIMEOUT, ask(&mut session.connection, sql.to_owned())).await
        {
            *kept = Some(session);
            return Ok(answer);
        }
        let (session, answer) = self.ask_apart(sql).await?;
        *kept = Some(session);
        Ok(answer)
    }

    /// A small answer over a connection that is opened for it.
    async fn ask_apart(&self, sql: &str) -> Result<(Session, Vec<TextRow>)> {
        let asked = async {
            let mut session = self.pool.open().await?;
            let answer = ask(&mut session.connection, sql.to_owned()).await?;
            Ok((session, answer))
        };
        let late = || Error::new(ErrorKind::Unavailable, "the server does not answer");
        timeout(SIDE_TIMEOUT, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// Has a process stop what it does. Whoever uses the reserved connection may be waiting for
    /// a silent server, so that another one is tried beside it after a while.
    async fn cancel(&self, process: i32) -> Result<()> {
        let sql = format!("SELECT pg_cancel_backend({process})");
        let reserved = self.ask(&sql).map_ok(drop);
        let apart = async {
            sleep(CANCEL_PATIENCE).await;
            self.ask_apart(&sql).await.map(drop)
        };
        select_ok([reserved.boxed(), apart.boxed()]).await.map(drop)
    }

    /// Closes it.
    pub(crate) async fn close(&self) {
        drop(self.connection.lock().await.take());
    }
}

/// A statement on its connection.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) id: String,
    process: i32,
    number: u64,
    /// Held while it is being cancelled, so that the cancel cannot meet a later statement.
    ended: Mutex<bool>,
    cancelled: AtomicBool,
}

/// The statements of an instance.
#[derive(Debug, Default)]
pub(crate) struct Works {
    issued: AtomicU64,
    running: std::sync::Mutex<HashMap<u64, Arc<Work>>>,
}

impl Works {
    /// A statement that is about to be sent over the connection of `process`. Its id says which
    /// statement of which connection it is, so that a later one is never meant.
    pub(crate) fn begin(&self, process: i32) -> Arc<Work> {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let id = format!("{process}.{number}");
        let (ended, cancelled) = (Mutex::new(false), AtomicBool::new(false));
        let work = Arc::new(Work { id, process, number, ended, cancelled });
        self.running().insert(number, Arc::clone(&work));
        work
    }

    /// The statement has ended. Answers whether nobody tried to cancel it, so that its
    /// connection may be lent again.
    pub(crate) async fn end(&self, work: &Work) -> bool {
        *work.ended.lock().await = true;
        self.running().remove(&work.number);
        !work.cancelled.load(Ordering::Relaxed)
    }

    /// Cancels it, unless it has ended.
    pub(crate) async fn cancel(&self, side: &Side, work: &Work) -> Result<()> {
        let ended = work.ended.lock().await;
        if *ended {
            return Ok(());
        }
        work.cancelled.store(true, Ordering::Relaxed);
        side.cancel(work.process).await
    }

    /// Cancels it; a failure is told to the log alone. Answers whether the server was told.
    pub(crate) async fn stop(&self, side: &Side, work: &Work) -> bool {
        let told = self.cancel(side, work).await;
        if let Err(error) = &told {
            tracing::warn!(%error, "a statement could not be cancelled; its connection is closed");
        }
        told.is_ok()
    }

    /// Waits for the end of a statement that was cancelled, and cancels it again until then or
    /// until the server cannot be told.
    pub(crate) async fn stop_until<T>(
        &self,
        side: &Side,
        work: &Work,
        ended: impl Future<Output = T>,
    ) {
        let mut ended = pin!(ended);
        while timeout(CANCEL_AGAIN_AFTER, ended.as_mut()).await.is_err() {
            if !self.stop(side, work).await {
                return;
            }
        }
    }

    /// Cancels the statement of this id.
    pub(crate) async fn cancel_by_id(&self, side: &Side, id: &str) -> Result<()> {
        let number = id.split_once('.').and_then(|(_, number)| number.parse::<u64>().ok());
        let Some(number) = number.filter(|n| *n < self.issued.load(Ordering::Relaxed)) else {
            return Err(Error::new(ErrorKind::NotFound, "no statement has this id")
                .with_context("statement", id)
                .with_hint("a statement is cancelled by the process that started it"));
        };
        let work = self.running().get(&number).filter(|work| work.id == id).cloned();
        match work {
            Some(work) => self.cancel(side, &work).await,
            None => Ok(()),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Work>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection with statements of ours. When nobody waits for them any more, the one that runs
/// is cancelled at the source, and the connection is closed.
pub(crate) struct AtWork {
    shared: Arc<Shared>,
    lease: Option<Lease<Connector>>,
    work: Arc<Work>,
    runtime: Handle,
}

impl AtWork {
    /// Statements of which the caller is told.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        cx: &Context,
        lease: Lease<Connector>,
    ) -> Result<Self> {
        let begun = Self::quiet(shared, lease)?;
        cx.report(Event::Statement { id: begun.work.id.clone() });
        Ok(begun)
    }

    /// Questions of which nobody is told, such as those to catalogs.
    pub(crate) fn quiet(shared: &Arc<Shared>, mut lease: Lease<Connector>) -> Result<Self> {
        let work = shared.works.begin(lease.get()?.process);
        let (shared, runtime) = (Arc::clone(shared), Handle::current());
        Ok(Self { shared, lease: Some(lease), work, runtime })
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection> {
        match &mut self.lease {
            Some(lease) => Ok(&mut lease.get()?.connection),
            None => Err(Error::new(ErrorKind::Unexpected, "the work has ended")),
        }
    }

    /// The last statement has ended: its connection, unless somebody tried to cancel.
    pub(crate) async fn end(mut self) -> Option<Lease<Connector>> {
        let untouched = self.shared.works.end(&self.work).await;
        self.lease.take().filter(|_| untouched)
    }

    /// The same, and the session is as it was: the connection is lent again.
    pub(crate) async fn give_back(self) {
        if let Some(lease) = self.end().await {
            lease.give_back();
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let (shared, work) = (Arc::clone(&self.shared), Arc::clone(&self.work));
        let stopping = async move {
            if shared.works.stop(&shared.side, &work).await
                && let Ok(session) = lease.get()
            {
                // The server answers it only after all that it was asked before.
                let ended = execute(&mut session.connection, "SELECT 1".to_owned());
                let seen = shared.works.stop_until(&shared.side, &work, ended);
                if timeout(END_TIMEOUT, seen).await.is_err() {
                    tracing::warn!("a cancelled question did not end in time");
                }
            }
            shared.works.end(&work).await;
            discard(lease).await;
        };
        self.shared.tasks.spawn_on(stopping, &self.runtime);
    }
}
