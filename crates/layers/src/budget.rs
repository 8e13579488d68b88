//! How much may be repeated in all, so that many callers together do not bury a weak source.
//!
//! One token for each success, against five for each repetition, lets a fifth of what succeeds
//! be repeated; what comes in with time lets a quiet source be repeated too.

use std::sync::{Mutex, PoisonError};

use orbit_core::{Error, ErrorKind, RetryBudget};
use tokio::time::Instant;

use crate::BudgetSettings;

#[derive(Debug)]
pub(crate) struct Budget {
    settings: BudgetSettings,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Budget {
    pub(crate) fn new(settings: &BudgetSettings) -> Self {
        let tokens = f64::from(settings.tokens_max);
        let bucket = Mutex::new(Bucket { tokens, filled: Instant::now() });
        Self { settings: settings.clone(), bucket }
    }

    /// Puts back what a success is worth.
    pub(crate) fn succeeded(&self) {
        self.change(|tokens| *tokens += f64::from(self.settings.success_tokens));
    }

    fn change<T>(&self, change: impl FnOnce(&mut f64) -> T) -> T {
        let BudgetSettings { tokens_max, retry_tokens, retries_per_second_min, .. } = self.settings;
        let tokens_per_second = f64::from(retries_per_second_min) * f64::from(retry_tokens);
        let now = Instant::now();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.tokens += now.duration_since(bucket.filled).as_secs_f64() * tokens_per_second;
        bucket.tokens = bucket.tokens.min(f64::from(tokens_max));
        bucket.filled = now;
        let done = change(&mut bucket.tokens);
        bucket.tokens = bucket.tokens.min(f64::from(tokens_max));
        done
    }
}

impl RetryBudget for Budget {
    fn pay(&self, error: &Error) -> bool {
        let BudgetSettings { retry_tokens, timeout_tokens, .. } = self.settings;
        let after_timeout = error.kind() == ErrorKind::Timeout;
        let price = f64::from(if after_timeout { timeout_tokens } else { retry_tokens });
        self.change(|tokens| {
            let enough = *tokens >= price;
            if enough {
                *tokens -= price;
            }
            enough
        })
    }
}
