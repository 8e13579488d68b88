//! What a layer is: something around each operation, whatever its request and answer.

use std::fmt::Debug;
use std::future::Future;

use futures::future::BoxFuture;
use orbit_core::{Context, Effect, Operation, OperationEffect, Result};

use crate::answer::Answer;

/// Stands around every operation of a datasource.
pub(crate) trait Layer: Debug + Send + Sync + 'static {
    /// Around one operation: `attempts` asks what lies below.
    fn around<R: Send, A: Answer>(
        &self,
        cx: Context,
        call: Call,
        attempts: Attempts<'_, R, A>,
    ) -> impl Future<Output = Result<A>> + Send;
}

/// What is asked, without the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// What this request may change at the source.
    pub(crate) effect: Effect,
}

impl Call {
    /// A call whose effect is the operation's own.
    pub(crate) fn new(operation: Operation) -> Self {
        let effect = match operation.effect() {
            OperationEffect::Read => Effect::Read,
            OperationEffect::Write => Effect::Write,
            OperationEffect::OfTheRequest => Effect::Unknown,
        };
        Self { operation, effect }
    }

    /// A call whose effect the request says.
    pub(crate) fn of_request(operation: Operation, effect: Effect) -> Self {
        Self { operation, effect }
    }
}

/// The way down: asks what lies below the layer, once or, if the request allows, again.
pub(crate) struct Attempts<'a, R, A> {
    request: R,
    copy: Option<fn(&R) -> R>,
    send: Ask<'a, R, A>,
}

type Ask<'a, R, A> = Box<dyn Fn(Context, R) -> BoxFuture<'a, Result<A>> + Send + Sync + 'a>;

impl<'a, R, A> Attempts<'a, R, A> {
    /// For a request that is used up when it is sent, such as one that holds a stream.
    pub(crate) fn once(
        request: R,
        send: impl Fn(Context, R) -> BoxFuture<'a, Result<A>> + Send + Sync + 'a,
    ) -> Self {
        Self { request, copy: None, send: Box::new(send) }
    }

    /// For a request that can be sent again; whether it may be is the retry layer's decision.
    pub(crate) fn repeatable(
        request: R,
        send: impl Fn(Context, R) -> BoxFuture<'a, Result<A>> + Send + Sync + 'a,
    ) -> Self
    where
        R: Clone,
    {
        Self { request, copy: Some(R::clone), send: Box::new(send) }
    }

    /// Asks, keeping the request for later; none when it can be sent only once.
    pub(crate) fn again(&self, cx: Context) -> Option<BoxFuture<'a, Result<A>>> {
        self.copy.map(|copy| (self.send)(cx, copy(&self.request)))
    }

    /// Asks for the only or last time.
    pub(crate) fn last(self, cx: Context) -> BoxFuture<'a, Result<A>> {
        (self.send)(cx, self.request)
    }
}
