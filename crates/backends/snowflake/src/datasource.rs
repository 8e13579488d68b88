//! The contract over one account.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::Schema;
use async_trait::async_trait;
use orbit_core::{
    BatchStream, Context, Datasource, Describe, DescribeCapability, Effect, Error, ErrorKind,
    Estimate, EstimateCapability, Facets, Identity, Insert, InsertCapability, InsertOutcome,
    ListTables, ListTablesCapability, PartitionCapability, PartitionRead, PartitionSet, Partitions,
    PredicateCapability, Query, QueryCapability, Result, Select, Sources, SqlCapability,
    SqlDatasource, SqlDialect, SqlForms, StatementCapability, TableDescription, TablePage, Target,
};

use crate::api::Api;
use crate::bind;
use crate::config::SnowflakeConfig;
use crate::dialect::{Forms, dialect, time_travel};
use crate::guard::{admit, admit_script, keeps_session};
use crate::insert::insert;
use crate::protocol::RowType;
use crate::result::{counted, stream};
use crate::session::Lane;
use crate::statement::{Executed, Statement, cancel, execute};

/// What a datasource of this backend can do.
pub(crate) const CAPABILITY: SqlCapability = SqlCapability {
    list: Some(ListTablesCapability { without_waking: true }),
    describe: Some(DescribeCapability { statement: true, statistics: true, without_waking: true }),
    query: Some(QueryCapability {
        predicate: Some(PredicateCapability {
            text_order: true,
            like: true,
            like_ignore_case: false,
            in_values_max: 10_000,
        }),
        order: true,
        limit: true,
        time_travel: true,
    }),
    statement: Some(StatementCapability { parameters: true, write: true }),
    estimate: Some(EstimateCapability { rows: false, bytes: true, money: false }),
    partitions: Some(PartitionCapability { one_snapshot: true, ordered: true }),
    insert: Some(InsertCapability {
        create: true,
        overwrite: true,
        idempotency_key: false,
        atomic: true,
    }),
    cancel: true,
};

/// How often an idle session is kept alive; it ends after four hours without a request.
const HEARTBEAT: Duration = Duration::from_secs(900);
/// How long closing waits for cancels, and for the session's end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connected account.
#[derive(Debug)]
pub(crate) struct SnowflakeDatasource(Arc<Connected>);

/// What everything of a datasource shares.
#[derive(Debug)]
pub(crate) struct Connected {
    pub api: Arc<Api>,
    /// The session of everything that needs no transaction.
    pub lane: Arc<Lane>,
    pub forms: Forms,
    /// Opens the store behind a stage.
    pub sources: Sources,
}

impl SnowflakeDatasource {
    /// Signs in.
    ///
    /// # Errors
    /// Those of the settings and of signing in.
    pub(crate) async fn connect(
        cx: &Context,
        config: &SnowflakeConfig,
        sources: &Sources,
    ) -> Result<Self> {
        let (api, forms) = (Arc::new(Api::new(config)?), Forms::new(dialect()));
        let sources = sources.clone();
        let connected = Arc::new(Connected { api, lane: Lane::new(), forms, sources });
        connected.lane.session(cx, &connected.api).await?;
        if config.keep_alive {
            keep_alive(&connected);
        }
        Ok(Self(connected))
    }

    fn admitted(&self, cx: &Context) -> Result<&Arc<Connected>> {
        self.0.api.check(cx)?;
        match cx.identity() {
            Identity::Configured => Ok(&self.0),
            Identity::Delegated { .. } => {
                let message = "an identity that is passed on is not supported by snowflake yet";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}

/// Beats until the datasource is gone.
fn keep_alive(connected: &Arc<Connected>) {
    let connected = Arc::downgrade(connected);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let Some(connected) = connected.upgrade() else { return };
            let cx = Context::builder().timeout(HEARTBEAT).build();
            if connected.api.check(&cx).is_err() {
                return;
            }
            if let Err(error) = connected.lane.beat(&cx, &connected.api).await {
                tracing::warn!(%error, "the session could not be kept alive");
            }
        }
    });
}

impl Connected {
    pub(crate) fn dialect(&self) -> &SqlDialect {
        self.forms.dialect()
    }

    /// A query as a statement. `schema` is what it reads from, where that is known.
    ///
    /// # Errors
    /// Those of [`Select::render`], and for a statement that may not run.
    pub(crate) fn text(&self, query: &Query, schema: Option<&Schema>) -> Result<String> {
        match &query.target {
            Target::Table(table) => {
                let version = table.version.map(time_travel).transpose()?.unwrap_or_default();
                let name = self.dialect().table(&table.name);
                self.select(format!("{name}{version}"), query, schema)
            }
            Target::Statement { text, .. } => {
                admit(text, query.effect)?;
                if is_plain(query) {
                    return Ok(text.clone());
                }
                // What stands around it only reads, so it must itself.
                admit(text, Effect::Read)?;
                // The line's end closes a comment in which the statement may end.
                let is_end = |c: char| c == ';' || c.is_whitespace();
                let from = format!("({}\n)", text.trim_end_matches(is_end));
                self.select(from, query, schema)
            }
        }
    }

    /// Without columns the rows are counted: one row, one column.
    fn select(&self, from: String, query: &Query, schema: Option<&Schema>) -> Result<String> {
        let (predicate, limit) = (query.predicate.as_ref(), query.limit);
        let select = |columns, order| {
            Select { columns, from, schema, predicate, order, limit }.render(&self.forms)
        };
        match query.columns.as_deref() {
            None => select(vec!["*".to_owned()], &query.order),
            Some([]) => {
                let counted = select(Vec::new(), &[])?;
                Ok(format!("SELECT COUNT(*) FROM ({counted}) AS counted"))
            }
            Some(columns) => {
                let columns = columns.iter().map(|column| self.dialect().quote(column));
                select(columns.collect(), &query.order)
            }
        }
    }

    /// A query that is several statements, where the settings allow that, and how many.
    pub(crate) fn script(&self, query: &Query) -> Result<Option<(String, usize)>> {
        let Target::Statement { text, .. } = &query.target else { return Ok(None) };
        if !self.api.config.multi_statement || !is_plain(query) {
            return Ok(None);
        }
        let count = admit_script(text, query.effect)?;
        Ok((count > 1).then(|| (text.clone(), count)))
    }

    /// Runs a query and streams its rows.
    pub(crate) async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        let lane = self.lane_for(&request);
        let executed = self.run(cx, &lane, &request).await?;
        match request.columns.as_ref().is_some_and(Vec::is_empty) {
            true => counted(cx, &self.api, &lane, executed).await,
            false => stream(cx, &self.api, &lane, executed, request.schema.as_ref()).await,
        }
    }

    /// The shared session, but for a statement that might leave it other than it was.
    fn lane_for(&self, query: &Query) -> Arc<Lane> {
        match &query.target {
            Target::Statement { text, .. }
                if query.effect != Effect::Read && !keeps_session(text) =>
            {
                Lane::of_one(&self.api)
            }
            _ => Arc::clone(&self.lane),
        }
    }

    pub(crate) async fn run(
        &self,
        cx: &Context,
        lane: &Arc<Lane>,
        query: &Query,
    ) -> Result<Executed> {
        let schema = match (&query.schema, &query.predicate) {
            (None, Some(_)) => {
                let all =
                    Query { predicate: None, order: Vec::new(), columns: None, ..query.clone() };
                Some(self.columns(cx, &all).await?.schema)
            }
            _ => None,
        };
        let (text, script) = match self.script(query)? {
            Some((text, count)) => (text, Some(count)),
            None => (self.text(query, schema.as_deref())?, None),
        };
        let bindings = query.parameters.as_ref().map(bind::one_row).transpose()?;
        let writes = query.effect != Effect::Read;
        let statement = Statement { bindings, script, writes, ..Statement::new(text) };
        let executed = execute(cx, &self.api, lane, &statement).await;
        executed.map_err(|error| of_table(error, &query.target))
    }
}

/// Whether nothing stands around the query's statement.
fn is_plain(query: &Query) -> bool {
    query.columns.is_none()
        && query.predicate.is_none()
        && query.order.is_empty()
        && query.limit.is_none()
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, "there is no such column")
        .with_context("column", name)
        .with_hint("names are exact here; check the case")
}

#[async_trait]
impl Datasource for SnowflakeDatasource {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: Some(self), files: None }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        let connected = self.admitted(cx)?;
        connected.lane.session(cx, &connected.api).await?;
        connected.lane.beat(cx, &connected.api).await
    }

    async fn close(&self) -> Result<()> {
        let Connected { api, lane, .. } = self.0.as_ref();
        if api.close() {
            // What ends other sessions may need the shared one to clean up.
            tokio::join!(lane.cancels().finish(CLOSE_TIMEOUT), api.ends.finish(CLOSE_TIMEOUT));
            let cx = Context::builder().timeout(CLOSE_TIMEOUT).build();
            lane.end(&cx, api).await;
        }
        Ok(())
    }
}

#[async_trait]
impl SqlDatasource for SnowflakeDatasource {
    fn capability(&self) -> SqlCapability {
        CAPABILITY
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        self.0.forms.shared()
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        self.admitted(cx)?.list(cx, request).await
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        self.admitted(cx)?.describe(cx, &request.query).await
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        self.admitted(cx)?.query(cx, request).await
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.admitted(cx)?.estimate(cx, &request).await
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        self.admitted(cx)?.partitions(cx, request).await
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        self.admitted(cx)?.read_part(cx, request).await
    }

    async fn insert(&self, cx: &Context, request: Insert) -> Result<InsertOutcome> {
        insert(cx, self.admitted(cx)?, request).await
    }

    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()> {
        let connected = self.admitted(cx)?;
        cancel(cx, &connected.api, &connected.lane, statement_id).await
    }
}

/// The columns of these names, in their order.
pub(crate) fn chosen(names: &[String], all: &[RowType]) -> Result<Vec<RowType>> {
    let find = |name: &String| {
        all.iter().find(|told| told.name == *name).cloned().ok_or_else(|| missing(name))
    };
    names.iter().map(find).collect()
}

/// `error` of a statement over `target`, with the table's name.
pub(crate) fn of_table(error: Error, target: &Target) -> Error {
    match target {
        Target::Table(table) => error.with_context("table", table.name.to_string()),
        Target::Statement { .. } => error,
    }
}
