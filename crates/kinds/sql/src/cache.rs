//! What a catalog said, kept for those who may not wake its warehouse.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use orbit_core::{Context, Error, ErrorKind, Result, Wake};
use tokio::time::Instant;

/// Entries at most; the oldest goes first.
const ENTRIES_MAX: usize = 1000;
/// Bytes of all answers at most, as they are told to the cache; the oldest goes first.
const BYTES_MAX: usize = 32 << 20;

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
    bytes: fn(&V) -> usize,
    answers: Mutex<HashMap<(String, K), Kept<V>>>,
}

#[derive(Debug)]
struct Kept<V> {
    at: Instant,
    bytes: usize,
    answer: V,
}

impl<K: Eq + Hash + Clone, V: Clone> CatalogCache<K, V> {
    /// An empty cache that keeps each answer for so long; `bytes` tells about how many one
    /// holds.
    pub fn new(kept_for: Duration, bytes: fn(&V) -> usize) -> Self {
        Self { kept_for, bytes, answers: Mutex::default() }
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
        let kept = answers.get(key)?;
        (kept.at.elapsed() < self.kept_for).then(|| kept.answer.clone())
    }

    fn keep(&self, key: (String, K), answer: V) {
        let bytes = (self.bytes)(&answer);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.remove(&key);
        if bytes > BYTES_MAX {
            return;
        }
        let mut held = bytes + answers.values().map(|kept| kept.bytes).sum::<usize>();
        while answers.len() >= ENTRIES_MAX || held > BYTES_MAX {
            let oldest = answers.iter().min_by_key(|(_, kept)| kept.at).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| answers.remove(&key)) else { break };
            held -= gone.bytes;
        }
        answers.insert(key, Kept { at: Instant::now(), bytes, answer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_waking_only_what_is_kept() {
        let cache = CatalogCache::new(Duration::from_secs(60), |_| 1);
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

    /// What is too much for all goes unkept, and what is new puts out what is old.
    #[tokio::test(start_paused = true)]
    async fn answers_have_so_many_bytes_at_most() {
        let cache = CatalogCache::new(Duration::from_secs(60), |bytes: &usize| *bytes);
        let (awake, asleep) =
            (Context::builder().build(), Context::builder().wake(Wake::Forbidden).build());
        let (half, vast) = (BYTES_MAX / 2, BYTES_MAX + 1);
        for (question, bytes) in [("a", half), ("b", half), ("c", 1), ("b", 1), ("c", vast)] {
            let answer = cache.answer(&awake, Scope::MayWake, question, async { Ok(bytes) }).await;
            assert_eq!(answer.unwrap(), bytes, "it is answered, kept or not");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let mut kept = Vec::new();
        for question in ["a", "b", "c"] {
            let answer = cache.answer(&asleep, Scope::MayWake, question, async { Ok(0) }).await;
            kept.push(answer.ok());
        }
        assert_eq!(kept, [None, Some(1), None]);
    }
}
