//! The suite's tables at fakesnow, made by statements through the vendor's own client.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use orbit_core::TableName;
use orbit_testkit::servers::Fakesnow;
use orbit_testkit::{SqlFixture, Statements, Stop, Verdict, tables};

const WRITTEN: &str = "Behaviour Written";
/// Rows of one INSERT.
const ROWS: usize = 100;

/// Settings that lead to the server, at this port.
pub(crate) fn settings_of(server: &Fakesnow, port: u16) -> Vec<(&'static str, String)> {
    let [database, schema] = server.parent();
    [
        ("account", "orbit"),
        ("user", "orbit"),
        ("password", "orbit"),
        ("host", "127.0.0.1"),
        ("protocol", "http"),
        ("database", database),
        ("schema", schema),
        ("wide_integers", "int64"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .into_iter()
    .chain([("port", port.to_string())])
    .collect()
}

/// The server with the suite's tables.
pub(crate) async fn server() -> Verdict<(Fakesnow, SqlFixture)> {
    let server = Fakesnow::start().await?;
    let parent = server.parent();
    let mut sql = SqlFixture { parent: parent.map(str::to_owned).into(), ..SqlFixture::default() };
    let mut statements = Vec::new();
    let rows = tables::rows()?;
    statements.extend(table("Behaviour Rows", &rows)?);
    sql.rows = Some((TableName::new([parent[0], parent[1], "Behaviour Rows"]), delivered(&rows)?));
    for case in tables::TYPES {
        let rows = tables::types(case)?;
        let name = format!("Behaviour {case}");
        statements.extend(table(&name, &rows)?);
        let name = TableName::new([parent[0], parent[1], &name]);
        sql.types.insert(*case, (name, delivered(&rows)?));
    }
    statements.push(format!("CREATE TABLE \"{WRITTEN}\" (x NUMBER(9,0))"));
    statements.push(format!("INSERT INTO \"{WRITTEN}\" VALUES (1), (2), (3)"));
    server.run(statements).await?;
    sql.statements = own_statements()?;
    Ok((server, sql))
}

fn own_statements() -> Verdict<Statements> {
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let row = RecordBatch::try_from_iter([("ONE", one)]).map_err(unbuildable)?;
    Ok(Statements {
        read: Some(("SELECT 1::NUMBER(18,0) AS one".to_owned(), row.clone())),
        parameters: Some(("SELECT CAST(? AS NUMBER(18,0)) AS one".to_owned(), row)),
        write: Some((format!("UPDATE \"{WRITTEN}\" SET x = x"), 3)),
        two_results: Some("SELECT 1; SELECT 2".to_owned()),
    })
}

fn unbuildable(error: impl std::fmt::Display) -> Stop {
    Stop::failed(format!("the fixture cannot be built: {error}"))
}

/// The source's type for a column, and the Arrow type in which it comes back.
fn kept_as(data_type: &DataType) -> Verdict<(String, DataType)> {
    let (kept, delivered) = match data_type {
        DataType::Boolean => ("BOOLEAN", DataType::Boolean),
        DataType::Int8 => ("NUMBER(3,0)", DataType::Int16),
        DataType::Int16 => ("NUMBER(5,0)", DataType::Int32),
        DataType::Int32 => ("NUMBER(10,0)", DataType::Int64),
        DataType::Int64 => ("NUMBER(19,0)", DataType::Int64),
        DataType::Float32 | DataType::Float64 => ("FLOAT", DataType::Float64),
        DataType::Utf8 => ("VARCHAR", DataType::Utf8),
        DataType::Binary => ("BINARY", DataType::Binary),
        DataType::Date32 => ("DATE", DataType::Date32),
        // The server says that the finest unit is kept, whatever is.
        DataType::Time64(_) => ("TIME(9)", DataType::Time64(TimeUnit::Nanosecond)),
        DataType::Timestamp(_, None) => ("TIMESTAMP_NTZ(9)", data_type.clone()),
        DataType::Timestamp(_, Some(_)) => ("TIMESTAMP_TZ(9)", data_type.clone()),
        DataType::Decimal128(p, s) => return Ok((format!("NUMBER({p},{s})"), data_type.clone())),
        other => return Err(Stop::failed(format!("the fixture has no type for {other}"))),
    };
    Ok((kept.to_owned(), delivered))
}

/// The rows in the types in which they come back.
fn delivered(rows: &RecordBatch) -> Verdict<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
        let (_, data_type) = kept_as(field.data_type())?;
        arrays.push(arrow_cast::cast(array, &data_type).map_err(unbuildable)?);
        fields.push(Field::new(field.name(), data_type, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(unbuildable)
}

/// The statements that make a table of these rows.
fn table(name: &str, rows: &RecordBatch) -> Verdict<Vec<String>> {
    let schema = rows.schema();
    let columns = schema.fields().iter().map(|field| {
        kept_as(field.data_type()).map(|(kept, _)| format!("\"{}\" {kept}", field.name()))
    });
    let columns = columns.collect::<Verdict<Vec<_>>>()?.join(", ");
    let mut statements = vec![format!("CREATE TABLE \"{name}\" ({columns})")];
    for start in (0..rows.num_rows()).step_by(ROWS) {
        let slice = rows.slice(start, ROWS.min(rows.num_rows() - start));
        let row = |row: usize| -> Verdict<String> {
            let values = slice.columns().iter().map(|array| value(array, row));
            Ok(format!("({})", values.collect::<Verdict<Vec<_>>>()?.join(", ")))
        };
        let values = (0..slice.num_rows()).map(row).collect::<Verdict<Vec<_>>>()?;
        statements.push(format!("INSERT INTO \"{name}\" VALUES {}", values.join(", ")));
    }
    Ok(statements)
}

/// A value as a literal, written without the code under test.
fn value(array: &ArrayRef, row: usize) -> Verdict<String> {
    if array.is_null(row) {
        return Ok("NULL".to_owned());
    }
    Ok(match array.data_type() {
        DataType::Float32 => {
            let array = arrow_cast::cast(array, &DataType::Float64).map_err(unbuildable)?;
            format!("'{}'::FLOAT", array.as_primitive::<Float64Type>().value(row))
        }
        DataType::Float64 => {
            format!("'{:e}'::FLOAT", array.as_primitive::<Float64Type>().value(row))
        }
        DataType::Decimal128(p, s) => {
            let text = array.as_primitive::<Decimal128Type>().value_as_string(row);
            format!("'{text}'::NUMBER({p},{s})")
        }
        DataType::Utf8 => {
            let text = array.as_string::<i32>().value(row);
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("TO_BINARY('{digits}', 'HEX')")
        }
        DataType::Timestamp(unit, _) => {
            let plain = DataType::Timestamp(*unit, None);
            let plain = arrow_cast::cast(array, &plain).map_err(unbuildable)?;
            format!("'{}'", shown(&plain, row)?)
        }
        DataType::Boolean => shown(array, row)?.to_uppercase(),
        DataType::Date32 | DataType::Time64(_) => format!("'{}'", shown(array, row)?),
        _ => shown(array, row)?,
    })
}

fn shown(array: &ArrayRef, row: usize) -> Verdict<String> {
    let options = FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(unbuildable)?;
    formatter.value(row).try_to_string().map_err(unbuildable)
}
