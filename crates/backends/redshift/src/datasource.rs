//! The contract over one server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orbit_core::{
    BatchStream, ColumnDescription, Context, Datasource, Describe, DescribeCapability, Error,
    ErrorKind, Estimate, EstimateCapability, Facets, Insert, InsertCapability, InsertOutcome,
    ListTables, ListTablesCapability, PartitionCapability, PartitionRead, PartitionSet,
    PartitionSource, Partitions, PredicateCapability, Query, QueryCapability, Result,
    SqlCapability, SqlDatasource, SqlDialect, SqlForms, StatementCapability, TableDescription,
    TableEntry, TablePage, TableStatistics, Target, Wake,
};
use orbit_sql::{CatalogCache, Pool, Scope};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{self, Page, Place};
use crate::dialect::{Forms, SET_VALUES_MAX};
use crate::query::{self, bind};
use crate::session::{Connector, Server, Session};
use crate::shared::Shared;
use crate::snapshot::SNAPSHOTS_MAX;
use crate::staging::Staging;
use crate::statement::{Sort, shape_sql};
use crate::types::SourceColumn;
use crate::work::{Side, Works};
use crate::{estimate, insert, partitions, redshift_catalog};

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
    estimate: Some(EstimateCapability { rows: true, bytes: true, money: false }),
    // One snapshot is PostgreSQL's, and the order that of an UNLOAD.
    partitions: Some(PartitionCapability { one_snapshot: true, ordered: true }),
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
/// What a table or a column takes beside its texts.
const ENTRY_BYTES: usize = 128;

/// A connected server.
pub(crate) struct RedshiftDatasource {
    shared: Arc<Shared>,
    dialect: Arc<SqlDialect>,
    /// Whether a question may start the warehouse.
    scope: Scope,
    pages: CatalogCache<String, TablePage>,
    descriptions: CatalogCache<Place, TableDescription>,
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
        staging: Option<Staging>,
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
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
            staging: staging.map(Arc::new),
        };
        Self {
            shared: Arc::new(shared),
            dialect,
            scope: if serverless { Scope::MayWake } else { Scope::AlwaysUp },
            pages: CatalogCache::new(CATALOG_KEPT, page_bytes),
            descriptions: CatalogCache::new(CATALOG_KEPT, description_bytes),
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

    /// The rows of a query, of the state that `snapshot` names.
    async fn read(
        &self,
        cx: &Context,
        request: Query,
        snapshot: Option<&str>,
    ) -> Result<BatchStream> {
        self.may_ask(cx)?;
        query::check(&request)?;
        match (&request.target, snapshot) {
            (Target::Table(table), _) => {
                let place = self.shared.place(&table.name)?;
                self.shared.query_table(cx, &request, place, snapshot).await
            }
            (Target::Statement { text, .. }, None) => {
                self.shared.query_statement(cx, &request, text).await
            }
            (Target::Statement { .. }, Some(_)) => Err(no_part()),
        }
    }
}

fn no_part() -> Error {
    Error::new(ErrorKind::QueryInvalid, "this part is not one of this datasource")
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
        let closed = async {
            shared.tasks.wait().await;
            shared.side.close().await;
        };
        timeout(CLOSE_TIMEOUT, closed).await.map_err(|_| {
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
        let staged = self.shared.staging.is_some();
        // What an UNLOAD does not take is read in ranges, each of its own moment.
        let one_snapshot = self.shared.server == Server::Postgresql;
        let partitions = Some(PartitionCapability { one_snapshot, ordered: staged });
        SqlCapability { list, describe, partitions, ..CAPABILITY }
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
                if bound.sort != Sort::Rows {
                    let message = "only a statement that selects is described without running it";
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                let shape = shape_sql(&bound.text);
                let columns = self.shared.shape(cx, shape).await?;
                chosen(description(&columns, TableStatistics::default()), &query)
            }
        }
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        self.read(cx, request, None).await
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.may_ask(cx)?;
        let sql = self.shared.statement_of(cx, &request).await?;
        let explain = estimate::explain_sql(self.shared.server, &sql);
        let plan = self.shared.question(cx, explain).await?;
        let statistics = match &request.target {
            Target::Table(table) => {
                let place = self.shared.place(&table.name)?;
                Some(self.shared.statistics(cx, &place).await?)
            }
            Target::Statement { .. } => None,
        };
        Ok(estimate::of_plan(&plan, statistics.as_ref()))
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        self.may_ask(cx)?;
        query::check(&request.query)?;
        partitions::plan(&self.shared, cx, self, request).await
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        let PartitionRead { schema, partition } = request;
        match partition.source {
            PartitionSource::Query { query, snapshot } => {
                let query = Query { schema: Some(schema), ..*query };
                self.read(cx, query, snapshot.as_deref()).await
            }
            PartitionSource::Statement { .. } | PartitionSource::Files { .. } => Err(no_part()),
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

/// About how many bytes a page of a listing holds.
fn page_bytes(page: &TablePage) -> usize {
    let texts = |table: &TableEntry| table.name.parts().iter().map(String::len).sum::<usize>();
    page.tables.iter().map(|table| ENTRY_BYTES + texts(table)).sum()
}

/// About how many bytes a description holds: the schema has the names and types once more.
fn description_bytes(description: &TableDescription) -> usize {
    let texts = |column: &ColumnDescription| {
        let comment = column.comment.as_ref().map_or(0, String::len);
        2 * (column.name.len() + column.source_type.len()) + comment
    };
    description.columns.iter().map(|column| 2 * ENTRY_BYTES + texts(column)).sum()
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
