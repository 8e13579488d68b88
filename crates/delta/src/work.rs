//! Commands that change a table, as delta-rs runs them.
//!
//! Each is prepared at once and then awaited as a boxed future, so that no plan is held while
//! somebody waits.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use chrono::TimeDelta;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::schema::cast::normalize_for_delta;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::kernel::{EagerSnapshot, StructField, StructType};
use deltalake::operations::convert_to_delta::ConvertToDeltaBuilder;
use deltalake::operations::create::CreateBuilder;
use deltalake::operations::optimize::OptimizeType;
use deltalake::operations::vacuum::VacuumMode;
use deltalake::operations::write::{SchemaMode, WriteBuilder};
use deltalake::protocol::SaveMode;
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTable};
use futures::future::BoxFuture;
use orbit_core::{Context, Error, ErrorKind, Result};
use orbit_engine::{NewTable, TableCommand, TableWrite, Vacuum, WriteColumns, WriteMode};
use serde_json::{Map, Value};

use crate::error::as_sentence;
use crate::expression::{exact, is_plain, is_rounded, names_any};
use crate::log_store::{TableLog, fenced_runtime};
use crate::rows::Rows;
use crate::store::TableStore;

/// A command under way; it answers figures beside those of its commit.
pub(crate) type Running = BoxFuture<'static, DeltaResult<Map<String, Value>>>;

/// A feature of tables whose log is cleaned up only by those who know its history.
const PROTECTED_LOG: &str = "checkpointProtection";

/// How often a commit is tried while other writers come first; the caller's time ends it sooner.
const COMMITS_MAX: usize = 1000;

/// What a command works with.
pub(crate) struct Work {
    pub(crate) log: Arc<TableLog>,
    /// The state that is changed; none while the table is made.
    pub(crate) snapshot: Option<EagerSnapshot>,
    pub(crate) session: Arc<SessionState>,
    properties: CommitProperties,
}

impl Work {
    /// Work on `snapshot`, within the limits of `session`.
    pub(crate) fn new(
        cx: &Context,
        store: &Arc<TableStore>,
        snapshot: Option<EagerSnapshot>,
        session: &dyn Session,
    ) -> Result<Self> {
        let log = TableLog::new(store)?;
        let log = if snapshot.is_none() { log.creating() } else { log };
        let metadata = [
            ("userName".to_owned(), cx.principal().name().into()),
            ("orbitQueryId".to_owned(), cx.query_id().to_string().into()),
        ];
        let mut properties =
            CommitProperties::default().with_metadata(metadata).with_max_retries(COMMITS_MAX);
        let features = snapshot.as_ref().and_then(|s| s.protocol().writer_features());
        if features.is_some_and(|f| f.iter().any(|f| f.to_string() == PROTECTED_LOG)) {
            properties = properties.with_cleanup_expired_logs(Some(false));
        }
        let session = Arc::new(fenced_session(store, session)?);
        Ok(Self { log: Arc::new(log), snapshot, session, properties })
    }

    /// The table as delta-rs knows it.
    pub(crate) fn table(&self) -> DeltaTable {
        let mut table = DeltaTable::new(Arc::clone(&self.log) as _);
        table.state = self.snapshot.clone().map(DeltaTableState::new);
        table
    }

    pub(crate) fn properties(&self) -> CommitProperties {
        self.properties.clone()
    }

    pub(crate) fn session(&self) -> Arc<dyn Session> {
        Arc::clone(&self.session) as Arc<dyn Session>
    }

    /// Begins a command that changes the table.
    pub(crate) fn start(
        &self,
        command: &TableCommand,
        columns: Option<&SchemaRef>,
        rows: Option<&Arc<Rows>>,
    ) -> Result<Running> {
        match command {
            TableCommand::Create(new) => self.create(new, columns, rows),
            TableCommand::Write(write) => self.write(write, given(rows)?),
            TableCommand::Merge(merge) => self.merge(merge, given(rows)?),
            TableCommand::Delete { predicate } => Ok(self.delete(predicate.as_deref())),
            TableCommand::Update { predicate, set } => self.update(predicate.as_deref(), set),
            TableCommand::Optimize { order_by, file_bytes } => self.optimize(order_by, *file_bytes),
            TableCommand::Vacuum(vacuum) => self.vacuum(vacuum),
            TableCommand::AddConstraint { name, expression } => {
                let builder = self.table().add_constraint();
                let builder = builder.with_constraint(name, expression.as_str());
                let builder = builder.with_session_state(self.session());
                Ok(changed(builder.with_commit_properties(self.properties())))
            }
            TableCommand::DropConstraint { name } => {
                let builder = self.table().drop_constraints().with_constraint(name);
                Ok(changed(builder.with_commit_properties(self.properties())))
            }
            TableCommand::AddColumns { .. } => {
                let builder = self.table().add_columns().with_fields(self.added(columns)?);
                Ok(changed(builder.with_commit_properties(self.properties())))
            }
            TableCommand::SetProperties { properties } => {
                let known_only = properties.keys().all(|key| key.starts_with("delta."));
                let properties: HashMap<_, _> = properties.clone().into_iter().collect();
                let builder = self.table().set_tbl_properties().with_properties(properties);
                let builder = builder.with_raise_if_not_exists(known_only);
                Ok(changed(builder.with_commit_properties(self.properties())))
            }
            TableCommand::Convert { properties } => {
                let configuration = properties.iter().map(|(k, v)| (k.clone(), Some(v.clone())));
                let builder = ConvertToDeltaBuilder::new()
                    .with_log_store(Arc::clone(&self.log) as _)
                    .with_partition_schema(fields(columns)?)
                    .with_configuration(configuration);
                Ok(changed(builder.with_commit_properties(self.properties())))
            }
            TableCommand::Detail
            | TableCommand::History { .. }
            | TableCommand::Changes { .. }
            | TableCommand::Restore { .. } => {
                Err(Error::new(ErrorKind::Unexpected, "the command changes no rows"))
            }
        }
    }

    fn create(
        &self,
        new: &NewTable,
        columns: Option<&SchemaRef>,
        rows: Option<&Arc<Rows>>,
    ) -> Result<Running> {
        check_partitions(&new.partition_by, rows.map_or(columns, |rows| Some(rows.schema())))?;
        let configuration = new.properties.iter().map(|(k, v)| (k.clone(), Some(v.clone())));
        if let Some(rows) = rows {
            let mut builder = WriteBuilder::new(Arc::clone(&self.log) as _, None)
                .with_save_mode(SaveMode::ErrorIfExists)
                .with_input_plan(plan_of(rows)?)
                .with_partition_columns(&new.partition_by)
                .with_configuration(configuration)
                .with_session_state(self.session());
            if let Some(comment) = &new.comment {
                builder = builder.with_description(comment);
            }
            return Ok(changed(builder.with_commit_properties(self.properties())));
        }
        let mut builder = CreateBuilder::new()
            .with_log_store(Arc::clone(&self.log) as _)
            .with_columns(fields(columns)?)
            .with_partition_columns(&new.partition_by)
            .with_configuration(configuration)
            .with_raise_if_key_not_exists(new.properties.keys().all(|k| k.starts_with("delta.")));
        if let Some(comment) = &new.comment {
            builder = builder.with_comment(comment);
        }
        Ok(changed(builder.with_commit_properties(self.properties())))
    }

    fn write(&self, write: &TableWrite, rows: &Arc<Rows>) -> Result<Running> {
        let builder = WriteBuilder::new(Arc::clone(&self.log) as _, self.snapshot.clone());
        let mut builder = builder
            .with_input_plan(plan_of(rows)?)
            .with_session_state(self.session())
            .with_commit_properties(self.properties());
        builder = match &write.mode {
            WriteMode::Append => builder.with_save_mode(SaveMode::Append),
            WriteMode::Overwrite { predicate } => {
                let builder = builder.with_save_mode(SaveMode::Overwrite);
                match predicate {
                    Some(predicate) => builder.with_replace_where(self.searched(predicate)),
                    None => builder,
                }
            }
        };
        Ok(changed(match write.columns {
            WriteColumns::Keep => builder,
            WriteColumns::Merge => builder.with_schema_mode(SchemaMode::Merge),
            WriteColumns::Replace => builder.with_schema_mode(SchemaMode::Overwrite),
        }))
    }

    fn delete(&self, predicate: Option<&str>) -> Running {
        let mut builder = self.table().delete().with_session_state(self.session());
        if let Some(predicate) = predicate {
            builder = builder.with_predicate(self.deleted(predicate));
        }
        changed(builder.with_commit_properties(self.properties()))
    }

    fn update(&self, predicate: Option<&str>, set: &[(String, String)]) -> Result<Running> {
        self.check_assigned(set, &[])?;
        let mut builder = self.table().update().with_session_state(self.session());
        for (column, value) in set {
            builder = builder.with_update(Column::from_name(column), exact(value));
        }
        if let Some(predicate) = predicate {
            builder = builder.with_predicate(self.searched(predicate));
        }
        Ok(changed(builder.with_commit_properties(self.properties())))
    }

    /// Whether the table has the column, named in its exact case.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.snapshot.as_ref().is_some_and(|s| s.schema().field(name).is_some())
    }

    /// Fails for a column that is neither the table's nor `new`, which delta-rs would pass
    /// over, and for one that is assigned twice.
    pub(crate) fn check_assigned(&self, set: &[(String, String)], new: &[&str]) -> Result<()> {
        for (at, (column, _)) in set.iter().enumerate() {
            if !self.has_column(column) && !new.contains(&column.as_str()) {
                let message = format!("the table has no column `{column}`");
                return Err(Error::new(ErrorKind::QueryInvalid, message)
                    .with_hint("columns are named in their exact case, without quotes"));
            }
            if set.iter().take(at).any(|(earlier, _)| earlier == column) {
                let message = format!("the column `{column}` is assigned twice");
                return Err(Error::new(ErrorKind::QueryInvalid, message));
            }
        }
        Ok(())
    }

    /// `predicate` as delta-rs is given it: `IS TRUE` where statistics may be rounded, with which
    /// it is not compared then, and where a decimal would be made the integer that a column holds.
    fn searched(&self, predicate: &str) -> String {
        let schema = self.snapshot.as_ref().map(EagerSnapshot::arrow_schema);
        let exact = exact(predicate);
        let has_decimals = exact != predicate;
        let is_inexact = names_any(predicate, |name| {
            let field = schema.as_ref().and_then(|schema| schema.field_with_name(name).ok());
            field.is_some_and(|field| {
                let data_type = field.data_type();
                is_rounded(data_type) || (has_decimals && data_type.is_integer())
            })
        });
        match is_inexact {
            true => format!("({exact}) IS TRUE"),
            false => predicate.to_owned(),
        }
    }

    /// The same for a delete: of a condition on partition columns alone delta-rs leaves out what
    /// it cannot translate, and deletes the rows of every file that the rest does not rule out.
    fn deleted(&self, predicate: &str) -> String {
        let partitions = self.snapshot.as_ref().map(|s| s.metadata().partition_columns().to_vec());
        let partitions = partitions.unwrap_or_default();
        let reads_rows = names_any(predicate, |name| !partitions.iter().any(|p| p == name));
        match reads_rows || is_plain(predicate) {
            true => self.searched(predicate),
            false => format!("({}) IS TRUE", exact(predicate)),
        }
    }

    /// The columns that are added, which are NULL in the rows that are there.
    fn added(&self, columns: Option<&SchemaRef>) -> Result<Vec<StructField>> {
        let fields = fields(columns)?;
        for field in &fields {
            let name = field.name();
            let message = match field.is_nullable() {
                _ if self.has_column(name) => format!("the table has a column `{name}` already"),
                false => {
                    format!("`{name}` cannot be NOT NULL: it is NULL in the rows that are there")
                }
                true => continue,
            };
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        Ok(fields)
    }

    fn optimize(&self, order_by: &[String], file_bytes: Option<u64>) -> Result<Running> {
        let kind = match order_by {
            [] => OptimizeType::Compact,
            columns => OptimizeType::ZOrder(columns.to_vec()),
        };
        let mut builder =
            self.table().optimize().with_type(kind).with_session_state(self.session());
        if let Some(bytes) = file_bytes {
            let bytes = NonZeroU64::new(bytes).ok_or_else(|| {
                Error::new(ErrorKind::QueryInvalid, "a file cannot have the size of nothing")
            })?;
            builder = builder.with_target_size(bytes);
        }
        Ok(changed(builder.with_commit_properties(self.properties())))
    }

    fn vacuum(&self, vacuum: &Vacuum) -> Result<Running> {
        let Vacuum { retention_hours, force, full, dry_run } = *vacuum;
        let mut builder = self
            .table()
            .vacuum()
            .with_dry_run(dry_run)
            .with_enforce_retention_duration(!force)
            .with_mode(if full { VacuumMode::Full } else { VacuumMode::Lite });
        if let Some(hours) = retention_hours {
            let period = i64::try_from(hours).ok().and_then(TimeDelta::try_hours);
            builder =
                builder.with_retention_period(period.ok_or_else(|| {
                    Error::new(ErrorKind::QueryInvalid, "the retention is too long")
                })?);
        }
        let builder = builder.with_commit_properties(self.properties());
        Ok(Box::pin(async move {
            let (_, metrics) = builder.await?;
            let mut figures = Map::new();
            figures.insert("files".to_owned(), metrics.files_deleted.into());
            Ok(figures)
        }))
    }
}

/// A builder as a command under way.
pub(crate) fn changed<T, B>(builder: B) -> Running
where
    T: 'static,
    B: IntoFuture<Output = DeltaResult<T>, IntoFuture = BoxFuture<'static, DeltaResult<T>>>,
{
    let running = builder.into_future();
    Box::pin(async move { running.await.map(|_| Map::new()) })
}

/// Fails where the table would have folders for values that it does not have.
fn check_partitions(names: &[String], columns: Option<&SchemaRef>) -> Result<()> {
    let Some(columns) = columns else { return Ok(()) };
    let refused = |message: String| Err(Error::new(ErrorKind::QueryInvalid, message));
    for (at, name) in names.iter().enumerate() {
        if columns.field_with_name(name).is_err() {
            return refused(format!("the table has no column `{name}` to partition by"));
        }
        if names.iter().take(at).any(|earlier| earlier == name) {
            return refused(format!("the table is partitioned by `{name}` twice"));
        }
    }
    if !names.is_empty() && names.len() == columns.fields().len() {
        return refused("a table needs a column that it is not partitioned by".to_owned());
    }
    Ok(())
}

fn given(rows: Option<&Arc<Rows>>) -> Result<&Arc<Rows>> {
    rows.ok_or_else(|| {
        Error::new(ErrorKind::QueryInvalid, "the command needs a query for its rows")
    })
}

fn plan_of(rows: &Arc<Rows>) -> Result<datafusion::logical_expr::LogicalPlan> {
    let plan = rows.table().and_then(|table| {
        LogicalPlanBuilder::scan("rows", provider_as_source(table), None)?.build()
    });
    plan.map_err(|failure| {
        Error::new(ErrorKind::Unexpected, "the rows cannot be planned").with_source(failure)
    })
}

fn fields(columns: Option<&SchemaRef>) -> Result<Vec<StructField>> {
    let Some(columns) = columns else { return Ok(Vec::new()) };
    let schema: StructType = normalize_for_delta(columns)
        .as_ref()
        .try_into_kernel()
        .map_err(|failure| Error::new(ErrorKind::Unsupported, as_sentence(&failure.to_string())))?;
    Ok(schema.fields().cloned().collect())
}

/// `session` as delta-rs plans with it, with a runtime that knows no store but the table's.
fn fenced_session(store: &Arc<TableStore>, session: &dyn Session) -> Result<SessionState> {
    let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
        let message = "a Delta table needs DataFusion's own session";
        return Err(Error::new(ErrorKind::Unexpected, message));
    };
    let runtime = fenced_runtime(store, Some(session.runtime_env())).map_err(|failure| {
        Error::new(ErrorKind::Unexpected, "no runtime for writing a table").with_source(failure)
    })?;
    // delta-rs asks for both: its own plans fail with other types and with keys pushed down.
    let config = state
        .config()
        .clone()
        .set_bool("datafusion.execution.parquet.schema_force_view_types", true)
        .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_size", 0)
        .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values", 0);
    let builder = SessionStateBuilder::new_from_existing(state.clone());
    let builder = builder.with_config(config).with_runtime_env(runtime);
    Ok(builder.with_query_planner(DeltaPlanner::new()).build())
}
