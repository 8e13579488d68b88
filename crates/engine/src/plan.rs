//! Planning: from a request to a physical plan over resolved tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::{Column, ParamValues, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast::Statement;
use orbit_core::{Context, Error, ErrorKind, Result};

use crate::catalog::{self, Catalog, Resolved};
use crate::engine::Shared;
use crate::error::from_datafusion;
use crate::lake::{LakeStore, QueryStores};
use crate::sql::{self, Parsed};
use crate::write::{Target, WritePlan};
use crate::{ParameterValue, Request, session};

/// A statement, ready to run.
pub(crate) enum Planned {
    Read(ReadPlan),
    Write(Box<WritePlan>),
}

/// A query, ready to run.
pub(crate) struct ReadPlan {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) task: Arc<TaskContext>,
    /// What its files are read through.
    pub(crate) store: Arc<LakeStore>,
    /// The session that planned it.
    pub(crate) session: Arc<SessionState>,
}

/// Plans one request.
pub(crate) struct Planner<'a> {
    shared: &'a Shared,
    catalog: Catalog<'a>,
    store: Arc<LakeStore>,
    stores: Arc<dyn ObjectStoreRegistry>,
}

impl<'a> Planner<'a> {
    /// A planner for the query of `cx`.
    pub(crate) fn new(shared: &'a Shared, cx: &'a Context) -> Self {
        let store = Arc::new(LakeStore::default());
        let stores = Arc::new(QueryStores::new(Arc::clone(&store)));
        Self { shared, catalog: shared.catalog(cx), store, stores }
    }

    /// Plans a statement. To be polled on a big stack.
    pub(crate) async fn plan(mut self, request: Request) -> Result<Planned> {
        if !request.paths_allowed {
            self.catalog.paths = None;
        }
        let parsed = sql::parse(&request.sql, &self.shared.options.limits)?;
        let Parsed { statement, mut versions } = parsed;
        let stores = Arc::clone(&self.stores);
        let Shared { options, runtime, .. } = self.shared;
        let session = session::session(self.catalog.cx, options, runtime, stores)?;
        let (query, target) = match statement {
            Statement::Query(_) => (statement, None),
            write => {
                if !request.writes_allowed {
                    let message = "the statement writes, and writing was not asked for";
                    return Err(Error::new(ErrorKind::PermissionDenied, message)
                        .with_hint("allow writes for this statement, such as with `--write`"));
                }
                let (target, query) = Target::of(write, &mut versions, &self, &session).await?;
                (query, Some(target))
            }
        };
        let bound = self.bind(query, &mut versions, &session).await?;
        let plan = session.statement_to_plan(DataFusionStatement::Statement(Box::new(bound))).await;
        let mut plan = with_parameters(plan.map_err(from_datafusion)?, &request.parameters)?;
        if let Some(target) = &target {
            plan = target.shape(plan)?;
        } else if let Some(limit) = request.limit_rows {
            // One row more than is wanted, by which a cut is seen.
            let fetch = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
            let limited = LogicalPlanBuilder::from(plan).limit(0, Some(fetch));
            plan = limited.and_then(LogicalPlanBuilder::build).map_err(from_datafusion)?;
        }
        if target.is_none() && !request.clustered_by.is_empty() {
            plan = clustered(plan, &request.clustered_by)?;
        }
        let physical = session.create_physical_plan(&plan).await;
        let physical = physical.map_err(|e| self.store.explain(e))?;
        let task = session.task_ctx();
        let session = Arc::new(session);
        let read = ReadPlan { plan: physical, task, store: self.store, session };
        Ok(match target {
            None => Planned::Read(read),
            Some(target) => Planned::Write(Box::new(WritePlan { source: read, target })),
        })
    }

    /// Resolves the tables of a query and makes them known to the session.
    async fn bind(
        &self,
        mut query: Statement,
        versions: &mut sql::Versions,
        session: &SessionState,
    ) -> Result<Statement> {
        sql::fetch_to_limit(&mut query);
        sql::label_columns(&mut query);
        sql::balance_chains(&mut query);
        sql::escapes_to_backslash(&mut query)?;
        let uses = sql::collect_tables(&mut query, versions)?;
        let mut names = Vec::with_capacity(uses.len());
        let mut providers = BTreeMap::new();
        let resolved = futures::future::try_join_all(uses.iter().map(|u| self.catalog.resolve(u)));
        for (used, table) in uses.iter().zip(resolved.await?) {
            let reference = table.reference();
            if !providers.contains_key(&reference) {
                let provider = self.provider(&table, session).await?;
                session::register(session, &reference, Arc::clone(&provider))?;
                providers.insert(reference.clone(), provider);
            }
            if let Some(provider) = providers.get(&reference) {
                names.push(catalog::names(used, &table, provider.as_ref()));
            }
        }
        sql::bind_names(&mut query, &names)?;
        sql::bind_calls(&mut query, session)?;
        Ok(query)
    }

    /// The names as this query sees them.
    pub(crate) fn catalog(&self) -> &Catalog<'a> {
        &self.catalog
    }

    /// Where the plan finds object stores.
    pub(crate) fn stores(&self) -> &Arc<dyn ObjectStoreRegistry> {
        &self.stores
    }

    /// The table as DataFusion scans it.
    pub(crate) async fn provider(
        &self,
        table: &Resolved,
        session: &SessionState,
    ) -> Result<Arc<dyn datafusion::datasource::TableProvider>> {
        table.provider(&self.catalog, session, &self.store, &self.stores).await
    }
}

/// The plan with its rows in the order of `columns`, each the name of one of its columns.
fn clustered(plan: LogicalPlan, columns: &[String]) -> Result<LogicalPlan> {
    let mut order = Vec::with_capacity(columns.len());
    for column in columns {
        let mut named = plan.schema().iter().filter(|(_, field)| field.name() == column);
        let wrong = match (named.next(), named.next()) {
            (Some((table, field)), None) => {
                let column = Column::new(table.cloned(), field.name());
                order.push(Expr::Column(column).sort(true, true));
                continue;
            }
            (None, _) => format!("the result has no column `{column}`"),
            (Some(_), Some(_)) => format!("two columns of the result are named `{column}`"),
        };
        return Err(Error::new(ErrorKind::QueryInvalid, wrong));
    }
    let sorted = LogicalPlanBuilder::from(plan).sort(order);
    sorted.and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
}

/// The plan with values in place of `$name` and `$1`.
fn with_parameters(
    plan: LogicalPlan,
    parameters: &[(String, ParameterValue)],
) -> Result<LogicalPlan> {
    let wanted = plan.get_parameter_names().map_err(from_datafusion)?;
    let given = |name: &str| parameters.iter().any(|(n, _)| format!("${n}") == name);
    if let Some(missing) = wanted.iter().find(|name| !given(name)) {
        let message = format!("the parameter {missing} has no value");
        return Err(Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("give it with `--param name=value`"));
    }
    if let Some((name, _)) = parameters.iter().find(|(n, _)| !wanted.contains(&format!("${n}"))) {
        let message = format!("the statement has no parameter ${name}");
        return Err(Error::new(ErrorKind::QueryInvalid, message));
    }
    if parameters.is_empty() {
        return Ok(plan);
    }
    let mut values = HashMap::new();
    for (name, value) in parameters {
        values.insert(name.clone(), scalar(name, value)?.into());
    }
    plan.with_param_values(ParamValues::Map(values)).map_err(from_datafusion)
}

fn scalar(name: &str, value: &ParameterValue) -> Result<ScalarValue> {
    Ok(match value {
        ParameterValue::Null => ScalarValue::Null,
        ParameterValue::Boolean(value) => ScalarValue::from(*value),
        ParameterValue::Integer(value) => ScalarValue::from(*value),
        ParameterValue::Text(value) => ScalarValue::from(value.as_str()),
        ParameterValue::Decimal(text) => {
            let invalid = || {
                let message =
                    format!("the parameter ${name} is not a decimal number of at most 38 digits");
                Error::new(ErrorKind::QueryInvalid, message)
            };
            let (_, fraction) = text.split_once('.').unwrap_or((text, ""));
            let scale = i8::try_from(fraction.len()).map_err(|_| invalid())?;
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let precision = u8::try_from(digits).ok().filter(|p| (1..=38).contains(p));
            let data_type = DataType::Decimal128(precision.ok_or_else(invalid)?, scale);
            ScalarValue::try_from_string(text.clone(), &data_type).map_err(|_| invalid())?
        }
    })
}
