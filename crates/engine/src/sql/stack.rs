//! Work that recurses as deep as a statement is nested, on a stack that is large enough.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Stack left below which a larger one is taken.
const RED_ZONE_BYTES: usize = 64 << 20;

/// The larger one: address space only, until it is used.
const STACK_BYTES: usize = 512 << 20;

/// Runs `work` on a large stack.
pub(crate) fn on_big_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE_BYTES, STACK_BYTES, work)
}

/// A future that is polled, and dropped, on a large stack.
pub(crate) struct BigStack<F>(Option<Pin<Box<F>>>);

impl<F: Future> BigStack<F> {
    /// Wraps `future`.
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for BigStack<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(future) => on_big_stack(|| future.as_mut().poll(task)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for BigStack<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        on_big_stack(|| drop(future));
    }
}
