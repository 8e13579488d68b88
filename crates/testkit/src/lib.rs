//! The behaviour suite: one set of trials for every backend, chosen by capability.

mod claims;
pub mod reference;
pub mod scripted;
pub mod settings;
mod subject;
pub mod tables;
