//! The figures of the layers: the section `limits` of a datasource.

use std::num::{NonZeroU32, NonZeroU64};

use orbit_core::{Problem, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a datasource is guarded.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerSettings {
    /// Repeating reads that failed.
    pub retry: RetrySettings,
    /// Leaving a source alone that fails.
    pub circuit_breaker: CircuitBreakerSettings,
    /// How many operations may start; none is no limit.
    pub rate_limit: Option<RateLimitSettings>,
    /// How long a source may be silent.
    pub timeout: TimeoutSettings,
}

/// Repeating reads that failed.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How often an operation is tried in all; 1 is never again.
    pub attempts_max: NonZeroU32,
    /// The longest wait before the second attempt; it doubles with each further one. The wait
    /// is a random part of it.
    pub backoff_ms_min: u64,
    /// Where the doubling ends.
    pub backoff_ms_max: u64,
    /// A source that asks for a longer wait than this is asked again after it.
    pub retry_after_ms_max: u64,
    /// How much may be repeated in all.
    pub budget: BudgetSettings,
}

/// How much may be repeated in all: a bucket of tokens that each repetition draws on.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// What the bucket holds, and holds at first.
    pub tokens_max: u32,
    /// What a repetition costs.
    pub retry_tokens: u32,
    /// What a repetition after a timeout costs.
    pub timeout_tokens: u32,
    /// What each success puts back.
    pub success_tokens: u32,
    /// How many repetitions a second are paid for in any case.
    pub retries_per_second_min: u32,
}

/// Leaving a source alone that fails.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreakerSettings {
    /// The time over which operations are counted.
    pub window_ms: NonZeroU64,
    /// Fewer operations than this in the window say nothing.
    pub operations_min: NonZeroU32,
    /// The share of failures, in percent, at which the source is left alone.
    pub failures_percent: u8,
    /// So many failures to reach the source in a row do it too.
    pub unavailable_max: NonZeroU32,
    /// The shortest time for which it is left alone.
    pub open_ms_min: u64,
    /// The longest time for which it is left alone.
    pub open_ms_max: u64,
}

/// How many operations may start.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// How many start in a second over time; each attempt counts.
    pub operations_per_second: NonZeroU32,
    /// How many may start at once; as many as in a second if not said.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
}

/// How long a source may be silent. Progress that it reports, such as a warehouse that starts,
/// is no silence.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutSettings {
    /// For requests that start no work: listing, describing, reading files.
    pub request_ms: NonZeroU64,
    /// For statements, until their first batch.
    pub open_ms: NonZeroU64,
    /// For statements, between two batches.
    pub batch_ms: NonZeroU64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts_max: const { NonZeroU32::new(3).unwrap() },
            backoff_ms_min: 100,
            backoff_ms_max: 20_000,
            retry_after_ms_max: 60_000,
            budget: BudgetSettings::default(),
        }
    }
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            tokens_max: 500,
            retry_tokens: 5,
            timeout_tokens: 10,
            success_tokens: 1,
            retries_per_second_min: 10,
        }
    }
}

impl Default for CircuitBreakerSettings {
    fn default() -> Self {
        Self {
            window_ms: const { NonZeroU64::new(10_000).unwrap() },
            operations_min: const { NonZeroU32::new(20).unwrap() },
            failures_percent: 50,
            unavailable_max: const { NonZeroU32::new(5).unwrap() },
            open_ms_min: 5_000,
            open_ms_max: 30_000,
        }
    }
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            request_ms: const { NonZeroU64::new(60_000).unwrap() },
            open_ms: const { NonZeroU64::new(900_000).unwrap() },
            batch_ms: const { NonZeroU64::new(300_000).unwrap() },
        }
    }
}

impl LayerSettings {
    /// All figures that do not fit together; `settings` are those of the section.
    pub fn validate(&self, settings: &Settings) -> Vec<Problem> {
        let Self { retry, circuit_breaker, rate_limit: _, timeout: _ } = self;
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, key: &str, message: &str| {
            if wrong {
                problems.push(settings.problem(key, message));
            }
        };
        refuse(
            retry.backoff_ms_min > retry.backoff_ms_max,
            "retry.backoff_ms_min",
            "must not be more than `backoff_ms_max`",
        );
        refuse(
            !(1..=100).contains(&circuit_breaker.failures_percent),
            "circuit_breaker.failures_percent",
            "must be from 1 to 100",
        );
        refuse(
            circuit_breaker.open_ms_min > circuit_breaker.open_ms_max,
            "circuit_breaker.open_ms_min",
            "must not be more than `open_ms_max`",
        );
        problems
    }
}
