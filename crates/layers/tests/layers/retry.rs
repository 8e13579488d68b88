//! What is repeated, how often, after which wait, and what is not.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use orbit_core::{
    Context, Effect, Error, ErrorKind, Facets, Operation, Partition, PartitionRead,
    PartitionSource, Retry, Tally,
};
use orbit_layers::{BudgetSettings, LayerSettings, RetrySettings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::scripted::{
    Item, Scripted, Step, answer, context, passing, run, run_with, stacked, table,
};

fn failing() -> Arc<Scripted> {
    Scripted::new(|_| Step::Fail(passing(ErrorKind::RateLimited)))
}

async fn attempts(operation: Operation, effect: Effect) -> usize {
    let source = failing();
    let lake = stacked(LayerSettings::default(), &source);
    let error = run_with(lake.as_ref(), &context(), operation, effect).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    source.count()
}

#[tokio::test(start_paused = true)]
async fn only_what_reads_is_repeated() {
    let mut table = String::new();
    for operation in Operation::ALL.into_iter().filter(|o| *o != Operation::Connect) {
        let read = attempts(operation, Effect::Read).await;
        let write = attempts(operation, Effect::Write).await;
        let unknown = attempts(operation, Effect::Unknown).await;
        table += &format!("{operation}: {read} {write} {unknown}\n");
    }
    insta::assert_snapshot!(table, @"
    ping: 1 1 1
    list_tables: 3 3 3
    describe: 3 3 3
    query: 3 1 1
    estimate: 3 3 3
    partitions: 3 1 1
    read_partition: 3 1 1
    insert: 1 1 1
    cancel: 1 1 1
    list_files: 3 3 3
    stat: 3 3 3
    read: 3 3 3
    read_ranges: 3 3 3
    write: 1 1 1
    copy: 1 1 1
    delete: 1 1 1
    presign: 3 3 3
    ");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_lies_ready_is_read_again() {
    let source = failing();
    let lake = stacked(LayerSettings::default(), &source);
    let place = PartitionSource::Statement { id: "q1".to_owned(), pieces: 0..1 };
    let partition = Partition { source: place, rows: None };
    let schema = Arc::new(arrow_schema::Schema::empty());
    let request = PartitionRead { schema, partition };
    let read = lake.facets().sql.unwrap().read_partition(&context(), request).await;
    assert_eq!(read.unwrap_err().retry(), Retry::Exhausted);
    assert_eq!(source.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_that_works_is_the_answer() {
    let tally = Arc::new(Tally::default());
    let cx = Context::builder().reporter(Arc::clone(&tally) as _).build();
    let source = Scripted::new(|n| match n {
        0 => Step::Fail(passing(ErrorKind::Unavailable)),
        _ => Step::Items(vec![Item::Some, Item::Some]),
    });
    let lake = stacked(LayerSettings::default(), &source);
    assert_eq!(run(lake.as_ref(), &cx, Operation::Query).await.unwrap(), 6);
    assert_eq!(source.count(), 2);
    assert_eq!(tally.snapshot()["lake"].retries, 1);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_says_so() {
    let source = failing();
    let lake = stacked(LayerSettings::default(), &source);
    let error = run(lake.as_ref(), &context(), Operation::Query).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Exhausted);
    insta::assert_snapshot!(error, @"lake: scripted (attempts: 3, out_of: attempts)");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_not_repeated() {
    for retry in [Retry::Never, Retry::Exhausted] {
        let source = Scripted::new(move |_| {
            Step::Fail(Error::new(ErrorKind::NotFound, "no such table").with_retry(retry))
        });
        let lake = stacked(LayerSettings::default(), &source);
        let error = run(lake.as_ref(), &context(), Operation::Query).await.unwrap_err();
        assert_eq!((error.retry(), source.count()), (retry, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_before_its_first_item_is_opened_again() {
    for operation in [Operation::Query, Operation::Read, Operation::ListFiles] {
        let source = Scripted::new(|n| match n {
            0 | 1 => Step::Items(vec![Item::Fail(passing(ErrorKind::Unavailable))]),
            _ => Step::Items(vec![Item::Some, Item::Some]),
        });
        let lake = stacked(LayerSettings::default(), &source);
        let one = run(
            stacked(LayerSettings::default(), &Scripted::new(|_| answer())).as_ref(),
            &context(),
            operation,
        )
        .await
        .unwrap();
        assert_eq!(run(lake.as_ref(), &context(), operation).await.unwrap(), 2 * one);
        assert_eq!(source.count(), 3, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_after_its_first_item_is_not() {
    for operation in [Operation::Query, Operation::Read, Operation::ListFiles] {
        let source = Scripted::new(|_| {
            Step::Items(vec![Item::Some, Item::Fail(passing(ErrorKind::Unavailable))])
        });
        let lake = stacked(LayerSettings::default(), &source);
        let error = run(lake.as_ref(), &context(), operation).await.unwrap_err();
        assert_eq!((error.kind(), source.count()), (ErrorKind::Unavailable, 1), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_may_write_fails_in_its_stream() {
    let source = Scripted::new(|_| Step::Items(vec![Item::Fail(passing(ErrorKind::Unavailable))]));
    let lake = stacked(LayerSettings::default(), &source);
    let Facets { sql, .. } = lake.facets();
    let query = orbit_core::Query { effect: Effect::Unknown, ..table() };
    let mut stream = sql.unwrap().query(&context(), query).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(source.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_source_says_how_long_to_wait_up_to_a_limit() {
    for (asked, least, most) in [(7, 7, 8), (3_600, 60, 61)] {
        let source = Scripted::new(move |n| match n {
            0 => {
                let retry = Retry::After(Duration::from_secs(asked));
                Step::Fail(Error::new(ErrorKind::RateLimited, "slow down").with_retry(retry))
            }
            _ => answer(),
        });
        let lake = stacked(LayerSettings::default(), &source);
        let began = Instant::now();
        run(lake.as_ref(), &context(), Operation::Query).await.unwrap();
        let waited = began.elapsed();
        let expected = Duration::from_secs(least)..=Duration::from_secs(most);
        assert!(expected.contains(&waited), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_doubles_up_to_a_limit() {
    let retry = RetrySettings {
        attempts_max: NonZeroU32::new(12).unwrap(),
        backoff_ms_max: 400,
        ..RetrySettings::default()
    };
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let lake =
            stacked(LayerSettings { retry: retry.clone(), ..LayerSettings::default() }, &failing());
        let began = Instant::now();
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
        longest = longest.max(began.elapsed());
    }
    // 100 + 200 + 9 x 400 ms at most, about half of that on average; a timer rounds up to 1 ms.
    assert!(longest <= Duration::from_millis(3_911), "{longest:?}");
    assert!(longest >= Duration::from_millis(1_900), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let source = Scripted::new(|_| {
        let retry = Retry::After(Duration::from_secs(30));
        Step::Fail(Error::new(ErrorKind::RateLimited, "slow down").with_retry(retry))
    });
    let lake = stacked(LayerSettings::default(), &source);
    let cx = Context::builder().timeout(Duration::from_secs(10)).build();
    let began = Instant::now();
    let error = run(lake.as_ref(), &cx, Operation::Query).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Exhausted));
    assert_eq!((source.count(), began.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_the_wait() {
    let source = Scripted::new(|_| {
        let retry = Retry::After(Duration::from_secs(30));
        Step::Fail(Error::new(ErrorKind::RateLimited, "slow down").with_retry(retry))
    });
    let lake = stacked(LayerSettings::default(), &source);
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
    };
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(run(lake.as_ref(), &cx, Operation::Query), cancel);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!((source.count(), began.elapsed()), (1, Duration::from_secs(1)));
}

fn poor(tokens_max: u32, retries_per_second_min: u32) -> LayerSettings {
    let budget = BudgetSettings { tokens_max, retries_per_second_min, ..BudgetSettings::default() };
    let retry = RetrySettings { budget, ..RetrySettings::default() };
    LayerSettings { retry, ..LayerSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_budget() {
    let source = failing();
    let lake = stacked(poor(20, 0), &source);
    let mut reasons = Vec::new();
    for _ in 0..4 {
        let error = run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Exhausted);
        reasons.extend(error.context().filter(|c| c.0 == "out_of").map(|c| c.1.to_owned()));
    }
    assert_eq!(reasons, ["attempts", "attempts", "budget", "budget"]);
    assert_eq!(source.count(), 3 + 3 + 1 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_source_repeats_by_itself_is_paid_from_the_same_budget() {
    for operation in [Operation::Read, Operation::Write] {
        let source = Scripted::new(|n| match n {
            0 => Step::Repeat(passing(ErrorKind::Unavailable)),
            _ => Step::Fail(passing(ErrorKind::Unavailable)),
        });
        let lake = stacked(poor(20, 0), &source);
        let tally = Arc::new(Tally::default());
        let cx = Context::builder().reporter(Arc::clone(&tally) as _).build();
        run(lake.as_ref(), &cx, operation).await.unwrap_err();
        assert_eq!(tally.snapshot()["lake"].retries, 4, "{operation}");
        let error = run(lake.as_ref(), &cx, Operation::Stat).await.unwrap_err();
        assert!(error.context().any(|c| c == ("out_of", "budget")), "{operation}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repetition_after_a_timeout_costs_more() {
    let source = Scripted::new(|_| Step::Fail(passing(ErrorKind::Timeout)));
    let lake = stacked(poor(20, 0), &source);
    for _ in 0..2 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    }
    assert_eq!(source.count(), 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn successes_and_time_fill_the_budget() {
    let source = Scripted::new(|n| match n {
        3..8 => answer(),
        _ => Step::Fail(passing(ErrorKind::RateLimited)),
    });
    let lake = stacked(poor(10, 0), &source);
    let stat = async |times: usize| {
        for _ in 0..times {
            let _outcome = run(lake.as_ref(), &context(), Operation::Stat).await;
        }
        source.count()
    };
    assert_eq!(stat(1).await, 3);
    assert_eq!(stat(5).await, 8);
    assert_eq!(stat(1).await, 8 + 2, "five successes pay for one repetition");

    let source = failing();
    let lake = stacked(poor(10, 1), &source);
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(2)).await;
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    assert_eq!(source.count(), 3 + 3, "so does time");
}
