//! From a query of the contract to the statement that is sent and the columns that come back.

use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use orbit_core::{Effect, Error, ErrorKind, Query, Result, Select, Target};
use orbit_sql::{Lexing, Statement, ValueForms, typed_literal};

use crate::catalog::Place;
use crate::session::Server;
use crate::statement::{self, Sort};
use crate::types::{SourceColumn, oid, reads_as};

/// What is sent, and what is known of the answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    /// The schema of the answer, where it is known before.
    pub(crate) schema: Option<SchemaRef>,
    /// How the rows come.
    pub(crate) wire: Wire,
    /// A statement that tells the columns when no row did.
    pub(crate) shape: Option<String>,
    /// Whether no column is delivered, only how many rows there are.
    pub(crate) counts_only: bool,
    /// Whether the number of rows that the server tells are those that were changed.
    pub(crate) tells_affected: bool,
}

/// How rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// As the rows of a simple query.
    Text,
    /// As a binary COPY.
    Copy,
}

/// The place that a table's name means: one part is in the default schema, three begin with the
/// database.
pub(crate) fn place(name: &orbit_core::TableName, schema: &str) -> Result<Place> {
    let (schema, table) = match name.parts() {
        [table] => (schema, table),
        [schema, table] => (schema.as_str(), table),
        _ => {
            let message = format!("`{name}` is not a table of this database");
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint("name it by its schema and its own name"));
        }
    };
    Ok(Place { schema: schema.to_owned(), table: table.clone() })
}

/// The error for a table that is not there.
pub(crate) fn no_table(place: &Place) -> Error {
    let message = format!("there is no table `{}.{}`", place.schema, place.table);
    Error::new(ErrorKind::NotFound, message).with_context("table", place.table.as_str())
}

/// Refuses what no query here can mean.
pub(crate) fn check(query: &Query) -> Result<()> {
    let Query {
        target,
        columns: _,
        predicate: _,
        order: _,
        limit: _,
        parameters,
        effect,
        schema: _,
    } = query;
    match target {
        Target::Table(table) if table.version.is_some() => {
            Err(Error::new(ErrorKind::Unsupported, "old states of a table are not kept here"))
        }
        Target::Table(_) if parameters.is_some() => {
            Err(Error::new(ErrorKind::QueryInvalid, "a table has no parameters"))
        }
        Target::Table(_) if *effect != Effect::Read => {
            Err(Error::new(ErrorKind::QueryInvalid, "a table is only read"))
        }
        Target::Statement { .. } if *effect != Effect::Read && is_cut(query) => {
            let message = "rows of a statement that writes are not filtered, sorted or cut";
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        _ => Ok(()),
    }
}

/// Whether something is asked of the rows of a statement.
pub(crate) fn is_cut(query: &Query) -> bool {
    query.columns.is_some()
        || query.predicate.is_some()
        || !query.order.is_empty()
        || query.limit.is_some()
}

/// The columns wanted of a table, in order.
pub(crate) fn wanted(columns: &[SourceColumn], query: &Query) -> Result<Vec<SourceColumn>> {
    let Some(names) = &query.columns else { return Ok(columns.to_vec()) };
    let find = |name: &String| {
        columns.iter().find(|column| column.name == *name).cloned().ok_or_else(|| {
            Error::new(ErrorKind::QueryInvalid, format!("there is no column `{name}`"))
                .with_context("column", name.as_str())
        })
    };
    names.iter().map(find).collect()
}

/// The schema as the columns give it.
pub(crate) fn schema_of(columns: &[SourceColumn]) -> Schema {
    Schema::new(columns.iter().map(SourceColumn::field).collect::<Vec<_>>())
}

/// The schema to deliver: the planned one where there is one and the columns can be read so.
pub(crate) fn delivered(
    columns: &[SourceColumn],
    planned: Option<&SchemaRef>,
) -> Result<SchemaRef> {
    let natural = schema_of(columns);
    let Some(planned) = planned else { return Ok(Arc::new(natural)) };
    let misfit = |what: String| {
        Error::new(
            ErrorKind::DataInvalid,
            format!("the planned schema cannot be delivered: {what}"),
        )
        .with_hint("plan the query again")
    };
    if planned.fields().len() != columns.len() {
        let (wanted, found) = (planned.fields().len(), columns.len());
        return Err(misfit(format!("it has {wanted} columns, the source {found}")));
    }
    for (field, column) in planned.fields().iter().zip(columns) {
        if field.name() != &column.name {
            return Err(misfit(format!("`{}` is `{}` at the source", field.name(), column.name)));
        }
        if *field.data_type() != column.data_type() && !reads_as(column.oid, field.data_type()) {
            let (wanted, found) = (field.data_type(), &column.source_type);
            return Err(misfit(format!("`{}` is {wanted}, at the source {found}", column.name)));
        }
    }
    Ok(Arc::clone(planned))
}

/// The statement that reads a table whose columns are known.
pub(crate) fn of_table(
    forms: &dyn ValueForms,
    server: Server,
    place: &Place,
    columns: &[SourceColumn],
    query: &Query,
) -> Result<Plan> {
    let Query { target: _, columns: _, predicate, order, limit, parameters: _, effect: _, schema } =
        query;
    let chosen = wanted(columns, query)?;
    // A planned schema chooses decoders by name, so it is compared with what is there.
    let delivered = delivered(&chosen, schema.as_ref())?;
    let natural = schema.is_none()
        || chosen.iter().zip(delivered.fields()).all(|(c, f)| c.data_type() == *f.data_type());
    let wire = match server {
        Server::Postgresql if natural => Wire::Copy,
        _ => Wire::Text,
    };
    compares_bytes(columns, predicate.as_ref(), order)?;
    let all = schema_of(columns);
    let select = Select {
        columns: chosen.iter().map(|column| expression(forms, server, wire, column)).collect(),
        from: forms.dialect().table(&place.name()),
        schema: Some(&all),
        predicate: predicate.as_ref(),
        order,
        limit: *limit,
    };
    let sql = select.render(forms)?;
    let sql = match wire {
        Wire::Copy => format!("COPY ({sql}) TO STDOUT (FORMAT binary)"),
        Wire::Text => sql,
    };
    let counts_only = chosen.is_empty();
    Ok(Plan { sql, schema: Some(delivered), wire, shape: None, counts_only, tells_affected: false })
}

/// Refuses to compare and sort text that the source does not compare by the bytes in which it is
/// read: padded text, whose blanks do not count, and the text of another type.
fn compares_bytes(
    columns: &[SourceColumn],
    predicate: Option<&orbit_core::Predicate>,
    order: &[orbit_core::SortKey],
) -> Result<()> {
    let compared = predicate.map_or_else(Vec::new, compared_columns);
    let sorted = order.iter().map(|key| key.column.as_str());
    for name in compared.into_iter().chain(sorted) {
        let otherwise = |c: &&SourceColumn| {
            c.name == name && c.data_type() == DataType::Utf8 && !c.binary_collation
        };
        if let Some(column) = columns.iter().find(otherwise) {
            let message =
                format!("`{}` is {}, which is not compared by its bytes", name, column.source_type);
            return Err(Error::new(ErrorKind::Unsupported, message).with_context("column", name));
        }
    }
    Ok(())
}

/// The columns whose values are compared, not only looked at for NULL.
fn compared_columns(predicate: &orbit_core::Predicate) -> Vec<&str> {
    use orbit_core::Predicate;
    match predicate {
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::Like { column, .. } => vec![column],
        Predicate::IsNull { .. } | Predicate::IsTrue { .. } => Vec::new(),
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().flat_map(compared_columns).collect()
        }
        Predicate::Not(part) => compared_columns(part),
    }
}

fn expression(forms: &dyn ValueForms, server: Server, wire: Wire, column: &SourceColumn) -> String {
    let name = forms.dialect().quote(&column.name);
    let read_as_text = column.data_type() == DataType::Utf8;
    match (server, wire, column.oid) {
        // The binary form of the others is not text.
        (_, Wire::Copy, oid::TEXT | oid::VARCHAR | oid::BPCHAR) => name,
        (_, Wire::Copy, _) if read_as_text => format!("{name}::text"),
        // Redshift writes a real with too few digits to read the same value back.
        (Server::Redshift, Wire::Text, oid::FLOAT4) => {
            format!("CAST({name} AS double precision) AS {name}")
        }
        _ => name,
    }
}

/// A statement of the caller's that was looked at, with its parameters in place.
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) sort: Sort,
}

/// Looks at a statement and puts literals where its parameters are.
pub(crate) fn bind(forms: &dyn ValueForms, query: &Query, text: &str) -> Result<Bound> {
    let dialect = forms.dialect();
    let lexing = Lexing {
        backslash_escapes: dialect.backslash_escapes,
        bytes_max: dialect.limits.statement_bytes_max,
    };
    let scanned = Statement::scan(text, lexing)?;
    statement::check(&scanned, query.effect)?;
    let literal =
        |row: &arrow_array::RecordBatch, index: usize| typed_literal(forms, row.column(index), 0);
    let text = scanned.bind(query.parameters.as_ref(), literal)?;
    Ok(Bound { text, sort: statement::sort(&scanned) })
}

/// The statement to send for one of the caller's; `names` are its columns where they are needed.
pub(crate) fn of_statement(
    forms: &dyn ValueForms,
    bound: &Bound,
    query: &Query,
    names: Option<&[SourceColumn]>,
) -> Result<Plan> {
    let shape = (bound.sort == Sort::Rows).then(|| statement::shape_sql(&bound.text));
    let tells_affected = bound.sort == Sort::Other;
    let plan = |sql, schema, shape, counts_only| Plan {
        sql,
        schema,
        wire: Wire::Text,
        shape,
        counts_only,
        tells_affected,
    };
    let Some(columns) = names else {
        return Ok(plan(bound.text.clone(), query.schema.clone(), shape, false));
    };
    let chosen = wanted(columns, query)?;
    compares_bytes(columns, query.predicate.as_ref(), &query.order)?;
    let all = schema_of(columns);
    let select = Select {
        columns: chosen.iter().map(|column| forms.dialect().quote(&column.name)).collect(),
        from: statement::as_table(&bound.text),
        schema: Some(&all),
        predicate: query.predicate.as_ref(),
        order: &query.order,
        limit: query.limit,
    };
    let sql = select.render(forms)?;
    let schema = delivered(&chosen, query.schema.as_ref())?;
    Ok(plan(sql, Some(schema), None, chosen.is_empty()))
}
