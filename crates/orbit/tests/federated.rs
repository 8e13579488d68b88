//! One statement over three kinds of source: PostgreSQL, Parquet in S3, and a Delta table in a
//! folder. What `explain` says is pushed is what the servers see, and a table that is read in
//! parts is the same table.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use futures::TryStreamExt;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use orbit::Orbit;
use orbit::core::Context;
use orbit::engine::{EngineOptions, Request};
use orbit_testkit::servers::{Postgres, S3s, ServerError};

/// Orders, of which the statement wants the last three that are open.
const TABLE: &str = "CREATE TABLE orders AS SELECT i::bigint AS id, (i % 300 + 1)::bigint AS customer, \
    (i * 7 % 300 + 1)::bigint AS part, CASE WHEN i % 2 = 0 THEN 'open' ELSE 'done' END AS status, \
    repeat('never read', 100) AS note FROM generate_series(1, 20000) AS i;\n\
    ALTER TABLE orders ADD PRIMARY KEY (id);\nANALYZE orders;\n\
    ALTER SYSTEM SET log_statement = 'all';\nSELECT pg_reload_conf();";

const STATEMENT: &str = "SELECT o.id, c.c_name, p.price FROM \
    (SELECT id, customer, part FROM books.public.orders WHERE status = 'open' \
     ORDER BY id DESC LIMIT 3) AS o \
    JOIN shop.customer AS c ON c.c_custkey = o.customer \
    JOIN lake.part_prices AS p ON p.p_partkey = o.part ORDER BY o.id";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trial = Trial::ignorable_test("three_kinds_of_source_in_one_statement", || {
        let runtime = tokio::runtime::Runtime::new()?;
        match runtime.block_on(servers()) {
            Ok((postgres, s3)) => {
                runtime.block_on(join(&postgres, &s3))?;
                runtime.block_on(in_parts(&postgres, &s3))?;
                runtime.block_on(released_when_open(&postgres, &s3))?;
                Ok(Completion::Completed)
            }
            Err(missing) => missing.completion(),
        }
    });
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

async fn servers() -> Result<(Postgres, S3s), ServerError> {
    let (postgres, s3) = (Postgres::start().await?, S3s::start().await?);
    postgres.run_script(TABLE, Duration::from_secs(60)).await?;
    Ok((postgres, s3))
}

fn sample_lake() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/sample-lake")
}

fn opened(postgres: &Postgres, s3: &S3s, engine: EngineOptions) -> orbit::core::Result<Orbit> {
    let (port, endpoint, lake) = (postgres.port().to_string(), s3.endpoint(), sample_lake());
    let books = [
        ("host", "127.0.0.1"),
        ("port", port.as_str()),
        ("database", "postgres"),
        ("username", postgres.user()),
        ("sslmode", "disable"),
    ];
    let shop = [
        ("bucket_name", S3s::BUCKET),
        ("endpoint_url", endpoint.as_str()),
        ("region", "us-east-1"),
        ("access_key", s3.access_key()),
        ("secret_key", s3.secret_key()),
    ];
    Orbit::builder()
        .engine(engine)
        .datasource("books", "redshift", books)
        .datasource("shop", "s3", shop)
        .datasource("lake", "local", [("path", lake.to_str().unwrap_or_default())])
        .open()
}

async fn join(postgres: &Postgres, s3: &S3s) -> Result<(), Failed> {
    let bucket = s3.root().join(S3s::BUCKET);
    std::fs::copy(sample_lake().join("customer.parquet"), bucket.join("customer.parquet"))?;
    let orbit = opened(postgres, s3, EngineOptions::default())?;
    let cx = Context::builder().timeout(Duration::from_secs(60)).build();
    let request = || Request { sql: STATEMENT.to_owned(), ..Request::default() };
    let explanation = orbit.engine().explain(&cx, request(), false).await?;
    let books = explanation.sources.iter().find(|source| source.datasource == "books");
    let books = books.ok_or("the plan does not read `books`")?;
    let pushed = books.pushed.join("\n");
    insta::assert_snapshot!(pushed, @r#"
    columns: id, customer, part
    filter: status = 'open'
    order: id desc nulls first
    limit: 3
    "#);
    let read = explanation.sources.iter().filter(|source| !source.is_query).count();
    if read != 2 {
        return Err(format!("files of {read} sources are read: {explanation:?}").into());
    }
    let batches: Vec<RecordBatch> =
        orbit.engine().query(&cx, request()).await?.try_collect().await?;
    insta::assert_snapshot!(shown(&batches)?, @r"
    19996 | Customer#000000197 | 1073.17
    19998 | Customer#000000199 | 1141.54
    20000 | Customer#000000201 | 1101.20
    ");
    orbit.close().await?;
    let log = postgres.log();
    let copies: Vec<_> =
        log.lines().filter(|line| line.contains("statement: COPY (SELECT")).collect();
    let sent = copies.iter().filter_map(|line| Some(line.split_once("statement: ")?.1));
    insta::assert_snapshot!(sent.collect::<Vec<_>>().join("\n"), @r#"COPY (SELECT "id", "customer", "part" FROM "public"."orders" WHERE "status" COLLATE "C" = 'open' ORDER BY "id" DESC NULLS FIRST LIMIT 3) TO STDOUT (FORMAT binary)"#);
    Ok(())
}

/// Ranges of the key, on as many connections, are the whole table.
async fn in_parts(postgres: &Postgres, s3: &S3s) -> Result<(), Failed> {
    let options = EngineOptions { source_partitions_max: 4, ..EngineOptions::default() };
    let orbit = opened(postgres, s3, options)?;
    let cx = Context::builder().timeout(Duration::from_secs(60)).build();
    let sql = "SELECT count(*), count(DISTINCT id), sum(id) FROM books.public.orders \
               WHERE status = 'open'";
    let request = || Request { sql: sql.to_owned(), ..Request::default() };
    let explanation = orbit.engine().explain(&cx, request(), false).await?;
    let reads: Vec<_> = explanation.sources.iter().map(|source| source.reads.as_str()).collect();
    insta::assert_snapshot!(reads.join("\n"), @"up to 4 parts at once, of one snapshot");
    let batches: Vec<RecordBatch> =
        orbit.engine().query(&cx, request()).await?.try_collect().await?;
    insta::assert_snapshot!(shown(&batches)?, @"10000 | 10000 | 100010000");
    orbit.close().await?;
    let log = postgres.log();
    let is_range = |line: &&str| line.contains(r#""id" >= "#) || line.contains(r#""id" < "#);
    let ranges = log.lines().filter(|line| line.contains("statement: COPY (SELECT"));
    let ranges = ranges.filter(is_range).count();
    if ranges != 4 {
        return Err(format!("{ranges} ranges were read").into());
    }
    Ok(())
}

/// The source keeps a snapshot until all parts are open, and not until the last row is read.
async fn released_when_open(postgres: &Postgres, s3: &S3s) -> Result<(), Failed> {
    let options = EngineOptions { source_partitions_max: 4, ..EngineOptions::default() };
    let orbit = opened(postgres, s3, options)?;
    let cx = Context::builder().timeout(Duration::from_secs(60)).build();
    let sql = "SELECT id, note FROM books.public.orders".to_owned();
    let mut rows = orbit.engine().query(&cx, Request { sql, ..Request::default() }).await?;
    let first = rows.try_next().await?.ok_or("there is no row")?;
    let kept = "SELECT 'kept: ' || count(*) FROM pg_stat_activity \
                WHERE state = 'idle in transaction' AND query LIKE '%pg_export_snapshot%';";
    let begun = Instant::now();
    while !postgres.run_script(kept, Duration::from_secs(10)).await?.contains("kept: 0") {
        if begun.elapsed() > Duration::from_secs(5) {
            return Err("the snapshot is kept while rows are read".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rest: Vec<RecordBatch> = rows.try_collect().await?;
    let count = rest.iter().map(RecordBatch::num_rows).sum::<usize>() + first.num_rows();
    if count != 20_000 {
        return Err(format!("{count} rows were read").into());
    }
    Ok(orbit.close().await?)
}

fn shown(batches: &[RecordBatch]) -> Result<String, Failed> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            let values = columns.map(|column| array_value_to_string(column, row));
            lines.push(values.collect::<Result<Vec<_>, _>>()?.join(" | "));
        }
    }
    Ok(lines.join("\n"))
}
