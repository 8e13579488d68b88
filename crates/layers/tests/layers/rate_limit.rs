//! How fast operations may start.

use std::num::NonZeroU32;
use std::time::Duration;

use futures::future::join_all;
use orbit_core::{Context, ErrorKind, Operation};
use orbit_layers::{LayerSettings, RateLimitSettings};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::scripted::{Scripted, answer, context, run, stacked};

fn settings(operations_per_second: u32, burst: u32) -> LayerSettings {
    let operations_per_second = NonZeroU32::new(operations_per_second).unwrap();
    let rate_limit =
        Some(RateLimitSettings { operations_per_second, burst: NonZeroU32::new(burst) });
    LayerSettings { rate_limit, ..LayerSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn operations_start_no_faster_than_allowed() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(settings(10, 5), &source);
    let cx = context();
    let began = Instant::now();
    let operations = (0..25).map(|_| run(lake.as_ref(), &cx, Operation::Stat));
    assert!(join_all(operations).await.iter().all(Result::is_ok));
    // Five at once, twenty more at 100 ms each; each wait may end 1 ms late.
    let took = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2_030)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_setting_there_is_no_limit() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(LayerSettings::default(), &source);
    let began = Instant::now();
    for _ in 0..1_000 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_check_a_cancel_and_a_url_do_not_wait() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(settings(1, 1), &source);
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap();
    let began = Instant::now();
    for operation in [Operation::Ping, Operation::Cancel, Operation::Presign] {
        run(lake.as_ref(), &context(), operation).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_caller_gives_up() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(settings(1, 1), &source);
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    run(lake.as_ref(), &cx, Operation::Stat).await.unwrap();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel();
    };
    let (outcome, ()) = tokio::join!(run(lake.as_ref(), &cx, Operation::Stat), cancel);
    assert_eq!((outcome.unwrap_err().kind(), source.count()), (ErrorKind::Cancelled, 1));

    let cx = Context::builder().timeout(Duration::from_millis(300)).build();
    let error = run(lake.as_ref(), &cx, Operation::Stat).await.unwrap_err();
    assert_eq!((error.kind(), source.count()), (ErrorKind::Timeout, 1));
    insta::assert_snapshot!(error, @"lake: the time limit ran out (waiting_for: limits.rate_limit.operations_per_second); raise the limit or ask for less");
}
