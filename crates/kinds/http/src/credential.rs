//! Something that runs out and is renewed once for all who wait for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use orbit_core::{Context, Error, Result};
use tokio::sync::Mutex;

/// A credential, such as a token or a session, and which of them it is.
pub struct Kept<T> {
    /// Grows with each renewal.
    pub generation: u64,
    /// The credential.
    pub value: Arc<T>,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { generation: self.generation, value: Arc::clone(&self.value) }
    }
}

/// Holds the one credential of an identity.
///
/// `Debug` does not show it.
pub struct Renewing<T>(Mutex<State<T>>);

struct State<T> {
    generation: u64,
    kept: Option<Kept<T>>,
    failed: Option<(Instant, Error)>,
}

impl<T> Default for Renewing<T> {
    fn default() -> Self {
        Self(Mutex::new(State { generation: 0, kept: None, failed: None }))
    }
}

impl<T> Renewing<T> {
    /// Holds one that is there already.
    pub fn holding(value: T) -> Self {
        let kept = Kept { generation: 1, value: Arc::new(value) };
        Self(Mutex::new(State { generation: 1, kept: Some(kept), failed: None }))
    }

    /// The credential, made if there is none yet.
    ///
    /// # Errors
    /// Those of making it. All who waited meanwhile get the same error, so that a wrong
    /// password is sent once and not by each of them.
    pub async fn get<F>(
        &self,
        cx: &Context,
        make: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Result<Kept<T>>
    where
        F: Future<Output = Result<T>>,
    {
        self.newer_than(cx, None, make).await
    }

    /// A credential other than the one of generation `stale`, which the service refused; `make`
    /// is given the old one. Whoever comes after another has renewed it gets that one.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub async fn renewed<F>(
        &self,
        cx: &Context,
        stale: u64,
        make: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Result<Kept<T>>
    where
        F: Future<Output = Result<T>>,
    {
        self.newer_than(cx, Some(stale), make).await
    }

    async fn newer_than<F>(
        &self,
        cx: &Context,
        stale: Option<u64>,
        make: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Result<Kept<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let asked = Instant::now();
        let mut state = cx.run(async { Ok(self.0.lock().await) }).await?;
        if let Some(kept) = state.kept.as_ref().filter(|k| Some(k.generation) != stale) {
            return Ok(kept.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        let old = state.kept.as_ref().map(|kept| Arc::clone(&kept.value));
        match cx.run(make(old)).await {
            Ok(value) => {
                state.generation += 1;
                let kept = Kept { generation: state.generation, value: Arc::new(value) };
                (state.kept, state.failed) = (Some(kept.clone()), None);
                Ok(kept)
            }
            Err(error) => {
                // One caller's end is not the others' failure.
                if cx.check().is_ok() {
                    state.failed = Some((Instant::now(), error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Takes the credential out, to give it back to the service.
    pub async fn take(&self) -> Option<Arc<T>> {
        self.0.lock().await.kept.take().map(|kept| kept.value)
    }

    /// The credential that is there, without waiting for one that is being made.
    pub fn current(&self) -> Option<Kept<T>> {
        self.0.try_lock().ok()?.kept.clone()
    }
}

impl<T> std::fmt::Debug for Renewing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use orbit_core::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn many_who_wait_renew_once() {
        let (credential, cx) = (Renewing::default(), Context::builder().build());
        let made = AtomicU32::new(0);
        let make = |_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(made.fetch_add(1, Ordering::SeqCst))
        };
        let all = futures::future::join_all((0..50).map(|_| credential.get(&cx, make))).await;
        assert!(all.iter().all(|kept| kept.as_ref().unwrap().generation == 1));
        let all =
            futures::future::join_all((0..50).map(|_| credential.renewed(&cx, 1, make))).await;
        assert!(all.iter().all(|kept| kept.as_ref().unwrap().generation == 2));
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_who_waited_and_nobodys_afterwards() {
        let (credential, cx) = (Renewing::<u32>::default(), Context::builder().build());
        let tried = AtomicU32::new(0);
        let fail = |_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            tried.fetch_add(1, Ordering::SeqCst);
            Err(Error::new(ErrorKind::Unauthenticated, "refused"))
        };
        let all = futures::future::join_all((0..50).map(|_| credential.get(&cx, fail))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(tried.load(Ordering::SeqCst), 1);
        assert!(credential.get(&cx, fail).await.is_err());
        assert_eq!(tried.load(Ordering::SeqCst), 2);
    }
}
