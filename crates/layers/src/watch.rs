//! Sees an operation through to its end, which for a stream comes long after it was opened.

use std::future::Future;
use std::task::ready;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use orbit_core::{Error, Result};
use tokio::time::Instant;

use crate::answer::{Answer, Items, Measured, Size};

/// Is told how an operation went.
pub(crate) trait Observer: Send + 'static {
    /// The first item is here.
    fn first_item(&mut self);

    /// It is over; told once, whatever happens.
    fn end(&mut self, end: End<'_>);
}

/// How an operation ended.
pub(crate) struct End<'a> {
    pub(crate) outcome: Outcome<'a>,
    pub(crate) size: Size,
    pub(crate) elapsed: Duration,
}

#[derive(Clone, Copy)]
pub(crate) enum Outcome<'a> {
    Ok,
    Failed(&'a Error),
    /// The caller dropped it before its end.
    Abandoned,
}

impl Outcome<'_> {
    /// The name in logs and metrics: `ok`, `abandoned`, or the kind of the error.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(error) => error.kind().as_str(),
            Self::Abandoned => "abandoned",
        }
    }
}

/// Waits for `answer` and stays with what is still to come of it.
pub(crate) async fn watched<A: Answer>(
    observer: impl Observer,
    answer: impl Future<Output = Result<A>>,
) -> Result<A> {
    let mut watch = Watch::new(observer);
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(error) => {
            watch.end(Outcome::Failed(&error));
            return Err(error);
        }
    };
    let (answer, items) = answer.split();
    match items {
        Some(items) => Ok(answer.join(watched_items(watch, items))),
        None => {
            watch.size = answer.size();
            watch.end(Outcome::Ok);
            Ok(answer)
        }
    }
}

fn watched_items<T: Measured + Send + 'static>(
    mut watch: Watch<impl Observer>,
    mut items: Items<T>,
) -> Items<T> {
    let mut first = true;
    let watching = stream::poll_fn(move |task| {
        let next = ready!(items.poll_next_unpin(task));
        match &next {
            Some(Ok(item)) => {
                watch.size += item.size();
                if std::mem::take(&mut first) {
                    watch.observer.first_item();
                }
            }
            Some(Err(error)) => watch.end(Outcome::Failed(error)),
            None => watch.end(Outcome::Ok),
        }
        std::task::Poll::Ready(next)
    });
    watching.boxed()
}

struct Watch<O: Observer> {
    observer: O,
    started: Instant,
    size: Size,
    ended: bool,
}

impl<O: Observer> Watch<O> {
    fn new(observer: O) -> Self {
        Self { observer, started: Instant::now(), size: Size::default(), ended: false }
    }

    fn end(&mut self, outcome: Outcome<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            let end = End { outcome, size: self.size, elapsed: self.started.elapsed() };
            self.observer.end(end);
        }
    }
}

impl<O: Observer> Drop for Watch<O> {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}
