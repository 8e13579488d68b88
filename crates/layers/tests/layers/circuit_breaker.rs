//! When a source is left alone, and how it comes back.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use orbit_core::{Context, Datasource, Error, ErrorKind, Operation, Retry};
use orbit_layers::{LayerSettings, RetrySettings};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::scripted::{Item, Scripted, Step, answer, context, run, stacked, table};

/// Each operation is one attempt, so that counting is plain.
fn settings() -> LayerSettings {
    let retry = RetrySettings { attempts_max: NonZeroU32::MIN, ..RetrySettings::default() };
    LayerSettings { retry, ..LayerSettings::default() }
}

fn failure(kind: ErrorKind) -> Step {
    Step::Fail(Error::new(kind, "scripted"))
}

/// Runs an operation that may fail; whether the source was asked.
async fn asked(lake: &dyn Datasource, source: &Scripted) -> bool {
    let before = source.count();
    let _outcome = run(lake, &context(), Operation::Stat).await;
    source.count() > before
}

#[tokio::test(start_paused = true)]
async fn half_of_twenty_failures_open_it() {
    let source = Scripted::new(|n| match n % 2 {
        0 => answer(),
        _ => failure(ErrorKind::Truncated),
    });
    let lake = stacked(settings(), &source);
    let mut asked_times = 0;
    while asked(lake.as_ref(), &source).await {
        asked_times += 1;
    }
    assert_eq!(asked_times, 20);
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_long_past_do_not_count() {
    let source = Scripted::new(|_| failure(ErrorKind::Truncated));
    let lake = stacked(settings(), &source);
    for _ in 0..100 {
        assert!(asked(lake.as_ref(), &source).await);
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_failures_to_reach_it_open_it_and_say_so() {
    let source = Scripted::new(|_| failure(ErrorKind::Unavailable));
    let lake = stacked(settings(), &source);
    for _ in 0..5 {
        assert!(asked(lake.as_ref(), &source).await);
    }
    let error = run(lake.as_ref(), &context(), Operation::Query).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert_eq!(source.count(), 5);
    insta::with_settings!({ filters => [(r"\d+ ms", "[n] ms")] }, {
        insta::assert_snapshot!(error, @"lake: the source failed too often and is left alone for a while; it is tried again in [n] ms");
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_source_s_fault_does_not_count() {
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::QueryInvalid,
        ErrorKind::PermissionDenied,
        ErrorKind::RateLimited,
        ErrorKind::Unexpected,
    ] {
        let source = Scripted::new(move |_| failure(kind));
        let lake = stacked(settings(), &source);
        for _ in 0..100 {
            assert!(asked(lake.as_ref(), &source).await, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gave_up_does_not_count() {
    let source = Scripted::new(|_| failure(ErrorKind::Unavailable));
    let lake = stacked(settings(), &source);
    let token = CancellationToken::new();
    token.cancel();
    let cx = Context::builder().cancellation(token).build();
    for _ in 0..100 {
        run(lake.as_ref(), &cx, Operation::Insert).await.unwrap_err();
    }
    assert_eq!(source.count(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_speaks_with_its_first_item() {
    let source = Scripted::new(|n| match n {
        0..4 => Step::Items(vec![Item::Fail(Error::new(ErrorKind::Unavailable, "cut"))]),
        4..8 => {
            Step::Items(vec![Item::Some, Item::Fail(Error::new(ErrorKind::Unavailable, "cut"))])
        }
        _ => failure(ErrorKind::Unavailable),
    });
    let lake = stacked(settings(), &source);
    for _ in 0..20 {
        let _outcome = run(lake.as_ref(), &context(), Operation::Read).await;
    }
    assert_eq!(source.count(), 8 + 5, "first items break the row of failures");
}

#[tokio::test(start_paused = true)]
async fn a_check_and_a_cancel_reach_a_source_that_is_left_alone() {
    let source = Scripted::new(|n| match n {
        0..5 => failure(ErrorKind::Unavailable),
        _ => answer(),
    });
    let lake = stacked(settings(), &source);
    while asked(lake.as_ref(), &source).await {}
    for operation in [Operation::Ping, Operation::Cancel, Operation::Presign] {
        run(lake.as_ref(), &context(), operation).await.unwrap();
    }
    assert!(!asked(lake.as_ref(), &source).await, "they do not close it");
}

#[tokio::test(start_paused = true)]
async fn one_operation_tries_it_before_all_come_back() {
    let source = Scripted::new(|n| match n {
        0..5 => failure(ErrorKind::Unavailable),
        5 => Step::Busy(3),
        _ => answer(),
    });
    let lake = stacked(settings(), &source);
    while asked(lake.as_ref(), &source).await {}
    sleep(Duration::from_secs(30)).await;

    let cx = context();
    let trial = run(lake.as_ref(), &cx, Operation::Stat);
    let other = async {
        sleep(Duration::from_secs(1)).await;
        run(lake.as_ref(), &cx, Operation::Stat).await
    };
    let (trial, other) = tokio::join!(trial, other);
    assert!(trial.is_ok());
    let refused = other.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.hint()),
        (ErrorKind::Unavailable, Some("it is being tried again now"))
    );
    for _ in 0..3 {
        assert!(asked(lake.as_ref(), &source).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_makes_way_for_the_next() {
    let source = Scripted::new(|n| match n {
        0..5 => failure(ErrorKind::Unavailable),
        _ => Step::Items(vec![Item::Silent]),
    });
    let lake = stacked(settings(), &source);
    while asked(lake.as_ref(), &source).await {}
    sleep(Duration::from_secs(30)).await;
    let query = orbit_core::Query { effect: orbit_core::Effect::Write, ..table() };
    for _ in 0..2 {
        let sql = lake.facets().sql.unwrap();
        let mut stream = sql.query(&context(), query.clone()).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(1), stream.next()).await.is_err());
    }
    assert_eq!(source.count(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_never_ends_does_not_shut_the_source_for_good() {
    let source = Scripted::new(|n| match n {
        0..5 => failure(ErrorKind::Unavailable),
        5 => Step::Busy(3_600),
        _ => answer(),
    });
    let lake = stacked(settings(), &source);
    while asked(lake.as_ref(), &source).await {}
    sleep(Duration::from_secs(30)).await;
    let cx = context();
    let others = async {
        sleep(Duration::from_secs(29)).await;
        assert!(!asked(lake.as_ref(), &source).await);
        sleep(Duration::from_secs(1)).await;
        assert!(asked(lake.as_ref(), &source).await);
        assert!(asked(lake.as_ref(), &source).await);
    };
    let (trial, ()) = tokio::join!(run(lake.as_ref(), &cx, Operation::Stat), others);
    assert!(trial.is_ok());
}

/// What the breaker may do, seen from outside; times are whole seconds, so that the window's
/// slots are exact.
enum Model {
    Closed { counted: Vec<(Instant, ErrorKind)>, unreachable: usize },
    Open { since: Instant },
    Trial,
}

const WORKS: ErrorKind = ErrorKind::NotFound;
const OURS: ErrorKind = ErrorKind::QueryInvalid;

impl Model {
    fn closed() -> Self {
        Self::Closed { counted: Vec::new(), unreachable: 0 }
    }

    /// Whether the source must be asked now; none when either is right.
    fn must_ask(&self, now: Instant) -> Option<bool> {
        match self {
            Self::Closed { .. } | Self::Trial => Some(true),
            Self::Open { since } => match (now - *since).as_secs() {
                0..5 => Some(false),
                5..30 => None,
                _ => Some(true),
            },
        }
    }

    fn after(self, now: Instant, outcome: ErrorKind) -> Self {
        match self {
            Self::Closed { mut counted, mut unreachable } => {
                if outcome == OURS {
                    return Self::Closed { counted, unreachable };
                }
                counted.retain(|(at, _)| now - *at < Duration::from_secs(10));
                counted.push((now, outcome));
                match outcome {
                    ErrorKind::Unavailable => unreachable += 1,
                    WORKS => unreachable = 0,
                    _ => {}
                }
                let failures = counted.iter().filter(|(_, kind)| *kind != WORKS).count();
                let many = counted.len() >= 20 && failures * 2 >= counted.len();
                match many || unreachable >= 5 {
                    true => Self::Open { since: now },
                    false => Self::Closed { counted, unreachable },
                }
            }
            Self::Open { .. } | Self::Trial => match outcome {
                WORKS => Self::closed(),
                OURS => Self::Trial,
                _ => Self::Open { since: now },
            },
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_history_agrees_with_the_model() {
    let mut opened = 0;
    for seed in 0..30 {
        let mut random = StdRng::seed_from_u64(seed);
        let next = Arc::new(Mutex::new(VecDeque::new()));
        let script = Arc::clone(&next);
        let source = Scripted::new(move |_| failure(script.lock().unwrap().pop_front().unwrap()));
        let lake = stacked(settings(), &source);
        let share_bad = random.random_range(0.0..1.0);
        let mut model = Model::closed();
        for step in 0..300 {
            sleep(Duration::from_secs(random.random_range(0..4) / 2)).await;
            let outcome = match random.random_bool(share_bad) {
                true if random.random_bool(0.5) => ErrorKind::Unavailable,
                true => ErrorKind::Truncated,
                false if random.random_bool(0.1) => OURS,
                false => WORKS,
            };
            *next.lock().unwrap() = VecDeque::from([outcome]);
            let now = Instant::now();
            let must = model.must_ask(now);
            let asked = asked(lake.as_ref(), &source).await;
            assert!(must.is_none_or(|must| must == asked), "seed {seed}, step {step}: {must:?}");
            if asked {
                model = model.after(now, outcome);
                opened += usize::from(matches!(model, Model::Open { .. }));
            }
        }
    }
    assert!(opened > 50, "the histories hardly opened it: {opened}");
}
