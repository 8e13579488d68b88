//! The layers through their public surface, around a scripted datasource.

mod circuit_breaker;
mod observed;
mod order;
mod passing;
mod rate_limit;
mod retry;
mod scripted;
mod settings;
mod timeout;
