//! How often, and after which wait, what failed is tried again.

use std::time::Duration;

use crate::Error;

/// How much may be repeated at one instance in all, by layers and kinds alike, so that many
/// callers together do not bury a weak source.
pub trait RetryBudget: Send + Sync {
    /// Pays for another attempt after `error`; false when too much of late had to be repeated.
    fn pay(&self, error: &Error) -> bool;
}

/// Waits that double from one failure to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBackoff {
    /// The first wait is at most this.
    pub first: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl RetryBackoff {
    /// The wait after so many failures, one at least: any part of the doubled time, so that
    /// clients that failed together do not come back together.
    pub fn wait(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.max).mul_f64(rand::random_range(0.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        let backoff =
            RetryBackoff { first: Duration::from_millis(200), max: Duration::from_secs(10) };
        for failures in 1..100 {
            let bound = backoff.first * 2_u32.pow(failures.min(17) - 1);
            assert!(backoff.wait(failures) <= bound.min(backoff.max));
        }
    }
}
