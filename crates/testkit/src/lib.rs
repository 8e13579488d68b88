//! The behaviour suite: one set of trials for every backend, chosen by capability.

mod bench;
mod claims;
mod harness;
mod layering;
pub mod oracle;
pub mod reference;
pub mod scripted;
pub mod servers;
pub mod settings;
mod subject;
mod suite;
mod support;
pub mod tables;

pub use harness::behaviour;
pub use subject::{Fixture, Running, SqlFixture, Statements, Stop, Subject, Verdict};
