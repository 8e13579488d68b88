//! Commands on tables of a format: who is meant, whether it may be written, and its rows.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{ColumnOption, DataType as SqlType, TimezoneInfo};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use orbit_core::{Context, Error, ErrorKind, Handle, Result, WriteEffect};

use crate::catalog::{Catalog, Resolved};
use crate::command::{FormatCommand, TableAnswer, TableCommand, TableRequest};
use crate::describe::parse_name;
use crate::engine::{Shared, not_writable};
use crate::lake::{LakeStore, QueryStores, TableData, partition_names};
use crate::name::{NamePart, pick};
use crate::sql::{self, OrbitDialect, TableUse};
use crate::{Engine, FileFormat, FormatTable, Request, TableFormat, TableOptions, session};

/// The format of tables that are made.
const NEW_FORMAT: &str = "delta";

/// Where a command works.
struct Found {
    table: FormatTable,
    format: Arc<dyn TableFormat>,
    /// The columns that folders spell, for a table that is converted.
    partitions: Option<SchemaRef>,
}

/// Runs a command. To be polled on a big stack.
pub(crate) async fn run(
    engine: &Engine,
    shared: &Shared,
    cx: &Context,
    request: TableRequest,
) -> Result<TableAnswer> {
    let TableRequest { table, command, rows, paths_allowed } = request;
    for text in command.expressions() {
        sql::check_expression(text, &shared.options.limits)?;
    }
    for text in command.column_texts() {
        sql::check_size(text, &shared.options.limits)?;
    }
    let used = parse_name(&table)?;
    let mut catalog = shared.catalog(cx);
    if !paths_allowed {
        catalog.paths = None;
    }
    let store = Arc::new(LakeStore::default());
    let stores: Arc<dyn ObjectStoreRegistry> = Arc::new(QueryStores::new(Arc::clone(&store)));
    let session = session::session(cx, &shared.options, &shared.runtime, Arc::clone(&stores))?;
    let work = Work { shared, catalog, session, store, stores };
    let found = work.find(&used, &command).await?;
    let columns = match command.column_texts() {
        [] => found.partitions,
        texts => Some(columns_of(&work.session, texts)?),
    };
    let rows = match rows {
        Some(request) => Some(query(engine, cx, request).await?),
        None => None,
    };
    let format = found.format;
    let command = FormatCommand { command, columns, rows };
    format.command(found.table, Arc::new(work.session), command).await
}

async fn query(engine: &Engine, cx: &Context, request: Request) -> Result<orbit_core::BatchStream> {
    let request = Request { writes_allowed: false, ..request };
    engine.query(cx, request).await
}

struct Work<'a> {
    shared: &'a Shared,
    catalog: Catalog<'a>,
    session: SessionState,
    store: Arc<LakeStore>,
    stores: Arc<dyn ObjectStoreRegistry>,
}

impl Work<'_> {
    async fn find(&self, used: &TableUse, command: &TableCommand) -> Result<Found> {
        if matches!(command, TableCommand::Create(_)) {
            return self.new_table(used).await;
        }
        let resolved = self.catalog.resolve(used).await?;
        let info = resolved.info();
        if command.writes() {
            self.check_writable(used, &info.datasource)?;
        }
        match (&resolved, command) {
            (_, TableCommand::Convert { .. }) => self.folder(&resolved).await,
            (Resolved::File { lake, found, version }, _) => {
                let TableData::Format { folder, format } = &found.data else {
                    return Err(no_format(&resolved));
                };
                if version.is_some() && *command != TableCommand::Detail {
                    let message = "this command works on the newest version of a table";
                    return Err(Error::new(ErrorKind::QueryInvalid, message));
                }
                let table = lake.format_table(folder, &found.options, *version, &self.stores);
                Ok(Found { table, format: Arc::clone(format), partitions: None })
            }
            (Resolved::Remote(_), _) => Err(no_format(&resolved)),
        }
    }

    /// A folder of Parquet files that becomes a table.
    async fn folder(&self, resolved: &Resolved) -> Result<Found> {
        let Resolved::File { lake, found, .. } = resolved else {
            return Err(no_format(resolved));
        };
        let (prefix, files) = match &found.data {
            TableData::Files { prefix, files, format, .. }
                if format.format == FileFormat::Parquet =>
            {
                (prefix, files)
            }
            TableData::Format { format, .. } => {
                let info = resolved.info();
                let message =
                    format!("`{}` is a {} table already", info.qualified_name(), format.name());
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            TableData::Files { .. } => return Err(not_a_folder(resolved)),
        };
        let folder = prefix.trim_end_matches('/');
        let last = folder.rsplit('/').next().unwrap_or_default();
        if last.is_empty() || found.parts.last().is_none_or(|part| part != last) {
            return Err(not_a_folder(resolved));
        }
        let names = files.first().map(|f| partition_names(&f.key[prefix.len()..]));
        let names = names.unwrap_or_default();
        let provider =
            resolved.provider(&self.catalog, &self.session, &self.store, &self.stores).await?;
        let schema = provider.schema();
        let fields = names.iter().map(|name| schema.field_with_name(name).cloned());
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(|cause| {
            let message = "a partition folder names no column";
            Error::new(ErrorKind::DataInvalid, message).with_source(cause)
        })?;
        Ok(Found {
            table: lake.format_table(folder, &found.options, None, &self.stores),
            format: self.new_format()?,
            partitions: Some(Arc::new(Schema::new(fields))),
        })
    }

    /// A folder in which there is no table yet.
    async fn new_table(&self, used: &TableUse) -> Result<Found> {
        let exists = |name: &str| {
            let message = format!("the table `{name}` exists");
            Error::new(ErrorKind::AlreadyExists, message).with_write_effect(WriteEffect::None)
        };
        let options = TableOptions::default();
        if used.is_path {
            let path = used.parts.first().map_or("", |part| part.text.as_str());
            let (lake, key) = self.catalog.open_path(path).await?;
            if lake.at(&key, None).await?.is_some() {
                return Err(exists(path));
            }
            let folder = key.trim_end_matches('/');
            let table = lake.format_table(folder, &options, None, &self.stores);
            return Ok(Found { table, format: self.new_format()?, partitions: None });
        }
        let (handle, rest) = self.datasource_of(&used.parts)?;
        self.check_writable(used, handle.name())?;
        if self.catalog.exists(&handle, rest).await? {
            let name: Vec<_> = used.parts.iter().map(|part| part.text.as_str()).collect();
            return Err(exists(&name.join(".")));
        }
        if handle.backend().capability.files.is_none() {
            let message = "only datasources of files hold such tables";
            return Err(Error::new(ErrorKind::Unsupported, message).with_datasource(handle.name()));
        }
        let lake = self.catalog.lake(&handle).await?;
        let folder: Vec<_> = rest.iter().map(folder_name).collect();
        let table = lake.format_table(&folder.join("/"), &options, None, &self.stores);
        Ok(Found { table, format: self.new_format()?, partitions: None })
    }

    fn datasource_of<'p>(&self, parts: &'p [NamePart]) -> Result<(Arc<Handle>, &'p [NamePart])> {
        let (first, rest) = match parts.split_first() {
            Some((first, rest)) if !rest.is_empty() => (first, rest),
            _ => {
                let message = "the name of a new table says in which datasource it is made";
                return Err(Error::new(ErrorKind::QueryInvalid, message)
                    .with_hint("write datasource.table, or a path"));
            }
        };
        let datasources = self.catalog.datasources;
        let name = pick(first, datasources.iter().map(|handle| handle.name()))?;
        let handle = datasources.require(name.unwrap_or(&first.text))?;
        Ok((Arc::clone(handle), rest))
    }

    /// A path of the command line is its user's own; a datasource says whether it is written.
    fn check_writable(&self, used: &TableUse, datasource: &str) -> Result<()> {
        if used.is_path || self.catalog.datasources.require(datasource)?.writable() {
            return Ok(());
        }
        Err(not_writable().with_datasource(datasource))
    }

    fn new_format(&self) -> Result<Arc<dyn TableFormat>> {
        let format = self.shared.formats.iter().find(|format| format.name() == NEW_FORMAT);
        format.cloned().ok_or_else(|| {
            let message = "this build has no Delta tables; it was made without `delta`";
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

fn folder_name(part: &NamePart) -> String {
    if part.quoted { part.text.clone() } else { part.text.to_lowercase() }
}

fn no_format(resolved: &Resolved) -> Error {
    let info = resolved.info();
    let message =
        format!("`{}` is a {} table, not a Delta table", info.qualified_name(), info.kind);
    Error::new(ErrorKind::Unsupported, message)
        .with_datasource(info.datasource)
        .with_hint("a folder of Parquet files becomes one by `orbit delta convert`")
}

fn not_a_folder(resolved: &Resolved) -> Error {
    let message = format!("`{}` is no folder of Parquet files", resolved.info().qualified_name());
    Error::new(ErrorKind::Unsupported, message)
        .with_hint("what is converted is a folder, with all Parquet files in it")
}

/// The columns that texts such as `price decimal(12,2) not null` spell.
fn columns_of(session: &SessionState, texts: &[String]) -> Result<SchemaRef> {
    let fields = texts.iter().map(|text| column_of(session, text)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn column_of(session: &SessionState, text: &str) -> Result<Field> {
    let invalid = || {
        let message = format!("`{text}` is no column");
        Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("write a name and a type, such as `price decimal(12,2) not null`")
    };
    let mut parser = Parser::new(&OrbitDialect).try_with_sql(text).map_err(|_| invalid())?;
    let column = parser.parse_column_def().map_err(|_| invalid())?;
    if parser.peek_token().token != Token::EOF {
        return Err(invalid());
    }
    let mut nullable = true;
    for option in &column.options {
        match option.option {
            ColumnOption::NotNull => nullable = false,
            ColumnOption::Null => {}
            _ => return Err(invalid()),
        }
    }
    // DataFusion would drop the zone.
    if let SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) = column.data_type {
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        return Ok(Field::new(column.name.value, data_type, nullable));
    }
    let cast = format!("CAST(NULL AS {})", column.data_type);
    let Ok(Expr::Cast(cast)) = session.create_logical_expr(&cast, &DFSchema::empty()) else {
        return Err(invalid());
    };
    Ok(Field::new(column.name.value, cast.field.data_type().clone(), nullable))
}
