//! Tables: listed and described. None of it needs a warehouse.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use futures::TryStreamExt;
use orbit_core::{
    Context, Error, ErrorKind, EstimateQuality, ListTables, Query, Result, Statistic,
    TableDescription, TableEntry, TableKind, TableName, TablePage, TableStatistics, Target,
};

use crate::columns::Columns;
use crate::datasource::{Connected, chosen, of_table};
use crate::error::malformed;
use crate::protocol::{QueryData, RowType};
use crate::result::{ALL, pieces};
use crate::statement::{Statement, execute};
use crate::text_rows::TextRow;

/// The most that one SHOW answers.
const SHOWN_MAX: usize = 10_000;
/// Tables of the service about the tables of the user.
const INFORMATION_SCHEMA: &str = "INFORMATION_SCHEMA";

/// Where a listing stands: in this schema, after this name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    database: String,
    schema: String,
    after: Option<String>,
}

/// The rows of a SHOW by the names of its columns, which grow from release to release.
pub(crate) struct Shown {
    columns: Vec<String>,
    pub rows: Vec<TextRow>,
}

impl Shown {
    /// The values of a column; a text that is null is empty.
    pub(crate) fn values<'a>(&'a self, name: &str) -> Result<impl Fn(&'a TextRow) -> &'a str> {
        let index = self.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let index = index.ok_or_else(|| malformed("a listing lacks a column"))?;
        Ok(move |row: &'a TextRow| row.get(index).and_then(Option::as_deref).unwrap_or_default())
    }
}

impl Connected {
    /// A page of tables: a piece of one schema.
    pub(crate) async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        let ListTables { parent, name_contains, page, page_size_max } = request;
        let schemas = self.schemas(cx, &parent).await?;
        let place = match &page {
            Some(page) => Some(Place::parse(page)?),
            None => schemas.first().cloned(),
        };
        let Some(place) = place else { return Ok(TablePage::default()) };
        let (mut tables, is_full) = self.objects(cx, &place).await?;
        let most = page_size_max.unwrap_or(SHOWN_MAX).clamp(1, SHOWN_MAX);
        let more = tables.len() > most || is_full;
        tables.truncate(most);
        let next = match tables.last().filter(|_| more) {
            Some(last) => Some(Place { after: Some(last.name.table().to_owned()), ..place }),
            None => schemas
                .into_iter()
                .find(|s| (&s.database, &s.schema) > (&place.database, &place.schema)),
        };
        if let Some(part) = name_contains {
            let part = part.to_lowercase();
            tables.retain(|table| table.name.table().to_lowercase().contains(&part));
        }
        Ok(TablePage { tables, next_page: next.map(|place| place.to_text()) })
    }

    /// The schemas below `parent`, in order.
    async fn schemas(&self, cx: &Context, parent: &[String]) -> Result<Vec<Place>> {
        let place = |database: &str, schema: &str| Place {
            database: database.to_owned(),
            schema: schema.to_owned(),
            after: None,
        };
        let scope = match parent {
            [] => "ACCOUNT".to_owned(),
            [database] => format!("DATABASE {}", self.dialect().quote(database)),
            [database, schema] => return Ok(vec![place(database, schema)]),
            _ => return Ok(Vec::new()),
        };
        let shown = self.show(cx, &format!("SHOW TERSE SCHEMAS IN {scope}")).await?;
        if shown.rows.len() >= SHOWN_MAX {
            // The source answers no more of them and does not say so.
            let message = format!("there may be more than {SHOWN_MAX} schemas");
            return Err(Error::new(ErrorKind::ResourceExhausted, message)
                .with_hint("list the tables of one database or one schema"));
        }
        let (name, database) = (shown.values("name")?, shown.values("database_name")?);
        let all = shown.rows.iter().map(|row| place(database(row), name(row)));
        let own = |p: &Place| !p.schema.eq_ignore_ascii_case(INFORMATION_SCHEMA);
        let mut all: Vec<_> = all.filter(own).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The tables of a schema after a name, in order, and whether the source told as many as it
    /// tells at once.
    async fn objects(&self, cx: &Context, place: &Place) -> Result<(Vec<TableEntry>, bool)> {
        let schema = TableName::new([&place.database, &place.schema]);
        let from = match &place.after {
            Some(after) => format!(" FROM {}", self.dialect().text(after)?),
            None => String::new(),
        };
        let schema = self.dialect().table(&schema);
        let show = format!("SHOW TERSE OBJECTS IN SCHEMA {schema} LIMIT {SHOWN_MAX}{from}");
        let shown = self.show(cx, &show).await?;
        let (name, kind) = (shown.values("name")?, shown.values("kind")?);
        let entry = |row| TableEntry {
            name: TableName::new([place.database.as_str(), place.schema.as_str(), name(row)]),
            kind: table_kind(kind(row)),
        };
        let mut tables: Vec<_> = shown.rows.iter().map(entry).collect();
        tables.retain(|t| place.after.as_deref().is_none_or(|after| t.name.table() > after));
        tables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((tables, shown.rows.len() >= SHOWN_MAX))
    }

    /// The rows of a SHOW.
    pub(crate) async fn show(&self, cx: &Context, text: &str) -> Result<Shown> {
        let executed = execute(cx, &self.api, &self.lane, &Statement::new(text)).await?;
        let data = executed.finish();
        let columns = data.row_type.iter().map(|told| told.name.clone()).collect();
        let rows = self.texts(cx, data).await?;
        Ok(Shown { columns, rows })
    }

    /// The rows of an answer as texts, whatever their types are.
    pub(crate) async fn texts(&self, cx: &Context, mut data: QueryData) -> Result<Vec<TextRow>> {
        if data.row_set.is_none() {
            return self.batches(cx, data).await;
        }
        // Texts are texts, so a type that is not known cannot hide a table.
        for told in &mut data.row_type {
            told.kind = "text".to_owned();
            told.ext_type_name = None;
            told.nullable = None;
        }
        let columns = Arc::new(Columns::of(&data.row_type, self.api.config.rules())?);
        let batches = pieces(cx, &self.api, &self.lane, &columns, &mut data, ALL).await?;
        let batches: Vec<_> = batches.try_collect().await?;
        let row = |batch: &RecordBatch, row: usize| -> TextRow {
            let texts = batch.columns().iter().map(AsArray::as_string::<i32>);
            texts.map(|a| a.is_valid(row).then(|| a.value(row).to_owned())).collect()
        };
        let rows = batches.iter().flat_map(|b| (0..b.num_rows()).map(move |r| row(b, r)));
        Ok(rows.collect())
    }

    /// Rows that came as Arrow, as texts.
    async fn batches(&self, cx: &Context, mut data: QueryData) -> Result<Vec<TextRow>> {
        if !data.chunks.is_empty() {
            return Err(malformed("a listing came as Arrow in pieces"));
        }
        let body = data.row_set_base64.take().unwrap_or_default().0;
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let decoded = cx.run(orbit_http::off_the_workers(|| orbit_http::decode_ipc(body))).await?;
        let mut rows = Vec::new();
        for batch in &decoded.batches {
            for row in 0..batch.num_rows() {
                let text = |array: &Arc<dyn Array>| match array.is_null(row) {
                    true => None,
                    false => arrow_cast::display::array_value_to_string(array, row).ok(),
                };
                rows.push(batch.columns().iter().map(text).collect());
            }
        }
        Ok(rows)
    }

    /// The columns of a query, without running it.
    pub(crate) async fn columns(&self, cx: &Context, query: &Query) -> Result<Columns> {
        let text = self.text(&Query { columns: None, ..query.clone() }, None)?;
        let bindings = query.parameters.as_ref().map(crate::bind::one_row).transpose()?;
        let statement = Statement { bindings, describe_only: true, ..Statement::new(text) };
        let executed = execute(cx, &self.api, &self.lane, &statement).await;
        let data = executed.map_err(|e| of_table(e, &query.target))?.finish();
        let row_type: Vec<RowType> = match &query.columns {
            None => data.row_type,
            Some(names) => chosen(names, &data.row_type)?,
        };
        Columns::of(&row_type, self.api.config.rules())
    }

    /// Columns and statistics.
    pub(crate) async fn describe(&self, cx: &Context, query: &Query) -> Result<TableDescription> {
        let columns = self.columns(cx, query).await?;
        let statistics = match &query.target {
            Target::Table(table) if query.predicate.is_none() && query.limit.is_none() => {
                self.statistics(cx, &table.name).await?
            }
            _ => TableStatistics::default(),
        };
        let (schema, columns) = (Arc::clone(&columns.schema), columns.descriptions());
        Ok(TableDescription { schema, columns, statistics })
    }

    /// What the service keeps. The table may change before it is read, so it is a guess.
    async fn statistics(&self, cx: &Context, name: &TableName) -> Result<TableStatistics> {
        let [_, _, table] = name.parts() else { return Ok(TableStatistics::default()) };
        let schema = self.dialect().table(&TableName::new(name.parent()));
        // The pattern may match other names as well.
        let pattern = self.dialect().text(&table.replace('\\', "_"))?;
        let show = format!("SHOW TABLES LIKE {pattern} IN SCHEMA {schema}");
        let shown = self.show(cx, &show).await?;
        let name = shown.values("name")?;
        let Some(row) = shown.rows.iter().find(|row| name(row) == table) else {
            return Ok(TableStatistics::default());
        };
        let number = |column: &str| -> Result<Option<Statistic<u64>>> {
            let value = shown.values(column)?(row).parse().ok();
            Ok(value.map(|value| Statistic { value, quality: EstimateQuality::Guess }))
        };
        let (rows, bytes) = (number("rows")?, number("bytes")?);
        Ok(TableStatistics { rows, bytes, ..TableStatistics::default() })
    }
}

impl Place {
    fn to_text(&self) -> String {
        serde_json::json!([self.database, self.schema, self.after]).to_string()
    }

    fn parse(text: &str) -> Result<Self> {
        let (database, schema, after) =
            serde_json::from_str(text).map_err(|_| malformed("this is no page of a listing"))?;
        Ok(Self { database, schema, after })
    }
}

fn table_kind(kind: &str) -> TableKind {
    match kind.to_uppercase().as_str() {
        "VIEW" => TableKind::View,
        "MATERIALIZED_VIEW" | "MATERIALIZED VIEW" => TableKind::MaterializedView,
        "EXTERNAL_TABLE" | "EXTERNAL TABLE" => TableKind::External,
        _ => TableKind::Table,
    }
}
