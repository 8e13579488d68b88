//! Delta tables on an S3 store: writers that meet lose nothing, a reader sees whole versions,
//! and what was read once is not read again.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![expect(clippy::print_stdout, reason = "the long test tells what it counted")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use futures::TryStreamExt;
use libtest_mimic::{Arguments, Completion, Trial};
use orbit::Orbit;
use orbit::core::{Context, Reporter, Result, Tally, TallySnapshot};
use orbit::engine::{NewTable, Request, TableCommand, TableRequest};
use orbit_testkit::servers::{Proxy, S3s};
use tokio::runtime::Runtime;

/// No statement may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A program of its own over the store: nothing is shared with another one.
fn program(store: &S3s) -> Orbit {
    program_at(store, &store.endpoint())
}

fn program_at(store: &S3s, endpoint_url: &str) -> Orbit {
    let settings = [
        ("bucket_name", S3s::BUCKET),
        ("endpoint_url", endpoint_url),
        ("region", "us-east-1"),
        ("access_key", store.access_key()),
        ("secret_key", store.secret_key()),
    ];
    let orbit = Orbit::builder().datasource("lake", "s3", settings);
    orbit.setting("datasources.lake.allow_writes", "true").open().unwrap()
}

async fn created(store: &S3s) -> Orbit {
    let orbit = program(store);
    let columns = vec!["writer bigint".to_owned(), "id bigint".to_owned()];
    let command = TableCommand::Create(NewTable { columns, ..NewTable::default() });
    let table = "lake.t".to_owned();
    let request = TableRequest { table, command, rows: None, paths_allowed: false };
    orbit.engine().command(&Context::builder().timeout(LIMIT).build(), request).await.unwrap();
    orbit
}

async fn insert(orbit: &Orbit, values: &str) -> Result<TallySnapshot> {
    let sql = format!("INSERT INTO lake.t VALUES {values}");
    let request = Request { sql, writes_allowed: true, ..Request::default() };
    let (cx, tally) = counted();
    orbit.engine().query(&cx, request).await?.try_collect::<Vec<_>>().await?;
    Ok(tally.snapshot().remove("lake").unwrap())
}

/// The integers that `sql` answers in one row, and what was moved for them.
async fn integers(orbit: &Orbit, sql: &str) -> Result<(Vec<i64>, TallySnapshot)> {
    let request = Request { sql: sql.to_owned(), ..Request::default() };
    let (cx, tally) = counted();
    let batches: Vec<_> = orbit.engine().query(&cx, request).await?.try_collect().await?;
    let columns = batches[0].columns().iter();
    let integers = columns.map(|column| column.as_primitive::<Int64Type>().value(0)).collect();
    Ok((integers, tally.snapshot().remove("lake").unwrap()))
}

fn counted() -> (Context, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = tally.clone();
    (Context::builder().timeout(LIMIT).reporter(reporter).build(), tally)
}

/// Two writers append `each` times while a reader looks: no row is lost or doubled.
async fn two_writers_lose_nothing(store: Arc<S3s>, each: i64) {
    let begin = Instant::now();
    let reader = created(&store).await;
    let turns = Proxy::start_in_turns(store.port()).await.unwrap();
    let writers = [1_i64, 2].map(|writer| {
        let orbit = program_at(&store, &turns.endpoint());
        tokio::spawn(async move {
            let mut requests = 0;
            for id in 0..each {
                // Two rows a commit: half of one would be seen.
                let values = format!("({writer}, {id}), ({writer}, {id})");
                requests += insert(&orbit, &values).await.unwrap().requests;
            }
            requests
        })
    });
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let reading = tokio::spawn(async move {
        let (mut rounds, mut last) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let sql = "SELECT count(*), count(DISTINCT writer * 1000 + id), \
                count(CASE WHEN writer = 1 THEN 1 END) FROM lake.t";
            let (counts, _) = integers(&reader, sql).await.unwrap();
            let [rows, pairs, of_first] = counts[..] else { panic!("three counts") };
            assert_eq!(rows, 2 * pairs, "a commit is seen whole");
            assert_eq!(of_first % 2, 0);
            assert!(rows >= last, "a version that was seen stays");
            (rounds, last) = (rounds + 1, rows);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rounds
    });
    let mut requests = 0;
    for writer in writers {
        requests += writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let rounds = reading.await.unwrap();
    assert!(rounds > 0);

    let sql = "SELECT count(*), count(DISTINCT writer * 1000 + id) FROM lake.t";
    let (counts, _) = integers(&program(&store), sql).await.unwrap();
    assert_eq!(counts, [4 * each, 2 * each]);
    let log = store.root().join(S3s::BUCKET).join("t/_delta_log");
    let names = std::fs::read_dir(log).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let commits = names.filter(|name| name.len() == 25 && name.ends_with(".json")).count();
    assert_eq!(commits as i64, 1 + 2 * each);
    println!(
        "{} commits, {requests} requests of the writers, {rounds} looks of the reader, {:.1} s",
        2 * each,
        begin.elapsed().as_secs_f64()
    );
}

/// A reader that knows a version reads only what was committed since then.
async fn a_reader_reads_new_commits_alone(store: Arc<S3s>) {
    let (reader, writer) = (created(&store).await, program(&store));
    insert(&writer, "(1, 0)").await.unwrap();
    let early = insert(&writer, "(1, 1)").await.unwrap();
    for id in 2..20 {
        insert(&writer, &format!("(1, {id})")).await.unwrap();
    }
    let sql = "SELECT count(*) FROM lake.t";
    let (counts, first) = integers(&reader, sql).await.unwrap();
    assert_eq!(counts, [20]);
    let (counts, again) = integers(&reader, sql).await.unwrap();
    assert_eq!(counts, [20]);
    assert_eq!(again.bytes_read, 0, "nothing was committed: {again:?}");
    let last = insert(&writer, "(1, 20)").await.unwrap();
    assert!(last.requests <= early.requests + 2, "a commit costs the same after many: {last:?}");
    assert!(last.bytes_read < early.bytes_read + 2000, "{early:?} then {last:?}");
    let (counts, new) = integers(&reader, sql).await.unwrap();
    assert_eq!(counts, [21]);
    assert!(new.requests * 2 < first.requests, "{first:?} then {new:?}");
    assert!(new.bytes_read * 2 < first.bytes_read, "{first:?} then {new:?}");
    // An old version is not lost by that, and the newest is found again.
    let old = integers(&reader, "SELECT count(*) FROM lake.t VERSION AS OF 7").await.unwrap();
    assert_eq!(old.0, [7]);
    assert_eq!(integers(&reader, sql).await.unwrap().0, [21]);
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let trial = |name: &str, check: fn(&Runtime, Arc<S3s>)| {
        let runtime = Arc::clone(&runtime);
        Trial::ignorable_test(name, move || match runtime.block_on(S3s::start()) {
            Ok(store) => {
                check(&runtime, Arc::new(store));
                Ok(Completion::Completed)
            }
            Err(missing) => missing.completion(),
        })
    };
    let trials = vec![
        trial("two_writers_lose_nothing_and_a_reader_sees_whole_versions", |runtime, store| {
            runtime.block_on(two_writers_lose_nothing(store, 10));
        }),
        trial("two_writers_of_100_commits_each", |runtime, store| {
            runtime.block_on(two_writers_lose_nothing(store, 100));
        })
        .with_ignored_flag(true),
        trial("a_reader_reads_new_commits_alone", |runtime, store| {
            runtime.block_on(a_reader_reads_new_commits_alone(store));
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
