//! The contract over one account.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::DataType;
use async_trait::async_trait;
use orbit_core::{
    BatchStream, Context, Datasource, Describe, DescribeCapability, Effect, Error, ErrorKind,
    Estimate, EstimateCapability, Facets, Identity, Insert, InsertCapability, InsertOutcome,
    ListTables, ListTablesCapability, Operation, PartitionRead, PartitionSet, Partitions,
    Predicate, PredicateCapability, Query, QueryCapability, Result, SqlCapability, SqlDatasource,
    SqlDialect, StatementCapability, TableDescription, TablePage, Target,
};
use orbit_http::Renderer;

use crate::api::Api;
use crate::bind;
use crate::columns::TypeRules;
use crate::config::SnowflakeConfig;
use crate::dialect::{dialect, renderer, time_travel};
use crate::guard::admit;
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
    partitions: None,
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
    pub dialect: Arc<SqlDialect>,
}

impl SnowflakeDatasource {
    /// Signs in.
    ///
    /// # Errors
    /// Those of the settings and of signing in.
    pub(crate) async fn connect(cx: &Context, config: &SnowflakeConfig) -> Result<Self> {
        let api = Arc::new(Api::new(config)?);
        let connected =
            Arc::new(Connected { api, lane: Lane::new(), dialect: Arc::new(dialect()) });
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
    pub(crate) fn renderer(&self) -> Renderer<'_> {
        renderer(&self.dialect)
    }

    pub(crate) fn rules(&self) -> TypeRules {
        let config = &self.api.config;
        TypeRules { wide_integers: config.wide_integers, timestamps: config.timestamps }
    }

    /// A query as a statement.
    pub(crate) fn text(&self, query: &Query) -> Result<String> {
        let renderer = self.renderer();
        match &query.target {
            Target::Table(table) => {
                let version = table.version.map(time_travel).transpose()?.unwrap_or_default();
                renderer.select(&format!("{}{version}", renderer.table(&table.name)), query)
            }
            Target::Statement { text, .. } => {
                admit(text, query.effect)?;
                let plain = query.columns.is_none()
                    && query.predicate.is_none()
                    && query.order.is_empty()
                    && query.limit.is_none();
                if plain {
                    return Ok(text.clone());
                }
                // What stands around it only reads, so it must itself.
                admit(text, Effect::Read)?;
                // The line's end closes a comment in which the statement may end.
                renderer.select(&format!("({}\n)", text.trim_end_matches([';', ' ', '\n'])), query)
            }
        }
    }

    async fn run(&self, cx: &Context, query: &Query) -> Result<Executed> {
        let text = self.text(query)?;
        if query.schema.is_none()
            && let Some(predicate) = &query.predicate
        {
            let all = Query { predicate: None, order: Vec::new(), columns: None, ..query.clone() };
            let columns = self.columns(cx, &all).await?;
            judge(predicate, &columns.schema)?;
        }
        let bindings = query.parameters.as_ref().map(bind::one_row).transpose()?;
        let statement = Statement { text, bindings, describe_only: false };
        let executed = execute(cx, &self.api, &self.lane, &statement).await;
        executed.map_err(|error| of_table(error, &query.target))
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, "there is no such column")
        .with_context("column", name)
        .with_hint("names are exact here; check the case")
}

/// Each value must be of its column's type: the source would convert by rules of its own.
fn judge(predicate: &Predicate, schema: &arrow_schema::Schema) -> Result<()> {
    let of = |column: &str| {
        schema
            .field_with_name(column)
            .map(arrow_schema::Field::data_type)
            .map_err(|_| missing(column))
    };
    let same = |column: &str, value: &DataType| match of(column)? {
        kind if kind == value => Ok(()),
        kind => {
            let message = format!("a value of the type {value} is compared with one of {kind}");
            Err(Error::new(ErrorKind::QueryInvalid, message).with_context("column", column))
        }
    };
    match predicate {
        Predicate::Compare { column, value, .. } => same(column, value.data_type()),
        Predicate::In { column, values, .. } => same(column, values.data_type()),
        Predicate::Like { column, .. } => same(column, &DataType::Utf8),
        Predicate::IsTrue { column } => same(column, &DataType::Boolean),
        Predicate::IsNull { column, .. } => of(column).map(drop),
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().try_for_each(|part| judge(part, schema))
        }
        Predicate::Not(part) => judge(part, schema),
    }
}

/// A pattern that ignores case does so by rules of the source's own.
fn refuse_ignored_case(predicate: &Predicate) -> Result<()> {
    match predicate {
        Predicate::Like { ignore_case: true, .. } => {
            Err(Error::new(ErrorKind::Unsupported, "ILIKE is not pushed to snowflake"))
        }
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().try_for_each(refuse_ignored_case)
        }
        Predicate::Not(part) => refuse_ignored_case(part),
        _ => Ok(()),
    }
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
            api.cancels.finish(CLOSE_TIMEOUT).await;
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
        Arc::clone(&self.0.dialect)
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        self.admitted(cx)?.list(cx, request).await
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        self.admitted(cx)?.describe(cx, &request.query).await
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        let connected = self.admitted(cx)?;
        request.predicate.as_ref().map_or(Ok(()), refuse_ignored_case)?;
        let executed = connected.run(cx, &request).await?;
        let (api, lane) = (&connected.api, &connected.lane);
        match request.columns.as_ref().is_some_and(Vec::is_empty) {
            true => counted(cx, api, lane, executed).await,
            false => stream(cx, api, lane, executed, request.schema.as_ref()).await,
        }
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.admitted(cx)?.estimate(cx, &request).await
    }

    async fn partitions(&self, cx: &Context, _: Partitions) -> Result<PartitionSet> {
        self.admitted(cx)?;
        Err(Error::unsupported(Operation::Partitions))
    }

    async fn read_partition(&self, cx: &Context, _: PartitionRead) -> Result<BatchStream> {
        self.admitted(cx)?;
        Err(Error::unsupported(Operation::ReadPartition))
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
