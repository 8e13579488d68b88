//! What a catalog said, kept for those who may not wake its warehouse.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use orbit_core::{Context, Error, ErrorKind, Result, Wake};
use tokio::time::Instant;

/// Entries at most; the oldest goes first.
const ENTRIES_MAX: usize = 1000;

/// Whether asking the source may start it, and cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The source is always up.
    AlwaysUp,
    /// A question may wake it.
    MayWake,
}

/// Answers by identity and question.
#[derive(Debug)]
pub struct CatalogCache<K, V> {
    kept_for: Duration,
    answers: Mutex<HashMap<(String, K), (Instant, V)>>,
}

impl<K: Eq + Hash + Clone, V: Clone> CatalogCache<K, V> {
    /// An empty cache that keeps each answer for so long.
    pub fn new(kept_for: Duration) -> Self {
        Self { kept_for, answers: Mutex::default() }
    }

    /// The answer of `ask`, which is kept; where the source may not be woken, what is kept.
    ///
    /// # Errors
    /// `Unavailable` when the source may not be woken and nothing is kept; those of `ask`.
    pub async fn answer(
        &self,
        cx: &Context,
        scope: Scope,
        question: K,
        ask: impl Future<Output = Result<V>>,
    ) -> Result<V> {
        let key = (cx.identity().cache_key().to_owned(), question);
        if scope == Scope::MayWake && cx.wake() == Wake::Forbidden {
            return self.kept(&key).ok_or_else(|| {
                let message = "the warehouse may not be woken and its catalog is not known yet";
                Error::new(ErrorKind::Unavailable, message)
                    .with_hint("ask once with waking allowed")
            });
        }
        let answer = ask.await?;
        if scope == Scope::MayWake {
            self.keep(key, answer.clone());
        }
        Ok(answer)
    }

    fn kept(&self, key: &(String, K)) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.get(key)?;
        (at.elapsed() < self.kept_for).then(|| answer.clone())
    }

    fn keep(&self, key: (String, K), answer: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ENTRIES_MAX {
            let oldest = answers.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.and_then(|key| answers.remove(&key));
        }
        answers.insert(key, (Instant::now(), answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_waking_only_what_is_kept() {
        let cache = CatalogCache::new(Duration::from_secs(60));
        let (awake, asleep) =
            (Context::builder().build(), Context::builder().wake(Wake::Forbidden).build());
        let ask = |cx: &Context, value: u8| {
            let cx = cx.clone();
            let cache = &cache;
            async move { cache.answer(&cx, Scope::MayWake, "t", async { Ok(value) }).await }
        };
        assert_eq!(ask(&asleep, 1).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(ask(&awake, 2).await.unwrap(), 2);
        assert_eq!(ask(&asleep, 3).await.unwrap(), 2);
        assert_eq!(ask(&awake, 4).await.unwrap(), 4);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(ask(&asleep, 5).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let up = cache.answer(&asleep, Scope::AlwaysUp, "t", async { Ok(6) }).await;
        assert_eq!(up.unwrap(), 6);
    }
}
