//! Connections that are lent one by one: so many at most, looked at before they are lent again,
//! and closed unless whoever had them says that nothing is left of its work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use orbit_core::{Context, Error, ErrorKind, QueryId, Result, Retry};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

/// How a driver opens and keeps connections.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// A connection; dropping it closes it without a word.
    type Connection: Send + 'static;

    /// Opens a connection and sets its session up.
    async fn open(&self) -> Result<Self::Connection>;

    /// Whether a connection that has been idle still answers.
    async fn check(&self, connection: &mut Self::Connection) -> Result<()>;

    /// Takes back whatever a statement of somebody else's may have changed in the session. An
    /// error closes the connection.
    async fn reset(&self, connection: &mut Self::Connection) -> Result<()>;
}

/// What a pool may hold, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Connections at most, lent and idle together.
    pub connections_max: usize,
    /// How long a caller without a deadline waits for one.
    pub acquire_timeout: Duration,
    /// How long opening one may take.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this.
    pub idle_timeout: Duration,
    /// A connection that was idle for longer is looked at before it is lent.
    pub check_after: Duration,
    /// A connection that is older is not lent again.
    pub lifetime_max: Duration,
}

/// How long looking at a connection, or resetting it, may take.
const CARE_TIMEOUT: Duration = Duration::from_secs(5);

/// A pool of connections.
pub struct Pool<C: Connect>(Arc<Shared<C>>);

struct Shared<C: Connect> {
    connect: C,
    limits: PoolLimits,
    permits: Arc<Semaphore>,
    /// The one that has been idle for longest is the first.
    idle: Mutex<VecDeque<Idle<C::Connection>>>,
    /// A task closes those that have been idle for too long; changed under the lock of `idle`.
    is_watched: AtomicBool,
    /// Whose queries have the connections that are lent.
    holders: Mutex<Vec<QueryId>>,
}

struct Idle<T> {
    connection: T,
    opened: Instant,
    since: Instant,
}

impl<C: Connect> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Connect> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl<C: Connect> Pool<C> {
    /// An empty pool.
    pub fn new(connect: C, limits: PoolLimits) -> Self {
        Self(Arc::new(Shared {
            connect,
            limits,
            permits: Arc::new(Semaphore::new(limits.connections_max)),
            idle: Mutex::default(),
            is_watched: AtomicBool::new(false),
            holders: Mutex::default(),
        }))
    }

    /// What opens its connections.
    pub fn connect(&self) -> &C {
        &self.0.connect
    }

    /// A connection: an idle one that still answers, or a new one. Callers are served in the
    /// order in which they came.
    ///
    /// # Errors
    /// `ResourceExhausted` when none comes free in time, `Unavailable` after closing, those of
    /// opening one, and those of the context.
    pub async fn acquire(&self, cx: &Context) -> Result<Lease<C>> {
        let permit = cx.run(self.permit()).await.map_err(|error| self.busy(cx, error))?;
        cx.run(async {
            while let Some(idle) = self.take_idle() {
                if let Some(idle) = self.still_good(idle).await {
                    return Ok(self.lease(cx, idle.connection, idle.opened, permit));
                }
                self.0.close_unchecked();
            }
            let connection = self.open().await?;
            Ok(self.lease(cx, connection, Instant::now(), permit))
        })
        .await
    }

    /// A connection outside of the pool's count, for cancelling while all are lent.
    ///
    /// # Errors
    /// Those of opening one.
    pub async fn open(&self) -> Result<C::Connection> {
        let limit = self.0.limits.connect_timeout;
        timeout(limit, self.0.connect.open()).await.unwrap_or_else(|_| {
            let message = format!("the source did not take a connection within {limit:?}");
            Err(Error::new(ErrorKind::Unavailable, message)
                .with_hint("check host, port and firewall")
                .with_retry(Retry::After(Duration::ZERO)))
        })
    }

    /// Closes idle connections and lends none any more.
    pub fn close(&self) {
        // Whoever gives back looks whether it is closed while it holds the idle ones.
        self.0.permits.close();
        self.0.idle().clear();
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.permits.is_closed()
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let waited = self.0.limits.acquire_timeout;
        let wait = Arc::clone(&self.0.permits).acquire_owned();
        match timeout(waited, wait).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                let message = format!("no connection came free within {waited:?}");
                // The whole limit was spent here: asking again would multiply it.
                Err(Error::new(ErrorKind::ResourceExhausted, message).with_retry(Retry::Exhausted))
            }
        }
    }

    /// The end of a wait for a connection, with what was waited for. A query that reads several
    /// tables or parts at once may wait for connections that it has itself.
    fn busy(&self, cx: &Context, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::ResourceExhausted | ErrorKind::Timeout) {
            return error;
        }
        let own = self.0.holders().iter().filter(|id| **id == cx.query_id()).count();
        error
            .with_context("connections", self.0.limits.connections_max.to_string())
            .with_context("of_this_query", own.to_string())
            .with_hint(
                "raise `connection_pool_size` above the tables and parts that are read at once, \
                 or ask for less at once",
            )
    }

    fn take_idle(&self) -> Option<Idle<C::Connection>> {
        let mut idle = self.0.idle();
        self.0.close_stale(&mut idle);
        // The one used last is the one most likely to be alive.
        idle.pop_back()
    }

    async fn still_good(&self, mut idle: Idle<C::Connection>) -> Option<Idle<C::Connection>> {
        if idle.since.elapsed() >= self.0.limits.check_after {
            let check = self.0.connect.check(&mut idle.connection);
            if !matches!(timeout(CARE_TIMEOUT, check).await, Ok(Ok(()))) {
                tracing::debug!("an idle connection did not answer and is closed");
                return None;
            }
        }
        Some(idle)
    }

    fn lease(
        &self,
        cx: &Context,
        connection: C::Connection,
        opened: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Lease<C> {
        let (pool, holder) = (self.clone(), cx.query_id());
        self.0.holders().push(holder);
        Lease { pool, holder, connection: Some(connection), opened, _permit: permit }
    }
}

impl<C: Connect> Shared<C> {
    fn close_stale(&self, idle: &mut VecDeque<Idle<C::Connection>>) {
        let limits = &self.limits;
        idle.retain(|i| {
            i.since.elapsed() < limits.idle_timeout && i.opened.elapsed() < limits.lifetime_max
        });
    }

    /// Closes those that would have to be looked at before they are lent. One of them did not
    /// answer, and looking at each might take as long again.
    fn close_unchecked(&self) {
        self.idle().retain(|i| i.since.elapsed() < self.limits.check_after);
    }

    /// Closes what has been idle for too long while nobody asks, until nothing is idle.
    async fn watch(pool: Weak<Self>) {
        loop {
            let next = {
                let Some(shared) = pool.upgrade() else { return };
                let mut idle = shared.idle();
                shared.close_stale(&mut idle);
                let Some(first) = idle.front() else {
                    shared.is_watched.store(false, Ordering::Relaxed);
                    return;
                };
                first.since.checked_add(shared.limits.idle_timeout)
            };
            // So long a time does not pass.
            let Some(next) = next else { return };
            sleep_until(next).await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle<C::Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, Vec<QueryId>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the datasource has been closed")
}

/// A connection that was lent. Dropping it closes it; only [`give_back`](Self::give_back) and
/// [`reset_and_give_back`](Self::reset_and_give_back) let it be lent again.
pub struct Lease<C: Connect> {
    pool: Pool<C>,
    holder: QueryId,
    connection: Option<C::Connection>,
    opened: Instant,
    _permit: OwnedSemaphorePermit,
}

impl<C: Connect> Lease<C> {
    /// The connection.
    ///
    /// # Errors
    /// `Unexpected` after it was taken out.
    pub fn get(&mut self) -> Result<&mut C::Connection> {
        self.connection.as_mut().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "a connection is used after it was given up")
        })
    }

    /// Takes the connection out to close it; its place in the pool is kept until the lease is
    /// dropped.
    pub fn take(&mut self) -> Option<C::Connection> {
        self.connection.take()
    }

    /// The connection is as it was when it was lent: its last statement was ours and has ended.
    pub fn give_back(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (since, opened) = (Instant::now(), self.opened);
        let shared = &self.pool.0;
        let mut idle = shared.idle();
        if !shared.permits.is_closed() && opened.elapsed() < shared.limits.lifetime_max {
            idle.push_back(Idle { connection, opened, since });
            if let Ok(runtime) = Handle::try_current()
                && !shared.is_watched.swap(true, Ordering::Relaxed)
            {
                runtime.spawn(Shared::watch(Arc::downgrade(shared)));
            }
        }
        // Only then may the next one look for it: the permit goes with the rest.
    }

    /// The last statement has ended, and was somebody else's, so it may have changed the
    /// session.
    pub async fn reset_and_give_back(mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        let reset = self.pool.0.connect.reset(connection);
        if matches!(timeout(CARE_TIMEOUT, reset).await, Ok(Ok(()))) {
            self.give_back();
        }
    }
}

impl<C: Connect> Drop for Lease<C> {
    fn drop(&mut self) {
        let mut holders = self.pool.0.holders();
        if let Some(at) = holders.iter().position(|id| *id == self.holder) {
            holders.swap_remove(at);
        }
    }
}

impl<C: Connect> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting {
        opened: AtomicUsize,
        refuses_check: bool,
        is_silent: bool,
    }

    #[async_trait]
    impl Connect for Counting {
        type Connection = usize;

        async fn open(&self) -> Result<usize> {
            Ok(self.opened.fetch_add(1, Ordering::Relaxed))
        }

        async fn check(&self, _: &mut usize) -> Result<()> {
            if self.is_silent {
                return std::future::pending().await;
            }
            if self.refuses_check { Err(closed()) } else { Ok(()) }
        }

        async fn reset(&self, _: &mut usize) -> Result<()> {
            Ok(())
        }
    }

    const LIMITS: PoolLimits = PoolLimits {
        connections_max: 2,
        acquire_timeout: Duration::from_secs(3),
        connect_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(60),
        check_after: Duration::from_secs(10),
        lifetime_max: Duration::from_secs(600),
    };

    fn cx() -> Context {
        Context::builder().build()
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_allowed_and_never_a_dropped_one() {
        let pool = Pool::new(Counting::default(), LIMITS);
        let first = pool.acquire(&cx()).await.unwrap();
        let second = pool.acquire(&cx()).await.unwrap();
        let error = pool.acquire(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        drop(first);
        second.give_back();
        assert_eq!(*pool.acquire(&cx()).await.unwrap().get().unwrap(), 1);
        let mut third = pool.acquire(&cx()).await.unwrap();
        assert_eq!(*third.get().unwrap(), 2, "the dropped one was closed");
    }

    /// A query that has all connections and waits for one more learns so, also when its own
    /// time is up first.
    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_what_for() {
        let pool = Pool::new(Counting::default(), LIMITS);
        let one = cx();
        let _held = [pool.acquire(&one).await.unwrap(), pool.acquire(&one.child()).await.unwrap()];
        let error = pool.acquire(&one).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no connection came free within 3s (connections: 2, of_this_query: 2); raise \
             `connection_pool_size` above the tables and parts that are read at once, or ask for \
             less at once"
        );
        assert_eq!(error.retry(), Retry::Exhausted, "it would wait as long once more");
        let error = pool.acquire(&one.within(Duration::from_secs(1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("`connection_pool_size`"), "{error}");
        let other = pool.acquire(&cx()).await.unwrap_err();
        assert!(other.to_string().contains("of_this_query: 0"), "{other}");
        let cancelled = cx();
        cancelled.cancellation().cancel();
        assert_eq!(pool.acquire(&cancelled).await.unwrap_err().hint(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_ones_are_looked_at_and_grow_old() {
        let connect = Counting { refuses_check: true, ..Counting::default() };
        let pool = Pool::new(connect, LIMITS);
        pool.acquire(&cx()).await.unwrap().give_back();
        assert_eq!(*pool.acquire(&cx()).await.unwrap().get().unwrap(), 0, "used a moment ago");
        pool.acquire(&cx()).await.unwrap().give_back();
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(*pool.acquire(&cx()).await.unwrap().get().unwrap(), 2, "it did not answer");
    }

    /// A server that falls silent is waited for once, however many connections were idle.
    #[tokio::test(start_paused = true)]
    async fn silent_ones_are_waited_for_once() {
        let connect = Counting { is_silent: true, ..Counting::default() };
        let pool = Pool::new(connect, LIMITS);
        let (a, b) = (pool.acquire(&cx()).await.unwrap(), pool.acquire(&cx()).await.unwrap());
        a.give_back();
        b.give_back();
        tokio::time::sleep(Duration::from_secs(11)).await;
        let begun = Instant::now();
        assert_eq!(*pool.acquire(&cx()).await.unwrap().get().unwrap(), 2, "a new one");
        assert!(begun.elapsed() < CARE_TIMEOUT * 2, "it took {:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_ones_are_closed_though_nobody_asks() {
        let pool = Pool::new(Counting::default(), LIMITS);
        for _ in 0..2 {
            pool.acquire(&cx()).await.unwrap().give_back();
            tokio::time::sleep(Duration::from_secs(59)).await;
            assert_eq!(pool.0.idle().len(), 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(pool.0.idle().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_wait_is_the_first_served() {
        let pool = Pool::new(Counting::default(), LIMITS);
        let (a, b) = (pool.acquire(&cx()).await.unwrap(), pool.acquire(&cx()).await.unwrap());
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..5)
            .map(|i| {
                let (pool, order) = (pool.clone(), Arc::clone(&order));
                tokio::spawn(async move {
                    let lease = pool.acquire(&cx()).await.unwrap();
                    order.lock().unwrap().push(i);
                    lease.give_back();
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        a.give_back();
        for task in waiting {
            task.await.unwrap();
        }
        b.give_back();
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_pool_lends_nothing() {
        let pool = Pool::new(Counting::default(), LIMITS);
        let lease = pool.acquire(&cx()).await.unwrap();
        pool.close();
        lease.give_back();
        assert!(pool.0.idle().is_empty());
        assert_eq!(pool.acquire(&cx()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
