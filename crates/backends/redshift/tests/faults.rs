//! What goes wrong, on a PostgreSQL of the tests' own: each ends in a clear error in bounded
//! time, or in the right result.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use futures::{StreamExt, TryStreamExt};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use orbit_core::{
    BatchStream, Context, Datasource, Effect, ErrorKind, KeyPath, Query, Result, Settings, Sources,
    SqlDatasource, TableName, TableRef,
};
use orbit_testkit::servers::Postgres;
use tokio::runtime::Runtime;

use common::{count, observer, reaching};

struct Stage {
    server: Postgres,
    runtime: Runtime,
}

type Attempt = std::result::Result<(), Failed>;

/// Ends the trial as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().unwrap();
    let started = runtime.block_on(Postgres::start());
    let stage = match started {
        Ok(server) => Ok(Arc::new(Stage { server, runtime })),
        Err(error) => Err(error),
    };
    macro_rules! trials {
        ($($name:ident),* $(,)?) => {
            vec![$({
                let stage = stage.clone();
                Trial::ignorable_test(stringify!($name), move || match &stage {
                    Ok(stage) => {
                        stage.runtime.block_on(async {
                            let limit = Duration::from_secs(60);
                            tokio::time::timeout(limit, $name(stage)).await
                        })??;
                        Ok(Completion::Completed)
                    }
                    Err(missing) => missing.completion(),
                })
            }),*]
        };
    }
    let tests = trials![
        early_ends_leave_right_answers,
        many_queries_on_few_connections,
        cancelled_within_a_second,
        an_exhausted_pool_says_so,
        session_settings_do_not_leak,
        statements_do_not_write_unless_they_may,
        hostile_parameters_come_back,
        more_than_one_statement_is_not_sent,
        wide_tables_and_long_texts,
        values_that_arrow_cannot_hold,
        types_beyond_the_suite,
        computed_numbers_are_exact,
        a_killed_server_process_is_an_error,
        a_silent_server_is_bounded,
        the_deadline_is_the_servers_too,
        statement_results_without_rows_have_columns,
    ];
    let conclusion = libtest_mimic::run(&arguments, tests);
    conclusion.exit_code()
}

impl Stage {
    async fn connect(&self, changed: &[(&'static str, &str)]) -> Result<Arc<dyn Datasource>> {
        let changed = changed.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let node = reaching(&self.server, changed);
        let settings = Settings::new(KeyPath::new("datasources.t"), node);
        let config = (orbit_redshift::BACKEND.parse)(&settings).map_err(|problems| {
            orbit_core::Error::new(ErrorKind::ConfigInvalid, format!("{problems:?}"))
        })?;
        config.connect(&cx(), &Sources::none()).await
    }

    /// Runs statements by means of the server's own.
    async fn prepare(&self, sql: &str) {
        let mut connection = observer(self.server.port(), self.server.user()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    async fn counted(&self, sql: &str) -> i64 {
        let mut connection = observer(self.server.port(), self.server.user()).await.unwrap();
        count(&mut connection, sql).await.unwrap()
    }
}

fn cx() -> Context {
    Context::builder().timeout(Duration::from_secs(60)).build()
}

fn sql(datasource: &Arc<dyn Datasource>) -> &dyn SqlDatasource {
    datasource.facets().sql.unwrap()
}

fn table(name: &str) -> Query {
    Query::table(TableRef::new(TableName::new(["public", name])))
}

async fn gather(stream: BatchStream) -> Result<Vec<RecordBatch>> {
    stream.try_collect().await
}

async fn read(datasource: &Arc<dyn Datasource>, query: Query) -> Result<Vec<RecordBatch>> {
    gather(sql(datasource).query(&cx(), query).await?).await
}

async fn rows(datasource: &Arc<dyn Datasource>, text: &str) -> Result<Vec<RecordBatch>> {
    read(datasource, Query::statement(text, Effect::Read)).await
}

async fn kind_of(
    datasource: &Arc<dyn Datasource>,
    text: &str,
    effect: Effect,
) -> Option<ErrorKind> {
    read(datasource, Query::statement(text, effect)).await.err().map(|error| error.kind())
}

fn first_number(batches: &[RecordBatch]) -> Option<i64> {
    batches.first().map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0))
}

const SERIES: &str = "CREATE TABLE IF NOT EXISTS series AS SELECT i::bigint AS id, repeat('x', \
                      100) AS text FROM generate_series(1, 300000) AS i";

/// A COPY and a text stream dropped half way and a COPY that is refused leave a pool of one
/// connection that answers rightly.
async fn early_ends_leave_right_answers(stage: &Stage) -> Attempt {
    stage.prepare(SERIES).await;
    stage.prepare("CREATE TABLE broken AS SELECT 1::bigint AS id; CREATE VIEW failing AS SELECT 1 / (id - 1) AS id FROM broken").await;
    let datasource = stage.connect(&[("connection_pool_size", "1")]).await?;
    for query in [table("series"), Query::statement("SELECT * FROM series", Effect::Read)] {
        let mut stream = sql(&datasource).query(&cx(), query).await?;
        stream.next().await.ok_or("the stream is empty")??;
        drop(stream);
    }
    let refused = read(&datasource, table("failing")).await;
    ensure!(refused.is_err(), "a division by zero answers {refused:?}");
    for i in 0..100_i64 {
        let answer = rows(&datasource, &format!("SELECT {i}::bigint")).await?;
        ensure!(first_number(&answer) == Some(i), "answer {i} is {answer:?}");
    }
    Ok(datasource.close().await?)
}

async fn many_queries_on_few_connections(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[("application_name", "orbit-many")]).await?;
    let all = (0..200_i64).map(|i| {
        let datasource = Arc::clone(&datasource);
        tokio::spawn(async move {
            let text = format!("SELECT {i}::bigint, pg_sleep(0.01)::text");
            rows(&datasource, &text).await.map(|answer| first_number(&answer) == Some(i))
        })
    });
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orbit-many'";
    for right in futures::future::join_all(all).await {
        ensure!(right.map_err(|e| e.to_string())??, "an answer is another query's");
    }
    let connections = stage.counted(open).await;
    ensure!(connections <= 11, "{connections} connections for a pool of 10");
    let panicked = tokio::spawn({
        let datasource = Arc::clone(&datasource);
        async move {
            let (query, cx) = (Query::statement("SELECT pg_sleep(50)", Effect::Read), cx());
            let stream = sql(&datasource).query(&cx, query);
            tokio::select! {
                _ = stream => {},
                () = tokio::time::sleep(Duration::from_millis(200)) => panic!("a reader panics"),
            }
        }
    });
    ensure!(panicked.await.is_err(), "the reader did not panic");
    datasource.close().await?;
    for _ in 0..50 {
        if stage.counted(open).await == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("connections are left after closing".into())
}

async fn cancelled_within_a_second(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                '%cancel-me%' AND pid <> pg_backend_pid()";
    let query = || Query::statement("SELECT pg_sleep(600), 'cancel-me'", Effect::Read);
    for way in ["drop", "token", "deadline"] {
        let token = tokio_util::sync::CancellationToken::new();
        let context = Context::builder().cancellation(token.clone());
        let context = match way {
            "deadline" => context.timeout(Duration::from_millis(1500)).build(),
            _ => context.build(),
        };
        let asked = {
            let datasource = Arc::clone(&datasource);
            tokio::spawn(async move { sql(&datasource).query(&context, query()).await.map(drop) })
        };
        while stage.counted(busy).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match way {
            "drop" => asked.abort(),
            "token" => token.cancel(),
            _ => drop(asked.await),
        }
        let begun = Instant::now();
        while stage.counted(busy).await > 0 {
            let waited = begun.elapsed();
            ensure!(waited < Duration::from_secs(1), "after {way} it is at work for {waited:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(datasource.close().await?)
}

async fn an_exhausted_pool_says_so(stage: &Stage) -> Attempt {
    stage.prepare(SERIES).await;
    let settings = [("connection_pool_size", "1"), ("acquire_timeout_ms", "300")];
    let datasource = stage.connect(&settings).await?;
    let held = sql(&datasource).query(&cx(), table("series")).await?;
    let kind = kind_of(&datasource, "SELECT 1", Effect::Read).await;
    ensure!(kind == Some(ErrorKind::ResourceExhausted), "it is {kind:?}");
    drop(held);
    let begun = Instant::now();
    while let Err(error) = rows(&datasource, "SELECT 1").await {
        ensure!(begun.elapsed() < Duration::from_secs(5), "the connection is not free: {error}");
    }
    Ok(datasource.close().await?)
}

async fn session_settings_do_not_leak(stage: &Stage) -> Attempt {
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

async fn statements_do_not_write_unless_they_may(stage: &Stage) -> Attempt {
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
    let gone = "WITH gone AS (DELETE FROM kept RETURNING n) SELECT * FROM gone";
    let answer = read(&datasource, Query::statement(gone, Effect::Write)).await?;
    ensure!(first_number(&answer) == Some(1), "what was deleted is not told: {answer:?}");
    Ok(datasource.close().await?)
}

async fn hostile_parameters_come_back(stage: &Stage) -> Attempt {
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

async fn more_than_one_statement_is_not_sent(stage: &Stage) -> Attempt {
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

async fn wide_tables_and_long_texts(stage: &Stage) -> Attempt {
    let columns: Vec<_> = (0..1600).map(|i| format!("c{i} smallint")).collect();
    let values: Vec<_> = (0..1600).map(|i| i.to_string()).collect();
    stage
        .prepare(&format!(
            "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({}); \
         CREATE TABLE long AS SELECT repeat('é', 50000000) AS text",
            columns.join(", "),
            values.join(", ")
        ))
        .await;
    let datasource = stage.connect(&[]).await?;
    for query in [table("wide"), Query::statement("SELECT * FROM wide", Effect::Read)] {
        let answer = read(&datasource, query).await?;
        let last = answer.first().map(|b| b.column(1599).as_primitive::<Int16Type>().value(0));
        ensure!(last == Some(1599), "the last of 1,600 columns is {last:?}");
    }
    for query in [table("long"), Query::statement("SELECT * FROM long", Effect::Read)] {
        let answer = read(&datasource, query).await?;
        let bytes = answer.first().map(|b| b.column(0).as_string::<i32>().value(0).len());
        ensure!(bytes == Some(100_000_000), "a text of 100 MB has {bytes:?} bytes");
    }
    Ok(datasource.close().await?)
}

async fn values_that_arrow_cannot_hold(stage: &Stage) -> Attempt {
    let cases = [
        ("date", "infinity"),
        ("timestamp", "-infinity"),
        ("numeric(5,2)", "NaN"),
        ("time", "24:00:00"),
        ("timestamp", "294276-12-31 23:59:59"),
        ("interval", "300000 years 99999999 hours"),
    ];
    let datasource = stage.connect(&[]).await?;
    for (i, (of, value)) in cases.iter().enumerate() {
        stage.prepare(&format!("CREATE TABLE odd{i} AS SELECT '{value}'::{of} AS v")).await;
        let by_text = format!("SELECT * FROM odd{i}");
        for query in [table(&format!("odd{i}")), Query::statement(by_text, Effect::Read)] {
            let kind = read(&datasource, query).await.err().map(|e| e.kind());
            ensure!(kind == Some(ErrorKind::DataInvalid), "{value} as {of} ends as {kind:?}");
        }
    }
    Ok(datasource.close().await?)
}

/// Both ways to read a table answer the same, and as the server writes it.
async fn types_beyond_the_suite(stage: &Stage) -> Attempt {
    stage
        .prepare(
            "CREATE DOMAIN money_of_ours AS numeric(12,3); CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE types AS SELECT 1.5::numeric(38,37) AS a, 0.000100::numeric AS b, \
         '12:34:56.789+02'::timetz AS c, '1 year 2 mons -3 days 04:05:06.5'::interval AS d, \
         '{\"a\": 1}'::json AS e, '0044-03-15 BC'::date AS f, 'ab'::char(4) AS g, \
         '00000000-0000-0000-0000-000000000001'::uuid AS h, ARRAY[1, NULL] AS i, 'ok'::mood AS j, \
         7.125::money_of_ours AS k, 4294967295::oid AS l, 'n'::name AS m, 'x'::\"char\" AS n, \
         '5874897-12-31'::date AS o, 99999999999999999999999999999999999999::numeric(38,0) AS p, \
         -0.01::numeric(4,2) AS q, '10000-01-01 00:00:00+00'::timestamptz AS r",
        )
        .await;
    let datasource = stage.connect(&[]).await?;
    let by_copy = read(&datasource, table("types")).await?;
    let by_text = rows(&datasource, "SELECT * FROM types").await?;
    let shown = |batches: &[RecordBatch]| {
        let batch = batches.first().unwrap();
        let value = |column: &ArrayRef| {
            let text = match column.data_type() {
                arrow_schema::DataType::Timestamp(unit, _) => {
                    let plain = arrow_schema::DataType::Timestamp(*unit, None);
                    let column = arrow_cast::cast(
                        &arrow_cast::cast(column, &arrow_schema::DataType::Int64).unwrap(),
                        &plain,
                    );
                    arrow_cast::display::array_value_to_string(&column.unwrap(), 0)
                }
                _ => arrow_cast::display::array_value_to_string(column, 0),
            };
            text.unwrap()
        };
        let fields = batch.schema();
        let line = |(i, column): (usize, &ArrayRef)| {
            let field = fields.field(i);
            let marker = field.metadata().get("orbit.source_type").cloned().unwrap_or_default();
            format!("{} {} {marker}: {:?}\n", field.name(), field.data_type(), value(column))
        };
        batch.columns().iter().enumerate().map(line).collect::<String>()
    };
    insta::assert_snapshot!("types_by_copy", shown(&by_copy));
    insta::assert_snapshot!("types_by_text", shown(&by_text));
    Ok(datasource.close().await?)
}

/// A scale that the driver hides is looked up, or the text is exact; a planned one is kept.
async fn computed_numbers_are_exact(stage: &Stage) -> Attempt {
    stage.prepare("CREATE TABLE prices AS SELECT 1.10::numeric(18,2) AS price").await;
    let datasource = stage.connect(&[]).await?;
    let answer = rows(&datasource, "SELECT price, price / 3 AS third FROM prices").await?;
    let schema = answer.first().ok_or("no row")?.schema();
    let types: Vec<_> = schema.fields().iter().map(|f| f.data_type().to_string()).collect();
    ensure!(types == ["Decimal128(18, 2)", "Utf8"], "the types are {types:?}");
    let planned = |scale| {
        let data_type = arrow_schema::DataType::Decimal128(18, scale);
        let field = arrow_schema::Field::new("price", data_type, true);
        Some(Arc::new(arrow_schema::Schema::new(vec![field])))
    };
    for (scale, fits) in [(2, true), (4, true), (1, true), (0, false)] {
        for query in [table("prices"), Query::statement("SELECT price FROM prices", Effect::Read)] {
            let answer = read(&datasource, Query { schema: planned(scale), ..query }).await;
            ensure!(answer.is_ok() == fits, "scale {scale}: {answer:?}");
        }
    }
    Ok(datasource.close().await?)
}

async fn a_killed_server_process_is_an_error(stage: &Stage) -> Attempt {
    stage.prepare(SERIES).await;
    let datasource = stage.connect(&[("application_name", "orbit-killed")]).await?;
    for query in [table("series"), Query::statement("SELECT * FROM series", Effect::Read)] {
        let mut stream = sql(&datasource).query(&cx(), query).await?;
        stream.next().await.ok_or("the stream is empty")??;
        stage
            .counted(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE \
                       application_name = 'orbit-killed'",
            )
            .await;
        let mut ended = None;
        while let Some(item) = stream.next().await {
            ended = item.err();
        }
        let kind = ended.map(|e| e.kind());
        ensure!(kind == Some(ErrorKind::Unavailable), "a killed stream ends as {kind:?}");
        rows(&datasource, "SELECT 1").await?;
    }
    Ok(datasource.close().await?)
}

/// A server that takes the connection and says nothing.
async fn a_silent_server_is_bounded(stage: &Stage) -> Attempt {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port().to_string();
    let begun = Instant::now();
    let settings = [("port", port.as_str()), ("connect_timeout_ms", "300")];
    let kind = stage.connect(&settings).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Unavailable), "it is {kind:?}");
    ensure!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    Ok(())
}

async fn the_deadline_is_the_servers_too(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[("statement_timeout_ms", "300")]).await?;
    let query = Query::statement("SELECT pg_sleep(60)", Effect::Read);
    let bare = Context::builder().build();
    let kind = match sql(&datasource).query(&bare, query).await {
        Ok(stream) => gather(stream).await.err(),
        Err(error) => Some(error),
    };
    let kind = kind.map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Timeout), "it is {kind:?}");
    let left = rows(&datasource, "SELECT current_setting('statement_timeout')").await?;
    let left = left.first().map(|b| b.column(0).as_string::<i32>().value(0).to_owned());
    ensure!(left.as_deref().is_some_and(|t| t.ends_with("ms")), "the server's limit is {left:?}");
    Ok(datasource.close().await?)
}

async fn statement_results_without_rows_have_columns(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    let text = "SELECT 1::bigint AS a, 'x'::text AS b WHERE false -- none";
    let stream = sql(&datasource).query(&cx(), Query::statement(text, Effect::Read)).await?;
    let names: Vec<_> = stream.schema().fields().iter().map(|f| f.to_string()).collect();
    ensure!(names.len() == 2 && gather(stream).await?.is_empty(), "the columns are {names:?}");
    Ok(datasource.close().await?)
}
