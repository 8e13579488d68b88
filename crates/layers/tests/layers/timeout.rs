//! How long a source may be silent.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use orbit_core::{Context, Effect, ErrorKind, Event, Operation, Reporter, Retry, WriteEffect};
use orbit_layers::{LayerSettings, TimeoutSettings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::scripted::{Item, Scripted, Step, context, run, run_with, stacked, table};

fn settings() -> LayerSettings {
    let ms = |ms| NonZeroU64::new(ms).unwrap();
    let timeout =
        TimeoutSettings { request_ms: ms(2_000), open_ms: ms(10_000), batch_ms: ms(4_000) };
    LayerSettings { timeout, ..LayerSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_not_waited_for() {
    for (operation, calls, ms) in [(Operation::Query, 1, 10_000), (Operation::Stat, 3, 6_000)] {
        let source = Scripted::new(|_| Step::Silent);
        let lake = stacked(settings(), &source);
        let began = Instant::now();
        let error = run(lake.as_ref(), &context(), operation).await.unwrap_err();
        assert_eq!((error.kind(), source.count()), (ErrorKind::Timeout, calls), "{operation}");
        let waited = began.elapsed();
        // Three attempts wait at most 100 and 200 ms between them.
        let longest = Duration::from_millis(ms + 310);
        assert!((Duration::from_millis(ms)..longest).contains(&waited), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_says_what_to_do() {
    let lake = stacked(settings(), &Scripted::new(|_| Step::Silent));
    let error =
        run_with(lake.as_ref(), &context(), Operation::Query, Effect::Write).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(error.write_effect(), Some(WriteEffect::Unknown));
    insta::assert_snapshot!(error, @"lake: the source gave no sign for 10000 ms; whether it was written is not known, look before writing again; see whether it is well, or raise `limits.timeout.open_ms`");
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_not_fall_silent() {
    for (operation, ms) in [(Operation::Query, 4_000), (Operation::Read, 2_000)] {
        let source = Scripted::new(|_| Step::Items(vec![Item::Some, Item::Silent]));
        let lake = stacked(settings(), &source);
        let began = Instant::now();
        let error = run(lake.as_ref(), &context(), operation).await.unwrap_err();
        assert_eq!((error.kind(), source.count()), (ErrorKind::Timeout, 1));
        assert_eq!(began.elapsed(), Duration::from_millis(ms), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_counts_for_itself_and_the_first_is_part_of_opening() {
    let late = |s| Item::Late(Duration::from_secs(s));
    let source = Scripted::new(move |_| {
        Step::Items(vec![late(9), Item::Some, late(3), Item::Some, late(3), Item::Some])
    });
    let lake = stacked(settings(), &source);
    assert_eq!(run(lake.as_ref(), &context(), Operation::Query).await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_a_silent_source() {
    let source = Scripted::new(|_| Step::Items(vec![Item::Some; 3]));
    let lake = stacked(settings(), &source);
    let sql = lake.facets().sql.unwrap();
    let mut stream = sql.query(&context(), table()).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        stream.next().await.unwrap().unwrap();
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn progress_is_no_silence_and_is_still_told() {
    let told = Arc::new(Progress::default());
    let cx = Context::builder().reporter(Arc::clone(&told) as _).build();
    let source = Scripted::new(|_| Step::Busy(600));
    let lake = stacked(settings(), &source);
    assert_eq!(run(lake.as_ref(), &cx, Operation::Query).await.unwrap(), 3);
    assert_eq!(told.0.load(Ordering::SeqCst), 600);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_is_not_held_by_a_silent_source() {
    let start = Instant::now();
    for step in [|| Step::Silent, || Step::Items(vec![Item::Some, Item::Silent])] {
        let token = CancellationToken::new();
        let cancelled = Context::builder().cancellation(token.clone()).build();
        // A deadline is of the real clock, which the paused one runs ahead of.
        let deadline = start.elapsed() + Duration::from_secs(2);
        let late = Context::builder().timeout(deadline).build();
        for (cx, kind) in [(cancelled, ErrorKind::Cancelled), (late, ErrorKind::Timeout)] {
            let source = Scripted::new(move |_| step());
            let lake = stacked(settings(), &source);
            let began = Instant::now();
            let cancel = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                token.cancel();
            };
            let query = run_with(lake.as_ref(), &cx, Operation::Query, Effect::Write);
            let (outcome, ()) = tokio::join!(query, cancel);
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), source.streams_open()), (kind, 0));
            assert_eq!(error.write_effect(), Some(WriteEffect::Unknown));
            let waited = began.elapsed().as_millis();
            assert!((900..1_010).contains(&waited), "{kind}: {waited} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gave_up_can_still_cancel() {
    let token = CancellationToken::new();
    token.cancel();
    let cx = Context::builder().cancellation(token).build();
    let lake = stacked(settings(), &Scripted::new(|_| Step::Busy(5)));
    run(lake.as_ref(), &cx, Operation::Cancel).await.unwrap();
    let error = run(lake.as_ref(), &cx, Operation::Query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[derive(Default)]
struct Progress(AtomicUsize);

impl Reporter for Progress {
    fn report(&self, datasource: &str, event: Event) {
        assert_eq!(datasource, "lake");
        if matches!(event, Event::Progress { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_ends_when_its_caller_says() {
    for operation in [Operation::Insert, Operation::Write] {
        let lake = stacked(settings(), &Scripted::new(|_| Step::Silent));
        let cx = context();
        let write = run(lake.as_ref(), &cx, operation);
        let waited = tokio::time::timeout(Duration::from_secs(3_600), write).await;
        assert!(waited.is_err(), "{operation}");
    }
}
