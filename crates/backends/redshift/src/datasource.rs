//! The contract over one server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orbit_core::ColumnDescription;
use orbit_core::{
    BatchStream, Context, Datasource, Describe, DescribeCapability, Effect, Error, ErrorKind,
    Estimate, EstimateCapability, EstimateQuality, Facets, Insert, InsertCapability, InsertOutcome,
    ListTables, ListTablesCapability, PartitionCapability, PartitionRead, PartitionSet,
    PartitionSource, Partitions, PredicateCapability, Query, QueryCapability, Result,
    SqlCapability, SqlDatasource, SqlDialect, StatementCapability, Statistic, TableDescription,
    TablePage, TableStatistics, Target, Wake,
};
use orbit_sql::{CatalogCache, Lease, Pool, Scope, SqlForms, table_name};
use sqlx::AssertSqlSafe;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{self, Page, Place};
use crate::dialect::{Forms, SET_VALUES_MAX};
use crate::query::{self, Plan, Wire, bind, no_table, place};
use crate::scan::{self, Aftermath, Job, described};
use crate::session::{Connector, Server, Session, TextRow, ask, execute};
use crate::types::SourceColumn;
use crate::work::{Side, Works};
use crate::{error, insert, partitions, redshift_catalog};

/// What a datasource of this backend can do.
pub(crate) const CAPABILITY: SqlCapability = SqlCapability {
    list: Some(ListTablesCapability { without_waking: true }),
    describe: Some(DescribeCapability { statement: true, statistics: true, without_waking: true }),
    query: Some(QueryCapability {
        predicate: Some(PredicateCapability {
            text_order: true,
            like: true,
            like_ignore_case: false,
            in_values_max: SET_VALUES_MAX,
        }),
        order: true,
        limit: true,
        time_travel: false,
    }),
    statement: Some(StatementCapability { parameters: true, write: true }),
    estimate: Some(EstimateCapability { rows: true, bytes: false, money: false }),
    partitions: Some(PartitionCapability { one_snapshot: false, ordered: false }),
    insert: Some(InsertCapability {
        create: true,
        overwrite: true,
        idempotency_key: false,
        atomic: true,
    }),
    cancel: true,
};

/// How long closing waits for statements that are being cancelled.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a catalog's answer may be told to those who may not wake the warehouse.
const CATALOG_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A connected server.
pub(crate) struct RedshiftDatasource {
    shared: Arc<Shared>,
    dialect: Arc<SqlDialect>,
    /// Whether a question may start the warehouse.
    scope: Scope,
    pages: CatalogCache<String, TablePage>,
    descriptions: CatalogCache<Place, TableDescription>,
}

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
    schema: String,
}

impl fmt::Debug for RedshiftDatasource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedshiftDatasource")
            .field("server", &self.shared.server)
            .field("pool", &self.shared.pool)
            .finish_non_exhaustive()
    }
}

impl RedshiftDatasource {
    /// A datasource over a pool whose server has answered over `first`, which is kept for
    /// cancelling. A serverless warehouse wakes for a question.
    pub(crate) fn new(
        pool: Pool<Connector>,
        first: Session,
        schema: String,
        serverless: bool,
    ) -> Self {
        let server = first.server;
        let forms = Forms::new(server, first.backslash_escapes);
        let dialect = Arc::new(forms.dialect().clone());
        let shared = Shared {
            side: Side::new(pool.clone(), first),
            pool,
            works: Works::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            forms,
            server,
            schema,
        };
        Self {
            shared: Arc::new(shared),
            dialect,
            scope: if serverless { Scope::MayWake } else { Scope::AlwaysUp },
            pages: CatalogCache::new(CATALOG_KEPT),
            descriptions: CatalogCache::new(CATALOG_KEPT),
        }
    }

    fn is_open(&self, cx: &Context) -> Result<()> {
        cx.check()?;
        if self.shared.pool.is_closed() {
            return Err(Error::new(ErrorKind::Unavailable, "the datasource has been closed"));
        }
        Ok(())
    }

    /// Refuses what comes too late, and what would wake the warehouse where that is forbidden.
    fn may_ask(&self, cx: &Context) -> Result<()> {
        self.is_open(cx)?;
        if self.scope == Scope::AlwaysUp || cx.wake() == Wake::Allowed {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, "the warehouse may not be woken for this"))
    }
}

impl Shared {
    pub(crate) fn place(&self, name: &orbit_core::TableName) -> Result<Place> {
        place(name, &self.schema)
    }

    /// A small answer of the server, over the pool.
    pub(crate) async fn question(&self, cx: &Context, sql: String) -> Result<Vec<TextRow>> {
        let mut lease = self.pool.acquire(cx).await?;
        let answer = cx.run(ask(&mut lease.get()?.connection, sql)).await;
        give_back_if_sound(lease, answer.as_ref().err());
        answer
    }

    /// The columns of a table.
    async fn columns(
        &self,
        lease: &mut Lease<Connector>,
        place: &Place,
    ) -> Result<Vec<SourceColumn>> {
        let connection = &mut lease.get()?.connection;
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
    pub(crate) async fn describe(&self, cx: &Context, place: &Place) -> Result<Vec<SourceColumn>> {
        let mut lease = self.pool.acquire(cx).await?;
        let found = cx.run(self.columns(&mut lease, place)).await;
        match &found {
            Err(error) if error.kind() == ErrorKind::NotFound => lease.give_back(),
            other => give_back_if_sound(lease, other.as_ref().err()),
        }
        found
    }

    /// What the server keeps about a table; nothing where the user may not see it.
    pub(crate) async fn statistics(&self, cx: &Context, place: &Place) -> Result<TableStatistics> {
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
    pub(crate) async fn shape(&self, cx: &Context, sql: String) -> Result<Vec<SourceColumn>> {
        let mut lease = self.pool.acquire(cx).await?;
        let found = cx.run(async {
            self.begin(cx, &mut lease, None).await?;
            let connection = &mut lease.get()?.connection;
            let first = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut *connection).await;
            execute(connection, "ROLLBACK".to_owned()).await?;
            first.map_err(error::of)
        });
        let row = match found.await {
            Ok(row) => row,
            Err(error) => {
                give_back_if_sound(lease, Some(&error));
                return Err(error);
            }
        };
        lease.reset_and_give_back().await;
        let unsaid = || Error::new(ErrorKind::DataInvalid, "the server does not tell the columns");
        described(self, &row.ok_or_else(unsaid)?, true).await
    }

    /// Begins a transaction in which nothing is written, with the time that is left. A table
    /// that is named is locked against changes of its columns.
    async fn begin(
        &self,
        cx: &Context,
        lease: &mut Lease<Connector>,
        table: Option<&Place>,
    ) -> Result<()> {
        let mut sql = format!("BEGIN READ ONLY;{}", timeout_sql(cx, "LOCAL "));
        if let Some(place) = table.filter(|_| self.server == Server::Postgresql) {
            let name = table_name(self.forms.dialect(), &place.name());
            sql.push_str(&format!("SELECT 1 FROM {name} LIMIT 0;"));
        }
        execute(&mut lease.get()?.connection, sql).await.map(drop)
    }

    async fn roll_back(&self, mut lease: Lease<Connector>) {
        let Ok(session) = lease.get() else { return };
        let ended = execute(&mut session.connection, "ROLLBACK".to_owned());
        if matches!(timeout(CLOSE_TIMEOUT, ended).await, Ok(Ok(_))) {
            lease.give_back();
        }
    }

    async fn query_table(
        self: &Arc<Self>,
        cx: &Context,
        query: &Query,
        place: Place,
    ) -> Result<BatchStream> {
        let mut lease = self.pool.acquire(cx).await?;
        let planned = cx.run(async {
            self.begin(cx, &mut lease, Some(&place)).await?;
            let columns = self.columns(&mut lease, &place).await?;
            query::of_table(&self.forms, self.server, &place, &columns, query)
        });
        match planned.await {
            Ok(plan) => self.start(cx, lease, plan, Aftermath::Commit).await,
            Err(error) => {
                self.roll_back(lease).await;
                Err(error)
            }
        }
    }

    async fn query_statement(
        self: &Arc<Self>,
        cx: &Context,
        query: &Query,
        text: &str,
    ) -> Result<BatchStream> {
        let bound = bind(&self.forms, query, text)?;
        let names = match &bound.sort {
            _ if !query::is_cut(query) => None,
            query_sort if *query_sort == crate::statement::Sort::Rows => {
                Some(self.shape(cx, crate::statement::shape_sql(&bound.text)).await?)
            }
            _ => {
                let message = "rows of this statement are not filtered, sorted or cut";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let plan = query::of_statement(&self.forms, &bound, query, names.as_deref())?;
        let mut lease = self.pool.acquire(cx).await?;
        if query.effect == Effect::Read {
            cx.run(self.begin(cx, &mut lease, None)).await?;
            return self.start(cx, lease, plan, Aftermath::CommitAndReset).await;
        }
        let limit = timeout_sql(cx, "");
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
    async fn statement_of(&self, cx: &Context, query: &Query) -> Result<String> {
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
                    true => Some(self.shape(cx, crate::statement::shape_sql(&bound.text)).await?),
                    false => None,
                };
                Ok(query::of_statement(&self.forms, &bound, query, names.as_deref())?.sql)
            }
        }
    }
}

/// Sets the server's own limit to the time that is left, if there is one.
fn timeout_sql(cx: &Context, scope: &str) -> String {
    match cx.remaining() {
        // Zero would be no limit at all.
        Some(left) => {
            format!("SET {scope}statement_timeout TO {};", left.as_millis().clamp(1, 2_000_000_000))
        }
        None => String::new(),
    }
}

/// Lends the connection again unless something else than the server's answer failed.
pub(crate) fn give_back_if_sound(lease: Lease<Connector>, error: Option<&Error>) {
    let sound = match error {
        None => true,
        Some(error) => error.vendor_code().is_some_and(|code| !code.starts_with("57P")),
    };
    if sound {
        lease.give_back();
    }
}

#[async_trait]
impl Datasource for RedshiftDatasource {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: Some(self), files: None }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        self.is_open(cx)?;
        if self.may_ask(cx).is_err() {
            // It answered when it was connected, and asking again could wake it.
            return Ok(());
        }
        self.shared.question(cx, "SELECT 1".to_owned()).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        let shared = &self.shared;
        shared.pool.close();
        shared.closing.cancel();
        shared.tasks.close();
        let waited = timeout(CLOSE_TIMEOUT, shared.tasks.wait()).await;
        shared.side.close().await;
        waited.map_err(|_| {
            Error::new(ErrorKind::Timeout, "a statement did not end within 5 s of being cancelled")
        })
    }
}

#[async_trait]
impl SqlDatasource for RedshiftDatasource {
    fn capability(&self) -> SqlCapability {
        let without_waking = self.scope == Scope::AlwaysUp;
        let list = Some(ListTablesCapability { without_waking });
        let describe = CAPABILITY.describe.map(|d| DescribeCapability { without_waking, ..d });
        SqlCapability { list, describe, ..CAPABILITY }
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        Arc::clone(&self.dialect)
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        self.is_open(cx)?;
        let shared = &self.shared;
        let tables = match shared.server {
            Server::Postgresql => catalog::TABLES,
            Server::Redshift => redshift_catalog::TABLES,
        };
        let ask = async {
            let Some(page) = Page::of(&shared.forms, &request)? else {
                return Ok(TablePage::default());
            };
            let rows = shared.question(cx, page.sql(tables)).await?;
            let (tables, next_page) = page.entries(&rows)?;
            Ok(TablePage { tables, next_page })
        };
        self.pages.answer(cx, self.scope, format!("{request:?}"), ask).await
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        let Describe { query } = request;
        self.is_open(cx)?;
        query::check(&query)?;
        match &query.target {
            Target::Table(table) => {
                let shared = &self.shared;
                let place = shared.place(&table.name)?;
                let ask = async {
                    let columns = shared.describe(cx, &place).await?;
                    Ok(description(&columns, shared.statistics(cx, &place).await?))
                };
                let whole = self.descriptions.answer(cx, self.scope, place.clone(), ask).await?;
                chosen(whole, &query)
            }
            Target::Statement { text, .. } => {
                self.may_ask(cx)?;
                let bound = bind(&self.shared.forms, &query, text)?;
                if bound.sort != crate::statement::Sort::Rows {
                    let message = "only a statement that selects is described without running it";
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                let shape = crate::statement::shape_sql(&bound.text);
                let columns = self.shared.shape(cx, shape).await?;
                chosen(description(&columns, TableStatistics::default()), &query)
            }
        }
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        self.may_ask(cx)?;
        query::check(&request)?;
        match &request.target {
            Target::Table(table) => {
                let place = self.shared.place(&table.name)?;
                self.shared.query_table(cx, &request, place).await
            }
            Target::Statement { text, .. } => self.shared.query_statement(cx, &request, text).await,
        }
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.may_ask(cx)?;
        let sql = self.shared.statement_of(cx, &request).await?;
        let plan = self.shared.question(cx, format!("EXPLAIN {sql}")).await?;
        let first = plan.first().and_then(|row| row.first()?.as_deref()).unwrap_or_default();
        let rows = first
            .split_once(" rows=")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        let guess = |value| Statistic { value, quality: EstimateQuality::Guess };
        Ok(Estimate { rows: rows.map(guess), bytes: None, cost_usd: None })
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        self.may_ask(cx)?;
        query::check(&request.query)?;
        partitions::plan(&self.shared, cx, self, request).await
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        let PartitionRead { schema, partition } = request;
        match partition.source {
            PartitionSource::Query(query) => {
                self.query(cx, Query { schema: Some(schema), ..*query }).await
            }
            PartitionSource::Statement { .. } | PartitionSource::Files { .. } => {
                let message = "this part is not one of this datasource";
                Err(Error::new(ErrorKind::QueryInvalid, message))
            }
        }
    }

    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome> {
        self.may_ask(cx)?;
        insert::insert(&self.shared, cx, request).await
    }

    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()> {
        self.is_open(cx)?;
        let shared = &self.shared;
        cx.run(shared.works.cancel_by_id(&shared.side, statement_id)).await
    }
}

fn description(columns: &[SourceColumn], statistics: TableStatistics) -> TableDescription {
    let column = |column: &SourceColumn| ColumnDescription {
        name: column.name.clone(),
        data_type: column.data_type(),
        source_type: column.source_type.clone(),
        binary_collation: column.binary_collation,
        comment: column.comment.clone(),
    };
    TableDescription {
        schema: Arc::new(query::schema_of(columns)),
        columns: columns.iter().map(column).collect(),
        statistics,
    }
}

/// The description of the columns that the query wants.
fn chosen(whole: TableDescription, query: &Query) -> Result<TableDescription> {
    let Some(names) = &query.columns else { return Ok(whole) };
    let find = |name: &String| {
        whole.columns.iter().position(|c| c.name == *name).ok_or_else(|| {
            Error::new(ErrorKind::QueryInvalid, format!("there is no column `{name}`"))
                .with_context("column", name.as_str())
        })
    };
    let indexes = names.iter().map(find).collect::<Result<Vec<_>>>()?;
    let fields: Vec<_> = indexes.iter().map(|i| whole.schema.field(*i).clone()).collect();
    let columns = indexes.iter().map(|i| whole.columns[*i].clone()).collect();
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    Ok(TableDescription { schema, columns, statistics: whole.statistics })
}
