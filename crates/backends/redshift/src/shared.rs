//! What the operations and their tasks share: the pool, the statements at work, and the steps
//! that several operations take.

use std::sync::Arc;
use std::time::Duration;

use orbit_core::{
    BatchStream, Context, Effect, Error, ErrorKind, Query, Result, SqlForms, TableStatistics,
    Target,
};
use orbit_sql::{Lease, Pool};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{self, Place};
use crate::columns::described;
use crate::dialect::Forms;
use crate::query::{self, Plan, Wire, bind, no_table, place};
use crate::scan::{self, Aftermath, Job};
use crate::session::{Connector, Server, TextRow, ask, execute};
use crate::snapshot;
use crate::staging::Staging;
use crate::statement::{Sort, shape_sql};
use crate::types::SourceColumn;
use crate::work::{AtWork, Side, Works};
use crate::{error, redshift_catalog};

/// How long ending a transaction may take.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// What the operations and their tasks share.
pub(crate) struct Shared {
    pub(crate) pool: Pool<Connector>,
    pub(crate) side: Side,
    pub(crate) works: Works,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    pub(crate) forms: Forms,
    pub(crate) server: Server,
    /// Where a bare table name is looked up.
    pub(crate) schema: String,
    /// A permit for each snapshot that may be kept.
    pub(crate) snapshots: Arc<Semaphore>,
    /// The bucket for whole files.
    pub(crate) staging: Option<Arc<Staging>>,
}

impl Shared {
    pub(crate) fn place(&self, name: &orbit_core::TableName) -> Result<Place> {
        let place = place(name, &self.schema)?;
        let most = self.forms.dialect().limits.identifier_bytes_max;
        // The server would cut a longer name, and mean another table by it.
        if place.schema.len().max(place.table.len()) > most {
            return Err(no_table(&place));
        }
        Ok(place)
    }

    /// A connection to ask over: what is at work when its caller leaves is cancelled.
    async fn asking(self: &Arc<Self>, cx: &Context) -> Result<AtWork> {
        AtWork::quiet(self, self.pool.acquire(cx).await?)
    }

    /// A small answer of the server, over the pool.
    pub(crate) async fn question(
        self: &Arc<Self>,
        cx: &Context,
        sql: String,
    ) -> Result<Vec<TextRow>> {
        let mut asking = self.asking(cx).await?;
        let answer = cx.run(async { ask(asking.connection()?, sql).await }).await;
        if answer.as_ref().err().is_none_or(is_sound) {
            asking.give_back().await;
        }
        answer
    }

    /// The columns of a table.
    async fn columns(
        &self,
        connection: &mut PgConnection,
        place: &Place,
    ) -> Result<Vec<SourceColumn>> {
        let found = match self.server {
            Server::Postgresql => {
                let sql = catalog::columns_sql(&self.forms, place)?;
                catalog::columns_of(&ask(connection, sql).await?)?
            }
            Server::Redshift => {
                let sql = redshift_catalog::columns_sql(&self.forms, place)?;
                match redshift_catalog::columns_of(&ask(connection, sql).await?)? {
                    None => {
                        let sql = redshift_catalog::late_binding_sql(&self.forms, place)?;
                        redshift_catalog::columns_of(&ask(connection, sql).await?)?
                    }
                    found => found,
                }
            }
        };
        found.ok_or_else(|| no_table(place))
    }

    /// The columns of a table, over the pool.
    pub(crate) async fn describe(
        self: &Arc<Self>,
        cx: &Context,
        place: &Place,
    ) -> Result<Vec<SourceColumn>> {
        let mut asking = self.asking(cx).await?;
        let found = cx.run(async { self.columns(asking.connection()?, place).await }).await;
        if found.as_ref().err().is_none_or(is_sound) {
            asking.give_back().await;
        }
        found
    }

    /// What the server keeps about a table; nothing where the user may not see it.
    pub(crate) async fn statistics(
        self: &Arc<Self>,
        cx: &Context,
        place: &Place,
    ) -> Result<TableStatistics> {
        let sql = match self.server {
            Server::Postgresql => catalog::statistics_sql(&self.forms, place)?,
            Server::Redshift => redshift_catalog::statistics_sql(&self.forms, place)?,
        };
        match self.question(cx, sql).await {
            Ok(rows) if self.server == Server::Redshift => {
                Ok(redshift_catalog::statistics_of(&rows))
            }
            Ok(rows) => Ok(catalog::statistics_of(&rows)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Ok(TableStatistics::default())
            }
            Err(error) => Err(error),
        }
    }

    /// The columns of a statement, without running it.
    pub(crate) async fn shape(
        self: &Arc<Self>,
        cx: &Context,
        sql: String,
    ) -> Result<Vec<SourceColumn>> {
        let mut asking = self.asking(cx).await?;
        let first = cx.run(async {
            let connection = asking.connection()?;
            self.begin(cx, connection, None, None).await?;
            let first = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut *connection).await;
            execute(connection, "ROLLBACK".to_owned()).await?;
            Ok(first)
        });
        let first = first.await?;
        if let Some(lease) = asking.end().await {
            lease.reset_and_give_back().await;
        }
        let unsaid = || Error::new(ErrorKind::DataInvalid, "the server does not tell the columns");
        let row = first.map_err(error::of)?.ok_or_else(unsaid)?;
        cx.run(described(self, &row, true)).await
    }

    /// Begins a transaction in which nothing is written, with the time that is left. A table
    /// that is named is locked against changes of its columns.
    async fn begin(
        &self,
        cx: &Context,
        connection: &mut PgConnection,
        table: Option<&Place>,
        snapshot: Option<&str>,
    ) -> Result<()> {
        let mut sql = snapshot::begin_sql(self, snapshot)?;
        sql += &timeout_sql(cx, "LOCAL ", self.pool.connect().statement_timeout_ms());
        if let Some(place) = table.filter(|_| self.server == Server::Postgresql) {
            let name = self.forms.dialect().table(&place.name());
            sql.push_str(&format!("SELECT 1 FROM {name} LIMIT 0;"));
        }
        let begun = execute(connection, sql).await.map(drop);
        if snapshot.is_some() { begun.map_err(snapshot::begin_error) } else { begun }
    }

    pub(crate) async fn query_table(
        self: &Arc<Self>,
        cx: &Context,
        query: &Query,
        place: Place,
        snapshot: Option<&str>,
    ) -> Result<BatchStream> {
        let mut asking = self.asking(cx).await?;
        let columns = cx.run(async {
            let connection = asking.connection()?;
            self.begin(cx, connection, Some(&place), snapshot).await?;
            self.columns(connection, &place).await
        });
        let plan = match columns.await {
            Err(error) if !is_sound(&error) => return Err(error),
            Err(error) => Err(error),
            Ok(columns) => query::of_table(&self.forms, self.server, &place, &columns, query),
        };
        match plan {
            Ok(plan) => {
                let lease = asking.end().await.ok_or_else(cancelled)?;
                self.start(cx, lease, plan, Aftermath::Commit).await
            }
            Err(error) => {
                roll_back(asking).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn query_statement(
        self: &Arc<Self>,
        cx: &Context,
        query: &Query,
        text: &str,
    ) -> Result<BatchStream> {
        let bound = bind(&self.forms, query, text)?;
        let names = match &bound.sort {
            _ if !query::is_cut(query) => None,
            query_sort if *query_sort == Sort::Rows => {
                Some(self.shape(cx, shape_sql(&bound.text)).await?)
            }
            _ => {
                let message = "rows of this statement are not filtered, sorted or cut";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let plan = query::of_statement(&self.forms, &bound, query, names.as_deref())?;
        let mut lease = self.pool.acquire(cx).await?;
        if query.effect == Effect::Read {
            cx.run(self.begin(cx, &mut lease.get()?.connection, None, None)).await?;
            return self.start(cx, lease, plan, Aftermath::CommitAndReset).await;
        }
        self.start_alone(cx, lease, plan).await
    }

    /// Runs a statement of ours that is no part of a transaction and answers no rows. Dropping
    /// the stream cancels it.
    pub(crate) async fn command(
        self: &Arc<Self>,
        cx: &Context,
        sql: String,
    ) -> Result<BatchStream> {
        let plan = Plan {
            sql,
            schema: None,
            wire: Wire::Text,
            shape: None,
            counts_only: false,
            tells_affected: true,
        };
        let lease = self.pool.acquire(cx).await?;
        self.start_alone(cx, lease, plan).await
    }

    async fn start_alone(
        self: &Arc<Self>,
        cx: &Context,
        mut lease: Lease<Connector>,
        plan: Plan,
    ) -> Result<BatchStream> {
        let limit = timeout_sql(cx, "", self.pool.connect().statement_timeout_ms());
        if !limit.is_empty() {
            cx.run(execute(&mut lease.get()?.connection, limit)).await?;
        }
        self.start(cx, lease, plan, Aftermath::Reset).await
    }

    async fn start(
        self: &Arc<Self>,
        cx: &Context,
        mut lease: Lease<Connector>,
        plan: Plan,
        aftermath: Aftermath,
    ) -> Result<BatchStream> {
        let work = self.works.begin(lease.get()?.process);
        let (shared, cx) = (Arc::clone(self), cx.clone());
        scan::start(Job { shared, cx, lease, work, plan, aftermath }).await
    }

    /// The statement that a query comes to, for those that do not run it.
    pub(crate) async fn statement_of(
        self: &Arc<Self>,
        cx: &Context,
        query: &Query,
    ) -> Result<String> {
        query::check(query)?;
        match &query.target {
            Target::Table(table) => {
                let place = self.place(&table.name)?;
                let columns = self.describe(cx, &place).await?;
                // The text form is the statement itself.
                let plan = query::of_table(&self.forms, Server::Redshift, &place, &columns, query)?;
                debug_assert_eq!(plan.wire, Wire::Text);
                Ok(plan.sql)
            }
            Target::Statement { text, .. } => {
                let bound = bind(&self.forms, query, text)?;
                let names = match query::is_cut(query) {
                    true => Some(self.shape(cx, shape_sql(&bound.text)).await?),
                    false => None,
                };
                Ok(query::of_statement(&self.forms, &bound, query, names.as_deref())?.sql)
            }
        }
    }
}

/// Sets the server's own limit to the time that is left, where that is less than `most_ms`
/// (zero is no limit), if there is a deadline.
pub(crate) fn timeout_sql(cx: &Context, scope: &str, most_ms: u64) -> String {
    let Some(left) = cx.remaining() else { return String::new() };
    let most = if most_ms == 0 { TIMEOUT_MS_MAX } else { most_ms.into() };
    // Zero would be no limit at all.
    let left = left.as_millis().min(most).clamp(1, TIMEOUT_MS_MAX);
    format!("SET {scope}statement_timeout TO {left};")
}

/// The longest time that both servers take.
const TIMEOUT_MS_MAX: u128 = 2_000_000_000;

/// Whether a failure is the server's answer, so that nothing is at work and the connection is as
/// good as before.
fn is_sound(error: &Error) -> bool {
    let answered = error.vendor_code().is_some_and(|code| !code.starts_with("57P"));
    // The columns of a table that is not there are an answer without rows.
    answered || error.kind() == ErrorKind::NotFound
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the statement was cancelled by its id")
}

/// Ends the transaction and lends the connection again.
async fn roll_back(mut asking: AtWork) {
    let ended = async { execute(asking.connection()?, "ROLLBACK".to_owned()).await };
    if matches!(timeout(END_TIMEOUT, ended).await, Ok(Ok(_))) {
        asking.give_back().await;
    }
}
