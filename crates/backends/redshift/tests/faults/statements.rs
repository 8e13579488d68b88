//! Statements of a caller do what they may and nothing else.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;
use orbit_core::{Effect, ErrorKind, Query};
use orbit_testkit::servers::RedshiftWire;

use crate::{Attempt, Stage, cx, first_number, gather, kind_of, read, rows, sql};

pub(crate) async fn session_settings_do_not_leak(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[("connection_pool_size", "1")]).await?;
    let set = "SELECT set_config('search_path', 'pg_catalog', false), \
               set_config('standard_conforming_strings', 'off', false), \
               set_config('bytea_output', 'escape', false)";
    rows(&datasource, set).await?;
    let told = "SELECT (current_setting('search_path') || current_setting('bytea_output') \
                || current_setting('standard_conforming_strings')) = 'publichexon' AS same";
    let answer = rows(&datasource, told).await?;
    let same = answer.first().is_some_and(|batch| batch.column(0).as_boolean().value(0));
    ensure!(same, "a setting of another query is seen");
    Ok(datasource.close().await?)
}

pub(crate) async fn statements_do_not_write_unless_they_may(stage: &Stage) -> Attempt {
    stage
        .prepare(
            "CREATE TABLE kept (n bigint); INSERT INTO kept VALUES (1); \
                   CREATE SEQUENCE counted",
        )
        .await;
    let datasource = stage.connect(&[]).await?;
    for text in [
        "DELETE FROM kept",
        "WITH gone AS (DELETE FROM kept RETURNING n) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM kept",
        "SELECT nextval('counted')",
        "SELECT set_config('transaction_read_only', 'off', true), lo_create(0)",
        "SELECT n INTO copied FROM kept",
    ] {
        let kind = kind_of(&datasource, text, Effect::Read).await;
        let refused = [Some(ErrorKind::PermissionDenied), Some(ErrorKind::QueryInvalid)];
        ensure!(refused.contains(&kind), "{text} ends as {kind:?}");
    }
    ensure!(stage.counted("SELECT count(*) FROM kept").await == 1, "a row is gone");
    for text in ["ANALYZE DELETE FROM kept", "(ANALYZE) DELETE FROM kept"] {
        let estimate = Query::statement(text, Effect::Write);
        let estimate = sql(&datasource).estimate(&cx(), estimate).await;
        ensure!(estimate.is_err(), "{text} is estimated as {estimate:?}");
    }
    ensure!(stage.counted("SELECT count(*) FROM kept").await == 1, "a row is gone by EXPLAIN");
    let gone = "WITH gone AS (DELETE FROM kept RETURNING n) SELECT * FROM gone";
    let answer = read(&datasource, Query::statement(gone, Effect::Write)).await?;
    ensure!(first_number(&answer) == Some(1), "what was deleted is not told: {answer:?}");
    Ok(datasource.close().await?)
}

/// Redshift's words for its own limit of time are those for a cancel.
pub(crate) async fn the_limit_of_redshift_is_a_timeout(stage: &Stage) -> Attempt {
    let made = "CREATE FUNCTION give_up(seconds double precision) RETURNS bigint LANGUAGE plpgsql \
                AS $$ BEGIN PERFORM pg_sleep(seconds); \
                RAISE EXCEPTION 'Query (150) cancelled on user''s request' \
                USING ERRCODE = 'query_canceled'; END $$";
    stage.prepare(made).await;
    // PostgreSQL has other words for it, so that it is not told the limit.
    let unlimited = |sql: &str| {
        let limit = "statement_timeout TO 2000";
        sql.contains(limit).then(|| sql.replace(limit, "statement_timeout TO 0"))
    };
    let proxy = RedshiftWire::start_with(stage.server.port(), unlimited).await?;
    let port = proxy.port().to_string();
    let settings = [("port", port.as_str()), ("statement_timeout_ms", "2000")];
    let datasource = stage.connect(&settings).await?;
    for (seconds, expected) in [("2.1", ErrorKind::Timeout), ("0", ErrorKind::Cancelled)] {
        let text = format!("SELECT give_up({seconds}) AS a");
        let kind = kind_of(&datasource, &text, Effect::Read).await;
        ensure!(kind == Some(expected), "after {seconds} s it is {kind:?}");
    }
    Ok(datasource.close().await?)
}

pub(crate) async fn hostile_parameters_come_back(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    for text in [
        "'",
        "''",
        "\\",
        "\\'",
        "'; DROP TABLE kept; --",
        "$1",
        "$$",
        "/*",
        "--",
        "\n",
        "E'\\''",
        "\u{2019}",
        "日本",
        "\u{1}",
        "%s",
        "${HOME}",
        "'||version()||'",
        "\\\\'; SELECT 1; --",
    ] {
        let value: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let row = RecordBatch::try_from_iter([("p", value)]).map_err(|e| e.to_string())?;
        let statement = "SELECT $1 AS p /* $2 */ WHERE '$3' <> $1 -- $4";
        let query = Query { parameters: Some(row), ..Query::statement(statement, Effect::Read) };
        let answer = read(&datasource, query).await?;
        let got =
            answer.first().map(|batch| batch.column(0).as_string::<i32>().value(0).to_owned());
        ensure!(got.as_deref() == Some(text), "{text:?} comes back as {got:?}");
    }
    let value: ArrayRef = Arc::new(StringArray::from(vec!["a\0b"]));
    let row = RecordBatch::try_from_iter([("p", value)]).map_err(|e| e.to_string())?;
    let query = Query { parameters: Some(row), ..Query::statement("SELECT $1", Effect::Read) };
    let kind = read(&datasource, query).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::QueryInvalid), "a NUL ends as {kind:?}");
    Ok(datasource.close().await?)
}

pub(crate) async fn more_than_one_statement_is_not_sent(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    for text in [
        "SELECT 1; SELECT 2",
        "SELECT 'a\\'; CREATE TABLE smuggled (n integer); --'",
        "SELECT $a$;$a$; CREATE TABLE smuggled (n integer)",
        "SELECT 1 /* /* */ ; */ ; CREATE TABLE smuggled (n integer)",
        "SELECT 1\0; CREATE TABLE smuggled (n integer)",
        "SELECT 'open",
        "",
        ";",
    ] {
        let kind = kind_of(&datasource, text, Effect::Write).await;
        ensure!(kind == Some(ErrorKind::QueryInvalid), "{text:?} ends as {kind:?}");
    }
    let smuggled = stage.counted("SELECT count(*) FROM pg_class WHERE relname = 'smuggled'").await;
    ensure!(smuggled == 0, "a second statement ran");
    Ok(datasource.close().await?)
}

/// The catalog is asked for the columns of the first row, which may take longer than rows wait
/// before they are handed on.
pub(crate) async fn a_slow_catalog_loses_no_row(stage: &Stage) -> Attempt {
    let made = "CREATE TABLE priced AS SELECT i::numeric(12, 2) AS price \
                FROM generate_series(1, 20) AS i";
    stage.prepare(made).await;
    let slow = |sql: &str| {
        let asks = sql.contains("(a.attrelid = ");
        asks.then(|| format!("SELECT q.* FROM ({sql}) AS q, pg_sleep(0.5)"))
    };
    let proxy = RedshiftWire::start_with(stage.server.port(), slow).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let answer = rows(&datasource, "SELECT price FROM priced").await?;
    let count: usize = answer.iter().map(RecordBatch::num_rows).sum();
    ensure!(count == 20, "{count} rows of 20");
    let precise = answer
        .iter()
        .all(|batch| matches!(batch.schema().field(0).data_type(), DataType::Decimal128(12, 2)));
    ensure!(precise, "the catalog was not asked: {answer:?}");
    Ok(datasource.close().await?)
}

pub(crate) async fn statement_results_without_rows_have_columns(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    let text = "SELECT 1::bigint AS a, 'x'::text AS b WHERE false -- none";
    let stream = sql(&datasource).query(&cx(), Query::statement(text, Effect::Read)).await?;
    let names: Vec<_> = stream.schema().fields().iter().map(ToString::to_string).collect();
    ensure!(names.len() == 2 && gather(stream).await?.is_empty(), "the columns are {names:?}");
    Ok(datasource.close().await?)
}
