//! A stream ends when it is told to, says so in an error item, and keeps its schema.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema};
use futures::StreamExt;
use orbit_core::{Context, Error, ErrorKind, Query, Reporter, TableRef, Tally};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::check::{fails, gather};
use super::rows::same_rows;
use super::{ensure, group};
use crate::bench::Bench;
use crate::subject::{Running, Stop, Verdict};

/// How soon a stopped statement must have ended at the source.
const STOP_MAX: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_millis(300);

group! { "stream":
    dropping_stops_the_work ["sql.query"];
    token_ends_in_an_error ["sql.query"];
    deadline_ends_in_an_error ["sql.query"];
    cancel_by_id_ends_in_an_error ["sql.query", "sql.cancel"];
    cancel_of_an_ended_statement_is_no_error ["sql.query", "sql.cancel"];
    planned_schema_is_delivered ["sql.query"];
    other_schema_is_refused ["sql.query"];
    statement_id_is_told ["sql.query", "sql.cancel"];
}

/// The slow query, alone: others of this subject wait.
async fn slow(bench: &Bench) -> Verdict<(&Query, Working<'_>)> {
    let Some((query, running)) = &bench.sql_fixture().await?.slow else {
        return Err(Stop::ignored("the fixture has no slow query"));
    };
    let alone = bench.alone().await;
    let before = running().await?;
    Ok((query, Working { running, before, _alone: alone }))
}

struct Working<'a> {
    running: &'a Running,
    before: u64,
    _alone: tokio::sync::MutexGuard<'a, ()>,
}

impl Working<'_> {
    async fn begins(&self) -> Verdict {
        self.becomes(self.before + 1, "the slow query does not begin").await
    }

    async fn ends(&self) -> Verdict {
        self.becomes(self.before, "the statement is still at work at the source").await
    }

    async fn becomes(&self, count: u64, otherwise: &str) -> Verdict {
        let wait = async {
            while (self.running)().await? != count {
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(STOP_MAX, wait).await.unwrap_or_else(|_| Err(Stop::failed(otherwise)))
    }
}

/// Reads until the error in which it must end, after which nothing may follow.
async fn read_to_error(bench: &Bench, cx: &Context, query: &Query) -> Verdict<Error> {
    let mut stream = match bench.sql()?.query(cx, query.clone()).await {
        Ok(stream) => stream,
        Err(error) => return Ok(error),
    };
    while let Some(item) = stream.next().await {
        if let Err(error) = item {
            let after = stream.next().await;
            ensure!(after.is_none(), "after its error the stream goes on with {after:?}");
            return Ok(error);
        }
    }
    Err(Stop::failed("the stream ended without an error item"))
}

async fn dropping_stops_the_work(bench: &Bench) -> Verdict {
    let (query, working) = slow(bench).await?;
    let cx = bench.cx();
    {
        let read = read_to_error(bench, &cx, query);
        tokio::pin!(read);
        tokio::select! {
            ended = &mut read => {
                return Err(Stop::failed(format!("the slow query ended by itself: {ended:?}")));
            }
            begun = working.begins() => begun?,
        }
    }
    working.ends().await
}

async fn token_ends_in_an_error(bench: &Bench) -> Verdict {
    let (query, working) = slow(bench).await?;
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let cancel = async {
        working.begins().await?;
        token.cancel();
        Verdict::Ok(())
    };
    let read = timeout(2 * STOP_MAX, read_to_error(bench, &cx, query));
    let (read, begun) = tokio::join!(read, cancel);
    begun?;
    let error = read.map_err(|_| Stop::failed("the token does not end the stream"))??;
    fails::<()>(Err(error), &[ErrorKind::Cancelled])?;
    working.ends().await
}

async fn deadline_ends_in_an_error(bench: &Bench) -> Verdict {
    let (query, working) = slow(bench).await?;
    let cx = Context::builder().timeout(A_WHILE).build();
    let read = timeout(2 * STOP_MAX, read_to_error(bench, &cx, query)).await;
    let error = read.map_err(|_| Stop::failed("the deadline does not end the stream"))??;
    fails::<()>(Err(error), &[ErrorKind::Timeout])?;
    working.ends().await
}

/// A context that tells the ids of the statements run under it.
fn told() -> (Context, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = tally.clone();
    let cx = Context::builder().timeout(crate::bench::TRIAL_TIMEOUT).reporter(reporter).build();
    (cx, tally)
}

fn statement_id(tally: &Tally) -> Verdict<String> {
    let id = tally.snapshot().into_values().find_map(|t| t.statements.into_iter().next());
    id.ok_or_else(|| Stop::failed("the reporter is not told the statement's id"))
}

async fn cancel_by_id_ends_in_an_error(bench: &Bench) -> Verdict {
    let (query, working) = slow(bench).await?;
    let (cx, tally) = told();
    let cancel = async {
        working.begins().await?;
        bench.sql()?.cancel(&bench.cx(), &statement_id(&tally)?).await?;
        Verdict::Ok(())
    };
    let read = timeout(2 * STOP_MAX, read_to_error(bench, &cx, query));
    let (read, cancelled) = tokio::join!(read, cancel);
    cancelled?;
    read.map_err(|_| Stop::failed("cancelling by id does not end the stream"))??;
    working.ends().await
}

async fn cancel_of_an_ended_statement_is_no_error(bench: &Bench) -> Verdict {
    let (cx, tally) = told();
    let stream = bench.sql()?.query(&cx, suite_query(bench).await?).await?;
    gather(stream).await?;
    Ok(bench.sql()?.cancel(&bench.cx(), &statement_id(&tally)?).await?)
}

async fn suite_query(bench: &Bench) -> Verdict<Query> {
    let rows = bench.sql_fixture().await?.rows.as_ref();
    let (table, _) = rows.ok_or_else(|| Stop::failed("the fixture lacks the suite's table"))?;
    Ok(Query::table(TableRef::new(table.clone())))
}

async fn planned_schema_is_delivered(bench: &Bench) -> Verdict {
    let query = suite_query(bench).await?;
    let (sql, cx) = (bench.sql()?, bench.cx());
    let free = gather(sql.query(&cx, query.clone()).await?).await?;
    let schema = Some(free.schema());
    let planned = gather(sql.query(&cx, Query { schema, ..query }).await?).await?;
    ensure!(planned.schema() == free.schema(), "the stream has {:?}", planned.schema());
    same_rows(&planned, &free, false)
}

async fn other_schema_is_refused(bench: &Bench) -> Verdict {
    let query = suite_query(bench).await?;
    let (sql, cx) = (bench.sql()?, bench.cx());
    let columns = Some(vec!["id".to_owned(), "text".to_owned()]);
    for data_type in [DataType::Date32, DataType::Binary] {
        let id = Field::new("id", data_type, false);
        let schema = Arc::new(Schema::new(vec![id, Field::new("text", DataType::Utf8, true)]));
        let planned = Some(Arc::clone(&schema));
        let query = Query { columns: columns.clone(), schema: planned, ..query.clone() };
        let answered = match sql.query(&cx, query).await {
            Ok(stream) => gather(stream).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(rows) => ensure!(rows.schema() == schema, "it answers {:?}", rows.schema()),
            Err(error) => ensure!(error.kind() != ErrorKind::Unexpected, "{error:?}"),
        }
    }
    Ok(())
}

async fn statement_id_is_told(bench: &Bench) -> Verdict {
    let (cx, tally) = told();
    let stream = bench.sql()?.query(&cx, suite_query(bench).await?).await?;
    let summary = stream.summary_handle();
    gather(stream).await?;
    let reported = statement_id(&tally)?;
    let summed = summary.get().statement_id;
    ensure!(summed.as_ref() == Some(&reported), "reported {reported}, the summary has {summed:?}");
    Ok(())
}
