//! A table of a warehouse as DataFusion plans with it.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::TableProvider;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use orbit_core::{
    Context, Datasource, Describe, Error, ErrorKind, Handle, IdentifierCase, ListTables, Operation,
    Predicate, Query, Result, SqlDatasource, TableDescription, TableEntry, TableKind, TableName,
    TableRef, Version,
};

use super::exec::RemoteExec;
use super::parts::PartReading;
use super::predicate::Gate;
use crate::TableInfo;
use crate::name::{NamePart, pick};

/// Pages of a listing that are asked for.
const PAGES_MAX: usize = 1000;

/// A table of a warehouse, described once for a query.
pub(crate) struct RemoteTable {
    cx: Context,
    datasource_name: String,
    datasource: Arc<dyn Datasource>,
    table: TableRef,
    kind: TableKind,
    description: TableDescription,
    reading: Option<PartReading>,
}

/// The table of this name, described; it is read as `reading` says, where its source can.
pub(crate) async fn find(
    cx: &Context,
    handle: &Handle,
    datasource: &Arc<dyn Datasource>,
    parts: &[NamePart],
    version: Option<Version>,
    reading: Option<PartReading>,
) -> Result<Option<RemoteTable>> {
    let cx = cx.for_datasource(handle.name());
    let sql = sql_of(&**datasource)?;
    let Some(entry) = find_entry(&cx, sql, parts).await? else { return Ok(None) };
    let table = TableRef { name: entry.name, version };
    if version.is_some() && sql.capability().query.is_none_or(|q| !q.time_travel) {
        let message = format!("`{}` keeps no versions that can be asked for", table.name);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let description = sql.describe(&cx, Describe::from(table.clone())).await?;
    Ok(Some(RemoteTable {
        cx,
        datasource_name: handle.name().to_owned(),
        datasource: Arc::clone(datasource),
        table,
        kind: entry.kind,
        description,
        reading: reading.filter(|_| sql.capability().partitions.is_some()),
    }))
}

/// All tables of a warehouse.
pub(crate) async fn tables(
    cx: &Context,
    handle: &Handle,
    datasource: &Arc<dyn Datasource>,
    name_contains: Option<&str>,
) -> Result<Vec<TableInfo>> {
    let cx = cx.for_datasource(handle.name());
    let request =
        ListTables { name_contains: name_contains.map(str::to_owned), ..ListTables::default() };
    let entries = list(&cx, sql_of(&**datasource)?, request).await?;
    Ok(entries.iter().map(|entry| info(handle.name(), &entry.name, entry.kind)).collect())
}

fn sql_of(datasource: &dyn Datasource) -> Result<&dyn SqlDatasource> {
    datasource.facets().sql.ok_or_else(|| Error::unsupported(Operation::Query))
}

fn info(datasource: &str, name: &TableName, kind: TableKind) -> TableInfo {
    TableInfo {
        datasource: datasource.to_owned(),
        schema: name.parent().to_vec(),
        table: name.table().to_owned(),
        kind: match kind {
            TableKind::Table => "table",
            TableKind::View => "view",
            TableKind::MaterializedView => "materialized view",
            TableKind::External => "external table",
        }
        .to_owned(),
        bytes: None,
        files: None,
    }
}

async fn list(
    cx: &Context,
    sql: &dyn SqlDatasource,
    mut request: ListTables,
) -> Result<Vec<TableEntry>> {
    let mut entries = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = sql.list(cx, request.clone()).await?;
        entries.extend(page.tables);
        match page.next_page {
            Some(next) => request.page = Some(next),
            None => return Ok(entries),
        }
    }
    let message = format!("the listing of tables has more than {PAGES_MAX} pages");
    Err(Error::new(ErrorKind::ResourceExhausted, message))
}

/// The entry that `parts` name: they may leave outer parts out.
async fn find_entry(
    cx: &Context,
    sql: &dyn SqlDatasource,
    parts: &[NamePart],
) -> Result<Option<TableEntry>> {
    let Some(table) = parts.last() else { return Ok(None) };
    if sql.capability().list.is_none() {
        let folded = |p: &NamePart| match (p.quoted, sql.dialect().identifier_case) {
            (false, IdentifierCase::Lower) => p.text.to_lowercase(),
            (false, IdentifierCase::Upper) => p.text.to_uppercase(),
            _ => p.text.clone(),
        };
        let name = TableName::new(parts.iter().map(folded));
        return Ok(Some(TableEntry { name, kind: TableKind::Table }));
    }
    let request = ListTables { name_contains: Some(table.text.clone()), ..ListTables::default() };
    let mut entries = list(cx, sql, request).await?;
    entries.retain(|entry| entry.name.parts().len() >= parts.len());
    // From the table outward: each part narrows what the ones before left.
    for (depth, part) in parts.iter().rev().enumerate() {
        let at = |entry: &TableEntry| {
            let names = entry.name.parts();
            names.get(names.len() - 1 - depth).cloned().unwrap_or_default()
        };
        let spelled: Vec<_> = entries.iter().map(at).collect();
        let Some(chosen) = pick(part, spelled.iter().map(String::as_str))?.map(str::to_owned)
        else {
            return Ok(None);
        };
        entries.retain(|entry| at(entry) == chosen);
    }
    match entries.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [a, b, ..] => {
            let message =
                format!("the table `{}` could be `{}` or `{}`", table.text, a.name, b.name);
            Err(Error::new(ErrorKind::QueryInvalid, message).with_hint("name its schema"))
        }
    }
}

impl RemoteTable {
    /// Its entry in a listing.
    pub(crate) fn info(&self) -> TableInfo {
        info(&self.datasource_name, &self.table.name, self.kind)
    }

    /// Its name and version at the source.
    pub(crate) fn table(&self) -> &TableRef {
        &self.table
    }

    /// What the source says of it.
    pub(crate) fn description(&self) -> &TableDescription {
        &self.description
    }

    /// The predicates of `filters`, none for each that stays.
    fn predicates(&self, filters: &[&Expr]) -> Vec<Option<Predicate>> {
        let Some(sql) = self.datasource.facets().sql else { return vec![None; filters.len()] };
        let Some(capability) = sql.capability().query.and_then(|q| q.predicate) else {
            return vec![None; filters.len()];
        };
        let dialect = sql.dialect();
        let gate = Gate {
            capability,
            dialect: &dialect,
            schema: &self.description.schema,
            columns: &self.description.columns,
        };
        filters.iter().map(|filter| gate.predicate(filter)).collect()
    }

    fn plan(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<RemoteExec> {
        let schema = match projection {
            Some(columns) => Arc::new(self.description.schema.project(columns)?),
            None => Arc::clone(&self.description.schema),
        };
        let filters: Vec<&Expr> = filters.iter().collect();
        let predicates = self.predicates(&filters);
        let all_pushed = predicates.iter().all(Option::is_some);
        let can_limit = self.capability().is_some_and(|q| q.limit);
        let mut query = Query::table(self.table.clone());
        query.columns = projection.map(|_| names(&schema));
        query.predicate = Predicate::all(predicates.into_iter().flatten());
        query.limit = limit.filter(|_| all_pushed && can_limit).map(|n| n as u64);
        query.schema = Some(Arc::clone(&schema));
        // Parts of a query that is cut short would each be cut.
        let reading = self.reading.clone().filter(|_| query.limit.is_none());
        let rows = self.description.statistics.rows;
        let scan =
            RemoteExec::new(self.cx.clone(), Arc::clone(&self.datasource), query, schema, rows)
                .with_columns(self.description.columns.clone());
        Ok(match reading {
            Some(reading) => scan.in_parts(reading),
            None => scan,
        })
    }

    fn capability(&self) -> Option<orbit_core::QueryCapability> {
        self.datasource.facets().sql.and_then(|sql| sql.capability().query)
    }
}

fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|f| f.name().clone()).collect()
}

#[async_trait]
impl TableProvider for RemoteTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.description.schema)
    }

    fn table_type(&self) -> TableType {
        match self.kind {
            TableKind::View => TableType::View,
            _ => TableType::Base,
        }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let judge = |pushed: Option<Predicate>| match pushed {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(self.predicates(filters).into_iter().map(judge).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.plan(projection, filters, limit)?))
    }
}

impl fmt::Debug for RemoteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTable")
            .field("datasource", &self.datasource_name)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
