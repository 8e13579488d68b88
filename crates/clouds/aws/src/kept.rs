//! Credentials that are kept until they run out, or until a service says that they have.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use orbit_core::Retry;

use crate::Failure;

/// The credentials of one client.
///
/// A service may refuse credentials as run out that by their own account have not: a clock is
/// wrong, or a session was revoked. They are then asked for anew, once; when those are refused
/// as well before anything was answered, that is the error.
#[derive(Debug, Clone)]
pub struct KeptCredentials {
    /// Asking again may give others.
    renew: bool,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    cache: SharedIdentityCache,
    number: u64,
    /// A request with these was answered.
    is_proven: bool,
}

impl Kept {
    fn new(number: u64) -> Self {
        Self { cache: IdentityCache::lazy().build(), number, is_proven: number == 0 }
    }
}

impl KeptCredentials {
    /// None yet. Those that do not `renew` stay as they are, whatever a service says of them.
    pub fn new(renew: bool) -> Self {
        Self { renew, kept: Arc::new(Mutex::new(Kept::new(0))) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a request, and learns from its answer. A failure over credentials that were given
    /// up says that the request may be sent again.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn learn_from<T>(
        &self,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let number = self.with(|kept| kept.number);
        let answer = request.await;
        match answer {
            Err(mut failure) if failure.says_run_out() && self.give_up(number) => {
                failure.error = failure.error.with_retry(Retry::After(Duration::ZERO));
                Err(failure)
            }
            Ok(answer) => {
                self.with(|kept| kept.is_proven |= kept.number == number);
                Ok(answer)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether there will be others in place of those of this number.
    fn give_up(&self, number: u64) -> bool {
        self.renew
            && self.with(|kept| {
                let is_renewed = kept.number != number;
                if !is_renewed && kept.is_proven {
                    *kept = Kept::new(number + 1);
                    return true;
                }
                is_renewed
            })
    }
}

impl ResolveCachedIdentity for KeptCredentials {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.with(|kept| kept.cache.clone());
        IdentityFuture::new(async move {
            cache.resolve_cached_identity(resolver, components, bag).await
        })
    }
}
