//! The engine itself: from a request to a stream of rows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use futures::{FutureExt, StreamExt, TryStreamExt};
use orbit_core::{
    BatchStream, Context, Datasources, Effect, Error, ErrorKind, Handle, Operation, Query, Result,
    Tally, Target,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::catalog::Catalog;
use crate::lake::SchemaCache;
use crate::plan::{Planned, Planner};
use crate::sql::BigStack;
use crate::{
    DescribedTable, EngineOptions, Explanation, PathTables, Request, TableAnswer, TableFilter,
    TableFormat, TableList, TableOptions, TableRequest, describe, explain, maintain, remote, run,
    session,
};

/// Answers SQL over the datasources of one configuration. Cheap to share.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What all queries of an engine share.
pub(crate) struct Shared {
    pub(crate) options: EngineOptions,
    pub(crate) datasources: Datasources,
    pub(crate) formats: Vec<Arc<dyn TableFormat>>,
    pub(crate) tables: BTreeMap<String, BTreeMap<String, TableOptions>>,
    pub(crate) paths: OnceLock<Arc<dyn PathTables>>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) schemas: SchemaCache,
}

impl Engine {
    /// An engine over `datasources`; `tables` are the configured tables by datasource and name.
    ///
    /// # Errors
    /// `ConfigInvalid` for options that cannot be met.
    pub fn new(
        options: EngineOptions,
        datasources: Datasources,
        formats: Vec<Arc<dyn TableFormat>>,
        tables: BTreeMap<String, BTreeMap<String, TableOptions>>,
    ) -> Result<Self> {
        let runtime = session::runtime(&options)?;
        let schemas = SchemaCache::default();
        let paths = OnceLock::new();
        Ok(Self(Arc::new(Shared {
            options,
            datasources,
            formats,
            tables,
            paths,
            runtime,
            schemas,
        })))
    }

    /// Lets requests that allow it give paths of this machine in place of tables, opened by
    /// `paths`; the first call decides.
    #[must_use]
    pub fn with_paths(self, paths: Arc<dyn PathTables>) -> Self {
        self.0.paths.get_or_init(|| paths);
        self
    }

    /// Runs a statement. Dropping the stream stops the work at every source.
    ///
    /// # Errors
    /// `QueryInvalid` for what cannot be planned; those of the sources.
    pub async fn query(&self, cx: &Context, request: Request) -> Result<BatchStream> {
        let cx = cx.child();
        let limit_rows = request.limit_rows;
        match cx.run(self.plan(&cx, request)).await? {
            Planned::Read(planned) => run::stream(&cx, planned, limit_rows),
            Planned::Write(write) => write.run(&cx).await,
        }
    }

    /// What a statement will do; with `analyze` it runs and what it did is told too.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub async fn explain(
        &self,
        cx: &Context,
        request: Request,
        analyze: bool,
    ) -> Result<Explanation> {
        let cx = cx.child();
        let tally = Arc::new(Tally::default());
        let cx = if analyze { cx.also_reporting_to(Arc::clone(&tally) as _) } else { cx };
        let limit_rows = request.limit_rows;
        let planned = match cx.run(self.plan(&cx, request)).await? {
            Planned::Read(planned) => planned,
            Planned::Write(write) if !analyze => write.into_source(),
            Planned::Write(_) => {
                let message = "a statement that writes is not run to be explained";
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("explain it without `--analyze`"));
            }
        };
        let plan = Arc::clone(&planned.plan);
        let places = planned.store.places();
        let mut explanation =
            Explanation { sources: explain::sources(&plan, &places), ..Explanation::default() };
        explain::add_estimates(&plan, &mut explanation.sources).await;
        if analyze {
            let start = Instant::now();
            let rows = run::stream(&cx, planned, limit_rows)?
                .try_fold(0, async |rows, batch| Ok(rows + batch.num_rows() as u64));
            explanation.rows = Some(rows.await?);
            explanation.elapsed_ms = u64::try_from(start.elapsed().as_millis()).ok();
            explanation.measured = tally.snapshot();
        }
        explanation.plan = explain::with_file_names(&plan_text(&plan, analyze), &places);
        Ok(explanation)
    }

    /// Runs a query in the source's own dialect on one datasource.
    ///
    /// # Errors
    /// `PermissionDenied` for a write that the configuration does not allow; the source's.
    pub async fn pass_through(
        &self,
        cx: &Context,
        datasource: &str,
        query: Query,
    ) -> Result<BatchStream> {
        let handle = self.0.datasources.require(datasource)?;
        let named = |e: Error| e.with_datasource(datasource);
        if query.effect != Effect::Read && !handle.writable() {
            return Err(named(not_writable()));
        }
        let cx = cx.for_datasource(datasource).child();
        let source = handle.open(&cx).await?;
        let sql = source.facets().sql;
        let sql = sql.ok_or_else(|| named(Error::unsupported(Operation::Query)))?;
        if matches!(query.target, Target::Statement { .. }) && sql.capability().statement.is_none()
        {
            return Err(named(Error::unsupported(Operation::Query)));
        }
        let stream = cx.run(sql.query(&cx, query)).await.map_err(named)?;
        let guard = cx.cancellation().clone().drop_guard();
        Ok(stream.bounded_by(&cx).map_batches(move |batches| {
            batches.inspect(move |_| {
                let _held = &guard;
            })
        }))
    }

    /// The tables of every datasource.
    ///
    /// # Errors
    /// `NotFound` when the filter names a datasource that does not exist.
    pub async fn tables(&self, cx: &Context, filter: TableFilter) -> Result<TableList> {
        let handles: Vec<&Arc<Handle>> = match &filter.datasource {
            Some(name) => vec![self.0.datasources.require(name)?],
            None => self.0.datasources.iter().collect(),
        };
        let catalog = self.0.catalog(cx);
        let mut listings = Vec::with_capacity(handles.len());
        for handle in &handles {
            listings.push(tables_of(&catalog, handle, &filter).boxed());
        }
        let mut list = TableList::default();
        let listed = futures::future::join_all(listings).await;
        for (handle, tables) in handles.iter().zip(listed) {
            match tables {
                Ok(tables) => list.tables.extend(tables),
                Err(error) => list.failures.push((handle.name().to_owned(), error)),
            }
        }
        Ok(list)
    }

    /// What the table of this name looks like; names are resolved as in SQL.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn describe(&self, cx: &Context, name: &str) -> Result<DescribedTable> {
        let cx = cx.child();
        cx.run(BigStack::new(describe::describe(&self.0, &cx, name))).await
    }

    /// Runs a command on a table of a format, such as Delta.
    ///
    /// # Errors
    /// `NotFound` when there is no such table, `PermissionDenied` when the configuration does
    /// not allow the write, `Conflict` when another writer was first, `Unsupported` naming what
    /// the table needs; those of the sources.
    pub async fn command(&self, cx: &Context, request: TableRequest) -> Result<TableAnswer> {
        let cx = cx.child();
        cx.run(BigStack::new(maintain::run(self, &self.0, &cx, request))).await
    }

    /// The datasources of the configuration.
    pub fn datasources(&self) -> &Datasources {
        &self.0.datasources
    }

    async fn plan(&self, cx: &Context, request: Request) -> Result<Planned> {
        let (shared, cx) = (Arc::clone(&self.0), cx.clone());
        // A caller that drops this has given up, too.
        let abandoned = cx.cancellation().clone().drop_guard();
        let planning =
            BigStack::new(async move { Box::pin(Planner::new(&shared, &cx).plan(request)).await });
        // Planning computes for long between two waits: elsewhere, it keeps no caller waiting
        // who has given up.
        let planning = AbortOnDropHandle::new(tokio::spawn(planning.in_current_span()));
        let planned = planning.await;
        abandoned.disarm();
        planned.map_err(|e| {
            Error::new(ErrorKind::Unexpected, "planning ended without an answer").with_source(e)
        })?
    }
}

impl Shared {
    /// The names as one query sees them.
    pub(crate) fn catalog<'a>(&'a self, cx: &'a Context) -> Catalog<'a> {
        Catalog::new(
            cx,
            &self.options,
            &self.datasources,
            &self.tables,
            &self.formats,
            self.paths.get().map(|paths| &**paths),
            &self.schemas,
        )
    }
}

/// What a write to a read-only datasource answers.
pub(crate) fn not_writable() -> Error {
    Error::new(ErrorKind::PermissionDenied, "the configuration does not allow writes here")
        .with_hint("set `allow_writes: true` for this datasource")
}

async fn tables_of(
    catalog: &Catalog<'_>,
    handle: &Arc<Handle>,
    filter: &TableFilter,
) -> Result<Vec<crate::TableInfo>> {
    let datasource = handle.open(catalog.cx).await?;
    let named = |e: Error| e.with_datasource(handle.name());
    let wanted = filter.name_contains.as_deref();
    let mut tables = if datasource.facets().sql.is_some() {
        remote::tables(catalog.cx, handle, &datasource, wanted).await.map_err(named)?
    } else {
        catalog.lake(handle).await?.tables().await.map_err(named)?
    };
    if let Some(wanted) = wanted {
        let wanted = wanted.to_lowercase();
        tables.retain(|t| t.table.to_lowercase().contains(&wanted));
    }
    Ok(tables)
}

fn plan_text(plan: &Arc<dyn ExecutionPlan>, analyze: bool) -> String {
    let display = if analyze {
        DisplayableExecutionPlan::with_metrics(plan.as_ref())
    } else {
        DisplayableExecutionPlan::new(plan.as_ref())
    };
    display.indent(false).to_string()
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("datasources", &self.0.datasources)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
