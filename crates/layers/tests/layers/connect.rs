//! Connecting is an operation like any other: repeated, timed and named.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orbit_core::{Connect, Error, ErrorKind, Layering, Operation, Result};
use orbit_layers::Stack;
use tokio::time::Instant;

use crate::observed::Recorded;
use crate::scripted::{Scripted, answer, context, passing, run};

/// Asks for a connection of which each try ends as `attempt` says; answers how many there were.
async fn connect(
    attempt: impl Fn(usize) -> Result<Option<Arc<Scripted>>> + Send + Sync,
) -> (usize, Result<()>) {
    let tries = AtomicUsize::new(0);
    let one: Connect<'_> = Arc::new(|_| {
        let outcome = attempt(tries.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            match outcome? {
                Some(source) => Ok(source as _),
                None => std::future::pending().await,
            }
        })
    });
    let connected = Stack::default().around_connect("lake", &context(), one).await;
    let outcome = match connected {
        Ok(datasource) => run(datasource.as_ref(), &context(), Operation::Stat).await.map(drop),
        Err(error) => Err(error),
    };
    (tries.into_inner(), outcome)
}

fn source() -> Result<Option<Arc<Scripted>>> {
    Ok(Some(Scripted::new(|_| answer())))
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_for_a_moment_is_tried_again() {
    let recorded = Recorded::here();
    let (tries, outcome) = connect(|n| match n {
        0 | 1 => Err(passing(ErrorKind::Unavailable)),
        _ => source(),
    })
    .await;
    outcome.unwrap();
    assert_eq!(tries, 3);
    let counted = "orbit_operations_total datasource=lake operation=connect outcome=ok";
    assert_eq!(recorded.value(counted), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not() {
    let wrong = || Error::new(ErrorKind::Unauthenticated, "the password is refused");
    let (tries, outcome) = connect(|_| Err(wrong())).await;
    let error = outcome.unwrap_err();
    assert_eq!((tries, error.kind()), (1, ErrorKind::Unauthenticated));
    assert_eq!(error.datasource(), Some("lake"));
    assert_eq!(error.operation(), Some(Operation::Connect));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_says_nothing_is_given_up() {
    let began = Instant::now();
    let (tries, outcome) = connect(|_| Ok(None)).await;
    assert_eq!((tries, outcome.unwrap_err().kind()), (3, ErrorKind::Timeout));
    assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
}
