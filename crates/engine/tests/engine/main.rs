//! The engine through its public API, over scripted sources and folders of files.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at its first fault"
)]

mod bounds;
mod deep;
mod formats;
mod lake;
mod moments;
mod names;
mod parts;
mod pushdown;
mod run;
mod store;
mod support;
mod texts;
mod writes;
