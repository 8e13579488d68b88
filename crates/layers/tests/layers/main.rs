//! The layers through their public surface, around a scripted datasource.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, as the test does")]

mod circuit_breaker;
mod connect;
mod observed;
mod order;
mod passing;
mod rate_limit;
mod retry;
mod scripted;
mod settings;
mod timeout;
