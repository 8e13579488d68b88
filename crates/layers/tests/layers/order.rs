//! The order of the layers, as it is documented and as it shows.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use orbit_core::{ErrorKind, Layering, Operation};
use orbit_layers::{LayerSettings, RateLimitSettings, RetrySettings, Stack, TimeoutSettings};
use tokio::time::Instant;

use crate::observed::Recorded;
use crate::scripted::{Scripted, Step, answer, context, passing, run, stacked};

/// `rate limit` to `RateLimitLayer`.
fn type_name(words: &str) -> String {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    words.split(' ').map(capital).collect::<String>() + "Layer"
}

#[test]
fn the_nesting_is_the_documented_one() {
    let documentation = include_str!("../../src/lib.rs");
    let order = documentation.lines().find_map(|line| line.strip_suffix(" > datasource")).unwrap();
    let order = order.trim_start_matches("//! ").split(" > ").map(type_name);

    let lake = stacked(LayerSettings::default(), &Scripted::new(|_| answer()));
    let nesting = format!("{lake:?}");
    let nested = nesting.split("layer: ").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        rest[..end].to_owned()
    });
    assert_eq!(nested.collect::<Vec<_>>(), order.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn metrics_stand_within_trace_and_around_retry() {
    let recorded = Recorded::here();
    let source = Scripted::new(|n| match n {
        0 | 1 => Step::Fail(passing(ErrorKind::RateLimited)),
        _ => answer(),
    });
    let lake = stacked(LayerSettings::default(), &source);
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap();
    assert_eq!(source.count(), 3);
    let counted = "orbit_operations_total datasource=lake operation=stat outcome=ok";
    assert_eq!(recorded.value(counted), Some(1));
    assert_eq!(recorded.span_of(counted), Some("operation"));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_counts_attempts() {
    let source = Scripted::new(|_| Step::Fail(passing(ErrorKind::Unavailable)));
    let lake = stacked(LayerSettings::default(), &source);
    for _ in 0..2 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    }
    assert_eq!(source.count(), 5, "the sixth attempt was refused");
}

fn one_per_second() -> LayerSettings {
    let rate = RateLimitSettings { operations_per_second: NonZeroU32::MIN, burst: None };
    LayerSettings { rate_limit: Some(rate), ..LayerSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_pays_the_rate_limit() {
    let source = Scripted::new(|_| Step::Fail(passing(ErrorKind::RateLimited)));
    let lake = stacked(one_per_second(), &source);
    let began = Instant::now();
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    assert_eq!(source.count(), 3);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_takes_no_permit() {
    let source = Scripted::new(|_| Step::Fail(passing(ErrorKind::Unavailable)));
    let retry = RetrySettings { attempts_max: NonZeroU32::MIN, ..RetrySettings::default() };
    let lake = stacked(LayerSettings { retry, ..one_per_second() }, &source);
    for _ in 0..5 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    }
    let began = Instant::now();
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    assert_eq!((source.count(), began.elapsed()), (5, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_is_not_the_source_s_silence() {
    let short = NonZeroU64::new(100).unwrap();
    let timeout = TimeoutSettings { request_ms: short, open_ms: short, batch_ms: short };
    let source = Scripted::new(|_| answer());
    let lake = stacked(LayerSettings { timeout, ..one_per_second() }, &source);
    for _ in 0..3 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_timed_out_is_tried_again() {
    let source = Scripted::new(|n| match n {
        0 => Step::Silent,
        _ => answer(),
    });
    let lake = stacked(LayerSettings::default(), &source);
    run(lake.as_ref(), &context(), Operation::Stat).await.unwrap();
    assert_eq!(source.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_names_of_an_instance_share_its_breaker_and_keep_their_metrics() {
    let recorded = Recorded::here();
    let source = Scripted::new(|_| Step::Fail(passing(ErrorKind::Unavailable)));
    let stack = Stack::default();
    let instance = stack.around_instance(Arc::clone(&source) as _);
    let lake = stack.around_handle("lake", Arc::clone(&instance));
    let pond = stack.around_handle("pond", instance);
    for _ in 0..2 {
        run(lake.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    }
    let error = run(pond.as_ref(), &context(), Operation::Stat).await.unwrap_err();
    assert_eq!((source.count(), error.datasource()), (5, Some("pond")));
    for (name, times) in [("lake", 2), ("pond", 1)] {
        let counted =
            format!("orbit_operations_total datasource={name} operation=stat outcome=unavailable");
        assert_eq!(recorded.value(&counted), Some(times), "{name}");
    }
}
