//! What ends early leaves nothing at the source and right answers behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use orbit_core::{Context, Describe, Effect, Error, ErrorKind, Event, ListTables, Query, Reporter};
use orbit_testkit::servers::{Fault, Proxy, RedshiftWire};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use crate::common::observer;
use crate::staged::insert;
use crate::{Attempt, Stage, cx, first_number, gather, kind_of, read, rows, sql, table};

/// A COPY and a text stream dropped half way and a COPY that is refused leave a pool of one
/// connection that answers rightly.
pub(crate) async fn early_ends_leave_right_answers(stage: &Stage) -> Attempt {
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

pub(crate) async fn many_queries_on_few_connections(stage: &Stage) -> Attempt {
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

pub(crate) async fn cancelled_within_a_second(stage: &Stage) -> Attempt {
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

/// A cancel does not wait for a question that has the reserved connection for seconds.
pub(crate) async fn a_busy_side_delays_no_cancel(stage: &Stage) -> Attempt {
    let made = "CREATE TABLE weighed AS SELECT i::numeric(12, 2) AS weight \
                FROM generate_series(1, 20) AS i";
    stage.prepare(made).await;
    let slow = |sql: &str| {
        let asks = sql.contains("(a.attrelid = ");
        asks.then(|| format!("SELECT q.* FROM pg_sleep(30), ({sql}) AS q"))
    };
    let proxy = RedshiftWire::start_with(stage.server.port(), slow).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let begin = |text: &'static str| {
        let datasource = Arc::clone(&datasource);
        tokio::spawn(async move { rows(&datasource, text).await.map(drop) })
    };
    let busy = |mark: &str| {
        format!(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{mark}%' \
             AND pid <> pg_backend_pid()"
        )
    };
    let (side, statement) = (busy("pg_sleep(30), ("), busy("stop-me-meanwhile"));
    let asking = begin("SELECT weight FROM weighed");
    while stage.counted(&side).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = begin("SELECT pg_sleep(600), 'stop-me-meanwhile'");
    while stage.counted(&statement).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ensure!(!asking.is_finished(), "the reserved connection is free again");
    asked.abort();
    let begun = Instant::now();
    while stage.counted(&statement).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(1), "it works after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    asking.abort();
    Ok(datasource.close().await?)
}

/// A statement that outlives its first cancel is cancelled again.
pub(crate) async fn a_lost_cancel_is_sent_again(stage: &Stage) -> Attempt {
    let made = "CREATE FUNCTION outlive() RETURNS bigint LANGUAGE plpgsql AS $$ \
                BEGIN PERFORM pg_sleep(60); RETURN 1; \
                EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(60); RETURN 2; END $$";
    stage.prepare(made).await;
    let datasource = stage.connect(&[]).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                '%outlive()%' AND pid <> pg_backend_pid()";
    let asked = tokio::spawn({
        let datasource = Arc::clone(&datasource);
        async move { rows(&datasource, "SELECT outlive() AS a").await.map(drop) }
    });
    let sleeps = format!("{busy} AND wait_event = 'PgSleep'");
    while stage.counted(&sleeps).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    asked.abort();
    let begun = Instant::now();
    while stage.counted(busy).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(3), "it works after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(datasource.close().await?)
}

/// An insert that outlives its first cancel is cancelled again, also behind the proxy, where the
/// server does not look whether its client is there.
pub(crate) async fn a_lost_cancel_of_an_insert_is_sent_again(stage: &Stage) -> Attempt {
    let made = "CREATE TABLE stubborn (id bigint); \
                CREATE FUNCTION cling() RETURNS trigger LANGUAGE plpgsql AS $$ \
                BEGIN PERFORM pg_sleep(60); RETURN NEW; \
                EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(60); RETURN NEW; END $$; \
                CREATE TRIGGER clinging BEFORE INSERT ON stubborn \
                FOR EACH ROW EXECUTE FUNCTION cling()";
    stage.prepare(made).await;
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                '%\"stubborn\"%' AND pid <> pg_backend_pid()";
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("id", ids)])?;
    let asked = tokio::spawn({
        let datasource = Arc::clone(&datasource);
        async move { sql(&datasource).insert(&cx(), insert("stubborn", &batch)).await.map(drop) }
    });
    let sleeps = format!("{busy} AND wait_event = 'PgSleep'");
    while stage.counted(&sleeps).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    asked.abort();
    let begun = Instant::now();
    while stage.counted(busy).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(3), "it works after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(datasource.close().await?)
}

/// Questions to catalogs, and the columns of a statement, whose caller leaves are cancelled, also
/// behind the proxy, where the server does not look whether its client is there.
pub(crate) async fn abandoned_questions_are_cancelled(stage: &Stage) -> Attempt {
    stage.prepare_catalog().await;
    let slow = |sql: &str| {
        let asks = ["svv_all_tables", "svv_all_columns", "abandon-me"];
        let asks = asks.iter().any(|word| sql.contains(word));
        asks.then(|| format!("SELECT q.* FROM pg_sleep(500), ({sql}) AS q"))
    };
    let proxy = RedshiftWire::start_with(stage.server.port(), slow).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                '%pg_sleep(500), (%' AND pid <> pg_backend_pid()";
    let statement = || Query::statement("SELECT 'abandon-me' AS a", Effect::Read);
    for question in ["list", "describe", "query", "shape"] {
        let asked = tokio::spawn({
            let datasource = Arc::clone(&datasource);
            async move {
                let (sql, cx) = (sql(&datasource), cx());
                let describe = |query| Describe { query };
                match question {
                    "list" => sql.list(&cx, ListTables::default()).await.map(drop),
                    "describe" => sql.describe(&cx, describe(table("series"))).await.map(drop),
                    "query" => sql.query(&cx, table("series")).await.map(drop),
                    _ => sql.describe(&cx, describe(statement())).await.map(drop),
                }
            }
        });
        while stage.counted(busy).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        asked.abort();
        let begun = Instant::now();
        while stage.counted(busy).await > 0 {
            let waited = begun.elapsed();
            ensure!(waited < Duration::from_secs(1), "{question} is at work for {waited:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(datasource.close().await?)
}

/// The token stops a statement at the source also while nobody looks at its stream.
pub(crate) async fn a_stream_that_nobody_looks_at_is_ended(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[("application_name", "orbit-unseen")]).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orbit-unseen' \
                AND state = 'active' AND pid <> pg_backend_pid()";
    let token = tokio_util::sync::CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let mut stream = sql(&datasource).query(&cx, table("series")).await?;
    stream.next().await.ok_or("the stream is empty")??;
    ensure!(stage.counted(busy).await == 1, "the statement has ended before");
    token.cancel();
    let begun = Instant::now();
    while stage.counted(busy).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(2), "it is still at work");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kind = gather(stream).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Cancelled), "the stream ends as {kind:?}");
    Ok(datasource.close().await?)
}

struct Panics;

#[expect(clippy::panic, reason = "a caller's fault is what is tried")]
impl Reporter for Panics {
    fn report(&self, _: &str, event: Event) {
        if matches!(event, Event::Rows(_)) {
            panic!("a reporter panics");
        }
    }
}

/// Rows whose task is gone are not taken for all.
pub(crate) async fn a_task_that_is_gone_is_an_error(stage: &Stage) -> Attempt {
    let datasource = stage.connect(&[]).await?;
    let cx = Context::builder().reporter(Arc::new(Panics)).build();
    for query in [table("series"), Query::statement("SELECT 1", Effect::Read)] {
        let stream = sql(&datasource).query(&cx, query).await?;
        let kind = gather(stream).await.err().map(|e| e.kind());
        ensure!(kind == Some(ErrorKind::Unexpected), "a stream without a task ends as {kind:?}");
    }
    Ok(datasource.close().await?)
}

/// A panic over rows leaves no statement at work, also behind the proxy.
pub(crate) async fn a_panic_leaves_nothing_at_work(stage: &Stage) -> Attempt {
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let text = "SELECT i::bigint AS id, CASE WHEN i > 5000 THEN pg_sleep(60)::text END AS panicked \
                FROM generate_series(1, 5001) AS i";
    let cx = Context::builder().reporter(Arc::new(Panics)).build();
    let stream = sql(&datasource).query(&cx, Query::statement(text, Effect::Read)).await?;
    let kind = gather(stream).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Unexpected), "it ends as {kind:?}");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                '%AS panicked%' AND pid <> pg_backend_pid()";
    let begun = Instant::now();
    while stage.counted(busy).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(1), "it works after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(datasource.close().await?)
}

/// Closing waits so long for what is being cancelled, however silent the server is.
pub(crate) async fn closing_is_bounded(stage: &Stage) -> Attempt {
    stage.prepare("CREATE TABLE locked (id bigint)").await;
    let mut holder = observer(stage.server.port(), stage.server.user()).await?;
    let lock = "BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await?;
    let proxy = Proxy::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let settings = [("port", port.as_str()), ("application_name", "orbit-closing")];
    let datasource = stage.connect(&settings).await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orbit-closing' \
                   AND wait_event_type = 'Lock'";
    let asked: Vec<_> = (0..3)
        .map(|_| {
            let datasource = Arc::clone(&datasource);
            tokio::spawn(
                async move { sql(&datasource).query(&cx(), table("locked")).await.map(drop) },
            )
        })
        .collect();
    while stage.counted(waiting).await < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.plan(Fault::Silence, 0, 100);
    for asked in asked {
        asked.abort();
        ensure!(asked.await.is_err_and(|end| end.is_cancelled()), "the caller has not left");
    }
    let begun = Instant::now();
    let kind = datasource.close().await.err().map(|e| e.kind());
    ensure!(begun.elapsed() < Duration::from_secs(7), "closing took {:?}", begun.elapsed());
    ensure!(kind == Some(ErrorKind::Timeout), "what was not cancelled is told as {kind:?}");
    Ok(())
}

/// A connection that says nothing any more in mid-query: the deadline ends the wait, the server
/// is told to stop over another connection, and later queries are answered.
pub(crate) async fn a_silent_connection_is_bounded(stage: &Stage) -> Attempt {
    let proxy = Proxy::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let settings = [("port", port.as_str()), ("application_name", "orbit-silent")];
    let datasource = stage.connect(&settings).await?;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orbit-silent' \
                AND state = 'active' AND pid <> pg_backend_pid()";
    for query in [table("series"), Query::statement("SELECT * FROM series", Effect::Read)] {
        proxy.plan(Fault::Silence, 1 << 20, 1);
        let begun = Instant::now();
        let cx = Context::builder().timeout(Duration::from_secs(2)).build();
        let stream = sql(&datasource).query(&cx, query).await?;
        let kind = gather(stream).await.err().map(|e| e.kind());
        ensure!(proxy.done() == 1, "the connection was not silent");
        ensure!(kind == Some(ErrorKind::Timeout), "a silent connection ends as {kind:?}");
        ensure!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
        while stage.counted(busy).await > 0 {
            ensure!(begun.elapsed() < Duration::from_secs(9), "the server is still at work");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer = rows(&datasource, "SELECT 7::bigint").await?;
        ensure!(first_number(&answer) == Some(7), "the next answer is {answer:?}");
    }
    Ok(datasource.close().await?)
}

pub(crate) async fn an_exhausted_pool_says_so(stage: &Stage) -> Attempt {
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

pub(crate) async fn a_killed_server_process_is_an_error(stage: &Stage) -> Attempt {
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

pub(crate) async fn the_deadline_is_the_servers_too(stage: &Stage) -> Attempt {
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

/// An insert that nobody waits for any more is cancelled, also behind the proxy, where the server
/// does not look whether its client is there. It has the deadline too.
pub(crate) async fn an_abandoned_insert_is_ended(stage: &Stage) -> Attempt {
    stage.prepare("CREATE TABLE contested (id bigint)").await;
    let mut holder = observer(stage.server.port(), stage.server.user()).await?;
    let lock = "BEGIN; LOCK TABLE contested IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await?;
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                   '%\"contested\"%' AND pid <> pg_backend_pid()";
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("id", ids)])?;
    let asked = tokio::spawn({
        let (datasource, batch) = (Arc::clone(&datasource), batch.clone());
        async move { sql(&datasource).insert(&cx(), insert("contested", &batch)).await.map(drop) }
    });
    while stage.counted(waiting).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    asked.abort();
    let begun = Instant::now();
    while stage.counted(waiting).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(1), "it waits after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let soon = Context::builder().timeout(Duration::from_secs(1)).build();
    let late = sql(&datasource).insert(&soon, insert("contested", &batch)).await;
    let kind = late.as_ref().err().map(Error::kind);
    ensure!(kind == Some(ErrorKind::Timeout), "after the deadline it is {late:?}");
    drop(holder);
    let outcome = sql(&datasource).insert(&cx(), insert("contested", &batch)).await?;
    ensure!(outcome.rows_written == 1, "{outcome:?}");
    let rows = stage.counted("SELECT count(*) FROM contested").await;
    ensure!(rows == 1, "{rows} rows are there");
    Ok(datasource.close().await?)
}
