//! PostgreSQL's catalogs: tables, columns, statistics.

use orbit_core::{
    Error, ErrorKind, EstimateQuality, ListTables, Result, Statistic, TableEntry, TableKind,
    TableName, TableStatistics,
};
use orbit_sql::ValueForms;

use crate::session::TextRow;
use crate::types::SourceColumn;

/// How many tables a page has when the caller does not say.
const PAGE_ROWS: usize = 1000;
/// The most tables that a page has.
const PAGE_ROWS_MAX: usize = 10_000;

/// A table by its schema and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl Place {
    /// The table's name with its schema.
    pub(crate) fn name(&self) -> TableName {
        TableName::new([self.schema.as_str(), self.table.as_str()])
    }
}

/// What a page of a listing asks for, with the literals of the server.
pub(crate) struct Page {
    /// Conditions on `schema_name` and `table_name`.
    pub(crate) conditions: Vec<String>,
    /// How many rows are wanted; one more is asked for.
    pub(crate) rows: usize,
}

impl Page {
    /// The page that `request` asks for; none when its parent can hold no table.
    pub(crate) fn of(forms: &dyn ValueForms, request: &ListTables) -> Result<Option<Self>> {
        let ListTables { parent, name_contains, page, page_size_max } = request;
        let mut conditions = Vec::new();
        match parent.as_slice() {
            [] => {}
            [schema] => {
                conditions.push(format!("schema_name = {}", forms.dialect().text(schema)?));
            }
            _ => return Ok(None),
        }
        if let Some(part) = name_contains {
            let part = forms.dialect().text(part)?;
            conditions.push(format!("POSITION(LOWER({part}) IN LOWER(table_name)) > 0"));
        }
        if let Some(page) = page {
            let (schema, table) = last_of(page)?;
            let (schema, table) = (forms.dialect().text(schema)?, forms.dialect().text(table)?);
            conditions.push(format!(
                "(schema_name > {schema} OR schema_name = {schema} AND table_name > {table})"
            ));
        }
        let rows = page_size_max.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
        Ok(Some(Self { conditions, rows }))
    }

    /// The statement over `tables`, a select of `schema_name`, `table_name` and `kind`.
    pub(crate) fn sql(&self, tables: &str) -> String {
        let conditions = match self.conditions.as_slice() {
            [] => String::new(),
            some => format!(" WHERE {}", some.join(" AND ")),
        };
        format!(
            "SELECT schema_name, table_name, kind FROM ({tables}) AS t{conditions} \
             ORDER BY 1, 2 LIMIT {}",
            self.rows + 1
        )
    }

    /// The tables of an answer, and what continues after them.
    pub(crate) fn entries(&self, rows: &[TextRow]) -> Result<(Vec<TableEntry>, Option<String>)> {
        let tables = rows.iter().take(self.rows).map(|row| {
            let name = TableName::new([text(row, 0)?, text(row, 1)?]);
            Ok(TableEntry { name, kind: kind(text(row, 2)?) })
        });
        let tables = tables.collect::<Result<Vec<_>>>()?;
        let more = rows.len() > self.rows;
        let last = tables.last().filter(|_| more).map(|entry| {
            let (schema, table) = (entry.name.parent().concat(), entry.name.table());
            format!("{}:{schema}{table}", schema.len())
        });
        Ok((tables, last))
    }
}

fn last_of(page: &str) -> Result<(&str, &str)> {
    let parts = page.split_once(':').and_then(|(length, names)| {
        let length = length.parse().ok()?;
        names.split_at_checked(length)
    });
    parts.ok_or_else(|| Error::new(ErrorKind::QueryInvalid, "this page is not one of a listing"))
}

fn kind(word: &str) -> TableKind {
    let word = word.to_ascii_lowercase();
    match () {
        () if word.contains("materialized") => TableKind::MaterializedView,
        () if word.contains("view") => TableKind::View,
        () if word.contains("external") => TableKind::External,
        () => TableKind::Table,
    }
}

/// The text in a column that is never null.
pub(crate) fn text(row: &TextRow, index: usize) -> Result<&str> {
    let text = row.get(index).and_then(Option::as_deref);
    text.ok_or_else(|| Error::new(ErrorKind::DataInvalid, "the catalog's answer has a gap"))
}

/// The number in a column, if there is one.
pub(crate) fn number<T: std::str::FromStr>(row: &TextRow, index: usize) -> Option<T> {
    row.get(index)?.as_deref()?.parse().ok()
}

/// Every table, for [`Page::sql`].
pub(crate) const TABLES: &str = "SELECT n.nspname::text COLLATE \"C\" AS schema_name, \
    c.relname::text COLLATE \"C\" AS table_name, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' \
    THEN 'materialized view' WHEN 'f' THEN 'external' ELSE 'table' END AS kind \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' \
    AND n.nspname <> 'information_schema'";

/// Asks for the columns of a table, in order; a row without a name is a table without columns.
pub(crate) fn columns_sql(forms: &dyn ValueForms, place: &Place) -> Result<String> {
    let (schema, table) =
        (forms.dialect().text(&place.schema)?, forms.dialect().text(&place.table)?);
    Ok(format!(
        "SELECT a.attname, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END::bigint, \
         CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END, \
         pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
         COALESCE(o.collisdeterministic, true), pg_catalog.col_description(c.oid, a.attnum) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
         AND NOT a.attisdropped LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation \
         WHERE n.nspname = {schema} AND c.relname = {table} \
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY a.attnum"
    ))
}

/// The columns of an answer; none when there is no such table.
pub(crate) fn columns_of(rows: &[TextRow]) -> Result<Option<Vec<SourceColumn>>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = rows.iter().filter(|row| row.first().is_some_and(Option::is_some)).map(|row| {
        let oid = number(row, 1).unwrap_or_default();
        let is_padded = oid == crate::types::oid::BPCHAR;
        Ok(SourceColumn {
            name: text(row, 0)?.to_owned(),
            oid,
            modifier: number(row, 2).unwrap_or(-1),
            source_type: text(row, 3)?.to_owned(),
            nullable: text(row, 4)? == "t",
            // Blanks at the end do not count in a comparison of padded text.
            binary_collation: text(row, 5)? == "t" && !is_padded,
            comment: row.get(6).cloned().flatten(),
        })
    });
    columns.collect::<Result<_>>().map(Some)
}

/// Asks for rows, bytes and the primary key's columns.
pub(crate) fn statistics_sql(forms: &dyn ValueForms, place: &Place) -> Result<String> {
    let (schema, table) =
        (forms.dialect().text(&place.schema)?, forms.dialect().text(&place.table)?);
    Ok(format!(
        "SELECT CASE WHEN c.relkind IN ('r', 'p', 'm', 'f') AND c.reltuples >= 0 \
         THEN c.reltuples::bigint END, CASE WHEN c.relkind IN ('r', 'm') THEN \
         pg_catalog.pg_table_size(c.oid) END, a.attname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         LEFT JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(number, place) ON true \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
         WHERE n.nspname = {schema} AND c.relname = {table} ORDER BY k.place"
    ))
}

/// The statistics of an answer.
pub(crate) fn statistics_of(rows: &[TextRow]) -> TableStatistics {
    let first = rows.first();
    let statistic = |index, quality| {
        let value = number(first?, index)?;
        Some(Statistic { value, quality })
    };
    TableStatistics {
        rows: statistic(0, EstimateQuality::Guess),
        bytes: statistic(1, EstimateQuality::Exact),
        primary_key: rows.iter().filter_map(|row| row.get(2).cloned().flatten()).collect(),
        sort_key: Vec::new(),
    }
}

/// Asks for the type modifiers of columns by their relations and numbers, which the driver
/// drops from the description of a result.
pub(crate) fn modifiers_sql(origins: &[(u32, i16)]) -> String {
    let one = |(relation, number): &(u32, i16)| {
        format!("(a.attrelid = {relation} AND a.attnum = {number})")
    };
    let origins = origins.iter().map(one).collect::<Vec<_>>().join(" OR ");
    format!(
        "SELECT a.attrelid, a.attnum, CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod \
         END, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE {origins}"
    )
}
