//! Writing the rows of a query: `INSERT INTO ... SELECT` and `CREATE TABLE ... AS`.
//!
//! A warehouse gets its rows through the contract's insert. A file datasource gets one Parquet
//! file: beside those of a table that is a folder of Parquet, or as a new folder. A table of a
//! format gets them by the format's own write.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::Column;
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{
    CreateTable, Insert as InsertStatement, ObjectName, ObjectNamePart, Query, Statement,
    TableObject,
};
use futures::stream::{self, StreamExt};
use orbit_core::{
    BatchStream, Context, Datasource, Error, ErrorKind, Handle, IdentifierCase, Insert, InsertMode,
    Operation, Result, TableName, Write, WriteCondition, WriteEffect,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use crate::catalog::{Catalog, Resolved};
use crate::command::{FormatCommand, TableCommand, TableWrite, WriteColumns, WriteMode};
use crate::engine::not_writable;
use crate::error::from_datafusion;
use crate::lake::{FoundTable, TableData};
use crate::name::{NamePart, pick};
use crate::plan::{Planner, ReadPlan};
use crate::run;
use crate::sql::{self, Versions};
use crate::{FileFormat, FormatTable, TableFormat, TableInfo};

/// Encoded bytes that are handed on at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A row group is written once it holds this much, so that wide rows do not fill the memory.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;

/// A statement that writes, ready to run.
pub(crate) struct WritePlan {
    pub(crate) source: ReadPlan,
    pub(crate) target: Target,
}

/// Where rows go.
pub(crate) struct Target {
    datasource_name: String,
    datasource: Arc<dyn Datasource>,
    place: Place,
    /// The columns of an existing table, in its order, and those that the statement gives.
    columns: Option<(SchemaRef, Vec<String>)>,
}

enum Place {
    Table { name: TableName, mode: InsertMode },
    File { key: String },
    Format { table: Box<FormatTable>, format: Arc<dyn TableFormat>, mode: WriteMode },
}

impl Target {
    /// The target of `statement` and the query that fills it.
    pub(crate) async fn of(
        statement: Statement,
        versions: &mut Versions,
        planner: &Planner<'_>,
        session: &SessionState,
    ) -> Result<(Self, Statement)> {
        match statement {
            Statement::Insert(insert) => Self::of_insert(insert, versions, planner, session).await,
            Statement::CreateTable(create) => Self::of_create(create, planner.catalog()).await,
            _ => Err(Error::new(ErrorKind::Unsupported, "the statement is not supported")),
        }
    }

    async fn of_insert(
        insert: InsertStatement,
        versions: &mut Versions,
        planner: &Planner<'_>,
        session: &SessionState,
    ) -> Result<(Self, Statement)> {
        let catalog = planner.catalog();
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "INSERT INTO a function is not supported",
            ));
        };
        let source = insert
            .source
            .ok_or_else(|| Error::new(ErrorKind::QueryInvalid, "INSERT needs a query or VALUES"))?;
        let used = sql::table_use(name, versions)?;
        let resolved = catalog.resolve(&used).await?;
        let info = resolved.info();
        let handle = writable(catalog, &info.datasource)?;
        let mode = if insert.overwrite { InsertMode::Overwrite } else { InsertMode::Append };
        let (datasource, place, schema) = match &resolved {
            Resolved::Remote(table) => {
                let place = Place::Table { name: table.table().name.clone(), mode };
                let datasource = handle.open(catalog.cx).await?;
                check_insert(&*datasource, mode)?;
                (datasource, place, Arc::clone(&table.description().schema))
            }
            Resolved::File { lake, found, .. } => {
                let place = match &found.data {
                    TableData::Format { folder, format } => Place::Format {
                        table: Box::new(lake.format_table(
                            folder,
                            &found.options,
                            None,
                            planner.stores(),
                        )),
                        format: Arc::clone(format),
                        mode: match insert.overwrite {
                            true => WriteMode::Overwrite { predicate: None },
                            false => WriteMode::Append,
                        },
                    },
                    TableData::Files { prefix, .. } => {
                        if insert.overwrite || !is_plain_folder(found) {
                            return Err(not_insertable(&info));
                        }
                        Place::File { key: format!("{prefix}{}.parquet", catalog.cx.query_id()) }
                    }
                };
                let schema = planner.provider(&resolved, session).await?.schema();
                (Arc::clone(lake.datasource()), place, schema)
            }
        };
        let given = given_columns(&insert.columns, &schema)?;
        let target = Self {
            datasource_name: info.datasource,
            datasource,
            place,
            columns: Some((schema, given)),
        };
        Ok((target, Statement::Query(source)))
    }

    async fn of_create(create: CreateTable, catalog: &Catalog<'_>) -> Result<(Self, Statement)> {
        if create.if_not_exists || create.or_replace || create.temporary || create.external {
            let message = "only CREATE TABLE name AS SELECT is supported";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let query: Box<Query> = create.query.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "only CREATE TABLE name AS SELECT is supported")
        })?;
        let used = sql::table_use(&create.name, &mut Versions::default())?;
        let (first, rest) = match used.parts.split_first() {
            Some((first, rest)) if !rest.is_empty() => (first, rest),
            _ => {
                let message = format!("`{}` does not say in which datasource", create.name);
                return Err(Error::new(ErrorKind::QueryInvalid, message)
                    .with_hint("create datasource.table"));
            }
        };
        let known = catalog.datasources.iter().map(|h| h.name());
        let Some(name) = pick(first, known)?.map(str::to_owned) else {
            return Err(catalog
                .datasources
                .require(&first.text)
                .err()
                .unwrap_or_else(not_writable));
        };
        let handle = writable(catalog, &name)?;
        if catalog.exists(handle, rest).await? {
            let message = format!("the table `{}` exists", create.name);
            return Err(
                Error::new(ErrorKind::AlreadyExists, message).with_write_effect(WriteEffect::None)
            );
        }
        let datasource = handle.open(catalog.cx).await?;
        let place = match datasource.facets().sql {
            Some(sql) => {
                check_insert(&*datasource, InsertMode::Create)?;
                let case = sql.dialect().identifier_case;
                let parts = rest.iter().map(|p| folded(p, case));
                Place::Table { name: TableName::new(parts), mode: InsertMode::Create }
            }
            None => {
                let parts = rest.iter().map(|p| folded(p, IdentifierCase::Lower));
                let folder = parts.collect::<Vec<_>>().join("/");
                Place::File { key: format!("{folder}/{}.parquet", catalog.cx.query_id()) }
            }
        };
        let target = Self { datasource_name: name, datasource, place, columns: None };
        Ok((target, Statement::Query(query)))
    }

    /// The query's columns as the target's: cast, in its order, NULL where none is given.
    pub(crate) fn shape(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let Some((schema, given)) = &self.columns else { return Ok(plan) };
        let source = plan.schema().columns();
        if source.len() != given.len() {
            let message =
                format!("the query has {} columns, the insert takes {}", source.len(), given.len());
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        let column = |field: &arrow_schema::FieldRef| {
            let value = match given.iter().position(|g| g == field.name()) {
                Some(index) => Expr::Column(Column::clone(&source[index])),
                None => lit(ScalarValue::Null),
            };
            cast(value, field.data_type().clone()).alias(field.name())
        };
        let shaped = LogicalPlanBuilder::from(plan).project(schema.fields().iter().map(column));
        shaped.and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
    }
}

impl WritePlan {
    /// The query that fills the target, for `explain`.
    pub(crate) fn into_source(self) -> ReadPlan {
        self.source
    }

    /// Runs it: the answer has no columns and a count.
    pub(crate) async fn run(self, cx: &Context) -> Result<BatchStream> {
        let Self { source, target } = self;
        let session = Arc::clone(&source.session);
        let cx = cx.for_datasource(target.datasource_name.as_str());
        // The rows end, and stop their sources, before the write does.
        let rows = run::stream(&cx.child(), source, None)?;
        let rows = match &target.columns {
            Some((schema, _)) => under_schema(rows, schema),
            None => rows,
        };
        let written = match &target.place {
            Place::Table { name, mode } => target.insert(&cx, name, *mode, rows).await,
            Place::File { key } => target.write(&cx, key, rows).await,
            Place::Format { table, format, mode } => {
                let table = FormatTable { cx: cx.clone(), ..table.as_ref().clone() };
                write_format(table, format.as_ref(), mode.clone(), session, rows).await
            }
        };
        written.map(BatchStream::affected).map_err(|e| e.with_datasource(target.datasource_name))
    }
}

impl Target {
    async fn insert(
        &self,
        cx: &Context,
        name: &TableName,
        mode: InsertMode,
        rows: BatchStream,
    ) -> Result<u64> {
        let sql = self.datasource.facets().sql;
        let sql = sql.ok_or_else(|| Error::unsupported(Operation::Insert))?;
        let keyed = sql.capability().insert.is_some_and(|insert| insert.idempotency_key);
        let idempotency_key = keyed.then(|| cx.query_id().to_string());
        let insert = Insert { table: name.clone(), mode, rows, idempotency_key };
        let outcome = sql.insert(cx, insert).await?;
        if outcome.rows_rejected > 0 {
            let message = format!(
                "{} rows were written, {} were rejected by the source",
                outcome.rows_written, outcome.rows_rejected
            );
            return Err(
                Error::new(ErrorKind::DataInvalid, message).with_write_effect(WriteEffect::Partial)
            );
        }
        Ok(outcome.rows_written)
    }

    async fn write(&self, cx: &Context, key: &str, rows: BatchStream) -> Result<u64> {
        let files = self.datasource.facets().files;
        let files = files.ok_or_else(|| Error::unsupported(Operation::Write))?;
        let (body, count) = parquet_body(rows)?;
        let request = Write {
            key: key.to_owned(),
            condition: WriteCondition::IfAbsent,
            body,
            size_hint_bytes: None,
        };
        files.write(cx, request).await?;
        Ok(count.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// The rows under the target's schema: what is NULL is known from the values, not from the
/// plan, which often cannot tell.
fn under_schema(rows: BatchStream, schema: &SchemaRef) -> BatchStream {
    let schema = Arc::clone(schema);
    let of_batches = Arc::clone(&schema);
    let batches = rows.map(move |batch| {
        let batch = batch?;
        let fields = of_batches.fields().iter().zip(batch.columns());
        if let Some((field, _)) = fields
            .into_iter()
            .find(|(field, column)| !field.is_nullable() && column.null_count() > 0)
        {
            let message = format!("the column `{}` of the target takes no NULL", field.name());
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        let columns = batch.columns().to_vec();
        RecordBatch::try_new(Arc::clone(&of_batches), columns).map_err(|e| {
            let message = "the rows do not have the target's columns";
            Error::new(ErrorKind::Unexpected, message).with_source(e)
        })
    });
    BatchStream::new(schema, batches)
}

/// Writes rows as one version of a table of a format.
async fn write_format(
    table: FormatTable,
    format: &dyn TableFormat,
    mode: WriteMode,
    session: Arc<dyn Session>,
    rows: BatchStream,
) -> Result<u64> {
    let counted = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&counted);
    let rows = rows.map_batches(move |batches| {
        batches.inspect(move |batch| {
            let rows = batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
            count.fetch_add(rows, std::sync::atomic::Ordering::Relaxed);
        })
    });
    let write = TableWrite { mode, columns: WriteColumns::Keep };
    let command =
        FormatCommand { command: TableCommand::Write(write), columns: None, rows: Some(rows) };
    format.command(table, session, command).await?;
    Ok(counted.load(std::sync::atomic::Ordering::Relaxed))
}

/// The rows as the bytes of a Parquet file, and how many there were once it has been read.
fn parquet_body(
    rows: BatchStream,
) -> Result<(orbit_core::ByteStream, Arc<std::sync::atomic::AtomicU64>)> {
    use std::sync::atomic::{AtomicU64, Ordering};
    let count = Arc::new(AtomicU64::new(0));
    let failed = |e| {
        Error::new(ErrorKind::Unexpected, "the rows could not be encoded as Parquet").with_source(e)
    };
    // Files of one table are written from different plans, whose Arrow types for one Parquet
    // type differ; without them every reader chooses alike.
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(Vec::new(), rows.schema(), options);
    let writer = writer.map_err(|e| {
        let message = "these columns cannot be kept in Parquet";
        Error::new(ErrorKind::Unsupported, message).with_source(e)
    })?;
    let counted = Arc::clone(&count);
    let chunks = stream::try_unfold(Some((rows, writer)), move |state| {
        let counted = Arc::clone(&counted);
        async move {
            let Some((mut rows, mut writer)) = state else { return Ok(None) };
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                counted.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                writer.write(&batch).map_err(failed)?;
                if writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
                    writer.flush().map_err(failed)?;
                }
                if writer.inner().len() >= CHUNK_BYTES {
                    let chunk = Bytes::from(std::mem::take(writer.inner_mut()));
                    return Ok(Some((chunk, Some((rows, writer)))));
                }
            }
            let rest = Bytes::from(writer.into_inner().map_err(failed)?);
            Ok(Some((rest, None)))
        }
    });
    Ok((chunks.boxed(), count))
}

/// Whether a table is a folder of Parquet files, all directly in it.
fn is_plain_folder(found: &FoundTable) -> bool {
    let TableData::Files { prefix, files, format, .. } = &found.data else { return false };
    let directly =
        |key: &str| key.rsplit_once('/').is_some_and(|(folder, _)| format!("{folder}/") == *prefix);
    format.format == FileFormat::Parquet
        && files.iter().all(|f| directly(&f.key))
        && found.parts.last().is_some_and(|p| prefix.ends_with(&format!("{p}/")))
}

fn not_insertable(info: &TableInfo) -> Error {
    let message = format!("`{}` cannot be inserted into", info.qualified_name());
    Error::new(ErrorKind::Unsupported, message)
        .with_hint("rows can be added to a folder of Parquet files that is not partitioned")
}

fn writable<'a>(catalog: &Catalog<'a>, name: &str) -> Result<&'a Arc<Handle>> {
    let handle = catalog.datasources.require(name)?;
    if handle.writable() { Ok(handle) } else { Err(not_writable().with_datasource(name)) }
}

/// Whether the source can insert in this mode.
fn check_insert(datasource: &dyn Datasource, mode: InsertMode) -> Result<()> {
    let capability = datasource.facets().sql.and_then(|sql| sql.capability().insert);
    let can = capability.is_some_and(|insert| match mode {
        InsertMode::Append => true,
        InsertMode::Overwrite => insert.overwrite,
        InsertMode::Create => insert.create,
    });
    if can { Ok(()) } else { Err(Error::unsupported(Operation::Insert)) }
}

/// The columns that an insert gives, in exact case; all of them when it names none.
fn given_columns(columns: &[ObjectName], schema: &SchemaRef) -> Result<Vec<String>> {
    let names = || schema.fields().iter().map(|f| f.name().as_str());
    if columns.is_empty() {
        return Ok(names().map(str::to_owned).collect());
    }
    let mut given: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let unknown =
            || Error::new(ErrorKind::QueryInvalid, format!("the table has no column `{column}`"));
        let [ObjectNamePart::Identifier(ident)] = column.0.as_slice() else {
            return Err(unknown());
        };
        let part = NamePart { text: ident.value.clone(), quoted: ident.quote_style.is_some() };
        let name = pick(&part, names())?.ok_or_else(unknown)?;
        if given.iter().any(|g| g == name) {
            let message = format!("the column `{name}` is given twice");
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        given.push(name.to_owned());
    }
    Ok(given)
}

fn folded(part: &NamePart, case: IdentifierCase) -> String {
    match case {
        _ if part.quoted => part.text.clone(),
        IdentifierCase::Lower => part.text.to_lowercase(),
        IdentifierCase::Upper => part.text.to_uppercase(),
        IdentifierCase::Exact | IdentifierCase::Insensitive => part.text.clone(),
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("datasource", &self.datasource_name).finish_non_exhaustive()
    }
}
