//! The suite's tables, prepared by `psql`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use orbit_core::{Effect, ErrorKind, Node, Query, Result, TableName};
use orbit_testkit::servers::{Postgres, ServerError};
use orbit_testkit::{Fixture, SqlFixture, Statements, Stop, Verdict, tables};
use sqlx::Connection;

use crate::common::{count, observer, reaching};

const SCRIPT_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn stopped(error: ServerError) -> Stop {
    match error {
        ServerError::Missing(why) => Stop::ignored(why),
        ServerError::Failed(why) => Stop::failed(why),
    }
}

fn source_type(case: &str) -> Option<&'static str> {
    Some(match case {
        "boolean" => "boolean",
        "int16" => "smallint",
        "int32" => "integer",
        "int64" => "bigint",
        "float32" => "real",
        "float64" => "double precision",
        "decimal" => "numeric(38,10)",
        "utf8" => "text",
        "binary" => "bytea",
        "date32" => "date",
        "time64_us" => "time",
        "timestamp_us" => "timestamp",
        "timestamp_us_utc" => "timestamp with time zone",
        _ => return None,
    })
}

/// A value as `psql` takes it, by means that share nothing with the backend.
fn written(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    if let Some(bytes) = array.as_binary_opt::<i32>() {
        let hex: String = bytes.value(row).iter().map(|b| format!("{b:02x}")).collect();
        return format!("'\\x{hex}'");
    }
    if let Some(text) = array.as_string_opt::<i32>() {
        return format!("'{}'", text.value(row).replace('\'', "''"));
    }
    if let Some(floats) = array.as_primitive_opt::<arrow_array::types::Float32Type>() {
        return format!("'{:?}'", floats.value(row)).replace("inf", "infinity");
    }
    if let Some(floats) = array.as_primitive_opt::<arrow_array::types::Float64Type>() {
        return format!("'{:?}'", floats.value(row)).replace("inf", "infinity");
    }
    if let Some(moments) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        let zone = if moments.timezone().is_some() { "+00" } else { "" };
        let plain = moments.clone().with_timezone_opt(None::<Arc<str>>);
        return format!(
            "'{}{zone}'",
            arrow_cast::display::array_value_to_string(&plain, row).unwrap()
        );
    }
    format!("'{}'", arrow_cast::display::array_value_to_string(array, row).unwrap())
}

fn fill(script: &mut String, table: &str, columns: &str, rows: &RecordBatch) {
    writeln!(script, "CREATE TABLE {table} ({columns});").unwrap();
    for row in 0..rows.num_rows() {
        let values: Vec<_> = rows.columns().iter().map(|c| written(c, row)).collect();
        writeln!(script, "INSERT INTO {table} VALUES ({});", values.join(", ")).unwrap();
    }
}

fn prepared(parent: &str, script: &mut String) -> Result<SqlFixture> {
    writeln!(script, "\\set ON_ERROR_STOP on\nCREATE SCHEMA {parent};").unwrap();
    let rows = tables::rows()?;
    let columns = "id bigint PRIMARY KEY, whole integer, big bigint, real double precision, \
                   money numeric(18,2), text text, flag boolean, day date, moment timestamp";
    fill(script, &format!("{parent}.rows"), columns, &rows);
    let mut fixture = SqlFixture {
        parent: vec![parent.to_owned()],
        rows: Some((TableName::new([parent, "rows"]), rows)),
        ..SqlFixture::default()
    };
    for case in tables::TYPES {
        let Some(source_type) = source_type(case) else { continue };
        let (table, rows) = (format!("type_{case}"), tables::types(case)?);
        let columns = format!("id bigint NOT NULL, value {source_type}");
        fill(script, &format!("{parent}.{table}"), &columns, &rows);
        fixture.types.insert(case, (TableName::new([parent, table.as_str()]), rows));
    }
    writeln!(script, "CREATE TABLE {parent}.written (n integer);").unwrap();
    writeln!(script, "INSERT INTO {parent}.written VALUES (1), (2), (3);\nANALYZE;").unwrap();
    Ok(fixture)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

fn statements(parent: &str) -> Statements {
    let answer = || {
        let words: ArrayRef = Arc::new(StringArray::from(vec![Some("a;b"), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2)]));
        batch(vec![("n", numbers), ("word", words)])
    };
    let hostile = "'; DROP TABLE x; -- \\' $1 $$";
    let parameters = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![-5])) as ArrayRef),
        ("b", Arc::new(StringArray::from(vec![hostile]))),
        ("c", Arc::new(Int64Array::from(vec![None]))),
    ]);
    Statements {
        read: Some((
            "SELECT n::bigint AS n, word FROM (VALUES (1, 'a;b'), (2, NULL)) AS v(n, word) -- all"
                .to_owned(),
            answer(),
        )),
        parameters: Some(("SELECT $1 AS a, $2 AS b, $3 AS c".to_owned(), parameters)),
        write: Some((format!("UPDATE {parent}.written SET n = n + 1"), 3)),
        two_results: Some("SELECT 1; SELECT 2".to_owned()),
    }
}

/// The fixture of the suite on `server`, which `first` prepares; `changed` settings choose how
/// it is reached, and `guard` lives as long.
pub(crate) async fn fixture(
    server: Postgres,
    first: &str,
    changed: Vec<(&'static str, String)>,
    refused: Vec<(Node, ErrorKind)>,
    guard: impl std::any::Any + Send + Sync,
) -> Verdict<Fixture> {
    let parent = "suite";
    let mut script = format!("{first}\n");
    let mut sql = prepared(parent, &mut script)?;
    server.run_script(&script, SCRIPT_LIMIT).await.map_err(stopped)?;
    sql.statements = statements(parent);
    let (port, user) = (server.port(), server.user());
    let slow = Query::statement("SELECT pg_sleep(100), 'behaviour-slow'", Effect::Read);
    let running = move || -> futures::future::BoxFuture<'static, Verdict<u64>> {
        Box::pin(async move {
            let failed = |e: sqlx::Error| Stop::failed(e.to_string());
            let mut connection = observer(port, user).await.map_err(failed)?;
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query \
                       LIKE '%behaviour-slow%' AND pid <> pg_backend_pid()";
            let running = count(&mut connection, sql).await.map_err(failed)?;
            connection.close().await.map_err(failed)?;
            Ok(u64::try_from(running).unwrap_or_default())
        })
    };
    sql.slow = Some((slow, Box::new(running)));
    Ok(Fixture {
        server: "PostgreSQL 15".to_owned(),
        settings: reaching(&server, changed),
        refused,
        sql: Some(sql),
        guard: Box::new((guard, server)),
    })
}
