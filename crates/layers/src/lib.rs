//! The layers around any datasource, and the one order in which they stand.
//!
//! Outermost first:
//!
//! ```text
//! trace > metrics > retry > circuit breaker > rate limit > timeout > datasource
//! ```
//!
//! Trace and metrics know a name, so they stand around a handle; the others are shared by all
//! names of an instance. What follows from the order:
//!
//! - metrics count what the caller asked for, not how often it was tried;
//! - each attempt is counted by the breaker and pays the rate limit;
//! - an open breaker costs no permit, and waiting for a permit is not the source's silence;
//! - a read that timed out may be tried again.
//!
//! Each layer matches on the operation without a wildcard, so an operation that is added to the
//! contract does not compile until each layer has decided about it.

#![deny(clippy::wildcard_enum_match_arm)]

mod answer;
mod budget;
mod circuit;
mod circuit_breaker;
mod layer;
mod layered;
mod layered_files;
mod layered_sql;
mod metrics;
mod rate_limit;
mod retry;
mod settings;
mod stack;
mod timeout;
mod trace;
mod watch;

pub use settings::{
    BudgetSettings, CircuitBreakerSettings, LayerSettings, RateLimitSettings, RetrySettings,
    TimeoutSettings,
};
pub use stack::Stack;
